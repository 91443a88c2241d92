"""What becomes of loyalty members when two contacts become one."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from contacts.extensions import Moved, Pair
from workspace import sql

_PAIRS = "unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS pair (loser, survivor, place)"
_DROPPED = f"""
SELECT m.contact_id, m.card_number, m.tier, own.card_number AS own_card, own.tier AS own_tier
FROM {_PAIRS} JOIN loyalty_member m ON m.contact_id = pair.loser
LEFT JOIN loyalty_member own ON own.contact_id = pair.survivor
"""  # noqa: S608  made of our own words only
_MERGE = f"""
INSERT INTO loyalty_member AS own
  (contact_id, card_number, tier, points, joined_at, left_at, is_demo)
SELECT pair.survivor,
  coalesce((array_agg(m.card_number ORDER BY pair.place)
    FILTER (WHERE m.card_number <> ''))[1], ''),
  coalesce((array_agg(m.tier ORDER BY pair.place) FILTER (WHERE m.tier <> ''))[1], ''),
  sum(m.points), min(m.joined_at),
  CASE WHEN NOT bool_or(m.left_at IS NULL) THEN max(m.left_at) END, bool_and(m.is_demo)
FROM {_PAIRS} JOIN loyalty_member m ON m.contact_id = pair.loser
GROUP BY pair.survivor ORDER BY pair.survivor
ON CONFLICT (contact_id) DO UPDATE SET
  card_number = CASE WHEN own.card_number = '' THEN excluded.card_number ELSE own.card_number END,
  tier = CASE WHEN own.tier = '' THEN excluded.tier ELSE own.tier END,
  points = own.points + excluded.points,
  joined_at = least(own.joined_at, excluded.joined_at),
  -- Who is a member as one of the two is one.
  left_at = CASE WHEN own.left_at IS NOT NULL AND excluded.left_at IS NOT NULL
    THEN greatest(own.left_at, excluded.left_at) END
"""  # noqa: S608


def merge_members(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """One member of two: points add up, joined at the earlier time, still a member if one was.

    The survivor keeps the card and the tier that it has.
    """
    arrays = [[pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]]
    moved = {}
    for row in sql.rows(_DROPPED, arrays):
        dropped = {
            f"loyalty.{name}": row[name]
            for name, own in (("card_number", row["own_card"]), ("tier", row["own_tier"]))
            if own and row[name] and own != row[name]
        }
        moved[row["contact_id"]] = Moved(1, dropped)
    if moved:
        sql.execute(_MERGE, arrays)
        sql.execute("DELETE FROM loyalty_member WHERE contact_id = ANY(%s)", [arrays[0]])
    return moved
