"""What other rooms add to the page of a campaign: panels, each with a template and its data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from loyalty.models import Campaign

# The data of the panel's template, as `data`; None where there is nothing to show this person.
Load = Callable[[HttpRequest, Campaign], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class CampaignPanel:
    """A card on the page of a campaign; those with a smaller `place` come first."""

    name: str
    title: Any
    template: str
    load: Load
    place: int = 50


_panels: dict[str, CampaignPanel] = {}


def register_campaign_panel(panel: CampaignPanel) -> None:
    """Show a panel on every campaign's page. May be called again."""
    _panels[panel.name] = panel


def panels_of(request: HttpRequest, campaign: Campaign) -> list[dict[str, Any]]:
    """The panels that have something to show, for the template."""
    found = []
    for panel in sorted(_panels.values(), key=lambda one: (one.place, one.name)):
        data = panel.load(request, campaign)
        if data is not None:
            found.append({"panel": panel, "data": data})
    return found
