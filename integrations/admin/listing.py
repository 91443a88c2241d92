"""The list of sources: whether they send, how much, and how much of it could not be used."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin

from integrations.admin.badges import kind_badge, share_unused, state_badge
from integrations.models import Source
from integrations.source_counts import DAYS, daily_courses, open_held_counts
from workspace.admin.pictures import badge, number, sparkline


class SourceListing(ModelAdmin):
    """What the list shows of each source; a constant number of queries."""

    list_display: Any = ("name_and_status", "last_event", "in_days", "course", "unused", "held")
    list_display_links = None
    search_fields = ("name", "key", "description")
    sortable_by = ()
    ordering = ("name", "pk")
    list_per_page = 50
    show_full_result_count = False
    actions = None

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        answer: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            shown = answer.context_data.get("cl")
            if shown is not None:
                _furnish(list(shown.result_list))
        return answer

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_status(self, source: Source) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><a class="rg-strong rg-break" href="{}">{}</a>'
            '<span class="rg-row rg-badges">{}{}</span></span>',
            reverse("admin:integrations_source_change", args=[source.pk]),
            source.name,
            kind_badge(source),
            state_badge(source),
        )

    @admin.display(description=gettext_lazy("last event"), ordering="last_received_at")
    def last_event(self, source: Source) -> SafeString:
        return last_event(source)

    @admin.display(description=gettext_lazy("in 30 days"))
    def in_days(self, source: Any) -> str:
        return number(source.row["course"].total)

    @admin.display(description=gettext_lazy("course"))
    def course(self, source: Any) -> SafeString:
        counts = source.row["course"].totals
        words = {"events": number(sum(counts)), "days": DAYS}
        return sparkline(counts, _("%(events)s events in %(days)d days") % words)

    @admin.display(description=gettext_lazy("could not be used"))
    def unused(self, source: Any) -> SafeString:
        course = source.row["course"]
        return share_unused(course.share_unused, course.total)

    @admin.display(description=gettext_lazy("held"))
    def held(self, source: Any) -> SafeString:
        count = source.row["held"]
        if not count:
            return format_html('<span class="rg-faint">{}</span>', "–")
        text = ngettext("%(n)s event", "%(n)s events", count) % {"n": number(count)}
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:integrations_source_held", args=[source.pk]),
            badge(text, "warning", "pending"),
        )


def last_event(source: Source) -> SafeString:
    """How long ago a source sent something; the moment itself in the tip."""
    at = source.last_received_at
    if at is None:
        return format_html('<span class="rg-faint">{}</span>', _("never"))
    ago = timesince(at, timezone.now(), depth=1)
    return format_html(
        '<time class="rg-nowrap" datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S"),
        _("%(time)s ago") % {"time": ago},
    )


def _furnish(sources: list[Any]) -> None:
    """Give each source of the page what its cells show, read at once for all."""
    ids = [source.pk for source in sources]
    courses = daily_courses(ids, until=timezone.now())
    held = open_held_counts(ids)
    for source in sources:
        source.row = {"course": courses[source.pk], "held": held.get(source.pk, 0)}
