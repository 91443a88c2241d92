"""How fast members earn points, points expire and tiers are recalculated.

In a database of its own, which is gone afterwards; no other engine takes part.
"""

from datetime import timedelta
from decimal import Decimal
from time import perf_counter

import django
from django.db import connection, transaction
from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from contacts.followed_events import follow_events
from loyalty.models import Mechanism, Member, PointsPosting
from loyalty.programme import earn_rules, points, points_expiry, tiers
from loyalty.programme.points import Earning
from workspace import sql
from workspace.access import SYSTEM

from .bench_workspace import empty_workspace
from .clock import seconds
from .report import Ratio, Report

_LIMIT_SECONDS = 60
_LINES_A_MEMBER = 10
_PORTION = 2_000


def run(*, member_count: int, writes: bool) -> int:
    """Measure; returns 1 where a member's points are not the sum of his lines."""
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    report = Report("Points", versions, has_targets=True)
    with empty_workspace():
        ids = _make_members(member_count)
        _measure_postings(report, ids)
        _measure_events(report, ids)
        _measure_nights(report, ids)
        is_wrong = bool(sql.one(_WRONG))
    report.finish()
    if writes and not is_wrong:
        report.write()
    return int(is_wrong)


_WRONG = """
SELECT count(*) FROM loyalty_member m WHERE m.points <> (
  SELECT coalesce(sum(CASE WHEN credit = 'member' THEN p.points ELSE -p.points END), 0)
  FROM loyalty_pointsposting p WHERE p.contact_id = m.contact_id)
"""


def _make_members(count: int) -> list[int]:
    sql.execute(
        "INSERT INTO contacts_contact (email) SELECT 'c' || n || '@example.com'"
        " FROM generate_series(1, %s) n",
        [count],
    )
    sql.execute(
        "INSERT INTO loyalty_member (contact_id, card_number, joined_at)"
        " SELECT id, '', now() - interval '2 years' FROM contacts_contact"
    )
    _tidy()
    return [row[0] for row in sql.lists("SELECT contact_id FROM loyalty_member ORDER BY 1")]


def _tidy() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) contacts_contact, loyalty_member, loyalty_pointsposting")


def _measure_postings(report: Report, ids: list[int]) -> None:
    at = timezone.now()

    def earn() -> None:
        with transaction.atomic():
            points.earn_many([Earning(pk, 7, "bench") for pk in ids], actor=SYSTEM, at=at)

    taken = seconds(earn)
    count = len(ids)
    report.add_table(
        "Points for each member, in one transaction",
        ("postings", "seconds", "postings a second"),
        [(f"{count:,}", f"{taken:.1f}", f"{count / taken:,.0f}")],
    )
    report.ratios.append(
        Ratio("–", f"seconds for {count:,} postings", taken, _LIMIT_SECONDS * count / 100_000)
    )


def _measure_events(report: Report, ids: list[int]) -> None:
    """From events that are stored to points, by a rule with a limit a day."""
    at = timezone.now()
    values = {
        "key": "buy",
        "name": "Buy",
        "event_name": "purchase",
        "points_per_unit": Decimal(1),
        "amount_property": "amount",
        "daily_limit": 500,
        "expires_after_days": 365,
    }
    earn_rules.create_rule(values=values, actor=SYSTEM, at=at)
    for start in range(0, len(ids), _PORTION):
        some = ids[start : start + _PORTION]
        events = [IncomingEvent(pk, "purchase", at, {"amount": 20}, f"m{pk}") for pk in some]
        record_events(events, received_at=at)

    def follow() -> None:
        while follow_events(earn_rules.FOLLOWER, at):
            pass

    taken, count = seconds(follow), len(ids)
    report.add_table(
        "Events that become points by an earn rule",
        ("events", "seconds", "events a second"),
        [(f"{count:,}", f"{taken:.1f}", f"{count / taken:,.0f}")],
    )


def _measure_nights(report: Report, ids: list[int]) -> None:
    """What beat does at night: expiry over all lines, and the tiers of all members."""
    at = timezone.now()
    sql.execute(
        "INSERT INTO loyalty_pointsposting"
        " (contact_id, debit, credit, points, cause, at, expires_at)"
        " SELECT contact_id, 'issued', 'member', 10, 'old:' || n, now() - interval '1 year',"
        " now() + (n - %s) * interval '1 day' FROM loyalty_member, generate_series(1, %s) n",
        [_LINES_A_MEMBER // 2, _LINES_A_MEMBER],
    )
    sql.execute(
        "INSERT INTO loyalty_pointsposting (contact_id, debit, credit, points, cause, at)"
        " SELECT contact_id, 'member', 'spent', 25, 'spent', now() FROM loyalty_member"
    )
    for key, threshold in (("silver", 50), ("gold", 1000)):
        Mechanism.objects.create(
            key=key, name=key, kind="tier", status="active", settings={"threshold": threshold}
        )
    _tidy()
    line_count = PointsPosting.objects.count()
    rows = []
    for title, moment in (("points that are over", at), ("nothing", at), ("a day later", None)):
        as_of = moment or at + timedelta(days=1)
        began_at = perf_counter()
        done = points_expiry.expire_points(as_of=as_of)
        taken = perf_counter() - began_at
        rows.append((title, f"{line_count:,}", f"{done.member_count:,}", f"{taken:.1f}"))
    report.add_table("Points expire", ("", "lines", "members", "seconds"), rows)
    changed: list[int] = []
    taken = seconds(lambda: changed.append(len(tiers.recalculate(None, at=at))))
    again = seconds(lambda: changed.append(len(tiers.recalculate(None, at=at))))
    report.add_table(
        "Tiers of all members",
        ("members", "changed", "seconds", "again"),
        [(f"{Member.objects.count():,}", f"{changed[0]:,}", f"{taken:.1f}", f"{again:.1f}")],
    )
