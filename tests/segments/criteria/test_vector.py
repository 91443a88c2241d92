"""Many documents in one statement say of each contact what each document says alone."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from segments.criteria import compile_vector, prepare_vector
from segments.criteria.leaves import MOST_COLUMNS
from tests.chance import chance
from tests.reference.criteria import holds
from tests.segments.criteria.asking import all_of, did, lasting, person, rolled_back, rule
from tests.segments.criteria.people import add_people, make_world, members, read, run
from tests.segments.criteria.strategies import Case, cases

pytestmark = pytest.mark.usefixtures("definitions")

NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)
WORLD = make_world(NOW)
WEEK = lasting(7, "day")


def compare(case: Case) -> None:
    """Hold one statement for all documents against the reference, and against each by itself."""
    world = make_world(case.now, case.zone)
    trees = {place: read(document, world) for place, document in enumerate(case.documents, 100)}
    with rolled_back():
        ids = add_people(case.people)
        some = [*ids[::2], 999]
        rows = run(compile_vector(trees, now=world.now, among=some))
        found: dict[int, list[int]] = dict(rows)
        assert len(found) == len(rows)
        for number, person in zip(ids, case.people, strict=True):
            if person.is_erased or number not in some:
                assert number not in found
                continue
            for place, document in enumerate(case.documents, 100):
                shown = json.dumps(document, default=str)
                assert (place in found[number]) == holds(document, person, world), shown
        for place, document in enumerate(case.documents, 100):
            alone = members(document, world, among=some)
            assert alone == sorted(number for number, held in found.items() if place in held)


@chance(seldom=4, often=12, derandomize=True, suppress_health_check=[*HealthCheck])
@given(case=cases())
def test_one_statement_says_what_each_document_says_alone(case: Case) -> None:
    compare(case)


@pytest.mark.long
@settings(max_examples=2500, deadline=None, suppress_health_check=[*HealthCheck])
@given(case=cases())
def test_one_statement_says_what_each_says_whatever_chance_asks(case: Case) -> None:
    compare(case)


def test_the_statement_is_made_once_and_asked_at_any_instant_about_anyone() -> None:
    lately = rule("event.purchase", ">=", 1, where=all_of(rule("occurred_at", "inLast", WEEK)))
    never = rule("event.purchase", "=", 0)
    trees = {7: read(all_of(lately), WORLD), 5: read(all_of(never), WORLD)}
    vector = prepare_vector(trees)
    with rolled_back():
        ids = add_people([did(("purchase", NOW)), person(), person(is_erased=True)])
        found = {
            days: run(vector.at(now=NOW + timedelta(days=days), among=[*ids, 99]))
            for days in (-1, 0, 7)
        }
        some = run(vector.at(now=NOW, among=ids[1:]))
    assert {days: dict(rows) for days, rows in found.items()} == {
        -1: {1: [5], 2: [5]},
        0: {1: [7], 2: [5]},
        7: {1: [], 2: [5]},
    }
    assert some == [(2, [5])]


def test_an_instant_without_a_time_zone_is_refused() -> None:
    vector = prepare_vector({1: read(all_of(), WORLD)})
    with pytest.raises(ValueError, match="no time zone"):
        vector.at(now=NOW.replace(tzinfo=None), among=[1])


def test_no_documents_and_no_contacts_make_a_statement_too() -> None:
    with rolled_back():
        add_people([person()])
        assert run(compile_vector({}, now=NOW, among=[1])) == [(1, [])]
        assert run(compile_vector({1: read(all_of(), WORLD)}, now=NOW, among=[])) == []


def test_more_questions_than_a_table_has_columns_are_answered() -> None:
    trees = {
        number: read(all_of(rule("event.purchase", "=", Decimal(number))), WORLD)
        for number in range(1, MOST_COLUMNS + 3)
    }
    with rolled_back():
        ids = add_people(
            [did(("purchase", NOW)), did(("purchase", NOW), ("purchase", NOW - timedelta(days=7)))]
        )
        assert run(compile_vector(trees, now=NOW, among=ids)) == [(1, [1]), (2, [2])]


def test_events_are_read_from_the_earliest_edge_on_that_any_document_has() -> None:
    def lately(event: str, days: int, **more: Any) -> Any:
        where = all_of(rule("occurred_at", "inLast", lasting(days, "day")))
        return read(all_of(rule(f"event.{event}", ">=", 1, where=where, **more)), WORLD)

    dear = rule("event.page_visit", ">=", 1, where=all_of(rule("properties.amount", ">", 5)))
    windows = {7: lately("purchase", 7), 30: lately("purchase", 30), 90: lately("page_visit", 90)}
    days_ago = (1, 20, 60, 100)
    people = [
        did((event, NOW - timedelta(days=days), {"amount": 6}))
        for event in ("purchase", "page_visit")
        for days in days_ago
    ]
    with rolled_back():
        ids = add_people(people)
        bounded = run(compile_vector(windows, now=NOW, among=ids))
        trees = {**windows, 1: read(all_of(dear), WORLD)}
        unbounded = run(compile_vector(trees, now=NOW, among=ids))
    assert [held for _, held in sorted(bounded)] == [
        *([7, 30], [30], [], []),
        *([90], [90], [90], []),
    ]
    assert [held for _, held in sorted(unbounded)] == [
        *([7, 30], [30], [], []),
        *([90, 1], [90, 1], [90, 1], [1]),
    ]
