"""When time alone turns a rule or a segment, held against a second opinion at that moment."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings

from segments import deadlines, reasons
from segments.criteria import Query, compile_clauses
from segments.criteria.moments import crossings
from segments.criteria.syntax import Duration, Unit
from segments.criteria.times import step_instant
from segments.deadlines import Turns, find_turns
from tests.chance import chance
from tests.reference.criteria import Person, World, holds, rule_holds
from tests.segments.criteria.asking import all_of, any_of, did, lasting, person, rolled_back, rule
from tests.segments.criteria.people import (
    NEW_YORK,
    WARSAW,
    add_definitions,
    add_people,
    make_world,
    read,
)
from tests.segments.criteria.strategies import Case, cases
from tests.segments.criteria.test_differential import leaves
from workspace import sql
from workspace.exactjson import exact_loads

TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def definitions(db: None) -> None:
    """Tags, events and the rest, as the catalog of the tests of criteria says."""
    add_definitions()


def _ask(query: Query) -> list[dict[str, Any]]:
    return sql.rows(query.text, query.params)


def _turns(document: Mapping[str, Any], number: int, world: World) -> Turns:
    tree = read(dict(document), world)
    found = {
        row["path"]: row for row in _ask(compile_clauses(tree, now=world.now, contact_id=number))
    }
    values = {
        path: None if row["value"] is None else exact_loads(row["value"])
        for path, row in found.items()
    }
    answers = {path: row["holds"] for path, row in found.items()}
    return find_turns(
        tree, contact_id=number, now=world.now, answers=answers, values=values, ask=_ask
    )


def _of(document: Mapping[str, Any], somebody: Person, world: World) -> Turns:
    with rolled_back():
        (number,) = add_people([somebody])
        return _turns(document, number, world)


def _probes(now: datetime, end: datetime | None, *, back: bool) -> Iterator[datetime]:
    """Moments from now on, dense at first, at most up to `end`."""
    sign = -1 if back else 1
    steps = [
        *(sign * hour * HOUR for hour in range(1, 72, 7)),
        *(sign * day * 13 * HOUR for day in range(1, 60, 3)),
        *(sign * month * timedelta(days=29, hours=5) for month in range(3, 40, 6)),
    ]
    for step in steps:
        at = now + step
        if end is None or (at >= end if back else at < end):
            yield at


def _check(document: dict[str, Any], somebody: Person, number: int, world: World) -> None:
    turns = _turns(document, number, world)
    shown = json.dumps(document, default=str)

    def at(moment: datetime) -> World:
        return replace(world, now=moment)

    asked: list[tuple[datetime | None, datetime | None, Any]] = [
        (turns.changes_at, None, lambda w: holds(document, somebody, w)),
        *(
            (
                turns.until.get(path),
                turns.since.get(path),
                lambda w, one=one: rule_holds(one, somebody, w),
            )
            for path, one in leaves(document)
        ),
    ]
    for until, since, is_so in asked:
        present = is_so(world)
        if until is not None:
            assert until > world.now
            assert is_so(at(until)) != present, (shown, until)
            assert is_so(at(until - TICK)) == present, (shown, until)
        for probe in _probes(world.now, until, back=False):
            assert is_so(at(probe)) == present, (shown, until, probe)
        if since is not None:
            assert since <= world.now
            assert is_so(at(since)) == present, (shown, since)
            assert is_so(at(since - TICK)) != present, (shown, since)
            for probe in _probes(world.now, since, back=True):
                assert is_so(at(probe)) == present, (shown, since, probe)


def _compare(case: Case) -> None:
    world = make_world(case.now, case.zone)
    with rolled_back():
        living = [one for one in case.people if not one.is_erased]
        ids = add_people(living)
        for number, somebody in list(zip(ids, living, strict=True))[:1]:
            for document in case.documents[:4]:
                _check(document, somebody, number, world)


@pytest.mark.usefixtures("definitions")
@chance(seldom=3, often=8, derandomize=True, suppress_health_check=[*HealthCheck])
@given(case=cases())
def test_a_rule_turns_at_the_moment_told_and_not_before(case: Case) -> None:
    _compare(case)


@pytest.mark.long
@pytest.mark.usefixtures("definitions")
@settings(max_examples=1000, deadline=None, suppress_health_check=[*HealthCheck])
@given(case=cases())
def test_a_rule_turns_at_the_moment_told_whatever_chance_asks(case: Case) -> None:
    _compare(case)


# --- Plain examples of the edges -----------------------------------------------------------------


def _bought(*days_ago: float) -> Person:
    return did(*(("purchase", NOW - days * DAY) for days in days_ago))


def _count(operator: str, value: int, days: int = 30) -> dict[str, Any]:
    where = all_of(rule("occurred_at", "inLast", lasting(days, "day")))
    return rule("event.purchase", operator, value, where=where)


@pytest.mark.usefixtures("definitions")
def test_a_count_turns_when_the_oldest_needed_event_falls_out_of_its_window() -> None:
    world = make_world(NOW)
    turns = _of(all_of(_count(">=", 2)), _bought(1, 5, 20, 40), world)
    assert turns.until == {"rules[0]": NOW + 25 * DAY}, "the second of the latest two"
    assert turns.changes_at == NOW + 25 * DAY
    assert turns.turning == ("rules[0]",)


@pytest.mark.usefixtures("definitions")
def test_since_is_when_the_second_event_came() -> None:
    turns = _of(all_of(_count(">=", 2)), _bought(1, 5, 40), make_world(NOW))
    assert turns.since == {"rules[0]": NOW - DAY}


@pytest.mark.usefixtures("definitions")
def test_a_sum_turns_when_what_is_left_is_too_little() -> None:
    where = all_of(rule("occurred_at", "inLast", lasting(1, "month")))
    measure = {"function": "sum", "property": "amount"}
    asked = all_of(rule("event.purchase", ">=", 50, measure=measure, where=where))
    somebody = did(
        ("purchase", NOW - 20 * DAY, {"amount": 10}),
        ("purchase", NOW - 10 * DAY, {"amount": 40}),
        ("purchase", NOW - 5 * DAY, {"amount": 5}),
    )
    turns = _of(asked, somebody, make_world(NOW))
    # 20 days ago is 10 February; a month later that is 10 March, at the same wall time.
    assert turns.changes_at == datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.usefixtures("definitions")
def test_a_group_turns_when_its_rules_together_do() -> None:
    either = any_of(_count(">=", 1, days=30), _count(">=", 1, days=90))
    turns = _of(either, _bought(10), make_world(NOW))
    assert turns.until == {"rules[0]": NOW + 20 * DAY, "rules[1]": NOW + 80 * DAY}
    assert turns.changes_at == NOW + 80 * DAY
    both_ways = all_of(_count(">=", 1, days=30), all_of(_count("=", 0, days=5)))
    turns = _of(both_ways, _bought(1), make_world(NOW))
    assert turns.changes_at == NOW + 4 * DAY, "it enters; later it leaves"


@pytest.mark.usefixtures("definitions")
def test_what_did_not_follow_turns_a_tick_after_its_time() -> None:
    steps = [
        {"event": "page_visit"},
        {"event": "purchase", "within": lasting(2, "day"), "not": True},
    ]
    asked = all_of({"field": "sequence", "steps": steps})
    turns = _of(asked, did(("page_visit", NOW - DAY)), make_world(NOW))
    assert turns.changes_at == NOW + DAY + TICK


@pytest.mark.usefixtures("definitions")
def test_an_event_that_is_yet_to_come_counts_when_it_does() -> None:
    turns = _of(all_of(rule("event.purchase", ">=", 1)), _bought(-3), make_world(NOW))
    assert turns.changes_at == NOW + 3 * DAY


@pytest.mark.usefixtures("definitions")
@pytest.mark.parametrize(
    ("born", "now", "zone", "expected"),
    [
        # Seven days before 10 March, at midnight in Warszawa.
        ("1984-03-10", datetime(2026, 3, 2, 12, tzinfo=UTC), WARSAW, (2026, 3, 3, 23)),
        # 29 February falls on the 28th; after it the anniversary is a year away.
        ("1984-02-29", datetime(2026, 2, 25, 12, tzinfo=UTC), WARSAW, (2026, 2, 28, 23)),
        # On 1 November the clocks of New York are still ahead, at midnight.
        ("1984-11-07", datetime(2026, 10, 30, 12, tzinfo=UTC), NEW_YORK, (2026, 11, 1, 4)),
    ],
)
def test_a_birthday_comes_near_and_passes_at_midnight(
    born: str, now: datetime, zone: ZoneInfo, expected: tuple[int, int, int, int]
) -> None:
    asked = all_of(rule("contact.birth_date", "anniversaryInNext", lasting(7, "day")))
    somebody = person(fields={"birth_date": datetime.fromisoformat(born).date()})
    turns = _of(asked, somebody, make_world(now, zone))
    assert turns.changes_at == datetime(*expected, tzinfo=UTC)


@pytest.mark.usefixtures("definitions")
def test_a_month_ends_where_months_are_shorter() -> None:
    # 31 March less a month is 28 February: from 28 March at noon on it is out, and at midnight of
    # the 29th, 30th and 31st, when a month ago is the 28th again, in until noon.
    asked = all_of(rule("contact.created_at", "inLast", lasting(1, "month")))
    joined = datetime(2026, 2, 28, 11, 0, tzinfo=UTC)
    somebody = person(fields={"created_at": joined, "updated_at": joined})
    leaves_at = datetime(2026, 3, 28, 11, 0, tzinfo=UTC)
    for now, expected in (
        (NOW, leaves_at),
        (leaves_at, datetime(2026, 3, 28, 23, 0, tzinfo=UTC)),
        (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), datetime(2026, 3, 29, 10, 0, tzinfo=UTC)),
        (datetime(2026, 3, 31, 10, 0, tzinfo=UTC), None),
    ):
        assert _of(asked, somebody, make_world(now)).changes_at == expected


@pytest.mark.usefixtures("definitions")
def test_where_the_questions_do_not_do_it_is_told_too_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadlines, "QUESTION_LIMIT", 2)
    turns = _of(all_of(_count(">=", 1)), _bought(1, 2, 3, 4), make_world(NOW))
    assert turns.changes_at == turns.until["rules[0]"] == NOW + 28 * DAY
    monkeypatch.setattr(deadlines, "EVENT_LIMIT", 3)
    turns = _of(all_of(_count(">=", 1)), _bought(1, 2, 3, 4), make_world(NOW))
    assert turns.changes_at is None, "unknown"


@pytest.mark.usefixtures("definitions")
def test_rules_that_time_does_not_turn_ask_nothing() -> None:
    assert _of(all_of(rule("contact.city", "=", "x")), person(), make_world(NOW)) == Turns()


@pytest.mark.parametrize("zone", [WARSAW, NEW_YORK])
@pytest.mark.parametrize("amount", [1, 2, 12])
def test_every_step_over_an_instant_is_among_the_crossings(zone: ZoneInfo, amount: int) -> None:
    """Around month ends and changes of the clocks, quarter of an hour by quarter of an hour."""
    month = Duration(amount, Unit.MONTH)
    for start in (
        datetime(2025, 3, 30, 0, 30, tzinfo=UTC),
        datetime(2025, 10, 26, 1, 30, tzinfo=UTC),
    ):
        for slip in (-45, -3, 0, 1, 2, 7):
            at = start + slip * DAY
            known = sorted(crossings(at, month, zone, later=True))
            middle = step_instant(at, month, zone, back=False)
            assert middle is not None
            moment = middle - 5 * DAY
            before = (step_instant(moment, month, zone, back=True) or at) >= at
            while moment < middle + 5 * DAY:
                moment += HOUR / 4
                after = (step_instant(moment, month, zone, back=True) or at) >= at
                if after != before:
                    assert any(moment - HOUR / 4 < one <= moment for one in known), (at, moment)
                before = after


# --- Which rules decide --------------------------------------------------------------------------


def _tree(document: dict[str, Any]) -> Any:
    return read(document, make_world(NOW)).root


def _rules(*names: str) -> list[dict[str, Any]]:
    return [rule("contact.city", "=", name) for name in names]


def test_of_an_and_that_fails_each_rule_that_fails_decides() -> None:
    tree = _tree(all_of(*_rules("a", "b", "c")))
    answers = {"rules[0]": True, "rules[1]": False, "rules[2]": False}
    assert reasons.holds(tree, answers) is False
    assert reasons.deciding(tree, answers) == {"rules[1]", "rules[2]"}
    assert reasons.to_turn(tree, answers) == ("rules[1]", "rules[2]")


def test_of_an_or_that_holds_each_rule_that_holds_decides() -> None:
    tree = _tree(any_of(*_rules("a", "b", "c")))
    answers = {"rules[0]": True, "rules[1]": False, "rules[2]": True}
    assert reasons.deciding(tree, answers) == {"rules[0]", "rules[2]"}
    assert reasons.to_turn(tree, answers) == ("rules[0]", "rules[2]")
    assert reasons.to_turn(tree, dict.fromkeys(answers, False)) == ("rules[0]",)


def test_a_group_that_is_turned_around_is_decided_by_what_is_in_it() -> None:
    tree = _tree(all_of(*_rules("a"), any_of(*_rules("b", "c"), **{"not": True})))
    answers = {"rules[0]": True, "rules[1].rules[0]": False, "rules[1].rules[1]": True}
    assert reasons.holds(tree, answers) is False
    assert reasons.deciding(tree, answers) == {"rules[1].rules[1]"}
    assert reasons.to_turn(tree, answers) == ("rules[1].rules[1]",)


def test_an_empty_group_is_as_it_is() -> None:
    assert reasons.to_turn(_tree(all_of()), {}) is None
    assert reasons.deciding(_tree(all_of()), {}) == frozenset()


def test_nothing_is_said_of_what_may_not_be_told() -> None:
    tree = _tree(any_of(*_rules("a", "b")))
    answers = {"rules[0]": None, "rules[1]": False}
    assert reasons.holds(tree, answers) is None
    assert reasons.deciding(tree, answers) == frozenset()
    assert reasons.to_turn(tree, answers) is None
    assert reasons.holds(tree, {"rules[0]": None, "rules[1]": True}) is True


def _all_answers(paths: list[str]) -> Iterator[dict[str, bool]]:
    for number in range(2 ** len(paths)):
        yield {path: bool(number >> place & 1) for place, path in enumerate(paths)}


def test_turning_the_fewest_rules_turns_it_and_fewer_do_not() -> None:
    tree = _tree(
        all_of(
            any_of(*_rules("a"), all_of(*_rules("b", "c"))),
            all_of(*_rules("d"), any_of(*_rules("e", "f")), **{"not": True}),
        )
    )
    paths = sorted(_paths(tree))
    for answers in _all_answers(paths):
        before = reasons.holds(tree, answers)
        turned = reasons.to_turn(tree, answers)
        assert turned is not None
        after = {path: holds != (path in turned) for path, holds in answers.items()}
        assert reasons.holds(tree, after) != before
        distances = [
            sum(other[path] != answers[path] for path in paths)
            for other in _all_answers(paths)
            if reasons.holds(tree, other) != before
        ]
        assert len(turned) == min(distances)


def _paths(node: Any) -> Iterator[str]:
    for child in getattr(node, "children", ()):
        yield from _paths(child)
    if not hasattr(node, "children"):
        yield node.path
