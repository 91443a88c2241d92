"""Schemas of events: what is declared is held against every event, whichever way it comes."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from pytest_django import DjangoAssertNumQueries

from contacts import event_schemas
from contacts.event_definitions import define_events
from contacts.event_imports import import_events
from contacts.event_schemas import Declared, Schema
from contacts.events import IncomingEvent, Recorded, record_events
from contacts.models import Contact, Event, EventBreach, EventDefinition, EventProperty
from tests.factories import make_contact
from workspace.access import SYSTEM
from workspace.exactjson import exact_dumps

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db
TYPES = [type_.value for type_ in EventProperty.Type]


def declare(name: str, enforcement: str, *declared: Declared) -> EventDefinition:
    definition = EventDefinition.objects.get(pk=define_events([name])[name].id)
    definition.enforcement = enforcement
    definition.save()
    EventProperty.objects.bulk_create(
        EventProperty(
            definition=definition, name=one.name, type=one.type, is_required=one.is_required
        )
        for one in declared
    )
    return definition


RATING = Declared("rating", "number", is_required=True)


def _record(contact: Contact, *told: Mapping[str, Any], **options: Any) -> Recorded:
    events = [
        IncomingEvent(contact.pk, "review_left", NOW, properties, f"m{number}")
        for number, properties in enumerate(told)
    ]
    return record_events(events, received_at=NOW, **options)


def test_an_event_that_breaks_a_schema_which_refuses_is_rejected_with_the_reason() -> None:
    declare("review_left", "refuse", RATING, Declared("product", "text"))
    found = _record(make_contact(), {"rating": 5, "more": 1}, {"rating": "5"}, {"product": 7})
    assert (found.accepted, found.duplicates, found.marked) == (1, 0, [])
    assert [(one.index, one.code, one.message) for one in found.rejected] == [
        (1, "schema_breach", "“rating” has to be a number, not a text of digits."),
        (2, "schema_breach", "“product” has to be a text. “rating” is missing."),
    ]
    assert [(one.path, one.code) for one in found.rejected[1].problems] == [
        ("product", "wrong_type"),
        ("rating", "missing"),
    ]
    assert Event.objects.get().properties == {"rating": 5, "more": 1}
    assert EventDefinition.objects.get().schema == {"more": ["number"], "rating": ["number"]}


def test_an_event_that_breaks_a_schema_which_marks_is_stored_and_told_of() -> None:
    declare("review_left", "mark", RATING)
    found = _record(make_contact(), {"rating": 5}, {"rating": "5"})
    assert (found.accepted, found.rejected) == (2, [])
    assert [(one.index, one.problems[0].code) for one in found.marked] == [(1, "wrong_type")]
    assert Event.objects.count() == 2


def test_a_schema_that_only_describes_checks_nothing() -> None:
    declare("review_left", "accept", RATING)
    found = _record(make_contact(), {"rating": "many"})
    assert (found.accepted, found.marked, found.rejected) == (1, [], [])
    assert not EventBreach.objects.exists()


def test_breaches_are_counted_by_kind_and_day_with_the_last_reason() -> None:
    definition = declare("review_left", "refuse", RATING)
    contact = make_contact()
    _record(contact, {"rating": "5"}, {})
    _record(contact, {"rating": True})
    definition.enforcement = "mark"
    definition.save()
    _record(contact, {"rating": []}, {"rating": 4})
    breach = EventBreach.objects.get()
    assert (breach.day, breach.refused_count, breach.marked_count) == (date(2026, 3, 10), 3, 1)
    assert [(one["path"], one["code"]) for one in breach.last_problems] == [
        ("rating", "wrong_type")
    ]


def test_a_refused_message_may_be_sent_again_when_it_is_right() -> None:
    declare("review_left", "refuse", RATING)
    contact = make_contact()
    _record(contact, {"rating": "5"}, source_id=1)
    assert _record(contact, {"rating": 5}, source_id=1).accepted == 1


def test_checking_costs_one_query_for_any_number_of_kinds(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    contact = make_contact()
    kinds = [declare(f"kind{number}", "mark", RATING) for number in range(5)]

    def record(names: Sequence[str]) -> int:
        with django_assert_max_num_queries(40) as counted:
            events = [IncomingEvent(contact.pk, name, NOW, {"rating": 1}) for name in names]
            assert record_events(events, received_at=NOW).accepted == len(events)
        return len(counted)

    record([one.name for one in kinds])
    many = record([one.name for one in kinds])
    assert many == record(["kind0"])
    EventDefinition.objects.update(enforcement="accept")
    assert record(["kind0"]) == many - 1


def test_what_an_import_brings_is_held_against_the_schema(tmp_path: Path) -> None:
    make_contact(external_id="anna")
    definition = declare("review_left", "refuse", RATING, Declared("on", "date"))
    path = tmp_path / "reviews.csv"
    path.write_text(
        "who,at,rating,on\nanna,2026-03-01,5,2026-02-28\nanna,2026-03-02,five,\n"
        "anna,2026-03-03,,2026-02-28\nanna,2026-03-04,4,2026-02-29\n"
    )

    def bring() -> Any:
        return import_events(
            path,
            name="review_left",
            contact_column="who",
            at_column="at",
            property_columns={"rating": "rating", "on": "on"},
            actor=SYSTEM,
            at=NOW,
        )

    found = bring()
    assert (found.accepted, found.rejected) == (1, 3)
    with found.rejected_file.open(newline="") as file:
        assert [row[0] for row in csv.reader(file)][1:] == [
            "“rating” has to be a number, not a text of digits.",
            "“rating” is missing.",
            "“on” has to be a date, as 2026-01-31.",
        ]
    breach = EventBreach.objects.get()
    assert (breach.refused_count, breach.marked_count) == (3, 0)
    assert breach.last_problems[0]["message"] == "“on” has to be a date, as 2026-01-31."
    definition.enforcement = "mark"
    definition.save()
    found = bring()
    assert (found.accepted, found.duplicates, found.rejected) == (3, 1, 0)
    assert EventBreach.objects.get().marked_count == 3


@pytest.mark.parametrize(
    ("field", "value"), [("enforcement", "maybe"), ("type", "colour"), ("name", "")]
)
def test_the_database_holds_what_can_be_declared(field: str, value: str) -> None:
    definition = declare("review_left", "mark", RATING)
    thing: Any = definition if field == "enforcement" else definition.properties.get()
    setattr(thing, field, value)
    with pytest.raises(IntegrityError), transaction.atomic():
        thing.save()


def _is_time(text: str) -> bool:
    try:
        return len(text) > 10 and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and date.fromisoformat(text).year > 0
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


ORACLE: dict[str, Any] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: type(value) in {int, Decimal},
    "boolean": lambda value: type(value) is bool,
    "date": lambda value: isinstance(value, str) and _is_date(value),
    "datetime": lambda value: isinstance(value, str) and _is_time(value),
    "url": lambda value: isinstance(value, str) and _is_address(value),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "any": lambda value: True,
}
TEXTS = [
    *("", "five", "5", "true", "2026-02-28", "2026-02-29", "2024-02-29", "1900-02-29"),
    *("2026-13-01", "2026-04-31", "2026-02-28T10:00:00Z", "2026-02-28 10:00+01:00"),
    *("2026-02-28T24:00:00Z", "2026-02-28T10:00:00", "https://a.example/b?c=d", "http://"),
    *("ftp://a.example", "2026-02-28T10:00:00.123456Z"),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 7, Decimal("0.10")]) | st.sampled_from(TEXTS),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b", "0"]), inner, max_size=2)
    ),
    max_leaves=4,
)
DECLARED = st.builds(
    Declared,
    st.sampled_from(["a", "b", "a.b", "a.0", "b.a.b"]),
    st.sampled_from(TYPES),
    st.booleans(),
)


def _oracle(properties: Mapping[str, Any], declared: Declared) -> str | None:
    """A second opinion: the code of the fault."""
    parts: Any = properties
    for step in declared.name.split("."):
        parts = parts.get(step) if isinstance(parts, dict) else None
    if parts is None or parts == "":
        return "missing" if declared.is_required else None
    return None if ORACLE[declared.type](parts) else "wrong_type"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "b"]), VALUES, max_size=2), min_size=1, max_size=8
    ),
    st.lists(DECLARED, max_size=4, unique_by=lambda one: one.name),
)
def test_python_and_the_database_find_what_the_oracle_finds(
    events: list[dict[str, Any]], declared: list[Declared]
) -> None:
    schema = Schema("refuse", tuple(declared))
    for properties in events:
        expected = [
            (one.name, code) for one in declared if (code := _oracle(properties, one)) is not None
        ]
        assert [(one.path, one.code) for one in schema.problems(properties)] == expected
    query = sql.SQL(
        "SELECT {} FROM unnest({}::jsonb[]) WITH ORDINALITY AS e (properties, place) ORDER BY place"
    ).format(
        event_schemas.fault_expression(schema, sql.SQL("e.properties")),
        sql.Literal([exact_dumps(properties) for properties in events]),
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        told = [row[0] for row in cursor.fetchall()]
    assert told == [
        problems[0].message if (problems := schema.problems(properties)) else None
        for properties in events
    ]


def test_a_leap_second_and_far_offsets_are_no_times() -> None:
    assert not event_schemas.fits("2026-06-30T23:59:60Z", "datetime")
    assert not event_schemas.fits("2026-06-30T23:59:00+16:00", "datetime")
    assert event_schemas.fits(f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%M:%S}Z", "datetime")
