"""Messages hold against a second opinion in plain Python, whatever is in them."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.models import Contact, Event
from integrations import digestion
from integrations.messages import Envelope, as_json, read, storable, unpack
from integrations.models import HeldEvent, ReceivedEvent, Source
from tests.factories import DAY, HOUR, NOW
from tests.integrations.test_digestion import contact, identify, receive, track

_NAMES: st.SearchStrategy[Any] = st.sampled_from(
    ["x", " x ", "u1", "", " ", None, 5, 0, Decimal("1.5"), True, {}, ["x"]]
)
_OBJECTS: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, {"a": 1}, {"url": "https://a/b"}, [], "text", 7]
)
_OFFSETS = st.sampled_from([-4000 * DAY, -DAY, -HOUR, timedelta(), HOUR, DAY, DAY + HOUR])


def _written(at: datetime, form: int) -> str:
    """A time as one of the ways in which libraries write it."""
    match form:
        case 0:
            return at.isoformat()
        case 1:
            return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case 2:
            return at.replace(tzinfo=None).isoformat()
    shifted = at + timedelta(hours=2)
    return shifted.replace(tzinfo=None).isoformat() + "+02:00"


_TIMES: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda offset, form: _written(NOW + offset, form), _OFFSETS, st.integers(0, 3)),
    st.sampled_from([None, "", "soon", 12, {}, "2026-13-01T00:00:00Z", "9999-12-31T23:59:59Z"]),
)
_MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["identify", "track", "page", "screen", "group", "alias", "delete", "x", None]
        ),
        "userId": _NAMES,
        "anonymousId": _NAMES,
        "messageId": st.sampled_from(["m1", "", None, 7, "m" * 100, "m" * 101, "a\0"]),
        "event": _NAMES,
        "name": _NAMES,
        "groupId": _NAMES,
        "previousId": _NAMES,
        "properties": _OBJECTS,
        "traits": _OBJECTS,
        "context": st.sampled_from([None, {}, [], {"page": {"url": "https://p/q"}}, {"page": 5}]),
        "timestamp": _TIMES,
        "originalTimestamp": _TIMES,
        "sentAt": _TIMES,
        "writeKey": st.just("wk_secret"),
    },
)


def _plain(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    return str(value).strip()


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _opinion(raw: dict[str, Any], *, is_import: bool) -> tuple[str | None, str, datetime]:
    """Why it cannot be used, which event it makes, and when."""
    said = raw.get("timestamp")
    said = raw.get("originalTimestamp") if said in (None, "") else said
    at = _time(said) or NOW
    sent = None if is_import else _time(raw.get("sentAt"))
    if _time(said) and sent:
        # So long before it was received as it happened before it was sent.
        try:
            at = NOW + (at - sent)
        except OverflowError:
            at = NOW
    at = NOW if at > NOW + DAY else at
    message_id = _plain(raw.get("messageId"))
    if len(message_id) > 100:
        return "message_id_too_long", "", at
    if "\0" in message_id:
        return "message_id_invalid", "", at
    if not _plain(raw.get("userId")) and not _plain(raw.get("anonymousId")):
        return "no_user_anon_id", "", at
    is_object = isinstance(raw.get("properties"), dict | None)
    kind = raw.get("type")
    if kind == "track" and not _plain(raw.get("event")):
        return "event_missing", "", at
    if kind in {"track", "page", "screen"} and not is_object:
        return "properties_not_object", "", at
    if kind == "group" and not _plain(raw.get("groupId")):
        return "group_id_missing", "", at
    if kind == "alias" and not _plain(raw.get("previousId")):
        return "previous_id_missing", "", at
    events = {
        "identify": "",
        "alias": "",
        "track": _plain(raw.get("event")),
        "page": "page_visit",
        "screen": "screen_view",
        "group": "group",
    }
    if kind not in events:
        return "unsupported_type", "", at
    return None, events[kind], at


@given(raw=_MESSAGES, is_import=st.booleans())
@settings(max_examples=150, deadline=None)
def test_every_message_is_read_as_the_second_opinion_reads_it(
    raw: dict[str, Any], is_import: bool
) -> None:
    (message,) = unpack(
        "import" if is_import else "batch", {"batch": [raw]}, receipt="4", received_at=NOW
    )
    code, event, at = _opinion(raw, is_import=is_import)
    assert (message.problem.code if message.problem else None) == code
    assert message.occurred_at == at
    if code is None:
        assert message.event == event
        assert len({one.path for one in message.remarks}) == len(message.remarks)
    assert message.has_own_id == bool(_plain(raw.get("messageId")))
    kept = json.loads(message.text)
    sent = json.loads(as_json(raw))
    for name in ("writeKey", "type", "context"):
        sent.pop(name, None)
    assert {name: kept.get(name) for name in sent} == sent
    assert "writeKey" not in kept


@given(st.text())
@settings(max_examples=50, deadline=None)
def test_any_text_can_be_kept(text: str) -> None:
    kept = storable(text, 50)
    assert "\0" not in kept
    assert len(kept) <= 50
    kept.encode()
    assert json.loads(as_json({"a": text})) == {"a": text}


def test_half_a_character_is_kept_as_it_was_escaped() -> None:
    text = as_json({"a": "\ud83d", "b": "ł"})
    assert text.isascii()
    assert json.loads(text) == {"a": "\ud83d", "b": "ł"}
    assert storable("\ud83d", 5) == "?"


def test_what_the_page_says_goes_into_the_properties_of_visits() -> None:
    page = {"url": "https://a/b", "path": "/b", "title": "B", "referrer": "", "search": "?c"}
    context = {"page": page, "campaign": {"name": "spring", "source": "mail"}}
    whose = {"userId": "u", "context": context}
    envelope = Envelope("1", NOW)
    visit = read(
        {**whose, "type": "page", "category": "Docs", "properties": {"title": "Mine"}}, envelope
    )
    assert visit.properties == {
        "title": "Mine",
        "category": "Docs",
        "url": "https://a/b",
        "path": "/b",
        "search": "?c",
        "campaign": {"name": "spring", "source": "mail"},
    }
    bought = read({**whose, "type": "track", "event": "bought"}, envelope)
    assert bought.properties == {"url": "https://a/b", "campaign": context["campaign"]}


_STREAMS = st.lists(
    st.lists(
        st.one_of(
            st.builds(
                lambda user, plan, size: identify(user, plan=plan, size=size),
                st.sampled_from("ab"),
                st.sampled_from(["x", "y", None]),
                st.integers(0, 3),
            ),
            st.builds(
                lambda user, message_id: track("bought", user, messageId=message_id),
                st.sampled_from("ab"),
                st.sampled_from(["m1", "m2", "m3", "m4"]),
            ),
            st.just({"type": "track"}),
        ),
        max_size=6,
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.django_db
@given(requests=_STREAMS, at_once=st.booleans())
@settings(max_examples=15, deadline=None)
def test_however_messages_are_parted_the_same_becomes_of_them(
    requests: list[list[dict[str, Any]]], at_once: bool
) -> None:
    with transaction.atomic():
        shop = Source.objects.create(key="shop", name="Shop", created_at=NOW)
        for messages in requests:
            receive(shop, messages)
            while not at_once and digestion.digest(NOW):
                pass
        while digestion.digest(NOW):
            pass
        attributes: dict[str, dict[str, Any]] = {}
        owners: dict[str, str] = {}
        stream = [message for messages in requests for message in messages]
        for message in stream:
            if user := message.get("userId"):
                message_id, traits = message.get("messageId"), message.get("traits", {})
                # A duplicate says nothing, not even that there is such a contact.
                if message_id not in owners:
                    told = {key: value for key, value in traits.items() if value is not None}
                    attributes.setdefault(user, {}).update(told)
                if message_id:
                    owners.setdefault(message_id, user)
        assert {user: contact(user).attributes for user in attributes} == attributes
        assert Contact.objects.count() == len(attributes)
        found = Event.objects.values_list("message_id", "contact_id")
        assert dict(found) == {key: contact(user).pk for key, user in owners.items()}
        assert ReceivedEvent.objects.count() == len(stream)
        assert HeldEvent.objects.count() == stream.count({"type": "track"})
        transaction.set_rollback(True)
