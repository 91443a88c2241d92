"""Criteria that break the page are refused whole, with every fault and its path."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.criteria import (
    AttributeField,
    Catalog,
    CriteriaInvalid,
    Item,
    SegmentItem,
    Type,
    check,
    cyclic_segments,
    parse,
    parse_where,
)
from tests.chance import chance
from tests.segments.criteria.asking import all_of, any_of, lasting, rule
from tests.segments.criteria.people import CATALOG, WARSAW, make_world
from tests.segments.criteria.strategies import documents_at

WORLD = make_world(datetime(2025, 6, 15, 12, 0, tzinfo=UTC))


def faults(document: Any, catalog: Catalog = CATALOG) -> list[tuple[str, str]]:
    """The path and code of every fault."""
    return [(found.path, found.code) for found in check(document, catalog, WARSAW)]


def of_rule(**keys: Any) -> list[tuple[str, str]]:
    """The faults of a document with this one rule, paths beginning at the rule."""
    found = faults({"combinator": "and", "rules": [keys]})
    return [(path.removeprefix("rules[0]").removeprefix("."), code) for path, code in found]


CITY = rule("contact.city", "=", "Warszawa")
DAYS = lasting(3, "day")
COUNTED = {"field": "event.purchase", "operator": ">=", "value": 1}
A, B = {"event": "a"}, {"event": "b"}


def where(*rules: dict[str, Any]) -> dict[str, Any]:
    return {**COUNTED, "where": all_of(*rules)}


def steps(*found: Any) -> dict[str, Any]:
    return {"field": "sequence", "steps": list(found)}


def created(duration: Any) -> dict[str, Any]:
    return rule("contact.created_at", "inLast", duration)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], [("", "malformed")]),
        ("text", [("", "malformed")]),
        (None, [("", "malformed")]),
        (CITY, [("", "malformed")]),
        ({}, [("combinator", "missing_value"), ("rules", "missing_value")]),
        ({"combinator": "xor", "rules": []}, [("combinator", "malformed")]),
        ({"combinator": "", "rules": []}, [("combinator", "missing_value")]),
        ({"combinator": "and", "rules": {}}, [("rules", "malformed")]),
        ({"combinator": "and", "rules": [], "not": "yes"}, [("not", "malformed")]),
        ({"combinator": "and", "rules": [], "not": 1}, [("not", "malformed")]),
        ({"combinator": "and", "rules": [], "disabled": True}, [("disabled", "malformed")]),
        ({"combinator": "and", "rules": ["x"]}, [("rules[0]", "malformed")]),
        (all_of(any_of(), all_of(combinator="nor")), [("rules[1].combinator", "malformed")]),
    ],
)
def test_the_shape_of_groups(document: Any, expected: list[tuple[str, str]]) -> None:
    assert faults(document) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "field missing_value, operator missing_value"),
        ({"field": "", "operator": ""}, "field missing_value, operator missing_value"),
        ({"field": 3, "operator": "="}, "field malformed"),
        ({**CITY, "operator": 3}, "operator malformed"),
        ({**CITY, "not": False}, "not malformed"),
        ({**CITY, "field": "contact.shoe_size"}, "field unknown_field"),
        ({**CITY, "field": "nothing"}, "field unknown_field"),
        ({**CITY, "field": "loyalty.nothing"}, "field unknown_field"),
        ({**CITY, "field": "event."}, "field unknown_field"),
        ({**CITY, "field": "attribute."}, "field unknown_field"),
        ({**CITY, "operator": "<"}, "operator unknown_operator"),
        ({**CITY, "operator": "all"}, "operator unknown_operator"),
        (rule("contact.lead_score", "contains", "1"), "operator unknown_operator"),
        (rule("attribute.flag", "in", [True]), "operator unknown_operator"),
        (rule("attribute.at", "anniversaryInNext", DAYS), "operator unknown_operator"),
        (rule("attribute.sizes", "=", "s"), "operator unknown_operator"),
        (rule("segment", "null"), "operator unknown_operator"),
        (rule("journey.inside", "null"), "operator unknown_operator"),
        (rule("journey.nothing", "in", ["welcome"]), "field unknown_field"),
        (rule("consent.newsletter", "notNull"), "operator unknown_operator"),
        (rule("event.purchase", "contains", "x"), "operator unknown_operator"),
        (rule("attribute.none", "=", "x"), "field unknown_key"),
        (rule("metric.none", "=", 1), "field unknown_key"),
        (rule("consent.none", "=", "granted"), "field unknown_key"),
        (rule("tag", "in", ["vip", "none"]), "value[1] unknown_key"),
        (rule("category", "notIn", ["none"]), "value[0] unknown_key"),
        (rule("segment", "all", ["none", "other"]), "value[0] unknown_key"),
        (rule("journey.goal", "in", ["welcome", "none"]), "value[1] unknown_key"),
        (rule("journey.goal", "in", ["hidden:1"]), "value[0] not_allowed"),
        (rule("journey.goal", "in", []), "value missing_value"),
        ({"field": "contact.city", "operator": "="}, "value missing_value"),
        (rule("contact.city", "=", ""), "value missing_value"),
        (rule("contact.city", "in", []), "value missing_value"),
        (rule("contact.city", "in", ["a", ""]), "value[1] missing_value"),
        (rule("tag", "in", []), "value missing_value"),
        (rule("tag", "in", [""]), "value[0] missing_value"),
        (rule("contact.city", "=", None), "value wrong_type"),
        (rule("contact.city", "=", 3), "value wrong_type"),
        (rule("contact.city", "in", "a"), "value wrong_type"),
        (rule("contact.city", "in", ["a", 3, True]), "value[1] wrong_type, value[2] wrong_type"),
        (rule("contact.lead_score", ">", "3"), "value wrong_type"),
        (rule("contact.lead_score", ">", True), "value wrong_type"),
        (rule("contact.lead_score", ">", float("inf")), "value wrong_type"),
        (rule("contact.lead_score", "between", [1]), "value wrong_type"),
        (rule("contact.lead_score", "between", [1, 2, 3]), "value wrong_type"),
        (rule("contact.lead_score", "between", 1), "value wrong_type"),
        (rule("contact.lead_score", "between", [1, "2"]), "value[1] wrong_type"),
        (rule("attribute.flag", "=", "true"), "value wrong_type"),
        (rule("attribute.flag", "=", 1), "value wrong_type"),
        (rule("contact.birth_date", "=", "2023-02-29"), "value wrong_type"),
        (rule("contact.birth_date", "=", "31.12.2023"), "value wrong_type"),
        (rule("contact.created_at", "<", "2024-01-01T25:00"), "value wrong_type"),
        (rule("contact.created_at", "<", "2024-01-01T10:00:00.1234567"), "value wrong_type"),
        (rule("consent.newsletter", "=", "maybe"), "value wrong_type"),
        (rule("consent.newsletter", "in", ["granted", "maybe"]), "value[1] wrong_type"),
        (rule("tag", "in", "vip"), "value wrong_type"),
        (rule("tag", "in", [3]), "value[0] wrong_type"),
        (rule("contact.created_at", "inLast", 3), "value bad_duration"),
        (rule("contact.created_at", "inLast", "3 day"), "value bad_duration"),
        (created(lasting(0, "day")), "value.amount bad_duration"),
        (created(lasting(10001, "day")), "value.amount bad_duration"),
        (created({"amount": Decimal("1.5"), "unit": "day"}), "value.amount bad_duration"),
        (created({"amount": True, "unit": "day"}), "value.amount bad_duration"),
        (created(lasting(1, "fortnight")), "value.unit bad_duration"),
        (rule("contact.birth_date", "inLast", lasting(1, "hour")), "value.unit bad_duration"),
        (
            rule("contact.birth_date", "anniversaryInNext", lasting(1, "week")),
            "value.unit bad_duration",
        ),
        (created({"unit": "day"}), "value.amount missing_value"),
        (rule("contact.city", "=", "a\0b"), "value malformed"),
        (rule("contact.city", "in", ["a", "\ud800"]), "value[1] malformed"),
        (rule("event.a\0b", ">=", 1), "field malformed"),
        ({**COUNTED, "measure": "sum"}, "measure malformed"),
        ({**COUNTED, "measure": {"function": "median"}}, "measure.function malformed"),
        ({**COUNTED, "measure": {"function": "sum"}}, "measure.property missing_value"),
        (
            {**COUNTED, "measure": {"function": "sum", "property": ""}},
            "measure.property missing_value",
        ),
        (
            {**COUNTED, "measure": {"function": "sum", "property": "a..b"}},
            "measure.property malformed",
        ),
        ({**COUNTED, "measure": {"function": "last"}}, "value wrong_type"),
        ({**COUNTED, "where": []}, "where malformed"),
        ({**COUNTED, "where": CITY}, "where malformed"),
        ({**COUNTED, "where": {"combinator": "and"}}, "where.rules missing_value"),
        (where(CITY), "where.rules[0].field unknown_field"),
        (where(rule("properties.", "=", 1)), "where.rules[0].field unknown_field"),
        (where(rule("properties.x", "all", ["a"])), "where.rules[0].operator unknown_operator"),
        (where(rule("properties.x", "<", "abc")), "where.rules[0].value wrong_type"),
        (where(rule("properties.x", "<", True)), "where.rules[0].value wrong_type"),
        (
            where(rule("properties.x", "between", [1, "2024-01-01"])),
            "where.rules[0].value[1] wrong_type",
        ),
        (where(rule("properties.x", "=", {})), "where.rules[0].value wrong_type"),
        (where(rule("occurred_at", "=", 3)), "where.rules[0].value wrong_type"),
        ({"field": "sequence"}, "steps missing_value"),
        ({"field": "sequence", "steps": {}}, "steps malformed"),
        (steps(A), "steps malformed"),
        ({"field": "sequence", "steps": [A] * 6}, "steps malformed"),
        (steps(A, "b"), "steps[1] malformed"),
        (steps(A, {}), "steps[1].event missing_value"),
        (steps(A, {"event": 3}), "steps[1].event malformed"),
        (steps({"event": "a", "within": DAYS}, B), "steps[0].within malformed"),
        (steps(A, {"event": "b", "within": 3}), "steps[1].within bad_duration"),
        (steps(A, {"event": "b", "not": True}), "steps[1].within missing_value"),
        (steps({"event": "a", "not": True}, B), "steps[0].not malformed"),
        (
            steps(A, {"event": "b", "within": DAYS, "not": True}, {"event": "c"}),
            "steps[1].not malformed",
        ),
    ],
)
def test_each_fault_of_a_rule_has_its_code_and_path(keys: dict[str, Any], expected: str) -> None:
    assert ", ".join(" ".join(fault) for fault in of_rule(**keys)) == expected


def test_all_faults_come_at_once_in_the_order_of_the_document() -> None:
    document = all_of(
        rule("contact.city", "=", 3),
        any_of(rule("nothing", "=", 1), rule("tag", "in", ["none"])),
        {**COUNTED, "where": all_of(rule("properties.x", "inLast", lasting(0, "day")))},
    )
    assert faults(document) == [
        ("rules[0].value", "wrong_type"),
        ("rules[1].rules[0].field", "unknown_field"),
        ("rules[1].rules[1].value[0]", "unknown_key"),
        ("rules[2].where.rules[0].value.amount", "bad_duration"),
    ]
    with pytest.raises(CriteriaInvalid) as refused:
        parse(document, CATALOG, WARSAW)
    assert [problem.path for problem in refused.value.problems] == [p for p, _ in faults(document)]
    assert all(problem.message.endswith(".") for problem in refused.value.problems)


def test_what_is_disabled_is_not_checked_and_not_counted() -> None:
    faulty = {"field": "nothing", "operator": "?", "disabled": True}
    assert faults(all_of(faulty, {**all_of(faulty), "disabled": True})) == []
    assert faults(all_of(*[{**CITY, "disabled": True}] * 300)) == []
    assert faults(all_of({**COUNTED, "where": {"combinator": "?", "disabled": True}})) == []


def test_keys_that_a_builder_adds_are_ignored() -> None:
    extra = {"id": "r-1", "path": [0], "valueSource": "value", "level": {"deep": [1]}}
    document = {**all_of({**CITY, **extra}, {**any_of(CITY), **extra}), **extra}
    assert faults(document) == []


def nested(levels: int, innermost: dict[str, Any]) -> dict[str, Any]:
    """`innermost` in so many groups."""
    for _ in range(levels):
        innermost = all_of(innermost)
    return innermost


def test_eight_levels_are_the_deepest() -> None:
    assert faults(nested(8, CITY)) == []
    assert faults(nested(9, CITY)) == [(".".join(["rules[0]"] * 8), "too_deep")]


def test_a_where_starts_at_the_level_of_its_rule() -> None:
    condition = rule("properties.x", "=", 1)
    where = {**COUNTED, "where": all_of(condition)}
    assert faults(nested(8, where)) == []
    deeper = {**COUNTED, "where": nested(2, condition)}
    path = ".".join(["rules[0]"] * 8) + ".where.rules[0]"
    assert faults(nested(8, deeper)) == [(path, "too_deep")]


def test_two_hundred_rules_are_the_most_with_those_in_where_and_the_steps() -> None:
    assert faults(all_of(*[CITY] * 200)) == []
    assert faults(all_of(*[CITY] * 201)) == [("", "too_many_rules")]
    where = {**COUNTED, "where": all_of(rule("properties.x", "=", 1))}
    steps = {"field": "sequence", "steps": [{"event": "a"}, {"event": "b"}]}
    assert faults(all_of(where, steps, *[CITY] * 195)) == []
    assert faults(all_of(where, steps, *[CITY] * 196)) == [("", "too_many_rules")]
    assert faults(all_of(*[any_of(CITY)] * 200)) == []


def test_segments_that_turn_in_a_circle_or_are_not_the_authors_are_refused() -> None:
    segments = {key: SegmentItem(key, n, key, True) for n, key in enumerate("abc", 1)}
    references = {"a": ["b"], "b": ["c"], "c": []}
    catalog = Catalog(
        segments={"a": segments["a"], "b": segments["b"], "c": segments["c"]},
        cyclic_segments=cyclic_segments("c", references),
    )
    asked = all_of(rule("segment", "in", ["a", "c", "hidden:1", "none"]))
    assert faults(asked, catalog) == [
        ("rules[0].value[0]", "cycle"),
        ("rules[0].value[1]", "cycle"),
        ("rules[0].value[2]", "not_allowed"),
        ("rules[0].value[3]", "unknown_key"),
    ]
    assert cyclic_segments("a", references) == {"a"}


def test_keys_named_like_nothing_else_are_read_whole() -> None:
    catalog = Catalog(
        attributes={"a.b": AttributeField("a.b", "dotted", Type.TEXT)},
        tags={"x": Item("x", 1, "x")},
    )
    assert faults(all_of(rule("attribute.a.b", "=", "x")), catalog) == []


def test_parse_where_reads_conditions_on_one_event() -> None:
    good = all_of(rule("properties.x", ">", 1), rule("occurred_at", "inLast", DAYS))
    assert len(parse_where(good, CATALOG, WARSAW).root.children) == 2
    with pytest.raises(CriteriaInvalid) as refused:
        parse_where(all_of(CITY), CATALOG, WARSAW)
    assert [problem.path for problem in refused.value.problems] == ["rules[0].field"]


def test_messages_are_put_in_words_by_the_callers_translation() -> None:
    asked: list[str] = []

    def translate(template: str) -> str:
        asked.append(template)
        return "ÜBERSETZT {operator}"

    problems = check(all_of({**CITY, "operator": "{x}"}), CATALOG, WARSAW, translate=translate)
    assert [problem.message for problem in problems] == ["ÜBERSETZT {x}"]
    assert asked == ["This field has no operator {operator}."]


_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 3),
        st.floats(),
        st.sampled_from(["and", "or", "contact.city", "event.x", "sequence", "in", "=", ">", ""]),
        st.text(max_size=3),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    *("combinator", "rules", "not", "field", "operator", "value", "where"),
                    *("steps", "measure", "function", "property", "event", "within"),
                    *("amount", "unit"),
                ]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=25,
)


@chance(seldom=60, often=150, derandomize=True)
@given(document=_json)
def test_no_json_breaks_the_reader(document: Any) -> None:
    problems = check(document, CATALOG, WARSAW)
    assert all(problem.code and problem.message for problem in problems)


@chance(seldom=30, often=100, derandomize=True)
@given(document=documents_at(WORLD.now, WORLD.zone))
def test_good_documents_have_no_fault(document: Any) -> None:
    assert faults(document) == []
