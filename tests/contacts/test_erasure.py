"""A person is forgotten everywhere, and it is proven."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from contacts import metrics, profiles
from contacts.erasure import erase_contact
from contacts.errors import ContactUnknown
from contacts.events import IncomingEvent, record_events
from contacts.models import Contact, Event
from loyalty.models import Member
from tests.factories import (
    DAY,
    NOW,
    make_attribute,
    make_category,
    make_consent,
    make_contact,
    make_metric,
    make_tag,
)
from workspace.access import SYSTEM
from workspace.models import AuditEntry

NAME = "Brunhilde"


def _person() -> Contact:
    """Somebody of whom everything is known."""
    make_attribute("nickname")
    make_tag("vip")
    make_category("tea")
    make_consent("sms")
    make_metric("visits")
    contact = make_contact(
        external_id=f"{NAME}-1",
        email=f"{NAME}@example.com",
        phone="+48601234567",
        first_name=NAME,
        last_name=NAME,
        city=NAME,
        birth_date="1980-05-05",
        lead_score=12,
        attributes={"nickname": NAME},
        tags=["vip"],
        categories=["tea"],
        consents={"sms": "granted"},
    )
    profiles.update_contact(
        contact.pk, changes={"city": f"{NAME} 2", "tags": []}, actor=SYSTEM, at=NOW
    )
    profiles.update_contact(contact.pk, changes={"tags": ["vip"]}, actor=SYSTEM, at=NOW)
    metrics.set_values(contact.pk, {"visits": 5}, at=NOW)
    record_events(
        [IncomingEvent(contact.pk, "visit", NOW - DAY, {"who": NAME}, "m1")], received_at=NOW
    )
    Member.objects.create(contact=contact, card_number=NAME, joined_at=NOW)
    return contact


def _tables_that_say(text: str) -> list[str]:
    """Every table with a row in which the text stands anywhere, in any case."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        )
        tables = [name for (name,) in cursor.fetchall()]
        found = []
        for table in tables:
            rows = f"SELECT 1 FROM {connection.ops.quote_name(table)} t"
            cursor.execute(f"{rows} WHERE t::text ILIKE %s LIMIT 1", [f"%{text}%"])
            if cursor.fetchone():
                found.append(table)
    return found


@pytest.mark.django_db
def test_nothing_in_the_database_tells_of_the_person_any_more() -> None:
    contact = _person()
    assert {"contacts_contact", "contacts_identity", "contacts_event"} <= set(
        _tables_that_say(NAME)
    )
    proof = erase_contact(contact.pk, actor=SYSTEM, at=NOW)
    assert _tables_that_say(NAME) == []
    assert {name for name, count in proof.deleted.items() if count} >= {
        "contacts_identity",
        "contacts_event",
        "contacts_eventstatistic",
        "contacts_lastseen",
        "contacts_contacttag",
        "contacts_contactcategory",
        "contacts_consententry",
        "contacts_consentstate",
        "contacts_leadscorechange",
        "contacts_metricvalue",
    }
    assert not Event.objects.exists()
    left = {name: count for name, count in proof.remaining.items() if count}
    assert left in ({}, {"loyalty_member.contact_id": 1})


@pytest.mark.django_db
def test_the_emptied_row_stays_and_keeps_its_id() -> None:
    contact = _person()
    other = make_contact(email="other@example.com")
    erase_contact(contact.pk, actor=SYSTEM, at=NOW + DAY)
    contact.refresh_from_db()
    assert contact.erased_at == NOW + DAY
    assert (contact.email, contact.city, contact.attributes) == ("", "", {})
    assert contact.birth_date is None
    assert contact.lead_score == 0
    assert profiles.describe_contacts([contact.pk]) == []
    assert profiles.describe_contacts([other.pk])[0]["email"] == "other@example.com"
    again = make_contact(email=f"{NAME}@example.com")
    assert again.pk > contact.pk


@pytest.mark.django_db
def test_the_trail_tells_of_the_erasure_but_not_of_the_person() -> None:
    contact = _person()
    erase_contact(contact.pk, actor=SYSTEM, at=NOW)
    entry = AuditEntry.objects.order_by("-pk")[0]
    assert (entry.action, entry.object_label) == ("contact.erased", f"#{contact.pk}")
    assert entry.changes["contacts_identity"] == [3, 0]


@pytest.mark.django_db
def test_erasing_again_deletes_nothing_and_is_told_once() -> None:
    contact = _person()
    erase_contact(contact.pk, actor=SYSTEM, at=NOW)
    proof = erase_contact(contact.pk, actor=SYSTEM, at=NOW + DAY)
    assert not any(proof.deleted[name] for name in proof.deleted if name.startswith("contacts_"))
    assert proof.erased_at == NOW
    assert AuditEntry.objects.filter(action="contact.erased").count() == 1


@pytest.mark.django_db
def test_who_does_not_exist_cannot_be_erased() -> None:
    with pytest.raises(ContactUnknown):
        erase_contact(1, actor=SYSTEM, at=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(CommandError):
        call_command("erase_contact", "1")


@pytest.mark.django_db
def test_the_command_prints_the_proof() -> None:
    contact: Any = _person()
    output = StringIO()
    call_command("erase_contact", str(contact.pk), stdout=output)
    assert "deleted from contacts identity: 3" in output.getvalue()
