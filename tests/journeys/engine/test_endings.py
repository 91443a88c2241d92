"""Exit criteria, goals, stopping, finishing; what merging and erasing do to passages."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from contacts.erasure import erase_contact
from contacts.merging import merge_contacts
from contacts.models import Contact
from integrations.models import Delivery
from integrations.webhooks import create_webhook
from journeys.engine import goals, tick
from journeys.engine.course import FINISHED
from journeys.models import (
    Entrance,
    Journey,
    JourneyVersion,
    Message,
    Participant,
    Passage,
    Reading,
    Signal,
)
from tests.factories import DAY, HOUR, MINUTE, NOW, make_contact
from tests.journeys.engine.passages import (
    after,
    drawing,
    enter,
    make_version,
    node,
    signal,
    steps_of,
)
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db

IN_OSLO = {
    "combinator": "and",
    "rules": [{"field": "contact.city", "operator": "=", "value": "Oslo"}],
}


def two_hours(**settings: object) -> JourneyVersion:
    nodes = [
        node("first", "wait", duration=after(1, "hour")),
        node("second", "wait", duration=after(1, "hour")),
    ]
    return make_version(drawing(nodes, "start > first", "first > second"), **settings)  # type: ignore[arg-type]


def let_in(version: JourneyVersion, **contact: Any) -> Participant:
    enter(version, make_contact(**contact).pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    return Participant.objects.latest("id")


def test_who_meets_the_exit_criteria_leaves_before_the_next_step() -> None:
    version = two_hours(exit={"criteria": IN_OSLO})
    one, other = let_in(version, city="Rome"), let_in(version, city="Rome")
    Contact.objects.filter(pk=one.contact_id).update(city="Oslo")
    tick.tick_journey(version.journey_id, as_of=NOW + 59 * MINUTE)
    one.refresh_from_db()
    assert one.state == "waiting"
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.state, one.outcome) == ("done", "exited")
    assert steps_of(one)[-1] == ("", "exit", HOUR)
    assert (other.state, other.place) == ("waiting", 1)


def test_an_exit_comes_before_all_that_happened() -> None:
    version = make_version(
        drawing(
            [node("called", "event", event="call"), node("over", "end")],
            "start > called",
            "called > over",
        ),
        exit={"event": "unsubscribed"},
    )
    one = let_in(version)
    signal(one, "called", at=NOW + MINUTE)
    signal(one, "", kind="exit", at=NOW + 2 * MINUTE, name="unsubscribed")
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    assert steps_of(one)[1:] == [("", "exit", 2 * MINUTE)]
    assert one.transitions.get(step=2).data == {"name": "unsubscribed"}
    assert not Signal.objects.exists()


def test_a_goal_counts_also_for_who_is_done_until_the_time_of_the_journey_is_over() -> None:
    version = two_hours(goal={"event": "purchase"}, timeout=after(1, "day"))
    one, late = let_in(version), let_in(version)
    tick.tick_journey(version.journey_id, as_of=NOW + 3 * HOUR)
    signal(one, "", kind="goal", at=NOW + 5 * HOUR)
    signal(one, "", kind="goal", at=NOW + 4 * HOUR)
    signal(late, "", kind="goal", at=NOW + DAY)
    tick.tick_all(as_of=NOW + 2 * DAY)
    one.refresh_from_db()
    late.refresh_from_db()
    assert (one.state, one.goal_at) == ("done", NOW + 4 * HOUR)
    assert late.goal_at is None
    assert not Signal.objects.exists()


def test_a_goal_that_is_criteria_is_asked_for_every_so_often() -> None:
    version = two_hours(goal={"criteria": IN_OSLO}, timeout=after(1, "day"))
    one, other = let_in(version), let_in(version)
    Contact.objects.filter(pk=one.contact_id).update(city="Oslo")
    goals.ask_all(NOW + HOUR)
    Contact.objects.filter(pk=other.contact_id).update(city="Oslo")
    goals.ask_all(NOW + DAY)
    assert list(Participant.objects.order_by("id").values_list("goal_at", flat=True)) == [
        NOW + HOUR,
        None,
    ]


def test_of_a_stopped_journey_everyone_is_taken_out_and_nothing_more_is_sent() -> None:
    version = two_hours()
    one = let_in(version)
    Message.objects.create(
        journey=version.journey,
        version=version,
        participant=one,
        contact_id=one.contact_id,
        node="m",
        channel="email",
        created_at=NOW,
        due_at=NOW,
    )
    JourneyVersion.objects.update(is_open=False, closed_at=NOW + MINUTE)
    Journey.objects.update(state="stopped", state_changed_at=NOW + MINUTE)
    enter(version, make_contact().pk, at=NOW + MINUTE)
    tick.tick_all(as_of=NOW + HOUR)
    one.refresh_from_db()
    assert (one.state, one.outcome, one.finished_at) == ("done", "stopped", NOW + MINUTE)
    assert Message.objects.values_list("state", "reason").get() == ("left_out", "stopped")
    assert JourneyVersion.objects.get().ended_at == NOW + HOUR
    assert Journey.objects.get().state == "stopped"
    assert not Entrance.objects.exists()
    assert tick.due_journeys(as_of=NOW + DAY) == []


def test_a_closed_journey_is_finished_when_nobody_is_inside_any_more() -> None:
    version = two_hours()
    let_in(version)
    JourneyVersion.objects.update(is_open=False, closed_at=NOW)
    Journey.objects.update(state="closed")
    tick.tick_all(as_of=NOW + HOUR)
    assert Journey.objects.get().state == "closed"
    tick.tick_all(as_of=NOW + 2 * HOUR)
    journey = Journey.objects.get()
    assert (journey.state, journey.state_changed_at) == ("finished", NOW + 2 * HOUR)


def test_a_journey_that_read_its_segment_once_is_finished_when_all_are_through() -> None:
    version = two_hours()
    version.journey.versions.all().delete()
    document = {**version.drawing}
    document["nodes"] = [
        {"id": "start", "kind": "read_segment", "config": {"segment": "x"}},
        *document["nodes"][1:],
    ]
    version = make_version(document)
    let_in(version)
    tick.tick_all(as_of=NOW + 3 * HOUR)
    assert Journey.objects.get().state == "live"  # It was not read yet.
    times = dict.fromkeys(("at", "upto", "started_at", "portion_at"), NOW)
    Reading.objects.create(version=version, state="done", **times)
    tick.tick_all(as_of=NOW + 3 * HOUR)
    assert Journey.objects.get().state == "finished"


def test_who_is_merged_goes_on_as_the_survivor() -> None:
    version = two_hours()
    one, survivor = let_in(version), make_contact()
    enter(version, one.contact_id, at=NOW + DAY, cause="event:2")
    merge_contacts(survivor.pk, one.contact_id, actor=SYSTEM, at=NOW + MINUTE, cause="test")
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    one.refresh_from_db()
    assert (one.contact_id, one.place) == (survivor.pk, 1)
    assert Entrance.objects.get().contact_id == survivor.pk


def test_two_who_are_inside_and_become_one_go_on_once() -> None:
    version = two_hours()
    one, survivor = let_in(version), let_in(version)
    merge_contacts(survivor.contact_id, one.contact_id, actor=SYSTEM, at=NOW + MINUTE, cause="test")
    one.refresh_from_db()
    survivor.refresh_from_db()
    assert (one.state, one.outcome, one.contact_id) == ("done", "merged", survivor.contact_id)
    assert survivor.state == "waiting"
    assert one.entrance != survivor.entrance
    assert steps_of(one)[-1] == ("", "merged", MINUTE)
    assert Passage.objects.get(outcome="merged").count == 1


def test_a_webhook_hears_whose_passage_is_over() -> None:
    version = two_hours()
    create_webhook(url="https://example.com/hook", types=[FINISHED], actor=SYSTEM, at=NOW)
    one = let_in(version)
    tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    payload = Delivery.objects.get().payload
    assert payload["type"] == FINISHED
    assert payload["data"]["participant"] == one.pk
    assert payload["data"]["outcome"] == "ended"


def test_of_who_is_erased_only_the_fact_stays() -> None:
    version = two_hours()
    enter(version, make_contact().pk, entry={"properties": {"name": "Ann"}})
    tick.tick_journey(version.journey_id, as_of=NOW)
    one = Participant.objects.get()
    signal(one, "first", at=NOW + MINUTE)
    Message.objects.create(
        journey=version.journey,
        version=version,
        participant=one,
        contact_id=one.contact_id,
        node="m",
        channel="email",
        created_at=NOW,
        due_at=NOW,
        address="ann@example.com",
    )
    erase_contact(one.contact_id, actor=SYSTEM, at=timezone.now())
    one.refresh_from_db()
    assert (one.state, one.outcome, one.context) == ("done", "erased", {})
    assert Message.objects.values_list("state", "reason", "address").get() == (
        "left_out",
        "erased",
        "",
    )
    assert not Signal.objects.exists()
    assert tick.due_journeys(as_of=timezone.now() + timedelta(days=1)) == []
