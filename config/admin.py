"""The admin site: its title, the order of rooms, the first page."""

from typing import Any

from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):
    """The back office."""

    site_title = "Regulars"


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The rooms in the sidebar, those that this person may enter."""
    return []


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows."""
    return context
