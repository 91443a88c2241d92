"""Points expire, and which do: what is still there of the points of each line, and until when.

What a member spends is taken from the points that expire first, and of these from the oldest;
points without an end come last. So with one rule it is the oldest that go. What is left of points
when their time comes expires: one line for each member and run, which says how many. A line that
was reversed counts no more, and neither does its reversal: points that come back have the time
that they had.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from workspace import sql

# So many members have their points expire in one transaction.
PORTION = 100_000

_STANDING = """
loyalty_pointsposting p LEFT JOIN loyalty_pointsposting r
  ON r.contact_id = p.contact_id AND r.reverses_id = p.id
"""
_STANDS = "p.reverses_id IS NULL AND r.id IS NULL"
# Locked in the order of their ids, and listed: what is computed of them afterwards stays true.
_HOLD = """
CREATE TEMP TABLE loyalty_due ON COMMIT DROP AS
SELECT m.contact_id FROM loyalty_member m
WHERE m.points > 0 AND m.contact_id > %s AND EXISTS (
  SELECT FROM loyalty_pointsposting p WHERE p.contact_id = m.contact_id AND p.expires_at <= %s)
ORDER BY m.contact_id LIMIT %s FOR UPDATE
"""
_EXPIRE = f"""
WITH standing AS (
  SELECT p.contact_id,
    coalesce(sum(p.points) FILTER (WHERE p.expires_at <= %s), 0) AS over,
    coalesce(sum(p.points) FILTER (WHERE p.debit = 'member'), 0) AS gone
  FROM {_STANDING} JOIN loyalty_due d ON d.contact_id = p.contact_id
  WHERE {_STANDS} GROUP BY p.contact_id
), written AS (
  INSERT INTO loyalty_pointsposting (contact_id, debit, credit, points, cause, at)
  SELECT contact_id, 'member', 'expired', over - gone, 'expiry:' || %s || ':' || gone, %s
  FROM standing WHERE over > gone ORDER BY contact_id
  ON CONFLICT (contact_id, cause) DO NOTHING
  RETURNING points
)
SELECT (SELECT count(*) FROM loyalty_due) AS due, (SELECT max(contact_id) FROM loyalty_due) AS last,
  count(*) AS members, coalesce(sum(points), 0) AS points FROM written
"""  # noqa: S608  made of our own words only
_LEFT = f"""
SELECT * FROM (
  SELECT p.contact_id, p.id, p.debit, p.cause, p.at, p.expires_at, p.points,
    least(p.points, greatest(0, sum(p.points) OVER (
      PARTITION BY p.contact_id ORDER BY p.expires_at NULLS LAST, p.id) - g.gone)) AS remaining
  FROM {_STANDING} CROSS JOIN LATERAL (
    SELECT coalesce(sum(o.points), 0) AS gone FROM loyalty_pointsposting o
    WHERE o.contact_id = p.contact_id AND o.debit = 'member' AND o.reverses_id IS NULL
      AND NOT EXISTS (SELECT FROM loyalty_pointsposting b
        WHERE b.contact_id = o.contact_id AND b.reverses_id = o.id)) g
  WHERE p.contact_id = ANY(%s::bigint[]) AND p.credit = 'member' AND {_STANDS}
) lot WHERE remaining > 0 ORDER BY contact_id, expires_at NULLS LAST, id
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Lot:
    """What is still there of the points that came in by one line."""

    contact_id: int
    posting_id: int
    cause: str
    at: datetime
    expires_at: datetime | None
    points: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Expired:
    """What a run had expire."""

    member_count: int
    points: int


def lots_of(contact_ids: Collection[int]) -> list[Lot]:
    """What is left of the points of these members, what expires first before the rest."""
    return [
        Lot(
            row["contact_id"],
            row["id"],
            row["cause"],
            row["at"],
            row["expires_at"],
            row["points"],
            int(row["remaining"]),
        )
        for row in sql.rows(_LEFT, [sorted(contact_ids)])
    ]


def expire_points(*, as_of: datetime) -> Expired:
    """Have the points of all members expire whose time is over as of an instant.

    Running it again changes nothing, and neither does an earlier instant. Members are done in
    portions of one statement, each in its transaction.
    """
    member_count = points = 0
    after = -(2**63)
    while True:
        with transaction.atomic():
            sql.execute(_HOLD, [after, as_of, PORTION])
            [done] = sql.rows(_EXPIRE, [as_of, as_of.isoformat(), as_of])
            sql.execute("DROP TABLE loyalty_due")
        member_count += done["members"]
        points += int(done["points"])
        if done["due"] < PORTION:
            return Expired(member_count, points)
        after = done["last"]
