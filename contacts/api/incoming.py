"""Events as programs send them, read into events that can be recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, ValidationError

from contacts.events import IncomingEvent, Rejected, record_events
from contacts.identities import USER_ID, find_contact_ids

BATCH_LIMIT = 2500
_FIELDS = frozenset({"contact", "external_id", "name", "occurred_at", "message_id", "properties"})


@dataclass(slots=True)
class _Batch:
    """What can be recorded, where it stood, and what cannot."""

    events: list[IncomingEvent] = field(default_factory=list)
    indexes: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def reject(self, index: int, code: str, message: str) -> None:
        self.rejected.append(Rejected(index, code, message))


def record_batch(body: Any, *, received_at: datetime) -> dict[str, Any]:
    """Record one event or a list of them; what cannot be used is rejected by itself.

    Raises ValidationError for a body that is neither, or for more events than one may send.
    """
    items = body if isinstance(body, list) else [body]
    if not isinstance(body, list | Mapping):
        raise _refused("malformed", _("The body is an event, or a list of events."))
    if len(items) > BATCH_LIMIT:
        message = _("At most %(limit)d events may be sent at once; these are %(count)d.")
        words = {"limit": BATCH_LIMIT, "count": len(items)}
        raise _refused("too_many_events", message % words)
    batch = _read(items)
    recorded = record_events(batch.events, received_at=received_at)
    rejected = batch.rejected + [
        Rejected(batch.indexes[one.index], one.code, one.message) for one in recorded.rejected
    ]
    rejected.sort(key=lambda one: one.index)
    return {
        "accepted": recorded.accepted,
        "duplicates": recorded.duplicates,
        "rejected": [
            {"index": one.index, "code": one.code, "message": one.message} for one in rejected
        ],
    }


def _read(items: Sequence[Any]) -> _Batch:
    batch = _Batch()
    known = find_contact_ids(
        (USER_ID, item["external_id"])
        for item in items
        if isinstance(item, Mapping) and isinstance(item.get("external_id"), str)
    )
    for index, item in enumerate(items):
        fault = _fault(item)
        if fault is not None:
            batch.reject(index, *fault)
            continue
        contact_id = item.get("contact")
        if contact_id is None:
            contact_id = known.get((USER_ID, item["external_id"]))
        if contact_id is None:
            message = _("There is no contact with the external id “%(id)s”.")
            batch.reject(index, "unknown_contact", message % {"id": item["external_id"]})
            continue
        occurred_at = _instant(item["occurred_at"])
        if occurred_at is None:
            message = _("occurred_at must be an instant, as 2026-01-31T09:30:00Z.")
            batch.reject(index, "invalid_time", message)
            continue
        batch.indexes.append(index)
        batch.events.append(
            IncomingEvent(
                contact_id=contact_id,
                name=item["name"],
                occurred_at=occurred_at,
                properties=item.get("properties") or {},
                message_id=item.get("message_id"),
            )
        )
    return batch


def _fault(item: Any) -> tuple[str, str] | None:
    """Why an item is no event: a code and a sentence; None where it has the shape of one."""
    if not isinstance(item, Mapping):
        return "malformed", _("An event is an object.")
    for name in item:
        if name not in _FIELDS:
            return "unknown_field", _("There is no field “%(name)s”.") % {"name": name}
    if (item.get("contact") is None) == (item.get("external_id") is None):
        return "contact_missing", _("Name the contact by either contact or external_id.")
    contact_id = item.get("contact")
    if contact_id is not None and (isinstance(contact_id, bool) or not isinstance(contact_id, int)):
        return "wrong_type", _("contact must be the id of a contact, a whole number.")
    if contact_id is not None and not 0 < contact_id < 2**63:
        return "unknown_contact", _("There is no such contact.")
    for name in ("external_id", "message_id", "name", "occurred_at"):
        if item.get(name) is not None and not isinstance(item[name], str):
            return "wrong_type", _("%(name)s must be a text.") % {"name": name}
    if item.get("name") is None:
        return "name_missing", _("The event has no name.")
    if item.get("occurred_at") is None:
        return "time_missing", _("The event has no occurred_at.")
    if not isinstance(item.get("properties", {}), Mapping | None):
        return "properties_not_object", _("The properties are no object.")
    return None


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _refused(code: str, message: str) -> ValidationError:
    return ValidationError([ErrorDetail(message, code=code)])
