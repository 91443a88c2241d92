"""The connections over which push messages go: one to browsers, one to apps.

That to browsers needs nobody: its key is made when it is asked for the first time. That to apps
needs the service account of a Firebase project.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from integrations import outbound, outbox
from integrations.connections import note_success
from integrations.connectors import fcm
from integrations.connectors.web_push import TTL_SECONDS, URGENCIES, public_key_of
from integrations.errors import ConnectorError
from integrations.models import PushConnection, PushSubscription
from integrations.push import subscriptions
from integrations.push.errors import (
    PushConnectionExists,
    PushConnectionInvalid,
    PushConnectionUnknown,
    PushUnavailable,
)
from integrations.push.signing import encode
from workspace import audit, encryption, locks
from workspace.access import SYSTEM, Actor, require
from workspace.errors import Problem

Kind = PushSubscription.Kind
ADD, CHANGE = "integrations.add_pushconnection", "integrations.change_pushconnection"
# Push services keep nothing for longer than four weeks.
TTL_LIMIT = 28 * 86_400
CHANGEABLE = frozenset({"name", "ttl_seconds", "urgency", "account"})
_ADDRESSES = ("base_url", "token_url")


@transaction.atomic
def web_push_connection(*, at: datetime) -> PushConnection:
    """The connection to browsers; it is made with its key when it is needed for the first time."""
    found = _of_kind(Kind.WEB_PUSH)
    if found is None:
        # Whoever comes at the same time waits, and finds it.
        locks.lock("push to browsers")
        found = _of_kind(Kind.WEB_PUSH)
    if found is None:
        secret = _new_key()
        with override(None):
            name = _("Browsers")
        found = PushConnection.objects.create(
            kind=Kind.WEB_PUSH,
            name=name,
            settings={"public_key": public_key_of(secret)},
            sealed_secret=encryption.seal(secret),
            created_at=at,
        )
        _record("created", found, SYSTEM, at, public_key=[None, found.settings["public_key"]])
    return found


def public_key(*, at: datetime) -> str:
    """The key with which browsers subscribe. Raises PushUnavailable where it is disabled."""
    connection = web_push_connection(at=at)
    if not connection.is_enabled:
        raise PushUnavailable(_("Push messages to browsers are disabled."))
    return str(connection.settings["public_key"])


@transaction.atomic
def rotate_key(*, actor: Actor, at: datetime) -> int:
    """Give the connection to browsers a new key; how many browsers have to subscribe again.

    Nothing reaches them until they come to a page with our script: each subscription is bound to
    the key with which it was made.
    """
    require(actor, CHANGE)
    connection = _hold(web_push_connection(at=at).pk)
    before, secret = connection.settings["public_key"], _new_key()
    connection.settings = {**connection.settings, "public_key": public_key_of(secret)}
    connection.sealed_secret = encryption.seal(secret)
    connection.save(update_fields=["settings", "sealed_secret"])
    count = subscriptions.end_all(Kind.WEB_PUSH, reason=_("Our key was changed."), at=at)
    changes = {"public_key": [before, connection.settings["public_key"]], "ended": [0, count]}
    _record("key_rotated", connection, actor, at, **changes)
    return count


@transaction.atomic
def create_app_connection(
    *,
    account: str,
    actor: Actor,
    at: datetime,
    name: str = "",
    base_url: str = "",
    token_url: str = "",
) -> PushConnection:
    """Make the connection to apps from a service account: the JSON file that Firebase gives.

    `base_url` and `token_url` stand for Google's where somebody runs a stand-in. Raises
    PushConnectionInvalid with every fault, PushConnectionExists where there is one already.
    """
    require(actor, ADD)
    locks.lock("push to apps")
    if _of_kind(Kind.FCM) is not None:
        raise PushConnectionExists(_("There is a connection to apps already: change that one."))
    addresses = {"base_url": base_url.strip(), "token_url": token_url.strip()}
    settings = {name: url for name, url in addresses.items() if url}
    connection = PushConnection(
        kind=Kind.FCM, name=name.strip() or _("Apps"), settings=settings, created_at=at
    )
    problems = [
        problem for path, url in settings.items() if (problem := outbound.check_url(url, path))
    ]
    problems += _take_account(connection, account) + _name_problems(connection)
    _refuse(problems)
    connection.save(force_insert=True)
    _record("created", connection, actor, at, project=[None, connection.settings["project_id"]])
    return connection


@transaction.atomic
def change_connection(
    connection_id: int, *, values: Mapping[str, Any], actor: Actor, at: datetime
) -> PushConnection:
    """Change what is named of `CHANGEABLE`. An `account` that is "" stays as it is.

    `ttl_seconds` is how long a service keeps a message for a device that is off. Raises
    PushConnectionUnknown, PushConnectionInvalid with every fault.
    """
    require(actor, CHANGE)
    if unknown := values.keys() - CHANGEABLE:
        raise TypeError(f"Not changed of a connection: {', '.join(sorted(unknown))}.")
    connection = _hold(connection_id)
    before = _described(connection)
    problems: list[Problem] = []
    if "name" in values:
        connection.name = str(values["name"]).strip()
        problems += _name_problems(connection)
    if "ttl_seconds" in values:
        problems += _take_ttl(connection, values["ttl_seconds"])
    if "urgency" in values:
        problems += _take_urgency(connection, values["urgency"])
    if values.get("account"):
        problems += _take_account(connection, values["account"])
    _refuse(problems)
    changes = audit.difference(before, _described(connection))
    if values.get("account"):
        # The key itself is told to nobody.
        changes["account"] = ["…", "…"]
    if changes:
        connection.save(update_fields=["name", "settings", "sealed_secret"])
        _record("changed", connection, actor, at, **changes)
    return connection


@transaction.atomic
def enable_connection(connection_id: int, *, actor: Actor, at: datetime) -> PushConnection:
    """Send over it again, first what waits. Raises PushConnectionUnknown."""
    require(actor, CHANGE)
    connection = _hold(connection_id)
    if not connection.is_enabled:
        connection.is_enabled, connection.disabled_at = True, None
        connection.save(update_fields=["is_enabled", "disabled_at"])
        note_success(connection.pk, at=at, took=False)
        outbox.wake()
        _record("enabled", connection, actor, at, is_enabled=[False, True])
    return connection


@transaction.atomic
def disable_connection(connection_id: int, *, actor: Actor, at: datetime) -> PushConnection:
    """Send nothing more over it, and take no subscriptions. What waits goes on waiting.

    Raises PushConnectionUnknown.
    """
    require(actor, CHANGE)
    connection = _hold(connection_id)
    if connection.is_enabled:
        connection.is_enabled, connection.disabled_at = False, at
        connection.save(update_fields=["is_enabled", "disabled_at"])
        _record("disabled", connection, actor, at, is_enabled=[True, False])
    return connection


def find_connection(connection_id: int) -> PushConnection:
    """The connection of this id. Raises PushConnectionUnknown."""
    found = PushConnection.objects.filter(pk=connection_id).first()
    if found is None:
        raise _unknown(connection_id)
    return found


def app_connection() -> PushConnection | None:
    """The connection to apps; None where nobody made one."""
    return _of_kind(Kind.FCM)


def ttl_of(connection: PushConnection) -> int:
    """For how many seconds a service keeps a message for a device that is off."""
    return int(connection.settings.get("ttl_seconds", TTL_SECONDS))


def urgency_of(connection: PushConnection) -> str:
    """How urgent its messages are to a browser that saves its battery."""
    return str(connection.settings.get("urgency", "normal"))


def _of_kind(kind: str) -> PushConnection | None:
    return PushConnection.objects.filter(kind=kind).order_by("pk").first()


def _new_key() -> str:
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return encode(number.to_bytes(32))


def _take_account(connection: PushConnection, text: str) -> list[Problem]:
    try:
        account = fcm.account_of(text)
        fcm.private_key_of(account)
    except ConnectorError as error:
        words = _("Paste the whole JSON file of a service account: %(reason)s")
        return [Problem("account", "invalid", words % {"reason": error})]
    token_uri = str(account.get("token_uri") or fcm.GRANT_URL)
    if problem := outbound.check_url(token_uri, "account"):
        return [problem]
    connection.sealed_secret = encryption.seal(json.dumps(account))
    shown = {"project_id": account["project_id"], "client_email": account["client_email"]}
    connection.settings = {**connection.settings, **shown}
    return []


def _take_ttl(connection: PushConnection, value: Any) -> list[Problem]:
    if not isinstance(value, int) or not 0 <= value <= TTL_LIMIT:
        words = _("A message is kept for 0 seconds to 28 days.")
        return [Problem("ttl_seconds", "out_of_range", words)]
    connection.settings = {**connection.settings, "ttl_seconds": value}
    return []


def _take_urgency(connection: PushConnection, value: Any) -> list[Problem]:
    if value not in URGENCIES:
        words = _("The urgency is one of %(known)s.") % {"known": ", ".join(URGENCIES)}
        return [Problem("urgency", "unknown_value", words)]
    connection.settings = {**connection.settings, "urgency": value}
    return []


def _name_problems(connection: PushConnection) -> list[Problem]:
    if not connection.name or len(connection.name) > 120:
        return [Problem("name", "invalid", _("A name has 1 to 120 characters."))]
    taken = PushConnection.objects.filter(kind=connection.kind, name__iexact=connection.name)
    if taken.exclude(pk=connection.pk).exists():
        return [Problem("name", "taken", _("Another connection has this name."))]
    return []


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise PushConnectionInvalid(problems[0].message, problems=problems)


def _described(connection: PushConnection) -> dict[str, Any]:
    return {
        "name": connection.name,
        "project": connection.settings.get("project_id"),
        "ttl_seconds": ttl_of(connection),
        "urgency": urgency_of(connection),
    }


def _hold(connection_id: int) -> PushConnection:
    """The connection, locked until the transaction ends."""
    found = PushConnection.objects.select_for_update().filter(pk=connection_id).first()
    if found is None:
        raise _unknown(connection_id)
    return found


def _unknown(connection_id: int) -> PushConnectionUnknown:
    return PushConnectionUnknown(
        _("There is no connection for push messages %(id)s.") % {"id": connection_id}
    )


def _record(
    what: str, connection: PushConnection, actor: Actor, at: datetime, **changes: Any
) -> None:
    audit.record(
        actor=actor, action=f"pushconnection.{what}", subject=connection, changes=changes, at=at
    )
