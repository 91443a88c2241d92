"""The shapes that Segment takes: facts as `track`, coming and going as `identify`. Pure.

*Source:* Twilio Segment, "HTTP Tracking API" and the pages of its spec on common fields, track and
identify; the titles of events are those of Voucherify's source in Segment's catalog.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

EVENT_LIMIT = 32 * 1024
BATCH_LIMIT, BATCH_EVENTS = 500 * 1024, 2500
MESSAGE_ID_LIMIT = 100
DOTTED, TITLES = "dotted", "titles"
EVENTS, TRAITS = "events", "traits"
# Types by which a contact comes into a segment or leaves it: as a trait, true or false.
_MOVES = {"customer.segment.entered": True, "customer.segment.left": False}
# Voucherify's titles say of whom these are; our names do not.
_OF_CUSTOMERS = ("redemption.", "validation.")
_WORDS = re.compile(r"[\s,;]+")
# What a batch has around its events: {"batch":[],"sentAt":"2026-11-27T22:00:00.000Z"}
_ENVELOPE = 64


def event_of(
    payload: Mapping[str, Any], *, key: str, settings: Mapping[str, Any], origin: str
) -> dict[str, Any]:
    """The event that a fact is at Segment.

    `origin` marks it as ours, so that it is known where it comes back. The same fact is the same
    event at each attempt.
    """
    type_, data = str(payload["type"]), payload.get("data") or {}
    event: dict[str, Any] = {"type": "track"}
    segment_key = str((data.get("segment") or {}).get("id") or "")
    if type_ in _MOVES and segment_key and settings.get("memberships") == TRAITS:
        event = {"type": "identify", "traits": {segment_key: _MOVES[type_]}}
    else:
        event["event"] = event_name(type_, str(settings.get("names") or DOTTED))
        event["properties"] = flattened(data)
    return {
        **event,
        **_whose(payload),
        "messageId": message_id_of(key),
        "timestamp": _instant(str(payload["created_at"])),
        "integrations": integrations_of(settings),
        "context": {
            "library": {"name": "Regulars"},
            "regulars": {"origin": origin},
            **_traits_of(data.get("customer")),
        },
    }


def _whose(payload: Mapping[str, Any]) -> dict[str, str]:
    """Whose event it is: a contact's, or nobody's, as that of a test."""
    if user_id := payload.get("user_id"):
        return {"userId": str(user_id)}
    return {"anonymousId": str(payload["anonymous_id"])}


def is_of_somebody(payload: Mapping[str, Any]) -> bool:
    """Whether Segment takes it: it wants to know of whom an event is."""
    return bool(payload.get("user_id") or payload.get("anonymous_id"))


def _traits_of(customer: Any) -> dict[str, Any]:
    """Of whom it is, as Segment's profiles and destinations know people besides their id."""
    given = customer if isinstance(customer, Mapping) else {}
    traits = {name: given[name] for name in ("email", "name") if given.get(name)}
    return {"traits": traits} if traits else {}


def event_name(type_: str, style: str) -> str:
    """A type as Segment is told it: as it is, or "Customer Publication Succeeded"."""
    if style != TITLES:
        return type_
    whole = f"customer.{type_}" if type_.startswith(_OF_CUSTOMERS) else type_
    return " ".join(word.capitalize() for word in re.split(r"[._]", whole))


def call_name(type_: str, settings: Mapping[str, Any]) -> str:
    """How a type is found in Segment's debugger: by its name, or as `identify`."""
    if type_ in _MOVES and settings.get("memberships") == TRAITS:
        return "identify"
    return event_name(type_, str(settings.get("names") or DOTTED))


def flattened(data: Mapping[str, Any]) -> dict[str, Any]:
    """A document on one level: `{"campaign": {"id": 1}}` is `{"campaign_id": 1}`; lists stay."""
    return dict(_leaves(data, ""))


def message_id_of(key: str) -> str:
    """The messageId of a delivery, the same at each attempt; a long key is told by its digest."""
    if len(key) <= MESSAGE_ID_LIMIT:
        return key
    return f"{key[:40]}:{hashlib.sha256(key.encode()).hexdigest()[:40]}"


def integrations_of(settings: Mapping[str, Any]) -> dict[str, bool]:
    """To which destinations Segment sends an event on: all but those that are excluded."""
    excluded = {name.strip() for name in re.split(r"[,;\n]", str(settings.get("exclude") or ""))}
    return {"All": True, **{name: False for name in sorted(excluded) if name}}


def encoded(event: Mapping[str, Any]) -> bytes:
    """An event as it is sent."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def batches(events: Sequence[bytes]) -> Iterator[list[int]]:
    """The places of events that go together: as many as Segment takes in a call, in order."""
    together: list[int] = []
    size = _ENVELOPE
    for place, event in enumerate(events):
        if together and (size + len(event) + 1 > BATCH_LIMIT or len(together) >= BATCH_EVENTS):
            yield together
            together, size = [], _ENVELOPE
        together.append(place)
        size += len(event) + 1
    if together:
        yield together


def batch_body(events: Sequence[bytes], *, sent_at: datetime) -> bytes:
    """The body of a call."""
    return b'{"batch":[%b],"sentAt":"%b"}' % (b",".join(events), _written(sent_at).encode())


def segment_keys(settings: Mapping[str, Any]) -> list[str]:
    """The segments of which a connection is told; none named is all."""
    return [key for key in _WORDS.split(str(settings.get("segments") or "")) if key]


def _leaves(value: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        path = f"{before}_{name}" if before else str(name)
        if isinstance(inner, Mapping):
            yield from _leaves(inner, path)
        else:
            yield path, inner


def _instant(text: str) -> str:
    return _written(datetime.fromisoformat(text))


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
