"""Whatever is sent, the answer is one of those that are written down, and never a defect."""

import gzip
import json
from io import BytesIO
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations import sources
from integrations.digestion import digest
from integrations.ingestion.views import BATCHES, CALLS, VIEWS
from integrations.models import HeldEvent, InboundRequest, Outcome
from tests.integrations.sending import Sender
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db

_EXPECTED = {200, 400, 401, 404, 405, 413, 429}
_KNOWN = (
    *("batch", "type", "userId", "anonymousId", "event", "messageId", "properties", "traits"),
    *("context", "timestamp", "sentAt", "writeKey", "groupId", "previousId", "_metadata"),
)
_names = st.sampled_from(_KNOWN) | st.text(max_size=8)
_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["track", "identify", "2026-03-02T12:00:00Z", "0" * 101])
)
_documents = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(_names, inner, max_size=5)
        | st.fixed_dictionaries({"batch": st.lists(inner, max_size=4)})
    ),
    max_leaves=12,
)
_bodies = (
    st.binary(max_size=60)
    | _documents.map(lambda value: json.dumps(value).encode())
    | _documents.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    | _documents.map(lambda value: gzip.compress(json.dumps(value).encode()))
)
_printable = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30)
_headers = st.fixed_dictionaries(
    {},
    optional={
        "Authorization": _printable | _printable.map(lambda text: f"Basic {text}"),
        "Content-Encoding": st.sampled_from(["gzip", "deflate", "identity", "br"]) | _printable,
        "X-Signature": _printable,
        "Origin": _printable,
        "Content-Length": st.sampled_from(["", "0", "7", "-1", "x", "99999999999", "²"]),
    },
)
_methods = st.sampled_from(["POST"] * 8 + ["GET", "PUT", "OPTIONS", "HEAD", "BREW"])
_paths = st.sampled_from([*VIEWS, "webhooks/segment/hook/", "webhooks/segment/none/", "v1/none"])
_request = {
    "method": _methods,
    "path": _paths,
    "body": _bodies,
    "headers": _headers,
    "is_known": st.booleans(),
}


def _send(shop: Sender, method: str, path: str, body: bytes, **said: Any) -> Any:
    headers, kind = dict(said["headers"]), "application/json"
    if said["is_known"]:
        headers["Authorization"] = shop.authorization
    # A stream as servers have it: the test client's own asserts what clients may get wrong.
    extra: Any = {"wsgi.input": BytesIO(body)}
    if "Content-Length" in headers:
        extra["CONTENT_LENGTH"] = headers.pop("Content-Length")
    return shop.client.generic(method, f"/{path}", body, kind, headers=headers, **extra)


def _assert_expected(answer: Any) -> None:
    assert answer.status_code in _EXPECTED | {204}, answer.content
    if answer.status_code == 200 and answer.wsgi_request.method == "POST":
        assert answer.json() == {"success": True}
    elif answer.status_code not in {204, 404} and answer.wsgi_request.method != "HEAD":
        assert answer.json()["success"] is False
        assert answer.json()["message"]


@pytest.fixture
def hooked(shop: Sender) -> Sender:
    """The shop, beside a webhook."""
    now = shop.made_at
    sources.create_source(name="Hook", kind="webhook", actor=SYSTEM, at=now)
    sources.set_signing_secret("hook", actor=SYSTEM, at=now)
    return shop


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(**_request)
def test_no_request_is_a_defect(hooked: Sender, **said: Any) -> None:
    _assert_expected(_send(hooked, **said))


_digested = {
    "path": st.sampled_from([*CALLS, *BATCHES]),
    "document": _documents.filter(lambda value: isinstance(value, dict)),
}


def _assert_digested(shop: Sender, path: str, document: Any) -> None:
    """Whatever is taken is digested in one round, and none of it is a defect."""
    answer = shop.post(f"/v1/{path}", document)
    while digest(timezone.now()):
        pass
    assert not InboundRequest.objects.exists(), answer.content
    failed = HeldEvent.objects.filter(outcome=Outcome.FAILED)
    assert list(failed.values_list("reason", flat=True)) == []


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(**_digested)
def test_whatever_is_taken_can_be_digested(shop: Sender, path: str, document: Any) -> None:
    _assert_digested(shop, path, document)


@pytest.mark.long
@settings(
    max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(**_digested)
def test_thousands_of_what_is_taken_can_be_digested(shop: Sender, path: str, document: Any) -> None:
    _assert_digested(shop, path, document)


@pytest.mark.long
@settings(
    max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(**_request)
def test_no_request_of_thousands_is_a_defect(hooked: Sender, **said: Any) -> None:
    _assert_expected(_send(hooked, **said))
