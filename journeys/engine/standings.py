"""How contacts stand to journeys: kept where passages begin and end, for criteria to ask about.

Each change is a part of the statement that makes it. Written by INSERT … ON CONFLICT, also where
the row is always there: so each is looked up by its key, whatever statistics say of the table.
"""

from collections.abc import Sequence

from journeys.engine.course import Course
from journeys.models import Lane
from workspace import sql

# `come` are the participants who have just entered.
ENTERED = """,
stood AS (
  INSERT INTO journeys_contactjourney AS known
    (contact_id, journey_id, is_inside, entered_at, finished_at)
  SELECT contact_id, %(journey)s, finished_at IS NULL, entered_at, finished_at
  FROM come ORDER BY contact_id
  ON CONFLICT (contact_id, journey_id) DO UPDATE SET is_inside = excluded.is_inside,
    entered_at = greatest(known.entered_at, excluded.entered_at),
    finished_at = greatest(known.finished_at, excluded.finished_at))"""
# `moved` are the participants who have just moved, `w` the ways that they took.
ENDED = """,
stood AS (
  INSERT INTO journeys_contactjourney AS known
    (contact_id, journey_id, is_inside, entered_at, finished_at)
  SELECT m.contact_id, m.journey_id, false, m.entered_at,
    CASE WHEN w.cause <> 'failed' AND w.ends = 'ended' THEN m.arrived_at END
  FROM moved m JOIN w USING (way) WHERE w.target IS NULL ORDER BY m.contact_id
  ON CONFLICT (contact_id, journey_id) DO UPDATE SET is_inside = false,
    finished_at = greatest(known.finished_at, excluded.finished_at))"""
# `back` are the participants who were brought back to where they had failed.
RETURNED = """,
stood AS (
  INSERT INTO journeys_contactjourney AS known (contact_id, journey_id, is_inside, entered_at)
  SELECT contact_id, journey_id, true, entered_at FROM back ORDER BY contact_id
  ON CONFLICT (contact_id, journey_id) DO UPDATE SET is_inside = true)
"""
# `noted` are the participants whose goal has just been noted.
REACHED = """
INSERT INTO journeys_contactjourney AS known
  (contact_id, journey_id, is_inside, entered_at, goal_at)
SELECT contact_id, journey_id, false, max(entered_at), min(goal_at) FROM noted
WHERE lane = 0 GROUP BY contact_id, journey_id ORDER BY contact_id
ON CONFLICT (contact_id, journey_id) DO UPDATE
  SET goal_at = least(known.goal_at, excluded.goal_at)
"""
# From the passages themselves; all that the table says can be worked out anew.
_WORK_OUT = """
INSERT INTO journeys_contactjourney
  (contact_id, journey_id, is_inside, entered_at, finished_at, goal_at)
SELECT contact_id, journey_id, bool_or(finished_at IS NULL), max(entered_at),
  max(finished_at) FILTER (WHERE outcome = 'ended'), min(goal_at)
FROM journeys_participant WHERE lane = 0 AND contact_id = ANY(%s::bigint[])
GROUP BY contact_id, journey_id ORDER BY contact_id, journey_id
"""


def are_kept(course: Course) -> bool:
    """Whether passages through the version count: those of tests and rehearsals do not."""
    return bool(course.version.lane == Lane.LIVE)


def work_out(contact_ids: Sequence[int]) -> None:
    """Work out anew how these contacts stand to journeys, for who changed whose passages are.

    The caller holds the journeys on which they are.
    """
    ids = list(contact_ids)
    forget(ids)
    sql.execute(_WORK_OUT, [ids])


def forget(contact_ids: Sequence[int]) -> int:
    """Keep nothing of these contacts; how many rows were there."""
    text = "DELETE FROM journeys_contactjourney WHERE contact_id = ANY(%s::bigint[])"
    return sql.execute(text, [list(contact_ids)])
