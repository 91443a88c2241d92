"""Nothing that a person typed becomes SQL."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments.criteria import (
    Catalog,
    Criteria,
    Fact,
    Query,
    Type,
    compile_clauses,
    compile_members,
    compile_turned,
    compile_vector,
    parse,
)
from tests.segments.criteria.asking import all_of, any_of, rule
from tests.segments.criteria.people import make_world, members, read
from tests.segments.criteria.strategies import documents_at

WORLD = make_world(datetime(2025, 6, 15, 12, 0, tzinfo=UTC))
# All literals that developers wrote, in the compiler and in the facts of these tests.
OURS = {
    *("''", "'number'", "'array'", "'object'", "'boolean'", "'[]'", "'MM-DD'", "'null'", "'\"\"'"),
    *("'granted'", "'withdrawn'", "'UTC'", "'unknown'", '\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\''),
}
_texts = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30
)


def documents_about(text: str) -> list[dict[str, Any]]:
    """Every place where a person may type a text."""
    way = text.replace(".", "_")
    where = any_of(
        rule(f"properties.{way}", "=", text),
        rule(f"properties.{way}.{way}", "contains", text),
        rule("properties.url", "beginsWith", text),
        rule("properties.x", "in", [text, 1, True]),
    )
    return [
        all_of(rule("contact.city", "=", text), rule("contact.city", "endsWith", text)),
        all_of(rule("attribute.text", "in", [text]), rule("attribute.sizes", "all", [text])),
        all_of(rule("metric.favourite", "!=", text), rule("loyalty.tier", "=", text)),
        all_of(rule(f"event.{text}", ">=", 1, where=where), combinator="or"),
        all_of(rule("event.purchase", ">=", 2, where=where)),
        all_of(rule("event.purchase", ">", 2, measure={"function": "sum", "property": way})),
        all_of({"field": "sequence", "steps": [{"event": "purchase", "where": where}] * 2}),
    ]


def together(*trees: Criteria) -> list[Query]:
    """The statements that ask many documents at once."""
    numbered = dict(enumerate(trees, 1))
    hour = timedelta(hours=1)
    turned = compile_turned(numbered, since=WORLD.now - hour, until=WORLD.now).query
    vector = compile_vector(numbered, now=WORLD.now, among=[1, 2])
    return [vector] if turned is None else [vector, turned]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(text=_texts)
def test_a_text_changes_no_letter_of_the_sql(text: str) -> None:
    for asked, baseline in zip(documents_about(text), documents_about("x"), strict=True):
        found, expected = (
            compile_members(read(document, WORLD), now=WORLD.now) for document in (asked, baseline)
        )
        assert found.text == expected.text
    ours, plain = (
        [
            query.text
            for query in together(*(read(document, WORLD) for document in documents_about(one)))
        ]
        for one in (text, "x")
    )
    assert ours == plain


@pytest.mark.usefixtures("definitions")
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(text=_texts)
def test_whatever_is_typed_runs(text: str) -> None:
    for document in documents_about(text):
        assert members(document, WORLD) == []


@settings(max_examples=80, deadline=None, derandomize=True)
@given(document=documents_at(WORLD.now, WORLD.zone))
def test_only_our_own_literals_stand_in_the_sql(document: Any) -> None:
    criteria = read(document, WORLD)
    for query in (
        compile_members(criteria, now=WORLD.now),
        compile_members(criteria, now=WORLD.now, among=[1, 2]),
        compile_clauses(criteria, now=WORLD.now, contact_id=1),
        *together(criteria),
    ):
        assert set(re.findall(r"'[^']*'", query.text)) <= OURS
        assert len(re.findall(r"(?<!%)(?:%%)*%s", query.text)) == len(query.params)
        placeholders = re.findall(r"%s(::[a-z ]+(?:\[\])?)?", query.text)
        assert all(placeholders), "every value says its type"


@pytest.mark.usefixtures("definitions")
def test_a_percent_sign_in_a_fact_is_no_placeholder() -> None:
    fact = Fact("loyalty.is_odd", "Odd", Type.BOOLEAN, "loyalty_member", condition="points % 2 = 1")
    catalog = replace(Catalog(), facts={fact.name: fact})
    document = all_of(rule("loyalty.is_odd", "=", True))
    query = compile_members(parse(document, catalog, WORLD.zone), now=WORLD.now)
    vector = together(parse(document, catalog, WORLD.zone))[0]
    with connection.cursor() as cursor:
        for one in (query, vector):
            cursor.execute(one.text, one.params)
            assert cursor.fetchall() == []
