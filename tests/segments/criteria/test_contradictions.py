"""What is told to be a contradiction holds for nobody; the usual ones are found."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from segments.criteria import find_contradiction
from tests.chance import chance
from tests.reference.criteria import holds
from tests.segments.criteria.people import WARSAW, make_world, read
from tests.segments.criteria.strategies import Case, cases, documents_at

# To make a failing case small takes minutes.
_QUICKLY: dict[str, Any] = {
    "phases": [Phase.explicit, Phase.generate],
    "suppress_health_check": [*HealthCheck],
}
NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)
WORLD = make_world(NOW)


def rule(field: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value, **more}


def group(combinator: str, *rules: dict[str, Any], negated: bool = False) -> dict[str, Any]:
    return {"combinator": combinator, "rules": list(rules), "not": negated}


def both(*rules: dict[str, Any]) -> dict[str, Any]:
    return group("and", *rules)


def either(*rules: dict[str, Any]) -> dict[str, Any]:
    return group("or", *rules)


def no(*rules: dict[str, Any]) -> dict[str, Any]:
    return group("or", *rules, negated=True)


def days(amount: int, unit: str = "day") -> dict[str, Any]:
    return {"amount": amount, "unit": unit}


def times(operator: str, value: int, *where: dict[str, Any]) -> dict[str, Any]:
    return rule("event.purchase", operator, value, where=both(*where))


def paths(document: dict[str, Any]) -> tuple[str, ...] | None:
    found = find_contradiction(read(document, WORLD))
    return None if found is None else found.paths


_OLD, _YOUNG = rule("attribute.number", ">", 60), rule("attribute.number", "<", 18)
_CITY = rule("contact.city", "=", "Warszawa")
_VIP, _NO_VIP = rule("tag", "in", ["vip"]), rule("tag", "notIn", ["vip", "new"])
_RECENT = rule("occurred_at", "inLast", days(3))

CONTRADICTORY = [
    both(_OLD, _YOUNG),
    both(_OLD, both(_CITY, _YOUNG)),
    both(_OLD, either(_YOUNG, rule("attribute.number", "=", 30))),
    both(_OLD, no(rule("attribute.number", ">=", 60))),
    both(_OLD, rule("attribute.number", "null")),
    both(rule("attribute.number", "between", [5, 1])),
    both(rule("attribute.number", "between", [1, 5]), rule("attribute.number", ">", 5)),
    both(
        rule("attribute.number", ">=", 5),
        rule("attribute.number", "<=", 5),
        no(rule("attribute.number", "=", Decimal("5.0"))),
    ),
    both(_CITY, rule("contact.city", "=", "Kraków")),
    both(_CITY, rule("contact.city", "!=", "Warszawa")),
    both(_CITY, rule("contact.city", "in", ["Kraków", "Sopot"])),
    both(_CITY, rule("contact.city", "doesNotContain", "sza")),
    both(rule("contact.city", "in", ["Ab", "Ac"]), rule("contact.city", "beginsWith", "b")),
    both(rule("attribute.flag", "=", True), rule("attribute.flag", "=", False)),
    both(rule("loyalty.is_member", "!=", True), rule("loyalty.is_member", "!=", False)),
    both(rule("contact.lead_score", "null")),
    both(rule("contact.lead_score", "!=", 0), no(rule("contact.lead_score", "!=", 0))),
    both(
        rule("contact.birth_date", ">", "2000-01-01"), rule("contact.birth_date", "<", "2000-01-02")
    ),
    both(
        rule("contact.birth_date", "inLast", days(18, "year")),
        rule("contact.birth_date", "notInLast", days(60, "year")),
    ),
    both(
        rule("contact.created_at", "inLast", days(2, "hour")),
        rule("contact.created_at", "notInLast", days(1)),
    ),
    both(
        rule("contact.created_at", "inLast", days(2)), rule("contact.created_at", "inNext", days(2))
    ),
    both(
        rule("contact.birth_date", "anniversaryInNext", days(3)),
        rule("contact.birth_date", "notAnniversaryInNext", days(7)),
    ),
    both(_VIP, _NO_VIP),
    both(_VIP, rule("tag", "null")),
    both(rule("tag", "all", ["vip", "new"]), no(rule("tag", "all", ["new"]))),
    both(rule("attribute.sizes", "all", ["s", "m"]), rule("attribute.sizes", "notIn", ["m"])),
    both(rule("segment", "in", ["other"]), rule("segment", "notIn", ["other", "more"])),
    both(rule("journey.goal", "all", ["welcome"]), rule("journey.goal", "notIn", ["welcome"])),
    both(rule("consent.sms", "=", "granted"), rule("consent.sms", "in", ["withdrawn", "unknown"])),
    no(rule("consent.sms", "in", ["granted"]), rule("consent.sms", "in", ["withdrawn", "unknown"])),
    both(times(">=", 1), times("=", 0)),
    both(times(">", 2), times("<", 3)),
    both(times("<", 0)),
    both(times(">=", 1, _RECENT, rule("occurred_at", "notInLast", days(5)))),
    both(times(">=", 2, rule("properties.a", "=", 1), rule("properties.a", "!=", 1))),
    both(times(">=", 1, _RECENT), no(times(">", 0, _RECENT))),
    both(either()),
    no(both()),
]
POSSIBLE = [
    both(),
    both(_OLD, _CITY),
    either(_OLD, _YOUNG),
    no(_OLD, _YOUNG),
    both(rule("attribute.number", "!=", 1), rule("attribute.number", "!=", 2)),
    both(no(_OLD), no(rule("attribute.number", "<=", 60))),
    both(rule("attribute.flag", "!=", True), rule("attribute.flag", "!=", False)),
    both(
        rule("contact.birth_date", "inLast", days(3)), rule("contact.birth_date", "inNext", days(3))
    ),
    both(_VIP, rule("tag", "notIn", ["new"])),
    both(rule("tag", "in", ["vip", "new"]), rule("tag", "notIn", ["vip"])),
    both(times(">", 2), times("<", 3, _RECENT)),
    both(times(">", 1), times("<", 3)),
    both(times(">=", 1, rule("properties.a", "=", 1), rule("properties.a", "=", "1"))),
    both(rule("contact.city", "=", "İzmir"), rule("contact.city", "contains", "i")),
    both(
        rule("contact.created_at", "inLast", days(1, "month")),
        rule("contact.created_at", "notInLast", days(20)),
    ),
    both(rule("segment", "in", ["never_calculated"])),
    both(rule("journey.goal", "in", ["welcome"]), rule("journey.inside", "notIn", ["welcome"])),
]


@pytest.mark.parametrize("document", CONTRADICTORY)
def test_what_can_never_hold_is_told(document: dict[str, Any]) -> None:
    assert paths(document) is not None


@pytest.mark.parametrize("document", POSSIBLE)
def test_what_may_hold_is_not_told(document: dict[str, Any]) -> None:
    assert paths(document) is None


def test_the_fewest_rules_that_say_it_are_named() -> None:
    found = paths(both(_CITY, _OLD, rule("attribute.number", "<", 90), _VIP, both(_YOUNG)))
    assert found is not None
    assert set(found) == {"rules[1]", "rules[4].rules[0]"}
    assert paths(both(_CITY, times("<", 0))) == ("rules[1]",)


@chance(seldom=8, often=25, derandomize=True, **_QUICKLY)
@given(case=cases(), data=st.data())
def test_nobody_satisfies_what_is_told_to_be_a_contradiction(
    case: Case, data: st.DataObject
) -> None:
    _compare(case, data)


@pytest.mark.long
@settings(max_examples=1500, deadline=None, **_QUICKLY)
@given(case=cases(), data=st.data())
def test_nobody_satisfies_a_contradiction_whatever_chance_asks(
    case: Case, data: st.DataObject
) -> None:
    _compare(case, data)


def _compare(case: Case, data: st.DataObject) -> None:
    """Hold what is told of each document, and of two of them together, against the reference."""
    world = make_world(case.now, case.zone)
    # Documents with few names and values, so that two of them often contradict each other.
    one, other = (data.draw(st.sampled_from(case.documents)) for _ in range(2))
    turns = [{**d, "not": data.draw(st.booleans())} for d in (one, other)]
    together = [both(*turns)] if max(map(_depth, turns)) < 8 else []
    for document in [*case.documents, *together]:
        if find_contradiction(read(document, world)) is not None:
            assert not any(holds(document, person, world) for person in case.people), document


@settings(max_examples=25, deadline=None, derandomize=True, **_QUICKLY)
@given(document=documents_at(NOW, WARSAW))
def test_a_rule_and_its_opposite_contradict_each_other(document: dict[str, Any]) -> None:
    for found in document["rules"]:
        if "rules" not in found and not found.get("disabled"):
            assert paths(both(found, no(found))) is not None, found


def _depth(node: dict[str, Any]) -> int:
    children = [child for child in node["rules"] if "rules" in child or "where" in child]
    inner = [_depth(child if "rules" in child else child["where"]) for child in children]
    return 1 + max(inner, default=0)
