"""Two opinions: the SQL selects the people whom the reference selects."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from segments.criteria import compile_clauses, compile_count, compile_sample, explain
from tests.chance import chance
from tests.reference.criteria import holds, rule_holds
from tests.segments.criteria.asking import rolled_back
from tests.segments.criteria.people import WARSAW, add_people, make_world, members, read, run
from tests.segments.criteria.strategies import Case, cases, documents_at

NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)


def leaves(group: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The rules that are not disabled, each with its path."""
    for index, rule in enumerate(group["rules"]):
        inner = f"{path}.rules[{index}]" if path else f"rules[{index}]"
        if rule.get("disabled"):
            continue
        if "rules" in rule:
            yield from leaves(rule, inner)
        else:
            yield inner, rule


def compare(case: Case) -> None:
    """Hold the SQL of each document against the reference, for all people and for some."""
    world = make_world(case.now, case.zone)
    with rolled_back():
        ids = add_people(case.people)
        some = ids[::2]
        for document in case.documents:
            expected = [
                number
                for number, person in zip(ids, case.people, strict=True)
                if holds(document, person, world)
            ]
            shown = json.dumps(document, default=str)
            assert members(document, world) == expected, shown
            found = members(document, world, among=some)
            assert found == [number for number in expected if number in some], shown


@pytest.mark.usefixtures("definitions")
@chance(seldom=16, often=80, derandomize=True, suppress_health_check=[*HealthCheck])
@given(case=cases())
def test_sql_and_reference_select_the_same_people(case: Case) -> None:
    compare(case)


@pytest.mark.long
@pytest.mark.usefixtures("definitions")
@settings(max_examples=2500, deadline=None, suppress_health_check=[*HealthCheck])
@given(case=cases())
def test_sql_and_reference_select_the_same_people_whatever_chance_asks(case: Case) -> None:
    compare(case)


@pytest.mark.usefixtures("definitions")
@chance(seldom=3, often=10, derandomize=True, suppress_health_check=[*HealthCheck])
@given(case=cases())
def test_clauses_say_of_each_rule_what_the_reference_says(case: Case) -> None:
    world = make_world(case.now, case.zone)
    with rolled_back():
        ids = add_people(case.people)
        for document in case.documents:
            criteria = read(document, world)
            for number, person in list(zip(ids, case.people, strict=True))[:2]:
                query = compile_clauses(criteria, now=world.now, contact_id=number)
                found = [(path, is_so) for path, is_so, _ in run(query)]
                assert found == [
                    (path, not person.is_erased and rule_holds(rule, person, world))
                    for path, rule in leaves(document)
                ]


@pytest.mark.usefixtures("definitions")
@chance(seldom=3, often=10, derandomize=True, suppress_health_check=[*HealthCheck])
@given(case=cases())
def test_count_and_sample_agree_with_the_members(case: Case) -> None:
    world = make_world(case.now, case.zone)
    with rolled_back():
        add_people(case.people)
        for document in case.documents:
            criteria, found = read(document, world), members(document, world)
            assert run(compile_count(criteria, now=world.now)) == [(len(found),)]
            sample = run(compile_sample(criteria, now=world.now, limit=2, after=1))
            assert [row[0] for row in sample] == [n for n in found if n > 1][:2]


@chance(seldom=30, often=80, derandomize=True, suppress_health_check=[*HealthCheck])
@given(document=documents_at(NOW, WARSAW))
def test_every_document_can_be_said_in_words(document: dict[str, Any]) -> None:
    sentence = explain(read(document, make_world(NOW)))
    assert sentence.endswith("."), sentence
    assert "{" not in sentence.replace("{1}", ""), sentence
