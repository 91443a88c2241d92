"""Templates on the screen."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from integrations import templates
from integrations.models import Template
from tests.admin.conftest import MakePerson
from tests.factories import NOW, make_contact
from workspace.access import SYSTEM
from workspace.models import User

ADD = "admin:integrations_template_add"
PREVIEW = "admin:integrations_template_preview"


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
