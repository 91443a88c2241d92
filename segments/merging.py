"""What becomes of memberships, lists and undoable changes when two contacts become one.

The loser leaves each segment with a line "merge" in the log; what the log says of its past stays
under its number, as each line was true. Segments that follow every change find out by themselves
whether the survivor fits now. Members of others are those of their last calculation, in which the
person was: there the survivor takes the place. Where a refresh is just running it decides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from contacts.extensions import Moved, Pair
from segments import moves
from segments.membership import CHANGES
from segments.models import Following
from segments.realtime import state
from workspace import partitions, sql

CAUSE = "merge"
_PAIRS = "unnest(%s::bigint[], %s::bigint[]) AS pair (loser, survivor)"
_LISTS = f"""
INSERT INTO segments_listedcontact (contact_list_id, contact_id, row)
SELECT l.contact_list_id, pair.survivor, min(l.row)
FROM {_PAIRS} JOIN segments_listedcontact l ON l.contact_id = pair.loser
GROUP BY 1, 2 ORDER BY 1, 2 ON CONFLICT DO NOTHING
"""  # noqa: S608  made of our own words only
_FORGET_LISTS = "DELETE FROM segments_listedcontact WHERE contact_id = ANY(%s)"
# By the runs that keep their changes, of which there are few: the table has no index by contact.
_UNDOABLE = f"""
WITH gone AS (
  DELETE FROM segments_segmentactionchange WHERE (run_id, contact_id) IN (
    SELECT r.id, loser FROM segments_segmentactionrun r CROSS JOIN unnest(%s::bigint[]) AS loser
    WHERE r.changes_kept)
  RETURNING run_id, contact_id, had_since)
INSERT INTO segments_segmentactionchange (run_id, contact_id, had_since)
SELECT g.run_id, pair.survivor, min(g.had_since)
FROM gone g JOIN {_PAIRS} ON pair.loser = g.contact_id
GROUP BY 1, 2 ORDER BY 1, 2 ON CONFLICT DO NOTHING
"""  # noqa: S608
_PLACES_OF = "SELECT segment_id, contact_id FROM segments_membership WHERE contact_id = ANY(%s)"
# Never waits: a row that is held is being removed by a refresh, which logs it.
_LEAVE = """
WITH held AS (
  SELECT segment_id, contact_id FROM segments_membership
  WHERE contact_id = ANY(%s) AND segment_id = ANY(%s) FOR UPDATE SKIP LOCKED)
DELETE FROM segments_membership m USING held h
WHERE m.segment_id = h.segment_id AND m.contact_id = h.contact_id
RETURNING m.segment_id, m.contact_id
"""
_MOMENTS = """
SELECT s.id,
  (s.refresh_mode, s.status, s.source) = ('realtime', 'active', 'criteria') AS is_realtime,
  greatest(%s, (
    SELECT max(l.at) + interval '1 microsecond' FROM segments_membershipchange l
    WHERE l.segment_id = s.id AND l.at >= %s)) AS at
FROM segments_segment s WHERE s.id = ANY(%s) ORDER BY s.id FOR NO KEY UPDATE
"""
_ENTER = """
INSERT INTO segments_membership (segment_id, contact_id, entered_at)
SELECT segment_id, contact_id, at
FROM unnest(%s::integer[], %s::bigint[], %s::timestamptz[]) AS new (segment_id, contact_id, at)
ON CONFLICT DO NOTHING RETURNING segment_id, contact_id
"""
_LOG = """
INSERT INTO segments_membershipchange (segment_id, at, contact_id, kind, cause)
SELECT segment_id, at, contact_id, kind, %s
FROM unnest(%s::integer[], %s::timestamptz[], %s::bigint[], %s::text[])
  AS new (segment_id, at, contact_id, kind)
"""
_COUNT = """
UPDATE segments_segment s SET member_count = s.member_count + new.step
FROM unnest(%s::integer[], %s::bigint[]) AS new (id, step) WHERE s.id = new.id
"""
# What a segment that follows has to tell in its history.
_NOTE = """
UPDATE segments_following f SET entered_count = f.entered_count + n.entered,
  left_count = f.left_count + n.gone, moved_at = n.at
FROM unnest(%s::integer[], %s::bigint[], %s::bigint[], %s::timestamptz[])
  AS n (segment_id, entered, gone, at) WHERE f.segment_id = n.segment_id
"""


def merge_lists(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """Put the survivors on the lists on which the losers are."""
    losers, survivors = _arrays(pairs)
    sql.execute(_LISTS, [losers, survivors])
    sql.execute(_FORGET_LISTS, [losers])
    return {}


def merge_undoable_changes(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """Have runs of actions that can be undone know the survivors."""
    losers, survivors = _arrays(pairs)
    sql.execute(_UNDOABLE, [losers, losers, survivors])
    return {}


def merge_memberships(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """Have the losers leave all segments, and the survivors take their places where they were.

    Waits for no refresh. Where somebody writes the members of a segment that follows contacts,
    the losers are owed and leave right after that.
    """
    losers, survivors = _arrays(pairs)
    held = {(segment_id, contact_id) for segment_id, contact_id in sql.lists(_PLACES_OF, [losers])}
    if not held:
        return {}
    segments = {segment_id for segment_id, _contact_id in held}
    ours = state.try_lock_writing(segments)
    following = set(Following.objects.filter(pk__in=segments).values_list("pk", flat=True))
    state.owe((*place, CAUSE) for place in held if place[0] in following - ours)
    leaving = sorted(segments - (following - ours))
    gone: list[tuple[int, int]] = list(sql.lists(_LEAVE, [losers, leaving]))
    if gone:
        _move(gone, dict(zip(losers, survivors, strict=True)), ours=ours, at=at)
    moved = Counter(contact_id for _segment_id, contact_id in held)
    return {loser_id: Moved(count) for loser_id, count in moved.items()}


def _move(
    gone: list[tuple[int, int]], survivor_of: Mapping[int, int], *, ours: set[int], at: datetime
) -> None:
    """Let the survivors in where they have to take the place, and write all of it down."""
    partitions.ensure_months(CHANGES, [at])
    segments = sorted({segment_id for segment_id, _contact_id in gone})
    found = sql.rows(_MOMENTS, [at, at, segments])
    moments: dict[int, datetime] = {row["id"]: row["at"] for row in found}
    kept = {row["id"] for row in found if not row["is_realtime"]} & ours
    places = sorted({(one, survivor_of[other]) for one, other in gone if one in kept})
    come: list[tuple[int, int]] = list(
        sql.lists(
            _ENTER,
            [
                [segment_id for segment_id, _contact_id in places],
                [contact_id for _segment_id, contact_id in places],
                [moments[segment_id] for segment_id, _contact_id in places],
            ],
        )
    )
    lines = [(*one, "left") for one in gone] + [(*one, "entered") for one in come]
    sql.execute(
        _LOG,
        [
            CAUSE,
            [segment_id for segment_id, _contact_id, _kind in lines],
            [moments[segment_id] for segment_id, _contact_id, _kind in lines],
            [contact_id for _segment_id, contact_id, _kind in lines],
            [kind for _segment_id, _contact_id, kind in lines],
        ],
    )
    entered = Counter(segment_id for segment_id, _contact_id in come)
    left = Counter(segment_id for segment_id, _contact_id in gone)
    counts = [[counted[segment_id] for segment_id in segments] for counted in (entered, left)]
    steps = [one - other for one, other in zip(*counts, strict=True)]
    sql.execute(_COUNT, [segments, steps])
    instants = [moments[segment_id] for segment_id in segments]
    sql.execute(_NOTE, [segments, *counts, instants])
    moves.announce(list(zip(segments, instants, strict=True)))


def _arrays(pairs: Sequence[Pair]) -> tuple[list[int], list[int]]:
    return [pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]
