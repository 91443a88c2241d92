"""Who is told that a vendor refuses the credentials, and that everybody can read who that is."""

from typing import Any

import pytest
from django.core import mail

from integrations.errors import CredentialsRejected
from integrations.models import VendorConnection
from integrations.vendors import connections, owners
from tests.factories import HOUR, NOW
from tests.integrations.vendors.acme import Acme, connect, make_site
from workspace.access import SYSTEM, actor_of_user
from workspace.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(vendor: Acme) -> User:
    """Who authorizes accounts, and is an administrator."""
    return User.objects.create_superuser("anna", "anna@example.com")


def refused(actor: Any = SYSTEM) -> VendorConnection:
    connection = connect(make_site(), actor=actor)
    connections.note_refused(connection.pk, CredentialsRejected("No."), at=NOW)
    return VendorConnection.objects.get(pk=connection.pk)


def test_without_an_owner_all_administrators_are_told(anna: User) -> None:
    User.objects.create_superuser("ben", "ben@example.com")
    User.objects.create_superuser("cleo", "")
    User.objects.create_user("dan", "dan@example.com", is_staff=True)
    connection = refused()
    assert owners.told_in_words(connection) == "anna, ben, as administrators"
    assert owners.mail_refused(at=NOW + HOUR) == 2
    assert [letter.to for letter in mail.outbox] == [["anna@example.com"], ["ben@example.com"]]
    assert "as an administrator" in str(mail.outbox[0].body)
    connection.refresh_from_db()
    assert (connection.told_at, connection.told_to) == (NOW + HOUR, "anna, ben")
    assert owners.told_in_words(connection) == "anna, ben, by mail"
    assert owners.mail_refused(at=NOW + HOUR) == 0


@pytest.mark.parametrize(
    "changes",
    [{"email": ""}, {"is_active": False}, {"is_superuser": False}],
)
def test_an_owner_who_cannot_be_told_is_stood_in_for(anna: User, changes: dict[str, Any]) -> None:
    connection = refused(actor_of_user(anna))
    User.objects.create_superuser("ben", "ben@example.com")
    User.objects.filter(pk=anna.pk).update(**changes)
    assert owners.mail_refused(at=NOW) == 1
    assert mail.outbox[0].to == ["ben@example.com"]
    connection.refresh_from_db()
    assert connection.told_to == "ben"


def test_where_nobody_can_be_told_that_is_said_until_somebody_can(vendor: Acme) -> None:
    connection = refused()
    assert owners.mail_refused(at=NOW) == 0
    assert "neither its owner nor an administrator" in owners.told_in_words(connection)
    User.objects.create_superuser("ben", "ben@example.com")
    assert owners.mail_refused(at=NOW) == 1, "as soon as somebody can be told"
