"""The questions that are timed: ten documents, and a mix of a hundred made of the same forms.

Each question is asked three ways: as criteria, as the best SQL that we could write for a columnar
engine, and as the set operations on PostgreSQL that a straightforward compiler would give.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from segments.synthetic import vocabulary as words

_FILE = json.loads(Path(__file__).with_name("segments.json").read_text("utf-8"))
AS_OF = datetime.fromisoformat(_FILE["as_of"])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its criteria, and the same in SQL for columns and in set operations.

    Both SQL texts name labels and events as `{tag:vip}`, `{event:purchase}`…, for which the ids of
    the workspace stand when they run.
    """

    name: str
    document: Document
    columnar: str
    set_operations: str


def named_questions() -> list[Question]:
    """The ten documents of the contract, Q1 to Q8."""
    cities = ["Atlanta", "San Francisco", "Seattle"]
    q1 = cities_and_birth("Q1", cities, "1980-12-31")
    q3 = counted_purchases("Q3", 3, 30, 50)
    return [
        q1,
        score_city_category("Q2", "and", 20, "Warszawa", "media"),
        score_city_category("Q2b", "or", 20, "Warszawa", "media"),
        q3,
        visited_not_bought("Q4", "/sale", 7, 30),
        never_reviewed("Q5", "newsletter", "vip"),
        spent_and_visited("Q6", 500, 90, 14),
        two_attributes("Q7", ("t3", "val_3_100"), ("n4", 1000, 9000)),
        two_attributes("Q7b", ("t1", "val_1_1"), ("n5", 10_000, 50_000)),
        nested("Q8", q1, q3, "churned"),
    ]


def contract_documents() -> dict[str, Document]:
    """The documents of the contract as its file has them."""
    documents: dict[str, Document] = _FILE["segments"]
    return documents


def mixed_questions() -> list[Question]:
    """Ten variants of Q1 to Q8 each, and of Q3 again."""
    rng = np.random.default_rng(7)
    parts = ("/sale", "/blog", "/help", "/c/", "item-000")
    found = []
    for j in range(10):
        cities = [words.CITIES[city] for city in rng.choice(len(words.CITIES), 3, replace=False)]
        score, category = 5 + 5 * j, words.CATEGORIES.keys[3 * j]
        tag, consent = words.TAGS.keys[7 * j], words.CONSENTS.keys[j % 4]
        days, amount = 10 + 8 * j, 20 + 10 * j
        q1 = cities_and_birth(f"Q1.{j}", cities, f"{1965 + 3 * j}-12-31")
        q3 = counted_purchases(f"Q3.{j}", 2 + j % 3, days, amount)
        found += [
            q1,
            score_city_category(f"Q2.{j}", "and", score, cities[0], category),
            score_city_category(f"Q2b.{j}", "or", score, cities[0], category),
            q3,
            visited_not_bought(f"Q4.{j}", parts[j % 5], 3 + 2 * j, 20 + 5 * j),
            never_reviewed(f"Q5.{j}", consent, tag),
            spent_and_visited(f"Q6.{j}", 100 * (1 + j), days, 7 + j),
            two_attributes(f"Q7.{j}", ("t3", f"val_3_{j}"), ("n4", 500 * j, 500 * j + 4000)),
            nested(f"Q8.{j}", q1, q3, tag),
            counted_purchases(f"Q3.{j}b", 2 + (j + 1) % 3, 20 + 5 * j, amount),
        ]
    return found


# --- The forms -----------------------------------------------------------------------------------


def cities_and_birth(name: str, cities: Sequence[str], born_after: str) -> Question:
    """Lives in one of these cities, and was born later than a day."""
    listed = ", ".join(f"'{city}'" for city in cities)
    return Question(
        name,
        _all(
            _rule("contact.city", "in", list(cities)),
            _rule("contact.birth_date", ">", born_after),
        ),
        f"SELECT id FROM contacts WHERE city IN ({listed}) AND birth_date > '{born_after}'",
        f"(SELECT id FROM contacts_contact WHERE city IN ({listed})) INTERSECT"
        f" (SELECT id FROM contacts_contact WHERE birth_date > '{born_after}')",
    )


def score_city_category(
    name: str, combinator: str, score: int, city: str, category: str
) -> Question:
    """A lead score above, a city, a category: all of them, or any."""
    rules = [
        _rule("contact.lead_score", ">", score),
        _rule("contact.city", "=", city),
        _rule("category", "in", [category]),
    ]
    word = "INTERSECT" if combinator == "and" else "UNION"
    return Question(
        name,
        {"combinator": combinator, "rules": rules},
        f"SELECT id FROM contacts WHERE lead_score > {score} {combinator} city = '{city}'"
        f" {combinator} id IN (SELECT contact_id FROM categories"
        f" WHERE category_id = {{category:{category}}})",
        f"(SELECT id FROM contacts_contact WHERE lead_score > {score})"
        f" {word} (SELECT id FROM contacts_contact WHERE city = '{city}')"
        f" {word} (SELECT contact_id FROM contacts_contactcategory"
        f" WHERE category_id = {{category:{category}}})",
    )


def counted_purchases(name: str, count: int, days: int, amount: int) -> Question:
    """At least so many purchases above an amount in the last days."""
    where = _all(
        _rule("occurred_at", "inLast", _days(days)), _rule("properties.amount", ">", amount)
    )
    sql = (
        "SELECT contact_id FROM {table} WHERE {purchases} AND amount > {amount}"
        " GROUP BY contact_id HAVING count(*) >= {count}"
    )
    return Question(
        name,
        _all(_rule("event.purchase", ">=", count, where=where)),
        sql.format(
            table="events", purchases=_columns("purchase", days), amount=amount, count=count
        ),
        sql.format(
            table="contacts_event", purchases=_rows("purchase", days), amount=amount, count=count
        ),
    )


def visited_not_bought(name: str, part: str, visit_days: int, purchase_days: int) -> Question:
    """Visited an address with a part in it lately, and bought nothing for longer."""
    visits = _all(
        _rule("occurred_at", "inLast", _days(visit_days)),
        _rule("properties.url", "contains", part),
    )
    purchases = _all(_rule("occurred_at", "inLast", _days(purchase_days)))
    return Question(
        name,
        _all(
            _rule("event.page_visit", ">=", 1, where=visits),
            _rule("event.purchase", "=", 0, where=purchases),
        ),
        f"SELECT DISTINCT contact_id FROM events WHERE {_columns('page_visit', visit_days)}"
        f" AND url_id IN (SELECT id FROM urls WHERE url LIKE '%{part}%')"
        f" AND contact_id NOT IN (SELECT contact_id FROM events"
        f" WHERE {_columns('purchase', purchase_days)})",
        f"(SELECT contact_id FROM contacts_event WHERE {_rows('page_visit', visit_days)}"
        f" AND url_id = ANY(ARRAY(SELECT id FROM contacts_url WHERE url LIKE '%{part}%')))"
        f" EXCEPT (SELECT contact_id FROM contacts_event WHERE {_rows('purchase', purchase_days)})",
    )


def never_reviewed(name: str, consent: str, tag: str) -> Question:
    """Never left a review, allows something, and has a tag."""
    return Question(
        name,
        _all(
            _rule("event.review_left", "=", 0),
            _rule(f"consent.{consent}", "=", "granted"),
            _rule("tag", "in", [tag]),
        ),
        f"SELECT contact_id FROM tags WHERE tag_id = {{tag:{tag}}}"
        f" AND contact_id IN (SELECT contact_id FROM consents"
        f" WHERE consent_id = {{consent:{consent}}})"
        " AND contact_id NOT IN (SELECT contact_id FROM events WHERE type = {event:review_left})",
        f"(SELECT contact_id FROM contacts_contacttag WHERE tag_id = {{tag:{tag}}}) INTERSECT"
        f" (SELECT contact_id FROM contacts_consentstate WHERE state = 'granted'"
        f" AND definition_id = {{consent:{consent}}}) EXCEPT"
        " (SELECT contact_id FROM contacts_event WHERE definition_id = {event:review_left})",
    )


def spent_and_visited(name: str, least: int, days: int, visit_days: int) -> Question:
    """Spent at least so much in the last days, and visited lately."""
    purchases = _all(_rule("occurred_at", "inLast", _days(days)))
    visits = _all(_rule("occurred_at", "inLast", _days(visit_days)))
    spent = "SELECT contact_id FROM {table} WHERE {events} GROUP BY contact_id HAVING sum(amount)"
    return Question(
        name,
        _all(
            _rule(
                "event.purchase",
                ">=",
                least,
                measure={"function": "sum", "property": "amount"},
                where=purchases,
            ),
            _rule("event.page_visit", ">=", 1, where=visits),
        ),
        f"SELECT contact_id FROM"
        f" ({spent.format(table='events', events=_columns('purchase', days))} >= {least}) g"
        f" WHERE contact_id IN (SELECT contact_id FROM events"
        f" WHERE {_columns('page_visit', visit_days)})",
        f"({spent.format(table='contacts_event', events=_rows('purchase', days))} >= {least})"
        f" INTERSECT"
        f" (SELECT contact_id FROM contacts_event WHERE {_rows('page_visit', visit_days)})",
    )


def two_attributes(name: str, text: tuple[str, str], number: tuple[str, int, int]) -> Question:
    """A text attribute has a value, a number lies between two."""
    (key, value), (number_key, least, most) = text, number
    return Question(
        name,
        _all(
            _rule(f"attribute.{key}", "=", value),
            _rule(f"attribute.{number_key}", "between", [least, most]),
        ),
        f"SELECT id FROM contacts WHERE {key} = '{value}'"
        f" AND {number_key} BETWEEN {least} AND {most}",
        f"(SELECT id FROM contacts_contact WHERE attributes->>'{key}' = '{value}') INTERSECT"
        f" (SELECT id FROM contacts_contact"
        f" WHERE (attributes->>'{number_key}')::numeric BETWEEN {least} AND {most})",
    )


def nested(name: str, first: Question, second: Question, tag: str) -> Question:
    """One of two questions holds, a tag is missing, and the contact is in segment `other`."""
    without = {"combinator": "or", "not": True, "rules": [_rule("tag", "in", [tag])]}
    either = {"combinator": "or", "rules": [_only(first.document), _only(second.document)]}
    return Question(
        name,
        _all(either, without, _rule("segment", "in", ["other"])),
        f"SELECT contact_id FROM members WHERE contact_id IN ({first.columnar} UNION ALL"
        f" {second.columnar}) AND contact_id NOT IN"
        f" (SELECT contact_id FROM tags WHERE tag_id = {{tag:{tag}}})",
        f"((({first.set_operations}) UNION ({second.set_operations})) EXCEPT"
        f" (SELECT contact_id FROM contacts_contacttag WHERE tag_id = {{tag:{tag}}}))"
        " INTERSECT (SELECT contact_id FROM segments_membership"
        " WHERE segment_id = {segment:other})",
    )


# --- Pieces --------------------------------------------------------------------------------------


def _only(document: Document) -> Document:
    """A group of one rule is that rule."""
    rules: list[Document] = document["rules"]
    return rules[0] if len(rules) == 1 else document


def _all(*rules: Document) -> Document:
    return {"combinator": "and", "rules": list(rules)}


def _rule(field_name: str, operator: str, value: Any, **more: Any) -> Document:
    return {"field": field_name, "operator": operator, "value": value, **more}


def _days(amount: int) -> Document:
    return {"amount": amount, "unit": "day"}


def _columns(event: str, days: int) -> str:
    """A window on the columnar engines' events, whose instants are microseconds."""
    begin, end = (_microseconds(AS_OF - timedelta(days=back)) for back in (days, 0))
    return f"type = {{event:{event}}} AND moment > {begin} AND moment <= {end}"


def _rows(event: str, days: int) -> str:
    begin = (AS_OF - timedelta(days=days)).isoformat()
    return (
        f"definition_id = {{event:{event}}} AND occurred_at > '{begin}'"
        f" AND occurred_at <= '{AS_OF.isoformat()}'"
    )


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
