"""Which devices of contacts a push message goes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations import outbox
from integrations.models import Connection, PushSubscription

# Of deliveries to devices, whatever they are about.
KIND = "push"


@dataclass(frozen=True, slots=True)
class Device:
    """A browser or app that takes messages for a contact, over the connection for its kind."""

    subscription_id: int
    contact_id: int
    connection_id: int
    kind: str
    name: str


def deliveries_for(contact_ids: Sequence[int]) -> dict[int, list[Device]]:
    """The devices of each of these contacts, the newest first; who has none is left out.

    Two queries, however many contacts. Those whose subscription has ended, or for whose kind no
    connection is in use, are no devices.
    """
    enabled = Connection.objects.filter(kind__in=PushSubscription.Kind.values, is_enabled=True)
    connections = dict(enabled.values_list("kind", "pk"))
    if not connections:
        return {}
    open_ = PushSubscription.objects.filter(
        contact_id__in=contact_ids, kind__in=connections, ended_at=None
    )
    found: dict[int, list[Device]] = {}
    for one in open_.order_by("-pk").only("contact_id", "kind", "device"):
        device = Device(one.pk, one.contact_id, connections[one.kind], one.kind, one.device)
        found.setdefault(one.contact_id, []).append(device)
    return found


def delivery(
    device: Device,
    *,
    key: str,
    payload: Mapping[str, Any],
    subject: str = "",
    due_at: datetime | None = None,
) -> outbox.Message:
    """What is to be queued for one device; `key` is that of the message to the contact.

    The delivery's own key is made of it, so that each device gets the message once.
    """
    return outbox.Message(
        key=f"{key}:{device.subscription_id}",
        connection_id=device.connection_id,
        kind=KIND,
        payload={**payload, "subscription": device.subscription_id},
        contact_id=device.contact_id,
        subject=subject,
        due_at=due_at,
    )
