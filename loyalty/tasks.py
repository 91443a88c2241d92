"""What the worker does for this room."""

from datetime import datetime

from celery import shared_task

from loyalty import suspicions
from loyalty.models import Suspicion


@shared_task
def note_unknown_codes(subject: str, count: int, at: str, locked_until: str | None) -> None:
    """Note that somebody tried many codes that do not exist."""
    suspicions.note(
        Suspicion.Kind.UNKNOWN_CODES,
        subject,
        at=datetime.fromisoformat(at),
        count=count,
        details={} if locked_until is None else {"locked_until": locked_until},
    )
