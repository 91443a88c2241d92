"""Which segments follow their contacts, and how far they have come.

A segment begins to follow with a full refresh, whose members are the ones that later moves build
on, and stops when its criteria or its way of refreshing change. One that is `stale` goes on
following, but only a full refresh makes it right again.
"""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from hashlib import blake2b
from typing import Any

from segments.criteria import Criteria, Event, turns_by_time
from segments.models import Following, Segment
from workspace import locks, sql

# Held by whoever moves contacts as they are touched: one at a time.
LOCK = "segments following"
_OWE = """
INSERT INTO segments_owed (segment_id, contact_id, cause)
SELECT * FROM unnest(%s::integer[], %s::bigint[], %s::text[]) ON CONFLICT DO NOTHING
"""
_TAKE_OWED = """
DELETE FROM segments_owed WHERE (segment_id, contact_id) IN (
  SELECT segment_id, contact_id FROM segments_owed WHERE segment_id = ANY(%s) LIMIT %s)
RETURNING segment_id, contact_id, cause
"""
_TRY_LOCKS = """
SELECT id FROM unnest(%s::integer[]) AS id
WHERE pg_try_advisory_xact_lock(hashtextextended('segments writing ' || id, 0))
"""
_START = """
INSERT INTO segments_following (segment_id, digest, followed_until, recorded_at, stale_since,
  entered_count, left_count) VALUES (%s, %s, %s, %s, %s, 0, 0)
ON CONFLICT (segment_id) DO UPDATE SET digest = excluded.digest,
  followed_until = excluded.followed_until, recorded_at = excluded.recorded_at,
  entered_count = 0, left_count = 0, moved_at = NULL, stale_since = excluded.stale_since,
  stale_cause = CASE WHEN excluded.stale_since IS NULL THEN ''
    ELSE segments_following.stale_cause END
"""


def may_follow(segment: Segment) -> bool:
    """Whether a segment wants to follow: it is active, in real time, and comes from criteria."""
    return (
        segment.status == Segment.Status.ACTIVE
        and segment.refresh_mode == Segment.RefreshMode.REALTIME
        and segment.source == Segment.Source.CRITERIA
    )


def can_follow(tree: Criteria) -> bool:
    """Whether it can be found out whom time turns: not where events hold times as properties.

    A window on these may turn anybody at any moment, and no index tells whom.
    """
    return not turns_by_time(tree).properties


def is_live(segment: Segment) -> bool:
    """Whether a segment's members are always the right ones. One query, or none if prefetched."""
    found = getattr(segment, "following", None)
    return found is not None and found.stale_since is None


def start(segment_id: int, tree: Criteria, *, as_of: datetime, stays_stale: bool) -> None:
    """Have a segment follow from a full refresh on, in the transaction that wrote it.

    `stays_stale` where another refresh was asked for meanwhile: what it is asked for may have come
    too late for this one.
    """
    stale_since = as_of if stays_stale else None
    sql.execute(_START, [segment_id, digest(tree), as_of, as_of, stale_since])


def stop(segment_ids: Iterable[int]) -> None:
    """Have segments whose rows are locked follow no more, until their next full refresh."""
    ids = list(segment_ids)
    if not ids:
        return
    Following.objects.filter(segment__in=ids).delete()
    sql.execute("DELETE FROM segments_owed WHERE segment_id = ANY(%s)", [ids])


def mark_stale(segment_ids: Iterable[int], *, cause: str, at: datetime) -> None:
    """Note that only a full refresh makes these right again."""
    stale = Following.objects.filter(segment__in=list(segment_ids), stale_since=None)
    stale.update(stale_since=at, stale_cause=cause[:60])


def step_back(segment_ids: Iterable[int], *, at: datetime) -> None:
    """Have time looked at again from `at` on for those that were ahead: a clock was put back."""
    ahead = Segment.objects.filter(pk__in=list(segment_ids), following__followed_until__gt=at)
    held = list(ahead.order_by("pk").select_for_update(no_key=True, of=("self",)))
    if held:
        Following.objects.filter(segment__in=held).update(followed_until=at)


def lock_writing(segment_id: int) -> None:
    """Wait until nobody writes members of a segment, and be the only one until the end."""
    locks.lock(f"segments writing {segment_id}")


def try_lock_writing(segment_ids: Iterable[int]) -> set[int]:
    """Those of the segments whose members nobody else writes until the transaction ends."""
    return {segment_id for (segment_id,) in sql.lists(_TRY_LOCKS, [sorted(segment_ids)])}


def owe(owed: Iterable[tuple[int, int, str]]) -> None:
    """Note (segment, contact, cause) of those who could not be asked, for when it is possible."""
    columns = [list(column) for column in zip(*sorted(owed), strict=True)]
    if columns:
        sql.execute(_OWE, columns)


def owing_segments() -> set[int]:
    """The segments for which somebody is still to be asked."""
    return {found for (found,) in sql.lists("SELECT DISTINCT segment_id FROM segments_owed")}


def take_owed(segment_ids: Iterable[int], *, limit: int) -> list[tuple[int, int, str]]:
    """Take (segment, contact, cause) of segments whose members one has locked."""
    found = sql.lists(_TAKE_OWED, [list(segment_ids), limit])
    return [(segment_id, contact_id, cause) for segment_id, contact_id, cause in found]


def forget_owed(segment_id: int) -> None:
    """Who is owed is served by a full refresh that begins to read right after this."""
    sql.execute("DELETE FROM segments_owed WHERE segment_id = %s", [segment_id])


def digest(tree: Criteria) -> str:
    """What criteria mean, as a short text: another one asks for a full refresh.

    Labels do not matter, nor that an event is now known of which there was none before.
    """
    return blake2b(repr(_bare(tree)).encode(), digest_size=16).hexdigest()


def _bare(node: Any) -> Any:
    if isinstance(node, Event):
        return node.name
    if is_dataclass(node) and not isinstance(node, type):
        kept = (one.name for one in fields(node) if one.name not in {"label", "is_offered", "path"})
        return type(node).__name__, [_bare(getattr(node, name)) for name in kept]
    if isinstance(node, Enum):
        return node.value
    if isinstance(node, frozenset):
        return sorted(_bare(part) for part in node)
    if isinstance(node, list | tuple):
        return [_bare(part) for part in node]
    return str(node)
