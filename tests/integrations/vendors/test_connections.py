"""External authorizations: authorized, changed, paused, refused, renewed, told of."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from integrations.errors import (
    ConnectionInvalid,
    ConnectionStill,
    ConnectorError,
    CredentialsRejected,
)
from integrations.models import VendorConnection, VendorSync
from integrations.sandbox.server import Fault, Response
from integrations.vendors import connections, credentials, owners, syncing
from tests.factories import DAY, HOUR, MINUTE, NOW
from tests.integrations.vendors.acme import PASSWORD, RIGHT, Acme, connect, make_site
from workspace import jobs
from workspace.access import SYSTEM, actor_of_user
from workspace.errors import NotAllowed
from workspace.models import AuditEntry, User

pytestmark = pytest.mark.django_db
State = VendorConnection.State
BY: dict[str, Any] = {"actor": SYSTEM, "at": NOW}


def again(connection: VendorConnection) -> VendorConnection:
    return VendorConnection.objects.get(pk=connection.pk)


def run(connection: VendorConnection, name: str = "metrics", at: Any = NOW) -> VendorSync:
    return syncing.run_sync(connection.pk, name, now=lambda: at, sleep=lambda seconds: None)


def test_an_account_is_connected_once_the_vendor_took_the_credentials(vendor: Acme) -> None:
    connection = connect(make_site())
    assert (connection.name, connection.account_name) == ("Acme GmbH", "Acme GmbH")
    assert connection.state == State.FIRST_DATA
    assert connection.settings["collection"] == "Figures"
    assert len(vendor.asked("/account")) == 1
    run(connection)
    assert again(connection).state == State.AUTHORIZED


def test_a_refusal_says_what_the_vendor_said_without_the_secret_and_keeps_nothing(
    vendor: Acme,
) -> None:
    wrong = {"username": "apiuser", "password": "wr0ng-one"}
    with pytest.raises(ConnectionInvalid, match=r"Login failed for apiuser:••••\.") as caught:
        connect(make_site(), credentials=wrong)
    assert [one.path for one in caught.value.problems] == ["credentials"]
    assert not VendorConnection.objects.exists()


def test_every_fault_is_named_at_once_and_nobody_is_asked(vendor: Acme) -> None:
    with pytest.raises(ConnectionInvalid) as caught:
        connect(
            credentials={"username": " ", "passphrase": "x"},
            sync_hours=0,
            settings={"pace": "mad", "parts": ["a", "c"], "dry": "yes", "days": "7", "nope": 1,
                      "collection": "a b"},
        )  # fmt: skip
    assert [one.path for one in caught.value.problems] == [
        *("credentials.username", "credentials.password", "credentials.passphrase"),
        *("settings.pace", "settings.parts", "settings.dry", "settings.days", "settings.nope"),
        *("settings.collection", "websites", "sync_hours"),
    ]
    assert vendor.asked() == []
    with pytest.raises(ConnectionInvalid, match="no system “nothing”"):
        connect(kind="nothing")


def test_several_accounts_of_a_system_have_names_of_their_own(vendor: Acme) -> None:
    site = make_site()
    assert [connect(site).name for _n in range(2)] == ["Acme GmbH", "Acme GmbH 2"]
    with pytest.raises(ConnectionInvalid, match="Choose another name"):
        connect(site, name="ACME gmbh 2")


def test_settings_change_one_by_one_and_the_trail_says_from_what_to_what(vendor: Acme) -> None:
    connection = connect(make_site())
    values = {"settings": {"pace": "fast"}, "sync_hours": 6}
    changed = connections.change_connection(connection.pk, values=values, **BY)
    assert changed.settings["pace"] == "fast"
    assert changed.settings["collection"] == "Figures"
    entry = AuditEntry.objects.get(action="connection.changed")
    assert entry.changes == {"sync_hours": [24, 6], "settings.pace": ["slow", "fast"]}
    with pytest.raises(ConnectionInvalid):
        connections.change_connection(connection.pk, values={"name": " "}, **BY)
    assert len(vendor.asked("/account")) == 1, "the address is the same"


def test_what_is_due_follows_a_change_of_how_often(vendor: Acme) -> None:
    connection = connect(make_site())
    syncing.request_due(at=NOW)
    run(connection)
    assert again(connection).next_sync_at == NOW + DAY
    connections.change_connection(connection.pk, values={"sync_hours": 2}, **BY)
    assert again(connection).next_sync_at == NOW + 2 * HOUR


def test_a_pause_keeps_what_waits_and_resuming_goes_on_at_once(vendor: Acme) -> None:
    connection = connect(make_site())
    paused = connections.pause_connection(connection.pk, **BY)
    assert (paused.state, paused.is_enabled, paused.next_sync_at) == (State.PAUSED, False, None)
    with pytest.raises(ConnectionStill, match="is paused"):
        syncing.request_sync(connection.pk, **BY)
    resumed = connections.resume_connection(connection.pk, actor=SYSTEM, at=NOW + HOUR)
    assert (resumed.is_enabled, resumed.next_sync_at) == (True, NOW + HOUR)


def test_refused_credentials_stop_everything_and_tell_the_owner_once(vendor: Acme) -> None:
    owner = User.objects.create_superuser("anna", "anna@example.com")
    connection = connect(make_site(), actor=actor_of_user(owner))
    vendor.password = "changed there"
    with pytest.raises(CredentialsRejected):
        run(connection)
    stopped = again(connection)
    assert (stopped.state, stopped.is_enabled, stopped.next_sync_at) == (State.ERROR, False, None)
    assert PASSWORD not in stopped.error
    assert stopped.error == "Login failed for apiuser:••••."
    assert owners.mail_refused(at=NOW) == 1
    assert owners.mail_refused(at=NOW) == 0
    (letter,) = mail.outbox
    assert letter.to == ["anna@example.com"]
    assert "Acme does not take the credentials" in letter.subject
    assert f"/vendorconnection/{connection.pk}/" in letter.body
    assert PASSWORD not in letter.body
    finding = owners.examine()
    assert not finding.is_well
    assert "Acme GmbH" in finding.sentence
    assert connections.note_refused(connection.pk, CredentialsRejected("again"), at=NOW) is False


def test_new_credentials_clear_the_error_and_go_on(vendor: Acme) -> None:
    connection = connect(make_site())
    connections.note_refused(connection.pk, CredentialsRejected("No."), at=NOW)
    vendor.password = "another one"
    new = {"username": "apiuser", "password": "another one"}
    with pytest.raises(ConnectionInvalid, match="Login failed"):
        credentials.renew_credentials(connection.pk, credentials=RIGHT, **BY)
    assert again(connection).state == State.ERROR
    renewed = credentials.renew_credentials(connection.pk, credentials=new, **BY)
    assert (renewed.is_enabled, renewed.next_sync_at, renewed.error) == (True, NOW, "")
    run(connection)
    assert vendor.uploads == 1


def test_renewing_a_paused_connection_leaves_it_paused(vendor: Acme) -> None:
    connection = connect(make_site())
    connections.pause_connection(connection.pk, **BY)
    renewed = credentials.renew_credentials(connection.pk, credentials=RIGHT, **BY)
    assert (renewed.state, renewed.is_enabled, renewed.next_sync_at) == (State.PAUSED, False, None)


def test_a_test_says_what_the_vendor_said_and_acts_on_it(vendor: Acme) -> None:
    connection = connect(make_site())
    tried = credentials.test_connection(connection.pk, **BY)
    assert (tried.is_well, tried.account_name) == (True, "Acme GmbH")
    vendor.password = "changed there"
    tried = credentials.test_connection(connection.pk, **BY)
    assert (tried.is_well, tried.code) == (False, "credentials_rejected")
    assert again(connection).state == State.ERROR
    vendor.password = PASSWORD
    assert credentials.test_connection(connection.pk, **BY).is_well
    assert again(connection).is_enabled
    vendor.fail_next(Fault(Response(503)))
    tried = credentials.test_connection(connection.pk, **BY)
    assert (tried.is_well, tried.code) == (False, "temporarily_unavailable")
    assert again(connection).is_enabled, "that passes"


def test_temporary_trouble_brings_the_next_run_forward(vendor: Acme) -> None:
    connection = connect(make_site())
    syncing.request_due(at=NOW)
    vendor.fail_next(Fault(Response(503)), path="/metrics")
    with pytest.raises(ConnectorError):
        run(connection)
    assert again(connection).next_sync_at == NOW + 15 * MINUTE
    kept = VendorSync.objects.get()
    assert (kept.state, kept.error) == ("failed", "Acme does not work at present.")


def test_a_job_synchronizes_all_that_is_periodic_and_tells_its_counts(vendor: Acme) -> None:
    connection = connect(make_site("a"), make_site("b"))
    job = syncing.request_sync(connection.pk, **BY)
    assert syncing.request_sync(connection.pk, **BY) == job
    done = jobs.run(job.pk)
    assert done is not None
    assert done.result == {"metrics": {"sent": 2, "skipped_without_email": 3}}
    with pytest.raises(ConnectionInvalid, match="not synchronized"):
        syncing.request_sync(connection.pk, names=["nope"], **BY)


def test_a_job_that_is_being_cancelled_is_no_answer_to_a_new_wish(vendor: Acme) -> None:
    connection = connect(make_site())
    job = syncing.request_sync(connection.pk, **BY)
    job.state, job.cancel_requested = "running", True
    job.save()
    assert syncing.request_sync(connection.pk, **BY) != job


def test_who_lacks_the_permission_is_refused(vendor: Acme) -> None:
    nobody = actor_of_user(User.objects.create_user("nobody", is_staff=True))
    connection = connect(make_site())
    for verb in (
        connections.pause_connection,
        connections.resume_connection,
        syncing.request_sync,
        credentials.test_connection,
    ):
        with pytest.raises(NotAllowed):
            verb(connection.pk, actor=nobody, at=NOW)
    with pytest.raises(NotAllowed):
        connect(make_site("b"), actor=nobody)


def test_first_data_are_promised_within_a_day() -> None:
    assert timedelta(hours=24) == connections.FIRST_DATA_WITHIN


def test_who_asks_for_a_state_gets_those_that_stand_so(vendor: Acme) -> None:
    site = make_site()
    made = [connect(site) for _n in range(32)]
    for number, one in enumerate(made):
        # Every combination that the table takes.
        is_revoked = bool(number & 1)
        VendorConnection.objects.filter(pk=one.pk).update(
            revoked_at=NOW if is_revoked else None,
            revoking_at=NOW if number & 2 and not is_revoked else None,
            next_sync_at=NOW if not number & 3 and number & 16 else None,
            error="No." if number & 4 else "",
            paused_at=NOW if number & 8 else None,
        )
    found = list(VendorConnection.objects.all())
    assert {one.state for one in found} == set(State)
    for state in State:
        named = VendorConnection.objects.filter(VendorConnection.in_state(state))
        assert set(named) == {one for one in found if one.state == state}
