"""Whether a contact may be written to at this moment.

Asked when a message is written out, and again right before it is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from integrations import push
from integrations.gates import Stop, register_gate
from integrations.models import Connection, Delivery
from integrations.suppressions import suppressed_addresses
from journeys.models import Journey, Message
from workspace import sql

Reason, Channel = Message.Reason, Message.Channel
KEY = "message"
_KINDS = (Connection.Kind.EMAIL, Connection.Kind.WEB_PUSH, Connection.Kind.FCM)

_GRANTED = """
SELECT s.contact_id, d.key FROM contacts_consentstate s
JOIN contacts_consentdefinition d ON d.id = s.definition_id
WHERE s.contact_id = ANY(%s) AND d.key = ANY(%s) AND s.state = 'granted'
"""
_ASKED = """
SELECT m.id, m.channel, m.contact_id, m.purpose, coalesce(c.email, ''),
  c.id IS NULL OR c.erased_at IS NOT NULL, p.is_control,
  m.lane = 0 AND j.state = 'stopped'
FROM journeys_message m
JOIN journeys_journey j ON j.id = m.journey_id
JOIN journeys_participant p ON p.id = m.participant_id
LEFT JOIN contacts_contact c ON c.id = m.contact_id
WHERE m.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A message to somebody, with what is known of both."""

    message_id: int
    channel: str
    contact_id: int
    purpose: str
    email: str
    is_erased: bool
    is_control: bool
    is_stopped: bool


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Who is left out, by message and with the reason, and the devices of those who are not."""

    left_out: Mapping[int, Message.Reason]
    devices: Mapping[int, Sequence[push.Device]]


def judge(cases: Sequence[Case]) -> Verdicts:
    """Whether these contacts may be written to now; a few queries, however many there are.

    A message with a purpose needs the consent of that key. One without is transactional: it needs
    none, and yet goes to no address that is suppressed.
    """
    purposes = {one.purpose for one in cases if one.purpose}
    granted: set[tuple[int, str]] = set()
    if purposes:
        contact_ids = [one.contact_id for one in cases]
        granted = set(sql.lists(_GRANTED, [contact_ids, list(purposes)]))
    suppressed = suppressed_addresses(one.email for one in cases if one.channel == Channel.EMAIL)
    pushed = [one.contact_id for one in cases if one.channel == Channel.PUSH]
    devices = push.deliveries_for(pushed) if pushed else {}
    left_out: dict[int, Message.Reason] = {}
    for one in cases:
        has_address = bool(one.email) if one.channel == Channel.EMAIL else one.contact_id in devices
        reasons = (
            (one.is_erased, Reason.ERASED),
            (one.is_stopped, Reason.STOPPED),
            (one.is_control, Reason.CONTROL),
            (not has_address, Reason.NO_ADDRESS),
            (one.channel == Channel.EMAIL and one.email in suppressed, Reason.SUPPRESSED),
            (one.purpose and (one.contact_id, one.purpose) not in granted, Reason.NO_CONSENT),
        )
        for holds, reason in reasons:
            if holds:
                left_out[one.message_id] = reason
                break
    return Verdicts(left_out, devices)


def message_id_of(key: str) -> int | None:
    """The message that a delivery is of, by its key ("message:12", or "message:12:7")."""
    kind, _colon, rest = key.partition(":")
    number = rest.partition(":")[0]
    return int(number) if kind == KEY and number.isascii() and number.isdecimal() else None


def stop_withdrawn(batch: Sequence[Delivery], at: datetime) -> dict[int, Stop]:
    """Those among claimed deliveries that may not be sent any more. A gate; a few queries."""
    ids = {one.pk: message_id for one in batch if (message_id := message_id_of(one.key))}
    if not ids:
        return {}
    cases = [Case(*row) for row in sql.lists(_ASKED, [list(set(ids.values()))])]
    verdicts = judge(cases).left_out
    stops = {}
    for delivery in batch:
        reason = verdicts.get(ids.get(delivery.pk, 0))
        if reason is None or (reason == Reason.NO_ADDRESS and delivery.kind == push.devices.KIND):
            # Whether the device is still there its own connector finds out.
            continue
        label = _("Not sent: %(reason)s.") % {"reason": reason.label}
        stops[delivery.pk] = Stop(reason.value, label)
    return stops


def paused_ids() -> list[int]:
    """The journeys whose messages wait until they go on."""
    paused = Journey.objects.filter(state=Journey.State.PAUSED)
    return list(paused.values_list("pk", flat=True))


def register() -> None:
    """Have those who send ask at the last moment. May be called again."""
    register_gate("journeys", stop_withdrawn, kinds=_KINDS)
