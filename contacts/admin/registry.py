"""What upper floors add to the screens about contacts: panels of the profile, filters, links."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from contacts.models import Contact


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the profile page. `load` gives the template its context, or None for no panel.

    Panels with a smaller `place` stand higher.
    """

    key: str
    title: Any
    template: str
    load: Callable[[HttpRequest, Contact], dict[str, Any] | None]
    place: int = 100


@dataclass(frozen=True, slots=True)
class Link:
    """A button above the list of contacts or of events; `permission` as Django names it."""

    key: str
    title: Any
    url_name: str
    icon: str
    permission: str


_panels: dict[str, Panel] = {}
_filters: list[Any] = []
_links: dict[str, Link] = {}
_event_links: dict[str, Link] = {}


def register_panel(panel: Panel) -> None:
    """Show a panel on every profile. May be called again."""
    _panels[panel.key] = panel


def register_filter(list_filter: Any) -> None:
    """Offer one more filter of the list of contacts. May be called again."""
    if list_filter not in _filters:
        _filters.append(list_filter)


def register_link(link: Link) -> None:
    """Show one more button above the list of contacts. May be called again."""
    _links[link.key] = link


def register_event_link(link: Link) -> None:
    """Show one more button above the list of events. May be called again."""
    _event_links[link.key] = link


def panels() -> list[Panel]:
    """All panels, in their order."""
    return sorted(_panels.values(), key=lambda panel: (panel.place, panel.key))


def filters() -> tuple[Any, ...]:
    """The filters that upper floors added."""
    return tuple(_filters)


def links() -> list[Link]:
    """The buttons that upper floors added."""
    return list(_links.values())


def event_links() -> list[Link]:
    """The buttons above the list of events."""
    return [_IMPORT_EVENTS, *_event_links.values()]


_IMPORT_EVENTS = Link(
    "import", gettext_lazy("Import"), "contacts_event_import", "upload_file", "contacts.add_event"
)
