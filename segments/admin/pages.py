"""The pages of one segment besides its form: members, history, changes, versions, explanation."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import Contact
from segments import action_runs, exports
from segments.admin.acting import actions_page
from segments.admin.explaining import explanation_context
from segments.admin.export_schedules import rhythm_of, schedule_badge
from segments.admin.exporting import export_rows
from segments.admin.history import history_page
from segments.admin.past import members_then_page
from segments.admin.sending import audiences_page
from segments.admin.versioning import versions_page
from segments.causes import Causes
from segments.export_schedules import visible_schedules
from segments.members import changes_page, members_page
from segments.models import MembershipChange, Segment
from workspace.access import actor_of
from workspace.admin import PagesAdmin
from workspace.admin.pictures import badge, number

_PAGE = 50
_CHARTED = 120


class SegmentPages(PagesAdmin):
    """Members, history, changes and versions, each a tab of the segment."""

    thing_pages = (
        ("members", gettext_lazy("Members"), "members_view"),
        ("history", gettext_lazy("History"), "history_view"),
        ("changes", gettext_lazy("Entered and left"), "changes_view"),
        ("versions", gettext_lazy("Versions"), "versions_view"),
        ("explain", gettext_lazy("Why"), "explain_view"),
        ("actions", gettext_lazy("Actions"), "actions_view"),
        ("export", gettext_lazy("Export"), "export_view"),
        ("audiences", gettext_lazy("Audiences"), "audiences_view"),
        ("settings", gettext_lazy("Preview"), "settings_view"),
    )

    def tabs_of(self, request: HttpRequest, thing: Any, current: str = "") -> list[dict[str, Any]]:
        """All pages but the preview, which the list leads to: the overview says the same."""
        unlisted = reverse("admin:segments_segment_settings", args=[thing.pk])
        tabs = super().tabs_of(request, thing, current)
        return [tab for tab in tabs if tab["url"] != unlisted or tab["is_current"]]

    def may_open(self, request: HttpRequest, slug: str) -> bool:
        needed = {"export": "segments.export_segment", "explain": "contacts.view_contact"}
        return slug not in needed or actor_of(request).may(needed[slug])

    def page_links(self, request: HttpRequest, segment: Segment) -> list[dict[str, Any]]:
        """Links that stand among the buttons."""
        if segment.status != Segment.Status.ACTIVE:
            return []
        links = []
        may_act = action_runs.refusal_of(segment, at=timezone.now()) is None
        if may_act and actor_of(request).may(action_runs.PERMISSION):
            url = f"{reverse('admin:segments_segment_actions', args=[segment.pk])}?add=1"
            links.append({"title": _("Add action"), "url": url, "icon": "bolt"})
        if self.may_open(request, "export"):
            url = f"{reverse('admin:segments_export_add')}?segment={quote(segment.key)}"
            links.append({"title": _("Export"), "url": url, "icon": "download"})
        url = f"{reverse('admin:segments_segment_overlap')}?keys={quote(segment.key)}"
        links.append({"title": _("Overlap"), "url": url, "icon": "join_inner"})
        return links

    def audiences_view(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        """The lists at vendors that mirror the segment."""
        return audiences_page(self, request, segment)

    def members_view(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        """Who is in, by id, page after page at the same cost; or who was in then."""
        if "as_of" in request.GET:
            return members_then_page(self, request, segment)
        after, before = _whole(request.GET.get("after")), _whole(request.GET.get("before"))
        members = members_page(segment, after=after, before=before, limit=_PAGE + 1)
        is_more = len(members) > _PAGE
        shown = members[-_PAGE:] if before is not None else members[:_PAGE]
        has_next = bool(shown) and (before is not None or is_more)
        has_previous = bool(shown) and (is_more if before is not None else bool(after))
        may_see = actor_of(request).may("contacts.view_contact")
        names = Contact.objects.in_bulk([member.contact_id for member in shown]) if may_see else {}
        context = self.thing_context(request, segment, page="members", title=_("Members"))
        context.update(
            rows=[(member, names.get(member.contact_id)) for member in shown],
            next=shown[-1].contact_id if has_next else None,
            previous=shown[0].contact_id if has_previous else None,
            total=number(segment.member_count),
            may_see=may_see,
        )
        return TemplateResponse(request, "segments/members.html", context)

    def history_view(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        """How many were in after each calculation, drawn and listed."""
        return history_page(self, request, segment)

    def changes_view(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        """Who entered and who left, newest first, page after page at the same cost."""
        kind: Any = request.GET.get("kind")
        kind = kind if kind in MembershipChange.Kind.values else None
        found = changes_page(
            segment,
            kind=kind,
            after=_place(request.GET.get("after", "")),
            newest_first=True,
            limit=_PAGE + 1,
        )
        shown = found[:_PAGE]
        may_see = actor_of(request).may("contacts.view_contact")
        names = Contact.objects.in_bulk([c.contact_id for c in shown]) if may_see else {}
        entered, left = badge(_("entered"), "good", "add"), badge(_("left"), "bad", "remove")
        last = shown[-1] if shown else None
        causes = Causes((change.cause for change in shown), actor_of(request))
        context = self.thing_context(request, segment, page="changes", title=_("Entered and left"))
        context.update(
            rows=[
                (
                    change,
                    names.get(change.contact_id),
                    entered if change.kind == "entered" else left,
                    causes.words(change.cause),
                )
                for change in shown
            ],
            next=f"{last.at.isoformat()}|{last.contact_id}|{last.kind}"
            if last and len(found) > _PAGE
            else "",
            kind=kind or "",
            kinds=[("", _("All")), ("entered", _("Entered")), ("left", _("Left"))],
            is_first=not request.GET.get("after"),
            may_see=may_see,
        )
        return TemplateResponse(request, "segments/changes.html", context)

    def versions_view(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        """The criteria that it had, and who wrote them."""
        return versions_page(self, request, segment)

    def explain_view(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        """Why somebody is in it, or not."""
        _may_look_at_contacts(request)
        context = self.thing_context(request, segment, page="explain", title=_("Why"))
        context.update(explanation_context(request, segment), media=self.media)
        return TemplateResponse(request, "segments/explain.html", context)

    def actions_view(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        """What is planned for its members, and what came of it."""
        return actions_page(self, request, segment)

    def export_view(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        """The files of its members that there are, and the schedules that make more of them."""
        actor = actor_of(request)
        if not actor.may("segments.export_segment"):
            raise PermissionDenied
        files = exports.visible_exports(actor).filter(segment_id=segment.pk).order_by("-pk")
        schedules = visible_schedules(actor).filter(segment_id=segment.pk).order_by("-pk")
        context = self.thing_context(request, segment, page="export", title=_("Export"))
        context.update(
            media=self.media + forms.Media(css={"all": ("segments/exports.css",)}),
            rows=export_rows(files[:_PAGE], at=timezone.now()),
            schedules=[
                {"thing": found, "badge": schedule_badge(found), "rhythm": rhythm_of(found)}
                for found in schedules[:_PAGE]
            ],
            may_export=segment.status == Segment.Status.ACTIVE,
        )
        return TemplateResponse(request, "segments/exports.html", context)


def _may_look_at_contacts(request: HttpRequest) -> None:
    if not actor_of(request).may("contacts.view_contact"):
        raise PermissionDenied


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 19 else None


def _place(text: str) -> tuple[datetime, int, str] | None:
    parts = text.split("|")
    contact_id = _whole(parts[1]) if len(parts) == 3 else None
    if contact_id is None:
        return None
    try:
        return datetime.fromisoformat(parts[0]), contact_id, parts[2]
    except ValueError:
        return None
