"""When cards pay, and the key of the refusal when they do not; what becomes of them otherwise."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from contacts import erasure, merging
from contacts.models import Event
from integrations.models import Delivery
from loyalty.errors import (
    AlreadyRolledBack,
    BalanceInvalid,
    DurationInvalid,
    InvalidRedemptionParent,
    RedeemablesInvalid,
    RedemptionRefused,
    RollbackTooLate,
    SessionInvalid,
)
from loyalty.gift_cards import balances, campaigns, card_expiry, ledger, validity
from loyalty.models import Campaign, Redemption, Rollback, RuleAssignment, Voucher
from loyalty.redeeming import redemptions, rollbacks
from loyalty.redeeming.redeemables import OrderFacts, Redeemable
from loyalty.redeeming.redemption_events import Happening
from loyalty.redeeming.sessions import SessionWish
from loyalty.validation_rules import rules
from tests.factories import DAY, HOUR, NOW, make_contact
from tests.loyalty.cards import ask, balance, make_campaign, make_card, pay
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db


def _key(*codes: str, at: datetime = NOW, **given: Any) -> str:
    """The key of the first refusal, "" where the cards can pay."""
    found = ask(*codes, at=at, **{"each": 100, **given})
    keys = [part.failure.key for part in found.parts if part.failure]
    assert found.valid == (not keys)
    return keys[0] if keys else ""


@pytest.mark.parametrize(
    ("campaign", "card", "key"),
    [
        ({}, {}, ""),
        ({"status": "disabled"}, {}, "voucher_disabled"),
        ({}, {"is_enabled": False}, "voucher_disabled"),
        ({"ends_at": NOW}, {}, "voucher_expired"),
        ({"ends_at": NOW + HOUR}, {}, ""),
        ({}, {"expires_at": NOW}, "voucher_expired"),
        ({}, {"expires_at": NOW + timedelta(microseconds=1)}, ""),
        ({"starts_at": NOW + HOUR}, {}, "voucher_not_active"),
        ({"starts_at": NOW}, {"starts_at": NOW}, ""),
        ({}, {"starts_at": NOW + HOUR}, "voucher_not_active"),
        ({"status": "draft"}, {}, "voucher_not_active"),
        ({"weekdays": [1]}, {}, ""),
        ({"weekdays": [2, 7]}, {}, "voucher_not_active"),
    ],
    ids=str,
)
def test_when_a_card_pays(campaign: dict[str, Any], card: dict[str, Any], key: str) -> None:
    assert NOW.isoweekday() == 1
    make_card("A", make_campaign(**campaign), **card)
    assert _key("A") == key


def test_a_weekday_is_that_of_the_workspace(settings: Any) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"
    campaign = Campaign(weekdays=[2])
    # Half past eleven in the morning of Monday in Greenwich is Tuesday there.
    monday = datetime(2026, 3, 2, 11, 30, tzinfo=UTC)
    zone: Any = timezone.get_default_timezone
    zone.cache_clear()
    try:
        assert validity.is_usable_now(campaign, since=monday, at=monday)
        assert not validity.is_usable_now(campaign, since=monday, at=monday - HOUR)
    finally:
        settings.TIME_ZONE = "UTC"
        zone.cache_clear()


@pytest.mark.parametrize(
    ("hours", "is_usable"),
    [
        (-1, False),
        (0, True),
        (23.9, True),
        (24, False),
        (47.9, False),
        (48, True),
        (24 * 99, False),
    ],
)
def test_times_that_come_again(hours: float, is_usable: bool) -> None:
    campaign = Campaign(starts_at=NOW, validity_interval="P2D", validity_duration="P1D")
    at = NOW + hours * HOUR
    assert validity.is_usable_now(campaign, since=NOW, at=at) == is_usable


@pytest.mark.parametrize("text", ["", "24D", "P0D", "-P1D", "P1000Y", "P1H", "later", "PT"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(DurationInvalid):
        validity.parse_duration(text)


@pytest.mark.parametrize(
    ("at", "text", "later"),
    [
        (datetime(2026, 1, 31, 9, tzinfo=UTC), "P1M", datetime(2026, 2, 28, 9, tzinfo=UTC)),
        (datetime(2024, 2, 29, 9, tzinfo=UTC), "P1Y", datetime(2025, 2, 28, 9, tzinfo=UTC)),
        (datetime(2026, 3, 2, 9, tzinfo=UTC), "P24D", datetime(2026, 3, 26, 9, tzinfo=UTC)),
        (datetime(2026, 3, 2, 9, tzinfo=UTC), "PT36H", datetime(2026, 3, 3, 21, tzinfo=UTC)),
    ],
)
def test_durations_follow_the_calendar(at: datetime, text: str, later: datetime) -> None:
    campaign = Campaign(valid_after_publication=text)
    assert validity.expiry_at_publication(campaign, at=at) == later


def test_what_cannot_be_read_is_refused_before_anything_is_looked_up() -> None:
    for wishes in ([], [Redeemable(f"C{n}") for n in range(31)], [Redeemable("A", 0)]):
        with pytest.raises(RedeemablesInvalid):
            redemptions.redeem(redeemables=wishes, actor=SYSTEM, at=NOW)
    with pytest.raises(RedemptionRefused) as refused:
        pay("A", "a", each=1)
    assert refused.value.code == "duplicated_redeemables"
    make_card("A")
    for wish in (SessionWish("k", 0), SessionWish("k", 1, "YEARS"), SessionWish("k" * 121)):
        with pytest.raises(SessionInvalid):
            ask("A", each=1, session=wish)


def test_cards_of_two_currencies_do_not_pay_one_order() -> None:
    make_card("A", make_campaign("dollars"))
    make_card("B", make_campaign("euros", currency="EUR"))
    assert _key("A", "B") == "currency_mismatch"
    order = OrderFacts(amount_minor=500, currency="EUR")
    with pytest.raises(RedemptionRefused) as refused:
        redemptions.redeem(redeemables=[Redeemable("A")], order=order, actor=SYSTEM, at=NOW)
    assert refused.value.code == "currency_mismatch"


def test_a_rule_of_the_campaign_decides_and_says_its_own_words() -> None:
    card = make_card("A")
    rule = rules.create_rule(
        name="Big orders",
        message="Buy for 50.00 or more.",
        document={
            "combinator": "and",
            "rules": [{"field": "order.amount", "operator": ">=", "value": 5000}],
        },
        actor=SYSTEM,
        at=NOW,
    )
    RuleAssignment.objects.create(rule=rule, campaign=card.campaign)
    small, big = (ask("A", each=100, amount=amount) for amount in (4999, 5000))
    assert big.valid
    assert small.parts[0].failure is not None
    assert small.parts[0].failure.key == "order_rules_violated"
    assert small.parts[0].failure.custom == "Buy for 50.00 or more."


def test_a_rollback_comes_up_to_three_calendar_months_later() -> None:
    make_card("A")
    first, second = (pay("A", each=100).parts[0].redemption.pk for _ in range(2))
    last = datetime(2026, 6, 2, 12, tzinfo=UTC)
    rollbacks.roll_back(first, actor=SYSTEM, at=last)
    with pytest.raises(RollbackTooLate):
        rollbacks.roll_back(second, actor=SYSTEM, at=last + timedelta(seconds=1))
    with pytest.raises(AlreadyRolledBack):
        rollbacks.roll_back(first, actor=SYSTEM, at=last)
    assert balance("A") == 2400
    assert Rollback.objects.filter(state="failed").count() == 2


def test_one_of_several_cards_is_not_rolled_back_alone() -> None:
    make_card("A"), make_card("B")
    done = pay("A", "B", amount=3000)
    with pytest.raises(InvalidRedemptionParent):
        rollbacks.roll_back(done.parts[0].redemption.pk, actor=SYSTEM, at=NOW)
    assert done.parent is not None
    back = rollbacks.roll_back(done.parent.pk, actor=SYSTEM, at=NOW)
    assert back.amount_minor == 3000
    assert (balance("A"), balance("B")) == (2500, 2500)


def test_what_is_left_expires_at_night_and_comes_back_with_more_time() -> None:
    campaign = make_campaign()
    card = make_card("A", campaign, expires_at=NOW + DAY)
    make_card("B", campaign)
    pay("A", each=1000)
    number = pay("A", each=500).parts[0].redemption.pk
    assert card_expiry.expire_cards(at=NOW + DAY) == 1
    assert card_expiry.expire_cards(at=NOW + DAY) == 0
    assert (balance("A"), ledger.account_sums()["expired"]) == (0, 1000)
    rollbacks.roll_back(number, actor=SYSTEM, at=NOW + DAY)
    assert card_expiry.expire_cards(at=NOW + 2 * DAY) == 1, "what came back expires again"
    with pytest.raises(BalanceInvalid):
        balances.add_balance(card, 100, actor=SYSTEM, at=NOW + 2 * DAY)
    changes = {"expires_at": NOW + 9 * DAY}
    balances.update_voucher(card, changes=changes, actor=SYSTEM, at=NOW + 2 * DAY)
    assert (balance("A"), ledger.account_sums()["expired"]) == (1500, 0)


def test_cards_of_a_campaign_that_ended_come_back_when_it_gets_more_time() -> None:
    campaign = make_campaign(ends_at=NOW + DAY)
    make_card("A", campaign)
    assert card_expiry.expire_cards(at=NOW + DAY) == 1
    campaigns.update_campaign(campaign, ends_at=NOW + 9 * DAY, actor=SYSTEM, at=NOW + 2 * DAY)
    assert balance("A") == 2500
    assert _key("A", at=NOW + 2 * DAY) == ""


def test_an_addition_is_reversed_once_and_as_a_whole() -> None:
    card = make_card("A")
    added = balances.add_balance(card, 700, source_id="s", actor=SYSTEM, at=NOW)
    pay("A", each=2600)
    with pytest.raises(BalanceInvalid):
        balances.reverse_addition(added.posting_id, actor=SYSTEM, at=NOW)
    balances.add_balance(card, 200, actor=SYSTEM, at=NOW)
    balances.reverse_addition(added.posting_id, reason="mistake", actor=SYSTEM, at=NOW)
    with pytest.raises(BalanceInvalid):
        balances.reverse_addition(added.posting_id, actor=SYSTEM, at=NOW)
    assert balance("A") == 100


def test_who_registered_hears_of_it_in_the_transaction_of_the_fact() -> None:
    heard: list[Happening] = []

    def hear(happenings: Sequence[Happening], at: datetime) -> None:
        heard.extend(happenings)

    redemptions.register_consumer("test", hear)
    try:
        make_card("A")
        number = pay("A", each=100).parts[0].redemption.pk
        rollbacks.roll_back(number, actor=SYSTEM, at=NOW)
    finally:
        redemptions._consumers.pop("test")
    assert [(one.kind, one.amount_minor) for one in heard] == [
        ("redeemed", 100),
        ("rolled_back", 100),
    ]


def test_the_survivor_of_a_merge_has_the_cards_and_what_they_paid() -> None:
    loser, survivor = make_contact(external_id="l"), make_contact(external_id="s")
    make_card("A", holder=loser, published_at=NOW)
    pay("A", each=100)
    ask("A", each=100, session="cart")
    merging.merge_contacts(survivor.pk, loser.pk, actor=SYSTEM, at=NOW, cause="by hand")
    assert Voucher.objects.get().holder_id == survivor.pk
    assert Redemption.objects.get().contact_id == survivor.pk
    assert pay("A", each=100, contact_id=loser.pk).parts[0].redemption.contact_id == survivor.pk


def test_erasure_forgets_the_person_and_keeps_the_money() -> None:
    michael = make_contact(external_id="m")
    make_card("A", holder=michael, published_at=NOW, metadata={"for": "Michael"})
    order = OrderFacts(reference="o1", amount_minor=900, raw={"customer": "Michael Scott"})
    redemptions.redeem(
        redeemables=[Redeemable("A", 100)],
        order=order,
        metadata={"note": "Michael"},
        actor=SYSTEM,
        at=NOW,
    )
    erasure.erase_contact(michael.pk, actor=SYSTEM, at=NOW)
    kept = Redemption.objects.get()
    assert (kept.order, kept.metadata, kept.order_reference) == ({}, {}, "")
    assert (kept.amount_minor, balance("A")) == (100, 2400)
    assert Voucher.objects.get().metadata is None
    assert not Event.objects.filter(contact_id=michael.pk).exists()
    assert not Delivery.objects.exists()
    assert pay("A", each=100).discount_minor == 100
