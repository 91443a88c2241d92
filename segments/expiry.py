"""Calculations whose readiness time is nearly over, and what is still planned for them.

What the clock refreshes in time has no deadline: each refresh starts the readiness time again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segments import schedule
from segments.models import Segment, SegmentAction
from segments.realtime.liveness import is_followed
from segments.sections import with_expiry
from workspace import access
from workspace.access import Actor

SOON = timedelta(hours=24)
_UNFINISHED = (SegmentAction.State.PLANNED, SegmentAction.State.RUNNING)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A segment's calculation expires at `at`; `planned` actions would then be refused."""

    segment: Segment
    at: datetime
    planned: int

    def sentence(self, *, now: datetime) -> str:
        """In words: “expires in 6 hours, 2 actions still planned”."""
        left = timeuntil(self.at, now, depth=1)
        if not self.planned:
            return _("expires in %(time)s") % {"time": left}
        text = ngettext(
            "expires in %(time)s, %(count)d action still planned",
            "expires in %(time)s, %(count)d actions still planned",
            self.planned,
        )
        return text % {"time": left, "count": self.planned}


def deadlines_of(segments: Iterable[Segment], *, at: datetime) -> dict[int, Deadline]:
    """By id, those of the segments whose calculation expires soon; one query."""
    ending = {segment.pk: segment for segment in segments if _ends_soon(segment, at=at)}
    planned = planned_counts(ending)
    return {
        pk: Deadline(segment, segment.ready_until, planned.get(pk, 0))
        for pk, segment in ending.items()
        if segment.ready_until is not None
    }


def next_deadlines(actor: Actor, *, at: datetime, limit: int) -> list[Deadline]:
    """The nearest deadlines of segments that the actor may know of; those with plans first."""
    active = Segment.objects.filter(status=Segment.Status.ACTIVE).select_related("following")
    ending = with_expiry(access.visible(active, actor)).filter(
        expires_at__gt=at, expires_at__lte=at + SOON
    )
    found = deadlines_of(ending.order_by("expires_at", "pk")[: limit * 10], at=at).values()
    return sorted(found, key=lambda deadline: (not deadline.planned, deadline.at))[:limit]


def planned_counts(segment_ids: Iterable[int]) -> dict[int, int]:
    """How many actions of each segment wait for their time; those without any are missing.

    Those after each refresh are not counted: they wait for a refresh, and miss nothing.
    """
    ids = list(segment_ids)
    if not ids:
        return {}
    planned = SegmentAction.objects.filter(segment_id__in=ids, state__in=_UNFINISHED)
    timed = planned.exclude(timing=SegmentAction.Timing.AFTER_REFRESH).order_by()
    counted = timed.values("segment_id").annotate(count=Count("pk"))
    return {row["segment_id"]: row["count"] for row in counted}


def _ends_soon(segment: Segment, *, at: datetime) -> bool:
    until = segment.ready_until
    if segment.status != Segment.Status.ACTIVE or until is None or not at < until <= at + SOON:
        return False
    if segment.refresh_requested_at is not None or is_followed(segment, at=at):
        return False
    refreshed = schedule.next_refresh_at(segment)
    return refreshed is None or refreshed >= until
