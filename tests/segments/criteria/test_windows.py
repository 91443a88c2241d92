"""Every edge of every window, by plain examples."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.reference.criteria import Person
from tests.segments.criteria.asking import all_of, did, lasting, person, rolled_back, rule, who
from tests.segments.criteria.people import NEW_YORK, WARSAW, add_people, make_world, members

pytestmark = pytest.mark.usefixtures("definitions")

NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
WEEK_AGO = NOW - 7 * DAY
WORLD = make_world(NOW)


def seen(at: datetime) -> Person:
    return person(fields={"last_seen_at": at})


def born(on: date) -> Person:
    return person(fields={"birth_date": on})


def test_in_last_begins_after_its_edge_and_ends_with_now() -> None:
    people = [seen(at) for at in (WEEK_AGO, WEEK_AGO + TICK, NOW, NOW + TICK)]
    asked = rule("contact.last_seen_at", "inLast", lasting(7, "day"))
    assert who(WORLD, asked, *people) == [False, True, True, False]


def test_in_next_begins_after_now_and_ends_with_its_edge() -> None:
    edge = NOW + 7 * DAY
    people = [seen(at) for at in (NOW, NOW + TICK, edge, edge + TICK)]
    asked = rule("contact.last_seen_at", "inNext", lasting(1, "week"))
    assert who(WORLD, asked, *people) == [False, True, True, False]


def test_not_in_last_is_the_complement_and_holds_where_the_time_is_missing() -> None:
    people = [seen(WEEK_AGO), seen(WEEK_AGO + TICK), seen(NOW + TICK), person()]
    asked = rule("contact.last_seen_at", "notInLast", lasting(7, "day"))
    assert who(WORLD, asked, *people) == [True, False, True, True]


@pytest.mark.parametrize(
    "more",
    [
        {"operator": ">=", "value": 1},  # by the statistics
        {"operator": ">=", "value": 1, "where": [rule("properties.x", "null")]},  # by the events
        {"operator": "between", "value": [1, 1]},  # by counting them
        {"operator": "notNull", "measure": {"function": "last"}},
        {"operator": "notNull", "measure": {"function": "minimum", "property": "amount"}},
    ],
)
def test_events_in_a_window_count_from_after_its_edge_up_to_now(more: dict[str, Any]) -> None:
    conditions = [rule("occurred_at", "inLast", lasting(7, "day")), *more.get("where", [])]
    asked = {"field": "event.purchase", **more, "where": all_of(*conditions)}
    people = [
        did(("purchase", at, {"amount": 1})) for at in (WEEK_AGO, WEEK_AGO + TICK, NOW, NOW + TICK)
    ]
    assert who(WORLD, asked, *people) == [False, True, True, False]


def test_an_event_later_than_now_does_not_count_for_who_did_others_before() -> None:
    both = did(("purchase", WEEK_AGO), ("purchase", NOW + DAY))
    later = did(("purchase", NOW + TICK))
    for asked, expected in (
        (rule("event.purchase", ">=", 1), [True, False]),
        (rule("event.purchase", "=", 0), [False, True]),
        (rule("event.purchase", "=", 1), [True, False]),
        (rule("event.purchase", ">=", 2), [False, False]),
        (rule("event.purchase", "<", 2), [True, True]),
    ):
        assert who(WORLD, asked, both, later) == expected, asked


def test_an_event_at_now_counts_once() -> None:
    at_now = did(("purchase", WEEK_AGO), ("purchase", NOW), ("purchase", NOW + TICK))
    exactly = did(("purchase", WEEK_AGO), ("purchase", NOW))
    with rolled_back():
        ids = add_people([at_now, exactly])
        for operator in ("=", "<=", "between"):
            asked = rule("event.purchase", operator, [2, 2] if operator == "between" else 2)
            assert members(all_of(asked), WORLD) == ids


def test_first_and_last_are_those_up_to_now() -> None:
    both = did(("purchase", WEEK_AGO), ("purchase", NOW + DAY))
    later = did(("purchase", NOW + TICK))
    first, last = {"measure": {"function": "first"}}, {"measure": {"function": "last"}}
    for asked, expected in (
        (rule("event.purchase", "=", WEEK_AGO.isoformat(), **last), [True, False]),
        (rule("event.purchase", "=", WEEK_AGO.isoformat(), **first), [True, False]),
        (rule("event.purchase", "notInLast", lasting(6, "day"), **last), [True, True]),
        (rule("event.purchase", "notNull", **first), [True, False]),
        (rule("event.purchase", "null", **last), [False, True]),
    ):
        assert who(WORLD, asked, both, later) == expected, asked


def test_last_bought_over_two_weeks_ago() -> None:
    edge = NOW - 14 * DAY
    asked = all_of(
        rule("event.purchase", "notInLast", lasting(14, "day"), measure={"function": "last"}),
        rule("event.purchase", ">=", 1),
    )
    people = [did(("purchase", edge)), did(("purchase", edge + TICK)), person()]
    assert who(WORLD, asked, *people) == [True, False, False]


def test_conditions_on_time_meet_to_one_window() -> None:
    where = all_of(
        rule("occurred_at", ">", WEEK_AGO.isoformat()),
        rule("occurred_at", "<", (WEEK_AGO + DAY).isoformat()),
        rule("occurred_at", "notInLast", lasting(150, "hour")),
    )
    edge = NOW - timedelta(hours=150)
    people = [did(("purchase", at)) for at in (WEEK_AGO, WEEK_AGO + TICK, edge, edge + TICK)]
    asked = rule("event.purchase", ">=", 1, where=where)
    assert who(WORLD, asked, *people) == [False, True, True, False]


def test_a_month_back_from_the_last_of_march_is_the_last_of_february() -> None:
    now = datetime(2025, 3, 31, 9, 0, tzinfo=WARSAW)
    edge = datetime(2025, 2, 28, 9, 0, tzinfo=WARSAW)
    asked = rule("contact.last_seen_at", "inLast", lasting(1, "month"))
    assert who(make_world(now), asked, seen(edge), seen(edge + TICK)) == [False, True]


def test_a_month_is_a_step_of_wall_time_and_thirty_days_are_not() -> None:
    now = datetime(2024, 4, 15, 12, 0, tzinfo=WARSAW)  # after the clocks went forward
    same_wall_time = datetime(2024, 3, 15, 12, 0, tzinfo=WARSAW).astimezone(UTC)
    hours_ago = now.astimezone(UTC) - timedelta(hours=31 * 24)
    people = [seen(same_wall_time), seen(same_wall_time + TICK), seen(hours_ago + TICK)]
    for duration, expected in (
        (lasting(1, "month"), [False, True, False]),
        (lasting(31, "day"), [True, True, True]),
    ):
        asked = rule("contact.last_seen_at", "inLast", duration)
        assert who(make_world(now), asked, *people) == expected


def test_a_day_is_24_hours_over_a_clock_change() -> None:
    now = datetime(2024, 3, 31, 10, 30, tzinfo=WARSAW)
    edge = datetime(2024, 3, 30, 9, 30, tzinfo=WARSAW)
    asked = rule("contact.last_seen_at", "inLast", lasting(1, "day"))
    assert who(make_world(now), asked, seen(edge), seen(edge + TICK)) == [False, True]


def test_a_window_that_leaves_the_calendar_reaches_to_its_end() -> None:
    people = [seen(datetime(1, 1, 2, tzinfo=UTC)), seen(NOW), seen(NOW + TICK), person()]
    for asked, expected in (
        (
            rule("contact.last_seen_at", "inLast", lasting(10000, "year")),
            [True, True, False, False],
        ),
        (
            rule("contact.last_seen_at", "inNext", lasting(9000, "year")),
            [False, False, True, False],
        ),
    ):
        assert who(WORLD, asked, *people) == expected


def test_a_date_given_for_an_instant_is_its_first_moment_in_the_zone() -> None:
    midnight = datetime(2025, 6, 15, tzinfo=WARSAW).astimezone(UTC)
    people = [seen(midnight - TICK), seen(midnight)]
    asked = rule("contact.last_seen_at", ">=", "2025-06-15")
    assert who(WORLD, asked, *people) == [False, True]


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        # The clocks go forward at midnight: the day begins at one o'clock.
        ("America/Sao_Paulo", "2017-10-15", datetime(2017, 10, 15, 3, 0, tzinfo=UTC)),
        # They go back to midnight at one: it comes twice, and the first one counts.
        ("America/Havana", "2024-11-03", datetime(2024, 11, 3, 4, 0, tzinfo=UTC)),
    ],
)
def test_the_first_moment_of_a_day_whose_midnight_is_skipped_or_comes_twice(
    zone: str, day: str, first: datetime
) -> None:
    world = make_world(datetime(2025, 1, 1, tzinfo=UTC), ZoneInfo(zone))
    by_value = rule("contact.last_seen_at", "=", day)
    assert who(world, by_value, seen(first - TICK), seen(first)) == [False, True]
    where = all_of(rule("properties.x", "<=", first.isoformat()))
    before = all_of(rule("properties.x", "<", first.isoformat()))
    person_with_day = did(("purchase", WEEK_AGO - 400 * DAY, {"x": day}))
    for condition, expected in ((where, [True]), (before, [False])):
        asked = rule("event.purchase", ">=", 1, where=condition)
        assert who(world, asked, person_with_day) == expected


def test_dates_in_the_last_days_include_today_and_leave_out_the_first() -> None:
    days = [date(2025, 6, 12), date(2025, 6, 13), date(2025, 6, 15), date(2025, 6, 16)]
    asked = rule("contact.birth_date", "inLast", lasting(3, "day"))
    assert who(WORLD, asked, *map(born, days)) == [False, True, True, False]


def test_dates_in_the_next_days_include_today_and_leave_out_the_last() -> None:
    days = [date(2025, 6, 14), date(2025, 6, 15), date(2025, 6, 17), date(2025, 6, 18)]
    asked = rule("contact.birth_date", "inNext", lasting(3, "day"))
    assert who(WORLD, asked, *map(born, days)) == [False, True, True, False]


@pytest.mark.parametrize(
    ("duration", "outside", "inside"),
    [
        (lasting(2, "week"), date(2025, 6, 1), date(2025, 6, 2)),
        (lasting(1, "month"), date(2025, 5, 15), date(2025, 5, 16)),
        (lasting(1, "year"), date(2024, 6, 15), date(2024, 6, 16)),
    ],
)
def test_dates_in_the_last_weeks_months_years(
    duration: dict[str, Any], outside: date, inside: date
) -> None:
    asked = rule("contact.birth_date", "inLast", duration)
    assert who(WORLD, asked, born(outside), born(inside), person()) == [False, True, False]


def test_today_is_the_date_in_the_zone_of_the_workspace() -> None:
    now = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)
    asked = rule("contact.birth_date", "inLast", lasting(1, "day"))
    people = [born(date(2025, 12, 31)), born(date(2026, 1, 1))]
    assert who(make_world(now, NEW_YORK), asked, *people) == [True, False]
    assert who(make_world(now, WARSAW), asked, *people) == [False, True]


def test_an_instant_given_for_a_date_is_its_date_in_the_zone() -> None:
    asked = rule("contact.birth_date", "=", "2025-06-14T23:30:00Z")
    assert who(WORLD, asked, born(date(2025, 6, 14)), born(date(2025, 6, 15))) == [False, True]


def test_anniversaries_begin_today_and_end_before_the_last_day() -> None:
    days = [date(1980, 6, 14), date(1980, 6, 15), date(1980, 6, 21), date(1980, 6, 22)]
    asked = rule("contact.birth_date", "anniversaryInNext", lasting(7, "day"))
    assert who(WORLD, asked, *map(born, days), person()) == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2025, 2, 28), [True, True, False]),  # no leap year: the 29th falls on the 28th
        (date(2024, 2, 28), [False, True, False]),
        (date(2024, 2, 29), [True, False, False]),
        (date(2025, 3, 1), [False, False, True]),
    ],
)
def test_who_was_born_on_29_february_celebrates_on_the_28th_in_other_years(
    today: date, expected: list[bool]
) -> None:
    now = datetime(today.year, today.month, today.day, 12, tzinfo=WARSAW)
    days = [date(2000, 2, 29), date(2001, 2, 28), date(2001, 3, 1)]
    asked = rule("contact.birth_date", "anniversaryInNext", lasting(1, "day"))
    assert who(make_world(now), asked, *map(born, days)) == expected


def test_an_anniversary_over_the_turn_of_the_year() -> None:
    now = datetime(2025, 12, 30, 12, tzinfo=WARSAW)
    days = [date(1990, 12, 29), date(1990, 1, 2), date(1990, 1, 3)]
    asked = rule("contact.birth_date", "anniversaryInNext", lasting(4, "day"))
    assert who(make_world(now), asked, *map(born, days)) == [False, True, False]


def test_every_date_has_an_anniversary_within_a_year() -> None:
    asked = rule("contact.birth_date", "anniversaryInNext", lasting(366, "day"))
    people = [born(date(2000, 2, 29)), born(date(1999, 6, 14)), person()]
    assert who(WORLD, asked, *people) == [True, True, False]
