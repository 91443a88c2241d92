"""The way in for events: what is taken, what is refused, and what the sender is told."""

import gzip
import json
import zlib
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import resolve
from django.utils import timezone
from redis.exceptions import ConnectionError as CacheAway

from integrations import inbox, sources
from integrations.ingestion.bodies import BATCH_EVENTS, BATCH_LIMIT, CALL_LIMIT, DEPTH_LIMIT
from integrations.ingestion.middleware import ShortWay
from integrations.ingestion.views import BATCHES, CALLS, SHORT, VIEWS
from integrations.models import InboundRequest, ReceivedEvent, SourceCount, WriteKey
from tests.integrations.sending import Sender
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db

EVENT = {"userId": "u1", "event": "Order Completed", "properties": {"total": 12.5}}


def refused(answer: Any, status: int, code: str) -> str:
    """The answer is a refusal; returns its sentence."""
    assert answer.status_code == status, answer.content
    told = answer.json()
    assert told["success"] is False
    assert told["code"] == code, told
    return str(told["message"])


def kept() -> list[tuple[str, Any]]:
    """What waits to be digested: the call and the document."""
    return [(one.call, json.loads(one.body)) for one in InboundRequest.objects.all()]


def sized(size: int, **event: Any) -> dict[str, Any]:
    """An event of exactly that many bytes as JSON."""
    empty = {**EVENT, **event, "text": ""}
    return {**empty, "text": "x" * (size - len(json.dumps(empty, separators=(",", ":"))))}


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


# --- What is taken ---------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("call", CALLS)
def test_each_call_is_kept_as_it_came(shop: Sender, call: str, slash: str) -> None:
    answer = shop.post(f"/v1/{call}{slash}", EVENT)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert kept() == [(call, EVENT)]


@pytest.mark.parametrize("call", BATCHES)
def test_a_batch_is_kept_with_the_number_of_its_events(shop: Sender, call: str) -> None:
    body = {"batch": [{"type": "track", **EVENT}, 7, None], "sentAt": "2026-03-02T12:00:00Z"}
    assert shop.post(f"/v1/{call}", body).status_code == 200
    assert InboundRequest.objects.get().event_count == 3
    assert kept() == [(call, body)]


@pytest.mark.parametrize(("short", "call"), SHORT.items())
def test_the_abbreviations_of_the_browser_library_mean_the_same(
    site: Sender, short: str, call: str
) -> None:
    body = {"batch": [EVENT]} if call == "batch" else EVENT
    answer = site.post(
        f"/v1/{short}",
        {**body, "writeKey": site.write_key},
        user="",
        content_type="text/plain;charset=UTF-8",
    )
    assert answer.status_code == 200
    assert [name for name, _body in kept()] == [call]


def test_the_addresses_of_events_are_answered_before_what_only_pages_need() -> None:
    passed_on: list[str] = []

    def pages(request: HttpRequest) -> HttpResponse:
        passed_on.append(request.path_info)
        return HttpResponse()

    way, factory = ShortWay(pages), RequestFactory()
    for address in [*VIEWS, "v1/customers", "api/contacts/"]:
        way(factory.options(f"/{address}"))
    assert passed_on == ["/v1/customers", "/api/contacts/"]
    assert {resolve(f"/{address}").func for address in VIEWS} == set(VIEWS.values())


@pytest.mark.parametrize("body", [{"batch": []}, {"batch": [], "writeKey": None}])
def test_an_empty_batch_is_fine_and_nothing_to_keep(shop: Sender, body: Any) -> None:
    assert shop.post("/v1/batch", body).status_code == 200
    assert kept() == []


@pytest.mark.parametrize(
    "event", [{}, {"event": None}, {"writeKey": None, "_metadata": {}}, {"userId": ["odd"]}]
)
def test_what_is_wrong_inside_an_event_is_left_to_the_digest(
    shop: Sender, event: dict[str, Any]
) -> None:
    assert shop.post("/v1/track", event).status_code == 200
    assert kept() == [("track", event)]


def test_texts_come_out_as_they_went_in(shop: Sender) -> None:
    raw = (
        b'\xef\xbb\xbf{"userId": "\\u0000 \\ud83d \xc5\xbb", "n": 1e400, "i": 12345678901234567890}'
    )
    assert shop.post("/v1/identify", raw).status_code == 200
    assert InboundRequest.objects.get().body == raw.decode("utf-8-sig")


# --- Who sends -------------------------------------------------------------------------------


def test_the_key_may_stand_in_the_body_beside_a_bearer_token(shop: Sender) -> None:
    body = {**EVENT, "writeKey": shop.write_key}
    assert shop.post("/v1/track", body, user="").status_code == 200
    assert shop.post("/v1/track", body, user="", Authorization="Bearer x").status_code == 200


def test_the_key_of_the_header_counts_before_that_of_the_body(shop: Sender) -> None:
    answer = shop.post("/v1/track", {**EVENT, "writeKey": shop.write_key}, user="wk_other")
    refused(answer, 401, "write_key_unknown")


@pytest.mark.parametrize(
    ("user", "code"),
    [
        ("", "write_key_missing"),
        ("wk_nobody", "write_key_unknown"),
        ("ż" * 500, None),
        ("\x00", None),
    ],
)
def test_an_unknown_sender_is_told_so_and_nothing_is_kept(
    shop: Sender, user: str, code: str | None
) -> None:
    answer = shop.post("/v1/track", EVENT, user=user)
    refused(answer, 401, code or "write_key_unknown")
    assert answer["WWW-Authenticate"].startswith("Basic")
    assert kept() == []


@pytest.mark.parametrize("header", ["Basic", "Basic %%%", "Basic /w==", "Api-Key x", "ż"])
def test_a_header_that_says_nothing_is_no_key(shop: Sender, header: str) -> None:
    refused(shop.post("/v1/track", EVENT, user="", Authorization=header), 401, "write_key_missing")


def test_an_unknown_key_is_never_repeated_whole(shop: Sender) -> None:
    message = refused(shop.post("/v1/t", EVENT, user="wk_secretsecret"), 401, "write_key_unknown")
    assert "wk_secre…" in message
    assert "wk_secretsecret" not in message


def test_a_disabled_source_is_refused_at_once_and_people_see_it(shop: Sender) -> None:
    assert shop.post("/v1/track", EVENT).status_code == 200
    sources.disable_source("shop", actor=SYSTEM, at=timezone.now())
    refused(shop.post("/v1/track", EVENT), 401, "source_disabled")
    assert len(kept()) == 1
    line = ReceivedEvent.objects.get()
    assert (line.type, line.outcome, line.code) == ("track", "refused", "source_disabled")
    assert line.body == ""


def test_while_keys_are_rotated_both_work_and_then_the_new_one_only(shop: Sender) -> None:
    now = timezone.now()
    new = sources.rotate_write_key("shop", actor=SYSTEM, at=now)
    assert shop.post("/v1/track", EVENT).status_code == 200
    assert shop.post("/v1/track", EVENT, user=new).status_code == 200
    WriteKey.objects.filter(retires_at__isnull=False).update(retires_at=now - timedelta(seconds=1))
    refused(shop.post("/v1/track", EVENT), 401, "write_key_retired")
    assert shop.post("/v1/track", EVENT, user=new).status_code == 200


def test_the_use_of_a_key_is_noted_once_a_minute(shop: Sender) -> None:
    shop.post("/v1/track", EVENT)
    first = WriteKey.objects.get().last_used_at
    assert first is not None
    shop.post("/v1/track", EVENT)
    assert WriteKey.objects.get().last_used_at == first


# --- Form and size ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"nonsense", b"[]", b'"text"', b"7", b"null", b'{"a": NaN}'),
        *(b'{"a": -Infinity}', b'{"a": 1}}', b"\xff\xfe{}", b'{"a": "\xed\xa0\x80"}', b"{'a': 1}"),
        *(b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 0.' + b"9" * 5000 + b"}", b'{"a": "\x00"}'),
        b'{"a": ' * DEPTH_LIMIT + b"1" + b"}" * DEPTH_LIMIT + b"}",
        b'{"a": ' * (DEPTH_LIMIT + 1) + b"1" + b"}" * (DEPTH_LIMIT + 1),
        b'{"a": ' + b"[" * 15_000 + b"]" * 15_000 + b"}",
    ],
)
def test_what_is_no_json_object_is_400(shop: Sender, body: bytes) -> None:
    refused(shop.post("/v1/track", body), 400, "invalid_json")
    assert kept() == []


@pytest.mark.parametrize("body", [{}, [], {"batch": None}, {"batch": {}}, {"batch": "x"}, EVENT])
def test_a_batch_without_a_list_is_400(shop: Sender, body: Any) -> None:
    refused(shop.post("/v1/batch", body), 400, "invalid_json")


def test_digits_in_a_text_are_no_long_number(shop: Sender) -> None:
    assert shop.post("/v1/track", {"userId": "9" * 5000}).status_code == 200


def test_a_document_may_be_as_deep_as_the_limit(shop: Sender) -> None:
    body = b'{"a": ' * DEPTH_LIMIT + b"1" + b"}" * DEPTH_LIMIT
    assert shop.post("/v1/track", body).status_code == 200


def test_a_call_may_have_32_kilobytes_and_no_byte_more(shop: Sender) -> None:
    assert shop.post("/v1/track", compact(sized(CALL_LIMIT))).status_code == 200
    message = refused(shop.post("/v1/track", compact(sized(CALL_LIMIT + 1))), 400, "too_large")
    assert "32 KB" in message
    assert len(kept()) == 1


def test_an_event_of_a_batch_may_have_32_kilobytes_and_no_byte_more(shop: Sender) -> None:
    assert shop.post("/v1/batch", {"batch": [sized(CALL_LIMIT), EVENT]}).status_code == 200
    message = refused(
        shop.post("/v1/batch", {"batch": [EVENT, sized(CALL_LIMIT + 1)]}), 400, "too_large"
    )
    assert message.startswith("batch[1]")


def test_a_batch_may_have_500_kilobytes_and_no_byte_more(shop: Sender) -> None:
    batch = {"batch": [sized(30_000) for _event in range(17)], "context": ""}
    batch["context"] = "x" * (BATCH_LIMIT - len(compact(batch)))
    assert shop.post("/v1/batch", compact(batch)).status_code == 200
    refused(shop.post("/v1/batch", compact(batch) + b" "), 400, "too_large")
    refused(
        shop.post(
            "/v1/batch", gzip.compress(compact(batch) + b" "), **{"Content-Encoding": "gzip"}
        ),
        400,
        "too_large",
    )


def test_a_batch_may_have_2500_events_and_none_more(shop: Sender) -> None:
    assert shop.post("/v1/batch", {"batch": [{}] * BATCH_EVENTS}).status_code == 200
    refused(shop.post("/v1/batch", {"batch": [{}] * (BATCH_EVENTS + 1)}), 400, "too_large")


# Without the time of packing, or two workers of the tests would name them differently.
@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(json.dumps(EVENT).encode(), mtime=0)),
        ("GZIP", gzip.compress(b'{"userId"', mtime=0) + gzip.compress(b': "u1"}', mtime=0)),
        ("deflate", zlib.compress(json.dumps(EVENT).encode())),
        ("identity", json.dumps(EVENT).encode()),
    ],
)
def test_packed_bodies_are_unpacked(shop: Sender, encoding: str, packed: bytes) -> None:
    assert shop.post("/v1/track", packed, **{"Content-Encoding": encoding}).status_code == 200
    assert kept()[0][1]["userId"] == "u1"


@pytest.mark.parametrize(
    ("encoding", "packed", "code"),
    [
        ("gzip", json.dumps(EVENT).encode(), "invalid_json"),
        ("gzip", gzip.compress(json.dumps(EVENT).encode(), mtime=0)[:-9], "invalid_json"),
        ("gzip", gzip.compress(b"", mtime=0) * 17, "invalid_json"),
        ("gzip", b"", "invalid_json"),
        ("br", b"", "invalid_json"),
        ("gzip", gzip.compress(b"0" * 20_000_000, mtime=0), "too_large"),
    ],
)
def test_packed_bodies_that_cannot_be_unpacked_are_400(
    shop: Sender, encoding: str, packed: bytes, code: str
) -> None:
    refused(shop.post("/v1/track", packed, **{"Content-Encoding": encoding}), 400, code)


def test_a_body_without_a_length_is_read_where_the_server_finds_its_end(shop: Sender) -> None:
    body = json.dumps({**EVENT, "writeKey": shop.write_key}).encode()
    environ: Any = {
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "CONTENT_LENGTH": "",
    }
    answer: Any = shop.client.generic("POST", "/v1/track", **environ)
    assert answer.status_code == 200
    assert len(kept()) == 1


class _Broken(BytesIO):
    """A stream whose server finds bytes that break HTTP."""

    def read(self, *_size: Any) -> bytes:
        raise ValueError("Invalid chunk size")


@pytest.mark.parametrize(
    "environ",
    [
        {"wsgi.input": BytesIO(b"{}"), "CONTENT_LENGTH": "3"},
        {"wsgi.input": _Broken(), "CONTENT_LENGTH": "", "wsgi.input_terminated": True},
    ],
)
def test_a_body_that_does_not_arrive_whole_is_400(shop: Sender, environ: Any) -> None:
    environ["HTTP_AUTHORIZATION"] = shop.authorization
    message = refused(shop.client.generic("POST", "/v1/track", **environ), 400, "invalid_json")
    assert "whole" in message


def test_a_refused_body_is_shown_to_people_with_the_reason_once_a_second(shop: Sender) -> None:
    for _time in range(3):
        shop.post("/v1/track", b'{"writeKey": "' + shop.write_key.encode() + b'", "e": "\x00')
    line = ReceivedEvent.objects.get()
    assert line.code == "invalid_json"
    assert line.body == f'{{"writeKey": "{shop.write_key[:8]}…", "e": "\ufffd'
    assert "not JSON" in line.reason
    assert SourceCount.objects.get().event_count == 1


# --- How it is asked -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE"])
def test_events_are_sent_by_post_only(shop: Sender, method: str) -> None:
    answer = shop.client.generic(method, "/v1/track")
    assert answer.status_code == 405
    assert answer["Allow"] == "POST, OPTIONS"


def test_a_browser_may_ask_before_it_sends(site: Sender) -> None:
    answer = site.client.options(
        "/v1/t",
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert answer.status_code == 204
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in answer["Access-Control-Allow-Headers"]


def test_pages_may_read_answers_of_web_sources_and_every_refusal(
    shop: Sender, site: Sender
) -> None:
    origin = {"Origin": "https://shop.example"}
    assert site.post("/v1/t", EVENT, **origin)["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in shop.post("/v1/t", EVENT, **origin)
    for answer in (site.post("/v1/t", b"{", **origin), site.post("/v1/t", EVENT, user="wk_x")):
        assert answer["Access-Control-Allow-Origin"] == "*"


def test_a_source_that_sends_too_much_is_told_when_to_try_again(
    shop: Sender, site: Sender, settings: Any
) -> None:
    settings.INGESTION_REQUESTS_PER_SECOND = 3
    answers = [shop.post("/v1/track", EVENT) for _time in range(12)]
    late = [answer for answer in answers if answer.status_code == 429]
    assert late, "twelve requests took three seconds or more"
    refused(late[0], 429, "too_many_requests")
    assert (late[0]["Retry-After"], late[0]["X-RateLimit-Reset"]) == ("1", "1")
    assert len(kept()) == 12 - len(late)
    assert site.post("/v1/track", EVENT).status_code == 200


def test_without_the_cache_each_process_keeps_the_limit_by_itself(
    shop: Sender, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_given: Any, **_named: Any) -> None:
        raise CacheAway

    settings.INGESTION_REQUESTS_PER_SECOND = 3
    monkeypatch.setattr(cache, "add", away)
    statuses = {shop.post("/v1/track", EVENT).status_code for _time in range(12)}
    assert statuses == {200, 429}


def test_without_the_database_the_sender_is_told_to_send_again(
    shop: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_given: Any) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(inbox, "receive", away)
    answer = shop.post("/v1/track", EVENT)
    refused(answer, 503, "unavailable")
    assert answer["Retry-After"] == "5"
