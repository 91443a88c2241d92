"""Pages of a timeline: the sources merged into one order, each asked for no more than a page."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from contacts.timeline.items import Ask, Filters, Item, Place
from contacts.timeline.sources import TimelineSource, sources
from workspace.access import Actor

# A search goes through more at once, because most of it is passed over.
_SEARCHED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Counted:
    """How many items of a kind there are, counted up to a limit."""

    source: TimelineSource
    count: int
    is_more: bool


def page(
    contact_id: int,
    *,
    actor: Actor,
    filters: Filters | None = None,
    after: Place | None = None,
    newest_first: bool = True,
    limit: int = 50,
) -> list[Item]:
    """Up to `limit` items of a contact, those after a place in the order; a query or so a source.

    Where nothing was given for `newest_first` they are walked from the newest to the oldest.
    """
    filters = filters or Filters()
    streams = [
        _stream(
            source,
            Ask.of_kind(
                source.kind,
                after,
                contact_id=contact_id,
                actor=actor,
                filters=filters,
                limit=limit,
                newest_first=newest_first,
            ),
        )
        for source in offered_sources(actor)
        if _is_asked(source, filters)
    ]
    merged = heapq.merge(*streams, key=lambda item: item.place, reverse=newest_first)
    return list(islice(merged, limit))


def counts(
    contact_id: int, *, actor: Actor, filters: Filters | None = None, limit: int = 999
) -> list[Counted]:
    """How many items of each kind the actor may see; nobody counts further than `limit`."""
    ask = Ask(contact_id, actor, filters or Filters(), limit + 1)
    found = []
    for source in offered_sources(actor):
        count = source.count(ask) if source.count else len(source.load(ask))
        found.append(Counted(source, min(count, limit), count > limit))
    return found


def offered_sources(actor: Actor) -> list[TimelineSource]:
    """The sources that tell the actor anything."""
    return [one for one in sources() if not one.permission or actor.may(one.permission)]


def _is_asked(source: TimelineSource, filters: Filters) -> bool:
    is_wanted = not filters.kinds or source.kind in filters.kinds
    return is_wanted and filters.special <= source.answers


def _stream(source: TimelineSource, ask: Ask) -> Iterator[Item]:
    text = "" if source.searches else ask.filters.text
    if text:
        ask = replace(ask, limit=max(ask.limit, _SEARCHED_AT_ONCE))
    # A query each time around: the second one only where a page was used up, which does not
    # happen before the page that is asked for is full, or where a search passed over all of it.
    while True:
        found = source.load(ask)
        yield from (item for item in found if not text or item.says(text))
        if len(found) < ask.limit:
            return
        ask = ask.beyond(found[-1])
