"""First this, then that: the edges of sequences, by plain examples."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.segments.criteria.asking import all_of, did, lasting, person, rule, who
from tests.segments.criteria.people import WARSAW, make_world

pytestmark = pytest.mark.usefixtures("definitions")

NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
START = NOW - 100 * HOUR
WORLD = make_world(NOW)


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"field": "sequence", "steps": list(steps)}


VISIT, PURCHASE = {"event": "page_visit"}, {"event": "purchase"}
WITHIN = {"within": lasting(2, "day")}


def test_the_next_event_is_strictly_later() -> None:
    people = [
        did(("page_visit", START), ("purchase", START + apart)) for apart in (-TICK, 0 * TICK, TICK)
    ]
    assert who(WORLD, sequence(VISIT, PURCHASE), *people) == [False, False, True]


def test_within_includes_its_end() -> None:
    people = [
        did(("page_visit", START), ("purchase", START + 48 * HOUR + apart))
        for apart in (0 * TICK, TICK)
    ]
    assert who(WORLD, sequence(VISIT, {**PURCHASE, **WITHIN}), *people) == [True, False]


def test_any_choice_of_events_will_do() -> None:
    """The first visit is too early, the second fits."""
    late = START + 60 * HOUR
    someone = did(("page_visit", START), ("page_visit", late - HOUR), ("purchase", late))
    assert who(WORLD, sequence(VISIT, {**PURCHASE, **WITHIN}), someone) == [True]


def test_three_steps_need_one_chain_that_fits_throughout() -> None:
    """The purchase is in time for the first visit only, the last visit for the second only."""
    asked = sequence(VISIT, {**PURCHASE, "within": lasting(1, "hour")}, {**VISIT, **WITHIN})
    broken = did(
        ("page_visit", START), ("purchase", START + HOUR), ("page_visit", START + 50 * HOUR)
    )
    whole = did(
        ("page_visit", START), ("purchase", START + HOUR), ("page_visit", START + 49 * HOUR)
    )
    assert who(WORLD, asked, broken, whole) == [False, True]


def test_a_step_that_did_not_happen_waits_until_its_time_is_over() -> None:
    asked = sequence(VISIT, {**PURCHASE, **WITHIN, "not": True})
    people = [did(("page_visit", NOW - 48 * HOUR + apart)) for apart in (-TICK, 0 * TICK, TICK)]
    assert who(WORLD, asked, *people) == [True, False, False]


def test_a_step_that_did_not_happen_is_judged_for_each_choice() -> None:
    asked = sequence(VISIT, {**PURCHASE, **WITHIN, "not": True})
    bought = did(("page_visit", START), ("purchase", START + HOUR))
    came_again = did(
        ("page_visit", START), ("purchase", START + HOUR), ("page_visit", START + 2 * HOUR)
    )
    too_late = did(("page_visit", START), ("purchase", START + 48 * HOUR + TICK))
    in_time = did(("page_visit", START), ("purchase", START + 48 * HOUR))
    at_once = did(("page_visit", START), ("purchase", START))
    people = [bought, came_again, too_late, in_time, at_once]
    assert who(WORLD, asked, *people) == [False, True, True, False, True]


def test_conditions_of_a_step_choose_its_events() -> None:
    asked = sequence(VISIT, {**PURCHASE, "where": all_of(rule("properties.amount", ">", 10))})
    people = [
        did(("page_visit", START), ("purchase", START + HOUR, {"amount": amount}))
        for amount in (10, 11)
    ]
    assert who(WORLD, asked, *people) == [False, True]


def test_an_event_that_was_never_seen_ends_a_chain_and_satisfies_not() -> None:
    never = {"event": "never_seen"}
    someone = did(("page_visit", START))
    assert who(WORLD, sequence(VISIT, never), someone) == [False]
    assert who(WORLD, sequence(VISIT, {**never, **WITHIN, "not": True}), someone) == [True]


def test_events_later_than_now_are_in_no_sequence() -> None:
    someone = did(("page_visit", START), ("purchase", NOW + TICK))
    assert who(WORLD, sequence(VISIT, PURCHASE), someone, person()) == [False, False]


def test_a_month_after_the_last_of_january_ends_with_february() -> None:
    start = datetime(2025, 1, 31, 12, 0, tzinfo=WARSAW)
    edge = datetime(2025, 2, 28, 12, 0, tzinfo=WARSAW)
    asked = sequence(VISIT, {**PURCHASE, "within": lasting(1, "month")})
    people = [did(("page_visit", start), ("purchase", at)) for at in (edge, edge + TICK)]
    assert who(WORLD, asked, *people) == [True, False]
