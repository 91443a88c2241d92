"""Connections to vendors' systems: authorized, and stopped where credentials are refused."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations.errors import ConnectionInvalid, ConnectionUnknown, ConnectorError
from integrations.models import ConnectionWebsite, VendorConnection
from integrations.vendors import accounts, registry
from integrations.vendors.calls import VendorHttp
from integrations.vendors.registry import Vendor, Verified
from workspace import audit
from workspace.access import SYSTEM, Actor, require
from workspace.errors import Problem
from workspace.models import User, Website

_ADD = "integrations.add_vendorconnection"
# The first data are there within so long (behaviour AT-18).
FIRST_DATA_WITHIN = timedelta(hours=24)


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
    require(actor, _ADD)
    vendor = _vendor(kind)
    chosen = list(websites)
    given = {one.name: str(credentials.get(one.name, "")).strip() for one in vendor.credentials}
    kept = {one.name: one.default for one in vendor.settings} | dict(settings or {})
    _check(vendor, given, kept, chosen, sync_hours)
    verified = verify_credentials(vendor, given, kept)
    is_periodic = any(one.is_periodic for one in registry.syncs_of(kind))
    connection = VendorConnection(
        kind=kind,
        name=name.strip() or _free_name(vendor, verified),
        settings=kept,
        sealed_secret=accounts.seal_credentials(given),
        account_name=verified.account_name[:200],
        endpoint=verified.endpoint[:300],
        owner=User.objects.filter(pk=actor.id or 0).first() if actor.kind == "user" else None,
        authorized_at=at,
        sync_hours=sync_hours,
        next_sync_at=at if is_periodic else None,
        is_demo=is_demo,
        created_at=at,
    )
    with transaction.atomic():
        try:
            with transaction.atomic():
                connection.save(force_insert=True)
        except IntegrityError as error:
            words = _("There is a connection “%(name)s” already. Choose another name.")
            text = words % {"name": connection.name}
            raise ConnectionInvalid(text, problems=[Problem("name", "taken", text)]) from error
        ConnectionWebsite.objects.bulk_create(
            ConnectionWebsite(connection=connection, website=one, attached_at=at) for one in chosen
        )
        changes = {
            "account": [None, connection.account_name],
            "websites": [[], sorted(one.key for one in chosen)],
        }
        record("authorized", connection, actor, at, **changes)
    return connection


def verify_credentials(
    vendor: Vendor, credentials: Mapping[str, str], settings: Mapping[str, Any]
) -> Verified:
    """What the vendor says to credentials. Raises ConnectionInvalid with its words."""
    http = VendorHttp(vendor.base_url(settings), connection_id=None, secrets=(), now=timezone.now)
    try:
        return vendor.verify(http, credentials, settings)
    except ConnectorError as error:
        text = str(error)
        raise ConnectionInvalid(
            text, problems=[Problem("credentials", error.code, text)]
        ) from error


def find_connection(connection_id: int) -> VendorConnection:
    """The connection of this id. Raises ConnectionUnknown."""
    found = VendorConnection.objects.filter(pk=connection_id).first()
    if found is None:
        raise ConnectionUnknown(_("There is no connection %(id)s.") % {"id": connection_id})
    return found


@transaction.atomic
def note_refused(connection_id: int, error: ConnectorError, *, at: datetime) -> bool:
    """The vendor refused the credentials: stop, and say so; false where that is known already."""
    connection = VendorConnection.objects.select_for_update().get(pk=connection_id)
    if connection.error or connection.revoked_at is not None:
        return False
    connection.error, connection.error_at = str(error)[:500], at
    connection.is_enabled, connection.next_sync_at = False, None
    connection.save(update_fields=["error", "error_at", "is_enabled", "next_sync_at"])
    record("refused", connection, SYSTEM, at, error=["", connection.error])
    return True


def record(
    what: str, connection: VendorConnection, actor: Actor, at: datetime, **changes: Any
) -> None:
    """Write what was done with a connection into the trail."""
    audit.record(
        actor=actor, action=f"connection.{what}", subject=connection, changes=changes, at=at
    )


def _vendor(kind: str) -> Vendor:
    vendor = registry.find_vendor(kind)
    if vendor is None:
        words = _("There is no system “%(kind)s” to connect to: %(known)s.")
        known = ", ".join(one.kind for one in registry.vendors())
        text = words % {"kind": kind[:40], "known": known}
        raise ConnectionInvalid(text, problems=[Problem("kind", "unknown", text)])
    return vendor


def _check(
    vendor: Vendor,
    credentials: Mapping[str, str],
    settings: Mapping[str, Any],
    websites: list[Website],
    sync_hours: int,
) -> None:
    """Raises ConnectionInvalid with every fault of what was given."""
    problems = [
        Problem(one.name, "required", _("%(field)s is missing.") % {"field": one.label})
        for one in vendor.credentials
        if one.is_required and not credentials[one.name]
    ]
    known = {one.name for one in vendor.settings}
    problems += [
        Problem(name, "unknown_key", _("There is no setting “%(name)s”.") % {"name": name[:40]})
        for name in settings
        if name not in known
    ]
    if vendor.has_websites and not websites:
        words = _("Choose at least one website.")
        problems.append(Problem("websites", "required", words))
    if not 1 <= sync_hours <= 744:
        words = _("It is synchronized every 1 to 744 hours.")
        problems.append(Problem("sync_hours", "out_of_range", words))
    if problems:
        raise ConnectionInvalid(problems[0].message, problems=problems)


def _free_name(vendor: Vendor, verified: Verified) -> str:
    """The account's name or the vendor's, with a number where another connection has it."""
    stem = (verified.account_name or vendor.label)[:100]
    names = VendorConnection.objects.filter(kind=vendor.kind, name__istartswith=stem)
    taken = {name.lower() for name in names.values_list("name", flat=True)}
    number = 1
    while (name := stem if number == 1 else f"{stem} {number}").lower() in taken:
        number += 1
    return name
