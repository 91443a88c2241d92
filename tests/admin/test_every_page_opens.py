"""Every page of the admin opens, in an empty workspace and in one with data."""

from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from contacts.models import Contact
from integrations.models import PushConnection, Source, VendorConnection, Webhook
from loyalty.models import Distribution
from tests.admin.conftest import MakePerson
from tests.admin.workspace import furnish, some_job, some_segment
from workspace.models import User, UserGroup


def _lists() -> list[str]:
    """The address of every list, and of every form for a new thing."""
    found = [reverse("admin:index"), reverse("mail_outbox")]
    for model in django_admin.site._registry:
        room = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found.append(reverse(f"{room}_changelist"))
    return found


def _new_forms(client: Client) -> list[str]:
    user = User.objects.get(username="root")
    found = []
    for model, screen in django_admin.site._registry.items():
        request: Any = client.request().wsgi_request
        request.user = user
        if screen.has_add_permission(request):
            found.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add"))
    return found


def _things() -> list[str]:
    """The address of one thing of every kind that has any."""
    found = []
    for model in django_admin.site._registry:
        thing = model._default_manager.order_by("pk").first()
        if thing is not None:
            room = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            found.append(reverse(f"{room}_change", args=[thing.pk]))
    segment, contact = some_segment(), Contact.objects.earliest("pk")
    found += [
        reverse(f"admin:segments_segment_{page}", args=[segment.pk])
        for page in ("members", "history", "changes", "versions", "explain", "actions", "export")
    ]
    found += [
        reverse(f"admin:contacts_contact_{page}", args=[contact.pk])
        for page in ("edit", "timeline")
    ]
    source = Source.objects.earliest("pk")
    found += [
        reverse(f"admin:integrations_source_{page}", args=[source.pk])
        for page in ("setup", "first_event", "debugger", "rows", "held", "traits", "settings")
    ]
    webhook = Webhook.objects.earliest("pk")
    found += [
        reverse(f"admin:integrations_webhook_{page}", args=[webhook.pk])
        for page in ("setup", "settings")
    ]
    push_connection = PushConnection.objects.earliest("pk")
    found.append(reverse("admin:integrations_pushconnection_settings", args=[push_connection.pk]))
    authorized = VendorConnection.objects.earliest("pk")
    found += [
        reverse(f"admin:integrations_vendorconnection_{page}", args=[authorized.pk])
        for page in ("syncs", "calls", "events")
    ]
    distribution = Distribution.objects.earliest("pk")
    found += [
        reverse(f"admin:loyalty_distribution_{page}", args=[distribution.pk])
        for page in ("contacts", "settings")
    ]
    found.append(reverse("admin:workspace_job_progress", args=[some_job().pk]))
    return found


@pytest.mark.walk
def test_every_page_opens_in_an_empty_workspace(admin: Client) -> None:
    for address in [*_lists(), *_new_forms(admin)]:
        assert admin.get(address).status_code == 200, address


def test_every_page_opens_in_a_workspace_with_data_and_runs_no_script_of_its_own(
    admin: Client,
) -> None:
    furnish(2)
    group = Group.objects.create(name="Team")
    UserGroup.objects.create(group=group, entities=["segment"])
    for address in [*_lists(), *_new_forms(admin), *_things()]:
        answer = admin.get(address, follow=True)
        assert answer.status_code == 200, address
        page = answer.content.decode()
        for tag in page.split("<script")[1:]:
            attributes, _close, body = tag.partition(">")
            is_data = "application/json" in attributes
            assert is_data or not body.partition("</script")[0].strip(), address
        assert " onclick=" not in page, address


@pytest.mark.parametrize(
    ("name", "lesson"),
    [
        ("contacts_contact", "Contacts are the people you know"),
        ("contacts_tag", "A tag is a word that you attach"),
        ("contacts_attributedefinition", "An attribute is something you keep"),
        ("contacts_eventdefinition", "POST /api/events/"),
        ("segments_segment", "A segment is a named group of contacts"),
        ("segments_savedcriteria", "Saved criteria are a description of contacts"),
        ("segments_export", "Files are kept for seven days"),
        ("integrations_source", "as it happens"),
        ("integrations_heldevent", "Nothing is held"),
        ("integrations_webhook", "tells another system at once"),
        ("integrations_delivery", "with each attempt and what was answered"),
        ("integrations_template", "A template is a message with gaps"),
        ("integrations_pushsubscription", "Browsers and apps of people who allow you"),
        ("loyalty_clientkey", "A publishable key lets the checkout page"),
        ("loyalty_suspicion", "Nothing suspicious was seen"),
        ("loyalty_distribution", "A distribution gives cards by itself"),
        ("workspace_website", "A website is a place where your customers order"),
        ("workspace_apiuser", "with as few scopes as it can work with"),
        ("workspace_job", "Long work appears here"),
    ],
)
def test_empty_lists_teach(admin: Client, name: str, lesson: str) -> None:
    page = admin.get(reverse(f"admin:{name}_changelist")).content.decode()
    assert lesson in page


def test_empty_lists_offer_the_next_step_to_who_may_take_it(
    admin: Client, make_person: MakePerson
) -> None:
    reader = make_person("segments.view_export", "segments.view_segment")
    for name, step in (("export", "New export"), ("segment", "Create segment")):
        address = reverse(f"admin:segments_{name}_changelist")
        offered = admin.get(address).content.decode().partition("rg-empty")[2]
        assert step in offered
        assert step not in reader.get(address).content.decode().partition("rg-empty")[2]


def test_a_search_without_result_says_so_and_leads_back(admin: Client) -> None:
    furnish(1)
    page = admin.get(reverse("admin:contacts_contact_changelist"), {"q": "nobody"})
    assert "Nothing matches" in page.content.decode()
