"""Audiences that are renamed: the list at the vendor gets the name, where it is free there."""

from typing import Any

import pytest
from django.db import connection

from integrations.errors import ConnectionStill, CredentialsRejected, SyncRunning
from integrations.models import VendorConnection
from integrations.vendors import connections, syncing
from segments.audiences import audiences, renaming
from segments.audiences.models import Audience
from segments.errors import AudienceInvalid
from segments.models import Segment
from tests.factories import make_contact
from tests.integrations.metric_uploads.conftest import World
from tests.segments.factories import make_segment, refresh
from workspace.access import SYSTEM
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def poles(world: World) -> Segment:
    make_contact(email="anna@shop.test", city="Warszawa")
    segment = make_segment(at=world.clock.now())
    refresh(segment, as_of=world.clock.now())
    return segment


def begin(world: World, segment: Segment, *, is_made: bool = True) -> Audience:
    audience = audiences.begin_audience(
        segment, connection_id=world.connection.pk, actor=SYSTEM, at=world.clock.now()
    )
    if is_made:
        world.run("audiences")
    return audience


def rename(world: World, audience: Audience, name: str) -> Audience:
    by: dict[str, Any] = {"actor": SYSTEM, "at": world.clock.now(), "now": world.clock.now}
    return renaming.rename_audience(audience, name=name, **by)


def test_the_list_there_is_renamed_and_goes_on_being_mirrored(world: World, poles: Segment) -> None:
    audience = begin(world, poles)
    [there] = world.sandbox.contacts.lists.values()
    there.visibility = "Public"
    renamed = rename(world, audience, " Best Poles ")
    assert (renamed.name, renamed.list_name) == ("Best Poles", "Best Poles")
    assert (there.name, there.visibility) == ("Best Poles", "Public")
    assert world.run("audiences").counts["failed"] == 0
    assert world.sandbox.members("Best Poles") == {"anna@shop.test"}
    entry = AuditEntry.objects.get(action="segment.audience_renamed")
    assert entry.changes["name"] == ["Poles", "Best Poles"]
    rename(world, audience, "Best Poles")
    assert AuditEntry.objects.filter(action="segment.audience_renamed").count() == 1


def test_a_list_that_is_not_made_yet_is_made_under_the_new_name(
    world: World, poles: Segment
) -> None:
    audience = begin(world, poles, is_made=False)
    rename(world, audience, "Later")
    assert not world.sandbox.asked("/v2/address-books")
    world.run("audiences")
    assert world.sandbox.members("Later") == {"anna@shop.test"}


@pytest.mark.parametrize("name", ["All contacts", "newsletter"])
def test_a_name_that_a_list_or_a_segment_has_there_is_refused_in_a_sentence(
    world: World, poles: Segment, name: str
) -> None:
    world.sandbox.contacts.add_list("Newsletter", [])
    audience = begin(world, poles)
    with pytest.raises(AudienceInvalid, match="names are unique over both") as refused:
        rename(world, audience, name)
    assert [one.path for one in refused.value.problems] == ["name"]
    assert Audience.objects.get().name == "Poles"
    for wrong in ("  ", "x" * 129):
        with pytest.raises(AudienceInvalid):
            rename(world, audience, wrong)


def test_while_it_is_mirrored_or_the_account_rests_it_keeps_its_name(
    world: World, poles: Segment
) -> None:
    audience = begin(world, poles)
    by: dict[str, Any] = {"actor": SYSTEM, "at": world.clock.now()}
    connections.pause_connection(world.connection.pk, **by)
    with pytest.raises(ConnectionStill, match="is not active"):
        rename(world, audience, "Best")
    connections.resume_connection(world.connection.pk, **by)
    world.sandbox.password = "another"
    with pytest.raises(CredentialsRejected):
        rename(world, audience, "Best")
    assert VendorConnection.objects.get(pk=world.connection.pk).state == "error"
    assert Audience.objects.get().list_name == "Poles"


def test_nobody_renames_what_another_process_mirrors(world: World, poles: Segment) -> None:
    audience = begin(world, poles)
    name = syncing.lock_of(world.connection.pk, audiences.SYNC)
    another = connection.copy()
    try:
        with another.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        with pytest.raises(SyncRunning, match="rename it when that is over"):
            rename(world, audience, "Best")
    finally:
        with another.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
        another.close()
    assert rename(world, audience, "Best").list_name == "Best"
