"""Groups, labels, consents, segments and counts, by plain examples."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

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
from tests.segments.criteria.people import WARSAW, add_people, make_world, members

pytestmark = pytest.mark.usefixtures("definitions")

NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
WORLD = make_world(NOW)
BOUGHT, NEVER_BOUGHT = rule("event.purchase", ">=", 1), rule("event.purchase", "=", 0)
IN_WARSAW = rule("contact.city", "=", "Warszawa")
VIP = rule("tag", "in", ["vip"])


def tagged(*keys: str, **known: Any) -> Any:
    return person(tags=frozenset(keys), **known)


def times(count: int) -> Any:
    """A person who bought so often, besides once later than now."""
    past = [("purchase", NOW - n * DAY) for n in range(1, count + 1)]
    return did(*past, ("purchase", NOW + DAY))


def test_an_empty_and_holds_for_everyone_and_an_empty_or_for_no_one() -> None:
    assert who(WORLD, all_of(), person()) == [True]
    assert who(WORLD, any_of(), person()) == [False]
    assert who(WORLD, any_of(**{"not": True}), person()) == [True]
    assert who(WORLD, all_of({**IN_WARSAW, "disabled": True}), person()) == [True]


@pytest.mark.parametrize(
    "asked",
    [
        all_of(),
        VIP,
        BOUGHT,
        NEVER_BOUGHT,
        any_of(VIP, BOUGHT),
        any_of(BOUGHT, rule("contact.city", "null")),
        all_of(VIP, rule("tag", "notIn", ["churned"])),
        rule("contact.city", "null"),
        rule("consent.sms", "=", "granted"),
        rule("segment", "in", ["other"]),
        rule("journey.inside", "in", ["welcome"]),
        rule("metric.orders", "=", 1),
        rule("contact.last_seen_at", "notNull"),
        rule("loyalty.is_member", "=", True),
        rule("event.purchase", "between", [1, 5], where=all_of(rule("properties.x", "null"))),
        {"field": "sequence", "steps": [{"event": "purchase"}, {"event": "page_visit"}]},
    ],
)
def test_erased_contacts_are_in_no_segment_whatever_is_left_of_them(asked: dict[str, Any]) -> None:
    loyalty = {"points": 1, "tier": "", "joined_at": NOW}
    erased = person(
        fields={"last_seen_at": NOW},
        tags=frozenset({"vip"}),
        consents={"sms": "granted"},
        segments=frozenset({"other"}),
        journeys={"inside": frozenset({"welcome"})},
        metrics={"orders": 1},
        loyalty=loyalty,
        events=did(("purchase", NOW - DAY), ("page_visit", NOW)).events,
        is_erased=True,
    )
    assert who(WORLD, asked, erased) == [False]


@pytest.mark.parametrize(
    "asked",
    [
        rule("tag", "in", ["vip", "churned", "new"]),
        rule("tag", "notNull"),
        rule("segment", "in", ["other", "more"]),
        rule("journey.finished", "in", ["welcome", "birthday"]),
        any_of(VIP, rule("tag", "in", ["churned"]), BOUGHT),
        all_of(rule("tag", "notNull"), BOUGHT),
        rule("event.purchase", ">=", 1, where=all_of(rule("properties.x", "null"))),
        {"field": "sequence", "steps": [{"event": "purchase"}, {"event": "purchase"}]},
    ],
)
def test_who_is_in_for_several_reasons_is_in_once(asked: dict[str, Any]) -> None:
    someone = tagged(
        *("vip", "churned", "new"),
        segments=frozenset({"other", "more"}),
        journeys={"finished": frozenset({"welcome", "birthday"})},
        events=times(3).events,
    )
    with rolled_back():
        ids = add_people([someone])
        document = asked if "rules" in asked else all_of(asked)
        assert members(document, WORLD) == ids
        assert members(document, WORLD, among=ids) == ids


@pytest.mark.parametrize("asked", [VIP, BOUGHT, all_of(VIP, BOUGHT), any_of(VIP, IN_WARSAW)])
def test_among_restricts_every_shape_to_those_asked_about(asked: dict[str, Any]) -> None:
    people = [tagged("vip", events=times(1).events) for _ in range(3)]
    with rolled_back():
        ids = add_people(people)
        document = asked if "rules" in asked else all_of(asked)
        assert members(document, WORLD, among=ids[1:]) == ids[1:]


def test_labels_one_of_none_of_every_one_any() -> None:
    people = [tagged(), tagged("vip"), tagged("vip", "new"), tagged("churned")]
    for operator, keys, expected in (
        ("in", ["vip", "churned"], [False, True, True, True]),
        ("notIn", ["vip", "new"], [True, False, False, True]),
        ("all", ["vip", "new"], [False, False, True, False]),
        ("null", None, [True, False, False, False]),
        ("notNull", None, [False, True, True, True]),
    ):
        assert who(WORLD, rule("tag", operator, keys), *people) == expected, operator


def test_consent_states() -> None:
    people = [person(), *(person(consents={"sms": state}) for state in ("granted", "withdrawn"))]
    for operator, states, expected in (
        ("=", "unknown", [True, False, False]),
        ("!=", "unknown", [False, True, True]),
        ("=", "granted", [False, True, False]),
        ("!=", "granted", [True, False, True]),
        ("in", ["unknown", "withdrawn"], [True, False, True]),
        ("notIn", ["unknown", "withdrawn"], [False, True, False]),
        ("in", ["unknown", "withdrawn", "granted"], [True, True, True]),
        ("notIn", ["unknown", "withdrawn", "granted"], [False, False, False]),
    ):
        assert who(WORLD, rule("consent.sms", operator, states), *people) == expected, states


def test_each_fact_about_journeys_is_a_set_of_its_own() -> None:
    both = frozenset({"welcome", "birthday"})
    people = [
        person(),
        person(journeys={"inside": frozenset({"welcome"})}),
        person(journeys={"finished": both}),
        person(journeys={"inside": both, "goal": frozenset({"birthday"})}),
    ]
    for name, operator, keys, expected in (
        ("inside", "in", ["welcome"], [False, True, False, True]),
        ("inside", "in", ["welcome", "birthday"], [False, True, False, True]),
        ("inside", "all", ["welcome", "birthday"], [False, False, False, True]),
        ("inside", "notIn", ["birthday"], [True, True, True, False]),
        ("finished", "in", ["birthday"], [False, False, True, False]),
        ("finished", "notIn", ["welcome", "birthday"], [True, True, False, True]),
        ("goal", "in", ["welcome"], [False, False, False, False]),
        ("goal", "all", ["birthday"], [False, False, False, True]),
    ):
        asked = rule(f"journey.{name}", operator, keys)
        assert who(WORLD, asked, *people) == expected, asked


def test_a_segment_without_a_completed_calculation_has_no_members() -> None:
    someone = person(segments=frozenset({"other", "never_calculated"}))
    for operator, keys, expected in (
        ("in", ["never_calculated"], False),
        ("notIn", ["never_calculated"], True),
        ("in", ["never_calculated", "other"], True),
        ("all", ["never_calculated", "other"], False),
        ("all", ["other"], True),
    ):
        assert who(WORLD, rule("segment", operator, keys), someone) == [expected]


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        (">=", 2, [False, False, True, True]),
        (">", 1, [False, False, True, True]),
        (">", 2, [False, False, False, True]),
        ("<", 2, [True, True, False, False]),
        ("<=", 2, [True, True, True, False]),
        ("=", 2, [False, False, True, False]),
        ("!=", 2, [True, True, False, True]),
        ("!=", 0, [False, True, True, True]),
        (">", 0, [False, True, True, True]),
        (">", -1, [True, True, True, True]),
        ("<", 0, [False, False, False, False]),
        ("in", [0, 3], [True, False, False, True]),
        ("notIn", [0, 3], [False, True, True, False]),
        ("between", [0, 2], [True, True, True, False]),
        ("notBetween", [0, 2], [False, False, False, True]),
        ("notBetween", [0, 0], [False, True, True, True]),
        ("between", [1, 2], [False, True, True, False]),
        ("null", None, [False, False, False, False]),
        ("notNull", None, [True, True, True, True]),
    ],
)
@pytest.mark.parametrize("where", [None, all_of(rule("properties.x", "null"))])
def test_counts(operator: str, value: Any, expected: list[bool], where: Any) -> None:
    """By the statistics and by the events; one more event is later than now."""
    asked = rule("event.purchase", operator, value, **({"where": where} if where else {}))
    assert who(WORLD, asked, times(0), times(1), times(2), times(3)) == expected


def test_first_and_last_and_counts_before_a_date() -> None:
    """A window that ends before now is not what the statistics know."""
    someone = did(("purchase", NOW - 20 * DAY), ("purchase", NOW - 10 * DAY), ("purchase", NOW))
    before = all_of(rule("occurred_at", "<=", (NOW - 10 * DAY).isoformat()))
    last = {"measure": {"function": "last"}, "where": before}
    assert who(WORLD, rule("event.purchase", "=", 2, where=before), someone) == [True]
    assert who(WORLD, rule("event.purchase", "inLast", lasting(11, "day"), **last), someone) == [
        True
    ]
    assert who(WORLD, rule("event.purchase", "inLast", lasting(9, "day"), **last), someone) == [
        False
    ]


def test_times_outside_of_a_span_are_on_both_sides_of_it() -> None:
    edges = [NOW - 4 * DAY, NOW - 2 * DAY]
    tick = timedelta(microseconds=1)
    around = [edges[0] - tick, edges[0], edges[1], edges[1] + tick]
    people = [did(("purchase", at)) for at in around]
    between = rule("occurred_at", "notBetween", [edge.isoformat() for edge in edges])
    for more in ([], [rule("occurred_at", "inLast", lasting(3, "day"))]):
        asked = rule("event.purchase", ">=", 1, where=all_of(*more, between))
        assert who(WORLD, asked, *people) == [not more, False, False, True]


def test_or_with_who_did_not() -> None:
    people = [
        person(),
        did(("purchase", NOW)),
        person(fields={"city": "Warszawa"}, events=did(("purchase", NOW)).events),
        tagged("vip", events=did(("purchase", NOW)).events),
    ]
    assert who(WORLD, any_of(NEVER_BOUGHT, IN_WARSAW), *people) == [True, False, True, False]
    nested = all_of(any_of(NEVER_BOUGHT, IN_WARSAW, VIP), any_of(BOUGHT, VIP))
    assert who(WORLD, nested, *people) == [False, False, True, True]
    negated = any_of(NEVER_BOUGHT, IN_WARSAW, **{"not": True})
    assert who(WORLD, negated, *people) == [False, True, False, True]


def test_a_leap_year_has_one_more_day_until_an_anniversary() -> None:
    now = datetime(2024, 1, 1, 12, tzinfo=WARSAW)
    someone = person(fields={"birth_date": date(1990, 12, 31)})
    for days, expected in ((365, False), (366, True)):
        asked = rule("contact.birth_date", "anniversaryInNext", lasting(days, "day"))
        assert who(make_world(now), asked, someone) == [expected]
