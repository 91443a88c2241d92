"""What a page says of a member: his points and their course, what expires, and the next tier."""

from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from loyalty.models import EarnRule, Mechanism, Member, PointsPosting
from loyalty.programme import points_expiry, tiers
from workspace import sql
from workspace.admin.pictures import badge, chart, number

MONTHS = 12
_EXPIRIES = 4
_SOON = timedelta(days=30)
_STEPS = """
SELECT date_trunc('month', at AT TIME ZONE %s)::date AS month,
  sum(CASE WHEN credit = 'member' THEN points ELSE -points END) AS step
FROM loyalty_pointsposting WHERE contact_id = %s AND at >= %s GROUP BY month
"""
_TONES = ("info", "good", "warning", "bad")
Account = PointsPosting.Account


def standing_context(member: Member, *, at: datetime) -> dict[str, Any]:
    """All that a page or panel says of what a member has."""
    standing = tiers.standing_of(member.pk, at=at)
    lots = [lot for lot in points_expiry.lots_of([member.pk]) if lot.expires_at is not None]
    return {
        "points": number(member.points),
        "earned": number(member.points_earned),
        "spent": number(member.points_spent),
        "tier": tier_badge(member.tier, tier_names()),
        "expiries": _expiries(lots, at),
        "more_expiries": max(0, len({lot.expires_at for lot in lots}) - _EXPIRIES),
        "standing": standing,
        "percent": round(standing.share * 100),
        "way": _way(standing),
        "balance": _course(member, at),
    }


def tier_names() -> dict[str, str]:
    """The names of tiers by key."""
    found = Mechanism.objects.filter(kind=Mechanism.Kind.TIER)
    return dict(found.values_list("key", "name"))


def tier_badge(tier: str, names: dict[str, str]) -> SafeString | str:
    """A tier as people call it."""
    return badge(names.get(tier, tier), "info", "military_tech") if tier else "–"


def what(posting: PointsPosting) -> tuple[str, str, str]:
    """What a line is: the word, its tone and its icon."""
    if posting.reverses_id is not None:
        return _("reversed"), "neutral", "undo"
    account = posting.debit if posting.credit == Account.MEMBER else posting.credit
    return {
        Account.ISSUED: (_("earned"), "good", "add_circle"),
        Account.SPENT: (_("spent"), "info", "shopping_bag"),
        Account.EXPIRED: (_("expired"), "warning", "hourglass_disabled"),
        Account.ADJUSTED: (_("adjusted"), "neutral", "tune"),
    }[Account(account)]


def why(posting: PointsPosting, rule: EarnRule | None) -> str:
    """Why there is a line, for people: the reason, else the rule, else what its cause tells."""
    if posting.reason:
        return posting.reason
    if rule is not None:
        return rule.name
    kind = posting.cause.partition(":")[0]
    known = {
        "opening": _("had them when he became a member here"),
        "closing": _("the membership was deleted"),
        "expiry": _("their time was over"),
        "adjustment": _("set to another number"),
        "reversal": _("taken back"),
        "erased": _("forgotten"),
    }
    return str(known.get(kind, posting.cause))


def _expiries(lots: list[points_expiry.Lot], at: datetime) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for moment, some in groupby(lots, key=lambda lot: lot.expires_at):
        if moment is not None and len(found) < _EXPIRIES:
            points = number(sum(lot.remaining for lot in some))
            found.append({"at": moment, "points": points, "is_soon": moment <= at + _SOON})
    return found


def _way(standing: tiers.Standing) -> str:
    counted = number(standing.points)
    if standing.following is None:
        if standing.level is None:
            return ""
        return _("%(points)s points lately: the highest tier.") % {"points": counted}
    missing = max(0, standing.following.threshold - standing.points)
    words = {"points": counted, "missing": number(missing), "tier": standing.following.name}
    return _("%(points)s points lately, %(missing)s more for “%(tier)s”.") % words


def _course(member: Member, at: datetime) -> dict[str, Any] | None:
    """The points at the end of each of the last months; None before there are two."""
    zone = ZoneInfo(settings.TIME_ZONE)
    months = [at.astimezone(zone).date().replace(day=1)]
    while len(months) < MONTHS:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    since = datetime(months[-1].year, months[-1].month, 1, tzinfo=zone)
    steps: dict[date, int] = dict(sql.lists(_STEPS, [zone.key, member.pk, since]))
    if not steps:
        return None
    left, values = member.points, []
    for month in months:
        values.append(left)
        left -= int(steps.get(month, 0))
    labels = [date_format(month, "M Y") for month in reversed(months)]
    values.reverse()
    return chart(labels, [(_("Points"), values, "primary")], axis=_("Month"))
