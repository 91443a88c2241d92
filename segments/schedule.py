"""When segments are refreshed by the clock.

A segment that is refreshed every n hours or days has moments of its own: counted from its
creation, and a little earlier by a share that depends on its id, so that segments made together
do not all start together. It is due when its last calculation is older than the last such moment;
moments that were missed are made up for once. A periodic task in beat follows each such segment,
and a sweep every minute finds what beat missed: both ask `is_due`. A segment that follows its
contacts in real time needs no clock, except where it cannot follow, or is stale.
"""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b

from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from segments import membership
from segments.errors import SegmentArchived, SegmentInactive, SegmentNotCalculated
from segments.models import Segment
from segments.realtime import state
from workspace.access import SYSTEM
from workspace.models import Job

# How often those are refreshed that should follow their contacts and do not, or are stale.
FALLBACK_EVERY = timedelta(minutes=10)
# Of the time from one refresh to the next, how much earlier a segment may start than its moment.
_SPREAD = 0.1
TASK = "segments.tasks.refresh_on_schedule"


def refresh_period(segment: Segment) -> timedelta | None:
    """The time from one refresh to the next; None where no clock refreshes it."""
    if segment.refresh_mode == Segment.RefreshMode.REALTIME:
        return None if state.is_live(segment) else FALLBACK_EVERY
    return segment.refresh_every


def next_refresh_at(segment: Segment) -> datetime | None:
    """When the clock refreshes a segment next; in the past where it is overdue, None if never."""
    period = refresh_period(segment)
    if period is None or segment.status != Segment.Status.ACTIVE or not segment.is_calculable:
        return None
    last = last_attempt_at(segment)
    if segment.refresh_every is None:
        return last + period if last is not None else segment.created_at
    first = _first_moment(segment, period)
    if last is None or last < first:
        return first
    return first + ((last - first) // period + 1) * period


def last_attempt_at(segment: Segment) -> datetime | None:
    """When it was last calculated, or tried to be."""
    attempts = [at for at in (segment.calculated_at, segment.failed_at) if at is not None]
    return max(attempts, default=None)


def is_due(segment: Segment, *, as_of: datetime) -> bool:
    """Whether a segment is to be refreshed now by the clock.

    A segment that was never tried is due whatever its settings: its first request got lost.
    """
    if segment.status != Segment.Status.ACTIVE or not segment.is_calculable:
        return False
    if last_attempt_at(segment) is None:
        return True
    moment = next_refresh_at(segment)
    return moment is not None and moment <= as_of


def due_segments(*, as_of: datetime) -> list[Segment]:
    """The segments that are due, those included for which a request waits."""
    active = Segment.objects.filter(status=Segment.Status.ACTIVE)
    active = active.select_related("following").defer("criteria")
    return [
        segment
        for segment in active.order_by("pk")
        if segment.refresh_requested_at is not None or is_due(segment, as_of=as_of)
    ]


def refresh_due(*, as_of: datetime) -> list[Job]:
    """Request the refresh of every segment that is due; one round of what beat does.

    Repairs besides what a crash or a cancelled job left behind.
    """
    membership.withdraw_lost_requests(at=as_of)
    _repair()
    due = [found for found in due_segments(as_of=as_of) if found.refresh_requested_at is None]
    return [job for segment in due if (job := _queue(segment, as_of=as_of)) is not None]


def refresh_if_due(segment_id: int, *, as_of: datetime) -> Job | None:
    """Request the refresh of one segment, if it is due and nobody did."""
    segment = Segment.objects.filter(pk=segment_id, refresh_requested_at__isnull=True).first()
    if segment is None or not is_due(segment, as_of=as_of):
        return None
    return _queue(segment, as_of=as_of)


def follow(segment: Segment) -> None:
    """Make the periodic task of a segment agree with it, in the transaction that changed it."""
    period = segment.refresh_every
    name = task_name(segment)
    if period is None or segment.status == Segment.Status.ARCHIVED:
        for task in PeriodicTask.objects.filter(name=name):
            task.delete()
        return
    every, unit = _interval(segment)
    interval = IntervalSchedule.objects.filter(every=every, period=unit).order_by("pk").first()
    if interval is None:
        interval = IntervalSchedule.objects.create(every=every, period=unit)
    wanted = {
        "task": TASK,
        "args": json.dumps([segment.pk]),
        "interval": interval,
        "start_time": _first_moment(segment, period),
        "enabled": segment.status == Segment.Status.ACTIVE,
        "description": segment.key,
        # A message that waited for a worker for longer than this says nothing new.
        "expire_seconds": 3600,
    }
    task = PeriodicTask.objects.filter(name=name).first() or PeriodicTask(name=name)
    if task.pk is None or any(getattr(task, field) != value for field, value in wanted.items()):
        for field, value in wanted.items():
            setattr(task, field, value)
        task.save()


def task_name(segment: Segment) -> str:
    """The name of the periodic task that follows a segment."""
    return f"Refresh segment {segment.pk}"


def _queue(segment: Segment, *, as_of: datetime) -> Job | None:
    try:
        return membership.queue_refresh(segment, actor=SYSTEM, cause="scheduled", at=as_of)
    except (SegmentInactive, SegmentArchived, SegmentNotCalculated):
        # Somebody changed it this moment.
        return None


def _repair() -> None:
    """Make periodic tasks that somebody deleted or changed by hand follow their segments again."""
    kept = Segment.objects.exclude(status=Segment.Status.ARCHIVED).defer("criteria")
    followed = kept.filter(refresh_mode=Segment.RefreshMode.INTERVAL)
    tasks = dict(PeriodicTask.objects.filter(task=TASK).values_list("name", "enabled"))
    wanted = {task_name(segment): segment for segment in followed}
    astray = [
        segment
        for name, segment in wanted.items()
        if tasks.get(name) != (segment.status == Segment.Status.ACTIVE)
    ]
    if astray:
        _follow_again(astray)
    orphans = tasks.keys() - wanted.keys()
    if orphans:
        for task in PeriodicTask.objects.filter(task=TASK, name__in=orphans):
            task.delete()


@transaction.atomic
def _follow_again(segments: Iterable[Segment]) -> None:
    for segment in segments:
        follow(segment)


def _interval(segment: Segment) -> tuple[int, str]:
    is_daily = segment.refresh_unit == Segment.Unit.DAY
    unit = IntervalSchedule.DAYS if is_daily else IntervalSchedule.HOURS
    return segment.refresh_amount or 1, unit


def _first_moment(segment: Segment, period: timedelta) -> datetime:
    digest = blake2b(str(segment.pk).encode(), digest_size=2).digest()
    share = int.from_bytes(digest, "big") / 2**16
    return segment.created_at + period * (1 - _SPREAD * share)
