"""What is owed to the holders of cards, month by month, and what of it nobody will ask for.

Only published cards are owed: codes that nobody has yet are no debt. A statement opens with what
was owed before, adds what was published and added, takes away what was redeemed (less what was
rolled back), removed and expired, and closes with what is owed then. Months are those of the
workspace's time zone; money is in minor units, each currency by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings

from workspace import sql

_MOVES = """
WITH moved AS (
  SELECT v.published_at AS at, v.campaign_id, 'published' AS what, v.initial_minor AS amount
  FROM loyalty_voucher v
  WHERE v.campaign_id = ANY(%(ids)s) AND v.published_at <= %(at)s
  UNION ALL
  -- What happened to a card before anybody had it counts from when somebody had it.
  SELECT greatest(p.at, v.published_at), p.campaign_id,
    CASE p.kind WHEN 'addition' THEN 'added' WHEN 'removal' THEN 'removed'
      WHEN 'redemption' THEN 'redeemed' WHEN 'rollback' THEN 'rolled_back'
      WHEN 'expiry' THEN 'expired' ELSE 'reinstated' END, p.amount_minor
  FROM loyalty_cardposting p JOIN loyalty_voucher v ON v.id = p.voucher_id
  WHERE p.campaign_id = ANY(%(ids)s) AND v.published_at <= %(at)s AND p.at <= %(at)s)
SELECT date_trunc('month', m.at AT TIME ZONE %(zone)s)::date AS month, c.currency, m.what,
  sum(m.amount)::bigint AS amount
FROM moved m JOIN loyalty_campaign c ON c.id = m.campaign_id GROUP BY 1, 2, 3
"""
_AGES = """
SELECT c.currency, CASE
    WHEN v.expires_at IS NULL THEN 'open' WHEN v.expires_at <= %(at)s + interval '30 days' THEN '30'
    WHEN v.expires_at <= %(at)s + interval '90 days' THEN '90'
    WHEN v.expires_at <= %(at)s + interval '365 days' THEN '365' ELSE 'later' END AS until,
  count(*) AS cards, sum(v.balance_minor)::bigint AS amount
FROM loyalty_voucher v JOIN loyalty_campaign c ON c.id = v.campaign_id
WHERE v.campaign_id = ANY(%(ids)s) AND v.published_at <= %(at)s AND v.balance_minor > 0
  AND v.expired_at IS NULL AND (v.expires_at IS NULL OR v.expires_at > %(at)s)
GROUP BY 1, 2
"""
_BREAKAGE = """
SELECT c.currency, count(*) AS cards, sum(v.initial_minor)::bigint AS given,
  sum(greatest(v.balance_minor, coalesce(e.amount, 0)))::bigint AS unused
FROM loyalty_voucher v JOIN loyalty_campaign c ON c.id = v.campaign_id
LEFT JOIN LATERAL (
  SELECT sum(CASE p.kind WHEN 'expiry' THEN p.amount_minor ELSE -p.amount_minor END) AS amount
  FROM loyalty_cardposting p
  WHERE p.voucher_id = v.id AND p.kind IN ('expiry', 'reinstatement') AND p.at <= %(at)s) e ON true
WHERE v.campaign_id = ANY(%(ids)s) AND v.published_at <= %(at)s
  AND (v.expired_at IS NOT NULL OR v.expires_at <= %(at)s)
GROUP BY 1
"""
_UNTIL = ("30", "90", "365", "later", "open")


@dataclass(frozen=True, slots=True)
class Month:
    """A line of the statement. `redeemed` and `expired` are what remained of them."""

    month: date
    opening: int
    published: int
    added: int
    removed: int
    redeemed: int
    expired: int

    @property
    def closing(self) -> int:
        """What is owed at the end of it."""
        given = self.published + self.added - self.removed
        return self.opening + given - self.redeemed - self.expired


@dataclass(frozen=True, slots=True)
class Due:
    """What is owed on cards that end within 30, 90 or 365 days, later, or never ("open")."""

    until: str
    card_count: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Breakage:
    """Of cards that are over: what they were worth, and what of that was never asked for."""

    card_count: int = 0
    given_minor: int = 0
    unused_minor: int = 0

    @property
    def share(self) -> float | None:
        """The part that was never asked for, 0 to 1; None while no card is over."""
        return self.unused_minor / self.given_minor if self.given_minor else None


@dataclass(frozen=True, slots=True)
class Liability:
    """One currency: its months, the oldest first without a gap, what is due, and breakage."""

    currency: str
    months: tuple[Month, ...]
    dues: tuple[Due, ...]
    breakage: Breakage

    @property
    def owed_minor(self) -> int:
        """What is owed now."""
        return self.months[-1].closing if self.months else 0

    @property
    def expected_breakage_minor(self) -> int | None:
        """What of that will not be asked for, if it goes as with the cards that are over."""
        share = self.breakage.share
        return None if share is None else round(self.owed_minor * share)


def liability(campaign_ids: Sequence[int], *, at: datetime) -> list[Liability]:
    """What is owed on the cards of these campaigns as of `at`, by currency."""
    words = {"ids": list(campaign_ids), "at": at, "zone": settings.TIME_ZONE}
    moves: dict[str, dict[date, dict[str, int]]] = {}
    for row in sql.rows(_MOVES, words):
        months = moves.setdefault(row["currency"], {})
        months.setdefault(row["month"], {})[row["what"]] = row["amount"]
    dues: dict[str, dict[str, Due]] = {}
    for row in sql.rows(_AGES, words):
        due = Due(row["until"], row["cards"], row["amount"])
        dues.setdefault(row["currency"], {})[due.until] = due
    over = {
        row["currency"]: Breakage(row["cards"], row["given"], row["unused"])
        for row in sql.rows(_BREAKAGE, words)
    }
    return [
        Liability(
            currency,
            tuple(_statement(moves[currency])),
            tuple(dues.get(currency, {}).get(until, Due(until, 0, 0)) for until in _UNTIL),
            over.get(currency, Breakage()),
        )
        for currency in sorted(moves)
    ]


def _statement(moves: dict[date, dict[str, int]]) -> Iterable[Month]:
    owed = 0
    for month in _months(min(moves), max(moves)):
        found = moves.get(month, {})
        line = Month(
            month,
            owed,
            found.get("published", 0),
            found.get("added", 0),
            found.get("removed", 0),
            found.get("redeemed", 0) - found.get("rolled_back", 0),
            found.get("expired", 0) - found.get("reinstated", 0),
        )
        yield line
        owed = line.closing


def _months(first: date, last: date) -> Iterable[date]:
    month = first
    while month <= last:
        yield month
        month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
