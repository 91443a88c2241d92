"""Points that members earn by what they do: rules meet new events, each event once for each rule.

A follower of events (contacts.followed_events). Only who was a member when it happened earns
something. The points are those of the time of the event: it decides on the day of a limit, on the
period of a rule, and on when the points expire.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from contacts.event_properties import number_at
from contacts.followed_events import FollowedEvent, register_follower
from loyalty.models import EarnRule, Member
from loyalty.programme import points
from loyalty.programme.earn_rules import FOLLOWER, UNIT_LIMIT
from loyalty.programme.points import Earning
from workspace import sql
from workspace.access import SYSTEM

_USED = """
SELECT p.contact_id, p.rule_id, (p.at AT TIME ZONE %s)::date AS day, sum(p.points) AS points
FROM loyalty_pointsposting p
WHERE p.contact_id = ANY(%s::bigint[]) AND p.rule_id = ANY(%s::integer[])
  AND p.at BETWEEN %s AND %s AND p.debit = 'issued'
  AND NOT EXISTS (SELECT FROM loyalty_pointsposting r
    WHERE r.contact_id = p.contact_id AND r.reverses_id = p.id)
GROUP BY p.contact_id, p.rule_id, day
"""

# What a member got by a rule on a day.
_Used = dict[tuple[int, int, date], int]


def earn_by_events(events: Sequence[FollowedEvent], at: datetime) -> None:
    """Give members what these events are worth by the rules in force."""
    rules = defaultdict[str, list[EarnRule]](list)
    names = {event.name for event in events}
    for rule in EarnRule.objects.filter(is_enabled=True, event_name__in=names).order_by("pk"):
        rules[rule.event_name].append(rule)
    members = points.hold_members({event.contact_id for event in events}) if rules else {}
    if not members:
        return
    zone = ZoneInfo(settings.TIME_ZONE)
    limited = [rule.pk for some in rules.values() for rule in some if rule.daily_limit is not None]
    used = _used(limited, members, events, zone) if limited else {}
    earnings = []
    for event in sorted(events, key=lambda one: one.occurred_at):
        member = members.get(event.contact_id)
        if member is None or not was_member(member, event.occurred_at):
            continue
        for rule in rules[event.name]:
            earning = _earning(rule, event, used, zone, at)
            if earning is not None:
                earnings.append(earning)
    points.earn_many(earnings, actor=SYSTEM, at=at)


def was_member(member: Member, moment: datetime) -> bool:
    """Whether he was a member then, as far as his last joining and leaving tell."""
    return member.joined_at <= moment and (member.left_at is None or moment < member.left_at)


def is_in_force(rule: EarnRule, moment: datetime) -> bool:
    """Whether an event of that time counts for the rule."""
    has_begun = rule.starts_at is None or rule.starts_at <= moment
    return has_begun and (rule.ends_at is None or moment < rule.ends_at)


def worth(rule: EarnRule, properties: Mapping[str, Any]) -> int:
    """The points of one event by a rule, before its limit.

    Of an amount each whole unit counts; one that is missing, no number, negative or beyond
    `UNIT_LIMIT` has none.
    """
    total = rule.points_per_event
    if rule.points_per_unit:
        amount = number_at(properties, rule.amount_property)
        if amount is not None and 0 <= amount < UNIT_LIMIT:
            units = amount.to_integral_value(ROUND_FLOOR)
            total += int((units * Decimal(rule.points_per_unit)).to_integral_value(ROUND_FLOOR))
    return total


def register() -> None:
    """Follow the events that the rules name. May be called again."""
    register_follower(FOLLOWER, earn_by_events)


def _earning(
    rule: EarnRule, event: FollowedEvent, used: _Used, zone: ZoneInfo, at: datetime
) -> Earning | None:
    if not is_in_force(rule, event.occurred_at):
        return None
    # What a clock says that runs ahead is of now.
    moment = min(event.occurred_at, at)
    count = worth(rule, event.properties)
    if rule.daily_limit is not None:
        day = (event.contact_id, rule.pk, moment.astimezone(zone).date())
        count = min(count, max(0, rule.daily_limit - used.get(day, 0)))
        used[day] = used.get(day, 0) + count
    if count == 0:
        return None
    days = rule.expires_after_days
    return Earning(
        event.contact_id,
        count,
        f"event:{event.definition_id}:{event.message_id}:{rule.pk}",
        at=moment,
        expires_at=None if days is None else moment + timedelta(days=days),
        rule_id=rule.pk,
    )


def _used(
    rule_ids: Collection[int],
    contact_ids: Collection[int],
    events: Sequence[FollowedEvent],
    zone: ZoneInfo,
) -> _Used:
    """What these members got already, on the days on which the events happened."""
    day = timedelta(days=1)
    first, last = min(one.occurred_at for one in events), max(one.occurred_at for one in events)
    rows = sql.lists(_USED, [zone.key, sorted(contact_ids), rule_ids, first - day, last + day])
    return {(contact, rule, on): int(points) for contact, rule, on, points in rows}
