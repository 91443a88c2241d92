"""Webhooks of e-mail providers: as django-anymail reads them, heard all at once.

Each provider tells in its own form and, some of them, signs it besides; what is common to all is
the password in the address (`MAIL_HOOKS_SECRET`).
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib import import_module
from typing import Any

from anymail.signals import EventType, RejectReason
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse

from integrations.bounces import marks
from integrations.bounces.heard import ARRIVED, Kind, Told
from integrations.errors import ProviderUnknown

# As in the setting EMAIL_PROVIDER → how the library calls the reader of its webhooks.
_READERS = {
    "brevo": "Brevo",
    "mailersend": "MailerSend",
    "mailgun": "Mailgun",
    "mailjet": "Mailjet",
    "mailtrap": "Mailtrap",
    "mandrill": "Mandrill",
    "postal": "Postal",
    "postmark": "Postmark",
    "resend": "Resend",
    "sparkpost": "SparkPost",
    "unisender_go": "UnisenderGo",
}
# Statuses of mailboxes that are full or away (RFC 3463).
_PASSES = re.compile(r"\b(4\.\d{1,3}\.\d{1,3}|5\.2\.[23])\b")
# Who opened or clicked we find out ourselves; the provider's word for it would count twice.
_ARRIVED = frozenset({EventType.DELIVERED, EventType.OPENED, EventType.CLICKED})


def read_events(provider: str, request: HttpRequest, *, at: datetime) -> list[Told]:
    """What a webhook of a provider tells of bounces and complaints.

    Raises ProviderUnknown, ImproperlyConfigured where a setting of the provider is missing, and
    SuspiciousOperation where the request is not signed as it should be.
    """
    reader = _reader(provider, request)
    reader.run_validators(request)
    return list(_told(provider, reader.parse_events(request), at))


def answer_to_check(provider: str, request: HttpRequest) -> HttpResponse:
    """What a provider is answered that looks whether the address is there (HEAD, GET)."""
    answer: HttpResponse = _reader(provider, request).dispatch(request)
    return answer


def _reader(provider: str, request: HttpRequest) -> Any:
    name = _READERS.get(provider)
    if name is None:
        raise ProviderUnknown(f"{provider[:40]}: no provider of e-mail that we know.")
    reader = getattr(import_module(f"anymail.webhooks.{provider}"), f"{name}TrackingWebhookView")
    try:
        made = reader()
    except TypeError as error:
        raise ImproperlyConfigured(str(error)) from error
    made.setup(request)
    return made


def _told(provider: str, events: Iterable[Any], at: datetime) -> Iterator[Told]:
    for event in events:
        kind = _kind(event)
        if kind is None or not event.recipient:
            continue
        when = event.timestamp or at
        mark = (event.metadata or {}).get(marks.NOTE, "")
        # Some providers give no id to what they tell.
        unique = event.event_id or f"{event.message_id} {kind} {event.recipient}"
        said = event.mta_response or event.description or event.reject_reason or ""
        yield Told(
            kind=kind,
            address=event.recipient,
            source=provider,
            report=str(unique),
            at=min(when, at),
            key=marks.key_of(str(mark)) or "",
            detail=str(said),
        )


def _kind(event: Any) -> str | None:
    """Our word for an event; None for what is no news to us."""
    if event.event_type in _ARRIVED:
        return ARRIVED
    if event.event_type == EventType.COMPLAINED:
        return Kind.COMPLAINT
    if event.event_type == EventType.UNSUBSCRIBED:
        return Kind.UNSUBSCRIBE
    if event.event_type == EventType.BOUNCED:
        is_final = event.reject_reason in {RejectReason.INVALID, RejectReason.BOUNCED}
        return Kind.HARD_BOUNCE if is_final and not _is_soft(event) else Kind.SOFT_BOUNCE
    if event.event_type == EventType.REJECTED:
        return {
            RejectReason.INVALID: Kind.HARD_BOUNCE,
            RejectReason.BOUNCED: Kind.HARD_BOUNCE,
            RejectReason.SPAM: Kind.COMPLAINT,
            RejectReason.UNSUBSCRIBED: Kind.UNSUBSCRIBE,
        }.get(event.reject_reason, Kind.SOFT_BOUNCE)
    return None


def _is_soft(event: Any) -> bool:
    """Whether a bounce passes: by what the server said, or the provider, where it knows better."""
    if _PASSES.search(str(event.mta_response or "")):
        return True
    said = event.esp_event
    if not hasattr(said, "get"):
        return False
    words = [said.get(name) for name in ("Type", "type", "event", "bounce_type")]
    is_called_soft = any("soft" in word.lower() for word in words if isinstance(word, str))
    return is_called_soft or said.get("hard_bounce") is False
