"""Contacts that journeys change at vendors, each at its own sandbox."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from integrations import outbound, outbox, sending
from integrations.models import Delivery, VendorConnection
from integrations.sandbox.dotdigital import Dotdigital
from integrations.sandbox.emarsys import EmarsysSandbox
from integrations.sandbox.server import Fault, running
from integrations.vendors import connections
from integrations.vendors.updates import TYPE
from tests.contract.cases import NOW, Clock
from tests.factories import HOUR
from workspace.access import SYSTEM
from workspace.models import Website

pytestmark = pytest.mark.django_db
ANNA = {"id": 1, "external_id": "u-1", "email": "anna@example.com", "phone": "+4915112345678"}


@pytest.fixture
def dotdigital(clock: Clock, settings: Any) -> Iterator[Dotdigital]:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with running(Dotdigital(clock=clock.seconds)) as box:
        assert isinstance(box, Dotdigital)
        settings.DOTDIGITAL_URL = box.url
        box.learn(["anna@example.com"])
        yield box
        outbound.hang_up()


@pytest.fixture
def emarsys(clock: Clock, settings: Any) -> Iterator[EmarsysSandbox]:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with running(EmarsysSandbox(clock=clock.seconds)) as box:
        assert isinstance(box, EmarsysSandbox)
        settings.EMARSYS_URL = settings.EMARSYS_AUTH_URL = box.url
        box.add_segment("VIP", ["anna@example.com"])
        yield box
        outbound.hang_up()


def connect(kind: str, credentials: dict[str, str], **given: Any) -> VendorConnection:
    return connections.authorize_connection(
        kind=kind, credentials=credentials, actor=SYSTEM, at=NOW, **given
    )


def tell(connection: VendorConnection, contact: Any, fields: Any, key: str = "message:1") -> None:
    payload = {"contact": contact, "fields": fields}
    outbox.enqueue([outbox.Message(key, connection.pk, TYPE, payload)], at=NOW)
    sending.drain(lambda: NOW)


def what_became() -> tuple[str, str]:
    delivery = Delivery.objects.get()
    return delivery.state, delivery.last_error


def connect_dotdigital(box: Dotdigital, **settings: Any) -> VendorConnection:
    website = Website.objects.create(key="main", name="Main")
    credentials = {"username": box.username, "password": box.password}
    return connect("dotdigital", credentials, websites=[website], settings=settings)


def test_dotdigital_merges_the_fields_into_those_of_the_contact(dotdigital: Dotdigital) -> None:
    connection = connect_dotdigital(dotdigital)
    tell(connection, ANNA, {"FIRSTNAME": "Anna"})
    assert what_became() == ("delivered", "")
    tell(connection, ANNA, {"CARD": "GIFT-1"}, key="message:2")
    (known,) = [one for one in dotdigital.contacts.by_id.values() if one.fields]
    assert (known.email, known.fields) == (
        "anna@example.com",
        {"FIRSTNAME": "Anna", "CARD": "GIFT-1"},
    )


def test_dotdigital_does_not_create_whom_it_does_not_know(dotdigital: Dotdigital) -> None:
    tell(connect_dotdigital(dotdigital), ANNA | {"email": "ben@example.com"}, {"A": "1"})
    state, error = what_became()
    assert state == "failed"
    assert "contactNotFound" in error


def test_who_has_no_such_identifier_fails_for_good(dotdigital: Dotdigital) -> None:
    connection = connect_dotdigital(dotdigital, identifier="mobileNumber")
    tell(connection, ANNA | {"phone": None}, {"A": "1"})
    assert what_became() == (
        "failed",
        "The contact has no mobileNumber, by which Dotdigital would know it.",
    )


def connect_emarsys(box: EmarsysSandbox, **settings: Any) -> VendorConnection:
    [(user, secret)] = box.clients.items()
    return connect("emarsys", {"user": user, "secret": secret}, settings=settings)


def test_emarsys_sets_fields_by_their_numbers_or_names(emarsys: EmarsysSandbox) -> None:
    tell(connect_emarsys(emarsys), ANNA, {"1": "Anna", "last name": "Berg"})
    assert what_became() == ("delivered", "")
    (anna,) = [one for one in emarsys.contacts.values() if one.fields["3"] == ANNA["email"]]
    assert (anna.fields["1"], anna.fields["2"]) == ("Anna", "Berg")
    assert Delivery.objects.get().reference == str(anna.id)


@pytest.mark.parametrize(
    ("contact", "fields", "words"),
    [
        (ANNA | {"email": "ben@example.com"}, {"1": "Ben"}, "No contact found"),
        (ANNA, {"Favourite": "cats"}, "Emarsys has no field “Favourite”."),
        (ANNA, {"99999": "cats"}, "Invalid field id: 99999"),
        (ANNA | {"email": None}, {"1": "Anna"}, "neither the address nor the id"),
    ],
)
def test_what_emarsys_does_not_know_fails_for_good(
    emarsys: EmarsysSandbox, contact: Any, fields: Any, words: str
) -> None:
    tell(connect_emarsys(emarsys), contact, fields)
    state, error = what_became()
    assert state == "failed"
    assert words in error


def test_an_update_whose_acknowledgement_was_lost_is_made_again(dotdigital: Dotdigital) -> None:
    connection = connect_dotdigital(dotdigital)
    dotdigital.fail_next(Fault(drop=True, is_done=True), path="/contacts/v3/email")
    tell(connection, ANNA, {"FIRSTNAME": "Anna"})
    assert Delivery.objects.get().state == "queued"
    sending.drain(lambda: NOW + HOUR)
    assert what_became() == ("delivered", "")
    assert len(dotdigital.asked("/contacts/v3/email", method="PATCH")) == 2
