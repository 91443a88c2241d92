"""What becomes of memberships, lists and undoable changes when two contacts become one.

The loser leaves each segment with a line "merge" in the log; what the log says of its past stays
under its number, as each line was true. Segments that follow every change find out by themselves
whether the survivor fits now. Members of others are those of their last calculation, in which the
person was: there the survivor takes the place.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from contacts.extensions import Moved, Pair
from segments.membership import CHANGES
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
# Never waits: a row that is held is being removed by a refresh, which logs it.
_LEAVE = """
WITH held AS (
  SELECT segment_id, contact_id FROM segments_membership WHERE contact_id = ANY(%s)
  FOR UPDATE SKIP LOCKED)
DELETE FROM segments_membership m USING held h
WHERE m.segment_id = h.segment_id AND m.contact_id = h.contact_id
RETURNING m.segment_id, m.contact_id
"""
_MOMENTS = """
SELECT s.id, s.refresh_mode = 'realtime' AND s.status = 'active' AS is_realtime,
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
    """Have the losers leave all segments, and the survivors take their places where they were."""
    losers, survivors = _arrays(pairs)
    survivor_of = dict(zip(losers, survivors, strict=True))
    gone: list[tuple[int, int]] = [(one, other) for one, other in sql.lists(_LEAVE, [losers])]
    if not gone:
        return {}
    partitions.ensure_months(CHANGES, [at])
    segments = sorted({segment_id for segment_id, _contact_id in gone})
    found = sql.rows(_MOMENTS, [at, at, segments])
    moments = {row["id"]: row["at"] for row in found}
    kept = {row["id"] for row in found if not row["is_realtime"]}
    places = sorted({(one, survivor_of[other]) for one, other in gone if one in kept})
    come: list[tuple[int, int]] = [
        (one, other)
        for one, other in sql.lists(
            _ENTER,
            [
                [segment_id for segment_id, _contact_id in places],
                [contact_id for _segment_id, contact_id in places],
                [moments[segment_id] for segment_id, _contact_id in places],
            ],
        )
    ]
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
    steps = Counter(segment_id for segment_id, _contact_id in come)
    steps.subtract(segment_id for segment_id, _contact_id in gone)
    sql.execute(_COUNT, [list(steps), list(steps.values())])
    moved = Counter(contact_id for _segment_id, contact_id in gone)
    return {loser_id: Moved(count) for loser_id, count in moved.items()}


def _arrays(pairs: Sequence[Pair]) -> tuple[list[int], list[int]]:
    return [pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]
