"""How segments look in tables: the state as a word with a colour, the course of the size."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from segments.imported.syncing import system_of
from segments.models import Calculation, Segment
from segments.realtime.liveness import is_followed
from workspace.admin.pictures import badge, sparkline

_POINTS = 20
Status, State, Source = Segment.Status, Segment.CalculationState, Segment.Source
_STATUS_TONES = {
    Status.ACTIVE: ("good", "check_circle"),
    Status.INACTIVE: ("warning", "pause_circle"),
    Status.ARCHIVED: ("neutral", "inventory_2"),
}
_SOURCE_TONES = {
    Source.CRITERIA: ("neutral", "tune"),
    Source.CSV: ("info", "description"),
    Source.LIST: ("info", "playlist_add_check"),
    Source.IMPORTED: ("info", "cloud_download"),
}
_STATE_TONES = {
    State.WAITING: ("neutral", "schedule"),
    State.CALCULATING: ("info", "sync"),
    State.READY: ("good", "check"),
    State.EXPIRED: ("warning", "hourglass_disabled"),
    State.FAILED: ("bad", "error"),
}


def status_badge(segment: Segment) -> SafeString:
    """Active, inactive or archived."""
    return badge(segment.get_status_display(), *_STATUS_TONES[Status(segment.status)])


def source_badge(segment: Segment) -> SafeString:
    """Where the members come from, for those that are not calculated: a file, another system."""
    words = segment.get_source_display()
    # A copy of one is imported, and comes from nowhere any more.
    if segment.source == Source.IMPORTED and hasattr(segment, "imported"):
        words = _("imported from %(system)s") % {"system": system_of(segment.imported)}
    return badge(words, *_SOURCE_TONES[Source(segment.source)])


def calculation_badge(segment: Segment, *, at: datetime, is_running: bool = False) -> SafeString:
    """What can be said of its members now; a failure of the last refresh is never hidden.

    `is_running` says that a worker is at the first calculation, which else only waits.
    """
    state = segment.calculation_state(at=at)
    if is_running and state == State.WAITING:
        state = State.CALCULATING
    if segment.failure and state in {State.READY, State.EXPIRED}:
        return badge(_("last refresh failed"), "bad", "error")
    if state == State.WAITING and segment.refresh_requested_at is None and segment.failed_at:
        return badge(_("cancelled"), "warning", "block")
    if state == State.READY and is_followed(segment, at=at):
        return badge(_("live"), "good", "bolt")
    return badge(state.label, *_STATE_TONES[state])


def with_last_change(segments: "QuerySet[Segment]") -> "QuerySet[Segment]":
    """The segments with how many entered and left at their last calculation."""
    last = Calculation.objects.filter(segment_id=OuterRef("pk")).order_by("-at", "-pk")
    return segments.annotate(
        last_entered=Subquery(last.values("entered_count")[:1]),
        last_left=Subquery(last.values("left_count")[:1]),
    )


def sparklines(segment_ids: Sequence[int]) -> dict[int, Any]:
    """The course of the size of several segments over their last calculations; one query."""
    ranked = Calculation.objects.filter(segment_id__in=segment_ids).annotate(
        place=Window(
            RowNumber(), partition_by=F("segment_id"), order_by=[F("at").desc(), F("id").desc()]
        )
    )
    sizes: dict[int, list[int]] = {pk: [] for pk in segment_ids}
    shown = ranked.filter(place__lte=_POINTS).order_by("segment_id", "at", "id")
    for segment_id, count in shown.values_list("segment_id", "member_count"):
        sizes[segment_id].append(count)
    return {
        pk: sparkline(
            counts,
            _("From %(first)s to %(last)s members")
            % {"first": counts[0] if counts else 0, "last": counts[-1] if counts else 0},
        )
        for pk, counts in sizes.items()
    }
