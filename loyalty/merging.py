"""What becomes of loyalty members when two contacts become one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from contacts.extensions import Moved, Pair
from workspace import sql

_PAIRS = "unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS pair (loser, survivor, place)"
_HOLD = (
    "SELECT FROM loyalty_member WHERE contact_id = ANY(%s::bigint[]) ORDER BY contact_id FOR UPDATE"
)
_MEMBERS = f"""
SELECT m.contact_id, pair.survivor, m.card_number, m.tier,
  coalesce(own.card_number, '') AS own_card, coalesce(own.tier, '') AS own_tier
FROM {_PAIRS} JOIN loyalty_member m ON m.contact_id = pair.loser
LEFT JOIN loyalty_member own ON own.contact_id = pair.survivor ORDER BY pair.place
"""  # noqa: S608  made of our own words only
_MERGE = f"""
INSERT INTO loyalty_member AS own (contact_id, tier, joined_at, left_at, card_number, is_demo)
SELECT pair.survivor,
  coalesce((array_agg(m.tier ORDER BY pair.place) FILTER (WHERE m.tier <> ''))[1], ''),
  min(m.joined_at),
  CASE WHEN NOT bool_or(m.left_at IS NULL) THEN max(m.left_at) END, '', bool_and(m.is_demo)
FROM {_PAIRS} JOIN loyalty_member m ON m.contact_id = pair.loser
GROUP BY pair.survivor ORDER BY pair.survivor
ON CONFLICT (contact_id) DO UPDATE SET
  tier = CASE WHEN own.tier = '' THEN excluded.tier ELSE own.tier END,
  joined_at = least(own.joined_at, excluded.joined_at),
  -- Who is a member as one of the two is one.
  left_at = CASE WHEN own.left_at IS NOT NULL AND excluded.left_at IS NOT NULL
    THEN greatest(own.left_at, excluded.left_at) END
"""  # noqa: S608
# The lines go over as they are; the points follow by themselves. A cause that the survivor, or a
# loser before, has already gets the loser's number.
_MOVE_LINES = f"""
WITH moving AS (
  SELECT p.contact_id, p.id, pair.survivor, p.cause,
    row_number() OVER (PARTITION BY pair.survivor, p.cause ORDER BY pair.place) AS place
  FROM {_PAIRS} JOIN loyalty_pointsposting p ON p.contact_id = pair.loser)
UPDATE loyalty_pointsposting p SET contact_id = m.survivor,
  cause = CASE WHEN m.place > 1 OR EXISTS (
    SELECT FROM loyalty_pointsposting own WHERE own.contact_id = m.survivor AND own.cause = m.cause)
    THEN m.cause || '#' || p.contact_id ELSE m.cause END
FROM moving m WHERE p.contact_id = m.contact_id AND p.id = m.id
"""  # noqa: S608
_GIVE_CARDS = """
UPDATE loyalty_member m SET card_number = card.number
FROM unnest(%s::bigint[], %s::text[]) AS card (contact_id, number)
WHERE m.contact_id = card.contact_id
"""


def merge_members(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """One member of two, who joined at the earlier time and is still one if one of them was.

    The ledger of points is one: all lines go over and the points follow, with the time
    when they expire. The survivor keeps the card and the tier that it has.
    """
    arrays = [[pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]]
    sql.execute(_HOLD, [sorted({*arrays[0], *arrays[1]})])
    rows = sql.rows(_MEMBERS, arrays)
    # Without a membership there is history only where somebody was forgotten: it goes over, too.
    if rows:
        sql.execute(_MERGE, arrays)
    sql.execute(_MOVE_LINES, arrays)
    if not rows:
        return {}
    # First the old ones: a card has one member.
    sql.execute("DELETE FROM loyalty_member WHERE contact_id = ANY(%s)", [arrays[0]])
    cards = _cards(rows)
    sql.execute(_GIVE_CARDS, [list(cards), list(cards.values())])
    return {row["contact_id"]: Moved(1, _dropped(row, cards)) for row in rows}


def _cards(rows: Sequence[dict[str, Any]]) -> dict[int, str]:
    """The card of each survivor: its own, else the first that a loser has."""
    cards: dict[int, str] = {}
    for row in rows:
        survivor_id = row["survivor"]
        cards[survivor_id] = cards.get(survivor_id) or row["own_card"] or row["card_number"]
    return cards


def _dropped(row: dict[str, Any], cards: Mapping[int, str]) -> dict[str, str]:
    found = {}
    if row["card_number"] and cards[row["survivor"]] != row["card_number"]:
        found["loyalty.card_number"] = row["card_number"]
    if row["own_tier"] and row["tier"] and row["own_tier"] != row["tier"]:
        found["loyalty.tier"] = row["tier"]
    return found
