"""What becomes of claims and progress when two contacts become one, or one is erased."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from contacts.extensions import Moved, Pair
from workspace import sql

_PAIRS = "unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS pair (loser, survivor, place)"
# All that both had stays had. A cause that the survivor, or a loser before, has already gets the
# loser's number.
_MOVE = f"""
WITH moving AS (
  SELECT c.id, c.contact_id AS loser, c.mechanism_id, c.cause, pair.survivor,
    row_number() OVER (PARTITION BY pair.survivor, c.mechanism_id, c.cause ORDER BY pair.place)
      AS place
  FROM {_PAIRS} JOIN loyalty_claim c ON c.contact_id = pair.loser
), moved AS (
  UPDATE loyalty_claim c SET contact_id = m.survivor,
    cause = CASE WHEN m.place > 1 OR EXISTS (
        SELECT FROM loyalty_claim own WHERE own.contact_id = m.survivor
          AND own.mechanism_id = m.mechanism_id AND own.cause = m.cause)
      THEN left(m.cause, 170) || '#' || m.loser ELSE m.cause END
  FROM moving m WHERE c.id = m.id RETURNING m.loser
)
SELECT loser, count(*) FROM moved GROUP BY loser
"""  # noqa: S608  made of our own words only
# Both counted towards the same goal. Who reached it has reached it; who is over it only by adding
# up reaches it with his next event.
_ADD_UP = f"""
WITH gone AS (
  DELETE FROM loyalty_challengeprogress p USING {_PAIRS} WHERE p.contact_id = pair.loser
  RETURNING pair.survivor, p.mechanism_id, p.period_on, p.value, p.reached_at, p.updated_at
)
INSERT INTO loyalty_challengeprogress AS own
  (contact_id, mechanism_id, period_on, value, reached_at, updated_at)
SELECT survivor, mechanism_id, period_on, sum(value), min(reached_at), max(updated_at)
FROM gone GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (contact_id, mechanism_id, period_on) DO UPDATE SET
  value = own.value + excluded.value,
  reached_at = least(own.reached_at, excluded.reached_at),
  updated_at = greatest(own.updated_at, excluded.updated_at)
"""  # noqa: S608
_FORGET = "UPDATE loyalty_claim SET reason = '' WHERE contact_id = ANY(%s) AND reason <> ''"


def merge_claims(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """The survivor has had what the losers had, and is as far as all of them together."""
    arrays = [[pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]]
    sql.execute(_ADD_UP, arrays)
    return {loser: Moved(count) for loser, count in sql.lists(_MOVE, arrays)}


def forget_claims(contact_ids: list[int]) -> int:
    """Empty what people wrote of claims of contacts that are erased; the claims stay counted."""
    return sql.execute(_FORGET, [contact_ids])
