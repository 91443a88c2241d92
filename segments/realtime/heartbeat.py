"""The history and readiness of segments that follow: current, without a write for each move.

Where something moved, a segment gets a line of history at once, and another one at the earliest a
minute later with all that moved since; what is done after each refresh follows these lines. That
its members are right as of now is written once a minute for all segments in one statement.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from contacts import touches
from segments import history
from segments.models import Following, Segment
from segments.realtime import state
from workspace import locks, sql

LINE_EVERY = timedelta(minutes=1)
BEAT_EVERY = timedelta(minutes=1)
CAUSE = "followed"
_IS_DUE = """
SELECT EXISTS (
    SELECT FROM segments_following WHERE recorded_at <= %s AND moved_at IS NOT NULL) AS moved,
  EXISTS (
    SELECT FROM segments_following f JOIN segments_segment s ON s.id = f.segment_id
    WHERE s.calculated_at <= %s AND f.stale_since IS NULL) AS due
"""
# Time has been looked at up to `followed_until`; whom somebody is owed is not as of now.
_BEAT = """
UPDATE segments_segment s SET calculated_at = n.at
FROM (
  SELECT s.id, least(f.followed_until, %s) AS at
  FROM segments_following f JOIN segments_segment s ON s.id = f.segment_id
  WHERE f.stale_since IS NULL AND NOT EXISTS (
    SELECT FROM segments_owed o WHERE o.segment_id = f.segment_id)
  ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED) n
WHERE s.id = n.id AND s.calculated_at < n.at
"""


def beat(at: datetime) -> None:
    """Write history and readiness where it is time to; cheap where it is not."""
    found = sql.rows(_IS_DUE, [at - LINE_EVERY, at - BEAT_EVERY])[0]
    if not (found["moved"] or found["due"]):
        return
    with transaction.atomic():
        if not locks.try_lock(state.LOCK):
            return
        if found["moved"]:
            _record_moves(at)
        if found["due"]:
            # What came later than the oldest that waits is not known to be in.
            oldest = touches.oldest_at()
            sql.execute(_BEAT, [at if oldest is None else min(at, oldest)])


def record_pending(segment: Segment, *, at: datetime) -> None:
    """Write into the history what moved since its last line. For who has locked the segment."""
    following = Following.objects.filter(segment=segment).first()
    if following is None or following.moved_at is None:
        return
    entered, left, moved_at = following.entered_count, following.left_count, following.moved_at
    Following.objects.filter(segment=segment).update(
        entered_count=F("entered_count") - entered,
        left_count=F("left_count") - left,
        moved_at=None,
        recorded_at=at,
    )
    history.add_line(
        segment, at, segment.member_count, entered, left, 0.0, CAUSE, logged_at=moved_at
    )


def _record_moves(at: datetime) -> None:
    due = Segment.objects.filter(
        following__recorded_at__lte=at - LINE_EVERY, following__moved_at__isnull=False
    )
    held = due.select_for_update(no_key=True, skip_locked=True, of=("self",)).order_by("pk")
    for segment in held:
        # One by one, because each calls those who follow its calculations.
        record_pending(segment, at=at)
