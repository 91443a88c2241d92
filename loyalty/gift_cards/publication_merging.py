"""What becomes of publications and holdouts when two contacts become one, or one is erased."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from contacts.extensions import Moved, Pair
from workspace import sql

_PAIRS = "unnest(%s::bigint[], %s::bigint[]) AS pair (loser, survivor)"
# Both may have joined a campaign that lets one join once: what happened stays, the earliest of
# these publications keeps the others out.
_MOVE = f"""
WITH moving AS (
  SELECT p.id, p.contact_id AS loser, pair.survivor, p.campaign_id, p.is_only
  FROM {_PAIRS} JOIN loyalty_publication p ON p.contact_id = pair.loser
), ranked AS (
  SELECT m.*, m.is_only AND row_number() OVER (
      PARTITION BY m.survivor, m.campaign_id, m.is_only ORDER BY p.state DESC, m.id) = 1
    AND NOT EXISTS (
      SELECT FROM loyalty_publication own WHERE own.contact_id = m.survivor
        AND own.campaign_id = m.campaign_id AND own.is_only AND own.state = 'success') AS stays_only
  FROM moving m JOIN loyalty_publication p ON p.id = m.id
), moved AS (
  UPDATE loyalty_publication p SET contact_id = r.survivor, is_only = r.stays_only
  FROM ranked r WHERE p.id = r.id RETURNING r.loser
)
SELECT loser, count(*) FROM moved GROUP BY loser
"""  # noqa: S608  made of our own words only
_MOVE_HOLDOUTS = f"""
WITH gone AS (
  DELETE FROM loyalty_holdout h USING {_PAIRS} WHERE h.contact_id = pair.loser
  RETURNING h.campaign_id, pair.survivor, h.at
)
INSERT INTO loyalty_holdout (campaign_id, contact_id, at)
SELECT campaign_id, survivor, min(at) FROM gone GROUP BY 1, 2 ORDER BY 1, 2 ON CONFLICT DO NOTHING
"""  # noqa: S608
_FORGET = """
UPDATE loyalty_publication SET metadata = '{}', tracking_id = '', source_id = NULL
WHERE contact_id = ANY(%s)
  AND (metadata <> '{}' OR tracking_id <> '' OR source_id IS NOT NULL)
"""


def merge_publications(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """The survivor has got what the losers got, and is set aside where one of them was."""
    arrays = [[pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]]
    sql.execute(_MOVE_HOLDOUTS, arrays)
    return {loser: Moved(count) for loser, count in sql.lists(_MOVE, arrays)}


def forget_publications(contact_ids: list[int]) -> int:
    """Empty what publications say of contacts that are erased; the rows stay, with their money."""
    return sql.execute(_FORGET, [contact_ids])
