"""What becomes of passages when two contacts become one, and when contacts are erased."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils import timezone

from contacts.extensions import Moved, Pair, register_eraser, register_merger
from journeys.engine import standings
from journeys.engine.course import lock_name
from workspace import locks, sql

_PAIRS = "unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS pair (loser, survivor, place)"
_JOURNEYS = """
SELECT journey_id FROM journeys_participant WHERE contact_id = ANY(%s::bigint[])
UNION SELECT journey_id FROM journeys_entrance WHERE contact_id = ANY(%s::bigint[]) ORDER BY 1
"""
# `ending` are the participants whose passages end. There is no way from where they stand.
_END = """
WITH ending AS MATERIALIZED ({ending}),
ended AS (
  UPDATE journeys_participant p SET state = 'done', outcome = %s, wake_at = NULL,
    steps = p.steps + 1, finished_at = greatest(p.arrived_at, %s)
  FROM ending e WHERE p.id = e.id
  RETURNING p.id, p.version_id, p.place, p.steps, p.finished_at),
logged AS (
  INSERT INTO journeys_transition
    (participant_id, step, from_place, outcome, cause, at, noticed_at)
  SELECT id, steps, place, %s, 'stopped', finished_at, %s FROM ended)
INSERT INTO journeys_passage AS known (version_id, hour, node, outcome, to_place, count)
SELECT version_id, date_trunc('hour', finished_at, 'UTC'), '', %s, -1, count(*) FROM ended
GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (version_id, hour, node, outcome, to_place)
  DO UPDATE SET count = known.count + excluded.count
"""
# Who is on a journey goes on there; of several the survivor's passage, else that of the first.
_TWICE_INSIDE = f"""
SELECT r.id FROM (
  SELECT p.id, row_number() OVER (
    PARTITION BY s.survivor, p.journey_id, p.lane ORDER BY s.place) AS number
  FROM (SELECT loser AS contact_id, survivor, place FROM {_PAIRS}
    UNION SELECT survivor, survivor, 0 FROM {_PAIRS}) s
  JOIN journeys_participant p ON p.contact_id = s.contact_id AND p.finished_at IS NULL) r
WHERE r.number > 1
"""  # noqa: S608  made of our own words only
# A cause that the survivor, or a loser before, came by gets the loser's number.
_MOVE = f"""
WITH moving AS (
  SELECT p.id, p.contact_id AS loser, pair.survivor, p.journey_id, p.lane, p.entrance,
    row_number() OVER (
      PARTITION BY pair.survivor, p.journey_id, p.lane, p.entrance ORDER BY pair.place) AS number
  FROM {_PAIRS} JOIN journeys_participant p ON p.contact_id = pair.loser),
moved AS (
  UPDATE journeys_participant p SET contact_id = m.survivor,
    entrance = CASE WHEN m.number > 1 OR EXISTS (
      SELECT FROM journeys_participant own WHERE own.contact_id = m.survivor
        AND own.journey_id = m.journey_id AND own.lane = m.lane AND own.entrance = m.entrance)
      THEN left(m.entrance, 180) || '#' || m.loser ELSE m.entrance END
  FROM moving m WHERE p.id = m.id
  RETURNING m.loser)
SELECT loser, count(*) FROM moved GROUP BY loser
"""  # noqa: S608  made of our own words only
_MOVE_ENTRANCES = f"""
WITH gone AS (
  DELETE FROM journeys_entrance e USING {_PAIRS} WHERE e.contact_id = pair.loser
  RETURNING e.journey_id, e.lane, pair.survivor, e.cause, e.at, e.context)
INSERT INTO journeys_entrance (journey_id, lane, contact_id, cause, at, context)
SELECT journey_id, lane, survivor, cause, at, context FROM gone ORDER BY at
ON CONFLICT DO NOTHING
"""  # noqa: S608  made of our own words only
_MOVE_OTHERS = f"""
UPDATE {{table}} t SET contact_id = pair.survivor FROM {_PAIRS} WHERE t.contact_id = pair.loser
"""  # noqa: S608  made of our own words only
_INSIDE = """
SELECT id FROM journeys_participant WHERE contact_id = ANY(%s::bigint[]) AND finished_at IS NULL
"""
_OF = """
IN (SELECT id FROM journeys_participant WHERE contact_id = ANY(%s::bigint[]))
"""
_FORGET = (
    "DELETE FROM journeys_entrance WHERE contact_id = ANY(%s::bigint[])",
    "DELETE FROM journeys_refusal WHERE contact_id = ANY(%s::bigint[])",
    f"DELETE FROM journeys_signal WHERE participant_id {_OF}",  # noqa: S608
    "UPDATE journeys_participant SET context = '{}', problem = ''"
    " WHERE contact_id = ANY(%s::bigint[]) AND (context <> '{}' OR problem <> '')",
    # An index of its own is not worth it: by the key of each passage.
    "UPDATE journeys_transition t SET data = NULL FROM journeys_participant p"
    " WHERE p.contact_id = ANY(%s::bigint[]) AND t.participant_id = p.id AND t.data IS NOT NULL",
    "UPDATE journeys_message SET address = '', subject = '', error = '', visits = NULL,"
    " reason = CASE WHEN state IN ('planned', 'queued') THEN 'erased' ELSE reason END,"
    " state = CASE WHEN state IN ('planned', 'queued') THEN 'left_out' ELSE state END"
    " WHERE contact_id = ANY(%s::bigint[])",
)


def register() -> None:
    """Have passages go over with their contacts, or be forgotten. May be called again."""
    register_merger("journeys", merge_passages)
    register_eraser("journeys", forget_passages)


def merge_passages(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """The survivor goes on where the losers were, and has had all that they had.

    Where he is on the same journey himself, theirs ends as merged.
    """
    losers, survivors = [pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]
    _lock_journeys([*losers, *survivors])
    arrays = [losers, survivors]
    _end(_TWICE_INSIDE, [*arrays, *arrays], "merged", at)
    sql.execute(_MOVE_ENTRANCES, arrays)
    moved = sql.lists(_MOVE, arrays)
    standings.work_out([*losers, *survivors])
    for table in ("journeys_message", "journeys_refusal"):
        sql.execute(_MOVE_OTHERS.format(table=table), arrays)
    return {loser_id: Moved(count) for loser_id, count in moved}


def forget_passages(contact_ids: list[int]) -> int:
    """End the passages of contacts who are erased, and empty what they tell of them.

    That they took place, and when, stays: counts go by it.
    """
    _lock_journeys(contact_ids)
    # The erasure has no instant of its own to give.
    _end(_INSIDE, [contact_ids], "erased", timezone.now())
    standings.forget(contact_ids)
    return sum(sql.execute(statement, [contact_ids]) for statement in _FORGET)


def _lock_journeys(contact_ids: Sequence[int]) -> None:
    """Hold the journeys on which these are, in the order of their numbers."""
    ids = list(contact_ids)
    for (journey_id,) in sql.lists(_JOURNEYS, [ids, ids]):
        locks.lock(lock_name(journey_id))


def _end(ending: str, params: Sequence[object], outcome: str, at: datetime) -> None:
    sql.execute(_END.format(ending=ending), [*params, outcome, at, outcome, at, outcome])
