"""Who may have what: one contact over 200 mechanisms, and all members for one mechanism.

No other engine takes part, so none has to be installed.
"""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import django
from django.db import connection

from contacts.events import IncomingEvent, record_events
from contacts.followed_events import follow_events
from loyalty.models import ChallengeProgress, Claim, Mechanism
from loyalty.rewards.eligibility import count_by_reason, eligibility, eligible_ids
from loyalty.rewards.mechanisms import FOLLOWER, create_mechanism
from loyalty.rewards.restrictions import terms_of, with_restrictions
from segments.models import Membership, Segment
from workspace import sql
from workspace.access import SYSTEM

from . import product
from .bench_workspace import Size, fill
from .clock import median_seconds, seconds
from .questions import AS_OF, mixed_questions
from .report import Report, milliseconds

_MECHANISMS, _MEMBERS, _EVENTS = 200, 100_000, 20_000
_JOIN = """
INSERT INTO loyalty_member (contact_id, card_number, joined_at)
SELECT id, '', %s FROM contacts_contact WHERE erased_at IS NULL ORDER BY id LIMIT %s
ON CONFLICT DO NOTHING
"""
_CLAIM = """
INSERT INTO loyalty_claim (contact_id, mechanism_id, state, cause, cost_points, bonus_points, at,
  reason, actor_label)
SELECT contact_id, %s, 'claimed', 'bench', 0, 0, %s, '', '' FROM loyalty_member
WHERE contact_id %% 3 = 0 ON CONFLICT DO NOTHING
"""


def run(size: Size, place: Path, runs: int, *, writes: bool) -> int:
    """Make or find the workspace, members and mechanisms, and measure."""
    fill(size, place)
    segments = list(product.make_segments(mixed_questions()[:20]).values())
    for segment in segments:
        product.refresh(segment)
    mechanisms = _mechanisms(segments)
    product.tidy()
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    title = f"{size.contact_count:,} contacts, {size.event_count:,} events: mechanisms"
    report = Report(title, versions, has_targets=False)
    _one_contact(report, runs)
    _all_members(report, mechanisms[0], runs)
    _challenge(report)
    if writes:
        report.write()
    connection.close()
    return 0


def _mechanisms(segments: list[Segment]) -> list[Mechanism]:
    """Two hundred rewards for two segments each, with limits; a third of the members had one."""
    sql.execute(_JOIN, [AS_OF - timedelta(days=365), _MEMBERS])
    Claim.objects.all().delete()
    Mechanism.objects.all().delete()
    made = [
        create_mechanism(
            actor=SYSTEM,
            at=AS_OF,
            kind="reward",
            name=f"Reward {n}",
            key=f"bench-{n}",
            segments=[segments[n % 20].key, segments[(n + 7) % 20].key],
            member_limit=1,
            period_limit=1,
            period="month",
        )
        for n in range(_MECHANISMS)
    ]
    sql.execute(_CLAIM, [made[0].pk, AS_OF])
    return made


def _one_contact(report: Report, runs: int) -> None:
    ids = Membership.objects.order_by("contact_id").values_list("contact_id", flat=True)[:1]
    ask = partial(eligibility, ids[0], actor=SYSTEM, at=AS_OF)
    taken = median_seconds(ask, runs=max(runs, 15))
    rows = [(_MECHANISMS, len(ask()), milliseconds(taken))]
    report.add_table("What one contact may have (ms)", ("mechanisms", "answers", "time"), rows)


def _all_members(report: Report, mechanism: Mechanism, runs: int) -> None:
    read = with_restrictions(Mechanism.objects.filter(pk=mechanism.pk)).get()
    terms = terms_of(read, at=AS_OF)
    found = eligible_ids(terms, at=AS_OF)
    rows: list[Any] = [
        (
            "everyone who may have it",
            f"{len(found):,}",
            milliseconds(median_seconds(partial(eligible_ids, terms, at=AS_OF), runs=runs)),
        ),
        (
            "how many, and why the others may not",
            f"{sum(count_by_reason(terms, at=AS_OF).values()):,}",
            milliseconds(median_seconds(partial(count_by_reason, terms, at=AS_OF), runs=runs)),
        ),
    ]
    report.add_table("One mechanism for all members (ms)", ("", "members", "time"), rows)


def _challenge(report: Report) -> None:
    """Events that count towards a goal, as fast as they can be followed."""
    made = create_mechanism(
        actor=SYSTEM,
        at=AS_OF,
        kind="challenge",
        name="Buyer",
        key="bench-challenge",
        settings={"event": "bench_bought", "threshold": 2, "bonus_points": 10},
    )
    members = sql.lists("SELECT contact_id FROM loyalty_member ORDER BY 1 LIMIT %s", [_EVENTS // 2])
    events = [
        IncomingEvent(
            contact_id, "bench_bought", AS_OF - timedelta(minutes=turn), {}, f"{made.pk}:{turn}"
        )
        for turn in (2, 1)
        for (contact_id,) in members
    ]
    for start in range(0, len(events), 2000):
        record_events(events[start : start + 2000], received_at=AS_OF)

    def follow() -> None:
        while follow_events(FOLLOWER, AS_OF):
            pass

    taken = seconds(follow)
    reached = ChallengeProgress.objects.filter(reached_at__isnull=False).count()
    report.add_table(
        "Events towards a challenge, with bonus points for who reaches it",
        ("events", "reached", "events a second"),
        [(f"{len(events):,}", f"{reached:,}", f"{len(events) / taken:,.0f}")],
    )
