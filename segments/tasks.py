"""What the worker does for this room."""

from celery import shared_task
from django.utils import timezone

from segments import (
    action_runs,
    checkups,
    export_schedules,
    exports,
    health_mail,
    indexes,
    schedule,
)
from segments.realtime import audit


@shared_task
def refresh_due() -> int:
    """Request the refresh of every segment that is due, and the indexes that they lack."""
    indexes.request_if_needed()
    return len(schedule.refresh_due(as_of=timezone.now()))


@shared_task
def refresh_on_schedule(segment_id: int) -> None:
    """Request the refresh of one segment, if it is due."""
    schedule.refresh_if_due(segment_id, as_of=timezone.now())


@shared_task
def run_export_schedules() -> int:
    """Request the exports that are due by their schedules."""
    return export_schedules.run_due(as_of=timezone.now())


@shared_task
def purge_exports() -> dict[str, int]:
    """Delete the files of exports whose time is over."""
    return exports.purge_exports(timezone.now())


@shared_task
def check_segments() -> dict[str, int]:
    """Look for what is wrong with segments, and mail what is new to owners who want it."""
    now = timezone.now()
    checked = checkups.check_all(as_of=now)
    health_mail.mail_findings(at=now)
    return checked.counts


@shared_task
def audit_memberships() -> int:
    """Compare the members of segments that follow with a full evaluation; how many were wrong."""
    now = timezone.now()
    wrong = sum(found.is_wrong for found in audit.audit_all(at=now))
    if wrong:
        health_mail.mail_findings(at=now)
    return wrong


@shared_task
def find_late_refreshes() -> dict[str, int]:
    """Look for refreshes that are late, and mail what is new to owners who want it."""
    now = timezone.now()
    checked = checkups.check_late(as_of=now)
    health_mail.mail_findings(at=now)
    return checked.counts


@shared_task
def run_actions() -> int:
    """Begin the actions that are due; what nobody was told of, or a lost message was about."""
    return len(action_runs.run_due(as_of=timezone.now()))
