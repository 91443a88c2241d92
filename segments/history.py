"""The history of calculations, and who follows each of them once it is committed."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial

from django.db import transaction

from segments import announcements
from segments.models import Calculation, Segment

# What follows a calculation: told the segment's id and the instant, after it was committed.
OnCalculated = Callable[[int, datetime], None]
_followers: dict[str, OnCalculated] = {}


def on_calculated(name: str, follow: OnCalculated) -> None:
    """Have `follow` called after each calculation was committed. May be called again.

    It is a nudge, not a promise: a process that dies in between calls nobody.
    """
    _followers[name] = follow


def add_line(
    segment: Segment,
    at: datetime,
    member_count: int,
    entered: int,
    left: int,
    seconds: float,
    cause: str,
    *,
    logged_at: datetime,
) -> None:
    """Write a calculation into the history, and have those called who follow it."""
    calculation = Calculation.objects.create(
        segment_id=segment.pk,
        at=at,
        logged_at=logged_at,
        version_number=segment.version_number,
        member_count=member_count,
        entered_count=entered,
        left_count=left,
        milliseconds=Decimal(f"{seconds * 1000:.3f}"),
        cause=cause[:60],
    )
    announcements.tell_refreshed(calculation, segment)
    for follow in _followers.values():
        transaction.on_commit(partial(follow, segment.pk, at), robust=True)
