"""Push messages on the screen: connections, a test to oneself, the devices of a contact."""

import json
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.models import Connection, PushSubscription
from integrations.push import connections
from integrations.sources import create_source
from integrations.templates import create_template
from tests.admin.conftest import MakePerson
from tests.factories import make_contact
from tests.integrations.push.other_side import Browser, google
from tests.integrations.receiving import receiver
from workspace.access import SYSTEM

LIST = "admin:integrations_pushconnection_changelist"
ADD = "admin:integrations_pushconnection_add"


@pytest.fixture(autouse=True)
def services_here(settings: Any, db: None) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    settings.PUSH_HOSTS = ["127.0.0.1", "*.push.example"]


@pytest.fixture
def to_browsers() -> Connection:
    return connections.web_push_connection(at=timezone.now())


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:integrations_pushconnection_{name}", args=args)


def test_whoever_looks_for_push_to_browsers_finds_it_ready(admin: Client) -> None:
    _source, write_key = create_source(name="Site", kind="web", actor=SYSTEM, at=timezone.now())
    listed = admin.get(reverse(LIST)).content.decode()

    connection = Connection.objects.get()
    assert page("change", connection.pk) in listed
    opened = admin.get(page("change", connection.pk)).content.decode()
    assert connection.settings["public_key"] in opened
    assert "importScripts" in opened
    assert write_key in opened
    assert connection.sealed_secret not in opened


def test_who_may_only_look_makes_nothing(make_person: MakePerson) -> None:
    reader = make_person("integrations.view_pushconnection")

    assert reader.get(reverse(LIST)).status_code == 200

    assert not Connection.objects.exists()


def test_settings_are_saved_and_faults_stand_beside_their_fields(
    admin: Client, to_browsers: Connection
) -> None:
    address = page("settings", to_browsers.pk)
    wanted = {"name": "Shop", "ttl_seconds": "3600", "urgency": "low"}
    assert admin.post(address, wanted).status_code == 302
    to_browsers.refresh_from_db()
    assert to_browsers.name == "Shop"
    assert to_browsers.settings["ttl_seconds"] == 3600
    assert to_browsers.settings["urgency"] == "low"
    refused = admin.post(address, {**wanted, "name": ""})
    assert refused.context["form"].errors["name"]


def test_a_time_that_is_not_among_the_choices_stays(admin: Client, to_browsers: Connection) -> None:
    connections.change_connection(
        to_browsers.pk, values={"ttl_seconds": 61}, actor=SYSTEM, at=timezone.now()
    )

    shown = admin.get(page("settings", to_browsers.pk)).content.decode()

    assert "for 61 seconds" in shown


def test_an_app_is_connected_tried_and_switched(admin: Client) -> None:
    refused = admin.post(reverse(ADD), {"account": "nonsense"})
    assert "service account" in refused.context["form"].errors["account"][0]
    with google() as side:
        made = admin.post(reverse(ADD), {"account": side.account()})
        connection = Connection.objects.get(kind="fcm")
        assert made["Location"] == page("change", connection.pk)
        # There is one at most.
        assert admin.get(reverse(ADD)).status_code == 403
        assert "Connect an app" not in admin.get(reverse(LIST)).content.decode()
        # To the stand-in, which no form asks for.
        connection.settings |= {"base_url": side.base_url, "token_url": f"{side.base_url}/token"}
        connection.save()
        shown = admin.get(page("change", connection.pk)).content.decode()
        assert "shop-app" in shown
        assert "PRIVATE" not in shown
        answer = admin.post(
            page("action", connection.pk, "send_test"), {"token": "mine"}, follow=True
        )
        assert "FCM took it" in answer.content.decode()
        assert side.sent[0]["token"] == "mine"

    admin.post(page("action", connection.pk, "disable"))
    connection.refresh_from_db()
    assert not connection.is_enabled
    admin.post(page("action", connection.pk, "enable"))
    connection.refresh_from_db()
    assert connection.is_enabled


def test_a_test_message_comes_to_the_browser_that_asks(
    admin: Client, to_browsers: Connection
) -> None:
    address = page("trial", to_browsers.pk)
    with receiver(201) as service:
        browser = Browser(service.url)
        body = {"subscription": json.dumps(browser.subscription)}
        answer = admin.post(address, body)
        assert (answer.status_code, "took it" in answer.json()["message"]) == (200, True)
        assert browser.read(service.received[0])["title"] == "It works"
        service.answer = 403
        assert admin.post(address, body).status_code == 502

    assert admin.post(address, {"subscription": "x"}).status_code == 400
    assert admin.get(address).status_code == 405
    connections.disable_connection(to_browsers.pk, actor=SYSTEM, at=timezone.now())
    assert admin.post(address, body).status_code == 409
    assert not PushSubscription.objects.exists()


def test_a_new_key_says_beforehand_whom_it_costs(admin: Client, to_browsers: Connection) -> None:
    Browser("https://a.push.example/1").subscribe()
    shown = admin.get(page("change", to_browsers.pk)).content.decode()
    assert "1 browser is bound to the present key" in shown

    answer = admin.post(page("action", to_browsers.pk, "new_key"), follow=True)

    assert "1 browser has to come back" in answer.content.decode()
    assert PushSubscription.objects.get().ended_at is not None


def test_a_contacts_devices_stand_on_the_profile_and_can_be_removed(admin: Client) -> None:
    contact = make_contact(external_id="A-17")
    profile = reverse("admin:contacts_contact_change", args=[contact.pk])
    assert "No browser or app of this person" in admin.get(profile).content.decode()
    device = Browser("https://a.push.example/1").subscribe("A-17", device="Safari on iPhone")
    address = reverse("admin:integrations_pushsubscription_change", args=[device.pk])

    shown = admin.get(profile).content.decode()
    assert "Safari on iPhone" in shown
    assert address in shown
    opened = admin.get(address).content.decode()
    assert device.address not in opened
    remove = reverse("admin:integrations_pushsubscription_action", args=[device.pk, "remove"])
    admin.post(remove)

    assert "It was removed by hand." in admin.get(profile).content.decode()


def test_devices_are_found_by_their_state(admin: Client) -> None:
    now = timezone.now()
    Browser("https://a.push.example/1").subscribe("A", device="Open one")
    Browser("https://a.push.example/2").subscribe("B", device="Ended one")
    PushSubscription.objects.filter(device="Ended one").update(ended_at=now, ended_reason="Gone.")
    listed = reverse("admin:integrations_pushsubscription_changelist")

    shown = {
        state: admin.get(f"{listed}?state={state}").content.decode() for state in ("open", "ended")
    }

    assert ("Open one" in shown["open"], "Ended one" in shown["open"]) == (True, False)
    assert ("Open one" in shown["ended"], "Ended one" in shown["ended"]) == (False, True)


def test_who_may_only_look_changes_nothing(
    make_person: MakePerson, to_browsers: Connection
) -> None:
    device = Browser("https://a.push.example/1").subscribe()
    reader = make_person(
        "integrations.view_pushconnection",
        "integrations.view_pushsubscription",
        "contacts.view_contact",
    )
    assert reader.get(page("change", to_browsers.pk)).status_code == 200
    remove = reverse("admin:integrations_pushsubscription_action", args=[device.pk, "remove"])
    for answer in (
        reader.get(reverse(ADD)),
        reader.post(page("settings", to_browsers.pk), {"name": "X"}),
        reader.post(page("action", to_browsers.pk, "new_key")),
        reader.post(page("trial", to_browsers.pk), {"subscription": "{}"}),
        reader.post(remove),
    ):
        assert answer.status_code == 403


def test_a_template_is_shown_to_the_browser_that_asks_for_it(
    admin: Client, make_person: MakePerson
) -> None:
    template = create_template(
        name="News",
        channel="push",
        subject="Hi {{ contact.first_name }}",
        text="Look at what is new",
        link="https://shop.example/new",
        actor=SYSTEM,
        at=timezone.now(),
    )
    eva = make_contact(first_name="Eva", email="eva@example.com")
    address = reverse("admin:integrations_template_trial", args=[template.pk])
    shown = admin.get(reverse("admin:integrations_template_change", args=[template.pk]))
    assert address in shown.content.decode()
    with receiver(201) as service:
        browser = Browser(service.url)
        body = {"subscription": json.dumps(browser.subscription)}
        assert "took it" in admin.post(address, body).json()["message"]
        assert admin.post(address, {**body, "contact": eva.email}).status_code == 200
        example, of_eva = (browser.read(one) for one in service.received)
        assert example["title"].startswith("[Test] Hi ")
        assert of_eva["title"] == "[Test] Hi Eva"
        assert (of_eva["body"], of_eva["url"]) == (
            "Look at what is new",
            "https://shop.example/new",
        )
        # It is no message: nobody is told that it was opened.
        assert "opened" not in of_eva
        # Who may see no contact gets an example, and who may see no template nothing.
        reader = make_person("integrations.view_template")
        assert reader.post(address, {**body, "contact": eva.email}).status_code == 200
        assert browser.read(service.received[2])["title"] == example["title"]
        assert make_person("contacts.view_contact").post(address, body).status_code == 403
        unknown = admin.post(address, {**body, "contact": "nobody@example.com"})
        assert (unknown.status_code, len(service.received)) == (400, 3)
        service.answer = 410
        assert admin.post(address, body).status_code == 502
    assert admin.post(address, {"subscription": "{}"}).status_code == 400
    assert not PushSubscription.objects.exists()
    mail = create_template(name="Mail", subject="Hi", html="Hi", actor=SYSTEM, at=timezone.now())
    other = reverse("admin:integrations_template_trial", args=[mail.pk])
    assert admin.post(other, body).status_code == 404
