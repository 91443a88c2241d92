"""Members earn points by events: once, by the rules in force, within their limits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from contacts.event_uses import uses_of
from contacts.events import IncomingEvent, record_events
from contacts.followed_events import follow_events, set_aside_events
from contacts.merging import merge_contacts
from loyalty.errors import EarnRuleInUse, EarnRuleInvalid, EarnRuleUnknown
from loyalty.models import EarnRule, Member, PointsPosting
from loyalty.programme import earn_rules, points, tiers
from tests.factories import DAY, HOUR, NOW, make_contact
from tests.loyalty.factories import make_member, make_tier
from workspace.access import SYSTEM, Actor
from workspace.errors import NotAllowed
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db


def make_rule(key: str = "buy", **given: Any) -> EarnRule:
    """Two points for each purchase and one for each whole unit of its amount."""
    values = {
        "key": key,
        "name": key.capitalize(),
        "event_name": "purchase",
        "points_per_event": 2,
        "points_per_unit": Decimal(1),
        "amount_property": "amount",
        **given,
    }
    return earn_rules.create_rule(values=values, actor=SYSTEM, at=NOW)


def buy(contact_id: int, amount: Any = 10, message_id: str = "m", at: datetime = NOW) -> None:
    properties = {} if amount is None else {"amount": amount}
    event = IncomingEvent(contact_id, "purchase", at, properties, message_id)
    assert not record_events([event], received_at=NOW).rejected


def follow(at: datetime = NOW) -> None:
    while follow_events(earn_rules.FOLLOWER, at):
        pass
    assert not set_aside_events()


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (10, 12),
        (10.99, 12),
        ("10.99", 12),
        (0, 2),
        (-5, 2),
        (None, 2),
        ("ten", 2),
        (True, 2),
        (10**12, 2),
        ([5], 2),
    ],
)
def test_an_event_gives_its_points_and_those_of_each_whole_unit(amount: Any, expected: int) -> None:
    anna = make_member()
    rule = make_rule()
    buy(anna, amount)
    assert earn_rules.preview_rule(rule, at=NOW).points == expected
    follow()
    posting = PointsPosting.objects.get(contact_id=anna)
    assert (posting.points, posting.rule_id, posting.at) == (expected, rule.pk, NOW)
    assert posting.cause.endswith(f":m:{rule.pk}")
    assert points.balance(anna) == expected


def test_parts_of_a_point_are_cut_off() -> None:
    anna = make_member()
    make_rule(points_per_event=0, points_per_unit=Decimal("0.5"))
    buy(anna, 9)
    follow()
    assert points.balance(anna) == 4


def test_each_event_counts_once_for_each_rule() -> None:
    anna = make_member()
    make_rule()
    make_rule("bonus", points_per_event=100, points_per_unit=Decimal(0))
    for _time in range(2):
        buy(anna)
        follow()
    assert points.balance(anna) == 112


def test_only_who_was_a_member_then_earns() -> None:
    make_rule()
    stranger = make_contact().pk
    early = make_member(joined_at=NOW + HOUR)
    gone = make_member(left_at=NOW)
    leaving = make_member(left_at=NOW + HOUR)
    for contact_id in (stranger, early, gone, leaving):
        buy(contact_id)
    follow(NOW + DAY)
    earned = set(PointsPosting.objects.values_list("contact_id", flat=True))
    assert earned == {leaving}


def test_a_rule_counts_within_its_period_and_while_it_is_on() -> None:
    anna = make_member()
    rule = make_rule(starts_at=NOW, ends_at=NOW + HOUR)
    buy(anna, message_id="before", at=NOW - timedelta(seconds=1))
    buy(anna, message_id="first", at=NOW)
    buy(anna, message_id="end", at=NOW + HOUR)
    follow(NOW + DAY)
    assert points.balance(anna) == 12
    earn_rules.change_rule(rule, values={"is_enabled": False}, actor=SYSTEM, at=NOW)
    buy(anna, message_id="off", at=NOW)
    follow()
    assert points.balance(anna) == 12


def test_no_more_than_the_limit_a_day_of_the_workspace(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Prague"
    anna = make_member()
    rule = make_rule(daily_limit=15)
    midnight = datetime(2026, 3, 2, 23, tzinfo=UTC)
    buy(anna, 8, "one", midnight - 2 * HOUR)
    follow(midnight + DAY)
    buy(anna, 8, "two", midnight - HOUR)
    buy(anna, 8, "three", midnight - timedelta(seconds=1))
    buy(anna, 8, "next day", midnight)
    follow(midnight + DAY)
    given = PointsPosting.objects.filter(contact_id=anna).order_by("id")
    assert [one.points for one in given] == [10, 5, 10]
    assert earn_rules.preview_rule(rule, at=midnight + DAY).points == 25


def test_what_was_taken_back_does_not_use_up_the_limit() -> None:
    anna = make_member()
    make_rule(daily_limit=12)
    buy(anna)
    follow()
    posting = PointsPosting.objects.get(contact_id=anna)
    points.reverse_posting(
        contact_id=anna, posting_id=posting.id, reason="returned", actor=SYSTEM, at=NOW
    )
    buy(anna, message_id="again")
    follow()
    assert points.balance(anna) == 12


def test_points_expire_so_many_days_after_the_event() -> None:
    anna = make_member()
    make_rule(expires_after_days=30)
    buy(anna, at=NOW - DAY)
    buy(anna, message_id="ahead", at=NOW + DAY)
    follow()
    ends = PointsPosting.objects.order_by("expires_at").values_list("expires_at", flat=True)
    assert list(ends) == [NOW + 29 * DAY, NOW + 30 * DAY]


def test_what_two_earned_by_one_event_before_they_merged_counts_for_both_and_later_once() -> None:
    anna, ben = make_member(), make_member()
    make_rule()
    buy(anna, message_id="same")
    buy(ben, message_id="same")
    follow()
    buy(ben, message_id="later")
    merge_contacts(anna, ben, actor=SYSTEM, at=NOW, cause="test")
    follow()
    assert points.balance(anna) == 36


def test_a_portion_of_many_costs_no_more_queries_than_one_of_few(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    make_rule(daily_limit=1000)
    for number in range(20):
        buy(make_member(), message_id=f"m{number}")
    with django_assert_max_num_queries(18):
        assert follow_events(earn_rules.FOLLOWER, NOW)
    assert PointsPosting.objects.filter(debit="issued").count() == 20


def test_who_earns_enough_is_in_the_next_tier_at_once() -> None:
    told: list[tiers.TierChange] = []
    tiers.register_consumer("test", lambda changes, at: told.extend(changes))
    make_tier("silver", 10)
    make_tier("gold", 100)
    make_rule()
    anna = make_member()
    buy(anna, 10)
    follow()
    assert Member.objects.get(pk=anna).tier == "silver"
    assert told == [tiers.TierChange(anna, "", "silver")]
    tiers.register_consumer("test", lambda changes, at: None)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"key": "Buy!"}, "key"),
        ({"name": " "}, "name"),
        ({"event_name": ""}, "event_name"),
        ({"event_name": "a\0"}, "event_name"),
        ({"points_per_event": 0, "points_per_unit": Decimal(0)}, "points_per_event"),
        ({"points_per_event": 10**7}, "points_per_event"),
        ({"points_per_unit": Decimal(-1)}, "points_per_unit"),
        ({"amount_property": ""}, "amount_property"),
        ({"amount_property": "a..b"}, "amount_property"),
        ({"daily_limit": 0}, "daily_limit"),
        ({"expires_after_days": 0}, "expires_after_days"),
        ({"expires_after_days": 40_000}, "expires_after_days"),
        ({"starts_at": NOW, "ends_at": NOW}, "ends_at"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_name(values: dict[str, Any], path: str) -> None:
    with pytest.raises(EarnRuleInvalid) as refused:
        make_rule(**values)
    assert path in [problem.path for problem in refused.value.problems]
    assert not EarnRule.objects.exists()


def test_a_key_is_taken_once_and_stays() -> None:
    rule = make_rule()
    with pytest.raises(EarnRuleInvalid):
        make_rule()
    earn_rules.change_rule(rule, values={"key": "other", "name": "B"}, actor=SYSTEM, at=NOW)
    assert earn_rules.get_rule("buy").name == "B"
    with pytest.raises(EarnRuleUnknown):
        earn_rules.get_rule("other")


def test_a_rule_by_which_somebody_earned_is_not_deleted() -> None:
    rule, unused = make_rule(), make_rule("unused", event_name="visit")
    buy(make_member())
    follow()
    with pytest.raises(EarnRuleInUse, match="switch it off"):
        earn_rules.delete_rule(rule, actor=SYSTEM, at=NOW)
    earn_rules.delete_rule(unused, actor=SYSTEM, at=NOW)
    with pytest.raises(EarnRuleUnknown):
        earn_rules.delete_rule(unused, actor=SYSTEM, at=NOW)
    actions = AuditEntry.objects.filter(action__startswith="earn_rule.").order_by("pk")
    assert [entry.action for entry in actions] == [
        "earn_rule.created",
        "earn_rule.created",
        "earn_rule.deleted",
    ]


def test_rules_need_the_permission() -> None:
    rule = make_rule()
    nobody = Actor(AuditEntry.ActorKind.USER, 1, "Nobody")
    attempts: list[Callable[[], Any]] = [
        lambda: earn_rules.create_rule(values={}, actor=nobody, at=NOW),
        lambda: earn_rules.change_rule(rule, values={}, actor=nobody, at=NOW),
        lambda: earn_rules.delete_rule(rule, actor=nobody, at=NOW),
    ]
    for attempt in attempts:
        with pytest.raises(NotAllowed):
            attempt()
    (hidden,) = uses_of(["purchase"], actor=nobody)["purchase"]
    assert hidden.is_hidden
    assert hidden.name == "an earn rule"


def test_a_rule_says_in_words_what_it_does() -> None:
    rule = make_rule(daily_limit=500, expires_after_days=365)
    assert earn_rules.in_words(rule) == (
        "For each event “purchase” a member gets 2 points and 1 point for each whole unit of"
        " “amount”. At most 500 points a day. What is not spent expires after 365 days."
    )
    plain = EarnRule(event_name="visit", points_per_event=1)
    assert earn_rules.in_words(plain).endswith("gets 1 point. The points do not expire.")


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from((0, 3, 7.5, "4", None))),
        max_size=12,
    ),
    st.sampled_from((None, 1, 7, 20)),
    st.sampled_from((Decimal(0), Decimal("0.5"), Decimal(3))),
    st.integers(0, 4),
)
def test_the_preview_says_what_the_rule_gives(
    bought: list[tuple[int, int, Any]], limit: int | None, per_unit: Decimal, per_event: int
) -> None:
    key = f"k{EarnRule.objects.count()}"
    event = f"e_{key}"
    if not per_event and not per_unit:
        return
    values = {"daily_limit": limit, "points_per_unit": per_unit, "points_per_event": per_event}
    rule = make_rule(key, event_name=event, **values)
    people = [make_member(), make_member(), make_contact().pk]
    told = [
        IncomingEvent(people[who], event, NOW - days * DAY, {"amount": amount}, f"m{number}")
        for number, (who, days, amount) in enumerate(bought)
    ]
    record_events(told, received_at=NOW)
    preview = earn_rules.preview_rule(rule, at=NOW)
    follow()
    given = PointsPosting.objects.filter(rule_id=rule.pk)
    assert preview.points == sum(one.points for one in given)
    assert preview.event_count == sum(1 for who, _days, _amount in bought if who < 2)
