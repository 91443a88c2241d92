"""Messages as Segment's libraries send them: read one by one, or refused with the reason.

Pure: neither the database nor a clock is asked. What is tolerable is tolerated, as Segment does: a
null is missing, a number as an id is its text. Times follow Segment, too: `timestamp` is by the
sender's clock, whose error `sentAt` shows.

*Source:* Twilio Segment, "HTTP Tracking API" and "Spec: Common Fields".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import simplejson
from django.utils.translation import gettext as _

from contacts.event_definitions import NAME_LIMIT
from contacts.events import MESSAGE_ID_LIMIT
from contacts.identities import EMAIL, PHONE, USER_ID, Name, check_namespace, normalize
from contacts.identity_rules import ANONYMOUS_ID
from contacts.values import ValueRefused
from integrations.clocks import occurred_at, read_instant
from integrations.remarks import Remark

# Of what may be sent the double: requests add their context, and Segment what it knows besides.
SIZE_LIMIT = 64 * 1024
PAGE_EVENT, SCREEN_EVENT, GROUP_EVENT = "page_visit", "screen_view", "group"
# What of `context.page` an event says of itself, where it does not say so anyway.
PAGE_FACTS = ("url", "path", "title", "referrer", "search")
_EXTERNAL_ID_LIMIT = 10
_ENCODER = simplejson.JSONEncoder(
    use_decimal=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
)
_NOTHING: Mapping[str, Any] = {}


class Type(StrEnum):
    """The kinds of messages."""

    IDENTIFY = "identify"
    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a request says of all its messages.

    `receipt` names the request: of it the ids of messages are made that have none. Without
    `corrects_clock` the times are right as they are: of imports, and of what Segment sends on.
    """

    receipt: str
    received_at: datetime
    sent_at: datetime | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    corrects_clock: bool = True
    may_delete: bool = False


@dataclass(slots=True)
class Message:
    """One message; `problem` says why nothing of it can be used, `remarks` what of it cannot.

    `text` is the message as JSON, with the context of its request. `event` names the event that
    it makes, `name` is by what people know it. `sent_at` is there where it corrected the time.
    """

    type: str
    message_id: str
    has_own_id: bool
    text: str
    occurred_at: datetime
    sent_at: datetime | None = None
    name: str = ""
    user_id: str = ""
    anonymous_id: str = ""
    previous_id: str = ""
    event: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    problem: Remark | None = None
    remarks: list[Remark] = field(default_factory=list)


def unpack(call: str, document: Any, *, receipt: str, received_at: datetime) -> list[Message]:
    """The messages of a request, in their order. `call` is by which address it came."""
    raw, said = _raw_messages(call, document)
    envelope = Envelope(
        receipt=receipt,
        received_at=received_at,
        sent_at=read_instant(said.get("sentAt")),
        context=_object(said.get("context")),
        corrects_clock=call not in {"import", "webhook"},
        may_delete=call == "webhook",
    )
    type_ = None if call in {"batch", "import", "webhook"} else call
    return [read(one, envelope, index, type_=type_) for index, one in enumerate(raw)]


def read(raw: Any, envelope: Envelope, index: int = 0, *, type_: str | None = None) -> Message:
    """One message; its `type` is that of the address where it came to an address of its own."""
    if not isinstance(raw, Mapping):
        message = _begun(_NOTHING, envelope, index, "", as_json(raw))
        text = _("A message is an object, as {“type”: “track”, …}.")
        message.problem = Remark("", "not_an_object", text)
        return message
    kind = type_ or _text(raw.get("type"))
    context = {**envelope.context, **_object(raw.get("context"))}
    whole = {key: value for key, value in raw.items() if key != "writeKey"}
    if kind:
        whole["type"] = kind
    if context:
        whole["context"] = context
    message = _begun(raw, envelope, index, kind, as_json(whole))
    message.context = context
    message.problem = _check(message, raw) or _read_parts(message, raw, envelope)
    if not message.event:
        # Nothing happens at the time of an identify: that it is wrong harms nobody.
        message.remarks = [one for one in message.remarks if one.path != "timestamp"]
    return message


def names_of(message: Message) -> Iterator[tuple[Name, str]]:
    """By which names the message knows its contact, the strongest first, and where each stands.

    What traits of an identify say of it is not among them: that depends on their mapping.
    """
    for namespace, path, value in (
        (USER_ID, "userId", message.user_id),
        (ANONYMOUS_ID, "anonymousId", message.anonymous_id),
    ):
        if value:
            yield Name(namespace, value), path
    for index, given in enumerate(_list(message.context.get("externalIds"))[:_EXTERNAL_ID_LIMIT]):
        one = _object(given)
        try:
            name = Name(check_namespace(one.get("type")), _text(one.get("id")))
        except ValueRefused:
            # What we cannot tell apart is no name for us; it stays in the body.
            continue
        if name.value:
            yield name, f"context.externalIds[{index}]"
    if message.type != Type.IDENTIFY:
        traits = _object(message.context.get("traits"))
        for namespace in (EMAIL, PHONE):
            if value := _text(traits.get(namespace)):
                try:
                    yield (
                        Name(namespace, normalize(namespace, value)),
                        f"context.traits.{namespace}",
                    )
                except ValueRefused:
                    # The message is not about this.
                    continue


def as_json(value: Any) -> str:
    """`value` as compact JSON text that the database can hold."""
    text = str(_ENCODER.encode(value))
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return str(simplejson.dumps(value, use_decimal=True, separators=(",", ":")))
    return text


def storable(text: str, limit: int) -> str:
    """`text` as a column of text can hold it: cut, and without what the database refuses."""
    text = text[:limit]
    if "\0" in text or not text.isascii():
        text = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return text


def _raw_messages(call: str, document: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
    if isinstance(document, list):
        return document, _NOTHING
    said = _object(document)
    if call in {"batch", "import"} or isinstance(said.get("batch"), list):
        return _list(said.get("batch")), said
    # Its own context and sentAt are read with it.
    return [document], _NOTHING


def _begun(raw: Mapping[str, Any], envelope: Envelope, index: int, kind: str, text: str) -> Message:
    own_id = _text(raw.get("messageId"))
    remarks: list[Remark] = []
    sent_at = (
        (read_instant(raw.get("sentAt")) or envelope.sent_at) if envelope.corrects_clock else None
    )
    return Message(
        type=kind,
        message_id=own_id or f"receipt-{envelope.receipt}-{index}",
        has_own_id=bool(own_id),
        text=text,
        occurred_at=occurred_at(raw, sent_at, envelope.received_at, remarks),
        sent_at=sent_at,
        user_id=_text(raw.get("userId")),
        anonymous_id=_text(raw.get("anonymousId")),
        previous_id=_text(raw.get("previousId")),
        remarks=remarks,
    )


def _check(message: Message, raw: Mapping[str, Any]) -> Remark | None:
    """What holds for all messages."""
    size = len(message.text) if message.text.isascii() else len(message.text.encode())
    if size > SIZE_LIMIT:
        words = {"size": size, "limit": SIZE_LIMIT}
        text = _("The message has %(size)d bytes; %(limit)d are the most.") % words
        return Remark("", "message_too_large", text)
    if len(message.message_id) > MESSAGE_ID_LIMIT:
        words = {"limit": MESSAGE_ID_LIMIT}
        text = _("The messageId has more than %(limit)d characters.") % words
        return Remark("messageId", "message_id_too_long", text, message.message_id)
    if storable(message.message_id, MESSAGE_ID_LIMIT) != message.message_id:
        text = _("The messageId contains a NUL character or half a character.")
        return Remark("messageId", "message_id_invalid", text, message.message_id)
    if not message.user_id and not message.anonymous_id:
        text = _("The message has neither a userId nor an anonymousId: nobody knows whose it is.")
        return Remark("userId", "no_user_anon_id", text, raw.get("userId"))
    return None


def _read_parts(message: Message, raw: Mapping[str, Any], envelope: Envelope) -> Remark | None:
    """What is special to each type; the fault for which the message cannot be used."""
    match message.type:
        case Type.IDENTIFY:
            traits = _part(raw, "traits", message)
            message.traits = {**_object(message.context.get("traits")), **traits}
        case Type.TRACK:
            message.event = message.name = _text(raw.get("event")).strip()
            if not message.event:
                text = _("A track needs an “event”: the name of what happened.")
                return Remark("event", "event_missing", text, raw.get("event"))
            return _read_event(message, raw)
        case Type.PAGE | Type.SCREEN:
            message.event = PAGE_EVENT if message.type == Type.PAGE else SCREEN_EVENT
            return _read_event(message, raw)
        case Type.GROUP:
            message.event, message.name = GROUP_EVENT, _text(raw.get("groupId"))
            if not message.name:
                text = _("A group needs a “groupId”: which group the contact is in.")
                return Remark("groupId", "group_id_missing", text, raw.get("groupId"))
            message.properties = {**_part(raw, "traits", message), "groupId": message.name}
        case Type.ALIAS:
            if not message.previous_id:
                text = _("An alias needs a “previousId”: by what the contact was known before.")
                return Remark("previousId", "previous_id_missing", text, raw.get("previousId"))
        case Type.DELETE if envelope.may_delete:
            pass
        case Type.DELETE:
            text = _("Contacts are deleted by what Segment sends to a webhook, and by people.")
            return Remark("type", "unsupported_type", text, message.type)
        case _:
            text = _("The type has to be identify, track, page, screen, group or alias.")
            return Remark("type", "unsupported_type", text, raw.get("type"))
    return None


def _read_event(message: Message, raw: Mapping[str, Any]) -> Remark | None:
    properties = raw.get("properties")
    if properties is not None and not isinstance(properties, Mapping):
        text = _("The properties have to be an object, as {“total”: 12.5}.")
        return Remark("properties", "properties_not_object", text, properties)
    if len(message.event) > NAME_LIMIT:
        text = _("The name of the event has more than %(limit)d characters.")
        return Remark("event", "name_too_long", text % {"limit": NAME_LIMIT}, message.event)
    message.properties = found = dict(properties or _NOTHING)
    page = _object(message.context.get("page"))
    if message.type == Type.TRACK:
        # A title or path may well be the product's: of the page its address alone.
        _add(found, page, ("url",))
    else:
        message.name = _text(raw.get("name")) or _text(found.get("name"))
        _add(found, raw, ("name", "category"))
        if message.type == Type.PAGE:
            _add(found, page, PAGE_FACTS)
    campaign = _object(message.context.get("campaign"))
    if campaign and "campaign" not in found:
        found["campaign"] = dict(campaign)
    return None


def _add(properties: dict[str, Any], facts: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name not in properties and facts.get(name) not in (None, ""):
            properties[name] = facts[name]


def _part(raw: Mapping[str, Any], name: str, message: Message) -> Mapping[str, Any]:
    """An object of the message; a remark where it is something else."""
    value = raw.get(name)
    if value is not None and not isinstance(value, Mapping):
        text = _("It has to be an object of names and values.")
        message.remarks.append(Remark(name, "wrong_type", text, value))
    return _object(value)


def _text(value: Any) -> str:
    """A text or number as text; empty where it is missing or something else."""
    match value:
        case str():
            return value.strip()
        case bool():
            return ""
        case int() | Decimal():
            return format(value, "f" if isinstance(value, Decimal) else "d")
        case float():
            return repr(value)
    return ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else _NOTHING


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
