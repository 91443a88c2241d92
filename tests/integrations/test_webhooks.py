"""What Segment delivers to the webhook: signed, kept, refused."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations import sources
from integrations.ingestion import webhooks
from integrations.models import InboundRequest, ReceivedEvent
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db

PATH = "/webhooks/segment/segment/"
SECRET = "a shared secret, agreed"
EVENT = {"type": "track", "userId": "ü1", "event": "Order", "properties": {"total": 1e-7, "n": 1}}


@pytest.fixture(autouse=True)
def _webhook() -> None:
    now = timezone.now()
    sources.create_source(name="Segment", kind="webhook", actor=SYSTEM, at=now)
    sources.set_signing_secret("segment", secret=SECRET, actor=SYSTEM, at=now)


def stringify(value: Any) -> bytes:
    """As JSON.stringify writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def sign(signed: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest()


def deliver(body: bytes, signature: str | None, path: str = PATH) -> Any:
    headers = {"User-Agent": "Segment.io/1.0"}
    if signature is not None:
        headers["X-Signature"] = signature
    client = Client(raise_request_exception=False)
    return client.post(path, body, content_type="application/json", headers=headers)


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert not InboundRequest.objects.exists()


@pytest.mark.parametrize("path", [PATH, PATH.rstrip("/")])
def test_a_signed_event_is_kept(path: str) -> None:
    body = stringify(EVENT)
    assert deliver(body, sign(body), path).status_code == 200
    kept = InboundRequest.objects.get()
    assert (kept.call, kept.body.encode(), kept.event_count) == ("webhook", body, 1)


def test_a_deletion_is_kept_for_the_digest() -> None:
    body = stringify({"type": "delete", "userId": "u1", "timestamp": "2026-03-02T12:00:00Z"})
    assert deliver(body, sign(body).upper()).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(EVENT, indent=2).encode(),
        json.dumps(EVENT).encode(),
        b'{ "n" : 1.50 , "t" : "a \\" b" }',
    ],
)
def test_a_body_that_was_written_anew_on_its_way_fits_its_compact_form(body: bytes) -> None:
    signed = b'{"n":1.50,"t":"a \\" b"}' if b"1.50" in body else stringify(json.loads(body))
    assert deliver(body, sign(signed)).status_code == 200


@pytest.mark.parametrize("blanks", [None, 2])
def test_of_a_batch_the_first_event_is_signed(blanks: int | None) -> None:
    batch = [EVENT, {"type": "identify", "userId": "u2"}]
    body = json.dumps(batch, indent=blanks, ensure_ascii=False).encode()
    assert deliver(body, sign(stringify(EVENT))).status_code == 200
    assert InboundRequest.objects.get().event_count == 2


@pytest.mark.parametrize("first", [7, "text", None, [1, 2], {}])
def test_a_batch_may_begin_with_anything(first: Any) -> None:
    body = stringify([first, EVENT])
    assert deliver(body, sign(stringify(first))).status_code == 200


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        (None, "signature_missing"),
        ("", "signature_missing"),
        ("0" * 40, "signature_wrong"),
        ("ü", "signature_wrong"),
        (sign(stringify(EVENT), "another secret"), "signature_wrong"),
        (sign(stringify([EVENT, EVENT])[:-1]), "signature_wrong"),
    ],
)
def test_without_a_signature_that_fits_nothing_is_kept(signature: str | None, code: str) -> None:
    for body in (stringify(EVENT), stringify([EVENT, EVENT]), b"[]", b"{", b"\xff"):
        refused(deliver(body, signature), 401, code)
    assert {line.body for line in ReceivedEvent.objects.all()} == {""}


def test_without_a_secret_nothing_is_taken_and_the_answer_says_what_to_do() -> None:
    sources.create_source(name="Bare", kind="webhook", actor=SYSTEM, at=timezone.now())
    body = stringify(EVENT)
    answer = deliver(body, sign(body, ""), "/webhooks/segment/bare/")
    refused(answer, 401, "signing_secret_missing")
    assert "Set it here and in Segment" in answer.json()["message"]


def test_the_former_secret_is_good_for_a_while() -> None:
    sources.set_signing_secret("segment", actor=SYSTEM, at=timezone.now())
    body = stringify(EVENT)
    assert deliver(body, sign(body)).status_code == 200


@pytest.mark.parametrize("key", ["nobody", "shop"])
def test_there_is_a_webhook_for_sources_of_that_kind_only(key: str) -> None:
    sources.create_source(name="Shop", actor=SYSTEM, at=timezone.now())
    body = stringify(EVENT)
    refused(deliver(body, sign(body), f"/webhooks/segment/{key}/"), 404, "source_unknown")


def test_a_disabled_webhook_takes_nothing() -> None:
    sources.disable_source("segment", actor=SYSTEM, at=timezone.now())
    body = stringify(EVENT)
    refused(deliver(body, sign(body)), 401, "source_disabled")


@pytest.mark.parametrize("body", [b"", b"{", b"7", b'"x"', b'{"a": NaN}'])
def test_a_signed_body_that_is_no_event_is_400(body: bytes) -> None:
    refused(deliver(body, sign(body)), 400, "invalid_json")


def test_more_than_the_limit_is_413(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "BODY_LIMIT", 100)
    body = stringify([EVENT] * 5)
    refused(deliver(body, sign(stringify(EVENT))), 413, "too_large")


def test_events_are_delivered_by_post_only() -> None:
    assert Client().get(PATH).status_code == 405
