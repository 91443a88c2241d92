"""Kinds of events: named by their sources, described by people, counted."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError

from contacts.event_definitions import (
    daily_counts,
    define_events,
    describe_definition,
    summarize_definitions,
)
from contacts.events import IncomingEvent, record_events
from contacts.models import Contact, EventDefinition
from workspace.access import SYSTEM
from workspace.models import AuditEntry

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


def _record(*told: tuple[int, str, datetime]) -> None:
    record_events((IncomingEvent(*one) for one in told), received_at=NOW)


def test_a_name_is_defined_once() -> None:
    first = define_events({"visit", "Visit"})
    assert define_events({"visit"}) == {"visit": first["visit"]}
    assert EventDefinition.objects.count() == 2
    assert define_events(set()) == {}


def test_people_describe_what_sources_have_named() -> None:
    definition_id = define_events({"visit"})["visit"].id
    described = describe_definition(
        definition_id, actor=SYSTEM, at=NOW, label=" Visit of the shop ", description="Any page."
    )
    assert (described.name, described.label) == ("visit", "Visit of the shop")
    assert str(EventDefinition.objects.get()) == "Visit of the shop"
    entry = AuditEntry.objects.get()
    assert entry.action == "event_definition.changed"
    assert entry.changes == {
        "label": ["", "Visit of the shop"],
        "description": ["", "Any page."],
    }


def test_describing_it_as_it_is_changes_nothing() -> None:
    definition_id = define_events({"visit"})["visit"].id
    describe_definition(definition_id, actor=SYSTEM, at=NOW, label="")
    assert not AuditEntry.objects.exists()


def test_a_label_that_is_too_long_is_refused() -> None:
    definition_id = define_events({"visit"})["visit"].id
    with pytest.raises(ValidationError):
        describe_definition(definition_id, actor=SYSTEM, at=NOW, label="x" * 121)
    assert EventDefinition.objects.get().label == ""


def test_definitions_are_summed_up_with_their_counts_and_last_times() -> None:
    anna, jan = (Contact.objects.create().pk for _ in range(2))
    _record(
        (anna, "visit", NOW - HOUR),
        (anna, "visit", NOW - 2 * HOUR),
        (jan, "visit", NOW),
        (jan, "purchase", NOW - HOUR),
    )
    define_events({"return"})
    found = {
        one.definition.name: (one.event_count, one.contact_count, one.last_at)
        for one in summarize_definitions()
    }
    assert found == {
        "purchase": (1, 1, NOW - HOUR),
        "return": (0, 0, None),
        "visit": (3, 2, NOW),
    }
    [visit] = EventDefinition.objects.filter(name="visit")
    assert [one.event_count for one in summarize_definitions([visit.pk])] == [3]
    assert summarize_definitions([]) == []


def test_days_are_those_of_the_zone() -> None:
    anna = Contact.objects.create().pk
    midnight = datetime(2026, 3, 1, 23, 0, tzinfo=UTC)
    _record(
        (anna, "visit", midnight - timedelta(microseconds=1)),
        (anna, "visit", midnight),
        (anna, "visit", midnight + HOUR),
        (anna, "visit", midnight + 48 * HOUR),
    )
    definition_id = EventDefinition.objects.get().pk
    counted = daily_counts(
        definition_id,
        since=midnight - HOUR,
        until=midnight + 48 * HOUR,
        zone=ZoneInfo("Europe/Warsaw"),
    )
    assert counted == {date(2026, 3, 1): 1, date(2026, 3, 2): 2}
