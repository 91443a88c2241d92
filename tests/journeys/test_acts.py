"""What acting activities do, in ticks of the engine: changes, gift cards, jumps."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts import consents, erasure
from contacts.models import ConsentState, Contact, ContactCategory, ContactTag
from journeys import entrances
from journeys.engine.tick import tick_journey
from journeys.models import Entrance, JourneyVersion, Lane, Participant, Transition
from loyalty.gift_cards import campaigns
from loyalty.models import Campaign, Publication
from segments import action_writes
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    make_attribute,
    make_category,
    make_consent,
    make_contact,
    make_tag,
)
from tests.journeys.drawn import make_version, may_be_tested, node
from tests.loyalty.gift_cards import make_campaign
from tests.segments.factories import has_attribute, make_contacts, make_segment, refresh
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
LATER = NOW + HOUR


def send_in(version: JourneyVersion, *contact_ids: int, at: Any = NOW, **context: Any) -> None:
    """These contacts enter, and all go as far as it takes them."""
    count = len(contact_ids)
    entrances.enter_many(
        version.journey_id,
        lane=version.lane,
        contact_ids=contact_ids,
        causes=[f"test:{at.isoformat()}"] * count,
        moments=[at] * count,
        contexts=[context] * count,
    )
    tick_journey(version.journey_id, as_of=at)


def left_by(node_id: str) -> list[tuple[str, Any]]:
    """By which outcome each left an activity, and what is told of it."""
    found = Transition.objects.filter(node=node_id).order_by("participant__contact_id")
    return list(found.values_list("outcome", "data"))


class TestUpdate:
    def test_tags_and_categories_are_given_and_taken(self) -> None:
        for key in ("vip", "old"):
            make_tag(key)
        make_category("shoes")
        anna, ola = make_contact(tags=["old"]), make_contact()
        version = make_version(
            node("u", "update", add_tag="vip", remove_tag="old", add_category="shoes")
        )
        send_in(version, anna.pk, ola.pk, at=LATER)
        tags = ContactTag.objects.order_by("contact_id")
        assert list(tags.values_list("contact_id", "tag__key", "added_at")) == [
            (anna.pk, "vip", LATER),
            (ola.pk, "vip", LATER),
        ]
        assert ContactCategory.objects.count() == 2

    def test_an_attribute_is_set_in_the_form_of_its_type_and_taken_away(self) -> None:
        make_attribute("born", "date")
        anna = make_contact()
        change = {"key": "born", "value": " 1980-01-02 "}
        send_in(make_version(node("u", "update", attribute=change)), anna.pk)
        assert Contact.objects.get(pk=anna.pk).attributes == {"born": "1980-01-02"}
        gone = make_version(
            node("u", "update", attribute={"key": "born", "value": None}), key="gone"
        )
        send_in(gone, anna.pk)
        assert Contact.objects.get(pk=anna.pk).attributes == {}

    def test_a_value_that_is_none_of_its_type_keeps_everybody_there(self) -> None:
        make_attribute("born", "date")
        change = {"key": "born", "value": "soon"}
        send_in(make_version(node("u", "update", attribute=change)), make_contact().pk)
        assert "“soon” is not a date" in Participant.objects.get().problem

    def test_segments_follow_what_was_changed(self) -> None:
        make_attribute("plan")
        anna = make_contact()
        segment = make_segment("gold", has_attribute("plan", "gold"))
        change = {"key": "plan", "value": "gold"}
        send_in(make_version(node("u", "update", attribute=change)), anna.pk)
        assert refresh(segment, as_of=LATER).entered_count == 1

    def test_a_consent_is_granted_to_who_said_nothing_and_never_over_his_own_word(self) -> None:
        make_consent("news")
        silent, withdrew, granted, taken = (make_contact() for _n in range(4))
        for contact, state, source in (
            (withdrew, "withdrawn", "preference page"),
            (granted, "granted", "shop"),
            (taken, "withdrawn", action_writes.CONSENT_SOURCE),
        ):
            consents.record(
                contact_id=contact.pk, key="news", state=state, at=NOW, source=source, actor=SYSTEM
            )
        change = {"key": "news", "state": "granted"}
        version = make_version(node("u", "update", consent=change))
        send_in(version, silent.pk, withdrew.pk, granted.pk, taken.pk, at=LATER)
        states = dict(ConsentState.objects.values_list("contact_id", "state"))
        assert states == {
            silent.pk: "granted",
            withdrew.pk: "withdrawn",
            granted.pk: "granted",
            taken.pk: "granted",
        }
        assert left_by("u") == [
            ("next", None),
            ("next", {"consent": "withdrawn"}),
            ("next", None),
            ("next", None),
        ]

    def test_what_a_journey_withdrew_a_journey_may_grant_again(self) -> None:
        make_consent("news")
        anna = make_contact(consents={"news": "granted"})
        for number, state in enumerate(("withdrawn", "granted"), start=1):
            at = NOW + number * HOUR
            version = make_version(
                node("u", "update", consent={"key": "news", "state": state}), key=state
            )
            send_in(version, anna.pk, at=at)
            assert ConsentState.objects.get().state == state

    def test_where_a_tag_is_defined_no_more_nobody_goes_on_and_nothing_is_changed(self) -> None:
        make_tag("vip")
        anna = make_contact()
        version = make_version(node("u", "update", add_tag="vip", remove_tag="gone"))
        send_in(version, anna.pk)
        failed = Participant.objects.get()
        assert failed.state == "failed"
        assert "“gone”" in failed.problem
        assert not ContactTag.objects.exists()

    def test_a_thousand_are_changed_in_as_many_statements_as_one(self) -> None:
        make_tag("vip")
        make_consent("news")
        make_attribute("plan")
        version = make_version(
            node(
                "u",
                "update",
                add_tag="vip",
                consent={"key": "news", "state": "granted"},
                attribute={"key": "plan", "value": "gold"},
            )
        )

        def queries(count: int) -> int:
            people = make_contacts(*["Oslo"] * count)
            with CaptureQueriesContext(connection) as captured:
                send_in(version, *people)
            return len(captured)

        assert queries(1) >= queries(1000)
        assert ContactTag.objects.count() == 1001


class TestVoucher:
    def version(self, campaign: Campaign, **given: Any) -> JourneyVersion:
        return make_version(
            node("start", "event_entry", event="enter"),
            node("gift", "voucher", campaign=campaign.key),
            node("wait", "wait", duration={"amount": 9, "unit": "day"}),
            node("sorry", "wait", duration={"amount": 9, "unit": "day"}),
            edges=[("start", "gift"), ("gift", "wait"), ("gift", "error", "sorry")],
            **given,
        )

    def test_each_gets_a_card_whose_code_later_messages_may_say(self) -> None:
        campaign = make_campaign(count=2)
        anna, ola = make_contact(), make_contact()
        send_in(self.version(campaign), anna.pk, ola.pk, entry={"name": "enter"})
        first, second = Participant.objects.order_by("contact_id")
        card = first.context["voucher"]["gift"]
        publication = Publication.objects.get(contact=anna)
        assert publication.voucher is not None
        assert card["code"] == publication.voucher.code
        assert (card["amount"], card["worth"]) == ("25.00", "25.00\xa0USD")
        assert first.context["entry"] == {"name": "enter"}
        assert second.context["voucher"]["gift"]["code"] != card["code"]
        assert publication.source_id == f"journey:{first.pk}:gift"
        assert publication.channel == "journey"
        assert publication.metadata == {"journey": "welcome", "node": "gift"}
        assert left_by("gift")[0] == ("next", {"publication": publication.pk})

    def test_who_gets_none_leaves_by_error_with_the_reason(self) -> None:
        campaign = make_campaign(count=1)
        people = [make_contact().pk for _n in range(2)]
        send_in(self.version(campaign), *people)
        assert [outcome for outcome, _data in left_by("gift")] == ["next", "error"]
        told = left_by("gift")[1][1]
        assert told["problem"] == "no_voucher_suitable_for_publication"
        assert "no code left" in told["message"]

    def test_a_campaign_that_is_switched_off_gives_none(self) -> None:
        campaign = make_campaign(count=1)
        campaigns.disable_campaign(campaign, actor=SYSTEM, at=NOW)
        send_in(self.version(campaign), make_contact().pk)
        assert left_by("gift")[0][0] == "error"

    def test_who_has_a_card_already_where_one_joins_once_keeps_that(self) -> None:
        campaign, anna = make_campaign(count=5), make_contact()
        send_in(self.version(campaign), anna.pk)
        send_in(self.version(campaign, key="again"), anna.pk)
        assert [outcome for outcome, _data in left_by("gift")] == ["next", "error"]
        codes = {one.context["voucher"]["gift"]["code"] for one in Participant.objects.all()}
        assert len(codes) == Publication.objects.count() == 1

    def test_a_thousand_get_theirs_in_as_many_statements_as_one(self) -> None:
        campaign = make_campaign(count=1100)
        version = self.version(campaign)

        def queries(count: int) -> int:
            people = make_contacts(*["Oslo"] * count)
            with CaptureQueriesContext(connection) as captured:
                send_in(version, *people)
            return len(captured)

        assert queries(10) >= queries(1000)
        assert Publication.objects.count() == 1010


class TestJump:
    def test_he_goes_on_here_and_enters_there(self) -> None:
        there = make_version(node("t", "wait", duration={"amount": 1, "unit": "day"}), key="there")
        here = make_version(
            node("j", "jump", journey="there"),
            node("w", "wait", duration={"amount": 1, "unit": "day"}),
        )
        anna = make_contact()
        send_in(here, anna.pk, at=LATER, entry={"name": "enter"})
        origin = Participant.objects.get()
        assert origin.state == "waiting"
        [entrance] = Entrance.objects.all()
        assert (entrance.journey_id, entrance.contact_id) == (there.journey_id, anna.pk)
        assert (entrance.cause, entrance.at) == (f"jump:{origin.pk}:j", LATER)
        assert entrance.context == {
            "entry": {"name": "enter"},
            "jump": {"journey": "welcome", "participant": origin.pk},
        }
        tick_journey(there.journey_id, as_of=LATER)
        assert Participant.objects.filter(version=there, entered_at=LATER).exists()

    def test_a_test_leads_into_no_other_journey(self) -> None:
        make_version(node("e", "end"), key="there")
        anna = make_contact()
        may_be_tested(anna.pk)
        here = make_version(node("j", "jump", journey="there"), lane=Lane.TEST)
        send_in(here, anna.pk)
        assert not Entrance.objects.exists()
        assert "left_out" in left_by("j")[0][1]

    def test_a_journey_that_is_gone_is_told_of_and_keeps_nobody(self) -> None:
        send_in(make_version(node("j", "jump", journey="gone")), make_contact().pk)
        assert Participant.objects.get().state == "done"
        assert "“gone”" in left_by("j")[0][1]["problem"]


def test_erased_people_are_changed_no_more() -> None:
    make_tag("vip")
    anna = make_contact()
    version = make_version(
        node("w", "wait", duration={"amount": 1, "unit": "day"}),
        node("u", "update", add_tag="vip"),
    )
    send_in(version, anna.pk)
    erasure.erase_contact(anna.pk, actor=SYSTEM, at=LATER)
    tick_journey(version.journey_id, as_of=NOW + 2 * DAY + timedelta(minutes=1))
    assert not ContactTag.objects.exists()
