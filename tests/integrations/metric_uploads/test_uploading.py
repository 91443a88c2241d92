"""Uploading metrics: all at first, then what changed, and nothing of who went away."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from contacts import profiles
from contacts.erasure import erase_contact
from contacts.events import IncomingEvent, record_events
from contacts.merging import merge_contacts
from contacts.models import Identity
from integrations.connectors.dotdigital import store
from integrations.errors import CredentialsRejected, TemporaryError
from integrations.metric_uploads import deleting, forgetting, records
from integrations.models import UploadChunk, UploadedRecord, UploadPlace, VendorConnection
from integrations.sandbox.server import Fault, Request, Response
from integrations.vendors import registry
from integrations.vendors.calls import VendorHttp
from integrations.vendors.registry import SyncRun
from tests.integrations.metric_uploads.conftest import NAME, World, connect
from workspace.access import SYSTEM
from workspace.jobs import Cancelled
from workspace.models import Website

pytestmark = pytest.mark.django_db


def change(contact_id: int, world: World, **changes: Any) -> None:
    profiles.update_contact(contact_id, changes=changes, actor=SYSTEM, at=world.clock.now())


def imports(world: World) -> int:
    return len(world.sandbox.asked("/insightData/v3/import", "PUT"))


def test_every_registered_contact_has_a_record_under_the_names_of_uploads(world: World) -> None:
    anna = world.person("anna", 1990)
    record_events(
        [
            IncomingEvent(
                anna.pk, "purchase", world.clock.now() - timedelta(days=3), {"amount": 12.5}
            )
        ],
        received_at=world.clock.now(),
    )
    counts = world.sync()
    assert (counts["wanted"], counts["sent"], counts["refused"]) == (1, 1, 0)
    email, document = world.records()["anna@shop.test:main"]
    assert email == "anna@shop.test"
    assert document["ss_ordercountlast30days"] == 1
    assert document["ss_lifetimepurchasevalue"] == 12.5
    assert document["ss_lastorderdate"] == "2026-11-24T00:00:00Z"
    assert world.sandbox.insight.collections[NAME].scope == "contact"


def test_the_first_data_are_told_when_they_are_there(world: World) -> None:
    world.person("anna")
    assert world.connection.state == "first_data"
    world.sync()
    world.connection.refresh_from_db()
    assert world.connection.state == "authorized"
    first = world.connection.first_synced_at
    assert first is not None
    assert first - world.connection.authorized_at < timedelta(minutes=1)
    assert UploadPlace.objects.get().full_at is not None


def test_only_what_changed_is_sent_again(world: World) -> None:
    anna, ben = world.person("anna", 1990), world.person("ben", 1980)
    world.sync()
    assert world.sync() == {
        "wanted": 2, "unchanged": 2, "sent": 0, "refused": 0, "deleted": 0, "unknown_contacts": 0,
    }  # fmt: skip
    change(ben.pk, world, birth_date="1970-01-01")
    counts = world.sync()
    assert (counts["sent"], counts["unchanged"]) == (1, 1)
    assert world.ages() == {"anna@shop.test:main": 36, "ben@shop.test:main": 56}
    assert imports(world) == 2
    assert anna.pk


def test_whom_the_vendor_does_not_know_is_counted_and_tried_again_after_a_week(
    world: World,
) -> None:
    world.person("anna")
    world.person("ben", is_known=False)
    counts = world.sync()
    assert (counts["sent"], counts["refused"], counts["unknown_contacts"]) == (1, 1, 1)
    assert world.states()["ben@shop.test:main"] == ("refused", "ContactEmailDoesNotExist")
    world.tomorrow()
    assert world.sync()["sent"] == 0
    world.sandbox.learn(["ben@shop.test"])
    world.tomorrow(7)
    counts = world.sync()
    assert (counts["sent"], counts["unknown_contacts"]) == (1, 0)


def test_what_was_refused_is_tried_again_when_it_changed(world: World) -> None:
    anna = world.person("anna", is_known=False)
    world.sync()
    world.sandbox.learn(["anna@shop.test"])
    assert world.sync()["sent"] == 0
    change(anna.pk, world, birth_date="1970-01-01")
    assert world.sync()["sent"] == 1


def test_a_field_whose_type_changed_is_refused_record_by_record(world: World) -> None:
    world.person("anna")
    world.sync()
    world.sandbox.insight.collections[NAME].schema["ss_age"] = "string"
    ben = world.person("ben")
    counts = world.sync()
    assert (counts["refused"], counts["unknown_contacts"]) == (1, 0)
    assert world.states()["ben@shop.test:main"] == ("refused", "JsonValueIncompatibleWithSchema")
    assert ben.pk


def test_a_refused_change_leaves_what_was_there(world: World) -> None:
    anna = world.person("anna", 1990)
    world.sync()
    world.sandbox.insight.collections[NAME].schema["ss_age"] = "string"
    change(anna.pk, world, birth_date="1970-01-01")
    assert world.sync()["refused"] == 1
    erase_contact(anna.pk, actor=SYSTEM, at=world.clock.now())
    assert world.sync()["deleted"] == 1, "the record of before is still there"


def test_a_new_address_has_a_new_record_and_the_old_one_goes(world: World) -> None:
    anna = world.person("anna")
    world.sync()
    world.sandbox.learn(["ann@shop.test"])
    change(anna.pk, world, email="Ann@Shop.test")
    counts = world.sync()
    assert (counts["sent"], counts["deleted"]) == (1, 1)
    assert set(world.records()) == {"ann@shop.test:main"}


def test_addresses_that_two_contacts_exchange_keep_their_records(world: World) -> None:
    anna, ben = world.person("anna", 1990), world.person("ben", 1980)
    world.sync()
    change(anna.pk, world, email="third@shop.test")
    change(ben.pk, world, email="anna@shop.test")
    change(anna.pk, world, email="ben@shop.test")
    world.sync()
    assert world.ages() == {"anna@shop.test:main": 46, "ben@shop.test:main": 36}


def test_erased_contacts_have_no_record_there_any_more(world: World) -> None:
    anna = world.person("anna")
    world.person("ben")
    world.sync()
    proof = erase_contact(anna.pk, actor=SYSTEM, at=world.clock.now())
    assert proof.deleted["uploaded metrics"] == 1
    assert world.sync()["deleted"] == 1
    assert set(world.records()) == {"ben@shop.test:main"}
    assert not UploadedRecord.objects.filter(contact_id=anna.pk).exists()


def test_however_seldom_one_synchronizes_who_is_erased_goes_within_a_day(world: World) -> None:
    anna = world.person("anna")
    world.sync()
    far = timezone.now() + timedelta(days=20)
    VendorConnection.objects.update(next_sync_at=far)
    erase_contact(world.person("ben").pk, actor=SYSTEM, at=world.clock.now())
    assert VendorConnection.objects.get().next_sync_at == far, "nothing of Ben is there"
    erase_contact(anna.pk, actor=SYSTEM, at=world.clock.now())
    found = VendorConnection.objects.get().next_sync_at
    assert found is not None
    assert found <= timezone.now() + timedelta(days=1)


def test_what_never_arrived_is_forgotten_with_the_contact(world: World) -> None:
    anna = world.person("anna", is_known=False)
    world.sync()
    erase_contact(anna.pk, actor=SYSTEM, at=world.clock.now())
    assert not UploadedRecord.objects.exists()
    assert world.sync()["deleted"] == 0


def test_who_is_not_registered_any_more_leaves(world: World) -> None:
    anna = world.person("anna")
    world.sync()
    Identity.objects.filter(contact_id=anna.pk).delete()
    assert world.sync()["deleted"] == 1
    assert world.records() == {}


def test_merged_contacts_are_one_record(world: World) -> None:
    anna, ben = world.person("anna", 1990), world.person("ben", 1980)
    world.sync()
    merge_contacts(anna.pk, ben.pk, cause="staff", actor=SYSTEM, at=world.clock.now())
    world.sync()
    assert world.ages() == {"anna@shop.test:main": 36}


def test_a_contact_whom_the_vendor_deleted_is_no_obstacle(world: World) -> None:
    anna = world.person("anna")
    world.sync()
    with world.sandbox.lock:
        world.sandbox.contacts._forget(world.sandbox.contacts.by_email["anna@shop.test"])
    erase_contact(anna.pk, actor=SYSTEM, at=world.clock.now())
    world.sync()
    assert not UploadedRecord.objects.exists()


def test_many_records_go_in_several_imports_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "RECORD_LIMIT", 3)
    for number in range(20):
        world.person(f"c{number}", 1960 + number)
    counts = world.sync()
    assert counts["sent"] == 20
    assert imports(world) == 7
    assert world.ages() == {f"c{number}@shop.test:main": 66 - number for number in range(20)}


def test_an_import_is_no_longer_than_it_may_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BYTE_LIMIT", 1500)
    for number in range(9):
        world.person(f"c{number}")
    assert world.sync()["sent"] == 9
    bodies = [len(one.body) for one in world.sandbox.asked("/insightData/v3/import", "PUT")]
    assert len(bodies) > 2
    assert max(bodies) < 1700


@pytest.mark.parametrize("limit", [1, 2, 600])
def test_limits_of_the_vendor_are_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(store, "RECORD_LIMIT", 1)
    world.sandbox.rates["low"] = limit
    world.sandbox.insight.seconds = 100
    for number in range(12):
        world.person(f"c{number}")
    assert world.sync()["sent"] == 12
    assert len(world.records()) == 12


def test_the_hour_of_an_older_account_ends_the_run_without_stopping_anything(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "RECORD_LIMIT", 1)
    for number in range(6):
        world.person(f"c{number}")
    world.sandbox.per_hour = 8
    assert world.sync()["sent"] == 6, "an hour passes by waiting"
    world.connection.refresh_from_db()
    assert world.connection.is_enabled


def test_an_import_that_failed_as_a_whole_is_sent_again(world: World) -> None:
    world.person("anna")
    world.sandbox.insight.failing = 2
    assert world.sync()["sent"] == 1
    states = list(UploadChunk.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["failed", "failed", "done"]


def test_imports_that_fail_again_and_again_are_left_to_the_next_run(world: World) -> None:
    world.person("anna")
    world.sandbox.insight.failing = 3
    with pytest.raises(TemporaryError):
        world.sync()
    assert world.sync()["sent"] == 1


def test_refused_credentials_stop_the_connection_and_lose_nothing(world: World) -> None:
    world.person("anna")
    world.sandbox.fail_next(Fault(Response(401)), path="/import")
    with pytest.raises(CredentialsRejected):
        world.sync()
    world.connection.refresh_from_db()
    assert world.connection.state == "error"
    VendorConnection.objects.update(error="", error_at=None, is_enabled=True)
    assert world.sync()["sent"] == 1


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("turn", range(12))
def test_who_is_killed_at_any_moment_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    monkeypatch.setattr(store, "RECORD_LIMIT", 2)
    people = [world.person(f"c{number}", 1960 + number) for number in range(5)]
    world.sync()
    for place, person in enumerate(people):
        change(person.pk, world, birth_date=f"{1980 + place}-01-01")
    erase_contact(people[0].pk, actor=SYSTEM, at=world.clock.now())
    calls = 0

    def kill(request: Request) -> Fault | None:
        nonlocal calls
        calls += 1
        if calls == turn:
            raise_in_client.append(turn)
            return Fault(drop=True, is_done=turn % 2 == 0)
        return None

    raise_in_client: list[int] = []
    world.sandbox.chaos = kill

    def sleep(seconds: float) -> None:
        if raise_in_client:
            raise Killed
        world.clock.sleep(seconds)

    with suppress(Killed):
        world.run("metrics", sleep=sleep)
    world.sandbox.chaos = lambda request: None
    world.sync()
    assert world.ages() == {f"c{n}@shop.test:main": 46 - n for n in range(1, 5)}
    assert {state for state, _reason in world.states().values()} == {"sent"}


def test_an_answer_that_was_lost_counts_as_perhaps_arrived(world: World) -> None:
    anna = world.person("anna")
    world.sandbox.fail_next(*[Fault(drop=True, is_done=True)] * 7, path="/insightData/v3/import")
    with pytest.raises(TemporaryError):
        world.sync()
    erase_contact(anna.pk, actor=SYSTEM, at=world.clock.now())
    world.sync()
    assert world.records() == {}
    assert not UploadedRecord.objects.exists()


def test_a_synchronization_can_be_cancelled_while_it_waits(world: World) -> None:
    world.person("anna")

    def advance(done: int, total: int | None, message: str) -> None:
        if world.clock.slept:
            raise Cancelled

    with pytest.raises(Cancelled):
        world.run("metrics", advance=advance)
    assert UploadChunk.objects.get().state == "submitted"
    assert world.sync()["sent"] == 1
    assert imports(world) == 1, "what was on its way is asked about, and not sent again"


def test_an_import_that_the_vendor_forgot_is_sent_again(world: World) -> None:
    world.person("anna")
    world.sandbox.fail_next(
        Fault(Response(404, {"errorCode": "insightData:importNotFound", "description": ""})),
        path="/insightData/v3/import/",
    )
    assert world.sync()["sent"] == 1
    assert imports(world) == 2


def test_chosen_metrics_go_under_the_names_that_they_are_given(world: World) -> None:
    world.person("anna", 1990)
    VendorConnection.objects.update(
        settings={
            "collection": NAME,
            "identifier": "email",
            "metrics": ["ss_age", "ss_ordercount"],
            "field_names": "ss_age = age_in_years, ss_ordercount=orders",
        }
    )
    world.sync()
    assert world.records()["anna@shop.test:main"][1] == {"age_in_years": 36, "orders": 0}


def test_contacts_may_be_found_by_an_identifier_of_the_account(world: World) -> None:
    anna = world.person("anna", 1990)
    change(anna.pk, world, external_id="C-1")
    world.sandbox.contacts.name("anna@shop.test", "customerId", "C-1")
    VendorConnection.objects.update(settings={"collection": NAME, "identifier": "customerId"})
    world.person("ben")
    assert world.sync()["wanted"] == 1, "Ben has no external id"
    assert set(world.records()) == {"C-1:main"}


def test_mobile_numbers_are_written_with_their_plus(world: World) -> None:
    anna = world.person("anna", 1990)
    change(anna.pk, world, phone="+44 7123 123123")
    world.sandbox.contacts.name("anna@shop.test", "mobileNumber", "+447123123123")
    VendorConnection.objects.update(settings={"collection": NAME, "identifier": "mobileNumber"})
    assert world.sync()["sent"] == 1
    erase_contact(anna.pk, actor=SYSTEM, at=world.clock.now())
    assert world.sync()["deleted"] == 1


def test_with_another_collection_all_moves(world: World) -> None:
    world.person("anna", 1990)
    world.sync()
    VendorConnection.objects.update(settings={"collection": "Shop_Metrics", "identifier": "email"})
    counts = world.sync()
    assert (counts["sent"], counts["deleted"]) == (1, 1)
    assert world.records() == {}
    assert set(world.records("Shop_Metrics")) == {"anna@shop.test:main"}


def second_website(world: World) -> Website:
    website = Website.objects.create(key="second", name="Second")
    world.connection.connection_websites.create(website=website, attached_at=world.clock.now())
    world.websites.append(website)
    return website


def order(world: World, contact_id: int, website: Website) -> None:
    event = IncomingEvent(
        contact_id, "purchase", world.clock.now(), {"amount": 5, "website": website.key}
    )
    record_events([event], received_at=world.clock.now())


def delete(world: World, website: Website) -> int | None:
    vendor_run = SyncRun(
        connection_id=world.connection.pk,
        settings=world.connection.settings,
        credentials={"username": world.sandbox.username, "password": world.sandbox.password},
        http=http_of(world),
        now=world.clock.now,
        sleep=world.clock.sleep,
        advance=lambda done, total, message: None,
    )
    deleter = registry.deleter_of("dotdigital")
    assert deleter is not None
    return deleter(vendor_run, website.pk)


def http_of(world: World) -> VendorHttp:
    return VendorHttp(
        world.connection.endpoint, connection_id=None, secrets=(), now=world.clock.now
    )


def test_nobody_sleeps_while_there_is_something_to_send(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "RECORD_LIMIT", 1)
    for number in range(20):
        world.person(f"c{number}")
    slept: list[float] = []

    def now() -> datetime:
        # Each look at the clock finds it half a second later: that is how long the work takes.
        world.clock.present += timedelta(seconds=0.5)
        return world.clock.now()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        world.clock.sleep(seconds)

    world.run("metrics", now=now, sleep=sleep)
    assert {state for state, _reason in world.states().values()} == {"sent"}
    assert sum(slept) < 15, "twenty imports, of which five go on at a time, and 5 s for each"


def test_each_website_has_records_of_its_own(world: World) -> None:
    anna, ben = world.person("anna"), world.person("ben")
    second = second_website(world)
    order(world, anna.pk, world.websites[0])
    order(world, anna.pk, second)
    order(world, ben.pk, second)
    assert world.sync()["sent"] == 3
    assert set(world.records()) == {
        "anna@shop.test:main", "anna@shop.test:second", "ben@shop.test:second",
    }  # fmt: skip


def test_the_data_of_one_website_go_and_the_others_stay(world: World) -> None:
    anna = world.person("anna")
    second = second_website(world)
    for website in world.websites:
        order(world, anna.pk, website)
    world.sync()
    assert delete(world, second) == 1
    assert set(world.records()) == {"anna@shop.test:main"}
    assert delete(world, second) == 0, "again is harmless"
    world.connection.connection_websites.filter(website=second).delete()
    assert world.sync()["sent"] == 0


def test_the_only_website_of_a_collection_is_emptied_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "_EMPTY_FROM", 3)
    for number in range(4):
        world.person(f"c{number}")
    world.sync()
    assert delete(world, world.websites[0]) == 4
    assert world.records() == {}
    assert len(world.sandbox.asked("/empty")) == 1
    assert not world.sandbox.asked("/deleteRecords")
    assert not UploadedRecord.objects.exists()


def test_a_place_where_another_website_has_nothing_is_emptied_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "_EMPTY_FROM", 1)
    anna = world.person("anna")
    second_website(world)
    order(world, anna.pk, world.websites[0])
    world.sync()
    assert UploadPlace.objects.count() == 2
    assert delete(world, world.websites[0]) == 1
    assert len(world.sandbox.asked("/empty")) == 1


def test_what_another_connection_keeps_in_the_collection_is_not_emptied(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "_EMPTY_FROM", 1)
    anna = world.person("anna")
    second = Website.objects.create(key="second", name="Second")
    other = connect(world.sandbox, world.clock, [second])
    for website in (world.websites[0], second):
        order(world, anna.pk, website)
    world.sync()
    World(world.sandbox, world.clock, other).sync()
    assert delete(world, world.websites[0]) == 1
    assert set(world.records()) == {"anna@shop.test:second"}


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_deletion_that_was_interrupted_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    monkeypatch.setattr(deleting, "_EMPTY_FROM", 3 if turn % 2 else 100)
    for number in range(6):
        world.person(f"c{number}")
    world.sync()
    calls = 0

    def cut(request: Request) -> Fault | None:
        nonlocal calls
        calls += 1
        return Fault(Response(401)) if calls == turn else None

    world.sandbox.chaos = cut
    try:
        first = delete(world, world.websites[0])
    except CredentialsRejected:
        world.sandbox.chaos = lambda request: None
        first = delete(world, world.websites[0])
    assert first == 6
    assert world.records() == {}


def test_what_is_at_the_vendor_can_be_uploaded_anew(world: World) -> None:
    world.person("anna")
    world.sync()
    world.sandbox.insight.collections.clear()
    assert world.sync()["sent"] == 0
    assert records.upload_again(world.connection.pk, actor=SYSTEM, at=world.clock.now()) == 1
    assert world.sync()["sent"] == 1
    assert len(world.records()) == 1


def test_imports_of_long_ago_are_forgotten(world: World) -> None:
    world.person("anna")
    world.sync()
    assert forgetting.purge(world.clock.now()) == {"uploads of metrics": 0}
    world.tomorrow(31)
    assert forgetting.purge(world.clock.now()) == {"uploads of metrics": 1}
    assert world.sync()["unchanged"] == 1
