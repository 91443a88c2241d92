"""What holds for every vendor's connector, over real HTTP against its sandbox."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from integrations.errors import (
    ConnectionInvalid,
    CredentialsRejected,
    MalformedAnswer,
    PermanentError,
    TemporaryError,
    ThingMissing,
)
from integrations.models import VendorCall, VendorConnection
from integrations.sandbox.server import Fault, Response, Sandbox
from integrations.vendors import connections, registry, syncing
from integrations.vendors.calls import VendorHttp
from integrations.vendors.registry import Sync, SyncRun
from tests.contract.cases import Clock, Side
from workspace.access import SYSTEM
from workspace.models import AuditEntry, Website

pytestmark = pytest.mark.django_db


def authorize(side: Side, sandbox: Sandbox, clock: Clock, **given: str) -> VendorConnection:
    website = Website.objects.get_or_create(key="main", defaults={"name": "Main"})[0]
    return connections.authorize_connection(
        kind=side.kind,
        credentials={**side.credentials(sandbox), **given},
        websites=[website] if side.needs_website else [],
        actor=SYSTEM,
        at=clock.now(),
    )


def http_of(side: Side, sandbox: Sandbox, clock: Clock, **given: Any) -> VendorHttp:
    secrets = list(side.credentials(sandbox).values())
    options = {"connection_id": None, "secrets": secrets, "now": clock.now, **given}
    return VendorHttp(side.endpoint(sandbox), **options)


@pytest.fixture
def http(side: Side, sandbox: Sandbox, clock: Clock) -> VendorHttp:
    return http_of(side, sandbox, clock)


def test_what_the_vendor_takes_is_kept(side: Side, sandbox: Sandbox, clock: Clock) -> None:
    connection = authorize(side, sandbox, clock)
    assert (connection.state, connection.is_enabled) in {
        ("first_data", True),
        ("authorized", True),
    }
    assert "sandbox" not in connection.sealed_secret


def test_what_the_vendor_refuses_is_told_and_not_kept(
    side: Side, sandbox: Sandbox, clock: Clock
) -> None:
    with pytest.raises(ConnectionInvalid) as refused:
        authorize(side, sandbox, clock, **side.wrong)
    assert refused.value.problems[0].path == "credentials"
    assert not VendorConnection.objects.exists()
    assert not any(wrong in str(refused.value) for wrong in side.wrong.values())


def test_a_call_answers(side: Side, sandbox: Sandbox, http: VendorHttp) -> None:
    assert side.call(http, side.credentials(sandbox)) is not None


def test_refused_credentials_are_for_people(side: Side, sandbox: Sandbox, http: VendorHttp) -> None:
    with pytest.raises(CredentialsRejected):
        side.call(http, {**side.credentials(sandbox), **side.wrong})


def test_a_limit_says_until_when(
    side: Side, sandbox: Sandbox, http: VendorHttp, clock: Clock
) -> None:
    sandbox.fail_next(Fault(side.limited(clock)), path=side.path)
    with pytest.raises(TemporaryError) as limited:
        side.call(http, side.credentials(sandbox))
    assert limited.value.retry_after == side.wait


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_trouble_of_the_vendor_passes(
    side: Side, sandbox: Sandbox, http: VendorHttp, status: int
) -> None:
    sandbox.fail_next(Fault(Response(status, b"<html>Oops</html>")), path=side.path)
    with pytest.raises(TemporaryError) as trouble:
        side.call(http, side.credentials(sandbox))
    assert trouble.value.http_status == status


@pytest.mark.parametrize(
    "fault",
    [Fault(drop=True), Fault(drop=True, is_done=True), Fault(cut=True)],
    ids=["nothing done", "no answer", "half an answer"],
)
def test_a_connection_that_breaks_is_trouble_that_passes(
    side: Side, sandbox: Sandbox, http: VendorHttp, fault: Fault
) -> None:
    sandbox.fail_next(fault, path=side.path)
    with pytest.raises(TemporaryError):
        side.call(http, side.credentials(sandbox))


@pytest.mark.parametrize("body", [b"<html>", b"[[[", b'"text"', b"7", b'{"items": 7}', b"null"])
def test_what_no_document_knows_is_malformed(
    side: Side, sandbox: Sandbox, http: VendorHttp, body: bytes
) -> None:
    sandbox.fail_next(Fault(Response(200, body)), path=side.path)
    with pytest.raises(MalformedAnswer):
        side.call(http, side.credentials(sandbox))


def test_what_leads_elsewhere_is_not_followed(
    side: Side, sandbox: Sandbox, http: VendorHttp
) -> None:
    away = Response(302, b"", {"Location": f"{sandbox.url}/elsewhere"})
    sandbox.fail_next(Fault(away), path=side.path)
    with pytest.raises((TemporaryError, PermanentError)):
        side.call(http, side.credentials(sandbox))
    assert not sandbox.asked("/elsewhere")


def test_what_is_not_there_is_missing(side: Side, sandbox: Sandbox, http: VendorHttp) -> None:
    with pytest.raises(ThingMissing):
        side.missing(http, side.credentials(sandbox))


def test_a_private_address_is_not_called(
    side: Side, sandbox: Sandbox, http: VendorHttp, settings: Any
) -> None:
    settings.OUTBOUND_ALLOW = []
    with pytest.raises((PermanentError, TemporaryError)):
        side.call(http, side.credentials(sandbox))
    assert not sandbox.requests


def test_no_secret_is_written_down(
    side: Side, sandbox: Sandbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    connection = authorize(side, sandbox, clock)
    http = http_of(side, sandbox, clock, connection_id=connection.pk)
    side.call(http, side.credentials(sandbox))
    vendor = registry.find_vendor(side.kind)
    assert vendor is not None
    secrets = {side.credentials(sandbox)[one.name] for one in vendor.credentials if one.is_secret}
    written = [f"{one.request}{one.answer}{one.url}" for one in VendorCall.objects.all()]
    written += [str(one.changes) for one in AuditEntry.objects.all()]
    written.append(repr(connection.__dict__) + caplog.text)
    assert written
    assert secrets
    assert not [text for text in written for secret in secrets if secret in text]


def test_refused_credentials_stop_the_connection(
    side: Side, sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = authorize(side, sandbox, clock)

    def ask(run: SyncRun) -> None:
        side.call(run.http, {**run.credentials, **side.wrong})

    monkeypatch.setitem(registry._syncs, side.kind, {"asking": Sync("asking", "Asking", ask)})
    with pytest.raises(CredentialsRejected):
        syncing.run_sync(connection.pk, "asking", now=clock.now, sleep=clock.sleep)
    connection.refresh_from_db()
    assert (connection.state, connection.is_enabled) == ("error", False)
    assert connection.next_sync_at is None


def test_what_passes_is_tried_again_soon(
    side: Side, sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Sync("asking", "Asking", lambda run: side.call(run.http, run.credentials))
    monkeypatch.setitem(registry._syncs, side.kind, {"asking": sync})
    connection = authorize(side, sandbox, clock)
    VendorConnection.objects.update(next_sync_at=clock.now() + timedelta(hours=24))
    sandbox.fail_next(side.busy, path=side.path)
    with pytest.raises(TemporaryError):
        syncing.run_sync(connection.pk, "asking", now=clock.now, sleep=clock.sleep)
    connection.refresh_from_db()
    assert connection.is_enabled
    assert connection.next_sync_at == clock.now() + timedelta(minutes=15)
