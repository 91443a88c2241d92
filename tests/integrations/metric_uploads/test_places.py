"""Several connections that keep one website at one place: each has records of its own there."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from contacts.erasure import erase_contact
from integrations.errors import ConnectionInvalid
from integrations.metric_uploads import deleting, places
from integrations.models import UploadedRecord, UploadPlace, VendorConnection
from integrations.vendors import accounts, credentials, leaving, revoking
from tests.integrations.metric_uploads.conftest import World, connect
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db


def beside(world: World) -> World:
    """Another connection to the account, for the same website."""
    other = connect(world.sandbox, world.clock, world.websites)
    return World(world.sandbox, world.clock, other, world.websites)


def revoke(world: World, *, delete_data: bool = False) -> None:
    by: dict[str, Any] = {"actor": SYSTEM, "at": world.clock.now()}
    revoking.revoke_access(world.connection.pk, delete_data=delete_data, **by)
    if delete_data:
        leaving.run_leaving(world.connection.pk, now=world.clock.now, sleep=world.clock.sleep)


def test_two_connections_for_one_website_do_not_delete_each_others_records(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "_EMPTY_FROM", 1)
    world.person("anna")
    other = beside(world)
    assert (world.sync()["sent"], other.sync()["sent"]) == (1, 1)
    assert set(world.records()) == {"anna@shop.test:main", "anna@shop.test:main.2"}
    assert (world.sync()["unchanged"], other.sync()["unchanged"]) == (1, 1)
    revoke(world, delete_data=True)
    assert set(other.records()) == {"anna@shop.test:main.2"}
    assert other.sync()["unchanged"] == 1


def test_two_at_once_never_have_the_same_keys(world: World) -> None:
    world.person("anna")
    world.sync()
    mine = UploadPlace.objects.get()
    twin = UploadPlace(
        connection=beside(world).connection,
        website=mine.website,
        name=mine.name,
        account=mine.account,
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()


def test_who_connects_again_takes_over_what_the_revoked_connection_left(world: World) -> None:
    world.person("anna")
    leaver = world.person("ben")
    world.sync()
    revoke(world)
    erase_contact(leaver.pk, actor=SYSTEM, at=world.clock.now())
    heir = beside(world)
    counts = heir.sync()
    assert (counts["sent"], counts["deleted"]) == (1, 1)
    assert set(world.records()) == {"anna@shop.test:main"}
    assert not UploadedRecord.objects.filter(connection=world.connection).exists()
    # Whoever lost it has keys of its own when it comes back.
    credentials.authorize_again(
        world.connection.pk,
        credentials={"username": world.sandbox.username, "password": world.sandbox.password},
        actor=SYSTEM,
        at=world.clock.now(),
    )
    assert world.sync()["sent"] == 1
    assert set(world.records()) == {"anna@shop.test:main", "anna@shop.test:main.2"}


def test_another_account_has_the_same_keys(world: World) -> None:
    world.person("anna")
    world.sync()
    world.sandbox.number = 2
    other = beside(world)
    other.sync()
    assert UploadPlace.objects.get(connection=other.connection).suffix == ":main"
    assert accounts.beside(other.connection) == []


def test_a_place_of_before_there_were_numbers_gets_one(world: World) -> None:
    world.person("anna")
    world.sync()
    other = beside(world)
    UploadPlace.objects.create(
        connection=other.connection, website=world.websites[0], name=UploadPlace.objects.get().name
    )
    assert other.sync()["sent"] == 1
    assert set(world.records()) == {"anna@shop.test:main", "anna@shop.test:main.2"}


def test_credentials_of_another_account_are_refused(world: World) -> None:
    world.sandbox.number = 2
    given: dict[str, Any] = {
        "credentials": {"username": world.sandbox.username, "password": world.sandbox.password},
        "actor": SYSTEM,
        "at": world.clock.now(),
    }
    with pytest.raises(ConnectionInvalid, match="another account") as refused:
        credentials.renew_credentials(world.connection.pk, **given)
    assert [one.path for one in refused.value.problems] == ["credentials"]
    revoke(world)
    with pytest.raises(ConnectionInvalid, match="Add a new connection for it"):
        credentials.authorize_again(world.connection.pk, **given)
    assert VendorConnection.objects.get(pk=world.connection.pk).account_id == "1"


def test_a_number_that_is_free_again_is_given_again(world: World) -> None:
    found = [
        places.claim_place(one.connection.pk, "C email", world.websites[0]).number
        for one in (world, beside(world), beside(world))
    ]
    assert found == [1, 2, 3]
    UploadPlace.objects.filter(number=2).delete()
    assert places.claim_place(beside(world).connection.pk, "C email", world.websites[0]).number == 2
