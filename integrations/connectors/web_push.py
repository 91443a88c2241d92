"""Push messages for browsers: encrypted for the browser, handed to the push service it named.

*Source:* RFC 8030 (the protocol), RFC 8291 (the encryption), RFC 8292 (VAPID, by which the service
knows who sends). A service that gets a message twice before the browser took it keeps one, since
both have the same Topic; and the browser replaces a message that it shows by its second copy.
"""

import hashlib
from datetime import datetime, timedelta
from email.utils import parseaddr
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.utils.translation import gettext as _

from integrations import outbound
from integrations.connector import Message, Receipt
from integrations.errors import PermanentError, RecipientGone, TemporaryError
from integrations.push import hosts
from integrations.push.payloads import SIZE_LIMIT, told
from integrations.push.signing import decode, encode, sign

# How long a service keeps a message for a browser that is off, where the connection says nothing.
TTL_SECONDS = 86_400
# Said before anything is done; other faults of a server may come after it took the message.
NOT_TAKEN = frozenset({429, 503})
URGENCIES = ("very-low", "low", "normal", "high")
# Services refuse tokens that are good for more than a day.
_TOKEN_GOOD = timedelta(hours=12)


class WebPushConnector:
    """Sends to the browsers of contacts, whatever service they use."""

    def send(self, message: Message) -> Receipt:
        """Hand one message to the push service of a browser; the reference is its address there.

        Raises RecipientGone where the browser has no subscription any more, TemporaryError where
        it may be taken later, PermanentError where it never will.
        """
        endpoint = str(message.recipient.get("address") or "")
        if not hosts.is_allowed(endpoint):
            words = _("“%(host)s” is not among the push services of the setting PUSH_HOSTS.")
            raise PermanentError(words % {"host": urlsplit(endpoint).hostname or endpoint[:100]})
        body = encrypted(told(message.payload), message.recipient)
        answer = outbound.post(endpoint, body=body, headers=_headers(message, endpoint))
        if 200 <= answer.status < 300:
            return Receipt(status=answer.status, answer=answer.text)
        raise _refusal(answer)


def encrypted(text: bytes, recipient: Any) -> bytes:
    """The text as only this browser can read it. Raises PermanentError where its keys are none."""
    if len(text) > SIZE_LIMIT:
        words = _("It has %(size)d bytes; push services take %(limit)d.")
        raise PermanentError(words % {"size": len(text), "limit": SIZE_LIMIT})
    try:
        return bytes(
            http_ece.encrypt(
                text,
                private_key=ec.generate_private_key(ec.SECP256R1()),
                dh=decode(recipient["keys"]["p256dh"]),
                auth_secret=decode(recipient["keys"]["auth"]),
                version="aes128gcm",
            )
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PermanentError(_("The keys of the browser cannot be used.")) from error


def authorization(secret: str, endpoint: str, *, at: datetime) -> str:
    """The header by which a push service knows us. `secret` is our private key, encoded."""
    parts = urlsplit(endpoint)
    key = _private_key(secret)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int((at + _TOKEN_GOOD).timestamp()),
        "sub": _who_sends(),
    }
    return f"vapid t={sign(claims, key)}, k={public_key_of(secret)}"


def public_key_of(secret: str) -> str:
    """The public half of a private key, as browsers and services want it."""
    numbers = _private_key(secret).public_key().public_numbers()
    return encode(b"\x04" + numbers.x.to_bytes(32) + numbers.y.to_bytes(32))


def topic_of(key: str) -> str:
    """The Topic of a delivery: of two messages with the same one a service keeps the newer."""
    return encode(hashlib.sha256(key.encode()).digest()[:24])


@lru_cache(maxsize=4)
def _private_key(secret: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decode(secret)), ec.SECP256R1())


def _who_sends() -> str:
    """Whom a push service may write to when what we send makes trouble."""
    return f"mailto:{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}"


def _headers(message: Message, endpoint: str) -> dict[str, str]:
    urgency = message.settings.get("urgency")
    return {
        "Authorization": authorization(message.secret, endpoint, at=message.sent_at),
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(message.settings.get("ttl_seconds", TTL_SECONDS)),
        "Topic": topic_of(message.key),
        "Urgency": urgency if urgency in URGENCIES else "normal",
    }


def _refusal(answer: outbound.Answer) -> PermanentError | TemporaryError:
    """What an answer means that is no yes."""
    said: dict[str, Any] = {"http_status": answer.status, "answer": answer.text}
    if answer.status in {404, 410}:
        return RecipientGone(_("The browser takes no messages any more."), **said)
    if answer.status == 429 or answer.status >= 500:
        words = _("The push service takes nothing just now: it answered %(status)d.")
        return TemporaryError(
            words % {"status": answer.status},
            retry_after=answer.retry_after,
            is_perhaps_taken=answer.status not in NOT_TAKEN,
            **said,
        )
    if answer.status == 413:
        return PermanentError(_("The message is too large for the push service."), **said)
    if answer.status in {401, 403}:
        words = _("The push service does not take our key (%(status)d): was it changed?")
        return PermanentError(words % {"status": answer.status}, **said)
    words = _("The push service refused it: it answered %(status)d.")
    return PermanentError(words % {"status": answer.status}, **said)
