"""The list of segments: its tabs, columns and filters, and what one can do from a row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.views import ChangeList

from segments import exports
from segments.actions import kinds_by_segment
from segments.admin.badges import calculation_badge, source_badge, status_badge, with_last_change
from segments.admin.commands import commands_of
from segments.admin.unhealthy import HealthFilter, health_badges
from segments.admin.warnings import renewal_address
from segments.expiry import deadlines_of
from segments.health import findings_by_segment
from segments.membership import unfinished_refreshes
from segments.models import Segment, SegmentAction
from segments.sections import Section, in_section, section_counts, with_expiry
from workspace import access
from workspace.access import Actor, actor_of
from workspace.admin import job_context
from workspace.admin.pictures import change_since, chips, number
from workspace.models import Job, User

SECTION_PARAMETER = "section"
_TITLES = {
    Section.PREPARATION: gettext_lazy("In preparation"),
    Section.READY: gettext_lazy("Ready to use"),
    Section.ARCHIVE: gettext_lazy("Archive"),
}
_EXPORTS = "exports"
_NAME, _CREATED, _EXPIRY = "name_and_status", "created_on", "expiry"
_MEMBERS, _ACTIONS, _COMMANDS = "members", "action_kinds", "commands"


def section_tabs(request: HttpRequest, *, current: str) -> list[dict[str, Any]]:
    """The tabs over the list and over the files, with how much is in each."""
    actor = actor_of(request)
    listed = reverse("admin:segments_segment_changelist")
    counts = section_counts(actor, at=timezone.now())
    total = access.visible(Segment.objects.all(), actor).count()
    tabs = [("", _("All"), total, _address(request, listed, "", current))]
    tabs += [
        (
            section.value,
            str(title),
            counts[section],
            _address(request, listed, section.value, current),
        )
        for section, title in _TITLES.items()
    ]
    if actor.may("segments.export_segment"):
        files = exports.visible_exports(actor).count()
        url = reverse("admin:segments_export_changelist")
        tabs.append((_EXPORTS, _("Export files"), files, url))
    return [
        {"title": title, "count": number(count), "url": url, "is_current": slug == current}
        for slug, title, count, url in tabs
    ]


def _address(request: HttpRequest, listed: str, section: str, current: str) -> str:
    """A tab keeps what was searched and filtered, and begins at its first page."""
    kept = request.GET.copy()
    if current == _EXPORTS:
        kept.clear()
    for name in (SECTION_PARAMETER, "p", "o", "e"):
        kept.pop(name, None)
    if section:
        kept[SECTION_PARAMETER] = section
    return f"{listed}?{kept.urlencode()}" if kept else listed


def chosen_section(request: HttpRequest) -> Section | None:
    """The section of the tab that is open; None for all."""
    name = request.GET.get(SECTION_PARAMETER, "")
    return Section(name) if name in set(Section) else None


class SegmentChangeList(ChangeList):
    """The rows of one tab."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        kept: dict[str, Any] = super().get_filters_params(params)
        kept.pop(SECTION_PARAMETER, None)
        return kept

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> "QuerySet[Any]":
        found: QuerySet[Any] = super().get_queryset(request, *args, **kwargs)
        section = chosen_section(request)
        return found if section is None else in_section(found, section, at=timezone.now())


class OwnerFilter(DropdownFilter):
    """By owner, of those who own segments that one may know of."""

    title = gettext_lazy("owner")
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        known = access.visible(Segment.objects.order_by(), actor_of(request))
        owners = User.objects.filter(pk__in=known.values("owner")).order_by("username")
        return [(str(owner.pk), str(owner)) for owner in owners]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        value = self.value() or ""
        if not value:
            return queryset
        return queryset.filter(owner=int(value)) if value.isdecimal() else queryset.none()


_NO_GROUP = "none"


class GroupFilter(DropdownFilter):
    """By user group, of those that one belongs to."""

    title = gettext_lazy("user group")
    parameter_name = "group"

    def has_output(self) -> bool:
        # Also without choices: else what stands in the address would be passed over.
        return bool(self.lookup_choices) or self.value() is not None

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        groups: QuerySet[Group] = access.choosable_groups(actor_of(request))
        found = [(str(group.pk), group.name) for group in groups]
        # Everybody sees these: whoever keeps order wants to find them.
        return [*found, (_NO_GROUP, _("no user group"))] if found else []

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        if not self.value():
            return queryset
        if self.value() not in dict(self.lookup_choices):
            return queryset.none()
        if self.value() == _NO_GROUP:
            return queryset.filter(groups__isnull=True)
        within = Segment.groups.through.objects.filter(group_id=self.value())
        return queryset.filter(pk__in=within.values("segment_id"))


class SegmentListing(ModelAdmin):
    """What the list shows of each segment; a constant number of queries."""

    list_display: Sequence[str] = (
        *(_NAME, _CREATED, _EXPIRY, _MEMBERS, "change"),
        *(_ACTIONS, _COMMANDS),
    )
    list_display_links = None
    list_select_related = ("owner", "following", "imported__connection")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("refresh_mode", ChoicesDropdownFilter),
        ("source", ChoicesDropdownFilter),
        OwnerFilter,
        GroupFilter,
        HealthFilter,
    )
    list_filter_submit = True
    list_filter_sheet = True
    search_fields = ("name", "key", "description")
    sortable_by = (_NAME, _CREATED, _EXPIRY, _MEMBERS)
    list_per_page = 50
    show_full_result_count = False
    actions = None
    change_list_template = "segments/segment_list.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return SegmentChangeList

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        segments: QuerySet[Segment] = super().get_queryset(request)
        return with_expiry(with_last_change(access.visible(segments, actor_of(request))))

    def get_list_display(self, request: HttpRequest) -> Sequence[str]:
        if chosen_section(request) is Section.PREPARATION:
            return (_NAME, _CREATED, "progress", _ACTIONS, _COMMANDS)
        return self.list_display

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        section = chosen_section(request)
        tabs = section_tabs(request, current=section.value if section else "")
        context = {**(extra_context or {}), "section_tabs": tabs, "section": section}
        answer: HttpResponse = super().changelist_view(request, context)
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            shown = answer.context_data.get("cl")
            if shown is not None:
                _furnish(request, list(shown.result_list), at=timezone.now())
        return answer

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_status(self, segment: Any) -> SafeString:
        context = {
            "segment": segment,
            "url": reverse("admin:segments_segment_change", args=[segment.pk]),
            "badges": segment.row["badges"],
        }
        return render_to_string("segments/row_name.html", context)

    @admin.display(description=gettext_lazy("created"), ordering="created_at")
    def created_on(self, segment: Segment) -> SafeString:
        day = date_format(timezone.localtime(segment.created_at), "DATE_FORMAT")
        return format_html('<span class="rg-nowrap">{}</span>', day)

    @admin.display(description=gettext_lazy("expires"), ordering="expires_at")
    def expiry(self, segment: Any) -> SafeString:
        return render_to_string("segments/row_expiry.html", segment.row)

    @admin.display(description=gettext_lazy("contacts"), ordering="member_count")
    def members(self, segment: Segment) -> str:
        return number(segment.member_count)

    @admin.display(description=gettext_lazy("since last time"))
    def change(self, segment: Any) -> SafeString:
        return change_since(segment.last_entered, segment.last_left)

    @admin.display(description=gettext_lazy("actions"))
    def action_kinds(self, segment: Any) -> SafeString:
        return chips(segment.row["kinds"])

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, segment: Any) -> SafeString:
        return render_to_string("segments/row_progress.html", segment.row)

    @admin.display(description=gettext_lazy("commands"))
    def commands(self, segment: Any) -> SafeString:
        return render_to_string("segments/row_commands.html", segment.row)


def _furnish(request: HttpRequest, segments: Sequence[Any], *, at: datetime) -> None:
    """Give each segment of the page what its cells show, read at once for all."""
    actor = actor_of(request)
    ids = [segment.pk for segment in segments]
    kinds = kinds_by_segment(ids)
    jobs = unfinished_refreshes(ids, actor=actor)
    deadlines = deadlines_of(segments, at=at)
    findings = findings_by_segment(segments, actor=actor)
    for segment in segments:
        deadline = deadlines.get(segment.pk)
        job = jobs.get(segment.pk)
        segment.row = {
            "segment": segment,
            "badges": [
                *_badges(segment, job, at=at),
                *health_badges(findings.get(segment.pk, [])),
            ],
            "kinds": [SegmentAction.Kind(kind).label for kind in kinds[segment.pk]],
            "until": segment.ready_until,
            "deadline": deadline.sentence(now=at) if deadline else "",
            "renew": renewal_address(segment, actor) if deadline else "",
            "job": job_context(job) if job is not None else None,
            "cancel": _cancel(segment, actor),
            "commands": commands_of(segment, actor, at=at),
            "findings": findings.get(segment.pk, []),
        }


def _badges(segment: Segment, job: Job | None, *, at: datetime) -> list[SafeString]:
    badges = [status_badge(segment)]
    if segment.status != Segment.Status.ARCHIVED:
        is_running = job is not None and job.state == Job.State.RUNNING
        badges.append(calculation_badge(segment, at=at, is_running=is_running))
    if segment.source != Segment.Source.CRITERIA:
        badges.append(source_badge(segment))
    return badges


def _cancel(segment: Segment, actor: Actor) -> str:
    """The address that ends its calculation, where there is one and this person may."""
    if segment.refresh_requested_at is None or not actor.may("segments.refresh_segment"):
        return ""
    return reverse("admin:segments_segment_action", args=[segment.pk, "cancel_calculation"])
