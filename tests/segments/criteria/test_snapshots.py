"""The SQL of some documents, to be read in a diff: `REWRITE_SNAPSHOTS=1` writes them anew."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from segments.criteria import Query, compile_members, compile_turned, compile_vector, explain
from tests.segments.criteria.asking import all_of, any_of, lasting, rule
from tests.segments.criteria.people import make_world, members, read, run

FOLDER = Path(__file__).parents[2] / "snapshots" / "criteria"
WORLD = make_world(datetime(2026, 1, 1, tzinfo=UTC))

BOUGHT = rule("event.purchase", ">=", 1)
NEVER_BOUGHT = rule("event.purchase", "=", 0)
IN_WARSAW = rule("contact.city", "=", "Warszawa")
VIP, CHURNED = rule("tag", "in", ["vip"]), rule("tag", "in", ["churned"])


def lately(days: int, *conditions: dict[str, Any]) -> dict[str, Any]:
    return all_of(rule("occurred_at", "inLast", lasting(days, "day")), *conditions)


def summed(operator: str, value: Any, function: str = "sum", key: str = "amount") -> dict[str, Any]:
    measure = {"function": function, "property": key}
    return rule("event.purchase", operator, value, measure=measure, where=lately(90))


def steps(*found: dict[str, Any]) -> dict[str, Any]:
    return {"field": "sequence", "steps": list(found)}


CAME = {"event": "page_visit"}
DEAR = rule("properties.amount", ">", 50)
THRICE = rule("event.purchase", ">=", 3, where=lately(30, DEAR))
ON_SALE = rule(
    "event.page_visit", ">=", 1, where=lately(7, rule("properties.url", "contains", "/sale"))
)
FIRST, LAST = {"measure": {"function": "first"}}, {"measure": {"function": "last"}}

DOCUMENTS: dict[str, dict[str, Any]] = {
    "everyone": all_of(),
    "no_one": any_of(),
    "columns": all_of(
        rule("contact.city", "in", ["Atlanta", "Seattle"]),
        rule("contact.birth_date", ">", "1980-12-31"),
    ),
    "columns_or_label": any_of(rule("contact.lead_score", ">", 20), IN_WARSAW, VIP),
    "negative_columns": all_of(
        rule("contact.city", "!=", "Warszawa"),
        rule("contact.birth_date", "notInLast", lasting(1, "year")),
        rule("contact.email", "null"),
    ),
    "texts": all_of(
        rule("contact.city", "contains", "war"),
        rule("contact.last_name", "doesNotBeginWith", "k"),
        rule("contact.email", "endsWith", ".pl"),
    ),
    "anniversary": all_of(rule("contact.birth_date", "anniversaryInNext", lasting(3, "day"))),
    "last_seen": all_of(rule("contact.last_seen_at", "inLast", lasting(1, "month"))),
    "attributes": all_of(
        rule("attribute.text", "=", "x"),
        rule("attribute.number", "between", [1, 2]),
        rule("attribute.flag", "!=", True),
        rule("attribute.day", "inNext", lasting(2, "week")),
        rule("attribute.at", "<", "2025-01-01"),
        rule("attribute.sizes", "all", ["s", "m"]),
    ),
    "labels": all_of(VIP, {**CHURNED, "operator": "notIn"}, rule("category", "notNull")),
    "all_labels": all_of(rule("tag", "all", ["vip", "new"])),
    "label_or_label": any_of(VIP, rule("category", "in", ["media"])),
    "consents": all_of(
        rule("consent.newsletter", "=", "granted"),
        rule("consent.sms", "notIn", ["withdrawn", "unknown"]),
    ),
    "consent_unknown": all_of(rule("consent.sms", "=", "unknown")),
    "segments": all_of(
        rule("segment", "in", ["other", "never_calculated"]), rule("segment", "notIn", ["more"])
    ),
    "journeys": all_of(
        rule("journey.inside", "notIn", ["welcome", "birthday"]),
        rule("journey.finished", "in", ["welcome"]),
        rule("journey.goal", "all", ["welcome", "birthday"]),
    ),
    "metrics": all_of(rule("metric.orders", ">=", 2), rule("metric.last_order", "null")),
    "loyalty": all_of(
        rule("loyalty.is_member", "=", True),
        rule("loyalty.points", ">", 100),
        rule("loyalty.tier", "!=", "gold"),
    ),
    "ever": all_of(BOUGHT),
    "never": all_of(NEVER_BOUGHT),
    "never_of_some": all_of(NEVER_BOUGHT, rule("consent.newsletter", "=", "granted"), VIP),
    "lately": all_of(rule("event.page_visit", ">=", 1, where=lately(14))),
    "not_lately": all_of(IN_WARSAW, rule("event.page_visit", "<", 1, where=lately(14))),
    "before": all_of(
        rule("event.purchase", ">=", 1, where=all_of(rule("occurred_at", "<", "2025-06-01")))
    ),
    "often": all_of(rule("event.purchase", ">=", 5)),
    "seldom": all_of(rule("event.purchase", "<=", 5)),
    "often_lately": all_of(THRICE),
    "first": all_of(rule("event.purchase", "inLast", lasting(30, "day"), **FIRST)),
    "last_long_ago": all_of(
        rule("event.purchase", "notInLast", lasting(14, "day"), **LAST), BOUGHT
    ),
    "address": all_of(ON_SALE, rule("event.purchase", "=", 0, where=lately(30))),
    "address_often": all_of({**ON_SALE, "value": 3}),
    "sum": all_of(summed(">=", 500), rule("event.page_visit", ">=", 1, where=lately(14))),
    "sum_of_nothing": all_of(summed("<", 500)),
    "average": all_of(summed("between", [10, 20], "average")),
    "distinct": all_of(summed(">", 3, "distinct", "product.id")),
    "maximum": all_of(summed("null", None, "maximum", "price")),
    "properties": all_of(
        rule(
            "event.purchase",
            ">=",
            1,
            where=any_of(
                rule("properties.product", "=", "coffee"),
                rule("properties.product", "doesNotContain", "tea"),
                rule("properties.size", "in", ["l", 2, True]),
                rule("properties.due", "inNext", lasting(1, "day")),
                all_of(rule("properties.gift", "!=", True), rule("properties.a.b", "null")),
            ),
        )
    ),
    "or_over_behaviour": any_of(THRICE, IN_WARSAW, VIP),
    "or_with_absence": any_of(NEVER_BOUGHT, IN_WARSAW),
    "negated_group": all_of(IN_WARSAW, any_of(CHURNED, NEVER_BOUGHT, **{"not": True})),
    "nested": all_of(
        any_of(all_of(IN_WARSAW, rule("contact.lead_score", ">", 5)), THRICE),
        any_of(CHURNED, **{"not": True}),
        rule("segment", "in", ["other"]),
    ),
    "never_seen_event": any_of(rule("event.unheard_of", ">=", 1), IN_WARSAW),
    "sequence": all_of(
        steps(CAME, {"event": "purchase", "where": all_of(DEAR), "within": lasting(2, "day")})
    ),
    "sequence_not": all_of(
        steps(
            {"event": "purchase"}, CAME,
            {"event": "purchase", "within": lasting(1, "month"), "not": True},
        )
    ),
}  # fmt: skip


# Many documents in one statement, by their names above.
TOGETHER = {
    "vector_of_fields": (
        *("columns", "columns_or_label", "anniversary", "last_seen", "labels", "consents"),
        *("consent_unknown", "segments", "metrics", "loyalty", "everyone", "attributes"),
    ),
    "vector_of_behaviour": (
        *("ever", "never", "often", "lately", "often_lately", "address", "sum", "average"),
        *("first", "last_long_ago", "properties", "sequence_not"),
    ),
    "vector_within_windows": ("often_lately", "sum", "address_often"),
    "turned": (
        *("often_lately", "not_lately", "address", "properties", "last_seen", "first"),
        *("sequence_not", "columns"),
    ),
}


def shown(document: dict[str, Any]) -> str:
    """The sentence, the settings, the SQL in lines, and the values."""
    criteria = read(document, WORLD)
    return f"-- {explain(criteria)}\n{written(compile_members(criteria, now=WORLD.now))}"


def together(name: str) -> Query:
    """The statement for several documents, numbered from 1: about two contacts, or one hour."""
    trees = {place: read(DOCUMENTS[one], WORLD) for place, one in enumerate(TOGETHER[name], 1)}
    if name != "turned":
        return compile_vector(trees, now=WORLD.now, among=[1, 2])
    query = compile_turned(trees, since=WORLD.now - timedelta(hours=1), until=WORLD.now).query
    assert query is not None
    return query


def written(query: Query) -> str:
    """The settings of a query, its SQL in lines, and its values."""
    text = re.sub(r" (?=(FROM|WHERE|AND|OR|GROUP BY|HAVING|UNION ALL|UNION)\b)", "\n", query.text)
    text = re.sub(r"(BETWEEN [^\n]*)\n", r"\1 ", text)
    text = re.sub(r" (?=(LEFT JOIN|CASE WHEN [^n]|JOIN \(VALUES)\b)", "\n", text)
    settings = "".join(f"SET LOCAL {name} = '{value}';\n" for name, value in query.settings.items())
    values = "".join(f"-- {value!r}\n" for value in query.params)
    return f"{settings}{_indented(text)};\n{values}"


def _indented(text: str) -> str:
    """Each line as deep as the parentheses that are open where it begins."""
    lines: list[str] = []
    depth = 0
    for line in text.split("\n"):
        lines.append("  " * depth + line)
        depth += line.count("(") - line.count(")")
    return "\n".join(lines)


def hold(name: str, found: str) -> None:
    """Hold the SQL against the file that was reviewed, or write it anew."""
    path = FOLDER / f"{name}.sql"
    if os.environ.get("REWRITE_SNAPSHOTS") == "1":
        path.write_text(found, "utf-8")
    assert path.exists(), f"{path} is missing: run with REWRITE_SNAPSHOTS=1 and review it."
    assert found == path.read_text("utf-8"), "Changed on purpose? REWRITE_SNAPSHOTS=1, and review."


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_sql_of_a_document_is_the_one_that_was_reviewed(name: str) -> None:
    hold(name, shown(DOCUMENTS[name]))


@pytest.mark.parametrize("name", TOGETHER)
def test_the_sql_of_many_documents_is_the_one_that_was_reviewed(name: str) -> None:
    names = "".join(f"-- {place}: {one}\n" for place, one in enumerate(TOGETHER[name], 1))
    hold(name, names + written(together(name)))


def test_every_snapshot_belongs_to_a_document() -> None:
    assert {path.stem for path in FOLDER.glob("*.sql")} == {*DOCUMENTS, *TOGETHER}


@pytest.mark.usefixtures("definitions")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_sql_of_a_document_runs(name: str) -> None:
    assert members(DOCUMENTS[name], WORLD) == []


@pytest.mark.usefixtures("definitions")
@pytest.mark.parametrize("name", TOGETHER)
def test_the_sql_of_many_documents_runs(name: str) -> None:
    assert run(together(name)) == []
