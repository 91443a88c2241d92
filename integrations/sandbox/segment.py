"""Twilio Segment as a local server: takes nearly everything, and sends it on to a webhook.

*Source:* the vendor's pages on its HTTP Tracking API and on the webhook destination.
"""

import base64
import gzip
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from integrations.sandbox.server import Request, Response, Sandbox

_EVENT_LIMIT, _BATCH_LIMIT, _BATCH_EVENTS = 32 * 1024, 500 * 1024, 2500
_REMEMBERED_SECONDS = 24 * 3600
_CALLS = frozenset({"identify", "track", "page", "screen", "group", "alias"})
_TAKEN = {"success": True}


class Segment(Sandbox):
    """One workspace with one source. `events` are those that arrived, each once, in their order.

    Of the write key it tells nobody whether it is right: events under another one are taken with
    200 and go nowhere. With `per_second` it answers 429 to what is more.
    """

    name = "segment"
    port = 8303

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        write_key: str = "sandboxWriteKey0123456789",
        per_second: int | None = None,
    ) -> None:
        super().__init__(clock=clock)
        self.write_key, self.per_second = write_key, per_second
        self.events: list[dict[str, Any]] = []
        self.invalid: list[dict[str, Any]] = []
        self._seen: dict[str, float] = {}
        self._calls: dict[int, int] = {}

    def describe(self) -> list[str]:
        """What to type into the form."""
        return [
            f"Write key {self.write_key}; any region",
            f"What arrived: {self.url}/debugger",
        ]

    def handle(self, request: Request) -> Response:
        """Answer as Segment does."""
        parts = request.path.strip("/").split("/")
        if request.method == "GET" and parts == ["debugger"]:
            return Response(200, {"events": self.events[-100:], "invalid": self.invalid[-100:]})
        call = parts[-1]
        if request.method != "POST" or len(parts) != 2 or parts[0] != "v1":
            return Response(404, {"message": "not found"})
        if call != "batch" and call not in _CALLS:
            return Response(404, {"message": "not found"})
        if wait := self._wait():
            headers = {"Retry-After": str(wait), "X-RateLimit-Reset": str(wait)}
            return Response(429, {"message": "too many requests"}, headers)
        return self._take(call, request)

    def traits(self, user_id: str) -> dict[str, Any]:
        """What the source said of somebody, the last word counts."""
        found: dict[str, Any] = {}
        for event in self.events:
            if event.get("type") == "identify" and event.get("userId") == user_id:
                found |= event.get("traits") or {}
        return found

    def forward(self, url: str, secret: str, events: Sequence[dict[str, Any]] | None = None) -> int:
        """Send events on to a webhook destination, all in one request; the status it answers.

        Of a batch only the first event is signed, as Segment does.
        """
        given = list(self.events if events is None else events)
        signed = json.dumps(given[0], separators=(",", ":"), ensure_ascii=False)
        body = json.dumps(given, separators=(",", ":"), ensure_ascii=False).encode()
        mark = hmac.new(secret.encode(), signed.encode(), hashlib.sha1).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Segment.io/1.0",
            "X-Signature": mark,
        }
        asked = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - a test's
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - a test's
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def _wait(self) -> int:
        """How many seconds one call too many has to wait; 0 for the others."""
        if self.per_second is None:
            return 0
        second = int(self.clock())
        self._calls[second] = self._calls.get(second, 0) + 1
        return 1 if self._calls[second] > self.per_second else 0

    def _take(self, call: str, request: Request) -> Response:
        body = request.body
        if request.headers.get("content-encoding") == "gzip":
            try:
                body = gzip.decompress(body)
            except OSError:
                return Response(400, {"message": "invalid gzip"})
        if len(body) > (_BATCH_LIMIT if call == "batch" else _EVENT_LIMIT):
            return Response(400, {"message": "payload too large"})
        try:
            document = json.loads(body)
        except ValueError:
            return Response(400, {"message": "malformed JSON"})
        if not isinstance(document, dict):
            return Response(400, {"message": "malformed JSON"})
        events: Any = [{**document, "type": call}]
        if call == "batch":
            events = document.get("batch")
            if not isinstance(events, list) or len(events) > _BATCH_EVENTS:
                return Response(400, {"message": "invalid batch"})
            if any(_size(event) > _EVENT_LIMIT for event in events):
                return Response(400, {"message": "payload too large"})
        if self._key_of(request, document) == self.write_key:
            for event in events:
                self._keep(event)
        return Response(200, _TAKEN)

    def _key_of(self, request: Request, document: dict[str, Any]) -> str:
        scheme, _space, mark = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            try:
                return base64.b64decode(mark).decode().partition(":")[0]
            except ValueError:
                return ""
        return str(document.get("writeKey") or "")

    def _keep(self, event: Any) -> None:
        """Keep an event once in a day by its messageId; one that cannot be used goes aside."""
        problem = _problem(event)
        if problem:
            self.invalid.append({"event": event, "problem": problem})
            return
        message_id, now = str(event.get("messageId") or ""), self.clock()
        if message_id:
            seen_at = self._seen.get(message_id)
            if seen_at is not None and now - seen_at < _REMEMBERED_SECONDS:
                return
            self._seen[message_id] = now
        self.events.append(event)


def _size(event: Any) -> int:
    return len(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode())


def _problem(event: Any) -> str:
    """What the debugger says against an event; "" where nothing is wrong with it."""
    if not isinstance(event, dict) or event.get("type") not in _CALLS:
        return "invalid_type"
    if not event.get("userId") and not event.get("anonymousId"):
        return "no_user_anon_id"
    if event["type"] == "track" and not event.get("event"):
        return "no_event"
    if len(str(event.get("messageId") or "")) > 100:
        return "message_id_too_long"
    return ""
