"""Templates on the screen."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from integrations import templates
from integrations.connectors.mail import CONNECTOR
from integrations.models import Template
from tests.admin.conftest import MakePerson
from tests.factories import NOW, make_contact
from workspace.access import SYSTEM
from workspace.models import User

ADD = "admin:integrations_template_add"
PREVIEW = "admin:integrations_template_preview"


@pytest.fixture(autouse=True)
def _own_outbox() -> Iterator[None]:
    """The line to the outbox on disk is kept for a while, also where the next test has another."""
    CONNECTOR.close()
    yield
    CONNECTOR.close()


@pytest.fixture
def template() -> Template:
    return templates.create_template(
        actor=SYSTEM, at=NOW, name="Card", subject="Your card", text="{{ contact.first_name }}"
    )


def change_page(template: Template) -> str:
    return reverse("admin:integrations_template_change", args=[template.pk])


def test_a_template_is_written_and_changed(admin: Client) -> None:
    written = {"name": "Card", "subject": "Hi", "html": "<p>\r\n{{ contact.city }}</p>"}
    answer = admin.post(reverse(ADD), written)
    template = Template.objects.get()
    assert answer["Location"] == change_page(template)
    assert (template.key, template.html) == ("card", "<p>\n{{ contact.city }}</p>")
    admin.post(change_page(template), {**written, "subject": "Hello"})
    template.refresh_from_db()
    assert template.subject == "Hello"


def test_faults_stand_beside_their_fields_and_nothing_is_lost(admin: Client) -> None:
    page = admin.post(reverse(ADD), {"name": "Card", "subject": "{{ x }}", "text": "Kept"})
    form = page.context["form"]
    assert "there is no “x”" in form.errors["subject"][0]
    assert "Kept" in page.content.decode()
    assert not Template.objects.exists()


def test_the_preview_follows_what_is_written(admin: Client) -> None:
    contact = make_contact(first_name="Ola", city="")
    written = {"subject": "For {{ contact.first_name }}", "html": "<b>{{ contact.city }}</b>"}
    seen = admin.post(reverse(PREVIEW), {**written, "contact": contact.pk}).json()
    assert (seen["subject"], seen["html"], seen["text"]) == ("For Ola", "<b></b>", "")
    assert "contact.city" in seen["remarks"][0]
    assert admin.post(reverse(PREVIEW), {"subject": "{{ x"}).json()["faults"]
    assert admin.post(reverse(PREVIEW), {**written, "contact": "x"}).json()["faults"]
    assert admin.get(reverse(PREVIEW)).status_code == 405


def test_a_test_goes_to_oneself(admin: Client, template: Template, settings: Any) -> None:
    User.objects.filter(username="root").update(email="root@shop.example")
    address = reverse("admin:integrations_template_action", args=[template.pk, "send_test"])
    admin.post(address)
    (file,) = settings.EMAIL_FILE_PATH.iterdir()
    assert "To: root@shop.example" in file.read_text()


def test_who_may_only_look_sees_no_way_to_change(
    make_person: MakePerson, template: Template
) -> None:
    reader = make_person("integrations.view_template")
    page = reader.get(change_page(template)).content.decode()
    assert "Your card" in page
    assert 'type="submit" class="rg-button rg-primary">Save' not in page
    assert reader.post(change_page(template), {"name": "x"}).status_code == 403
    assert reader.get(reverse(ADD)).status_code == 403
    address = reverse("admin:integrations_template_action", args=[template.pk, "delete_template"])
    assert reader.post(address).status_code == 403


MJML = "<mjml><mj-body><mj-section><mj-column>{}</mj-column></mj-section></mj-body></mjml>"


def test_one_begins_with_something(admin: Client) -> None:
    page = admin.get(reverse(ADD)).content.decode()
    assert 'href="?start=welcome"' in page
    form = admin.get(f"{reverse(ADD)}?start=welcome").context["form"]
    assert form["mjml"].value().startswith("<mjml>")
    assert form["format"].value() == "mjml"
    written = {name: form[name].value() or "" for name in form.fields}
    answer = admin.post(f"{reverse(ADD)}?start=welcome", written)
    template = Template.objects.get()
    assert answer["Location"] == change_page(template)
    assert (template.name, template.mjml[:6]) == ("Welcome", "<mjml>")


def test_a_push_message_is_written(admin: Client) -> None:
    address = f"{reverse(ADD)}?start=thank-you-push"
    form = admin.get(address).context["form"]
    assert set(form.fields) == {
        *("name", "key", "channel", "language", "subject", "text", "link", "icon")
    }
    written = {name: form[name].value() or "" for name in form.fields}
    page = admin.post(address, {**written, "link": "nowhere"})
    assert "https://" in page.context["form"].errors["link"][0]
    admin.post(address, {**written, "link": "https://shop.example/"})
    template = Template.objects.get()
    assert (template.channel, template.link) == ("push", "https://shop.example/")
    assert "Send a test to me" not in admin.get(change_page(template)).content.decode()


def test_only_the_chosen_form_is_kept(admin: Client, template: Template) -> None:
    written = {"name": "Card", "subject": "Hi", "html": "<p>x", "format": "mjml"}
    admin.post(change_page(template), {**written, "mjml": MJML.format("<mj-text>Hi</mj-text>")})
    template.refresh_from_db()
    assert (template.html, template.mjml[:6]) == ("", "<mjml>")
    page = admin.post(change_page(template), {**written, "mjml": MJML.format("<mj-txt/>")})
    assert "Did you mean <mj-text>" in page.context["form"].errors["mjml"][0]


def test_it_is_translated(admin: Client, template: Template) -> None:
    polish = f"{change_page(template)}?language=pl"
    page = admin.get(polish)
    assert page.context["form"]["subject"].value() == "Your card"
    answer = admin.post(polish, {"subject": "Twoja karta", "format": "text", "text": "{{ x }}"})
    assert "there is no “x”" in answer.context["form"].errors["text"][0]
    answer = admin.post(polish, {"subject": "Twoja karta", "format": "text", "text": ""})
    assert answer["Location"] == polish
    template.refresh_from_db()
    assert templates.render(template, {}, "pl").subject == "Twoja karta"
    assert "Polish" in admin.get(change_page(template)).content.decode()
    answer = admin.post(polish, {"delete_translation": "1"})
    assert answer["Location"] == change_page(template)
    template.refresh_from_db()
    assert templates.render(template, {}, "pl").subject == "Your card"
    refused = admin.post(f"{change_page(template)}?language=klingon-x-y-z-a", {"subject": "x"})
    assert refused.status_code == 404


def test_the_preview_of_a_translation_shows_it_with_the_rest(
    admin: Client, template: Template
) -> None:
    written = {"template": template.pk, "variant": "pl", "subject": "Twoja {{ contact.city }}"}
    seen = admin.post(reverse(PREVIEW), written).json()
    assert (seen["subject"], seen["text"], seen["language"]) == ("Twoja Warszawa", "Anna", "pl")
    assert seen["snippet"] == "Anna"


def test_contacts_are_found_for_the_preview(admin: Client, make_person: MakePerson) -> None:
    contact = make_contact(email="ola@example.com", first_name="Ola", language="pl")
    address = reverse("admin:integrations_template_contacts")
    (found,) = admin.get(f"{address}?q=ola@").json()["contacts"]
    assert found == {
        "id": contact.pk,
        "name": "Ola",
        "email": "ola@example.com",
        "language": "pl",
    }
    assert admin.get(f"{address}?q=").json() == {"contacts": []}
    reader = make_person("integrations.view_template")
    assert reader.get(f"{address}?q=ola@").status_code == 403


def test_a_test_may_be_filled_for_a_contact(
    admin: Client, template: Template, settings: Any
) -> None:
    User.objects.filter(username="root").update(email="root@shop.example")
    make_contact(email="ola@example.com", first_name="Ola")
    address = reverse("admin:integrations_template_action", args=[template.pk, "send_test"])
    admin.post(address, {"contact": "nobody@example.com"})
    assert not settings.EMAIL_FILE_PATH.exists() or not list(settings.EMAIL_FILE_PATH.iterdir())
    admin.post(address, {"contact": "ola@example.com"})
    (file,) = settings.EMAIL_FILE_PATH.iterdir()
    assert "\nOla" in file.read_text()


def test_pictures_of_the_shop_may_be_shown_on_the_form_alone(
    admin: Client, template: Template
) -> None:
    policy = admin.get(change_page(template))["Content-Security-Policy"]
    assert "https:" in policy.split("img-src")[1].split(";")[0]
    others = admin.get(reverse("admin:integrations_template_changelist"))
    assert "https:" not in others["Content-Security-Policy"]
