"""The round that follows time: whom time alone may have turned since the last look is asked anew.

Nothing is kept for it beside the instant up to which each segment was looked at: whose events or
dates have passed an edge since then is found by their indexes. Too many are asked rather than one
too few. Where no index tells, the segment is refreshed in full: windows of whole days when the
date changes. After a downtime the same look catches up, or gives way to a full refresh.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from segments import membership
from segments.models import Following
from segments.realtime import documents, following, heartbeat, state
from segments.realtime.documents import Documents
from segments.realtime.moving import Asked, Changed, Ours, ask
from workspace import locks, sql

CHANNEL = "regulars_clock"
EVERY = timedelta(seconds=1)
CAUSE = "time"
# Above so many a full refresh of their segments is cheaper.
LIMIT = 50_000
_NOTE = """
WITH seen AS (
  SELECT f.segment_id FROM segments_following f
  JOIN unnest(%s::integer[], %s::timestamptz[]) AS s (segment_id, until)
    ON s.segment_id = f.segment_id AND s.until = f.followed_until
  ORDER BY f.segment_id FOR UPDATE OF f SKIP LOCKED)
UPDATE segments_following f SET followed_until = %s FROM seen WHERE f.segment_id = seen.segment_id
"""
# Where nobody was found, how often it is written down how far time was looked at.
_NOTE_EVERY = timedelta(seconds=30)


def tick(at: datetime) -> bool:
    """Ask whom time has turned up to `at`; true only where it has to be done again at once."""
    try:
        with transaction.atomic():
            if not locks.try_lock(state.LOCK):
                return False
            known = documents.load()
            if following.restart_changed(known, at=at):
                return True
            found = Following.objects.filter(followed_until__lt=at, stale_since=None)
            seen = dict(found.order_by("pk").values_list("pk", "followed_until"))
            if seen:
                _look(known, seen, at=at)
    except Changed:
        return True
    heartbeat.beat(at)
    return False


def _look(known: Documents, seen: Mapping[int, datetime], *, at: datetime) -> None:
    """What time did since the segments were looked at, each up to its own instant.

    From the earliest of these on for all: who is asked once too often is only asked.
    """
    since = min(seen.values())
    turned = known.clock(tuple(seen)).between(since, at)
    due = {one for one, needs in turned.needs_full.items() if seen[one] < needs.next_at <= at}
    pairs: list[tuple[int, int]] = []
    if turned.query is not None:
        text = f"{turned.query.text} LIMIT %s"
        pairs = sql.lists(text, [*turned.query.params, LIMIT + 1])
    if len(pairs) > LIMIT:
        due, pairs = set(seen), []
    asked = Asked()
    for segment_id, contact_id in pairs:
        if segment_id not in due:
            asked.pairs[segment_id][contact_id] = CAUSE
    wanted = asked.segments(known)
    if wanted:
        # Nobody is erased from here on, and who was is known.
        membership.hold_off_erasures()
        ours = Ours.of(wanted | known.dependents(wanted))
        if documents.is_changed(known):
            raise Changed
        ask(asked, known, ours=ours, at=at)
    if due:
        following.refresh_in_full(due, cause=CAUSE, at=at)
    if pairs or len(set(seen.values())) > 1 or at - since >= _NOTE_EVERY:
        # Also of those that are being refreshed: whom time turned is owed.
        _note({one: until for one, until in seen.items() if one not in due}, at=at)


def _note(seen: Mapping[int, datetime], *, at: datetime) -> None:
    """Write down how far time was looked at, unless a full refresh began anew meanwhile."""
    sql.execute(_NOTE, [list(seen), list(seen.values()), at])
