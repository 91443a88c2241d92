"""Figures of versions: counted with the moves, by the engine itself."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import EventDefinition
from journeys import publishing, statistics
from journeys.engine.tick import tick_all
from journeys.models import Entrance, JourneyVersion, Message, Participant
from tests.factories import NOW, make_contact
from tests.journeys.drawings import DAY, drawing, edge, in_a_row, node
from tests.journeys.workspace import make_journey, publish, put_in
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=30)
START = node("start", "event_entry", event="visited")
HALVES = [{"name": "a", "percent": 50}, {"name": "holdout", "percent": 50}]


@pytest.fixture
def version() -> JourneyVersion:
    """Half of those who come wait a day, the others are set aside to compare with."""
    EventDefinition.objects.create(name="visited")
    drawn = drawing(
        *(START, node("split", "split", paths=HALVES), node("wait", "wait", duration=DAY)),
        *(edge("start", "split"), edge("split", "wait", "a")),
    )
    return publish(make_journey(drawn))


def enter(version: JourneyVersion, count: int) -> None:
    """So many people are to enter."""
    people = [make_contact() for _number in range(count)]
    Entrance.objects.bulk_create(
        Entrance(journey=version.journey, contact=one, cause=f"test:{one.pk}", at=NOW)
        for one in people
    )


def test_each_activity_says_who_stands_there_and_who_went_on(version: JourneyVersion) -> None:
    enter(version, 40)
    tick_all(as_of=NOW)
    counts = statistics.node_counts(version)
    passed = counts["split"]["passed"]
    assert set(passed) == {"a", "holdout"}
    assert sum(passed.values()) == 40
    assert counts["start"]["passed"] == {"next": 40}
    assert counts["wait"] == {"waiting": passed["a"], "ready": 0, "failed": 0, "passed": {}}
    tick_all(as_of=LATER)
    counts = statistics.node_counts(version)
    assert counts["wait"] == {
        "waiting": 0,
        "ready": 0,
        "failed": 0,
        "passed": {"next": passed["a"]},
    }
    lately = statistics.node_counts(version, since=NOW + timedelta(hours=20))
    assert lately["split"]["passed"] == {}
    assert lately["wait"]["passed"] == {"next": passed["a"]}


def test_a_version_is_summed_up(version: JourneyVersion) -> None:
    enter(version, 40)
    tick_all(as_of=NOW)
    one = Participant.objects.filter(is_control=False)[0]
    Participant.objects.filter(pk=one.pk).update(goal_at=NOW + timedelta(hours=1))
    inside = Participant.objects.filter(finished_at=None).count()
    found = statistics.summarize(version)
    assert (found.entered, found.inside, found.failed) == (40, inside, 0)
    assert found.finished == {"ended": 40 - inside}
    assert (found.goal.reached, found.goal.control_reached) == (1, 0)
    assert (found.goal.entered, found.goal.control_entered) == (inside, 40 - inside)
    assert found.goal.difference is not None
    assert found.goal.difference["difference"] == pytest.approx(1 / inside)
    publishing.stop(version.journey, actor=SYSTEM, at=LATER - timedelta(hours=20))
    tick_all(as_of=LATER - timedelta(hours=20))
    found = statistics.summarize(version)
    assert found.finished == {"ended": 40 - inside, "stopped": inside}
    assert found.inside == 0


def test_who_waits_for_the_first_of_several_waits_for_each() -> None:
    EventDefinition.objects.create(name="visited")
    waits = node("a", "wait", duration=DAY), node("b", "wait", duration=DAY)
    version = publish(make_journey(drawing(START, *waits, edge("start", "a"), edge("start", "b"))))
    put_in(version)
    counts = statistics.node_counts(version)
    assert (counts["a"]["waiting"], counts["b"]["waiting"]) == (1, 1)
    assert statistics.waiting_counts(JourneyVersion.objects.all()) == {version.journey_id: 1}


def test_messages_are_counted_by_activity_and_channel() -> None:
    EventDefinition.objects.create(name="visited")
    version = publish(make_journey(in_a_row(START, node("wait", "wait", duration=DAY))))
    sent = {"state": "sent", "sent_at": NOW}
    left_out = {"state": "left_out", "reason": "no_consent"}
    outcomes: list[dict[str, Any]] = [sent | {"opened_at": NOW}, sent, left_out]
    for told in outcomes:
        person = put_in(version)
        Message.objects.create(
            journey=version.journey,
            version=version,
            participant=person,
            contact=person.contact,
            node="first",
            channel="email",
            created_at=NOW,
            due_at=NOW,
            **told,
        )
    counts = statistics.message_counts(version)["first"]["email"]
    assert (counts["sent"], counts["opened"], counts["left_out"]) == (2, 1, 1)
    assert counts["reasons"] == {"no_consent": 1}
    assert statistics.message_counts(version, since=LATER) == {}


def test_figures_take_the_same_number_of_queries_for_one_and_for_many(
    version: JourneyVersion,
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            statistics.node_counts(version)
            statistics.message_counts(version)
            statistics.summarize(version)
        return len(queries)

    enter(version, 1)
    tick_all(as_of=NOW)
    few = count()
    enter(version, 50)
    tick_all(as_of=NOW)
    assert count() == few
