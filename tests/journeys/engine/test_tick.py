"""Who moves in a tick, when, and how that is written down."""

from datetime import timedelta

import pytest

from journeys.engine import tick
from journeys.models import JourneyVersion, Participant, Passage, Signal
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

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
ZERO = timedelta(0)


def waiting_a_day() -> JourneyVersion:
    return make_version(
        drawing(
            [node("pause", "wait", duration=after(1, "day")), node("over", "end")],
            "start > pause",
            "pause > over",
        )
    )


def test_who_waits_goes_on_when_the_time_is_over_and_not_before() -> None:
    version = waiting_a_day()
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    one = Participant.objects.get()
    assert (one.state, one.wake_at) == ("waiting", NOW + DAY)

    assert not tick.tick_journey(version.journey_id, as_of=NOW + DAY - SECOND).moved_count
    assert tick.tick_journey(version.journey_id, as_of=NOW + DAY).moved_count == 2
    one.refresh_from_db()
    assert (one.state, one.outcome, one.finished_at) == ("done", "ended", NOW + DAY)


def test_steps_are_of_when_they_were_due_however_late_the_tick() -> None:
    version = waiting_a_day()
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW + 5 * DAY)
    one = Participant.objects.get()
    assert steps_of(one) == [("", "entered", ZERO), ("pause", "next", DAY), ("over", "next", DAY)]
    assert {step.noticed_at for step in one.transitions.all()} == {NOW + 5 * DAY}


def test_again_for_the_same_instant_nothing_changes() -> None:
    version = waiting_a_day()
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    before = list(Passage.objects.values_list())
    assert tick.tick_journey(version.journey_id, as_of=NOW + DAY) == tick.Ticked()
    assert list(Passage.objects.values_list()) == before


def reacting() -> JourneyVersion:
    nodes = [
        node("bought", "event", event="purchase", timeout=after(1, "day"), timeout_path=True),
        node("called", "event", event="call"),
        node("thanks", "wait", duration=after(1, "hour")),
        node("reminder", "wait", duration=after(2, "hour")),
    ]
    return make_version(
        drawing(
            nodes,
            "start > bought",
            "start > called",
            "bought > thanks",
            "called > thanks",
            "bought timeout > reminder",
        )
    )


def test_the_first_that_happens_wins() -> None:
    version = reacting()
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    one = Participant.objects.get()
    signal(one, "bought", at=NOW + 2 * MINUTE)
    signal(one, "called", at=NOW + MINUTE)
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    assert steps_of(one)[1:] == [("called", "next", MINUTE)]
    assert not Signal.objects.exists()


def test_one_timeout_covers_all_that_stand_side_by_side() -> None:
    version = reacting()
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    assert steps_of(Participant.objects.get())[1:] == [("bought", "timeout", DAY)]


def test_what_happened_beats_what_timed_out_in_the_same_tick() -> None:
    version = reacting()
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    one = Participant.objects.get()
    signal(one, "called", at=NOW + DAY + MINUTE)
    tick.tick_journey(version.journey_id, as_of=NOW + DAY + 2 * MINUTE)
    assert steps_of(one)[1:] == [("called", "next", DAY + MINUTE)]


def test_what_happened_before_he_came_moves_nobody() -> None:
    version = reacting()
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    one = Participant.objects.get()
    signal(one, "called", at=NOW)
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    assert steps_of(one)[1:] == []


def test_a_journey_takes_91_days_unless_it_says_otherwise() -> None:
    version = make_version(drawing([node("called", "event", event="call")], "start > called"))
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW + 91 * DAY - SECOND)
    assert Participant.objects.get().state == "waiting"
    tick.tick_journey(version.journey_id, as_of=NOW + 91 * DAY)
    one = Participant.objects.get()
    assert (one.state, one.outcome, one.finished_at) == ("done", "timed_out", NOW + 91 * DAY)


def test_moves_are_counted_by_the_hour_in_which_they_were_due() -> None:
    version = waiting_a_day()
    enter(version, make_contact().pk, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW + 3 * DAY)
    found = Passage.objects.values_list("hour", "node", "outcome", "to_place", "count")
    assert sorted(found) == [
        (NOW, "", "entered", 0, 2),
        (NOW + DAY, "over", "next", -1, 2),
        (NOW + DAY, "pause", "next", 1, 2),
    ]


def test_nobody_on_a_paused_journey_moves_until_it_goes_on() -> None:
    version = waiting_a_day()
    enter(version, make_contact().pk)
    version.journey.state = "paused"
    version.journey.save()
    assert tick.due_journeys(as_of=NOW + 2 * DAY) == []
    assert tick.tick_journey(version.journey_id, as_of=NOW + 2 * DAY) == tick.Ticked()
    version.journey.state = "live"
    version.journey.save()
    assert tick.due_journeys(as_of=NOW + 2 * DAY) == [version.journey_id]
    tick.tick_all(as_of=NOW + 2 * DAY)
    assert Participant.objects.get().finished_at == NOW + DAY
    assert tick.due_journeys(as_of=NOW + 2 * DAY) == []
