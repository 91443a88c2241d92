"""Connections to vendors' systems: authorized, changed, paused, stopped where they are refused."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations import deliveries, outbox
from integrations.errors import (
    ConnectionInvalid,
    ConnectionStill,
    ConnectionUnknown,
    ConnectorError,
)
from integrations.models import ConnectionWebsite, VendorConnection
from integrations.vendors import accounts, registry, setting_values
from integrations.vendors.calls import VendorHttp, blanked
from integrations.vendors.registry import Vendor, Verified
from workspace import audit
from workspace.access import SYSTEM, Actor, require
from workspace.errors import Problem
from workspace.models import User, Website

ADD, CHANGE = "integrations.add_vendorconnection", "integrations.change_vendorconnection"
CHANGEABLE = frozenset({"name", "settings", "sync_hours"})
# The first data are there within so long (behaviour AT-18).
FIRST_DATA_WITHIN = timedelta(hours=24)
_STILL = {"is_enabled": False, "next_sync_at": None}


def authorize_connection(
    *,
    kind: str,
    credentials: Mapping[str, str],
    actor: Actor,
    at: datetime,
    name: str = "",
    websites: Iterable[Website] = (),
    settings: Mapping[str, Any] | None = None,
    sync_hours: int = 24,
    is_demo: bool = False,
) -> VendorConnection:
    """Connect to an account, once the vendor has taken its credentials (behaviours AT-08 to AT-10).

    What is synchronized periodically is due at once. Raises ConnectionInvalid with every fault, and
    with the vendor's words where it refuses the credentials or does not answer; nothing is kept
    then. Not to be called in a transaction: the vendor may take its time.
    """
    require(actor, ADD)
    vendor = find_vendor(kind)
    chosen = list(websites)
    given, problems = read_credentials(vendor, credentials)
    said, faults = setting_values.read_settings(vendor, settings or {})
    kept = setting_values.defaults_of(vendor) | said
    problems += faults
    if vendor.has_websites and not chosen:
        problems.append(Problem("websites", "required", _("Choose at least one website.")))
    connection = VendorConnection(
        kind=kind,
        name=name.strip(),
        settings=kept,
        event_types=setting_values.types_in(vendor, kept),
        owner=User.objects.filter(pk=actor.id or 0).first() if actor.kind == "user" else None,
        authorized_at=at,
        sync_hours=sync_hours,
        next_sync_at=at if is_periodic(kind) else None,
        is_demo=is_demo,
        created_at=at,
    )
    _refuse(problems + _faults_of(connection))
    verified = verify_credentials(vendor, given, kept)
    connection.name = connection.name or _free_name(vendor, verified)
    connection.sealed_secret = accounts.seal_credentials(given)
    take_verified(connection, verified)
    with transaction.atomic():
        _save(connection, force_insert=True)
        ConnectionWebsite.objects.bulk_create(
            ConnectionWebsite(connection=connection, website=one, attached_at=at) for one in chosen
        )
        changes = {
            "account": [None, connection.account_name],
            "websites": [[], sorted(one.key for one in chosen)],
        }
        record("authorized", connection, actor, at, **changes)
    return connection


def change_connection(
    connection_id: int, *, values: Mapping[str, Any], actor: Actor, at: datetime
) -> VendorConnection:
    """Change what is named of `CHANGEABLE`; of the settings those that are named.

    Where other settings lead to another address of the vendor, it is asked whether it takes the
    credentials there, too: so not to be called in a transaction. Raises ConnectionUnknown,
    ConnectionStill for a revoked one, ConnectionInvalid with every fault.
    """
    require(actor, CHANGE)
    if unknown := values.keys() - CHANGEABLE:
        raise TypeError(f"Not changed of a connection: {', '.join(sorted(unknown))}.")
    connection = find_connection(connection_id)
    refuse_revoked(connection)
    vendor = find_vendor(connection.kind)
    said, problems = setting_values.read_settings(vendor, values.get("settings", {}))
    settings = connection.settings | said
    verified = None
    if not problems and vendor.base_url(settings) != vendor.base_url(connection.settings):
        credentials = accounts.credentials_of(connection)
        verified = verify_credentials(vendor, credentials, settings, connection=connection)
    with transaction.atomic():
        connection = hold_connection(connection_id)
        refuse_revoked(connection)
        before = _described(connection)
        connection.settings = connection.settings | said
        connection.event_types = setting_values.types_in(vendor, connection.settings)
        connection.name = str(values.get("name", connection.name)).strip()
        if not connection.name:
            problems.append(Problem("name", "required", _("Give it a name.")))
        connection.sync_hours = values.get("sync_hours", connection.sync_hours)
        _refuse(problems + _faults_of(connection))
        if verified is not None:
            take_verified(connection, verified)
        if connection.next_sync_at and connection.last_synced_at:
            again = connection.last_synced_at + timedelta(hours=connection.sync_hours)
            connection.next_sync_at = max(at, again)
        if changes := audit.difference(before, _described(connection)):
            _save(connection)
            record("changed", connection, actor, at, **changes)
    return connection


@transaction.atomic
def pause_connection(connection_id: int, *, actor: Actor, at: datetime) -> VendorConnection:
    """Send nothing and synchronize nothing until it is resumed. What waits goes on waiting.

    What runs at this moment is completed; data of websites that are leaving go on being deleted.
    Raises ConnectionUnknown, ConnectionStill for a revoked one.
    """
    require(actor, CHANGE)
    connection = hold_connection(connection_id)
    refuse_revoked(connection)
    if connection.paused_at is None:
        save(connection, paused_at=at, **_STILL)
        record("paused", connection, actor, at)
    return connection


@transaction.atomic
def resume_connection(connection_id: int, *, actor: Actor, at: datetime) -> VendorConnection:
    """Go on after a pause: what is synchronized periodically is due at once.

    Where the vendor refused the credentials meanwhile it stays stopped until they are renewed.
    Raises ConnectionUnknown, ConnectionStill for a revoked one.
    """
    require(actor, CHANGE)
    connection = hold_connection(connection_id)
    refuse_revoked(connection)
    if connection.paused_at is not None:
        save(connection, paused_at=None, **going_on(connection, at, is_paused=False))
        outbox.wake()
        record("resumed", connection, actor, at)
    return connection


def verify_credentials(
    vendor: Vendor,
    credentials: Mapping[str, str],
    settings: Mapping[str, Any],
    *,
    connection: VendorConnection | None = None,
) -> Verified:
    """What the vendor says to credentials. Raises ConnectionInvalid with its words.

    The call is written down with the `connection` where there is one already.
    """
    secrets = accounts.secrets_in(vendor, credentials)
    http = VendorHttp(
        vendor.base_url(settings),
        connection_id=connection.pk if connection else None,
        secrets=secrets,
        now=timezone.now,
    )
    try:
        return vendor.verify(http, credentials, settings)
    except ConnectorError as error:
        text = blanked(str(error), secrets)
        raise ConnectionInvalid(
            text, problems=[Problem("credentials", error.code, text)]
        ) from error


def find_connection(connection_id: int) -> VendorConnection:
    """The connection of this id. Raises ConnectionUnknown."""
    found = VendorConnection.objects.filter(pk=connection_id).first()
    if found is None:
        raise _unknown(connection_id)
    return found


def hold_connection(connection_id: int) -> VendorConnection:
    """The connection, locked until the transaction ends. Raises ConnectionUnknown."""
    found = VendorConnection.objects.select_for_update().filter(pk=connection_id).first()
    if found is None:
        raise _unknown(connection_id)
    return found


def find_vendor(kind: str) -> Vendor:
    """The system of this kind. Raises ConnectionInvalid where there is none to connect to."""
    vendor = registry.find_vendor(kind)
    if vendor is None:
        words = _("There is no system “%(kind)s” to connect to: %(known)s.")
        known = ", ".join(one.kind for one in registry.vendors())
        text = words % {"kind": kind[:40], "known": known}
        raise ConnectionInvalid(text, problems=[Problem("kind", "unknown", text)])
    return vendor


def read_credentials(
    vendor: Vendor, credentials: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    """What is given of credentials, by field, and every fault of it."""
    given = {one.name: str(credentials.get(one.name, "")).strip() for one in vendor.credentials}
    problems = [
        Problem(
            f"credentials.{one.name}",
            "required",
            _("%(field)s is missing.") % {"field": one.label},
        )
        for one in vendor.credentials
        if one.is_required and not given[one.name]
    ]
    problems += [
        Problem(
            f"credentials.{name[:40]}",
            "unknown_key",
            _("There is no field “%(name)s”.") % {"name": name[:40]},
        )
        for name in credentials
        if name not in given
    ]
    return given, problems


def take_verified(connection: VendorConnection, verified: Verified) -> None:
    """Remember what the vendor told of the account; nothing is saved yet.

    Raises ConnectionInvalid where it is another account than before: what is known of the former
    one would be taken for true of it.
    """
    if connection.account_id and verified.account_id not in {"", connection.account_id}:
        words = _(
            "These are credentials of another account, “%(other)s”. Add a new connection for it;"
            " “%(name)s” stays with the account that it was authorized for."
        )
        names = {"other": verified.account_name, "name": connection.name}
        text = words % names
        raise ConnectionInvalid(text, problems=[Problem("credentials", "other_account", text)])
    connection.account_name = verified.account_name[:200]
    connection.account_id = verified.account_id[:100] or connection.account_id
    connection.endpoint = verified.endpoint[:300]


def is_periodic(kind: str) -> bool:
    """Whether anything is synchronized with vendors of this kind by itself."""
    return any(one.is_periodic for one in registry.syncs_of(kind))


def going_on(
    connection: VendorConnection, at: datetime, *, is_paused: bool, error: str | None = None
) -> dict[str, Any]:
    """What a connection has that works again, or would but for a pause or an error."""
    if is_paused or (connection.error if error is None else error):
        return _STILL
    return {"is_enabled": True, "next_sync_at": at if is_periodic(connection.kind) else None}


def save(connection: VendorConnection, **values: Any) -> None:
    """Write these columns of a connection that is held."""
    for name, value in values.items():
        setattr(connection, name, value)
    connection.save(update_fields=list(values))


def refuse_revoked(connection: VendorConnection) -> None:
    """Raise ConnectionStill where access was revoked, or is being."""
    if connection.revoked_at is not None or connection.revoking_at is not None:
        words = _("Access of “%(name)s” was revoked: authorize it again first.")
        raise ConnectionStill(words % {"name": connection.name})


@transaction.atomic
def note_refused(connection_id: int, error: ConnectorError, *, at: datetime) -> bool:
    """The vendor refused the credentials: stop, and say so; false where that is known already.

    Its owner, or administrators, are told by mail within a minute or so (`owners.mail_refused`).
    """
    connection = VendorConnection.objects.select_for_update().get(pk=connection_id)
    if connection.error or connection.revoked_at is not None:
        return False
    secrets = accounts.secrets_of(connection)
    text = blanked(str(error), secrets)[:500] or _("It does not take the credentials.")
    save(connection, error=text, error_at=at, told_at=None, told_to="", **_STILL)
    record("refused", connection, SYSTEM, at, error=["", connection.error])
    return True


def end_access(connection: VendorConnection, *, actor: Actor, at: datetime) -> int:
    """Forget the credentials of a connection that is held, and what waits for it; how much did."""
    why = _("Access was revoked.")
    cancelled = deliveries.cancel(deliveries.queued(connection), at=at, why=why)
    save(
        connection,
        sealed_secret="",
        revoked_at=at,
        revoking_at=None,
        paused_at=None,
        error="",
        error_at=None,
        rate_limits={},
        **_STILL,
    )
    record("revoked", connection, actor, at, cancelled=[None, cancelled])
    return cancelled


def record(
    what: str, connection: VendorConnection, actor: Actor, at: datetime, **changes: Any
) -> None:
    """Write what was done with a connection into the trail."""
    audit.record(
        actor=actor, action=f"connection.{what}", subject=connection, changes=changes, at=at
    )


def _described(connection: VendorConnection) -> dict[str, Any]:
    settings = {f"settings.{name}": value for name, value in connection.settings.items()}
    return {"name": connection.name, "sync_hours": connection.sync_hours, **settings}


def _faults_of(connection: VendorConnection) -> list[Problem]:
    """What is wrong with its name and with how often it is synchronized."""
    problems = []
    if not 1 <= connection.sync_hours <= 744:
        words = _("It is synchronized every 1 to 744 hours.")
        problems.append(Problem("sync_hours", "out_of_range", words))
    if connection.name:
        others = VendorConnection.objects.filter(
            kind=connection.kind, name__iexact=connection.name
        ).exclude(pk=connection.pk)
        try:
            connection._meta.get_field("name").clean(connection.name, connection)
        except ValidationError as error:
            problems.append(Problem("name", "invalid", error.messages[0]))
        if others.exists():
            problems.append(Problem("name", "taken", _taken(connection)))
    return problems


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise ConnectionInvalid(problems[0].message, problems=problems)


def _save(connection: VendorConnection, **options: Any) -> None:
    try:
        with transaction.atomic():
            connection.save(**options)
    except IntegrityError as error:
        # Somebody else took the name this moment.
        text = _taken(connection)
        raise ConnectionInvalid(text, problems=[Problem("name", "taken", text)]) from error


def _taken(connection: VendorConnection) -> str:
    words = _("There is a connection “%(name)s” already. Choose another name.")
    return words % {"name": connection.name}


def _free_name(vendor: Vendor, verified: Verified) -> str:
    """The account's name or the vendor's, with a number where another connection has it."""
    stem = (verified.account_name or vendor.label)[:100]
    names = VendorConnection.objects.filter(kind=vendor.kind, name__istartswith=stem)
    taken = {name.lower() for name in names.values_list("name", flat=True)}
    number = 1
    while (name := stem if number == 1 else f"{stem} {number}").lower() in taken:
        number += 1
    return name


def _unknown(connection_id: int) -> ConnectionUnknown:
    return ConnectionUnknown(_("There is no connection %(id)s.") % {"id": connection_id})
