"""What becomes of cards and redemptions when two contacts become one, or one is erased."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from contacts.extensions import Moved, Pair
from workspace import sql

_PAIRS = "unnest(%s::bigint[], %s::bigint[]) AS pair (loser, survivor)"
# Cards are locked in the order of their ids, as everywhere.
_HOLDERS = f"""
WITH held AS (
  SELECT v.id, pair.loser, pair.survivor FROM {_PAIRS}
  JOIN loyalty_voucher v ON v.holder_id = pair.loser ORDER BY v.id FOR NO KEY UPDATE OF v
), moved AS (
  UPDATE loyalty_voucher v SET holder_id = held.survivor
  FROM held WHERE v.id = held.id RETURNING held.loser
)
SELECT loser, count(*) FROM moved GROUP BY loser
"""  # noqa: S608  made of our own words only
_REDEMPTIONS = f"""
WITH moved AS (
  UPDATE loyalty_redemption r SET contact_id = pair.survivor
  FROM {_PAIRS} WHERE r.contact_id = pair.loser RETURNING pair.loser
)
SELECT loser, count(*) FROM moved GROUP BY loser
"""  # noqa: S608
_LOCKS = f"""
UPDATE loyalty_voucherlock l SET contact_id = pair.survivor
FROM {_PAIRS} WHERE l.contact_id = pair.loser
"""  # noqa: S608
# Whatever a shop wrote about the person goes; amounts, cards and numbers stay.
_FORGET = """
UPDATE loyalty_redemption SET "order" = '{}', metadata = '{}', tracking_id = '',
  order_reference = '', session_key = ''
WHERE contact_id = ANY(%s) AND ("order" <> '{}' OR metadata <> '{}' OR tracking_id <> ''
  OR order_reference <> '' OR session_key <> '')
"""
_FORGET_ROLLBACKS = """
UPDATE loyalty_rollback b SET reason = '', tracking_id = ''
FROM loyalty_redemption r WHERE r.id = b.redemption_id AND r.contact_id = ANY(%s)
  AND (b.reason <> '' OR b.tracking_id <> '')
"""
_FORGET_LOCKS = "DELETE FROM loyalty_voucherlock WHERE contact_id = ANY(%s)"
_FORGET_METADATA = """
UPDATE loyalty_voucher SET metadata = NULL WHERE holder_id = ANY(%s) AND metadata IS NOT NULL
"""


def merge_cards(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """The survivor holds the cards of the losers, and has redeemed what they redeemed."""
    arrays = [[pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]]
    moved: Counter[int] = Counter()
    for statement in (_HOLDERS, _REDEMPTIONS):
        moved.update(dict(sql.lists(statement, arrays)))
    sql.execute(_LOCKS, arrays)
    return {loser: Moved(count) for loser, count in moved.items()}


def forget_cards(contact_ids: list[int]) -> int:
    """Empty what redemptions say of contacts that are erased; cards and ledger stay as they are.

    What their sessions held is free again.
    """
    statements = (_FORGET, _FORGET_ROLLBACKS, _FORGET_LOCKS, _FORGET_METADATA)
    return sum(sql.execute(statement, [contact_ids]) for statement in statements)
