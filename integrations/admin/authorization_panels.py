"""What rooms and connectors show on the page of a connection, besides what all have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from integrations.models import VendorConnection


@dataclass(frozen=True, slots=True)
class Panel:
    """A card on the page: `html` is safe markup, `links` are (words, address) at its head."""

    title: Any
    html: str
    links: Sequence[tuple[Any, str]] = ()


MakePanel = Callable[[HttpRequest, VendorConnection], Panel | None]
_panels: dict[str, MakePanel] = {}


def register_panel(name: str, make: MakePanel) -> None:
    """Have `make` asked for a card on each connection's page; None where it has nothing to say.

    It looks at the connection's kind and at what the person may see. May be called again.
    """
    _panels[name] = make


def panels_for(request: HttpRequest, connection: VendorConnection) -> list[Panel]:
    """The cards for this page, in the order of registration."""
    made = (make(request, connection) for make in _panels.values())
    return [panel for panel in made if panel is not None]
