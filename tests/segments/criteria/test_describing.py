"""Criteria in words, what may be asked, what is named, and why someone is in."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from segments.criteria import (
    AttributeField,
    Fact,
    Type,
    attribute_index,
    check,
    compile_clauses,
    compile_members,
    compile_where,
    describe,
    explain,
    parse,
    parse_where,
    references,
    register_fact,
    registered_facts,
)
from tests.segments.criteria.asking import all_of, any_of, did, lasting, person, rule
from tests.segments.criteria.people import (
    CATALOG,
    NEW_YORK,
    WARSAW,
    add_people,
    make_world,
    read,
    run,
)

NOW = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)
WORLD = make_world(NOW)
BOUGHT = rule("event.purchase", ">=", 1)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (all_of(), "All contacts."),
        (any_of(), "No contacts."),
        (all_of(**{"not": True}), "No contacts."),
        (
            all_of(
                rule("contact.city", "in", ["Warszawa", "Łódź"]),
                rule("contact.birth_date", ">", "1980-12-31"),
                any_of(rule("contact.lead_score", ">", 20), rule("category", "in", ["media"])),
                any_of(rule("tag", "in", ["churned"]), **{"not": True}),
            ),
            "Contacts for whom “City” is one of “Warszawa”, “Łódź” and “Birth date” is after"
            " 1980-12-31 and (“Lead score” is greater than 20 or category is “media”) and"
            " not (tag is “churned”).",
        ),
        (all_of(BOUGHT), "Contacts for whom there are “purchase” events."),
        (
            all_of(rule("event.purchase", "=", 0)),
            "Contacts for whom there are no “purchase” events.",
        ),
        (
            all_of(
                rule(
                    "event.purchase",
                    ">=",
                    Decimal("500.0"),
                    measure={"function": "sum", "property": "amount"},
                    where=all_of(
                        rule("occurred_at", "inLast", lasting(90, "day")),
                        rule("properties.product", "contains", "coffee"),
                    ),
                )
            ),
            "Contacts for whom the sum of “amount” over “purchase” events in the last 90 days whose"
            " “product” contains “coffee” is at least 500.",
        ),
        (
            all_of(
                rule(
                    "event.purchase",
                    ">=",
                    6,
                    where=any_of(
                        rule("occurred_at", "inLast", lasting(2, "day")),
                        rule("occurred_at", "inLast", lasting(3, "day")),
                    ),
                )
            ),
            "Contacts for whom there are at least 6 “purchase” events whose (time is in the last"
            " 2 days or time is in the last 3 days).",
        ),
        (
            all_of(
                rule(
                    "event.purchase",
                    "<",
                    2,
                    where=all_of(
                        rule("occurred_at", ">=", "2025-06-01"),
                        rule("occurred_at", "notInLast", lasting(1, "week")),
                    ),
                )
            ),
            "Contacts for whom there are fewer than 2 “purchase” events since 2025-06-01 00:00 not"
            " in the last 1 week.",
        ),
        (
            all_of(
                {
                    "field": "sequence",
                    "steps": [
                        {"event": "cart_updated"},
                        {"event": "purchase", "within": lasting(1, "day"), "not": True},
                    ],
                }
            ),
            "Contacts for whom there are first “cart_updated” events, then within 1 day no"
            " “purchase” events.",
        ),
        (
            all_of(
                rule("consent.sms", "notIn", ["granted"]),
                rule("contact.email", "null"),
                rule("contact.created_at", "notBetween", ["2025-01-01", "2025-01-02T10:30"]),
                rule("contact.birth_date", "notAnniversaryInNext", lasting(2, "day")),
            ),
            "Contacts for whom consent “sms” is not granted and “E-mail” is missing and “Created”"
            " is not between 2025-01-01 00:00 and 2025-01-02 10:30 and “Birth date” does not have"
            " its anniversary in the next 2 days.",
        ),
    ],
)
def test_criteria_in_words(document: dict[str, Any], sentence: str) -> None:
    assert explain(read(document, WORLD)) == sentence


def test_a_translation_gets_templates_and_never_what_people_typed() -> None:
    asked: list[str] = []

    def translate(template: str) -> str:
        asked.append(template)
        return template.replace("Contacts for whom", "Kontakte, bei denen")

    criteria = read(all_of(rule("contact.city", "=", "{0}{x}%s")), WORLD)
    sentence = explain(criteria, translate=translate)
    assert sentence == "Kontakte, bei denen “City” is “{0}{x}%s”."
    assert not any("{0}" in template for template in asked)


def test_the_catalog_offers_what_the_reader_accepts() -> None:
    described = describe(CATALOG)
    assert json.loads(json.dumps(described)) == described
    takes = {found["operator"]: found["takes"] for found in described["operators"]}
    for field in described["fields"]:
        for operator in field.get("operators", []):
            asked = {"field": field["field"], "operator": operator}
            faults = [found.code for found in check(all_of(asked), CATALOG, WARSAW)]
            assert faults == ([] if takes[operator] == "none" else ["missing_value"]), asked
    named = {field["field"] for field in described["fields"]}
    assert {"contact.city", "attribute.sizes", "tag", "consent.sms", "segment"} <= named
    assert {"journey.inside", "journey.finished", "journey.goal"} <= named
    assert {"metric.orders", "loyalty.points", "event.purchase", "sequence"} <= named


def test_the_catalog_does_not_offer_segments_that_turn_in_a_circle() -> None:
    described = describe(replace(CATALOG, cyclic_segments=frozenset({"more"})))
    (segment,) = (field for field in described["fields"] if field["field"] == "segment")
    assert [choice["key"] for choice in segment["choices"]] == ["other", "never_calculated"]


def test_references_name_everything_that_is_asked_about() -> None:
    asked = all_of(
        any_of(rule("segment", "in", ["other"]), rule("tag", "all", ["vip", "new"])),
        rule("contact.city", "=", "x"),
        rule("attribute.text", "=", "x"),
        rule("metric.orders", ">", 1),
        rule("loyalty.points", ">", 1),
        rule("journey.goal", "in", ["welcome"]),
        rule("consent.sms", "=", "granted"),
        rule("category", "null"),
        rule("event.unheard_of", "=", 0),
        {"field": "sequence", "steps": [{"event": "a"}, {"event": "b"}]},
        rule("attribute.number", ">", 1, disabled=True),
    )
    found = references(read(asked, WORLD))
    assert found.segments == {"other"}
    assert found.tags == {"vip", "new"}
    assert found.categories == frozenset()
    assert found.contact_fields == {"city"}
    assert found.attributes == {"text"}
    assert found.metrics == {"orders"}
    assert found.facts == {"loyalty.points"}
    assert found.things == {"journey:welcome"}
    assert found.consents == {"sms"}
    assert found.events == {"unheard_of", "a", "b"}


def test_a_fact_is_registered_once() -> None:
    known = registered_facts()["loyalty.points"]
    register_fact(known)
    with pytest.raises(ValueError, match="Two facts"):
        register_fact(Fact("loyalty.points", "Other", Type.NUMBER, "elsewhere", "points"))


@pytest.mark.usefixtures("definitions")
def test_clauses_tell_what_was_compared() -> None:
    early = datetime(2025, 6, 1, 10, 30, tzinfo=UTC)
    someone = person(
        fields={"city": "Łódź", "lead_score": Decimal("2.5"), "birth_date": date(1980, 1, 2)},
        attributes={"text": "", "sizes": ["s", "m"]},
        tags=frozenset({"vip", "new"}),
        segments=frozenset({"other"}),
        journeys={"inside": frozenset({"welcome"}), "finished": frozenset({"birthday"})},
        consents={"sms": "withdrawn"},
        metrics={"orders": Decimal(3)},
        loyalty={"points": 7, "tier": "", "joined_at": early},
        events=did(
            ("purchase", early, {"amount": 5}), ("purchase", early, {"amount": "0.5"})
        ).events,
    )
    (number,) = add_people([someone])
    summed = {"measure": {"function": "sum", "property": "amount"}}
    last = {"measure": {"function": "last"}}
    expected = [
        (rule("contact.city", "=", "Łódź"), True, "Łódź"),
        (rule("contact.email", "=", "x"), False, None),
        (rule("contact.lead_score", ">", 3), False, Decimal("2.5")),
        (rule("contact.birth_date", "<", "2000-01-01"), True, "1980-01-02"),
        (rule("contact.created_at", "<", "2000-01-01"), False, "2001-01-01T00:00:00.000000Z"),
        (rule("contact.last_seen_at", "null"), True, None),
        (rule("attribute.text", "null"), True, None),
        (rule("attribute.sizes", "in", ["m"]), True, ["s", "m"]),
        (rule("tag", "in", ["vip", "churned"]), True, ["vip"]),
        (rule("tag", "notNull"), True, ["new", "vip"]),
        (rule("category", "in", ["media"]), False, []),
        (rule("segment", "in", ["more"]), False, []),
        (rule("segment", "in", ["never_calculated"]), False, []),
        (rule("journey.inside", "in", ["welcome", "birthday"]), True, ["welcome"]),
        (rule("journey.goal", "in", ["welcome"]), False, []),
        (rule("consent.sms", "=", "granted"), False, "withdrawn"),
        (rule("consent.newsletter", "=", "granted"), False, "unknown"),
        (rule("metric.orders", "=", 3), True, 3),
        (rule("metric.favourite", "=", "x"), False, None),
        (rule("loyalty.is_member", "=", True), True, True),
        (rule("loyalty.points", ">", 9), False, 7),
        (rule("loyalty.tier", "null"), True, None),
        (rule("event.purchase", ">=", 3), False, 2),
        (rule("event.purchase", "=", Decimal("5.5"), **summed), True, Decimal("5.5")),
        (rule("event.purchase", "null", **last), False, "2025-06-01T10:30:00.000000Z"),
        (rule("event.unheard_of", "=", 0), True, 0),
        (rule("event.unheard_of", "notNull", measure={"function": "first"}), False, None),
        ({"field": "sequence", "steps": [{"event": "purchase"}] * 2}, False, None),
    ]  # fmt: skip
    document = all_of(
        *(asked for asked, _, _ in expected[:5]), any_of(*(a for a, _, _ in expected[5:]))
    )
    rows = run(compile_clauses(read(document, WORLD), now=NOW, contact_id=number))
    assert [path for path, _, _ in rows] == [
        *(f"rules[{n}]" for n in range(5)),
        *(f"rules[5].rules[{n}]" for n in range(len(expected) - 5)),
    ]
    for (_, holds, value), (asked, is_so, compared) in zip(rows, expected, strict=True):
        found = json.loads(value, parse_float=Decimal) if isinstance(value, str) else value
        assert (holds, found) == (is_so, compared), asked


@pytest.mark.usefixtures("definitions")
def test_nothing_to_explain_gives_no_clauses() -> None:
    assert run(compile_clauses(read(all_of(any_of()), WORLD), now=NOW, contact_id=1)) == []


@pytest.mark.usefixtures("definitions")
def test_conditions_on_one_event_are_a_condition_on_its_row() -> None:
    add_people([did(("purchase", NOW, {"x": 1}), ("purchase", NOW, {"x": 2}), ("purchase", NOW))])
    for document, count in (
        (all_of(rule("properties.x", ">", 1)), 1),
        (all_of(rule("properties.x", ">", 1), **{"not": True}), 2),
        (all_of(rule("occurred_at", "inLast", lasting(1, "day"))), 3),
    ):
        where = compile_where(parse_where(document, CATALOG, WARSAW), now=NOW)
        query = f"SELECT count(*) FROM contacts_event e WHERE {where.text}"
        with connection.cursor() as cursor:
            cursor.execute(query, where.params)
            assert cursor.fetchone() == (count,)
            cursor.execute(query.replace(where.text, f"({where.text}) IS NULL"), where.params)
            assert cursor.fetchone() == (0,)


def test_an_evaluation_needs_an_instant() -> None:
    criteria = read(all_of(), WORLD)
    naive = datetime(2025, 1, 1)  # noqa: DTZ001 - the mistake is what is tested
    with pytest.raises(ValueError, match="time zone"):
        compile_members(criteria, now=naive)
    with pytest.raises(ValueError, match="time zone"):
        compile_clauses(criteria, now=naive, contact_id=1)


@pytest.mark.usefixtures("definitions")
@pytest.mark.parametrize(
    ("key", "operator", "wanted"),
    [
        ("text", "=", "x"),
        ("text", "in", ["x", "y"]),
        ("number", "between", [1, 2]),
        ("day", "inLast", lasting(1, "week")),
        ("at", "<", "2025-01-01"),
        ("sizes", "all", ["s", "m"]),
    ],
)
def test_an_index_of_an_attribute_is_found_by_the_sql(key: str, operator: str, wanted: Any) -> None:
    field = CATALOG.attributes[key]
    query = compile_members(
        parse(all_of(rule(f"attribute.{key}", operator, wanted)), CATALOG, NEW_YORK), now=NOW
    )
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX of_this_test ON contacts_contact {attribute_index(field)}")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.execute("EXPLAIN " + query.text, query.params)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Bitmap Index Scan on of_this_test" in plan


def test_a_key_in_an_index_is_a_literal() -> None:
    field = AttributeField("it's", "It's", Type.TEXT)
    assert attribute_index(field) == "USING btree (((attributes->>'it''s')))"
    assert attribute_index(AttributeField("flag", "Flag", Type.BOOLEAN)) is None
