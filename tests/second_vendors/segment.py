"""Twilio Segment's tracking interface as its public description says.

Written from that page (spec/external_apis.md 2.3) alone.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from tests.second_vendors.serving import Answer, Request, SecondVendor

WRITE_KEY = "secondWriteKey0123456789abcdef00"
KINDS = {"identify", "track", "page", "screen", "group", "alias"}
LONGEST_EVENT, LONGEST_BATCH, MOST_EVENTS = 32 * 1024, 500 * 1024, 2500


class Segment(SecondVendor):
    """One source with one write key, and its debugger."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, dict[str, Any]] = {}
        self.taken: list[dict[str, Any]] = []
        self.faults: list[str] = []

    def handle(self, request: Request) -> Answer:
        kind = request.path.removeprefix("/v1/")
        if request.path == kind or kind not in {*KINDS, "batch"}:
            return Answer(404, "Not found", content_type="text/plain")
        if request.method != "POST":
            return Answer(405)
        body = request.body
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if not request.headers.get("content-type", "").startswith("application/json"):
            return Answer(400, {"success": False, "message": "Content-Type"})
        try:
            value = json.loads(body)
        except ValueError:
            return Answer(400, {"success": False, "message": "malformed JSON"})
        if not self._admitted(request, value):
            # Nearly everything is answered with 200: a wrong key only shows in no debugger at all.
            self.faults.append("write key")
            return Answer(200, {"success": True})
        if kind == "batch":
            events = value.get("batch")
            if not isinstance(events, list) or not events:
                return Answer(400, {"success": False, "message": "batch"})
            if len(body) > LONGEST_BATCH or len(events) > MOST_EVENTS:
                return Answer(400, {"success": False, "message": "batch too large"})
            if any(len(json.dumps(one).encode()) > LONGEST_EVENT for one in events):
                return Answer(400, {"success": False, "message": "event too large"})
        else:
            if len(body) > LONGEST_EVENT:
                return Answer(400, {"success": False, "message": "event too large"})
            events = [{"type": kind, **value}]
        for event in events:
            self._take(event)
        return Answer(200, {"success": True})

    def _admitted(self, request: Request, value: Any) -> bool:
        wanted = "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode()
        return request.headers.get("authorization") == wanted or value.get("writeKey") == WRITE_KEY

    def _take(self, event: dict[str, Any]) -> None:
        kind, message = event.get("type"), event.get("messageId")
        if kind not in KINDS:
            self.faults.append(f"type {kind}")
        if not event.get("userId") and not event.get("anonymousId"):
            self.faults.append("no_user_anon_id")
        if kind == "track" and not event.get("event"):
            self.faults.append("track without event")
        if kind == "group" and not event.get("groupId"):
            self.faults.append("group without groupId")
        if kind == "alias" and not (event.get("previousId") and event.get("userId")):
            self.faults.append("alias without previousId or userId")
        if not isinstance(message, str) or not 1 <= len(message) <= 100:
            self.faults.append("messageId")
            return
        if not event.get("timestamp"):
            self.faults.append("timestamp")
        if message in self.seen:
            return
        self.seen[message] = event
        self.taken.append(event)
