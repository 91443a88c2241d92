"""Webhooks: a signed POST of JSON to an address of somebody else's.

*Source:* spec, "Outgoing webhooks". The signature covers the time and the very bytes of the body,
so that nobody can change what was sent, nor send an old message again as if it were new.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from integrations import outbound
from integrations.connector import Message, Receipt
from integrations.errors import PermanentError, TemporaryError

HEADER = "X-Regulars-Signature"
# Of whose deliveries nothing depends: it is sent once, when somebody asks for it.
TEST_TYPE = "webhook.test"


class WebhookConnector:
    """Posts to the `url` of the connection. What is not answered by a 2xx in time comes again."""

    def send(self, message: Message) -> Receipt:
        """Post one message, signed with each secret that is good now."""
        body = body_of(message.payload)
        secrets = good_secrets(message.secret, at=message.sent_at)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Regulars-Webhooks/1",
            HEADER: signature(body, secrets, at=message.sent_at),
        }
        failure = PermanentError if message.kind == TEST_TYPE else TemporaryError
        try:
            answer = outbound.post(str(message.settings["url"]), body=body, headers=headers)
        except TemporaryError as error:
            raise failure(str(error)) from error
        if not 200 <= answer.status < 300:
            words = _("It answered %(status)d.")
            if 300 <= answer.status < 400:
                words = _("It answered %(status)d: redirects are not followed.")
            text = words % {"status": answer.status}
            raise failure(text, http_status=answer.status, answer=answer.text)
        return Receipt(status=answer.status, answer=answer.text)


def body_of(payload: Mapping[str, Any]) -> bytes:
    """The body as it is sent: id, type, created_at and data, in this order."""
    ordered = {name: payload[name] for name in ("id", "type", "created_at", "data")}
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()


def signature(body: bytes, secrets: Sequence[str], *, at: datetime) -> str:
    """The header: the time in seconds, and the HMAC under each secret, the present one first."""
    moment = str(int(at.timestamp()))
    signed = moment.encode() + b"." + body
    marks = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in secrets]
    return ",".join([f"t={moment}", *(f"v1={mark}" for mark in marks)])


def good_secrets(text: str, *, at: datetime) -> list[str]:
    """The secrets that are good at an instant, of what a webhook keeps: [[secret, until], …]."""
    return [
        secret
        for secret, until in json.loads(text or "[]")
        if until is None or datetime.fromisoformat(until) > at
    ]
