"""Segments on the screen: the list, the form with its preview, the buttons of their life."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segments import facts, lifecycle, membership, schedule
from segments.admin.badges import calculation_badge, status_badge
from segments.admin.building import CriteriaBuilding
from segments.admin.consequences import of_archiving, of_inactivating
from segments.admin.from_file import FileSegmentPages
from segments.admin.importing import ImportedSegmentPages
from segments.admin.listing import SegmentListing
from segments.admin.overlapping import OverlapPages
from segments.admin.pages import SegmentPages
from segments.admin.past import PastPages
from segments.admin.versioning import VersionPages
from segments.admin.warnings import warnings_of
from segments.admin.writing import SegmentWriting
from segments.imported import importing
from segments.models import Segment
from segments.realtime.liveness import liveness
from segments.uses import uses_of
from workspace import jobs
from workspace.access import actor_of
from workspace.admin import EmptyState, job_context, object_action
from workspace.admin.pictures import change_since, number

Status = Segment.Status


def _is(*states: Status) -> Any:
    return lambda segment: segment.status in states


@admin.register(Segment)
class SegmentAdmin(
    SegmentListing,
    FileSegmentPages,
    ImportedSegmentPages,
    OverlapPages,
    PastPages,
    VersionPages,
    CriteriaBuilding,
    SegmentWriting,
    SegmentPages,
):
    """Named criteria and who satisfies them."""

    empty_state = EmptyState(
        gettext_lazy(
            "A segment is a named group of contacts, such as “bought in the last 90 days”. Write"
            " its criteria once: its members are then kept up to date."
        ),
        icon="donut_small",
    )
    first_page_label = gettext_lazy("Overview")
    add_label = gettext_lazy("Create segment")

    class Media:
        js = ("segments/segment_form.js",)
        css = {"all": ("segments/segment_form.css", "segments/why.css", "segments/upset.css")}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Segments are archived, never deleted.
        return False

    def page_of(self, request: HttpRequest, thing: Model) -> str:
        """The page that asked, where it said so: a row of the list goes back to the list."""
        back = request.POST.get("next", "")
        if url_has_allowed_host_and_scheme(back, allowed_hosts=None):
            return back
        return str(super().page_of(request, thing))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.status == Status.ARCHIVED:
            return False
        return bool(super().has_change_permission(request, obj))

    def standing(self, request: HttpRequest, segment: Any) -> dict[str, Any]:
        """How a segment stands, for the top of its page."""
        now = timezone.now()
        job = jobs.unfinished(f"segment:{segment.pk}")
        actor = actor_of(request)
        return {
            "buttons": self.buttons(request, segment),
            "links": self.page_links(request, segment),
            "status_badge": status_badge(segment),
            "calculation_badge": calculation_badge(segment, at=now),
            "members": number(segment.member_count),
            "change": change_since(segment.last_entered, segment.last_left),
            "next_refresh": importing.next_reading_at(segment) or schedule.next_refresh_at(segment),
            "liveness": liveness(segment, at=now),
            "now": now,
            "sentence": facts.describe_criteria(segment, actor=actor),
            "running": job_context(job) if job is not None else None,
            "uses": uses_of(segment, actor=actor),
            **warnings_of(segment, actor, at=now),
        }

    @object_action(
        gettext_lazy("Refresh now"),
        permission="segments.refresh_segment",
        icon="sync",
        consequence=gettext_lazy(
            "Its members are calculated anew by a worker: who fits now enters, who no longer fits"
            " leaves. The saved criteria count."
        ),
        is_offered=_is(Status.ACTIVE),
    )
    def refresh_now(self, request: HttpRequest, segment: Segment) -> str:
        membership.request_refresh(segment, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is being refreshed.") % {"name": segment}

    @object_action(
        gettext_lazy("Cancel the calculation"),
        permission="segments.refresh_segment",
        icon="cancel",
        consequence=gettext_lazy(
            "The calculation that waits or runs is ended. Who is in it stays in it, as of the last"
            " one; settings that refresh it by the clock begin it again at their next moment."
        ),
        is_offered=lambda segment: segment.refresh_requested_at is not None,
    )
    def cancel_calculation(self, request: HttpRequest, segment: Segment) -> str:
        cancelled = lifecycle.cancel_calculation(
            segment, actor=actor_of(request), at=timezone.now()
        )
        if cancelled.refresh_requested_at is not None:
            return _("The calculation of “%(name)s” is being ended.") % {"name": segment}
        return _("The calculation of “%(name)s” is cancelled.") % {"name": segment}

    @object_action(
        gettext_lazy("Copy"),
        permission="segments.add_segment",
        icon="content_copy",
        consequence=lambda segment: (
            _(
                "A new active segment with the same criteria and settings is made and calculated;"
                " “%(name)s” stays as it is. The copy is yours."
            )
            % {"name": segment}
        ),
    )
    def copy(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        made = lifecycle.copy_segment(segment, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("This is the copy: “%(name)s”.") % {"name": made})
        return HttpResponseRedirect(self.page_of(request, made))

    @object_action(
        gettext_lazy("Set active"),
        permission="segments.inactivate_segment",
        icon="play_circle",
        consequence=gettext_lazy("It can be used again, and is refreshed by its settings."),
        is_offered=_is(Status.INACTIVE),
    )
    def set_active(self, request: HttpRequest, segment: Segment) -> str:
        lifecycle.activate(segment, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is active.") % {"name": segment}

    @object_action(
        gettext_lazy("Set inactive"),
        permission="segments.inactivate_segment",
        icon="pause_circle",
        consequence=lambda segment: (
            _(
                "“%(name)s” is refreshed no more and cannot be chosen any more. Its %(count)s"
                " members stay as they are. You can set it active again."
            )
            % {"name": segment, "count": number(segment.member_count)}
        ),
        is_offered=_is(Status.ACTIVE),
        affects=of_inactivating,
    )
    def set_inactive(self, request: HttpRequest, segment: Segment) -> str:
        lifecycle.inactivate(segment, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is inactive.") % {"name": segment}

    @object_action(
        gettext_lazy("Archive"),
        permission="segments.archive_segment",
        icon="inventory_2",
        variant="danger",
        consequence=lambda segment: (
            _(
                "All %(count)s members leave “%(name)s”, and it can never be used again. Its"
                " history stays. This cannot be undone."
            )
            % {"name": segment, "count": number(segment.member_count)}
        ),
        confirm=gettext_lazy("Archive for ever"),
        is_offered=_is(Status.INACTIVE),
        affects=of_archiving,
    )
    def archive(self, request: HttpRequest, segment: Segment) -> str:
        lifecycle.archive(segment, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is archived.") % {"name": segment}
