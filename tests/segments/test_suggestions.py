"""Values to choose from: those that fit, the likeliest first, none that one may not see."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from contacts.models import (
    AttributeDefinition,
    ConsentDefinition,
    Contact,
    MetricDefinition,
    MetricValue,
    Tag,
)
from loyalty import members as loyalty_members
from segments import lifecycle, suggestions
from segments.event_kinds import describe_kind
from segments.suggestions import Suggestion, suggest_values
from tests.segments.factories import NOW, is_in, make_contacts, make_segment, refresh
from workspace.access import SYSTEM, Actor
from workspace.models import AuditEntry, UserGroup

pytestmark = pytest.mark.django_db


def values(field: str, typed: str = "", **given: Any) -> list[str]:
    given = {"actor": SYSTEM, "at": NOW, **given}
    return [one.value for one in suggest_values(field, typed=typed, **given)]


def person(*permissions: str) -> Actor:
    return Actor(AuditEntry.ActorKind.USER, None, "x", permissions=frozenset(permissions))


def test_values_of_a_field_come_the_commonest_first_whatever_the_case() -> None:
    make_contacts("Atlanta", "Atlanta", "Athens", "Paris", "Latina", "")
    assert values("contact.city") == ["Atlanta", "Athens", "Latina", "Paris"]
    assert values("contact.city", "AT") == ["Atlanta", "Athens", "Latina"]
    assert values("contact.city", "nowhere") == []


def test_counts_are_told_where_all_contacts_were_looked_at() -> None:
    make_contacts("Atlanta", "Atlanta")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE contacts_contact")
    [found] = suggest_values("contact.city", actor=SYSTEM, at=NOW)
    assert found == Suggestion("Atlanta", "Atlanta", 2)


@pytest.mark.parametrize("typed", ["zz", "ZZ", "Zz"])
@pytest.mark.parametrize("column", ["city", "last_name", "email"])
def test_what_few_have_is_found_by_the_index(
    monkeypatch: pytest.MonkeyPatch, column: str, typed: str
) -> None:
    Contact.objects.bulk_create(Contact(**{column: "Common"}) for _n in range(50))
    Contact.objects.create(**{column: "Zzyzx" if column == "city" else "Zzyzx".lower()})
    monkeypatch.setattr(suggestions, "_SAMPLED_ROWS", 5)
    assert values(f"contact.{column}", typed)


def test_erased_people_are_not_suggested() -> None:
    make_contacts("Atlanta")
    Contact.objects.update(erased_at=NOW)
    assert values("contact.city") == []


def test_values_of_attributes_are_their_choices_or_what_contacts_have() -> None:
    AttributeDefinition.objects.create(key="color", label="Color", choices=["red", "green"])
    AttributeDefinition.objects.create(key="shop", label="Shop")
    AttributeDefinition.objects.create(key="sizes", label="Sizes", type="list")
    Contact.objects.create(attributes={"shop": "Oslo", "sizes": ["S", "M"]})
    Contact.objects.create(attributes={"shop": "Bergen", "sizes": ["M"]})
    Contact.objects.create(attributes={})
    assert values("attribute.color", "gr") == ["green"]
    assert values("attribute.shop") == ["Bergen", "Oslo"]
    assert values("attribute.sizes") == ["M", "S"]


def test_definitions_are_found_by_key_and_label() -> None:
    Tag.objects.create(key="vip", label="Very important")
    Tag.objects.create(key="new", label="New")
    ConsentDefinition.objects.create(key="sms", label="SMS")
    assert values("tag", "import") == values("tag", "VIP") == ["vip"]
    assert values("consent") == ["sms"]
    assert values("consent.sms", "wi") == ["withdrawn"]


def test_segments_are_active_ones_and_make_no_circle() -> None:
    make_contacts("Warszawa")
    base = make_segment("base")
    refresh(base)
    on_it = make_segment("on_it", is_in("base"))
    off = make_segment("off")
    lifecycle.inactivate(off, actor=SYSTEM, at=NOW)
    assert values("segment") == ["base", "on_it"]
    assert values("segment", segment=base) == []
    assert values("segment", segment=on_it) == ["base"]
    assert suggest_values("segment", actor=SYSTEM, at=NOW)[0].count == 1


def test_a_segment_that_one_may_not_know_of_is_not_suggested() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["segment"])
    make_segment("secret", groups=["Poland"])
    assert values("segment", actor=person("segments.view_segment")) == []
    assert values("segment", "secret", actor=person("segments.view_segment")) == []


def test_what_contacts_have_is_for_who_may_see_contacts() -> None:
    make_contacts("Atlanta")
    assert values("contact.city", actor=person("segments.view_segment")) == []
    allowed = person("segments.view_segment", "contacts.view_contact")
    assert values("contact.city", actor=allowed) == ["Atlanta"]


def _buy(*properties: dict[str, Any]) -> None:
    [contact_id] = make_contacts("x")
    record_events(
        [
            IncomingEvent(contact_id, "purchase", NOW - timedelta(hours=n), found)
            for n, found in enumerate(properties)
        ],
        received_at=timezone.now(),
    )


def test_names_of_events_their_properties_and_values() -> None:
    _buy(
        {"product": "Coffee", "amount": 12.5, "gift": True},
        {"product": "Coffee", "shop": {"city": "Oslo"}},
        {"product": "Tea", "lines": [1]},
    )
    assert values("event", "pur") == ["purchase"]
    assert "shop.city" in values("event.purchase") == values("properties", event="purchase")
    assert values("event.purchase", property_name="product") == ["Coffee", "Tea"]
    assert values("properties.product", "te", event="purchase") == ["Tea"]
    assert values("properties.shop.city", event="purchase") == ["Oslo"]
    assert values("properties.amount", event="purchase") == ["12.5"]
    assert values("properties.lines", event="purchase") == [], "no scalars"
    assert values("properties.product", event="never seen") == []


def test_events_after_the_moment_are_not_looked_at() -> None:
    _buy({"product": "Coffee"})
    early = NOW - timedelta(days=1)
    assert values("properties.product", event="purchase", at=early) == []


def test_values_of_metrics_and_of_the_loyalty_programme() -> None:
    [contact_id] = make_contacts("x")
    metric = MetricDefinition.objects.create(key="brand", label="Brand", type="text")
    MetricValue.objects.create(contact_id=contact_id, metric=metric, text="Acme")
    loyalty_members.save_member(contact_id, changes={"tier": "Gold"}, actor=SYSTEM, at=NOW)
    assert values("metric.brand") == ["Acme"]
    assert values("loyalty.tier", "go") == ["Gold"]


@pytest.mark.parametrize(
    "field",
    ["", "contact", "contact.shoe", "contact.id", "contact.lead_score", "attribute.no", "x.y"],
)
def test_unknown_fields_have_no_values(field: str) -> None:
    make_contacts("Atlanta")
    assert values(field) == []


@pytest.mark.parametrize("typed", ["%", "_", "'", "\\", "50%", "Atlanta' OR 1=1 --"])
def test_what_is_typed_is_text(typed: str) -> None:
    make_contacts("Atlanta", "50%_\\'")
    assert set(values("contact.city", typed)) <= {"50%_\\'"}


def test_when_the_time_is_over_what_was_found_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    make_contacts("Atlanta")
    monkeypatch.setattr(suggestions, "TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(suggestions, "_ORDERS", {"city": (">= pg_sleep(1)::text || ", ">", "")})
    assert values("contact.city", "at") == ["Atlanta"]


def test_an_event_is_described_by_schema_and_by_what_was_seen() -> None:
    _buy({"product": "Coffee", "amount": 12.5}, {"amount": "13", "shop": {"city": "Oslo"}})
    kind = describe_kind("purchase", at=NOW)
    assert {one.name: one.types for one in kind.properties} == {
        "amount": ("number", "text"),
        "product": ("text",),
        "shop.city": ("text",),
    }
    assert (kind.event_count, kind.last_at) == (2, NOW)
    nothing = describe_kind("never seen", at=NOW)
    assert (nothing.properties, nothing.event_count, nothing.last_at) == ((), 0, None)
