"""The numbers of campaigns: codes, cards, redemptions and money."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime

from django.conf import settings

from workspace import sql

# A card is over at the instant it expires, whether or not that has been booked.
_CARDS = """
SELECT v.campaign_id, count(*) AS codes,
  count(*) FILTER (WHERE v.published_at IS NOT NULL) AS published,
  count(*) FILTER (WHERE v.published_at IS NULL AND v.is_enabled AND NOT is_over) AS unpublished,
  count(*) FILTER (WHERE NOT v.is_enabled) AS disabled,
  count(*) FILTER (WHERE v.published_at IS NOT NULL AND is_over) AS expired,
  count(*) FILTER (WHERE v.redeemed_count > 0) AS used,
  count(*) FILTER (WHERE v.redeemed_count > 0 AND v.balance_minor = 0 AND v.expired_at IS NULL)
    AS used_up,
  coalesce(sum(v.initial_minor) FILTER (WHERE v.published_at IS NOT NULL), 0) AS published_minor,
  coalesce(sum(v.balance_minor) FILTER (WHERE v.published_at IS NOT NULL AND NOT is_over), 0)
    AS outstanding_minor,
  coalesce(sum(v.balance_minor) FILTER (WHERE v.published_at IS NOT NULL AND is_over), 0)
    AS unbooked_minor
FROM loyalty_voucher v,
  LATERAL (SELECT v.expired_at IS NOT NULL
    OR coalesce(v.expires_at <= %(at)s, false) AS is_over) life
WHERE v.campaign_id = ANY(%(ids)s) GROUP BY v.campaign_id
"""
_MONEY = """
SELECT p.campaign_id,
  coalesce(sum(p.amount_minor) FILTER (WHERE p.kind = 'redemption'), 0) AS paid_minor,
  coalesce(sum(p.amount_minor) FILTER (WHERE p.kind = 'rollback'), 0) AS rolled_back_minor,
  coalesce(sum(p.amount_minor) FILTER (WHERE p.kind = 'addition'), 0) AS added_minor,
  coalesce(sum(p.amount_minor) FILTER (WHERE p.kind = 'removal'), 0) AS removed_minor,
  coalesce(sum(CASE p.kind WHEN 'expiry' THEN p.amount_minor
    WHEN 'reinstatement' THEN -p.amount_minor END)
    FILTER (WHERE v.published_at IS NOT NULL), 0) AS expired_minor
FROM loyalty_cardposting p JOIN loyalty_voucher v ON v.id = p.voucher_id
WHERE p.campaign_id = ANY(%(ids)s) AND p.at <= %(at)s GROUP BY p.campaign_id
"""
_USES = """
SELECT v.campaign_id, count(*) FILTER (WHERE r.state <> 'failed') AS redemptions,
  count(*) FILTER (WHERE r.state = 'rolled_back') AS rolled_back,
  count(*) FILTER (WHERE r.state = 'failed') AS refused
FROM loyalty_redemption r JOIN loyalty_voucher v ON v.id = r.voucher_id
WHERE v.campaign_id = ANY(%(ids)s) AND r.at <= %(at)s GROUP BY v.campaign_id
"""
_ASIDE = """
SELECT campaign_id, count(*) AS held_out FROM loyalty_holdout
WHERE campaign_id = ANY(%(ids)s) AND at <= %(at)s GROUP BY campaign_id
"""
_COURSE = """
SELECT day::date AS day,
  (SELECT count(*) FROM loyalty_publication p WHERE p.campaign_id = %(id)s
    AND p.state = 'success' AND p.at >= day AT TIME ZONE %(zone)s
    AND p.at < (day + interval '1 day') AT TIME ZONE %(zone)s) AS published,
  (SELECT count(*) FROM loyalty_cardposting c WHERE c.campaign_id = %(id)s
    AND c.kind = 'redemption' AND c.at >= day AT TIME ZONE %(zone)s
    AND c.at < (day + interval '1 day') AT TIME ZONE %(zone)s) AS redeemed,
  (SELECT coalesce(sum(CASE c.kind WHEN 'redemption' THEN c.amount_minor ELSE -c.amount_minor END),
      0)
    FROM loyalty_cardposting c WHERE c.campaign_id = %(id)s AND c.kind IN ('redemption', 'rollback')
    AND c.at >= day AT TIME ZONE %(zone)s
    AND c.at < (day + interval '1 day') AT TIME ZONE %(zone)s) AS redeemed_minor
FROM generate_series(%(first)s::date::timestamp, %(last)s::date::timestamp, '1 day') AS day
ORDER BY day
"""


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """What a campaign has, gave and took, in numbers and in minor units of its currency.

    `published_minor` + `added_minor` - `removed_minor` is what holders were given. Of that
    `redeemed_minor` was paid (less what was rolled back), `expired_minor` is over, and
    `outstanding_minor` is still theirs.
    """

    codes: int = 0
    unpublished: int = 0
    published: int = 0
    used: int = 0
    used_up: int = 0
    expired: int = 0
    disabled: int = 0
    held_out: int = 0
    redemptions: int = 0
    rolled_back: int = 0
    refused: int = 0
    published_minor: int = 0
    added_minor: int = 0
    removed_minor: int = 0
    redeemed_minor: int = 0
    rolled_back_minor: int = 0
    expired_minor: int = 0
    outstanding_minor: int = 0

    @property
    def redeemed_share(self) -> float:
        """How much of what holders were given they have spent, 0 to 1."""
        given = self.published_minor + self.added_minor - self.removed_minor
        return self.redeemed_minor / given if given > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on a day of the workspace's time zone."""

    day: date
    published: int
    redeemed: int
    redeemed_minor: int


def figures_of(campaign_ids: Sequence[int], *, at: datetime) -> dict[int, CampaignFigures]:
    """The numbers of each of these campaigns, in four statements."""
    words = {"ids": list(campaign_ids), "at": at}
    found: dict[int, dict[str, int]] = {campaign_id: {} for campaign_id in campaign_ids}
    for statement in (_CARDS, _MONEY, _USES, _ASIDE):
        for row in sql.rows(statement, words):
            found[row.pop("campaign_id")] |= {name: int(value) for name, value in row.items()}
    known = {one.name for one in fields(CampaignFigures)}
    made = {}
    for campaign_id, row in found.items():
        row["redeemed_minor"] = row.pop("paid_minor", 0) - row.get("rolled_back_minor", 0)
        row["expired_minor"] = row.get("expired_minor", 0) + row.pop("unbooked_minor", 0)
        made[campaign_id] = CampaignFigures(**{k: v for k, v in row.items() if k in known})
    return made


def course_of(campaign_id: int, *, first: date, last: date) -> list[Day]:
    """Day by day what was published and redeemed, days without anything included."""
    words = {"id": campaign_id, "first": first, "last": last, "zone": settings.TIME_ZONE}
    return [Day(**row) for row in sql.rows(_COURSE, words)]
