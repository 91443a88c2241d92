"""Looks every few minutes at what happened and notes what a cheat might have done.

One statement for each sign, over the publications and redemptions of a short time. What was before
somebody cleared the same suspicion does not count again. Nothing is blocked by itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from loyalty.guarding.suspicions import MAILBOX
from loyalty.models import Suspicion
from workspace import locks, sql

EVERY = timedelta(minutes=2)
CHANNEL = "regulars_watch"


@dataclass(frozen=True, slots=True)
class Sign:
    """So many of something of one subject within a time. `facts` gives (subject, counted, at)."""

    name: str
    kind: str
    window: timedelta
    limit: int
    facts: str


_REDEMPTIONS = """
SELECT 'contact:' || contact_id AS subject, id::text AS counted, at FROM loyalty_redemption
WHERE at > %(since)s AND at <= %(now)s AND state <> 'failed' AND voucher_id IS NOT NULL
  AND contact_id IS NOT NULL
"""
_PUBLICATIONS = "p.at > %(since)s AND p.at <= %(now)s AND p.state = 'success'"
_OF_CONTACT = f"""
SELECT 'contact:' || p.contact_id AS subject, p.id::text AS counted, p.at
FROM loyalty_publication p WHERE {_PUBLICATIONS}
"""  # noqa: S608  made of our own words only
_OF_MAILBOX = f"""
SELECT {MAILBOX.format(email="c.email")} AS subject, c.id::text AS counted, p.at
FROM loyalty_publication p JOIN contacts_contact c ON c.id = p.contact_id
WHERE {_PUBLICATIONS} AND c.email <> ''
"""  # noqa: S608
_OF_PROGRAM = f"""
SELECT 'api_user:' || p.api_user_id AS subject, p.contact_id::text AS counted, p.at
FROM loyalty_publication p
WHERE {_PUBLICATIONS} AND p.api_user_id IS NOT NULL AND p.distribution_id IS NULL
"""  # noqa: S608
SIGNS = (
    Sign("redemptions", Suspicion.Kind.VELOCITY, timedelta(minutes=10), 10, _REDEMPTIONS),
    Sign("publications", Suspicion.Kind.MANY_CARDS, timedelta(hours=24), 10, _OF_CONTACT),
    Sign("mailbox", Suspicion.Kind.MANY_CARDS, timedelta(hours=24), 3, _OF_MAILBOX),
    Sign("program", Suspicion.Kind.MANY_CARDS, timedelta(minutes=10), 500, _OF_PROGRAM),
)
_NOTE = """
WITH facts AS ({facts}), seen AS (
  SELECT f.subject, count(DISTINCT f.counted) AS count, min(f.at) AS first_at, max(f.at) AS last_at,
    (array_agg(DISTINCT f.counted))[1:20] AS examples
  FROM facts f LEFT JOIN (
    SELECT subject, max(resolved_at) AS at FROM loyalty_suspicion
    WHERE kind = %(kind)s AND state = 'cleared' GROUP BY subject
  ) cleared ON cleared.subject = f.subject
  WHERE cleared.at IS NULL OR f.at > cleared.at
  GROUP BY f.subject HAVING count(DISTINCT f.counted) >= %(limit)s
)
INSERT INTO loyalty_suspicion AS known
  (kind, subject, state, count, details, first_at, last_at, resolved_by)
SELECT %(kind)s, subject, 'open', count,
  jsonb_build_object('sign', %(name)s::text, 'minutes', %(minutes)s::int, 'some', examples),
  first_at, last_at, ''
FROM seen ORDER BY subject
ON CONFLICT (kind, subject) WHERE NOT state = 'cleared' DO UPDATE SET
  count = greatest(known.count, excluded.count), details = known.details || excluded.details,
  last_at = excluded.last_at
WHERE known.last_at < excluded.last_at
"""


@transaction.atomic
def watch(at: datetime) -> bool:
    """Note each sign that is there at this moment; false, as there is no more to do.

    One process at a time; another one has nothing to do.
    """
    if locks.try_lock("loyalty.watch"):
        for sign in SIGNS:
            _note(sign, at)
    return False


def _note(sign: Sign, at: datetime) -> int:
    return sql.execute(
        _NOTE.format(facts=sign.facts),
        {
            "kind": str(sign.kind),
            "name": sign.name,
            "limit": sign.limit,
            "minutes": sign.window // timedelta(minutes=1),
            "since": at - sign.window,
            "now": at,
        },
    )
