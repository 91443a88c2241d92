"""Sources on the screen: the list, the catalog, and the pages of each."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.admin.catalog import CatalogPages
from integrations.admin.debugging import DebuggerPages
from integrations.admin.held import HeldPages
from integrations.admin.listing import SourceListing
from integrations.admin.mapping import MappingPages
from integrations.admin.overview import overview_context
from integrations.admin.setting_up import SetUpPages
from integrations.admin.settling import SettingsPages
from integrations.models import Source
from integrations.source_counts import open_held_counts
from workspace.admin import EmptyState
from workspace.admin.pictures import number


@admin.register(Source)
class SourceAdmin(
    SourceListing,
    CatalogPages,
    DebuggerPages,
    HeldPages,
    MappingPages,
    SetUpPages,
    SettingsPages,
):
    """Websites, apps, servers and systems that send events."""

    thing_pages = (
        ("setup", gettext_lazy("Set up"), "setup_view"),
        ("debugger", gettext_lazy("Live debugger"), "debugger_view"),
        ("held", gettext_lazy("Held"), "held_view"),
        ("traits", gettext_lazy("Traits"), "traits_view"),
        ("settings", gettext_lazy("Settings"), "settings_view"),
    )
    first_page_label = gettext_lazy("Overview")
    add_label = gettext_lazy("Add source")
    empty_state = EmptyState(
        gettext_lazy(
            "A source is a website, app or server that tells us what customers do, as it happens:"
            " with Segment's own libraries, unchanged. Add one, copy its key, and watch the first"
            " event arrive."
        ),
        icon="sensors",
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Sources are disabled, never deleted: what they sent names them.
        return False

    def tabs_of(self, request: HttpRequest, thing: Any, current: str = "") -> list[dict[str, Any]]:
        """The pages of a source; how much is held stands on the tab."""
        tabs = super().tabs_of(request, thing, current)
        count = open_held_counts([thing.pk]).get(thing.pk, 0)
        if count:
            url = reverse("admin:integrations_source_held", args=[thing.pk])
            for tab in tabs:
                if tab["url"] == url:
                    tab["title"] = _("Held (%(n)s)") % {"n": number(count)}
        return tabs

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The overview; what may be changed stands on the page Settings."""
        if request.method == "POST":
            raise Http404
        source = self.visible_or_404(request, object_id)
        context = self.thing_context(request, source, page="", title=_("Overview"))
        context |= overview_context(source)
        return TemplateResponse(request, "integrations/overview.html", context)
