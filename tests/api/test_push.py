"""Push connections and devices over HTTP: no secret is told, faults are named."""

import json
from ipaddress import ip_network
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Connection, PushSubscription
from integrations.push import connections
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.factories import make_contact
from tests.integrations.push.other_side import Browser, google
from tests.integrations.receiving import receiver
from workspace.models import AuditEntry

PATH = "/api/push-connections/"


@pytest.fixture(autouse=True)
def services_here(settings: Any, db: None) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    settings.PUSH_HOSTS = ["127.0.0.1", "*.push.example"]


@pytest.fixture
def to_browsers() -> Connection:
    return connections.web_push_connection(at=timezone.now())


def test_the_connection_to_browsers_is_read_and_changed(
    program: Program, to_browsers: Connection
) -> None:
    (read,) = program.get(PATH).json()["results"]
    assert (read["kind"], read["enabled"], read["urgency"]) == ("web_push", True, "normal")
    assert read["public_key"] == to_browsers.settings["public_key"]
    assert read["project"] is None

    path = f"{PATH}{read['id']}/"
    changed = program.patch(path, {"ttl_seconds": 60, "urgency": "high", "enabled": False}).json()
    assert (changed["ttl_seconds"], changed["urgency"]) == (60, "high")
    assert not changed["enabled"]
    assert program.patch(path, {"enabled": True}).json()["enabled"]
    assert to_browsers.sealed_secret not in program.get(path).content.decode()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"ttl_seconds": -1}, "ttl_seconds"),
        ({"ttl_seconds": 28 * 86_400 + 1}, "ttl_seconds"),
        ({"urgency": "soon"}, "urgency"),
        ({"name": " "}, "name"),
        ({"account": {"project_id": 1.5}}, "account"),
        ({"color": 1}, "color"),
    ],
)
def test_faults_are_named_and_nothing_is_changed(
    program: Program, to_browsers: Connection, body: Any, path: str
) -> None:
    problem = assert_problem(program.patch(f"{PATH}{to_browsers.pk}/", body), 400)
    assert [one["path"] for one in problem["errors"]] == [path]
    to_browsers.refresh_from_db()
    assert list(to_browsers.settings) == ["public_key"]


def test_an_app_is_connected_and_its_account_told_to_nobody(program: Program) -> None:
    with google() as side:
        body = {"account": json.loads(side.account()), "base_url": side.base_url}
        body["token_url"] = f"{side.base_url}/token"
        made = program.post(PATH, body)
        assert made.status_code == 201
        assert (made.json()["kind"], made.json()["project"]) == ("fcm", "shop-app")
        assert_problem(program.post(PATH, body), 409, "push_connection_exists")

        tried = program.post(f"{PATH}{made.json()['id']}/test/", {"token": "mine"})

    assert tried.json() == {"status": 200, "reference": "projects/shop-app/messages/1"}
    assert side.sent[0]["token"] == "mine"
    said = made.content.decode() + str(list(AuditEntry.objects.values_list("changes", flat=True)))
    assert "PRIVATE" not in said


def test_a_new_key_says_how_many_have_to_come_back(
    program: Program, to_browsers: Connection
) -> None:
    Browser("https://a.push.example/1").subscribe()

    rotated = program.post(f"{PATH}rotate-key/").json()

    assert rotated["ended_subscriptions"] == 1
    assert rotated["public_key"] != to_browsers.settings["public_key"]


def test_a_test_goes_to_the_browser_that_is_named(
    program: Program, to_browsers: Connection
) -> None:
    with receiver(201) as service:
        browser = Browser(service.url)
        path = f"{PATH}{to_browsers.pk}/test/"
        answer = program.post(path, {"subscription": browser.subscription})
        assert (answer.status_code, answer.json()["status"]) == (200, 201)
        assert browser.read(service.received[0])["title"] == "It works"
        service.answer = 410
        assert_problem(program.post(path, {"subscription": browser.subscription}), 502)
        service.answer = 503
        assert_problem(program.post(path, {"subscription": browser.subscription}), 503)

    elsewhere = {"subscription": {"endpoint": "http://10.0.0.1/"}}
    nonsense: Any
    for nonsense in ({}, {"subscription": []}, elsewhere):
        assert_problem(program.post(path, nonsense), 400, "subscription_invalid")
    assert not PushSubscription.objects.exists()


def test_the_devices_of_a_contact_are_listed_and_removed(program: Program) -> None:
    contact = make_contact(external_id="A-17")
    browser = Browser("https://a.push.example/1")
    browser.subscribe("A-17", device="Firefox on Linux")
    other = Browser("https://a.push.example/2").subscribe("B-18")
    path = f"/api/contacts/{contact.pk}/push-subscriptions/"

    (read,) = program.get(path).json()["results"]
    assert (read["device"], read["service"]) == ("Firefox on Linux", "a.push.example")
    assert browser.endpoint not in program.get(path).content.decode()

    assert program.delete(f"{path}{read['id']}/").status_code == 204
    assert program.delete(f"{path}{read['id']}/").status_code == 204
    (ended,) = program.get(path).json()["results"]
    assert ended["ended_reason"] == "It was removed by hand."
    assert_problem(program.delete(f"{path}{other.pk}/"), 404, "subscription_unknown")
    assert AuditEntry.objects.filter(action="pushsubscription.removed").count() == 1


def test_who_may_only_look_changes_nothing(
    make_program: MakeProgram, to_browsers: Connection
) -> None:
    device = Browser("https://a.push.example/1").subscribe()
    reader = make_program("integrations:read", "contacts:read")
    assert reader.get(PATH).status_code == 200
    for answer in (
        reader.patch(f"{PATH}{to_browsers.pk}/", {"name": "X"}),
        reader.post(f"{PATH}rotate-key/"),
        reader.post(f"{PATH}{to_browsers.pk}/test/", {}),
        reader.post(PATH, {"account": {}}),
        reader.delete(f"/api/contacts/{device.contact_id}/push-subscriptions/{device.pk}/"),
    ):
        assert_problem(answer, 403)
