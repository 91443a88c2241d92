"""A test message to one device that belongs to nobody: sent at once, and kept nowhere."""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from integrations import registry
from integrations.connector import Message, Receipt
from integrations.models import PushConnection, PushSubscription
from integrations.push import connections, payloads, subscriptions
from integrations.push.devices import KIND
from integrations.push.errors import PushUnavailable, SubscriptionInvalid
from workspace import audit, encryption
from workspace.access import Actor, require
from workspace.errors import Problem


def send_trial(
    connection_id: int, *, recipient: Mapping[str, Any], actor: Actor, at: datetime
) -> Receipt:
    """Send a test message now, and give what the push service says; up to ten seconds.

    `recipient` is the subscription of a browser as it makes it, or `{"token"}` of an app. Raises
    PushConnectionUnknown, PushUnavailable, SubscriptionInvalid, and a ConnectorError where it was
    not taken. Not within a transaction: the other side may take its time.
    """
    require(actor, connections.CHANGE)
    connection = connections.find_connection(connection_id)
    told = payloads.payload(
        title=_("It works"),
        body=_("This is how a message looks on this device."),
        url=settings.BASE_URL,
        at=at,
    )
    receipt = send_once(connection, told, recipient=recipient, at=at)
    with transaction.atomic():
        audit.record(actor=actor, action="pushconnection.tried", subject=connection, at=at)
    return receipt


def send_once(
    connection: PushConnection,
    payload: Mapping[str, Any],
    *,
    recipient: Mapping[str, Any],
    at: datetime,
) -> Receipt:
    """Send a message to one device now, whoever may have asked for it; the same as `send_trial`."""
    if not connection.is_enabled:
        raise PushUnavailable(_("It is disabled, and nothing is sent over it: enable it first."))
    known = registry.registered(connection.kind)
    assert known is not None, "registered when Django is ready"
    return known.connector.send(
        Message(
            key=f"trial:{secrets.token_hex(8)}",
            kind=KIND,
            payload=payload,
            sent_at=at,
            settings=connection.settings,
            secret=encryption.unseal(connection.sealed_secret),
            recipient=_recipient(connection, recipient),
        )
    )


def read_subscription(text: str) -> dict[str, Any]:
    """What a page of ours gives of its browser, as JSON. Raises SubscriptionInvalid."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _invalid("subscription", _("The browser gave no subscription."))
    return value


def _recipient(connection: PushConnection, given: Mapping[str, Any]) -> dict[str, Any]:
    if connection.kind == PushSubscription.Kind.FCM:
        token = str(given.get("token") or "").strip()
        if not token:
            raise _invalid("token", _("Name the token of an app."))
        return {"address": token}
    endpoint, keys = str(given.get("endpoint") or ""), given.get("keys")
    if problems := subscriptions.browser_problems(endpoint, keys):
        raise SubscriptionInvalid(problems[0].message, problems=problems)
    return {"address": endpoint, "keys": keys}


def _invalid(path: str, message: str) -> SubscriptionInvalid:
    return SubscriptionInvalid(message, problems=[Problem(path, "invalid", message)])
