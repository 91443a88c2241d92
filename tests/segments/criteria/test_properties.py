"""How properties of events are read: as the type that they are compared with, never an error."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.reference.criteria import as_instant, as_number, as_text
from tests.segments.criteria.asking import all_of, did, person, rule, who
from tests.segments.criteria.people import LISTED_URLS, WARSAW, add_people, make_world, members
from workspace.exactjson import exact_dumps

pytestmark = pytest.mark.usefixtures("definitions")

NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)
WORLD = make_world(NOW)
AT = NOW - timedelta(days=3)


@pytest.mark.parametrize(
    ("found", "operator", "wanted", "expected"),
    [
        (12.5, "=", Decimal("12.50"), True),
        ("12.5", "=", Decimal("12.5"), True),
        ("12.50", "=", Decimal("12.5"), True),
        ("12.50", "=", "12.5", False),
        (Decimal("12.50"), "=", "12.50", True),
        (1, "=", True, False),
        (True, "=", 1, False),
        (True, "=", True, True),
        (False, "!=", True, True),
        ("true", "=", True, False),
        (True, "=", "true", True),
        (True, "contains", "RU", True),
        (125, "contains", "25", True),
        ("1e3", ">", 1, False),
        (" 5", ">", 1, False),
        ("+5", ">", 1, False),
        ("5.", ">", 1, False),
        (".5", "<", 1, False),
        ("-0.5", "<", 0, True),
        ("٣", ">", 1, False),
        ("5\n", ">", 1, False),
        (None, "null", None, True),
        ("", "null", None, True),
        ({}, "null", None, False),
        ([], "notNull", None, True),
        (0, "notNull", None, True),
        ({"a": 1}, "=", '{"a": 1}', False),
        (["a"], "contains", "a", False),
        ([1], "in", ["[1]"], False),
        ([1], "=", "[1]", False),
        ("x", "in", ["x", 1], True),
        (Decimal("1.0"), "in", ["x", 1], True),
        ("y", "notIn", ["x", 1], True),
        ("2025-06-15", "=", "2025-06-15", True),
        ("2025-06-15T00:00", "=", "2025-06-15", False),
        ("2025-06-15T00:00", "<=", "2025-06-15", True),
        ("2025-06-15 00:00:01+02:00", ">", "2025-06-15", True),
        ("2025-06-14T22:00:00Z", "between", ["2025-06-15", "2025-06-15"], True),
        ("2024-02-31", "<", "2099-01-01", False),
        ("2023-02-29", "<", "2099-01-01", False),
        ("2024-02-29", "<", "2099-01-01", True),
        ("1900-02-29", "<", "2099-01-01", False),
        ("0000-01-01", "<", "2099-01-01", False),
        ("2024-01-01T24:00", "<", "2099-01-01", False),
        ("2024-01-01T23:59:60", "<", "2099-01-01", False),
        ("2024-01-01T00:00+23:59", "<", "2023-12-31T00:01:01Z", True),
        ("2024-01-01T00:00+24:00", "<", "2099-01-01", False),
        ("2024-01-01T00:00:00.1234567", "<", "2099-01-01", False),
        (20240101, "<", "2099-01-01", False),
        ("2025-06-15T11:59:59.999999Z", "inLast", {"amount": 1, "unit": "minute"}, True),
        ("2025-06-15T12:00:00.000001Z", "notInLast", {"amount": 1, "unit": "minute"}, True),
    ],
)
def test_a_property_is_read_as_the_type_of_the_comparison(
    found: Any, operator: str, wanted: Any, expected: bool
) -> None:
    someone = did(("purchase", AT, {"x": Decimal(str(found)) if type(found) is float else found}))
    where = all_of(rule("properties.x", operator, wanted))
    assert who(WORLD, rule("event.purchase", ">=", 1, where=where), someone) == [expected]


def test_dots_walk_objects_and_never_lists() -> None:
    people = [
        did(("purchase", AT, {"a": inner}))
        for inner in ({"0": "x"}, ["x"], {"0": {"0": "x"}}, [["x"]])
    ]
    shallow = all_of(rule("properties.a.0", "=", "x"))
    deep = all_of(rule("properties.a.0.0", "notNull"))
    for where, expected in (
        (shallow, [True, False, False, False]),
        (deep, [False, False, True, False]),
    ):
        assert who(WORLD, rule("event.purchase", ">=", 1, where=where), *people) == expected


@pytest.mark.parametrize(
    ("function", "operator", "wanted", "expected"),
    [
        ("sum", "=", Decimal("0.3"), True),
        ("average", "=", Decimal("0.15"), True),
        ("minimum", "=", Decimal("0.1"), True),
        ("maximum", "=", Decimal("0.20"), True),
        ("distinct", "=", 4, True),
    ],
)
@pytest.mark.parametrize("key", ["amount", "price"])
def test_measures_pass_over_what_is_no_number(
    function: str, operator: str, wanted: Any, expected: bool, key: str
) -> None:
    found = [Decimal("0.1"), "0.20", None, "", "abc", True]
    someone = did(*(("purchase", AT + timedelta(hours=n), {key: v}) for n, v in enumerate(found)))
    asked = rule(
        "event.purchase", operator, wanted, measure={"function": function, "property": key}
    )
    assert who(WORLD, asked, someone) == [expected]


def test_an_average_without_end_is_compared_exactly() -> None:
    someone = did(*(("purchase", AT + timedelta(hours=n), {"amount": n // 2}) for n in range(3)))
    measure = {"function": "average", "property": "amount"}  # a third
    nearly = Decimal("0." + "3" * 60)
    for operator, expected in ((">", True), ("=", False), ("<=", False)):
        assert who(WORLD, rule("event.purchase", operator, nearly, measure=measure), someone) == [
            expected
        ]


def test_over_no_events_counts_and_sums_are_zero_and_the_rest_is_missing() -> None:
    for function, is_zero in (
        *(("count", True), ("sum", True), ("distinct", True), ("average", False)),
        *(("minimum", False), ("maximum", False)),
    ):
        measure = {"function": function, "property": "amount"}
        for operator, value, expected in (
            ("=", 0, is_zero),
            ("!=", 0, not is_zero),
            ("<=", 5, is_zero),
            (">", 5, False),
            ("notBetween", [0, 1], not is_zero),
            ("null", None, not is_zero),
        ):
            asked = rule("event.purchase", operator, value, measure=measure)
            other = did(("page_visit", AT))
            later = did(("purchase", NOW + timedelta(seconds=1), {"amount": 7}))
            found = who(WORLD, asked, person(), other, later)
            assert found == [expected] * 3, asked


@pytest.mark.parametrize("key", ["amount", "price"])
def test_events_without_numbers_are_as_no_events(key: str) -> None:
    someone = did(("purchase", AT, {key: "much"}), ("purchase", AT, {key: None}))
    for function, operator, value, expected in (
        *(("sum", "=", 0, True), ("sum", ">=", 0, True), ("sum", "!=", 0, False)),
        *(("sum", "<", 1, True), ("sum", "notNull", None, True), ("sum", ">", 0, False)),
        *(("average", "null", None, True), ("average", "!=", 0, True)),
        *(("minimum", ">=", 0, False), ("maximum", "notIn", [0], True)),
    ):
        measure = {"function": function, "property": key}
        asked = rule("event.purchase", operator, value, measure=measure)
        assert who(WORLD, asked, someone) == [expected], asked


def test_one_and_one_point_zero_are_one_value_and_the_text_another() -> None:
    found = [1, Decimal("1.0"), "1", True, "true", [1], [Decimal("1.00")], {"a": 1}, None, ""]
    someone = did(*(("purchase", AT + timedelta(hours=n), {"x": v}) for n, v in enumerate(found)))
    measure = {"function": "distinct", "property": "x"}
    assert who(WORLD, rule("event.purchase", "=", 6, measure=measure), someone) == [True]


def test_sums_of_enormous_numbers_are_no_error() -> None:
    """A number of more than 1000 characters is read as missing, so that no sum overflows."""
    for key in ("amount", "price"):
        events = [
            ("purchase", AT + timedelta(hours=n), {key: value})
            for n, value in enumerate([Decimal("1E+131071")] * 9 + ["9" * 5000, 1])
        ]
        measure = {"function": "sum", "property": key}
        assert who(WORLD, rule("event.purchase", "=", 1, measure=measure), did(*events)) == [True]


@pytest.mark.parametrize("url", [*LISTED_URLS, "https://shop.example/sale?utm=1", 17, None, {}, ""])
@pytest.mark.parametrize(
    ("operator", "wanted"),
    [
        ("contains", "/SALE"),
        ("doesNotContain", "/sale"),
        ("=", LISTED_URLS[0]),
        ("!=", LISTED_URLS[0]),
        ("in", [LISTED_URLS[1], "17"]),
        ("beginsWith", "1"),
        ("null", None),
        ("=", 17),
    ],
)
def test_addresses_answer_alike_in_the_dictionary_and_out_of_it(
    url: Any, operator: str, wanted: Any
) -> None:
    """The same event with the property under another name is the measure of it."""
    someone = did(("page_visit", AT, {"url": url, "x": url}))
    by_url, by_x = (
        rule("event.page_visit", ">=", 1, where=all_of(rule(f"properties.{key}", operator, wanted)))
        for key in ("url", "x")
    )
    twice = rule("event.page_visit", "=", 1, where=by_url["where"])
    expected = who(WORLD, by_x, someone)
    assert who(WORLD, by_url, someone) == expected
    assert who(WORLD, twice, someone) == expected


@pytest.mark.parametrize(
    ("city", "operator", "wanted", "expected"),
    [
        ("İzmir", "contains", "izm", True),
        ("İzmir", "beginsWith", "İZ", True),
        ("ΟΔΟΣ", "endsWith", "σ", True),
        ("οδος", "endsWith", "Σ", False),
        ("οδος", "endsWith", "ς", True),
        ("οδός", "endsWith", "ς", True),
        ("Łódź", "beginsWith", "łÓ", True),
        ("Straße", "contains", "SS", False),
        ("100%", "contains", "0%", True),
        ("100", "contains", "0%", False),
        ("a_b", "contains", "_", True),
        ("ab", "contains", "_", False),
        ("a\\b", "contains", "\\", True),
        ("e\u0301", "contains", "é", False),
        ("Warszawa", "=", "warszawa", False),
        ("", "doesNotContain", "a", True),
        ("", "null", None, True),
    ],
)
def test_texts_match_letter_by_letter(
    city: str, operator: str, wanted: Any, expected: bool
) -> None:
    people = [person(fields={"city": city}), person(attributes={"text": city} if city else {})]
    assert who(WORLD, rule("contact.city", operator, wanted), people[0]) == [expected]
    assert who(WORLD, rule("attribute.text", operator, wanted), people[1]) == [expected]


_day = r"[0-9]{4}-[01][0-9]-[0-3][0-9]"
_clock = r"[T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,7})?)?"
_offset = r"(Z|[+-][0-2][0-9]:?[0-6][0-9])"
_written = st.one_of(
    st.from_regex(f"{_day}({_clock}{_offset}?)?", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{0,3})?", fullmatch=True),
    st.sampled_from(["2025-03-30T02:30", "2025-10-26T02:30", "2024-02-29", "9999-12-31"]),
)
_number = st.integers(-5, 5) | st.decimals(-9, 9, places=2)
_leaf = st.one_of(_written, _written, st.booleans(), st.none(), _number, st.just(""))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(found=st.lists(st.one_of(_leaf, st.lists(_leaf, max_size=1)), min_size=40, max_size=60))
@example(found=["0001-01-01T00:00+23:00", "-0", "0.0", "2024-06-01T00:00-0000"])
def test_the_functions_read_as_the_reference_does(found: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT segments_number(p), segments_text(p),"
            " (extract(epoch from segments_instant(p, %s)) * 1000000)::bigint"
            " FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS e(p, n) ORDER BY n",
            [WARSAW.key, exact_dumps(found)],
        )
        rows = cursor.fetchall()
    for raw, (number, text, micros) in zip(found, rows, strict=True):
        assert number == as_number(raw), raw
        assert text == as_text(raw), raw
        try:
            at = as_instant(raw, WORLD)
        except OverflowError:
            continue
        expected = at and (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert micros == expected, raw


def test_among_restricts_to_those_asked_about() -> None:
    ids = add_people([did(("purchase", AT)), did(("purchase", AT)), person()])
    asked = all_of(rule("event.purchase", ">=", 1))
    assert members(asked, WORLD, among=ids[1:]) == [ids[1]]
    assert members(asked, WORLD, among=[]) == []
