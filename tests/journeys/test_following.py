"""New events for journeys: whom they bring in, whom they move, whom they leave where he is."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts import followed_events, merging
from contacts.followed_events import FollowedEvent
from journeys import entrances as entering
from journeys import following
from journeys.models import Entrance, JourneyVersion, Lane, Message, Participant, Signal
from tests.factories import DAY, HOUR, MINUTE, NOW, make_contact
from tests.journeys.drawn import (
    entrances,
    follow_events,
    happens,
    make_version,
    node,
    place_of,
    put,
    put_many,
    signals,
    told,
)
from tests.segments.factories import make_contacts
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
LATER = NOW + HOUR


def where(field: str, operator: str, value: Any) -> dict[str, Any]:
    rule = {"field": field, "operator": operator, "value": value}
    return {"combinator": "and", "rules": [rule]}


def make_message(participant: Participant, node_id: str, **given: Any) -> Message:
    return Message.objects.create(
        journey_id=participant.journey_id,
        version=participant.version,
        lane=participant.lane,
        participant=participant,
        node=node_id,
        channel=given.pop("channel", Message.Channel.EMAIL),
        contact_id=participant.contact_id,
        created_at=NOW,
        due_at=NOW,
        **given,
    )


class TestEntering:
    def test_who_does_it_is_to_enter_with_the_event_in_his_hands(self) -> None:
        version = make_version(node("a", "wait", duration={"amount": 1, "unit": "day"}))
        anna = make_contact()
        happens("enter", anna.pk, at=LATER, message_id="m1", order_id=7, price=Decimal("0.10"))
        [entrance] = Entrance.objects.all()
        assert (entrance.journey_id, entrance.lane) == (version.journey_id, Lane.LIVE)
        assert (entrance.contact_id, entrance.cause) == (anna.pk, "event:m1")
        assert entrance.at == LATER
        entry = entrance.context["entry"]
        assert (entry["name"], entry["message_id"]) == ("enter", "m1")
        assert entry["properties"] == {"order_id": 7, "price": Decimal("0.10")}

    def test_only_events_for_which_the_conditions_hold_bring_in(self) -> None:
        conditions = where("properties.amount", ">=", 100)
        make_version(
            node("start", "event_entry", event="bought", where=conditions), node("end", "end")
        )
        anna, ola = make_contact(), make_contact()
        happens("bought", anna.pk, at=LATER, message_id="small", amount=99.99)
        happens("bought", ola.pk, at=LATER, message_id="large", amount="100.00")
        assert entrances() == [(ola.pk, "event:large", LATER)]

    def test_an_event_that_is_told_twice_brings_in_once(self) -> None:
        make_version(node("end", "end"))
        anna = make_contact()
        for _again in range(2):
            happens("enter", anna.pk, at=LATER, message_id="m1")
        event = FollowedEvent(anna.pk, "enter", LATER, "m1", {}, 1)
        following.follow([event, event], LATER)
        assert entrances() == [(anna.pk, "event:m1", LATER)]

    def test_a_closed_version_brings_nobody_in_and_neither_does_a_test(self) -> None:
        make_version(node("end", "end"), is_open=False)
        make_version(node("end", "end"), key="tried", lane=Lane.TEST)
        happens("enter", make_contact().pk, at=LATER)
        assert entrances() == []

    def test_one_event_brings_into_each_journey_that_begins_with_it(self) -> None:
        for key in ("one", "two"):
            make_version(node("end", "end"), key=key)
        happens("enter", make_contact().pk, at=LATER)
        assert len(set(Entrance.objects.values_list("journey_id", flat=True))) == 2

    def test_who_was_merged_before_it_was_told_enters_as_the_survivor(self) -> None:
        make_version(node("end", "end"))
        anna, twin = make_contact(), make_contact()
        happens("enter", twin.pk, at=LATER, message_id="m1", follow=False)
        merging.merge_contacts(anna.pk, twin.pk, cause="test", actor=SYSTEM, at=LATER)
        follow_events(LATER)
        assert entrances() == [(anna.pk, "event:m1", LATER)]


class TestWaiting:
    def test_who_waits_for_it_is_told(self) -> None:
        version = make_version(node("bought", "event", event="buy"), node("end", "end"))
        anna, ola = make_contact(), make_contact()
        inside = put(version, anna.pk, "bought")
        happens("buy", anna.pk, ola.pk, at=LATER, amount=3)
        assert signals() == [(inside.pk, "event", "bought", LATER)]
        assert told()["name"] == "buy"
        assert told()["properties"] == {"amount": 3}

    def test_what_happened_before_he_came_or_as_he_came_moves_nobody(self) -> None:
        version = make_version(node("bought", "event", event="buy"))
        anna = make_contact()
        put(version, anna.pk, "bought", at=LATER)
        happens("buy", anna.pk, at=LATER - MINUTE)
        happens("buy", anna.pk, at=LATER)
        assert signals() == []

    def test_an_event_that_comes_in_late_still_counts_from_when_it_happened(self) -> None:
        version = make_version(node("bought", "event", event="buy"))
        inside = put(version, make_contact().pk, "bought")
        happens("buy", inside.contact_id, at=LATER, received_at=NOW + DAY)
        assert signals() == [(inside.pk, "event", "bought", LATER)]

    def test_who_stands_elsewhere_or_is_done_is_told_nothing(self) -> None:
        version = make_version(
            node("wait", "wait", duration={"amount": 1, "unit": "day"}),
            node("bought", "event", event="buy"),
            node("tag", "update", add_tag="x"),
        )
        elsewhere, acting, over = make_contact(), make_contact(), make_contact()
        put(version, elsewhere.pk, "wait")
        put(version, acting.pk, "tag", state="ready")
        put(version, over.pk, "bought", state="done")
        happens("buy", elsewhere.pk, acting.pk, over.pk, at=LATER)
        assert signals() == []

    def test_of_events_side_by_side_each_hears_its_own(self) -> None:
        version = make_version(
            node("start", "event_entry", event="enter"),
            node("bought", "event", event="buy"),
            node("left", "event", event="leave"),
            edges=[("start", "bought"), ("start", "left")],
        )
        assert place_of(version, "bought") == place_of(version, "left")
        inside = put(version, make_contact().pk, "bought")
        happens("leave", inside.contact_id, at=LATER)
        happens("buy", inside.contact_id, at=LATER + MINUTE)
        assert [(one[2], one[3]) for one in signals()] == [
            ("left", LATER),
            ("bought", LATER + MINUTE),
        ]

    def test_an_older_version_goes_on_hearing_by_its_own_drawing(self) -> None:
        old = make_version(node("a", "event", event="buy"), is_open=False)
        make_version(node("b", "event", event="read"), number=2)
        inside = put(old, make_contact().pk, "a")
        happens("buy", inside.contact_id, at=LATER)
        assert signals() == [(inside.pk, "event", "a", LATER)]

    def test_tests_hear_too_and_ended_versions_do_not(self) -> None:
        tried = make_version(node("a", "event", event="buy"), lane=Lane.TEST)
        over = make_version(node("a", "event", event="buy"), key="over", ended_at=NOW)
        anna = make_contact()
        inside = put(tried, anna.pk, "a")
        put(over, anna.pk, "a")
        happens("buy", anna.pk, at=LATER)
        assert signals() == [(inside.pk, "event", "a", LATER)]

    def test_conditions_are_those_of_criteria(self) -> None:
        conditions = where("properties.item.color", "in", ["red", "blue"])
        version = make_version(node("a", "event", event="buy", where=conditions))
        people = [put(version, make_contact().pk, "a") for _n in range(3)]
        happens("buy", people[0].contact_id, at=LATER, item={"color": "red"})
        happens("buy", people[1].contact_id, at=LATER, item={"color": "green"})
        happens("buy", people[2].contact_id, at=LATER)
        assert [one[0] for one in signals()] == [people[0].pk]

    def test_what_is_large_is_told_without_its_properties(self) -> None:
        version = make_version(node("a", "event", event="buy"))
        inside = put(version, make_contact().pk, "a")
        happens("buy", inside.contact_id, at=LATER, note="x" * 5000)
        assert "properties" not in told()

    def test_the_next_tick_is_called(self) -> None:
        version = make_version(node("a", "event", event="buy"))
        inside = put(version, make_contact().pk, "a")
        happens("buy", inside.contact_id, at=LATER, follow=False)
        with CaptureQueriesContext(connection) as queries:
            follow_events(LATER)
        assert any(entering.CHANNEL in one["sql"] for one in queries)


class TestCorrelation:
    @pytest.mark.parametrize(
        ("entered_with", "event", "fits"),
        [
            (7, 7, True),
            (7, 8, False),
            (7, "7", False),
            ("7", "7", True),
            (Decimal("7.0"), 7, True),
            (None, None, False),
            (["a", 1], ["a", 1], True),
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
            (True, 1, False),
        ],
    )
    def test_values_are_compared_as_json(self, entered_with: Any, event: Any, fits: bool) -> None:
        version = self.version()
        entry = {"properties": {"order_id": entered_with}}
        inside = put(version, make_contact().pk, "paid", context={"entry": entry})
        happens("pay", inside.contact_id, at=LATER, order_id=event)
        assert bool(signals()) == fits

    def test_what_is_missing_is_equal_to_nothing(self) -> None:
        version = self.version()
        nothing = put(version, make_contact().pk, "paid")
        something = put(
            version, make_contact().pk, "paid", context={"entry": {"properties": {"order_id": 1}}}
        )
        happens("pay", nothing.contact_id, something.contact_id, at=LATER)
        assert signals() == []

    def test_all_pairs_have_to_be_equal_also_deep_ones(self) -> None:
        same = {
            "properties.order.id": "entry.properties.order.id",
            "properties.shop": "entry.properties.shop",
        }
        version = make_version(node("paid", "event", event="pay", same=same))
        entry = {"properties": {"order": {"id": 7}, "shop": "oslo"}}
        inside = put(version, make_contact().pk, "paid", context={"entry": entry})
        happens("pay", inside.contact_id, at=LATER, order={"id": 7}, shop="bergen")
        assert signals() == []
        happens("pay", inside.contact_id, at=LATER + MINUTE, order={"id": 7}, shop="oslo")
        assert [one[3] for one in signals()] == [LATER + MINUTE]

    def version(self) -> JourneyVersion:
        same = {"properties.order_id": "entry.properties.order_id"}
        return make_version(node("paid", "event", event="pay", same=same))


class TestReactions:
    def version(self, **given: Any) -> JourneyVersion:
        return make_version(
            node("first", "message", email="first"),
            node("opened", "reaction", to="first", reaction="email_opened"),
            **given,
        )

    def test_who_opened_the_message_of_that_activity_reacted(self) -> None:
        inside = put(self.version(), make_contact().pk, "opened")
        message = make_message(inside, "first")
        happens("email_opened", inside.contact_id, at=LATER, message=message.pk)
        assert signals() == [(inside.pk, "event", "opened", LATER)]

    def test_another_message_is_no_reaction_to_this_one(self) -> None:
        inside = put(self.version(), make_contact().pk, "opened")
        other = put(self.version(key="other"), inside.contact_id, "opened")
        elsewhere = make_message(inside, "second")
        theirs = make_message(other, "first")
        for value in (elsewhere.pk, str(theirs.pk), "x", None, {"a": 1}):
            happens("email_opened", inside.contact_id, at=LATER, message=value)
        assert signals() == []
        happens("email_opened", inside.contact_id, at=LATER, message=theirs.pk)
        assert [one[0] for one in signals()] == [other.pk]


class TestExitAndGoal:
    SETTINGS = {
        "exit": {"event": "unsubscribe"},
        "goal": {"event": "buy", "where": where("properties.amount", ">", 10)},
    }

    def version(self, **given: Any) -> JourneyVersion:
        wait = node("wait", "wait", duration={"amount": 1, "unit": "day"})
        return make_version(wait, settings=self.SETTINGS, **given)

    def test_exit_is_told_of_those_inside_wherever_they_stand(self) -> None:
        version = self.version()
        waiting = put(version, make_contact().pk, "wait")
        ready = put(version, make_contact().pk, "wait", state="ready")
        over = put(version, make_contact().pk, "wait", state="done")
        ids = [one.contact_id for one in (waiting, ready, over)]
        happens("unsubscribe", *ids, at=NOW)
        assert signals() == []
        happens("unsubscribe", *ids, at=LATER)
        assert signals() == [(waiting.pk, "exit", "", LATER), (ready.pk, "exit", "", LATER)]

    def test_goal_is_told_of_those_who_are_done_too_but_once(self) -> None:
        version = self.version()
        over = put(version, make_contact().pk, "wait", state="done")
        reached = put(version, make_contact().pk, "wait", goal_at=NOW)
        ids = [over.contact_id, reached.contact_id]
        happens("buy", *ids, at=LATER, amount=10)
        happens("buy", *ids, at=LATER, amount=11)
        assert signals() == [(over.pk, "goal", "", LATER)]

    def test_goal_counts_for_the_last_passage_before_it(self) -> None:
        version, anna = self.version(), make_contact()
        put(version, anna.pk, "wait", state="done", entrance="a")
        last = put(version, anna.pk, "wait", state="done", entrance="b", at=NOW + HOUR)
        put(version, anna.pk, "wait", entrance="c", at=NOW + DAY)
        happens("buy", anna.pk, at=NOW + 2 * HOUR, amount=11)
        assert signals() == [(last.pk, "goal", "", NOW + 2 * HOUR)]

    def test_goal_is_heard_after_everybody_left(self) -> None:
        version = self.version(is_open=False, ended_at=NOW)
        over = put(version, make_contact().pk, "wait", state="done")
        happens("buy", over.contact_id, at=LATER, amount=11)
        happens("unsubscribe", over.contact_id, at=LATER)
        assert signals() == [(over.pk, "goal", "", LATER)]


class TestManyAtOnce:
    def test_it_wants_no_event_that_no_running_version_names(self) -> None:
        make_version(node("end", "end"), ended_at=NOW)
        happens("enter", make_contact().pk, at=LATER, follow=False)
        assert followed_events.follow_events(following.FOLLOWER, LATER) is False

    def test_the_number_of_statements_does_not_grow_with_the_events(self) -> None:
        version = make_version(
            node("bought", "event", event="buy"), settings=TestExitAndGoal.SETTINGS
        )
        people = make_contacts(*["Oslo"] * 1000)
        put_many(version, people, "bought")

        def queries(contact_ids: list[int], minute: int) -> int:
            at = NOW + minute * MINUTE
            happens("buy", *contact_ids, at=at, follow=False, amount=11)
            happens("enter", *contact_ids, at=at, follow=False)
            with CaptureQueriesContext(connection) as captured:
                followed_events.follow_events(following.FOLLOWER, at)
            return len(captured)

        assert queries(people[:1], 1) == queries(people, 2)
        assert Signal.objects.filter(kind="event").count() == 1001
        assert Entrance.objects.count() == 1001
