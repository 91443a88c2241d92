"""Contacts are made, changed and described."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts import profiles
from contacts.errors import ContactInvalid, ContactUnknown, IdentityTaken
from contacts.identities import find_contact_id
from contacts.models import ConsentEntry, Contact, Identity, LeadScoreChange
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    make_attribute,
    make_category,
    make_consent,
    make_contact,
    make_tag,
)
from workspace.access import SYSTEM
from workspace.models import AuditEntry


def _describe(contact: Contact) -> dict[str, Any]:
    return profiles.describe_contacts([contact.pk])[0]


def _update(contact: Contact, **changes: Any) -> Contact:
    return profiles.update_contact(contact.pk, changes=changes, actor=SYSTEM, at=NOW + HOUR)


def _codes(refused: pytest.ExceptionInfo[Any]) -> dict[str, str]:
    return {problem.path: problem.code for problem in refused.value.problems}


@pytest.mark.django_db
def test_a_contact_is_described_as_it_was_given() -> None:
    make_attribute("color")
    make_attribute("since", "date")
    make_attribute("cups", "number")
    make_tag("vip")
    make_category("tea")
    make_consent("newsletter")
    make_consent("sms")
    contact = make_contact(
        external_id="A-1",
        email="Ana.Nowak@Example.com",
        phone="+48 601 234 567",
        first_name="Ana",
        birth_date="1990-02-28",
        lead_score="12.5",
        created_at="2020-01-01T00:00:00+01:00",
        attributes={"color": "red", "since": "2021-05-06", "cups": 2},
        tags=["vip"],
        categories=["tea"],
        consents={"newsletter": "granted"},
        identities=[{"namespace": "ipresso_id", "value": "77"}],
    )
    found = _describe(contact)
    assert found["external_id"] == "A-1"
    assert (found["email"], found["phone"]) == ("Ana.Nowak@Example.com", "+48 601 234 567")
    assert found["birth_date"] == date(1990, 2, 28)
    assert found["lead_score"] == Decimal("12.5")
    assert found["created_at"].isoformat() == "2019-12-31T23:00:00+00:00"
    assert found["attributes"] == {"color": "red", "since": "2021-05-06", "cups": 2}
    assert (found["tags"], found["categories"]) == (["vip"], ["tea"])
    assert found["consents"] == {"newsletter": "granted", "sms": "unknown"}
    assert found["identities"] == [
        {"namespace": "email", "value": "ana.nowak@example.com"},
        {"namespace": "ipresso_id", "value": "77"},
        {"namespace": "phone", "value": "+48601234567"},
        {"namespace": "user_id", "value": "A-1"},
    ]


@pytest.mark.django_db
def test_every_fault_is_named_and_nothing_is_written() -> None:
    make_attribute("cups", "number")
    with pytest.raises(ContactInvalid) as refused:
        make_contact(
            email="no address",
            phone="call me",
            birth_date="2023-02-29",
            lead_score="many",
            first_name="N\0L",
            time_zone="Mars/Base",
            updated_at="2020-01-01",
            nickname="Ann",
            external_id=["x"],
            attributes={"cups": "two", "colour": "red"},
            tags=["nobody-defined-it"],
            categories="tea",
            consents={"newsletter": "granted"},
            identities=[{"namespace": "No!", "value": "x"}, {"namespace": "x"}],
        )
    assert _codes(refused) == {
        "email": "wrong_value",
        "phone": "wrong_value",
        "birth_date": "wrong_value",
        "lead_score": "wrong_value",
        "first_name": "wrong_value",
        "time_zone": "wrong_value",
        "updated_at": "read_only",
        "nickname": "unknown_field",
        "external_id": "wrong_value",
        "attributes.cups": "wrong_value",
        "attributes.colour": "unknown_key",
        "tags[0]": "unknown_key",
        "categories": "wrong_value",
        "consents.newsletter": "unknown_key",
        "identities[0].namespace": "wrong_value",
        "identities[1]": "wrong_value",
    }
    assert not Contact.objects.exists()


@pytest.mark.django_db
def test_an_update_changes_what_is_named_only() -> None:
    make_attribute("color")
    make_attribute("size")
    contact = make_contact(
        city="Gdynia", first_name="Ana", attributes={"color": "red", "size": "L"}
    )
    _update(contact, city="Sopot", attributes={"color": None})
    found = _describe(contact)
    assert (found["city"], found["first_name"]) == ("Sopot", "Ana")
    assert found["attributes"] == {"size": "L"}
    assert found["updated_at"] == NOW + HOUR


@pytest.mark.django_db
def test_saying_the_same_again_writes_nothing() -> None:
    make_attribute("cups", "number")
    make_tag("vip")
    make_consent("sms")
    given: dict[str, Any] = {
        "external_id": "1",
        "email": "a@example.com",
        "lead_score": 5,
        "attributes": {"cups": "2.50"},
        "tags": ["vip"],
        "consents": {"sms": "granted"},
    }
    contact = make_contact(**given)
    trail = AuditEntry.objects.count()
    _update(contact, **given, identities=[{"namespace": "email", "value": "A@EXAMPLE.com"}])
    contact.refresh_from_db()
    assert contact.updated_at == NOW
    assert ConsentEntry.objects.count() == LeadScoreChange.objects.count() == 1
    assert AuditEntry.objects.count() == trail


@pytest.mark.django_db
def test_identities_follow_the_columns() -> None:
    contact = make_contact(external_id="A", email="a@example.com", phone="0048601234567")
    _update(contact, external_id="B", email="New@Example.com", phone="")
    names = set(Identity.objects.values_list("namespace", "value"))
    assert names == {("user_id", "B"), ("email", "new@example.com")}
    assert find_contact_id("email", " NEW@example.com ") == contact.pk
    assert find_contact_id("user_id", "A") is None


@pytest.mark.django_db
def test_an_email_given_as_identity_fills_the_column() -> None:
    contact = make_contact(identities=[{"namespace": "email", "value": "Jo@Example.com"}])
    assert _describe(contact)["email"] == "Jo@Example.com"
    with pytest.raises(ContactInvalid) as refused:
        _update(
            contact,
            email="x@y.example",
            identities=[{"namespace": "email", "value": "z@y.example"}],
        )
    assert _codes(refused) == {"identities": "contradiction"}


@pytest.mark.django_db
def test_an_identity_of_another_contact_is_refused_and_nothing_written() -> None:
    make_contact(email="a@example.com", external_id="1")
    other = make_contact(external_id="2")
    with pytest.raises(IdentityTaken) as refused:
        _update(other, first_name="Eve", email="A@example.com", external_id="1")
    assert _codes(refused) == {"email": "identity_taken", "external_id": "identity_taken"}
    other.refresh_from_db()
    assert (other.first_name, other.email) == ("", "")
    assert find_contact_id("user_id", "2") == other.pk


@pytest.mark.django_db
def test_lists_of_labels_are_replaced() -> None:
    for key in ("a", "b", "c"):
        make_tag(key)
    contact = make_contact(tags=["a", "b"])
    _update(contact, tags=["b", "c"])
    assert _describe(contact)["tags"] == ["b", "c"]
    _update(contact, tags=[])
    assert _describe(contact)["tags"] == []


@pytest.mark.django_db
def test_a_given_consent_cannot_become_unknown() -> None:
    make_consent("sms")
    contact = make_contact(consents={"sms": "unknown"})
    _update(contact, consents={"sms": "granted"})
    with pytest.raises(ContactInvalid) as refused:
        _update(contact, consents={"sms": "unknown"})
    assert _codes(refused) == {"consents.sms": "wrong_value"}
    assert _describe(contact)["consents"] == {"sms": "granted"}


@pytest.mark.django_db
def test_the_trail_tells_what_changed_without_what_is_personal() -> None:
    make_tag("vip")
    contact = make_contact(first_name="Ana")
    _update(contact, first_name="Anna", city="Lublin", lead_score=7, tags=["vip"])
    entry = AuditEntry.objects.order_by("-pk")[0]
    assert entry.action == "contact.updated"
    assert (entry.object_id, entry.object_label) == (str(contact.pk), f"#{contact.pk}")
    assert entry.changes == {
        "first_name": ["…", "…"],
        "city": [None, "…"],
        "lead_score": ["0", "7"],
        "tags": [[], ["vip"]],
    }


@pytest.mark.django_db
def test_saving_by_external_id_makes_one_contact_and_then_changes_it() -> None:
    def save(**changes: Any) -> tuple[Contact, bool]:
        return profiles.save_by_external_id("X 1", changes=changes, actor=SYSTEM, at=NOW)

    first, was_made = save(city="Lublin")
    second, was_made_again = save(city="Radom", external_id="X 1")
    assert (was_made, was_made_again) == (True, False)
    assert first.pk == second.pk
    assert second.city == "Radom"
    with pytest.raises(ContactInvalid):
        save(external_id="Y")


@pytest.mark.django_db(transaction=True)
def test_parallel_saves_of_one_external_id_make_one_contact() -> None:
    def save(number: int) -> int:
        try:
            contact, _made = profiles.save_by_external_id(
                "shared", changes={"city": f"City {number}"}, actor=SYSTEM, at=NOW
            )
            return contact.pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(save, range(24)))
    assert len(found) == 1
    assert Contact.objects.count() == Identity.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_parallel_creates_of_one_email_one_wins() -> None:
    def create(_number: int) -> str:
        try:
            make_contact(email="one@example.com")
        except IdentityTaken as refused:
            return refused.code
        finally:
            connection.close()
        return "made"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(create, range(12)))
    assert sorted(outcomes) == ["identity_taken"] * 11 + ["made"]
    assert Contact.objects.count() == 1


@pytest.mark.django_db
def test_describing_twenty_costs_what_describing_one_costs() -> None:
    make_tag("vip")
    make_consent("sms")
    ids = [
        make_contact(email=f"{n}@example.com", tags=["vip"], consents={"sms": "granted"}).pk
        for n in range(20)
    ]
    counts = []
    for some in (ids[:1], ids):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            profiles.describe_contacts(some)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    shuffled = [ids[3], 0, ids[1]]
    assert [found["id"] for found in profiles.describe_contacts(shuffled)] == [ids[3], ids[1]]


@pytest.mark.django_db
def test_who_is_unknown_or_erased_cannot_be_changed() -> None:
    contact = make_contact()
    Contact.objects.filter(pk=contact.pk).update(erased_at=NOW + DAY)
    for contact_id in (contact.pk, 0):
        with pytest.raises(ContactUnknown):
            profiles.update_contact(contact_id, changes={}, actor=SYSTEM, at=NOW)
