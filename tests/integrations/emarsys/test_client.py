"""The calls of Emarsys over real HTTP, and each way in which they go wrong."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.connectors.emarsys import wsse
from integrations.connectors.emarsys.client import Client
from integrations.errors import (
    ConnectorError,
    CredentialsRejected,
    MalformedAnswer,
    PermanentError,
    TemporaryError,
    ThingMissing,
)
from integrations.sandbox.emarsys import EmarsysSandbox, make_sandbox
from integrations.sandbox.server import Fault, Request, Response
from integrations.vendors.calls import VendorHttp
from tests.integrations.emarsys.conftest import OAUTH, WSSE, Clock

Make = Callable[..., Client]


@pytest.fixture
def make(emarsys: EmarsysSandbox, clock: Clock) -> Make:
    """A client of the sandbox; of OAuth2 where nothing else is said."""

    def client(is_oauth: bool = True, now: Any = None, **given: str) -> Client:
        http = VendorHttp(emarsys.url, connection_id=None, secrets=(), now=now or clock.now)
        credentials = {**(OAUTH if is_oauth else WSSE), **given}
        return Client(http, is_oauth=is_oauth, auth_url=emarsys.url, **credentials)

    return client


def test_the_digest_is_base64_of_the_hexadecimal_text() -> None:
    """Computed with sha1sum and base64, as the vendor's script for Postman does it."""
    at = datetime(2026, 11, 22, 8, 15, 30, tzinfo=UTC)
    told = wsse.header("user", "secret", at=at, nonce="0123456789abcdef0123456789abcdef")
    digest = "MTc0ZmJkMTA4M2JjNmNiNTBlMzA4N2I2ZTE0OWMyMzE1OTExNzdmNg=="
    assert told == (
        f'UsernameToken Username="user", PasswordDigest="{digest}",'
        ' Nonce="0123456789abcdef0123456789abcdef", Created="2026-11-22T08:15:30Z"'
    )


@pytest.mark.parametrize("is_oauth", [True, False])
def test_both_ways_to_authorize_work(emarsys: EmarsysSandbox, make: Make, is_oauth: bool) -> None:
    emarsys.add_segment("VIP")
    client = make(is_oauth)
    assert [one.name for one in client.list_segments()] == ["VIP"]
    assert [one.name for one in client.list_segments()] == ["VIP"], "each nonce is new"
    paths = {one.path for one in emarsys.asked("/api/")}
    assert paths == {"/api/v3/filter" if is_oauth else "/api/v2/filter"}


@pytest.mark.parametrize("is_oauth", [True, False])
def test_wrong_credentials_are_rejected(make: Make, is_oauth: bool) -> None:
    with pytest.raises(CredentialsRejected):
        make(is_oauth, secret="wrong").list_segments()


def test_a_wrong_clock_is_not_taken_for_a_wrong_secret(make: Make, clock: Clock) -> None:
    client = make(False, now=lambda: clock.now() + timedelta(minutes=20))
    with pytest.raises(TemporaryError, match="differ by 20 minutes"):
        client.list_segments()


def test_one_token_serves_until_shortly_before_it_ends(
    emarsys: EmarsysSandbox, make: Make, clock: Clock
) -> None:
    client = make()
    for _each in range(3):
        client.list_segments()
    make().list_segments()
    assert len(emarsys.asked("/oauth2/token")) == 1
    clock.sleep(3600 - 30)
    client.list_segments()
    assert len(emarsys.asked("/oauth2/token")) == 2


def test_a_token_that_ended_early_is_renewed_once(emarsys: EmarsysSandbox, make: Make) -> None:
    client = make()
    client.list_segments()
    emarsys.forget_tokens()
    client.list_segments()
    assert len(emarsys.asked("/oauth2/token")) == 2
    refusal = Response(401, {"replyCode": 1, "replyText": "Unauthorized", "data": ""})
    emarsys.fail_next(Fault(refusal), Fault(refusal), path="/api/")
    with pytest.raises(CredentialsRejected):
        client.list_segments()


def test_a_missing_segment_is_missing(make: Make) -> None:
    with pytest.raises(ThingMissing):
        make().begin_run("999")
    with pytest.raises(ThingMissing):
        make().count_contacts("999")
    with pytest.raises(ThingMissing):
        make().combined_definition("999")


def test_a_missing_list_is_no_missing_segment(make: Make) -> None:
    with pytest.raises(PermanentError) as refused:
        make().list_keys("999", "3", offset=0)
    assert not isinstance(refused.value, ThingMissing)


def test_a_count_takes_its_time(emarsys: EmarsysSandbox, make: Make) -> None:
    segment = emarsys.add_segment("VIP", ["a@example.com", "b@example.com"])
    emarsys.count_waits = 1
    client = make()
    assert client.count_contacts(str(segment.id)) is None
    assert client.count_contacts(str(segment.id)) == 2


def test_one_run_at_a_time(emarsys: EmarsysSandbox, make: Make) -> None:
    first, second = emarsys.add_segment("A"), emarsys.add_segment("B")
    client = make()
    client.begin_run(str(first.id))
    with pytest.raises(TemporaryError) as refused:
        client.begin_run(str(second.id))
    assert (refused.value.http_status, refused.value.retry_after) == (423, timedelta(seconds=30))


def test_too_many_requests_say_until_when(
    emarsys: EmarsysSandbox, make: Make, clock: Clock
) -> None:
    emarsys.per_minute = 2
    client = make()
    client.list_segments()
    client.list_segments()
    with pytest.raises(TemporaryError) as refused:
        client.list_segments()
    wait = refused.value.retry_after
    assert wait is not None
    assert timedelta(seconds=50) < wait <= timedelta(seconds=62)
    clock.sleep(wait.total_seconds())
    client.list_segments()


def test_what_nobody_knows_comes_as_false(emarsys: EmarsysSandbox, make: Make) -> None:
    client = make()
    assert client.find_keys([1, 2], "3") == []
    known = emarsys.learn(["a@example.com"])
    assert client.find_keys([*known, 2], "3") == ["a@example.com"]


def test_a_failure_inside_200_is_one(emarsys: EmarsysSandbox, make: Make) -> None:
    emarsys.lists[7] = emarsys.learn(["a@example.com"])
    with pytest.raises(PermanentError, match="Invalid field id"):
        make().list_keys("7", "99", offset=0)


def test_contacts_without_the_field_have_no_key(emarsys: EmarsysSandbox, make: Make) -> None:
    emarsys.lists[7] = emarsys.learn(["a@example.com"])
    assert make().list_keys("7", "37", offset=0) == [""]
    assert make().list_keys("7", "37", offset=1) == []


def test_a_permission_that_is_missing_stops_no_connection(
    emarsys: EmarsysSandbox, make: Make
) -> None:
    emarsys.forbidden = ("filter",)
    with pytest.raises(PermanentError, match="permission") as refused:
        make().list_segments()
    assert not isinstance(refused.value, CredentialsRejected)


_OK = json.dumps({"replyCode": 0, "replyText": "OK", "data": [{"id": 1, "name": "A"}]}).encode()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(Response(500, {"replyCode": 1003, "replyText": "Internal"})), TemporaryError),
        (Fault(Response(502, b"<html>Bad Gateway</html>")), TemporaryError),
        (Fault(Response(429, b"slow down")), TemporaryError),
        (Fault(Response(200, b"<html>Hello</html>")), MalformedAnswer),
        (Fault(Response(200, {"hello": 1})), MalformedAnswer),
        (Fault(Response(200, [1, 2])), MalformedAnswer),
        (Fault(Response(200, {"replyCode": 0, "data": "segments"})), MalformedAnswer),
        (Fault(Response(200, {"replyCode": 0, "data": [{"name": "no id"}]})), MalformedAnswer),
        (Fault(Response(400, {"replyCode": 1001, "replyText": "Missing"})), PermanentError),
        (Fault(Response(302, b"", {"Location": "/login"})), PermanentError),
        (Fault(drop=True), TemporaryError),
        (Fault(drop=True, is_done=True), TemporaryError),
        (Fault(Response(200, _OK), cut=True), TemporaryError),
    ],
)
def test_every_failure_is_one_of_ours(
    emarsys: EmarsysSandbox, make: Make, fault: Fault, error: type[ConnectorError]
) -> None:
    client = make()
    client.list_segments()
    emarsys.fail_next(fault, path="/filter")
    with pytest.raises(error) as raised:
        client.list_segments()
    assert type(raised.value) in {TemporaryError, MalformedAnswer, PermanentError}
    assert str(raised.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(503, b""), TemporaryError),
        (Response(200, b"no json"), MalformedAnswer),
        (Response(200, {"token": "x"}), MalformedAnswer),
        (Response(401, {"error": "invalid_client"}), CredentialsRejected),
    ],
)
def test_the_token_endpoint_fails_in_its_own_ways(
    emarsys: EmarsysSandbox, make: Make, answer: Response, error: type[ConnectorError]
) -> None:
    emarsys.fail_next(Fault(answer), path="/oauth2/token")
    with pytest.raises(error):
        make().list_segments()


def test_the_sandbox_has_the_workspaces_people_in_its_segments_and_lets_one_delete_these() -> None:
    box = make_sandbox()
    vip, readers, nobody = box.segments.values()
    box.move_in([f"p{number}@shop.example" for number in range(100)], unknown=10)
    assert (len(vip.contact_ids), len(readers.contact_ids)) == (3 + 18, 5 + 45)
    assert nobody.contact_ids == []

    def ask(method: str, path: str) -> Response:
        return box.handle(Request(method, path, {}, {}, b"", 0.0))

    assert ask("GET", "/sandbox/segments").body[str(vip.id)] == ["VIP", 21]
    assert ask("DELETE", f"/sandbox/segments/{vip.id}").status == 204
    assert ask("DELETE", f"/sandbox/segments/{vip.id}").status == 404
    assert vip.id not in box.segments
