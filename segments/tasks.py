"""What the worker does for this room."""

from celery import shared_task
from django.utils import timezone

from segments import indexes, schedule


@shared_task
def refresh_due() -> int:
    """Request the refresh of every segment that is due, and the indexes that they lack."""
    indexes.request_if_needed()
    return len(schedule.refresh_due(as_of=timezone.now()))


@shared_task
def refresh_on_schedule(segment_id: int) -> None:
    """Request the refresh of one segment, if it is due."""
    schedule.refresh_if_due(segment_id, as_of=timezone.now())
