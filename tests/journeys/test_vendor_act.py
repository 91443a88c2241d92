"""The activity that changes the contact at another system: a real server plays that system."""

import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

import pytest
from django.utils import timezone

from integrations import outbound, sending
from integrations import registry as outgoing
from integrations.connector import Http
from integrations.errors import CredentialsRejected, PermanentError, TemporaryError
from integrations.models import Delivery, VendorConnection
from integrations.sandbox.server import Request, Response, Sandbox, running
from integrations.vendors import connections, registry, updates
from integrations.vendors.registry import CredentialField, Vendor, Verified
from journeys.engine.tick import tick_journey
from journeys.models import JourneyVersion, Lane, Message, Participant
from tests.factories import DAY, NOW, make_contact
from tests.journeys.drawn import make_version, node
from tests.journeys.test_acts import send_in
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
WAIT = {"amount": 9, "unit": "day"}
FIELDS = {"FIRSTNAME": "{{ contact.first_name }}", "LASTORDER": "{{ entry.properties.id }}"}


class Directory(Sandbox):
    """A system that knows people by their e-mail address."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, dict[str, Any]] = {}
        self.password = "right"

    def handle(self, request: Request) -> Response:
        if request.headers.get("authorization") != self.password:
            return Response(401, {})
        if request.method == "GET":
            return Response(200, {"name": "Directory"})
        email = request.path.removeprefix("/people/")
        self.people.setdefault(email, {}).update(request.document())
        return Response(200, {"id": f"p-{len(self.people)}"})


def call(http: Http, credentials: Mapping[str, str], method: str, path: str, body: Any) -> Any:
    content = json.dumps(body).encode()
    headers = {"Authorization": credentials["password"]}
    answer = http.request(method, path, headers=headers, body=content)
    if answer.status == 401:
        raise CredentialsRejected("The password is wrong.", http_status=401)
    if answer.status >= 500:
        raise TemporaryError("It has trouble.", http_status=answer.status)
    return json.loads(answer.text)


def verify(http: Http, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> Verified:
    return Verified(account_name=call(http, credentials, "GET", "/", {})["name"])


def update(
    http: Http,
    credentials: Mapping[str, str],
    settings: Mapping[str, Any],
    contact: Mapping[str, Any],
    fields: Mapping[str, Any],
) -> str:
    if not contact["email"]:
        raise PermanentError("The contact has no e-mail address.")
    return str(call(http, credentials, "POST", f"/people/{contact['email']}", fields)["id"])


@pytest.fixture
def directory(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Directory]:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    # As somebody finds them where this kind was never set up.
    monkeypatch.setattr(registry, "_vendors", dict(registry._vendors))
    monkeypatch.setattr(outgoing, "_connectors", dict(outgoing._connectors))
    monkeypatch.setattr(updates, "_updates", dict(updates._updates))
    sandbox = Directory()
    with running(sandbox):
        registry.register_vendor(
            Vendor(
                kind="dotdigital",
                label="Directory",
                description="",
                base_url=lambda settings: sandbox.url,
                credentials=[CredentialField("password", "Password", is_secret=True)],
                verify=verify,
            )
        )
        updates.register_update("dotdigital", update)
        yield sandbox
        outbound.hang_up()


def connect() -> VendorConnection:
    return connections.authorize_connection(
        kind="dotdigital", credentials={"password": "right"}, actor=SYSTEM, at=NOW
    )


def tells(*ways: str, **given: Any) -> JourneyVersion:
    """A journey that updates; with these ways out besides "next"."""
    waits = [node(way, "wait", duration=WAIT) for way in ("next", *ways)]
    return make_version(
        node("start", "event_entry", event="enter"),
        node("tell", "update_vendor", vendor=connect().pk, fields=FIELDS),
        *waits,
        edges=[("start", "tell"), ("tell", "next"), *(("tell", way, way) for way in ways)],
        **given,
    )


def drain(at: Any = NOW) -> None:
    sending.drain(lambda: at)


def stands_at(version: JourneyVersion) -> list[str]:
    places = Participant.objects.order_by("contact_id").values_list("place", flat=True)
    return [version.places[place][0] for place in places]


def test_the_system_is_told_of_the_contact_with_its_gaps_filled(directory: Directory) -> None:
    anna = make_contact(first_name="Anna", email="anna@example.com")
    version = tells()
    send_in(version, anna.pk, entry={"properties": {"id": "A-7"}})
    assert stands_at(version) == ["next"], "nobody waits where no way for an error was drawn"
    drain()
    assert directory.people == {"anna@example.com": {"FIRSTNAME": "Anna", "LASTORDER": "A-7"}}
    message = Message.objects.get()
    assert (message.channel, message.state) == ("vendor", "sent")
    assert message.address == "Dotdigital: Directory"
    assert Delivery.objects.get().reference == "p-1"
    assert "right" not in VendorConnection.objects.get().calls.get().request


def test_who_cannot_be_told_of_leaves_by_error(directory: Directory) -> None:
    version = tells("error")
    send_in(version, make_contact(first_name="Ben", email="").pk)
    assert stands_at(version) == ["tell"]
    drain()
    tick_journey(version.journey_id, as_of=NOW + DAY)
    assert stands_at(version) == ["error"]
    assert Message.objects.get().error == "The contact has no e-mail address."


def test_a_refused_password_stops_the_account_and_the_update_waits(directory: Directory) -> None:
    version = tells()
    send_in(version, make_contact(email="anna@example.com").pk)
    directory.password = "changed"
    drain()
    connection = VendorConnection.objects.get()
    assert (connection.is_enabled, connection.error) == (False, "The password is wrong.")
    assert Delivery.objects.get().state == "queued"
    assert Message.objects.get().state == "queued"


def test_a_rehearsal_and_an_account_that_is_gone_change_nothing(directory: Directory) -> None:
    version = tells("error")
    VendorConnection.objects.update(revoked_at=timezone.now(), next_sync_at=None)
    send_in(version, make_contact(email="anna@example.com").pk)
    assert stands_at(version) == ["error"]
    assert not directory.people
    rehearsed = tells("error", key="other", lane=Lane.REHEARSAL)
    send_in(rehearsed, make_contact(email="ben@example.com").pk)
    drain()
    assert not directory.people
