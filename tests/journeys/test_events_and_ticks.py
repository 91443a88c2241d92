"""Events and ticks together: nobody falls between an arrival and what he waits for."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from contacts.events import IncomingEvent, record_events
from journeys.engine.tick import tick_journey
from journeys.models import JourneyVersion, Participant, Transition
from tests.factories import DAY, HOUR, MINUTE, NOW, make_contact
from tests.journeys.drawn import follow_events, happens, make_version, node
from tests.segments.factories import make_contacts

HOURLY = node("wait", "wait", duration={"amount": 1, "unit": "hour"})
SAME = {"properties.order_id": "entry.properties.order_id"}


def tick(version: JourneyVersion, at: Any) -> None:
    tick_journey(version.journey_id, as_of=at)


def way_of(contact_id: int) -> list[tuple[str, str, timedelta]]:
    """The way that a contact went: activity, outcome, and how long after NOW."""
    found = Transition.objects.filter(participant__contact_id=contact_id).order_by("step")
    return [(one.node, one.outcome, one.at - NOW) for one in found]


@pytest.mark.django_db
class TestOneAfterTheOther:
    def test_from_the_event_that_begins_to_the_one_that_belongs_to_it(self) -> None:
        timeout = {"amount": 1, "unit": "day"}
        paid = node("paid", "event", event="pay", same=SAME, timeout=timeout)
        version = make_version(node("start", "event_entry", event="order"), paid)
        anna = make_contact()
        happens("order", anna.pk, at=NOW, order_id=7)
        tick(version, NOW)
        happens("pay", anna.pk, at=NOW + HOUR, order_id=6)
        tick(version, NOW + HOUR)
        happens("pay", anna.pk, at=NOW + 2 * HOUR, order_id=7)
        tick(version, NOW + 2 * HOUR)
        assert way_of(anna.pk) == [
            ("", "entered", timedelta(0)),
            ("paid", "next", 2 * HOUR),
        ]

    def test_what_happened_while_no_tick_ran_counts_from_when_it_did(self) -> None:
        version = make_version(HOURLY, node("bought", "event", event="buy"))
        anna, ola = make_contact(), make_contact()
        happens("enter", anna.pk, ola.pk, at=NOW)
        # Too early for one, in time for the other; the follower told of both to nobody.
        happens("buy", anna.pk, at=NOW + 59 * MINUTE)
        happens("buy", ola.pk, at=NOW + 61 * MINUTE)
        tick(version, NOW + DAY)
        assert way_of(anna.pk)[1:] == [("wait", "next", HOUR)]
        assert way_of(ola.pk)[1:] == [
            ("wait", "next", HOUR),
            ("bought", "next", 61 * MINUTE),
        ]

    def test_who_entered_late_may_have_met_the_exit_already(self) -> None:
        version = make_version(HOURLY, settings={"exit": {"event": "leave"}})
        anna = make_contact()
        happens("enter", anna.pk, at=NOW)
        happens("leave", anna.pk, at=NOW + MINUTE)
        tick(version, NOW + DAY)
        assert way_of(anna.pk) == [("", "entered", timedelta(0)), ("", "exit", MINUTE)]

    def test_one_event_moves_once_where_two_wait_for_it_one_after_the_other(self) -> None:
        version = make_version(
            node("first", "event", event="buy"), node("second", "event", event="buy")
        )
        anna = make_contact()
        happens("enter", anna.pk, at=NOW)
        tick(version, NOW)
        happens("buy", anna.pk, at=NOW + HOUR)
        tick(version, NOW + HOUR)
        tick(version, NOW + DAY)
        assert way_of(anna.pk)[1:] == [("first", "next", HOUR)]


@pytest.mark.django_db(transaction=True)
def test_nobody_is_missed_while_ticks_and_events_meet() -> None:
    version = make_version(HOURLY, node("bought", "event", event="buy"))
    people = make_contacts(*["Oslo"] * 120)
    happens("enter", *people, at=NOW)
    tick(version, NOW)
    due, moments = NOW + HOUR, [NOW + HOUR + second * timedelta(seconds=1) for second in range(30)]

    def ticking() -> None:
        for at in moments:
            tick(version, at)

    def buying() -> None:
        for place, at in enumerate(moments):
            part = people[place * 4 : place * 4 + 4]
            events = [IncomingEvent(one, "buy", at + MINUTE) for one in part]
            record_events(events, received_at=at)
            follow_events(due)

    at_once(ticking, buying)
    follow_events(due)
    tick(version, NOW + DAY)
    assert not Participant.objects.exclude(state="done").exists()
    assert Transition.objects.filter(node="bought").count() == len(people)


def at_once(*works: Callable[[], None]) -> None:
    def work(one: Callable[[], None]) -> None:
        try:
            one()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work, one) for one in works]:
            done.result()
