"""Each rule and group is counted as the reference counts it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given

from segments.criteria import compile_counts
from tests.chance import chance
from tests.reference.criteria import holds
from tests.segments.criteria.asking import all_of, rolled_back, rule
from tests.segments.criteria.people import add_people, make_world, read, run
from tests.segments.criteria.strategies import Case, cases
from tests.segments.factories import NOW


def parts(node: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """The rules and groups that are not disabled, each by its path."""
    if node.get("disabled"):
        return {}
    found = {path: node}
    for index, child in enumerate(node.get("rules", ())):
        found |= parts(child, f"{path}.rules[{index}]" if path else f"rules[{index}]")
    return found


@pytest.mark.usefixtures("definitions")
@chance(seldom=4, often=12, derandomize=True, suppress_health_check=[*HealthCheck])
@given(case=cases())
def test_each_part_is_counted_as_the_reference_counts_it(case: Case) -> None:
    world = make_world(case.now, case.zone)
    with rolled_back():
        add_people(case.people)
        for document in case.documents:
            found: dict[str, int] = {}
            for query in compile_counts(read(document, world), now=world.now):
                [row] = run(query.query)
                for paths, count in zip(query.paths, row, strict=True):
                    found.update(dict.fromkeys(paths, count))
            assert found == {
                path: sum(
                    holds(part if "rules" in part else all_of(part), person, world)
                    for person in case.people
                )
                for path, part in parts(document).items()
            }


def test_what_means_the_same_is_counted_once() -> None:
    world = make_world(NOW)
    document = all_of(rule("contact.city", "=", "Warszawa"))
    [query] = compile_counts(read(document, world), now=NOW)
    assert query.paths == (("", "rules[0]"),)
