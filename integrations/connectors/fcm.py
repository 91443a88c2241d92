"""Push messages for apps: Firebase Cloud Messaging, its HTTP interface v1.

*Source:* Google's pages on FCM's HTTP v1 and on OAuth for service accounts. FCM has no key of
idempotency: a message whose answer was lost is handed over again. It has the same tag and collapse
key then, so that the device shows it once.
"""

import json
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.utils.translation import gettext as _

from integrations import outbound
from integrations.connector import Message, Receipt
from integrations.connectors.web_push import NOT_TAKEN, TTL_SECONDS, topic_of
from integrations.errors import ConnectorError, PermanentError, RecipientGone, TemporaryError
from integrations.push.payloads import told
from integrations.push.signing import sign

BASE_URL = "https://fcm.googleapis.com"
GRANT_URL = "https://oauth2.googleapis.com/token"
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Asked for anew so long before it ends, so that none ends on its way.
_SPARE = timedelta(minutes=5)
_TOKEN_LIMIT = 16_384


class FcmConnector:
    """Sends to the apps of contacts; keeps the access token of each account while it is good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[tuple[str, str, str], tuple[str, datetime]] = {}

    def send(self, message: Message) -> Receipt:
        """Hand one message to FCM; the reference is its name there.

        Raises RecipientGone where the app was removed, TemporaryError where it may be taken later,
        PermanentError where it never will.
        """
        account = account_of(message.secret)
        base = str(message.settings.get("base_url") or BASE_URL).rstrip("/")
        url = f"{base}/v1/projects/{quote(str(account['project_id']), safe='')}/messages:send"
        headers = {
            "Authorization": f"Bearer {self._token(message, account)}",
            "Content-Type": "application/json; charset=utf-8",
        }
        answer = outbound.post(url, body=body_of(message), headers=headers)
        if answer.status == 401:
            # It may have been withdrawn; the next attempt asks for another.
            self._forget(message, account)
        if 200 <= answer.status < 300:
            return Receipt(
                reference=str(_document(answer.text).get("name") or ""),
                status=answer.status,
                answer=answer.text,
            )
        raise _refusal(answer)

    def _token(self, message: Message, account: Mapping[str, Any]) -> str:
        key = _identity(account, message)
        # One asks, the others wait for what he gets.
        with self._lock:
            token, good_until = self._tokens.get(key, ("", message.sent_at))
            if good_until - _SPARE <= message.sent_at:
                token, seconds = ask_for_token(
                    account, url=_token_url(message, account), at=message.sent_at
                )
                self._tokens[key] = token, message.sent_at + timedelta(seconds=seconds)
            return token

    def _forget(self, message: Message, account: Mapping[str, Any]) -> None:
        with self._lock:
            self._tokens.pop(_identity(account, message), None)


def account_of(secret: str) -> dict[str, Any]:
    """The service account that a connection keeps. Raises PermanentError where it is none."""
    account = _document(secret)
    if not all(account.get(name) for name in ("project_id", "client_email", "private_key")):
        raise PermanentError(_("The connection has no service account of Firebase."))
    return account


def private_key_of(account: Mapping[str, Any]) -> rsa.RSAPrivateKey:
    """The key of a service account. Raises PermanentError where it cannot be used."""
    try:
        key = load_pem_private_key(str(account["private_key"]).encode(), password=None)
    except (ValueError, TypeError) as error:
        raise PermanentError(_("The private key of the service account is none.")) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise PermanentError(_("The private key of the service account is not of the kind RSA."))
    return key


def ask_for_token(account: Mapping[str, Any], *, url: str, at: datetime) -> tuple[str, int]:
    """An access token for the account, and for how many seconds it is good.

    Raises TemporaryError: a fault of the settings keeps messages waiting until they are right.
    """
    claims = {
        "iss": account["client_email"],
        "scope": _SCOPE,
        "aud": account.get("token_uri") or GRANT_URL,
        "iat": int(at.timestamp()),
        "exp": int((at + timedelta(hours=1)).timestamp()),
    }
    key_id = str(account.get("private_key_id") or "")
    assertion = sign(claims, private_key_of(account), **({"kid": key_id} if key_id else {}))
    form = urlencode({"grant_type": _GRANT, "assertion": assertion}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        answer = outbound.post(url, body=form, headers=headers, limit=_TOKEN_LIMIT)
    except TemporaryError as error:
        # Whatever became of the question for a token: no message was handed over.
        raise TemporaryError(str(error)) from error
    said = _document(answer.text)
    token, seconds = said.get("access_token"), said.get("expires_in", 3600)
    if answer.status != 200 or not isinstance(token, str) or not token:
        reason = str(said.get("error_description") or said.get("error") or answer.status)[:300]
        words = _("Google gave no access token for the service account: %(reason)s")
        # What it answered may be a token in another form.
        raise TemporaryError(words % {"reason": reason}, http_status=answer.status)
    return token, int(seconds) if isinstance(seconds, int | float) else 3600


def body_of(message: Message) -> bytes:
    """What FCM is asked to show, with what the app needs to open it and to say so."""
    payload = message.payload
    tag = topic_of(message.key)
    ttl = message.settings.get("ttl_seconds", TTL_SECONDS)
    shown = {"title": payload.get("title", ""), "body": payload.get("body", "")}
    if str(payload.get("icon") or "").startswith("https://"):
        shown["image"] = payload["icon"]
    # An app is told texts only.
    data = {name: str(value) for name, value in _document(told(payload)).items()}
    asked = {
        "token": message.recipient["address"],
        "notification": shown,
        "data": data,
        "android": {"ttl": f"{ttl}s", "collapse_key": tag, "notification": {"tag": tag}},
        "apns": {
            "headers": {
                "apns-collapse-id": tag,
                "apns-expiration": str(int(message.sent_at.timestamp()) + int(ttl)),
            }
        },
    }
    return json.dumps({"message": asked}, ensure_ascii=False).encode()


def _identity(account: Mapping[str, Any], message: Message) -> tuple[str, str, str]:
    return (
        str(account["client_email"]),
        str(account.get("private_key_id") or ""),
        _token_url(message, account),
    )


def _token_url(message: Message, account: Mapping[str, Any]) -> str:
    return str(message.settings.get("token_url") or account.get("token_uri") or GRANT_URL)


def _refusal(answer: outbound.Answer) -> ConnectorError:
    """What an answer means that is no yes."""
    error = _document(answer.text).get("error")
    error = error if isinstance(error, dict) else {}
    details = error.get("details")
    codes = {
        str(one.get("errorCode"))
        for one in (details if isinstance(details, list) else [])
        if isinstance(one, dict)
    }
    said: dict[str, Any] = {"http_status": answer.status, "answer": answer.text}
    if "UNREGISTERED" in codes or error.get("status") == "NOT_FOUND":
        return RecipientGone(_("The app was removed, or its token is no longer good."), **said)
    reason = str(error.get("message") or answer.status)[:300]
    if answer.status in {401, 429} or answer.status >= 500:
        words = _("FCM takes nothing just now: %(reason)s")
        return TemporaryError(
            words % {"reason": reason},
            retry_after=answer.retry_after,
            is_perhaps_taken=answer.status not in {401, *NOT_TAKEN},
            **said,
        )
    words = _("FCM refused it: %(reason)s")
    return PermanentError(words % {"reason": reason}, **said)


def _document(text: str | bytes) -> dict[str, Any]:
    """An object of JSON; an empty one where it is none."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
