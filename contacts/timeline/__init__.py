"""The timeline of a contact: all that is known to have happened, from every room, newest first.

A room registers a `TimelineSource` when Django is ready; `page` merges the sources into one list
with one order, `(at, kind, key)`, in which every item has its place. A page costs the same, however
far one has turned: each source is asked for no more than a page, after a place.

What somebody may not know of is left out by the source itself, before it counts towards a page: no
page is shorter for it, and nothing betrays that there was something.
"""

from contacts.timeline.items import Ask, Filters, Item, Place
from contacts.timeline.origins import Origin, register_origins
from contacts.timeline.pages import counts, offered_sources, page
from contacts.timeline.sources import TimelineSource, register_source, sources

__all__ = [
    "Ask",
    "Filters",
    "Item",
    "Origin",
    "Place",
    "TimelineSource",
    "counts",
    "offered_sources",
    "page",
    "register_origins",
    "register_source",
    "sources",
]
