"""The ledger of cards: the only place that writes postings. The database moves the balances.

Who moves money has locked the cards before (`hold_vouchers`), and has decided that it may move.
A posting says what the card has afterwards; triggers compare it with the card, add up what was
redeemed, and refuse whatever would make the sum of all accounts differ from zero.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from loyalty.models import CardPosting, CodeBatch, Voucher
from workspace import sql

Kind = CardPosting.Kind
_CARDS = CardPosting.Account.CARDS
# From which account to which each kind goes; the database holds to the same.
WAYS: dict[str, tuple[str, str]] = {
    Kind.ISSUE: (CardPosting.Account.ISSUED, _CARDS),
    Kind.REDEMPTION: (_CARDS, CardPosting.Account.REDEEMED),
    Kind.ROLLBACK: (CardPosting.Account.REDEEMED, _CARDS),
    Kind.ADDITION: (CardPosting.Account.ADJUSTED, _CARDS),
    Kind.REMOVAL: (_CARDS, CardPosting.Account.ADJUSTED),
    Kind.EXPIRY: (_CARDS, CardPosting.Account.EXPIRED),
    Kind.REINSTATEMENT: (CardPosting.Account.EXPIRED, _CARDS),
}

_ISSUE = """
INSERT INTO loyalty_cardposting (campaign_id, batch_id, kind, debit, credit, amount_minor, currency,
  cause, source_id, reason, actor_label, at)
SELECT b.campaign_id, b.id, 'issue', 'issued', 'cards', b.amount_minor, c.currency,
  'batch:' || b.id, '', '', b.actor_label, %s
FROM loyalty_codebatch b JOIN loyalty_campaign c ON c.id = b.campaign_id WHERE b.id = %s
RETURNING id
"""
_MOVE = """
INSERT INTO loyalty_cardposting (campaign_id, voucher_id, kind, debit, credit, amount_minor,
  currency, balance_minor, cause, redemption_id, reverses_id, source_id, reason, actor_label, at)
SELECT v.campaign_id, v.id, m.kind, m.debit, m.credit, m.amount_minor, c.currency,
  v.balance_minor + sum(CASE WHEN m.credit = 'cards' THEN m.amount_minor ELSE -m.amount_minor END)
    OVER (PARTITION BY v.id ORDER BY m.place),
  m.cause, m.redemption_id, m.reverses_id, m.source_id, m.reason, %s, %s
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[],
  %s::bigint[], %s::bigint[], %s::text[], %s::text[]) WITH ORDINALITY
  AS m (voucher_id, kind, debit, credit, amount_minor, cause, redemption_id, reverses_id,
    source_id, reason, place)
JOIN loyalty_voucher v ON v.id = m.voucher_id
JOIN loyalty_campaign c ON c.id = v.campaign_id
ORDER BY m.place
RETURNING id, voucher_id, kind, amount_minor, currency, balance_minor, cause
"""
# Cards whose time is over, or that of their campaign; each is looked at once.
_DUE = """
(SELECT id FROM loyalty_voucher WHERE expires_at <= %s AND expired_at IS NULL
  ORDER BY expires_at LIMIT %s)
UNION
(SELECT v.id FROM loyalty_campaign c
  JOIN loyalty_voucher v ON v.campaign_id = c.id AND v.expired_at IS NULL
  WHERE c.ends_at <= %s LIMIT %s)
"""
_HOLD_DUE = """
SELECT v.id FROM loyalty_voucher v JOIN loyalty_campaign c ON c.id = v.campaign_id
WHERE v.id = ANY(%s::bigint[]) AND (v.expires_at <= %s OR c.ends_at <= %s) AND v.expired_at IS NULL
ORDER BY v.id FOR NO KEY UPDATE OF v
"""
_EXPIRE = """
INSERT INTO loyalty_cardposting (campaign_id, voucher_id, kind, debit, credit, amount_minor,
  currency, balance_minor, cause, source_id, reason, actor_label, at)
SELECT v.campaign_id, v.id, 'expiry', 'cards', 'expired', v.balance_minor, c.currency, 0,
  'expiry:' || v.id || ':' || (SELECT count(*) FROM loyalty_cardposting p
    WHERE p.voucher_id = v.id AND p.kind = 'expiry'), '', '', %s, %s
FROM loyalty_voucher v JOIN loyalty_campaign c ON c.id = v.campaign_id
WHERE v.id = ANY(%s::bigint[]) AND v.balance_minor > 0
ORDER BY v.id
RETURNING voucher_id
"""
# Cards that were booked as expired and have time again.
_REINSTATABLE = """
SELECT v.id FROM loyalty_voucher v JOIN loyalty_campaign c ON c.id = v.campaign_id
WHERE v.expired_at IS NOT NULL AND (%s::integer IS NULL OR v.campaign_id = %s)
  AND (v.expires_at IS NULL OR v.expires_at > %s) AND (c.ends_at IS NULL OR c.ends_at > %s)
ORDER BY v.id LIMIT %s FOR NO KEY UPDATE OF v
"""
_REINSTATE = """
INSERT INTO loyalty_cardposting (campaign_id, voucher_id, kind, debit, credit, amount_minor,
  currency, balance_minor, cause, reverses_id, source_id, reason, actor_label, at)
SELECT v.campaign_id, v.id, 'reinstatement', 'expired', 'cards', p.amount_minor, p.currency,
  v.balance_minor + sum(p.amount_minor) OVER (PARTITION BY v.id ORDER BY p.id),
  'reinstatement:' || p.id, p.id, '', '', %s, %s
FROM loyalty_cardposting p JOIN loyalty_voucher v ON v.id = p.voucher_id
WHERE p.voucher_id = ANY(%s::bigint[]) AND p.kind = 'expiry'
  AND NOT EXISTS (SELECT FROM loyalty_cardposting r WHERE r.reverses_id = p.id)
ORDER BY p.id
RETURNING voucher_id
"""
_SUMS = """
SELECT account, sum(amount) AS amount FROM (
  SELECT debit AS account, -amount_minor AS amount FROM loyalty_cardposting {where}
  UNION ALL SELECT credit, amount_minor FROM loyalty_cardposting {where}) sides
GROUP BY account
"""


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that shall go onto a card or off it, by the kind of its posting; `cause` is unique."""

    voucher_id: int
    kind: str
    amount_minor: int
    cause: str
    redemption_id: int | None = None
    reverses_id: int | None = None
    source_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting that was written; `balance_minor` is what the card had afterwards."""

    id: int
    voucher_id: int
    kind: str
    amount_minor: int
    currency: str
    balance_minor: int
    cause: str


def issue_batch(batch: CodeBatch, *, at: datetime) -> int:
    """Post the value of a batch, issued → cards; returns the id of the posting.

    In the transaction that made the batch and, before this, its cards (balance = value): at its
    end the database compares their number and value with the batch. Afterwards no card comes in.
    """
    return int(sql.one(_ISSUE, [at, batch.pk]))


def hold_vouchers(voucher_ids: Collection[int]) -> dict[int, Voucher]:
    """Cards as they are now, with their campaigns, locked until the transaction ends, by id.

    Always taken in the order of ids, so that whoever wants some of the same waits and never for
    each other. Unknown ids are left out.
    """
    held = Voucher.objects.filter(pk__in=voucher_ids).order_by("pk")
    found = held.select_related("campaign").select_for_update(of=("self",), no_key=True)
    return {voucher.pk: voucher for voucher in found}


def move(movements: Sequence[Movement], *, actor_label: str, at: datetime) -> list[Posted]:
    """Write postings for cards that the transaction holds, in this order, in one statement.

    Raises IntegrityError for a cause that is known, and where a card would have less than nothing.
    """
    if not movements:
        return []
    ways = [WAYS[movement.kind] for movement in movements]
    columns = [
        [movement.voucher_id for movement in movements],
        [str(movement.kind) for movement in movements],
        [str(debit) for debit, _credit in ways],
        [str(credit) for _debit, credit in ways],
        [movement.amount_minor for movement in movements],
        [movement.cause for movement in movements],
        [movement.redemption_id for movement in movements],
        [movement.reverses_id for movement in movements],
        [movement.source_id for movement in movements],
        [movement.reason for movement in movements],
    ]
    posted = [Posted(**row) for row in sql.rows(_MOVE, [actor_label[:200], at, *columns])]
    assert len(posted) == len(movements), "each card exists"
    return posted


def expire_due(*, limit: int, actor_label: str, at: datetime) -> tuple[int, int]:
    """Book what is left of some cards whose time is over as expired, about `limit` at a time.

    Returns how many cards were looked at, and of how many something was left. In a transaction.
    """
    due = [voucher_id for (voucher_id,) in sql.lists(_DUE, [at, limit, at, limit])]
    held = [voucher_id for (voucher_id,) in sql.lists(_HOLD_DUE, [due, at, at])]
    booked = sql.lists(_EXPIRE, [actor_label[:200], at, held])
    Voucher.objects.filter(pk__in=held).update(expired_at=at)
    return len(due), len(booked)


def reinstatable(*, at: datetime, campaign_id: int | None = None, limit: int = 2**31) -> list[int]:
    """Cards that were booked as expired and have time again, locked in the order of ids."""
    params = [campaign_id, campaign_id, at, at, limit]
    return [voucher_id for (voucher_id,) in sql.lists(_REINSTATABLE, params)]


def reinstate(voucher_ids: Collection[int], *, actor_label: str, at: datetime) -> int:
    """Give cards that the transaction holds back what was booked as expired; returns how many."""
    ids = list(voucher_ids)
    booked = sql.lists(_REINSTATE, [actor_label[:200], at, ids])
    Voucher.objects.filter(pk__in=ids, expired_at__isnull=False).update(expired_at=None)
    return len({voucher_id for (voucher_id,) in booked})


def account_sums(*, campaign_ids: Collection[int] | None = None) -> dict[str, int]:
    """What each account has, in minor units: together nothing. Of some campaigns, or of all."""
    where = "" if campaign_ids is None else "WHERE campaign_id = ANY(%s::integer[])"
    params = [] if campaign_ids is None else [list(campaign_ids)] * 2
    found = dict(sql.lists(_SUMS.replace("{where}", where), params))
    return {account: int(found.get(account, 0)) for account in CardPosting.Account.values}
