"""What happened between when somebody was to arrive and now: found, once, and the first of it."""

from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from contacts.events import IncomingEvent, record_events
from journeys.drawing.plan import Place, make_plan
from journeys.drawing.syntax import read
from journeys.engine.lookback import signal_past_ends, signal_past_events
from journeys.engine.tick import tick_journey
from journeys.models import JourneyVersion, Lane, Participant, Signal
from tests.chance import chance
from tests.factories import DAY, HOUR, MINUTE, NOW, make_contact
from tests.journeys.drawn import (
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

pytestmark = pytest.mark.django_db
LATER = NOW + HOUR
SAME = {"properties.order_id": "entry.properties.order_id"}


def place(version: JourneyVersion, node_id: str) -> Place:
    plan = make_plan(read(version.drawing), version.places)
    return plan.places[place_of(version, node_id)]


def look_back(
    version: JourneyVersion, *inside: Participant, as_of: datetime = NOW + DAY, node_id: str = "a"
) -> int:
    ids = [one.pk for one in inside]
    return signal_past_events(version, place(version, node_id), ids, as_of=as_of)


def test_the_first_event_since_he_was_to_arrive_is_signalled() -> None:
    version = make_version(node("a", "event", event="buy"))
    anna = make_contact()
    for minute in (-1, 0, 5, 3, 4):
        happens("buy", anna.pk, at=NOW + minute * MINUTE)
    inside = put(version, anna.pk, "a")
    assert look_back(version, inside) == 1
    assert signals() == [(inside.pk, "event", "a", NOW + 3 * MINUTE)]
    assert told()["name"] == "buy"


def test_what_happened_since_the_tick_began_is_signalled_for_when_its_time_comes() -> None:
    version = make_version(node("a", "event", event="buy"))
    inside = put(version, make_contact().pk, "a")
    happens("buy", inside.contact_id, at=LATER, follow=False)
    assert look_back(version, inside, as_of=LATER - MINUTE) == 1
    assert signals() == [(inside.pk, "event", "a", LATER)]
    tick_journey(version.journey_id, as_of=LATER - MINUTE)
    inside.refresh_from_db()
    assert inside.state == Participant.State.WAITING
    tick_journey(version.journey_id, as_of=LATER)
    inside.refresh_from_db()
    assert inside.state == Participant.State.DONE


def test_a_rehearsal_has_all_that_history_has() -> None:
    version = make_version(node("a", "event", event="buy"), lane=Lane.REHEARSAL)
    inside = put(version, make_contact().pk, "a")
    happens("buy", inside.contact_id, at=NOW + 9 * DAY, follow=False)
    look_back(version, inside, as_of=NOW)
    assert signals() == [(inside.pk, "event", "a", NOW + 9 * DAY)]


def test_conditions_correlation_and_siblings_count_as_they_do_for_new_events() -> None:
    version = make_version(
        node("start", "event_entry", event="enter"),
        node("a", "event", event="pay", same=SAME),
        node("b", "event", event="leave"),
        edges=[("start", "a"), ("start", "b")],
    )
    entry = {"entry": {"properties": {"order_id": 7}}}
    anna = make_contact()
    happens("pay", anna.pk, at=NOW + MINUTE, order_id=8)
    happens("pay", anna.pk, at=NOW + 2 * MINUTE, order_id=7)
    happens("leave", anna.pk, at=NOW + 3 * MINUTE)
    inside = put(version, anna.pk, "a", context=entry)
    look_back(version, inside)
    assert [(one[2], one[3]) for one in signals()] == [
        ("a", NOW + 2 * MINUTE),
        ("b", NOW + 3 * MINUTE),
    ]


def test_only_those_who_are_asked_about_and_stand_there() -> None:
    version = make_version(node("a", "event", event="buy"), node("b", "event", event="buy"))
    asked, unasked = (put(version, make_contact().pk, "a") for _n in range(2))
    elsewhere = put(version, make_contact().pk, "b")
    for one in (asked, unasked, elsewhere):
        happens("buy", one.contact_id, at=LATER, follow=False)
    look_back(version, asked, elsewhere)
    assert [one[0] for one in signals()] == [asked.pk]


def test_a_place_where_nothing_is_heard_asks_nothing() -> None:
    version = make_version(node("a", "wait", duration={"amount": 1, "unit": "day"}))
    inside = put(version, make_contact().pk, "a")
    with CaptureQueriesContext(connection) as queries:
        assert look_back(version, inside) == 0
    # The place itself is read from memory, too.
    assert len(queries) == 0


def test_who_enters_late_may_have_met_exit_and_goal_already() -> None:
    ends = {"exit": {"event": "leave"}, "goal": {"event": "buy"}}
    wait = node("a", "wait", duration={"amount": 1, "unit": "day"})
    version = make_version(wait, settings=ends)
    anna = make_contact()
    happens("leave", anna.pk, at=NOW)
    happens("buy", anna.pk, at=NOW + MINUTE)
    happens("leave", anna.pk, at=LATER)
    inside = put(version, anna.pk, "a")
    assert signal_past_ends(version, [inside.pk], as_of=NOW + DAY) == 2
    assert signals() == [
        (inside.pk, "goal", "", NOW + MINUTE),
        (inside.pk, "exit", "", LATER),
    ]


def test_a_thousand_are_asked_about_in_as_many_statements_as_one() -> None:
    version = make_version(node("a", "event", event="buy"))
    people = make_contacts(*["Oslo"] * 1000)
    record_events([IncomingEvent(one, "buy", LATER) for one in people], received_at=LATER)
    inside, stands = put_many(version, people, "a"), place(version, "a")

    def queries(ids: list[int]) -> int:
        with CaptureQueriesContext(connection) as captured:
            signal_past_events(version, stands, ids, as_of=NOW + DAY)
        return len(captured)

    assert queries(inside[:1]) == queries(inside) == 1
    assert Signal.objects.count() == 1001


events = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-2, 6), st.sampled_from(["buy", "pay"])), max_size=12
)


@chance(seldom=8, often=25)
@given(happened=events)
def test_it_finds_what_the_follower_would_have_told_first(
    happened: list[tuple[int, int, str]],
) -> None:
    Signal.objects.all().delete()
    Participant.objects.all().delete()
    version = make_version(
        node("start", "event_entry", event="enter"),
        node("a", "event", event="buy"),
        node("b", "event", event="pay"),
        edges=[("start", "a"), ("start", "b")],
        number=JourneyVersion.objects.count() + 1,
        is_open=False,
    )
    inside = [put(version, one, "a") for one in make_contacts("Oslo", "Oslo", "Oslo")]
    incoming = [
        IncomingEvent(inside[who].contact_id, name, NOW + minute * MINUTE, {"n": place})
        for place, (who, minute, name) in enumerate(happened)
    ]
    record_events(incoming, received_at=LATER)
    follow_events(LATER)
    first: dict[tuple[int, str], datetime] = {}
    for who, _kind, heard, at in signals():
        first[who, heard] = min(at, first.get((who, heard), at))
    Signal.objects.all().delete()
    look_back(version, *inside)
    assert {(who, heard): at for who, _kind, heard, at in signals()} == first
