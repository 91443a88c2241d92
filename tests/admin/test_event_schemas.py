"""The schema of a kind of event on the screen: declared, tried, suggested, and what broke it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.event_declarations import declare_schema, suggest_properties, try_schema
from contacts.event_definitions import define_events
from contacts.event_schemas import Declared, schema_of
from contacts.events import IncomingEvent, record_events
from contacts.models import EventDefinition
from segments.rule_events import create_rule_event
from tests.admin.conftest import MakePerson
from tests.factories import make_contact
from tests.segments.factories import make_segment
from workspace.access import SYSTEM
from workspace.errors import InputInvalid
from workspace.models import AuditEntry


def _review(*told: dict[str, Any]) -> EventDefinition:
    now = timezone.now()
    contact = make_contact().pk
    record_events(
        [IncomingEvent(contact, "review_left", now - timedelta(hours=1), one) for one in told],
        received_at=now,
    )
    return EventDefinition.objects.get(pk=define_events(["review_left"])["review_left"].id)


def _page(definition: EventDefinition, page: str = "schema") -> str:
    return reverse(f"admin:contacts_eventdefinition_{page}", args=[definition.pk])


def _form(*rows: dict[str, Any], initial: int = 0, **more: Any) -> dict[str, Any]:
    form = {
        "properties-TOTAL_FORMS": len(rows),
        "properties-INITIAL_FORMS": initial,
        "enforcement": "refuse",
    }
    for place, row in enumerate(rows):
        form |= {f"properties-{place}-{name}": value for name, value in row.items()}
    return form | more


RATING = {"name": "rating", "type": "number", "is_required": "on", "description": "1 to 5"}
EMPTY = {"name": "", "type": "text"}


def test_a_schema_is_tried_before_it_is_saved_and_then_holds(admin: Client) -> None:
    definition = _review({"rating": 5}, {"rating": "5"}, {})
    tried = admin.post(_page(definition), _form(RATING, EMPTY, _try="1")).content.decode()
    assert "Of the 3 events that are stored, 2 would have been refused." in tried
    assert not schema_of(definition).properties
    assert admin.post(_page(definition), _form(RATING, EMPTY)).status_code == 302
    definition.refresh_from_db()
    assert definition.enforcement == "refuse"
    assert schema_of(definition).properties == (Declared("rating", "number", True, "1 to 5"),)
    entry = AuditEntry.objects.get(action="event_definition.schema_changed")
    assert entry.changes["properties"] == [{}, {"rating": ["number", "required"]}]
    record_events(
        [IncomingEvent(make_contact().pk, "review_left", timezone.now(), {})],
        received_at=timezone.now(),
    )
    page = admin.get(_page(definition, "change")).content.decode()
    assert "In 30 days 0 were marked and 1 refused." in page
    assert "“rating” is missing." in page
    removed = _form({**RATING, "remove": "on"}, initial=1, enforcement="accept")
    admin.post(_page(definition), removed)
    assert not schema_of(definition).properties


def test_what_was_seen_is_taken_over_with_one_click(admin: Client) -> None:
    told = {"on": "2026-03-01", "at": "2026-03-01T10:00:00Z", "page": "https://a.example/"}
    odd = {"a.b": "a key with a dot cannot be named"}
    definition = _review(
        {**told, "product": {"name": "tea"}, "n": 1}, {"n": "one", "rating": 3, **odd}
    )
    page = admin.get(_page(definition)).content.decode()
    assert "50%" in page
    assert 'value="product.name"' in page
    admin.post(_page(definition), {"_take": "rating"})
    assert [one.name for one in schema_of(definition).properties] == ["rating"]
    admin.post(_page(definition), {"_take": "*"})
    assert {one.name: one.type for one in schema_of(definition).properties} == {
        "at": "datetime",
        "n": "any",
        "on": "date",
        "page": "url",
        "product": "object",
        "product.name": "text",
        "rating": "number",
    }
    assert not any(one.is_required for one in schema_of(definition).properties)
    assert suggest_properties(definition, at=timezone.now()) == []


def test_a_faulty_row_says_what_is_wrong_and_keeps_what_was_written(admin: Client) -> None:
    definition = _review({"a": 1})
    rows = (EMPTY, RATING, {"name": "rating.stars", "type": "text"}, RATING)
    page = admin.post(_page(definition), _form(*rows)).content.decode()
    assert "“rating.stars” lies in “rating”, which is declared to be no object." in page
    assert "“rating” is declared twice." in page
    assert not schema_of(definition).properties


@pytest.mark.parametrize(
    "declared",
    [
        Declared("", "text"),
        Declared("a..b", "text"),
        Declared("a", "colour"),
        Declared("a\0", "any"),
    ],
)
def test_what_cannot_be_declared_is_refused(admin: Client, declared: Declared) -> None:
    definition = _review({"a": 1})
    with pytest.raises(InputInvalid) as refused:
        declare_schema(definition.pk, properties=[declared], actor=SYSTEM, at=timezone.now())
    assert refused.value.problems[0].path.startswith("properties[0].")


def test_a_trial_counts_events_and_faults() -> None:
    definition = _review({"a": 1}, {"a": "x", "b": "y"}, {"b": 1})
    declared = [Declared("a", "number", True), Declared("b", "text")]
    trial = try_schema(definition.pk, declared, at=timezone.now())
    assert (trial.event_count, trial.broken_count) == (3, 2)
    assert trial.faults == (("a", "missing", 1), ("a", "wrong_type", 1), ("b", "wrong_type", 1))


def test_who_may_only_look_sees_the_schema_and_no_bodies(
    admin: Client, make_person: MakePerson
) -> None:
    definition = _review({"rating": 5, "secret": "hush"})
    admin.post(_page(definition), _form(RATING))
    looker = make_person("contacts.view_eventdefinition")
    page = looker.get(_page(definition)).content.decode()
    assert "rating" in page
    assert 'name="_take"' not in page
    assert 'name="_try"' not in page
    assert looker.post(_page(definition), _form(EMPTY)).status_code == 403
    assert looker.post(_page(definition), {"_take": "*"}).status_code == 403
    assert "hush" not in looker.get(_page(definition, "change")).content.decode()


def test_the_list_and_the_page_say_where_an_event_comes_from_and_what_uses_it(
    admin: Client, make_person: MakePerson
) -> None:
    definition = _review({"rating": 5})
    five = {"field": "properties.rating", "operator": "=", "value": 5}
    rule = create_rule_event(
        name="loved",
        base="review_left",
        where={"combinator": "and", "rules": [five]},
        enabled=True,
        actor=SYSTEM,
        at=timezone.now(),
    )
    fans = {"field": "event.review_left", "operator": ">=", "value": 1}
    make_segment("fans", {"combinator": "and", "rules": [fans]}, name="Fans of us")
    listed = admin.get(reverse("admin:contacts_eventdefinition_changelist")).content.decode()
    assert "rule based" in listed
    page = admin.get(_page(definition, "change")).content.decode()
    assert "Fans of us" in page
    assert "loved" in page
    made = admin.get(_page(rule.definition, "change")).content.decode()
    assert reverse("admin:segments_ruleevent_change", args=[rule.pk]) in made
    looker = make_person("contacts.view_eventdefinition")
    assert "Fans of us" not in looker.get(_page(definition, "change")).content.decode()
