"""Definitions on the screen: keys for ever, faults beside their fields, what is used stays."""

import pytest
from django.test import Client
from django.urls import reverse

from contacts.models import AttributeDefinition, ConsentDefinition, Contact, MetricDefinition, Tag
from tests.admin.conftest import MakePerson
from tests.factories import make_contact, make_tag
from tests.segments.factories import make_segment
from workspace.models import AuditEntry


def test_a_tag_is_defined_and_told_in_the_trail(admin: Client) -> None:
    admin.post(reverse("admin:contacts_tag_add"), {"key": "vip", "label": "Very important"})
    assert Tag.objects.get().label == "Very important"
    assert AuditEntry.objects.filter(action="tag.defined", actor_label="root").exists()


def test_the_key_never_changes(admin: Client) -> None:
    tag = make_tag("vip")
    address = reverse("admin:contacts_tag_change", args=[tag.pk])
    admin.post(address, {"key": "other", "label": "New"})
    tag.refresh_from_db()
    assert (tag.key, tag.label) == ("vip", "New")


@pytest.mark.parametrize("key", ["", "with space", "-begins", "ż", "x" * 64])
def test_a_key_that_cannot_be_used_is_told_beside_its_field(admin: Client, key: str) -> None:
    answer = admin.post(reverse("admin:contacts_tag_add"), {"key": key, "label": "Label"})
    assert answer.status_code == 200
    assert "key" in answer.context["adminform"].form.errors
    assert not Tag.objects.exists()


def test_what_the_verb_refuses_is_told_beside_its_field(admin: Client) -> None:
    given = {"key": "size", "label": "Size", "type": "number", "choices": "1\n2"}
    answer = admin.post(reverse("admin:contacts_attributedefinition_add"), given)
    assert answer.status_code == 200
    assert "choices" in answer.context["adminform"].form.errors
    assert "Only texts and lists have choices" in answer.content.decode()
    assert 'value="Size"' in answer.content.decode(), "what was written stays"
    assert not AttributeDefinition.objects.exists()


def test_consents_and_metrics_are_defined(admin: Client) -> None:
    admin.post(
        reverse("admin:contacts_consentdefinition_add"),
        {"key": "newsletter", "label": "Newsletter", "description": "Once a week"},
    )
    admin.post(
        reverse("admin:contacts_metricdefinition_add"),
        {"key": "orders", "label": "Orders", "type": "number"},
    )
    assert ConsentDefinition.objects.get().description == "Once a week"
    assert MetricDefinition.objects.get(key="orders").type == "number"


def test_a_consent_is_internal_and_has_words_in_other_languages(admin: Client) -> None:
    address = reverse("admin:contacts_consentdefinition_add")
    given = {"key": "risk", "label": "Risk", "translations": "pl | Ryzyko | Ocena.\n\nde|Risiko"}
    admin.post(address, given)
    consent = ConsentDefinition.objects.get()
    assert consent.is_public is False, "an unticked box says no"
    assert consent.translations == {
        "pl": {"label": "Ryzyko", "description": "Ocena."},
        "de": {"label": "Risiko"},
    }
    page = reverse("admin:contacts_consentdefinition_change", args=[consent.pk])
    assert "pl | Ryzyko | Ocena." in admin.get(page).content.decode()


@pytest.mark.parametrize("line", ["polish | Biuletyn", "pl", "pl | a\npl | b", "pl | " + "x" * 121])
def test_words_in_no_language_are_told_beside_their_field(admin: Client, line: str) -> None:
    address = reverse("admin:contacts_consentdefinition_add")
    answer = admin.post(address, {"key": "risk", "label": "Risk", "translations": line})
    assert "translations" in answer.context["adminform"].form.errors
    assert not ConsentDefinition.objects.exists()


def _delete(client: Client, tag: Tag) -> str:
    address = reverse("admin:contacts_tag_action", args=[tag.pk, "delete_unused"])
    return client.post(address, follow=True).content.decode()


def test_an_unused_definition_is_deleted(admin: Client) -> None:
    assert "was deleted" in _delete(admin, make_tag("vip"))
    assert not Tag.objects.exists()


def test_a_definition_that_contacts_have_stays(admin: Client) -> None:
    tag = make_tag("vip")
    make_contact(tags=["vip"])
    assert "contacts have it" in _delete(admin, tag)
    assert Tag.objects.exists()


def test_deleting_needs_its_permission(make_person: MakePerson) -> None:
    tag = make_tag("vip")
    person = make_person("contacts.view_tag", "contacts.change_tag")
    address = reverse("admin:contacts_tag_action", args=[tag.pk, "delete_unused"])
    assert person.post(address).status_code == 403


def test_a_contact_is_erased_after_a_dialog_that_says_what_goes(admin: Client) -> None:
    anna = make_contact(first_name="Anna", email="anna@example.com", city="Warszawa")
    make_segment()
    page = admin.get(reverse("admin:contacts_contact_change", args=[anna.pk])).content.decode()
    for words in ("identities", "all events", "This cannot be undone", "Erase for ever"):
        assert words in page, words
    address = reverse("admin:contacts_contact_action", args=[anna.pk, "erase"])
    assert "was erased" in admin.post(address, follow=True).content.decode()
    assert Contact.objects.get().email == ""
    assert admin.get(reverse("admin:contacts_contact_change", args=[anna.pk])).status_code == 404


def test_erasing_needs_its_permission(make_person: MakePerson) -> None:
    anna = make_contact(first_name="Anna")
    person = make_person("contacts.view_contact", "contacts.change_contact")
    page = person.get(reverse("admin:contacts_contact_change", args=[anna.pk])).content.decode()
    assert "dialog-erase" not in page
    address = reverse("admin:contacts_contact_action", args=[anna.pk, "erase"])
    assert person.post(address).status_code == 403
    assert Contact.objects.get().erased_at is None
