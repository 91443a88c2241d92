"""Contacts on the screen: found, shown, written by the verbs of the room."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts import consents
from contacts.events import IncomingEvent, record_events
from contacts.models import AttributeDefinition, ConsentState, Contact, LeadScoreChange
from tests.factories import (
    make_attribute,
    make_category,
    make_consent,
    make_contact,
    make_tag,
)
from tests.segments.factories import make_segment, refresh

LIST = "/admin/contacts/contact/"


def _found(client: Client, **query: str) -> set[str]:
    return {str(contact) for contact in client.get(LIST, query).context["cl"].result_list}


@pytest.fixture
def people() -> None:
    """Anna Nowak and Ewa Kowalska."""
    make_contact(
        first_name="Anna",
        last_name="Nowak",
        email="Anna.Nowak@example.com",
        phone="+48600100200",
        external_id="A-1",
        country="PL",
    )
    make_contact(first_name="Ewa", last_name="Kowalska", email="ewa@example.com", country="DE")


@pytest.mark.parametrize(
    "term",
    ["anna.nowak@example.com", "Anna.N", "nowak", "NOW", "Anna Now", "A-1", "+48600100200"],
)
def test_a_contact_is_found_by_what_one_knows(admin: Client, people: None, term: str) -> None:
    assert _found(admin, q=term) == {"Anna Nowak"}


def test_a_contact_is_found_by_its_number(admin: Client, people: None) -> None:
    ewa = Contact.objects.get(first_name="Ewa")
    assert "Ewa Kowalska" in _found(admin, q=f"#{ewa.pk}")


@pytest.mark.parametrize("term", ["%", "_", "' OR 1=1", "nobody", "9" * 30])
def test_a_strange_search_finds_nobody(admin: Client, people: None, term: str) -> None:
    assert _found(admin, q=term) == set()


def test_contacts_are_filtered(admin: Client, people: None) -> None:
    anna = Contact.objects.get(first_name="Anna")
    make_tag("vip")
    make_category("media")
    address = reverse("admin:contacts_contact_label", args=[anna.pk, "tags", "add"])
    admin.post(address, {"key": "vip"})
    address = reverse("admin:contacts_contact_label", args=[anna.pk, "categories", "add"])
    admin.post(address, {"key": "media"})
    refresh(
        make_segment(
            "poles",
            {
                "combinator": "and",
                "rules": [{"field": "contact.country", "operator": "=", "value": "PL"}],
            },
        ),
        as_of=timezone.now(),
    )
    for query in ({"tag": "vip"}, {"category": "media"}, {"segment": "poles"}, {"country": "PL"}):
        assert _found(admin, **query) == {"Anna Nowak"}, query


def test_the_profile_shows_everything_known(admin: Client) -> None:
    make_attribute("color", label="Favourite colour")
    make_tag("vip", label="Very important")
    make_category("media", label="Media")
    make_consent("newsletter", label="Newsletter")
    anna = make_contact(
        first_name="Anna",
        email="anna@example.com",
        external_id="A-1",
        city="Warszawa",
        lead_score=7,
        attributes={"color": "green"},
        tags=["vip"],
        categories=["media"],
        consents={"newsletter": "granted"},
    )
    event = IncomingEvent(anna.pk, "purchase", timezone.now() - timedelta(hours=1), {"amount": 12})
    record_events([event], received_at=timezone.now())
    refresh(make_segment(name="Poles in town"), as_of=timezone.now())
    page = admin.get(reverse("admin:contacts_contact_change", args=[anna.pk])).content.decode()
    for words in (
        *("Anna", "anna@example.com", "A-1", "Warszawa", "Favourite colour", "green"),
        *("Very important", "Media", "Newsletter", "granted", "purchase", "amount: 12"),
        *("Poles in town", "Not a member of the loyalty programme"),
        "No source sent anything of this person",
    ):
        assert words in page, words


def test_the_timeline_is_turned_page_by_page(admin: Client) -> None:
    anna = make_contact(first_name="Anna")
    now = timezone.now()
    record_events(
        [
            IncomingEvent(anna.pk, "visit", now - timedelta(hours=n), {"n": f"visit-{n}."})
            for n in range(120)
        ],
        received_at=now,
    )
    seen, pages = "", 0
    path = address = reverse("admin:contacts_contact_timeline", args=[anna.pk])
    while address:
        page = admin.get(address)
        seen += page.content.decode()
        pages += 1
        older = page.context["older"]
        address = f"{path}?{older}" if older else ""
    assert pages == 3
    assert all(f"visit-{n}." in seen for n in range(120))
    assert admin.get(path, {"before": "nonsense", "since": "99", "kind": "x"}).status_code == 200


def test_the_items_come_alone_and_only_where_something_is_new(admin: Client) -> None:
    anna = make_contact(first_name="Anna")
    now = timezone.now()
    times = [now, now - timedelta(days=1), datetime(1, 1, 1, tzinfo=UTC)]
    events = [IncomingEvent(anna.pk, "visit", at) for at in times]
    record_events(events, received_at=now)
    path = reverse("admin:contacts_contact_timeline", args=[anna.pk])
    page = admin.get(path, {"part": "items"})
    words = page.content.decode()
    assert "<html" not in words
    assert [day.title for day in page.context["days"]][:2] == ["Today", "Yesterday"]
    known = {"part": "items", "known": page.context["fingerprint"]}
    assert admin.get(path, known).status_code == 204
    record_events([IncomingEvent(anna.pk, "purchase", now)], received_at=now)
    assert "purchase" in admin.get(path, known).content.decode()


def test_the_filters_of_the_timeline_stand_in_the_address_of_the_profile(admin: Client) -> None:
    make_tag("vip", label="Very important")
    anna = make_contact(first_name="Anna", tags=["vip"])
    events = [IncomingEvent(anna.pk, name, timezone.now()) for name in ("visit", "purchase")]
    record_events(events, received_at=timezone.now())
    path = reverse("admin:contacts_contact_change", args=[anna.pk])

    def shown(**query: Any) -> list[str]:
        days = admin.get(path, query).context["days"]
        return [row.item.title for day in days for row in day.rows]

    assert shown(kind="label") == ["Tag “Very important” given"]
    assert shown(kind=["label", "event"], text="IMPORTANT") == ["Tag “Very important” given"]
    assert shown(name="visit") == ["visit"]
    assert shown(since="2020-01-01", until="2020-01-31") == []
    assert "Nothing here matches" in admin.get(path, {"text": "nowhere"}).content.decode()
    chips = {chip.kind: chip.count for chip in admin.get(path).context["chips"]}
    assert (chips["event"], chips["loyalty"]) == ("2", "0")


def test_a_contact_is_added(admin: Client) -> None:
    make_attribute("color")
    make_tag("vip")
    given = {
        "first_name": "Anna",
        "email": "anna@example.com",
        "birth_date": "1980-02-29",
        "external_id": "A-1",
        "tags": ["vip"],
        "attribute__color": "green",
    }
    answer = admin.post(reverse("admin:contacts_contact_add"), given)
    anna = Contact.objects.get()
    assert answer.headers["Location"].endswith(f"/{anna.pk}/change/")
    assert anna.attributes == {"color": "green"}
    assert str(anna.birth_date) == "1980-02-29"


def test_editing_writes_only_what_was_changed(admin: Client) -> None:
    anna = make_contact(first_name="Anna", city="Kraków", external_id="A-1", lead_score=5)
    address = reverse("admin:contacts_contact_edit", args=[anna.pk])
    form = admin.get(address).context["form"]
    shown = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in shown.items() if value not in (None, "", [])}
    admin.post(address, {**sent, "city": "Warszawa"})
    updated = Contact.objects.get()
    assert updated.city == "Warszawa"
    assert updated.first_name == "Anna"
    before = updated.updated_at
    admin.post(address, {**sent, "city": "Warszawa"})
    assert Contact.objects.get().updated_at == before, "the same again writes nothing"


@pytest.mark.parametrize(
    ("type_", "sent", "kept"),
    [
        ("text", "green", "green"),
        ("number", "12.50", "12.5"),
        ("boolean", "true", "True"),
        ("boolean", "false", "False"),
        ("date", "2026-02-28", "2026-02-28"),
        ("datetime", "2026-02-28T10:00:00", "2026-02-28T10:00:00.000000Z"),
        ("list", "red\ngreen", "['green', 'red']"),
    ],
)
def test_attributes_of_every_type_are_written_and_shown_again(
    admin: Client, type_: str, sent: str, kept: str
) -> None:
    make_attribute("thing", type_)
    anna = make_contact(first_name="Anna")
    address = reverse("admin:contacts_contact_edit", args=[anna.pk])
    admin.post(address, {"first_name": "Anna", "attribute__thing": sent})
    anna.refresh_from_db()
    value = anna.attributes["thing"]
    assert str(sorted(value) if isinstance(value, list) else value) in {kept, "12.50"}
    again = admin.get(address).context["form"]
    again_sent = {name: again[name].value() for name in again.fields}
    before = anna.updated_at
    admin.post(address, {n: v for n, v in again_sent.items() if v not in (None, "", [])})
    anna.refresh_from_db()
    assert anna.updated_at == before, "what is shown means what is kept"
    admin.post(address, {"first_name": "Anna", "attribute__thing": ""})
    anna.refresh_from_db()
    assert "thing" not in anna.attributes


def test_faults_are_shown_beside_their_fields(admin: Client) -> None:
    make_contact(email="anna@example.com")
    answer = admin.post(reverse("admin:contacts_contact_add"), {"email": "anna@example.com"})
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert Contact.objects.count() == 1


def test_tags_are_given_and_taken_from_the_profile(admin: Client) -> None:
    make_tag("vip")
    make_tag("press")
    anna = make_contact(first_name="Anna", tags=["press"])
    add = reverse("admin:contacts_contact_label", args=[anna.pk, "tags", "add"])
    remove = reverse("admin:contacts_contact_label", args=[anna.pk, "tags", "remove"])
    admin.post(add, {"key": "vip"})
    admin.post(remove, {"key": "press"})
    page = admin.get(reverse("admin:contacts_contact_change", args=[anna.pk]))
    assert [tag.key for tag in page.context["labels"][0]["given"]] == ["vip"]
    page = admin.post(add, {"key": "unknown"}, follow=True)
    assert "There is no tag “unknown”" in page.content.decode()


def test_a_consent_is_granted_and_withdrawn_with_its_reason(admin: Client) -> None:
    make_consent("newsletter", label="Newsletter")
    anna = make_contact(first_name="Anna")
    address = reverse("admin:contacts_contact_consent", args=[anna.pk])
    admin.post(address, {"key": "newsletter", "state": "granted", "reason": "on the phone"})
    assert ConsentState.objects.get().state == "granted"
    admin.post(address, {"key": "newsletter", "state": "withdrawn", "reason": "by letter"})
    assert ConsentState.objects.get().state == "withdrawn"
    told = [(line.state, line.reason, line.source) for line in consents.history(anna.pk)]
    assert told == [("withdrawn", "by letter", "admin"), ("granted", "on the phone", "admin")]
    page = admin.get(reverse("admin:contacts_contact_change", args=[anna.pk])).content.decode()
    assert "by letter" in page


def test_the_lead_score_keeps_its_history(admin: Client) -> None:
    anna = make_contact(first_name="Anna", lead_score=1)
    address = reverse("admin:contacts_contact_edit", args=[anna.pk])
    admin.post(address, {"first_name": "Anna", "lead_score": "4"})
    assert LeadScoreChange.objects.count() == 2
    page = admin.get(reverse("admin:contacts_contact_change", args=[anna.pk])).content.decode()
    assert "Course of the lead score" in page


def test_an_attribute_is_defined_with_choices_and_keeps_its_type(admin: Client) -> None:
    given = {"key": "color", "label": "Colour", "type": "text", "choices": "red\n green \n\nred"}
    admin.post(reverse("admin:contacts_attributedefinition_add"), given)
    definition = AttributeDefinition.objects.get()
    assert definition.choices == ["red", "green"]
    address = reverse("admin:contacts_attributedefinition_change", args=[definition.pk])
    admin.post(address, {**given, "type": "number", "key": "other", "label": "Color"})
    definition.refresh_from_db()
    assert (definition.key, definition.type, definition.label) == ("color", "text", "Color")


def test_an_erased_contact_is_not_found(admin: Client) -> None:
    anna = Contact.objects.create(erased_at=timezone.now())
    assert _found(admin) == set()
    assert admin.get(reverse("admin:contacts_contact_change", args=[anna.pk])).status_code == 404
