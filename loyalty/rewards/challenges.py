"""Challenges: events that count towards a goal, how far members are, and who has reached it.

The follower "challenges" is handed each event once, in the transaction that writes what follows
from it: the progress, and for who reaches the goal a claim and the bonus. An event counts for the
period of the workspace's calendar in which it happened, for who was a member then and may take
part when it arrives. A goal is reached once in a period; where there is a stock, by the first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from contacts.followed_events import FollowedEvent
from contacts.orders import Orders
from loyalty.calendar import period_on
from loyalty.models import ChallengeProgress, Claim, Mechanism
from loyalty.programme import points
from loyalty.programme.points import Earning
from loyalty.rewards.claim_notices import announce_reached
from loyalty.rewards.claims import points_cause
from loyalty.rewards.eligibility import eligible_ids
from loyalty.rewards.restrictions import left_of, terms_of, with_restrictions
from segments import criteria
from segments.criteria import Query
from segments.facts import parse_conditions
from workspace import sql
from workspace.access import SYSTEM

# What one event can add: more cannot be an amount, and would not fit the sum.
_AMOUNT_LIMIT = 10**15

# Each event is looked up by itself, in the one month that it is of (OFFSET); those of members that
# the condition holds for, with what each adds.
_COUNTED = """
SELECT note.contact_id, note.occurred_at, e.added
FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[])
  AS note (contact_id, message_id, occurred_at)
JOIN loyalty_member m ON m.contact_id = note.contact_id AND m.left_at IS NULL
  AND m.joined_at <= note.occurred_at
CROSS JOIN LATERAL (
  SELECT {added} AS added FROM contacts_event e
  WHERE e.contact_id = note.contact_id AND e.message_id = note.message_id
    AND e.occurred_at = note.occurred_at AND {condition} OFFSET 0) e
WHERE abs(e.added) < %s
"""
_ADD = """
INSERT INTO loyalty_challengeprogress AS known
  (contact_id, mechanism_id, period_on, value, updated_at)
SELECT contact_id, %s, period_on, added, %s
FROM unnest(%s::bigint[], %s::date[], %s::numeric[]) AS step (contact_id, period_on, added)
ORDER BY contact_id, period_on
ON CONFLICT (contact_id, mechanism_id, period_on) DO UPDATE
SET value = known.value + excluded.value, updated_at = excluded.updated_at
RETURNING contact_id, period_on, value, reached_at
"""
_REACH = """
WITH reached AS (
  UPDATE loyalty_challengeprogress p SET reached_at = %s
  FROM unnest(%s::bigint[], %s::date[]) AS who (contact_id, period_on)
  WHERE p.mechanism_id = %s AND p.contact_id = who.contact_id AND p.period_on = who.period_on
    AND p.reached_at IS NULL
  RETURNING p.contact_id, p.period_on
)
INSERT INTO loyalty_claim
  (contact_id, mechanism_id, state, cause, cost_points, bonus_points, at, reason, actor_label)
SELECT contact_id, %s, 'claimed', 'reached:' || period_on, 0, %s, %s, '', %s FROM reached
ORDER BY contact_id, period_on
ON CONFLICT (contact_id, mechanism_id, cause) DO NOTHING
RETURNING id, contact_id
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a contact is in a challenge in the present period; `share` is from 0 to 1."""

    mechanism: Mechanism
    value: Decimal
    threshold: Decimal
    period_on: date
    reached_at: datetime | None

    @property
    def share(self) -> float:
        """How much of the way is done."""
        if self.reached_at is not None:
            return 1.0
        return max(0.0, min(float(self.value / self.threshold), 1.0))


def follow(events: Sequence[FollowedEvent], at: datetime) -> None:
    """Count events towards the challenges in use. For `contacts.followed_events`."""
    by_name: dict[str, list[FollowedEvent]] = {}
    for event in events:
        by_name.setdefault(event.name, []).append(event)
    active = Mechanism.objects.filter(
        kind=Mechanism.Kind.CHALLENGE,
        status=Mechanism.Status.ACTIVE,
        settings__event__in=list(by_name),
    )
    # A few statements for each challenge, whatever the number of events: each has a condition of
    # its own. In the order of their ids, as everyone who takes of several stocks.
    for mechanism in with_restrictions(active).order_by("pk"):
        _count(mechanism, by_name[mechanism.settings["event"]], at)


def progress_of(
    contact_id: int, challenges: Iterable[Mechanism], *, at: datetime
) -> list[Progress]:
    """How far a contact is in each of these, in the period of each in which `at` lies; one query.

    Who never did anything for one has nothing there.
    """
    every = list(challenges)
    periods = {
        mechanism.pk: period_on(mechanism.settings.get("period", ""), at) for mechanism in every
    }
    rows = ChallengeProgress.objects.filter(
        contact_id=contact_id, mechanism_id__in=periods, period_on__in=set(periods.values())
    )
    known = {(row.mechanism_id, row.period_on): row for row in rows}
    found = []
    for mechanism in every:
        day = periods[mechanism.pk]
        row = known.get((mechanism.pk, day))
        value, reached_at = (row.value, row.reached_at) if row else (Decimal(0), None)
        found.append(Progress(mechanism, value, threshold_of(mechanism), day, reached_at))
    return found


def threshold_of(mechanism: Mechanism) -> Decimal:
    """How much a challenge asks for."""
    return Decimal(mechanism.settings["threshold"])


def forget_progress(contact_ids: list[int]) -> int:
    """Delete how far contacts came who are erased; returns how many rows."""
    return ChallengeProgress.objects.filter(contact_id__in=contact_ids).delete()[0]


def _count(mechanism: Mechanism, events: Sequence[FollowedEvent], at: datetime) -> None:
    rows = _steps(mechanism, [event for event in events if _is_in_time(mechanism, event)], at)
    if not rows:
        return
    audience = terms_of(mechanism, at=at).audience
    may = set(eligible_ids(audience, at=at, among=sorted({contact_id for contact_id, *_ in rows})))
    period = mechanism.settings.get("period", "")
    steps: dict[tuple[int, date], Decimal] = {}
    last: dict[tuple[int, date], datetime] = {}
    for contact_id, occurred_at, added in rows:
        if contact_id in may:
            key = (contact_id, period_on(period, occurred_at))
            steps[key] = steps.get(key, Decimal(0)) + added
            last[key] = max(last.get(key, occurred_at), occurred_at)
    if not steps:
        return
    columns = [[contact_id for contact_id, _day in steps], [day for _id, day in steps]]
    written = sql.lists(_ADD, [mechanism.pk, at, *columns, list(steps.values())])
    threshold = threshold_of(mechanism)
    reached = [
        (contact_id, day)
        for contact_id, day, value, reached_at in written
        if reached_at is None and value >= threshold
    ]
    # Who was first to do what it takes is first to have it.
    reached.sort(key=lambda key: (last[key], key))
    _reach(mechanism, reached, at)


def _is_in_time(mechanism: Mechanism, event: FollowedEvent) -> bool:
    starts, ends = mechanism.starts_at, mechanism.ends_at
    return (starts is None or event.occurred_at >= starts) and (
        ends is None or event.occurred_at < ends
    )


def _steps(
    mechanism: Mechanism, events: Sequence[FollowedEvent], at: datetime
) -> list[tuple[int, datetime, Decimal]]:
    """Those of the events that count, with what each adds."""
    if not events:
        return []
    settings = mechanism.settings
    added, params = "1::numeric", list[Any]()
    if settings["measure"] == "sum":
        added, params = Orders("", settings["property"], 0, is_default=False).amount_sql()
    condition = _condition(settings, at)
    columns = [
        [event.contact_id for event in events],
        [event.message_id for event in events],
        [event.occurred_at for event in events],
    ]
    statement = _COUNTED.format(added=added, condition=condition.text)
    return sql.lists(statement, [*columns, *params, *condition.params, _AMOUNT_LIMIT])


def _condition(settings: Mapping[str, Any], at: datetime) -> Query:
    if settings.get("where") is None:
        return Query("true", ())
    return criteria.compile_where(parse_conditions(settings["where"]), now=at)


def _reach(mechanism: Mechanism, reached: list[tuple[int, date]], at: datetime) -> None:
    """Give those who reached the goal what they get, as far as there is a stock."""
    if not reached:
        return
    held = Mechanism.objects.select_for_update(of=("self",)).get(pk=mechanism.pk)
    left = left_of(held)
    winners = reached if left is None else reached[:left]
    if not winners:
        return
    bonus = int(mechanism.settings.get("bonus_points") or 0)
    columns = [[contact_id for contact_id, _day in winners], [day for _id, day in winners]]
    made = sql.lists(_REACH, [at, *columns, held.pk, held.pk, bonus, at, SYSTEM.label])
    held.claimed_count += len(made)
    held.save(update_fields=["claimed_count"])
    claims = [Claim(pk=pk, contact_id=who, mechanism=held, at=at) for pk, who in made]
    if bonus:
        points.earn_many(
            [Earning(one.contact_id, bonus, points_cause(one), held.name) for one in claims],
            actor=SYSTEM,
            at=at,
        )
    announce_reached(claims, bonus=bonus, at=at)
