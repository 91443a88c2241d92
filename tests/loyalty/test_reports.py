"""Reports read the tables: they say what these cards, postings and orders add up to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.events import IncomingEvent, record_events
from loyalty.models import (
    Holdout,
)
from loyalty.reports.attribution import attribute
from loyalty.reports.comparison import Group, compare
from loyalty.reports.figures import course_of, figures_of
from loyalty.reports.liability import liability
from tests.factories import DAY, HOUR, NOW, make_contact
from tests.loyalty.raw_cards import make_campaign, make_cards, post, publish_card, record_order

pytestmark = pytest.mark.django_db


def test_the_figures_of_a_campaign_say_where_its_money_is() -> None:
    campaign, anna = make_campaign(), make_contact().pk
    used, over, fresh, _in_pool = make_cards(campaign, 4)
    for card in (used, fresh):
        publish_card(card, anna, NOW - 10 * DAY)
    publish_card(over, anna, NOW - 20 * DAY, expires_at=NOW - DAY)
    post(used, "redemption", 1000, NOW - 5 * DAY)
    found = figures_of([campaign.pk], at=NOW)[campaign.pk]
    assert (found.codes, found.published, found.unpublished, found.expired) == (4, 3, 1, 1)
    assert found.redeemed_minor == 1000
    assert found.outstanding_minor == 1500 + 2500
    # Not booked yet, and over all the same.
    assert found.expired_minor == 2500
    given = found.published_minor + found.added_minor - found.removed_minor
    assert given == found.redeemed_minor + found.outstanding_minor + found.expired_minor


def test_a_campaign_without_cards_has_noughts() -> None:
    campaign = make_campaign()
    assert figures_of([campaign.pk], at=NOW)[campaign.pk].codes == 0


def test_the_course_has_every_day_of_the_period() -> None:
    campaign, anna = make_campaign(), make_contact().pk
    [card] = make_cards(campaign)
    publish_card(card, anna, NOW - DAY)
    post(card, "redemption", 700, NOW)
    course = course_of(campaign.pk, first=NOW.date() - 2 * DAY, last=NOW.date())
    assert [(day.published, day.redeemed, day.redeemed_minor) for day in course] == [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 700),
    ]


@dataclass
class _Card:
    published_on: int | None
    moves: list[tuple[str, int, int]] = field(default_factory=list)


_MOVES = st.tuples(
    st.sampled_from(["addition", "removal", "redemption"]), st.integers(1, 300), st.integers(0, 120)
)
_CARDS = st.lists(
    st.builds(
        _Card,
        st.none() | st.integers(0, 120),
        st.lists(_MOVES, max_size=3, unique_by=lambda m: m[0]),
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cards=_CARDS)
def test_each_month_of_the_statement_is_what_the_cards_add_up_to(cards: Sequence[_Card]) -> None:
    sid = transaction.savepoint()
    try:
        campaign, anna = make_campaign(), make_contact().pk
        first = NOW - 120 * DAY
        made = make_cards(campaign, len(cards))
        for card, said in zip(made, cards, strict=True):
            if said.published_on is not None:
                publish_card(card, anna, first + said.published_on * DAY)
            for kind, amount, on in said.moves:
                post(card, kind, amount, first + on * DAY)
        found = liability([campaign.pk], at=NOW)
        owed = sum(
            2500
            + sum(amount if kind == "addition" else -amount for kind, amount, _on in said.moves)
            for said in cards
            if said.published_on is not None
        )
        assert sum(one.owed_minor for one in found) == owed
        for one in found:
            for before, after in zip(one.months, one.months[1:], strict=False):
                assert after.opening == before.closing
                assert (after.month - before.month).days in {28, 29, 30, 31}
            assert sum(due.amount_minor for due in one.dues) == one.owed_minor
    finally:
        transaction.savepoint_rollback(sid)


def test_breakage_is_the_part_of_ended_cards_that_was_never_asked_for() -> None:
    campaign, anna = make_campaign(), make_contact().pk
    booked, unbooked, open_ended = make_cards(campaign, 3)
    publish_card(booked, anna, NOW - 90 * DAY, expires_at=NOW - 40 * DAY, expired_at=NOW - 39 * DAY)
    post(booked, "redemption", 1500, NOW - 60 * DAY)
    post(booked, "expiry", 1000, NOW - 39 * DAY)
    publish_card(unbooked, anna, NOW - 30 * DAY, expires_at=NOW)
    publish_card(open_ended, anna, NOW - 30 * DAY)
    [one] = liability([campaign.pk], at=NOW)
    assert one.breakage.card_count == 2
    assert one.breakage.unused_minor == 1000 + 2500
    assert one.breakage.share == pytest.approx(0.7)
    assert {due.until: due.amount_minor for due in one.dues if due.amount_minor} == {"open": 2500}


def test_the_way_goes_from_the_review_over_the_card_to_the_next_order() -> None:
    campaign = make_campaign()
    anna, ben, cora = (make_contact().pk for _ in range(3))
    reviews = [
        IncomingEvent(who, "review_left", NOW - 50 * DAY, {"rating": 5}) for who in (anna, ben)
    ]
    record_events(reviews, received_at=NOW)
    for card, who in zip(make_cards(campaign, 3), (anna, ben, cora), strict=True):
        publish_card(card, who, NOW - 49 * DAY)
        if who in (anna, ben):
            post(card, "redemption", 1000, NOW - 40 * DAY)
            # The order that was paid with the card is not the next one.
            record_order(who, NOW - 40 * DAY + HOUR / 2)
    record_order(anna, NOW - 20 * DAY, amount=70)
    found = attribute(campaign, since=NOW - 60 * DAY, until=NOW, trigger="review_left")
    assert [(step.key, step.contacts) for step in found.steps] == [
        ("earned", 2),
        ("given", 3),
        ("redeemed", 2),
        ("returned", 1),
    ]
    redeemed, returned = found.steps[2], found.steps[3]
    assert (redeemed.amount_minor, returned.amount) == (2000, Decimal(70))
    assert returned.share == pytest.approx(0.5)


def test_who_was_set_aside_is_compared_over_the_same_time() -> None:
    campaign = make_campaign()
    people = [make_contact().pk for _ in range(6)]
    for card, who in zip(make_cards(campaign, 3), people[:3], strict=True):
        publish_card(card, who, NOW - 50 * DAY)
        record_order(who, NOW - 45 * DAY)
    for who in people[3:]:
        Holdout.objects.create(campaign=campaign, contact_id=who, at=NOW - 50 * DAY)
    record_order(people[3], NOW - 45 * DAY)
    # Too late, and of somebody whose time is not over.
    record_order(people[4], NOW - DAY)
    Holdout.objects.create(campaign=campaign, contact_id=make_contact().pk, at=NOW - 2 * DAY)
    found = attribute(campaign, since=NOW - 60 * DAY, until=NOW, trigger="")
    assert (found.with_card.reached, found.with_card.ordered) == (3, 3)
    assert (found.set_aside.reached, found.set_aside.ordered) == (3, 1)
    assert found.difference is not None
    assert found.difference.difference == pytest.approx(2 / 3)
    assert not found.difference.is_certain


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # Table II of the paper, example (a): 56/70 and 48/80.
    found = compare(Group(70, 56, Decimal(0)), Group(80, 48, Decimal(0)))
    assert found is not None
    assert found.difference == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=1e-4)
    assert found.high == pytest.approx(0.3339, abs=1e-4)


def test_nothing_is_compared_with_nobody() -> None:
    assert compare(Group(5, 2, Decimal(0)), Group(0, 0, Decimal(0))) is None
