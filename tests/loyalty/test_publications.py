"""Giving codes to contacts: each code once, each source id once, who may join once joins once."""

from datetime import timedelta
from typing import Any

import pytest

from contacts.errors import ContactUnknown
from contacts.models import Event
from loyalty.errors import (
    CampaignUnknown,
    NoVoucherSuitable,
    VoucherAlreadyPublished,
    VoucherUnknown,
)
from loyalty.gift_cards import campaigns, publications
from loyalty.gift_cards.publications import Wish
from loyalty.models import Campaign, Holdout, Publication, Voucher
from tests.factories import make_contact
from tests.loyalty.gift_cards import NOW, make_campaign
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db


def publish(campaign: Campaign | str, contact_id: int, **given: Any) -> Publication:
    given.setdefault("at", NOW)
    return publications.publish(campaign=campaign, contact_id=contact_id, actor=SYSTEM, **given)


def test_a_contact_gets_a_code_and_an_event_that_says_so() -> None:
    campaign = make_campaign(count=2, valid_after_publication="P24D")
    contact = make_contact(email="michael@dundermifflin.com")
    given = publish(
        "Review gift cards", contact.pk, source_id="review-4711", metadata={"product": "paper"}
    )
    voucher = given.voucher
    assert voucher is not None
    voucher.refresh_from_db()
    assert (given.state, voucher.holder_id, voucher.published_at) == ("success", contact.pk, NOW)
    assert voucher.expires_at == NOW + timedelta(days=24)
    event = Event.objects.get(contact_id=contact.pk)
    assert event.message_id == f"publication:{given.pk}"
    assert event.properties["code"] == voucher.code
    assert event.properties["metadata"] == {"product": "paper"}
    assert event.properties["campaign"] == campaign.key


def test_the_same_source_id_gives_the_same_publication() -> None:
    make_campaign(count=3, join_once=False)
    first = publish("Review gift cards", make_contact().pk, source_id="a")
    again = publish("Review gift cards", make_contact().pk, source_id="a", metadata={"x": 1})
    assert first.pk == again.pk
    assert Voucher.objects.filter(published_at__isnull=False).count() == 1


def test_who_may_join_once_gets_one_code() -> None:
    campaign = make_campaign(count=3)
    contact = make_contact()
    first = publish(campaign, contact.pk, source_id="a")
    assert publish(campaign, contact.pk, source_id="b").pk == first.pk
    assert Publication.objects.count() == 1


def test_join_once_can_be_asked_for_at_each_call() -> None:
    campaign = make_campaign(count=3, join_once=False)
    contact = make_contact()
    first = publish(campaign, contact.pk)
    assert publish(campaign, contact.pk).pk != first.pk
    assert publish(campaign, contact.pk, join_once=True).pk == first.pk


@pytest.mark.parametrize(
    "settings",
    [
        {"status": "draft"},
        {"status": "disabled"},
        {"starts_at": NOW + timedelta(seconds=1)},
        {"ends_at": NOW},
    ],
)
def test_a_campaign_that_is_not_open_gives_nothing(settings: dict[str, Any]) -> None:
    campaign = make_campaign(count=1, **settings)
    with pytest.raises(NoVoucherSuitable):
        publish(campaign, make_contact().pk)


def test_a_refusal_is_put_on_record_and_may_be_tried_again() -> None:
    campaign = make_campaign()
    contact = make_contact()
    with pytest.raises(NoVoucherSuitable):
        publish(campaign, contact.pk, source_id="a")
    failed = Publication.objects.get()
    assert (failed.state, failed.failure_code) == ("failure", "no_voucher_suitable_for_publication")
    assert failed.source_id == "a"
    make_campaign("Other", count=1)
    assert publish("Other", contact.pk, source_id="a").state == "success"


def test_a_code_can_be_named_and_is_given_once() -> None:
    campaign = make_campaign(count=1)
    code = Voucher.objects.get().code
    contact = make_contact()
    assert publish(campaign, contact.pk, voucher_code=code.lower()).voucher_id is not None
    with pytest.raises(VoucherAlreadyPublished):
        publish(campaign, make_contact().pk, voucher_code=code)
    with pytest.raises(VoucherUnknown):
        publish(campaign, contact.pk, voucher_code="NO-SUCH-CODE")


def test_disabled_expired_and_used_codes_are_passed_over() -> None:
    campaign = make_campaign(count=3)
    disabled, expired, free = Voucher.objects.order_by("pk")
    Voucher.objects.filter(pk=disabled.pk).update(is_enabled=False)
    Voucher.objects.filter(pk=expired.pk).update(expires_at=NOW)
    assert publish(campaign, make_contact().pk).voucher_id == free.pk
    with pytest.raises(NoVoucherSuitable):
        publish(campaign, make_contact().pk)


def test_unknown_contacts_and_campaigns_are_told() -> None:
    campaign = make_campaign(count=1)
    with pytest.raises(ContactUnknown):
        publish(campaign, 4711)
    with pytest.raises(CampaignUnknown):
        publish("no such", make_contact().pk)


def test_a_campaign_that_never_runs_dry_makes_what_is_missing() -> None:
    campaign = make_campaign(refill=True, refill_below=5, refill_count=7)
    given = publish(campaign, make_contact().pk)
    campaign.refresh_from_db()
    assert given.state == "success"
    assert campaign.voucher_count == 7


def test_many_get_a_code_each_and_the_rest_hears_why_not() -> None:
    campaign = make_campaign(count=3)
    contacts = [make_contact() for _ in range(4)]
    answers = publications.publish_many(
        campaign, [Wish(one.pk, f"d:{one.pk}") for one in contacts], channel="email", at=NOW
    )
    assert [one.contact_id for one in answers] == [one.pk for one in contacts]
    codes = [one.code for one in answers if one.is_new]
    assert len(set(codes)) == 3
    assert [one.problem for one in answers] == ["", "", "", "no_voucher_suitable_for_publication"]
    assert Event.objects.count() == 3
    assert Publication.objects.filter(state="failure").count() == 1


def test_publishing_many_again_gives_the_same() -> None:
    campaign = make_campaign(count=9, join_once=False)
    wishes = [Wish(make_contact().pk, f"d:{number}") for number in range(3)]
    first = publications.publish_many(campaign, wishes, at=NOW)
    again = publications.publish_many(campaign, [*wishes, wishes[0]], at=NOW)
    assert [one.code for one in again] == [*(one.code for one in first), first[0].code]
    assert not any(one.is_new for one in again)


def test_of_two_wishes_for_one_contact_the_first_joins() -> None:
    campaign = make_campaign(count=9)
    contact = make_contact()
    first, second = publications.publish_many(
        campaign, [Wish(contact.pk, "a"), Wish(contact.pk, "b")], at=NOW
    )
    assert (first.is_new, second.problem) == (True, "joined_already")


def test_unknown_contacts_are_told_apart_in_a_crowd() -> None:
    campaign = make_campaign(count=2)
    contact = make_contact()
    good, bad = publications.publish_many(campaign, [Wish(contact.pk), Wish(4711)], at=NOW)
    assert (good.is_new, bad.problem) == (True, "contact_unknown")


def test_a_share_is_set_aside_and_stays_so() -> None:
    campaign = make_campaign(count=100, holdout_percent=30)
    wishes = [Wish(make_contact().pk) for _ in range(60)]
    first = publications.publish_many(campaign, wishes, at=NOW)
    held = {one.contact_id for one in first if one.problem == "held_out"}
    again = publications.publish_many(campaign, wishes, at=NOW)
    assert held == {one.contact_id for one in again if one.problem == "held_out"}
    assert held == set(Holdout.objects.values_list("contact_id", flat=True))
    assert 5 <= len(held) <= 35


def test_the_number_of_statements_does_not_grow(
    django_assert_max_num_queries: Any,
) -> None:
    campaign = make_campaign(count=200)
    contacts = [make_contact().pk for _ in range(60)]
    counts = []
    for ids in (contacts[:5], contacts[5:]):
        with django_assert_max_num_queries(60) as seen:
            publications.publish_many(campaign, [Wish(one, f"{one}") for one in ids], at=NOW)
        counts.append(len(seen))
    assert counts[1] <= counts[0]


def test_consumers_are_told_what_is_new() -> None:
    campaign = make_campaign(count=2)
    heard: list[str] = []
    publications.register_consumer(
        "test", lambda _c, given, _at: heard.extend(o.code for o in given)
    )
    try:
        given = publish(campaign, make_contact().pk)
        publish(campaign, given.contact_id)
    finally:
        publications.unregister_consumer("test")
    assert given.voucher is not None
    assert heard == [given.voucher.code]


def test_a_disabled_campaign_gives_again_once_it_is_activated() -> None:
    campaign = make_campaign(count=1)
    campaigns.disable_campaign(campaign, actor=SYSTEM, at=NOW)
    campaigns.activate_campaign(campaign, actor=SYSTEM, at=NOW)
    assert publish(campaign, make_contact().pk).state == "success"
