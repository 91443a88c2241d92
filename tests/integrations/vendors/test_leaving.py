"""Websites that leave a connection, and access that ends."""

from typing import Any

import pytest

from integrations.errors import (
    ConnectionInvalid,
    ConnectionStill,
    ConnectionUnknown,
    CredentialsRejected,
    TemporaryError,
)
from integrations.models import ConnectionWebsite, Delivery, VendorConnection
from integrations.sandbox.server import Fault, Response
from integrations.vendors import connections, credentials, leaving, revoking, syncing
from tests.factories import HOUR, MINUTE, NOW
from tests.integrations.delivering import queue, states
from tests.integrations.vendors.acme import RIGHT, Acme, acme, connect, make_site
from workspace import jobs, sql, websites
from workspace.access import SYSTEM
from workspace.models import AuditEntry, Job, Website
from workspace.websites import WebsiteInUse

pytestmark = pytest.mark.django_db
State = VendorConnection.State
BY: dict[str, Any] = {"actor": SYSTEM, "at": NOW}


def again(connection: VendorConnection) -> VendorConnection:
    return VendorConnection.objects.get(pk=connection.pk)


def site_states(connection: VendorConnection) -> dict[str, str]:
    return dict(connection.connection_websites.values_list("website__key", "state"))


def leave(connection: VendorConnection) -> dict[str, Any]:
    return leaving.run_leaving(connection.pk, now=lambda: NOW + HOUR, sleep=lambda seconds: None)


def two_sites(vendor: Acme) -> tuple[VendorConnection, Website, Website]:
    """A connection whose two websites have data at the vendor."""
    a, b = make_site("a"), make_site("b")
    connection = connect(a, b)
    syncing.run_sync(connection.pk, "metrics", now=lambda: NOW)
    assert vendor.records == {"a": 2500, "b": 2500}
    return connection, a, b


def test_a_website_leaves_when_its_data_at_the_vendor_are_gone(vendor: Acme) -> None:
    connection, a, _b = two_sites(vendor)
    (loss,) = leaving.losses(connection, [a])
    assert (loss.website, loss.records) == (a, 2500)
    leaving.remove_websites(connection.pk, websites=[a], **BY)
    assert site_states(connection) == {"a": "leaving", "b": "attached"}
    assert leave(connection) == {"a": 2500}
    assert vendor.records == {"a": 0, "b": 2500}
    row = connection.connection_websites.get(website=a)
    assert (row.state, row.left_at, row.deleted_count) == ("left", NOW + HOUR, 2500)
    assert again(connection).next_sync_at == NOW + HOUR, "what was stopped for it is done again"
    assert {"connection.websites_removed", "connection.website_left"} <= set(
        AuditEntry.objects.values_list("action", flat=True)
    )


def test_what_runs_is_stopped_for_it_and_nothing_is_synchronized_meanwhile(vendor: Acme) -> None:
    connection, a, _b = two_sites(vendor)
    running = syncing.request_sync(connection.pk, **BY)
    leaving.remove_websites(connection.pk, websites=[a], **BY)
    running.refresh_from_db()
    assert running.state == "cancelled"

    locked: list[bool] = []

    def sleep(seconds: float) -> None:
        # Held by this connection of the database, so that others do not get it.
        locked.append(sql.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") >= 3)

    leaving.run_leaving(connection.pk, now=lambda: NOW, sleep=sleep)
    assert locked == [True, True]


def test_a_worker_deletes_what_is_to_leave(vendor: Acme) -> None:
    connection, a, _b = two_sites(vendor)
    vendor.records["a"] = 700
    leaving.remove_websites(connection.pk, websites=[a], **BY)
    done = jobs.run(Job.objects.get(kind=leaving.JOB).pk)
    assert done is not None
    assert (done.state, done.result) == ("succeeded", {"a": 2500})
    assert vendor.records["a"] == 0


def test_the_last_website_does_not_leave_nor_does_a_stranger(vendor: Acme) -> None:
    connection, a, b = two_sites(vendor)
    with pytest.raises(ConnectionInvalid, match="revoke access"):
        leaving.remove_websites(connection.pk, websites=[a, b], **BY)
    with pytest.raises(ConnectionInvalid, match="“Shop c” is no website of this connection"):
        leaving.remove_websites(connection.pk, websites=[make_site("c")], **BY)
    assert site_states(connection) == {"a": "attached", "b": "attached"}


def test_a_deletion_that_fails_says_so_and_goes_on_by_itself(vendor: Acme) -> None:
    connection, a, _b = two_sites(vendor)
    leaving.remove_websites(connection.pk, websites=[a], **BY)
    job = Job.objects.get(kind=leaving.JOB)
    vendor.fail_next(Fault(Response(503)), path="/sites/a")
    with pytest.raises(TemporaryError):
        leave(connection)
    assert connection.connection_websites.get(website=a).error == "Acme does not work at present."
    assert leaving.request_left(at=NOW) == 0, "the job waits"
    Job.objects.filter(pk=job.pk).update(state="failed", finished_at=NOW)
    assert leaving.request_left(at=NOW + 14 * MINUTE) == 0
    assert leaving.request_left(at=NOW + 15 * MINUTE) == 1
    assert leaving.request_left(at=NOW + 15 * MINUTE) == 0
    leave(connection)
    assert vendor.records["a"] == 0


def test_what_somebody_cancelled_waits_for_somebody(vendor: Acme) -> None:
    connection, a, _b = two_sites(vendor)
    leaving.remove_websites(connection.pk, websites=[a], **BY)
    jobs.cancel(Job.objects.get(kind=leaving.JOB), **BY)
    assert leaving.request_left(at=NOW + HOUR) == 0
    assert leaving.retry_leaving(connection.pk, **BY).state == "queued"
    leave(connection)
    with pytest.raises(ConnectionStill):
        leaving.retry_leaving(connection.pk, **BY)


def test_refused_credentials_stop_a_deletion_until_they_are_renewed(vendor: Acme) -> None:
    connection, a, _b = two_sites(vendor)
    leaving.remove_websites(connection.pk, websites=[a], **BY)
    vendor.password = "another"
    with pytest.raises(CredentialsRejected):
        leave(connection)
    assert again(connection).state == State.ERROR
    Job.objects.update(state="failed", finished_at=NOW)
    assert leaving.request_left(at=NOW + HOUR) == 0
    new = {"username": "apiuser", "password": "another"}
    credentials.renew_credentials(connection.pk, credentials=new, **BY)
    assert leaving.request_left(at=NOW + HOUR) == 1


def test_a_website_joins_and_may_come_back_when_its_data_are_gone(vendor: Acme) -> None:
    connection, a, _b = two_sites(vendor)
    c = make_site("c")
    assert leaving.attach_websites(connection.pk, websites=[a, c], **BY) == [c]
    leaving.remove_websites(connection.pk, websites=[a], **BY)
    with pytest.raises(ConnectionInvalid, match="are being deleted"):
        leaving.attach_websites(connection.pk, websites=[a], **BY)
    leave(connection)
    assert leaving.attach_websites(connection.pk, websites=[a], **BY) == [a]
    assert sorted(connection.connection_websites.values_list("website__key", "state")) == [
        ("a", "attached"),
        ("a", "left"),
        ("b", "attached"),
        ("c", "attached"),
    ]


def test_a_website_that_a_connection_needs_is_not_deleted(vendor: Acme) -> None:
    connection, a, _b = two_sites(vendor)
    with pytest.raises(WebsiteInUse, match="the connection “Acme GmbH”"):
        websites.delete_website("a", actor=SYSTEM, at=NOW)
    leaving.remove_websites(connection.pk, websites=[a], **BY)
    leave(connection)
    websites.delete_website("a", actor=SYSTEM, at=NOW)
    assert site_states(connection) == {"b": "attached"}


def test_a_website_of_which_something_is_kept_is_not_deleted_yet(
    vendor: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_sites(vendor)
    monkeypatch.setattr(websites, "_users", {})
    with pytest.raises(WebsiteInUse, match="“Shop a” is in use: websites of connections"):
        websites.delete_website("a", actor=SYSTEM, at=NOW)
    assert Website.objects.filter(key="a").exists()


def test_revoking_stops_everything_at_once_and_leaves_the_data_there(vendor: Acme) -> None:
    connection, a, _b = two_sites(vendor)
    queue(connection, "one", "two")
    running = syncing.request_sync(connection.pk, **BY)
    leaving.remove_websites(connection.pk, websites=[a], **BY)
    revoked = revoking.revoke_access(connection.pk, **BY)
    assert (revoked.state, revoked.sealed_secret, revoked.is_enabled) == (State.REVOKED, "", False)
    assert states() == {"one": "cancelled", "two": "cancelled"}
    running.refresh_from_db()
    assert running.state == "cancelled"
    assert Job.objects.get(kind=leaving.JOB).state == "cancelled"
    assert site_states(connection) == {"a": "attached", "b": "attached"}
    assert vendor.records == {"a": 2500, "b": 2500}
    for verb in (
        connections.pause_connection,
        syncing.request_sync,
        credentials.test_connection,
        revoking.revoke_access,
    ):
        with pytest.raises(ConnectionStill):
            verb(connection.pk, **BY)


def test_revoking_with_the_data_ends_when_they_are_gone(vendor: Acme) -> None:
    connection, _a, _b = two_sites(vendor)
    queue(connection, "one")
    going = revoking.revoke_access(connection.pk, delete_data=True, **BY)
    assert (going.state, going.is_enabled, states()) == (
        State.REVOKING,
        False,
        {"one": "cancelled"},
    )
    assert going.sealed_secret
    assert leave(connection) == {"a": 2500, "b": 2500}
    ended = again(connection)
    assert (ended.state, ended.sealed_secret) == (State.REVOKED, "")
    assert vendor.records == {"a": 0, "b": 0}


def test_who_does_not_want_to_wait_ends_it_and_the_rest_remains(vendor: Acme) -> None:
    connection, _a, _b = two_sites(vendor)
    revoking.revoke_access(connection.pk, delete_data=True, **BY)
    vendor.fail_next(Fault(Response(503)), path="/sites/b")
    with pytest.raises(TemporaryError):
        leave(connection)
    assert again(connection).state == State.REVOKING
    assert revoking.revoke_access(connection.pk, **BY).state == State.REVOKED
    assert site_states(connection) == {"a": "left", "b": "attached"}


def test_a_vendor_that_deletes_nothing_is_not_asked_to(settings: Any, vendor: Acme) -> None:
    with acme(has_websites=False):
        connection = connect()
        with pytest.raises(ConnectionStill, match="Nothing that could be deleted"):
            revoking.revoke_access(connection.pk, delete_data=True, **BY)
        assert revoking.revoke_access(connection.pk, **BY).state == State.REVOKED


def test_a_revoked_connection_is_authorized_again_with_its_settings(vendor: Acme) -> None:
    connection, _a, b = two_sites(vendor)
    with pytest.raises(ConnectionStill, match="renew its credentials"):
        credentials.authorize_again(connection.pk, credentials=RIGHT, **BY)
    revoking.revoke_access(connection.pk, delete_data=True, **BY)
    leave(connection)
    with pytest.raises(ConnectionInvalid, match="at least one website"):
        credentials.authorize_again(connection.pk, credentials=RIGHT, **BY)
    back = credentials.authorize_again(connection.pk, credentials=RIGHT, websites=[b], **BY)
    assert (back.state, back.next_sync_at) == (State.FIRST_DATA, NOW)
    attached = ConnectionWebsite.objects.filter(state="attached").values_list("website", flat=True)
    assert list(attached) == [b.pk]


def test_a_revoked_connection_goes_off_the_list_with_its_log(vendor: Acme) -> None:
    connection, _a, _b = two_sites(vendor)
    queue(connection, "one")
    with pytest.raises(ConnectionStill, match="revoke access first"):
        revoking.delete_connection(connection.pk, **BY)
    revoking.revoke_access(connection.pk, **BY)
    assert revoking.delete_connection(connection.pk, **BY) == 1
    assert not Delivery.objects.exists()
    with pytest.raises(ConnectionUnknown):
        connections.find_connection(connection.pk)
    assert AuditEntry.objects.filter(action="connection.deleted").exists()
