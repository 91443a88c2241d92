"""What a call says becomes messages of its source, which are used at once and logged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations import event_log
from integrations.digestion import process_singly
from integrations.messages import Envelope, Type, read
from integrations.models import Outcome, Source
from integrations.processing import Item, leave_duplicates


@dataclass(frozen=True, slots=True)
class Said:
    """Whose it is, and what is said of the person. One of a `contact_id` is there already."""

    source_id: str
    traits: Mapping[str, Any] = field(default_factory=dict)
    contact_id: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a call: the worst of its messages."""

    contact_id: int
    outcome: str
    reason: str


def send(
    source: Source,
    said: Said,
    *,
    event: str,
    metadata: Mapping[str, Any] | None,
    receipt: str,
    at: datetime,
) -> Sent:
    """Tell of the person, then record the event, where there is one; in the caller's transaction.

    Each call counts: Voucherify knows no ids of messages. What could not be used is held.
    """
    # So it is written where somebody is known by no id of his own.
    user_id = said.source_id or f"contact {said.contact_id}"
    raw: list[dict[str, Any]] = []
    if said.traits or not event:
        raw.append({"type": Type.IDENTIFY.value, "userId": user_id, "traits": dict(said.traits)})
    if event:
        properties = dict(metadata or {})
        raw.append(
            {
                "type": Type.TRACK.value,
                "userId": user_id,
                "event": event,
                "properties": properties,
            }
        )
    envelope = Envelope(receipt, at)
    items = [
        Item(
            read(one, envelope, index),
            at,
            said.contact_id if one["type"] == Type.TRACK else None,
        )
        for index, one in enumerate(raw)
    ]
    process_singly(source, leave_duplicates(source, items, at=at), at=at)
    event_log.write_log(source, items)
    unused = [one for one in items if one.outcome in {Outcome.REFUSED, Outcome.FAILED}]
    last = (unused or items)[-1]
    return Sent(last.contact_id or 0, last.outcome, last.reason)
