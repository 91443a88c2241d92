"""Whom time alone turned is among those who are looked for, or the document asks for everyone."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments.criteria import NeedsFull, Turned, Turns, prepare_clock, prepare_vector, turns_by_time
from segments.criteria.edges import next_date
from tests.chance import chance
from tests.reference.criteria import Person, holds
from tests.segments.criteria.asking import (
    all_of,
    any_of,
    did,
    lasting,
    person,
    rolled_back,
    rule,
    who,
)
from tests.segments.criteria.people import WARSAW, add_people, make_world, read, run
from tests.segments.criteria.strategies import TICK, Case, cases

pytestmark = pytest.mark.usefixtures("definitions")

STRETCHES = [
    TICK,
    timedelta(seconds=1),
    timedelta(minutes=31),
    timedelta(hours=3),
    timedelta(days=1),
    timedelta(days=4),
    timedelta(days=33),
    timedelta(days=400),
]
# The stretch ends, begins, or lies around the instant at which the edges of the cases are.
SHARES = [0, 1, 2]


def add_members(ids: dict[int, list[int]]) -> None:
    """Write who is a member of which segment; whether there is such a segment is not asked."""
    rows = [(segment_id, number) for segment_id, found in ids.items() for number in found]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO segments_membership (segment_id, contact_id, entered_at)"
            " VALUES (%s, %s, now())",
            rows,
        )


def compare(case: Case, stretch: timedelta, share: int, meanwhile: int) -> None:
    """Hold the candidates of a stretch of time against those who turned by the reference.

    Members were written at an instant in the stretch: at its beginning, or a third or two later.
    """
    since = case.now - stretch * share / 2
    until = since + stretch
    asked_at = since + stretch * meanwhile / 3
    trees = {
        place: read(document, make_world(since, case.zone))
        for place, document in enumerate(case.documents, 100)
    }
    with rolled_back():
        ids = add_people(case.people)
        held = {
            at: {
                place: [
                    number
                    for number, person in zip(ids, case.people, strict=True)
                    if holds(document, person, make_world(at, case.zone))
                ]
                for place, document in enumerate(case.documents, 100)
            }
            for at in (asked_at, until)
        }
        add_members(held[asked_at])
        turned = prepare_clock(trees).between(since, until)
        rows = [] if turned.query is None else run(turned.query)
    assert len(set(rows)) == len(rows)
    for place, document in enumerate(case.documents, 100):
        for number in set(held[asked_at][place]) ^ set(held[until][place]):
            shown = json.dumps(document, default=str)
            assert turns_by_time(trees[place]), shown
            full = turned.needs_full.get(place)
            is_due = full is not None and full.next_at <= until
            assert (place, number) in rows or is_due, (shown, number, since, until)


_stretches = {
    "stretch": st.sampled_from(STRETCHES),
    "share": st.sampled_from(SHARES),
    "meanwhile": st.sampled_from([0, 0, 1, 2]),
}


@chance(seldom=4, often=15, derandomize=True, suppress_health_check=[*HealthCheck])
@given(case=cases(), **_stretches)
def test_who_turned_is_looked_for(
    case: Case, stretch: timedelta, share: int, meanwhile: int
) -> None:
    compare(case, stretch, share, meanwhile)


@pytest.mark.long
@settings(max_examples=5000, deadline=None, suppress_health_check=[*HealthCheck])
@given(case=cases(), **_stretches)
def test_who_turned_is_looked_for_whatever_chance_asks(
    case: Case, stretch: timedelta, share: int, meanwhile: int
) -> None:
    compare(case, stretch, share, meanwhile)


# --- Plain examples ------------------------------------------------------------------------------

NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)
WORLD = make_world(NOW)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATELY = all_of(rule("occurred_at", "inLast", lasting(7, "day")))
AT_LEAST = rule("event.purchase", ">=", 2, where=LATELY)
ANY = rule("properties.x", "null")
BELOW = rule("event.purchase", "<", 2, where=LATELY)


def looked_for(
    asked: dict[str, Any],
    *people: Person,
    members: Sequence[int] = (),
    stretch: timedelta = HOUR,
    only_early: bool = False,
) -> list[int]:
    """Of these people, numbered from 1, those who are looked for up to NOW."""
    with rolled_back():
        add_people(people)
        add_members({7: list(members)})
        clock = prepare_clock({7: read(all_of(asked), WORLD)}, only_early=only_early)
        query = clock.between(NOW - stretch, NOW).query
        return [] if query is None else sorted(number for _, number in run(query))


def test_an_event_that_leaves_a_window_turns_members_only() -> None:
    leaving, staying = (
        did(("purchase", NOW - 7 * DAY - HOUR / 2)),
        did(("purchase", NOW - 7 * DAY + TICK)),
    )
    assert looked_for(AT_LEAST, leaving, leaving, staying, members=[2, 3]) == [2]
    # Whoever did it less often may turn to be one.
    assert looked_for(BELOW, leaving, leaving, staying, members=[2, 3]) == [1]
    # An exact number may be passed from either side.
    exactly = {**AT_LEAST, "operator": "="}
    assert looked_for(exactly, leaving, leaving, staying, members=[2, 3]) == [1, 2]


def test_a_window_turns_one_way_at_each_of_its_ends() -> None:
    """The first contact's time is passed by now, the second's by the far end of the next week."""
    times = (NOW - HOUR / 2, NOW + 7 * DAY - HOUR / 2)
    people = [person(fields={"created_at": at}) for at in times]
    week = lasting(7, "day")
    for operator, outside, inside in (("inNext", [2], [1]), ("notInNext", [1], [2])):
        asked = rule("contact.created_at", operator, week)
        assert looked_for(asked, *people) == outside
        assert looked_for(asked, *people, members=[1, 2]) == inside
    times = (NOW - HOUR / 2, NOW - 7 * DAY - HOUR / 2)
    for operator, outside, inside in (("inLast", [1], [2]), ("notInLast", [1, 2], [])):
        where = all_of(rule("occurred_at", operator, week))
        asked = rule("event.purchase", ">=", 1, where={**where, "rules": [*where["rules"], ANY]})
        people = [did(("purchase", at)) for at in times]
        assert looked_for(asked, *people) == outside, operator
        assert looked_for(asked, *people, members=[1, 2]) == inside


def test_an_event_that_comes_may_be_the_last_or_the_first() -> None:
    come = did(("purchase", NOW - HOUR / 2))
    since, until = "2025-06-15T11:00Z", "2025-06-15T12:00Z"
    for function, operator, value in (("last", ">=", since), ("first", "<=", until)):
        asked = rule("event.purchase", operator, value, measure={"function": function})
        assert looked_for(asked, come, come, members=[2]) == [1]
    # And with time it is no more as late as it has to be.
    old = did(("purchase", NOW - 7 * DAY))
    for operator, found in (("inLast", [2]), ("notInLast", [1])):
        asked = rule("event.purchase", operator, lasting(7, "day"), measure={"function": "last"})
        assert looked_for(asked, old, old, members=[2]) == found
    # It may take the place of one that was before.
    asked = rule("event.purchase", "<=", until, measure={"function": "last"})
    assert looked_for(asked, come, come, members=[2]) == [1, 2]


def test_both_ends_of_the_stretch_are_as_in_windows() -> None:
    """What left a window at `since` was seen then; what leaves it at `until` is seen now."""
    people = [did(("purchase", NOW - 7 * DAY - apart)) for apart in (HOUR, HOUR - TICK, 0 * DAY)]
    people.append(did(("purchase", NOW - 7 * DAY + TICK)))
    assert looked_for(AT_LEAST, *people, members=[1, 2, 3, 4]) == [2, 3]
    come = [did(("purchase", NOW + apart)) for apart in (-HOUR, TICK - HOUR, 0 * DAY, TICK)]
    assert looked_for(AT_LEAST, *come) == [2, 3]


def test_events_known_on_arrival_are_left_out_when_that_is_asked_for() -> None:
    """These events are received today, long after they happened, but for the last one."""
    early = did(("purchase", NOW - TICK))
    with rolled_back():
        add_people([early, early])
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE contacts_event SET received_at = '2025-01-01' WHERE contact_id = 2"
            )
        clock = prepare_clock({7: read(all_of(AT_LEAST), WORLD)}, only_early=True)
        query = clock.between(NOW - HOUR, NOW).query
        assert query is not None
        assert run(query) == [(7, 2)]
    # The other edges do not ask when an event was received.
    leaving = did(("purchase", NOW - 7 * DAY))
    assert looked_for(AT_LEAST, leaving, members=[1], only_early=True) == [1]


def test_the_conditions_on_an_event_leave_out_who_cannot_turn() -> None:
    dear = rule("properties.amount", ">", 50)
    gift = rule("properties.gift", "=", True)
    where = all_of(rule("occurred_at", "inLast", lasting(7, "day")), dear, gift)
    asked = rule("event.purchase", ">=", 1, where=where)
    left = NOW - 7 * DAY
    people = [
        did(("purchase", left, {"amount": 60, "gift": True})),
        did(("purchase", left, {"amount": 50, "gift": True})),
        did(("purchase", left, {"amount": 60})),
        did(("page_visit", left, {"amount": 60, "gift": True})),
    ]
    assert looked_for(asked, *people, members=[1, 2, 3, 4]) == [1]


def test_conditions_that_python_takes_for_the_same_are_told_apart() -> None:
    """True is 1 in Python, and neither is the other in criteria."""
    asked = [
        rule("event.purchase", ">=", 1, where={**LATELY, "rules": [*LATELY["rules"], condition]})
        for condition in (rule("properties.x", "=", True), rule("properties.x", "=", 1))
    ]
    people = [did(("purchase", NOW - 7 * DAY, {"x": x})) for x in (True, 1, "1", 2)]
    assert looked_for(any_of(*asked), *people, members=[1, 2, 3, 4]) == [1, 2, 3]
    trees = {place: read(all_of(one), WORLD) for place, one in enumerate(asked)}
    with rolled_back():
        add_people(people)
        vector = prepare_vector(trees).at(now=NOW - HOUR, among=[1, 2, 3, 4])
        assert dict(run(vector)) == {1: [0], 2: [1], 3: [1], 4: []}


def test_addresses_that_are_in_no_index_are_not_read_but_may_count() -> None:
    where = all_of(
        rule("occurred_at", "inLast", lasting(7, "day")), rule("properties.url", "contains", "sale")
    )
    asked = rule("event.page_visit", ">=", 1, where=where)
    urls = ("https://shop.example/Sale", "https://shop.example/c/1", "/unlisted", None)
    people = [did(("page_visit", NOW - 7 * DAY, {"url": url})) for url in urls]
    assert looked_for(asked, *people, members=[1, 2, 3, 4]) == [1, 3]


def test_a_sequence_that_waits_in_vain_turns_when_the_time_is_over() -> None:
    steps: list[dict[str, Any]] = [
        {"event": "page_visit"},
        {"event": "purchase", "within": lasting(2, "day"), "not": True},
    ]
    people = [
        did(("page_visit", NOW - 2 * DAY - apart)) for apart in (HOUR + TICK, HOUR, TICK, 0 * DAY)
    ]
    assert looked_for({"field": "sequence", "steps": steps}, *people) == [2, 3]
    # Or when what it waited for counts no more.
    steps[1]["where"] = LATELY
    came = [("page_visit", NOW - 8 * DAY), ("purchase", NOW - 7 * DAY)]
    assert looked_for({"field": "sequence", "steps": steps}, did(*came), did(*came[:1])) == [1]


def test_a_month_to_wait_may_end_on_a_day_with_another_number() -> None:
    """A month after 31 January is 28 February, a month before which is the 28th of January."""
    steps = [
        {"event": "page_visit"},
        {"event": "purchase", "within": lasting(1, "month"), "not": True},
    ]
    tree = read(all_of({"field": "sequence", "steps": steps}), WORLD)
    end = datetime(2025, 2, 28, 12, tzinfo=UTC)
    with rolled_back():
        add_people(
            [did(("page_visit", datetime(2025, 1, day, 12, tzinfo=UTC))) for day in (29, 31)]
        )
        query = prepare_clock({7: tree}).between(end - HOUR, end + HOUR).query
        assert query is not None
        assert sorted(run(query)) == [(7, 1), (7, 2)]


@pytest.mark.parametrize(
    ("created_at", "instants"),
    [
        # From 28 to 31 March one month back is 28 February: who was out comes in for a night.
        ("2025-02-28T02:00Z", ("2025-03-28T12:00Z", "2025-03-29T01:00Z", "2025-03-29T12:00Z")),
        # From two to three o'clock it leads to an hour that was skipped, and read as the next.
        ("2025-03-30T01:30Z", ("2025-04-30T00:59Z", "2025-04-30T01:10Z", "2025-04-30T01:31Z")),
    ],
)
def test_a_month_that_jumps_back_is_looked_at_in_between_too(
    created_at: str, instants: tuple[str, ...]
) -> None:
    asked = rule("contact.created_at", "inLast", lasting(1, "month"))
    someone = person(fields={"created_at": datetime.fromisoformat(created_at)})
    since, between, until = map(datetime.fromisoformat, instants)
    assert [who(make_world(at), asked, someone)[0] for at in (since, between, until)] == [
        *(False, True, False)
    ]
    with rolled_back():
        add_people([someone])
        query = prepare_clock({7: read(all_of(asked), WORLD)}).between(since, until).query
        assert query is not None
        assert run(query) == [(7, 1)]


def test_fields_with_instants_are_looked_up() -> None:
    near = NOW - 7 * DAY
    people = [
        person(fields={"last_seen_at": near}),
        person(fields={"created_at": near}),
        person(attributes={"at": near.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}),
        person(loyalty={"points": 1, "tier": "", "joined_at": near}),
    ]
    names = ("contact.last_seen_at", "contact.created_at", "attribute.at", "loyalty.joined_at")
    for place, name in enumerate(names, 1):
        asked = rule(name, "inLast", lasting(7, "day"))
        assert looked_for(asked, *people, members=[1, 2, 3, 4]) == [place]
        assert looked_for(asked, *people) == []


def test_what_no_index_finds_asks_for_everyone_at_its_next_moment() -> None:
    days = rule("contact.birth_date", "anniversaryInNext", lasting(3, "day"))
    due = rule(
        "event.purchase", ">=", 1, where=all_of(rule("properties.x", "inNext", lasting(1, "day")))
    )
    metric = rule("metric.last_order", "inLast", lasting(3, "day"))
    city = rule("contact.city", "=", "Warszawa")
    trees = {
        number: read(all_of(*asked), WORLD)
        for number, asked in enumerate([(days,), (due,), (metric, due), (metric,), (city,)])
    }
    midnight = datetime(2025, 6, 16, tzinfo=WARSAW)
    needs_full = prepare_clock(trees).between(NOW, NOW + HOUR).needs_full
    assert needs_full == {
        0: NeedsFull("date", midnight),
        1: NeedsFull("property", NOW + TICK),
        2: NeedsFull("property", NOW + TICK),
        3: NeedsFull("date", midnight),
    }
    assert [bool(turns_by_time(tree)) for tree in trees.values()] == [True] * 4 + [False]
    assert turns_by_time(trees[2]) == Turns(edges=True, dates=True, properties=True)
    assert prepare_clock({4: trees[4]}).between(NOW, NOW + DAY) == Turned(None, {})
    assert prepare_clock({1: trees[1]}).between(NOW, NOW).query is None
    with pytest.raises(ValueError, match="no time zone"):
        prepare_clock({}).between(NOW.replace(tzinfo=None), NOW)


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        # The day on which the clocks go forward has 23 hours.
        ("Europe/Warsaw", "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"),
        ("Europe/Warsaw", "2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"),
        # Midnight is skipped: the day begins at one o'clock.
        ("America/Santiago", "2025-09-06T12:00:00Z", "2025-09-07T04:00:00Z"),
        # A minute after midnight the clocks went back to the day before.
        ("America/St_Johns", "2010-11-06T12:00:00Z", "2010-11-07T02:30:00Z"),
        ("America/St_Johns", "2010-11-07T02:30:00Z", "2010-11-07T02:31:00Z"),
        ("America/St_Johns", "2010-11-07T02:31:00Z", "2010-11-07T03:30:00Z"),
    ],
)
def test_the_next_date_begins_with_its_first_moment(zone: str, after: str, expected: str) -> None:
    found = next_date(datetime.fromisoformat(after), ZoneInfo(zone))
    assert found == datetime.fromisoformat(expected)
