"""Credentials of a connection: tried, renewed, given again after access was revoked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations import outbox
from integrations.errors import (
    ConnectionInvalid,
    ConnectionStill,
    ConnectorError,
    CredentialsRejected,
)
from integrations.models import ConnectionWebsite, VendorConnection
from integrations.vendors import accounts, connections
from integrations.vendors.calls import blanked
from workspace.access import SYSTEM, Actor, require
from workspace.errors import Problem
from workspace.models import Website


@dataclass(frozen=True, slots=True)
class Tried:
    """What the vendor said when it was asked whether it takes the credentials."""

    is_well: bool
    message: str
    account_name: str = ""
    code: str = ""


def test_connection(connection_id: int, *, actor: Actor, at: datetime) -> Tried:
    """Ask the vendor whether it takes the stored credentials, and go by what it says.

    Refused credentials stop the connection; a connection that was stopped so goes on when they are
    taken again. Raises ConnectionUnknown, ConnectionStill where there are none any more. Not to be
    called in a transaction.
    """
    require(actor, connections.CHANGE)
    connection = connections.find_connection(connection_id)
    if not connection.sealed_secret:
        connections.refuse_revoked(connection)
    vendor = connections.find_vendor(connection.kind)
    given = accounts.credentials_of(connection)
    # Asked at the address of the account: that is where everything else goes.
    http = accounts.http_of(connection, vendor, given, now=timezone.now)
    try:
        verified = vendor.verify(http, given, connection.settings)
    except ConnectorError as error:
        if isinstance(error, CredentialsRejected):
            connections.note_refused(connection_id, error, at=at)
        text = blanked(str(error), accounts.secrets_in(vendor, given))
        return Tried(False, text, connection.account_name, error.code)
    with transaction.atomic():
        connection = connections.hold_connection(connection_id)
        if connection.error and connection.revoked_at is None:
            _go_on(connection, at=at)
            connections.record("accepted", connection, SYSTEM, at)
    words = _("%(vendor)s takes the credentials.") % {"vendor": vendor.label}
    return Tried(True, words, verified.account_name or connection.account_name)


def renew_credentials(
    connection_id: int, *, credentials: Mapping[str, str], actor: Actor, at: datetime
) -> VendorConnection:
    """Replace the credentials, once the vendor has taken them; a connection in error goes on.

    Raises ConnectionUnknown, ConnectionStill for a revoked one, ConnectionInvalid with every fault,
    with the vendor's words, or where they are those of another account: then everything is as
    before. Not to be called in a transaction.
    """
    require(actor, connections.CHANGE)
    connection = connections.find_connection(connection_id)
    if connection.revoked_at is not None:
        connections.refuse_revoked(connection)
    vendor = connections.find_vendor(connection.kind)
    given, problems = connections.read_credentials(vendor, credentials)
    if problems:
        raise ConnectionInvalid(problems[0].message, problems=problems)
    verified = connections.verify_credentials(
        vendor, given, connection.settings, connection=connection
    )
    with transaction.atomic():
        connection = connections.hold_connection(connection_id)
        if connection.revoked_at is not None:
            connections.refuse_revoked(connection)
        before = connection.account_name
        connections.take_verified(connection, verified)
        sealed = accounts.seal_credentials(given)
        connections.save(
            connection,
            sealed_secret=sealed,
            account_name=connection.account_name,
            account_id=connection.account_id,
            endpoint=connection.endpoint,
        )
        _go_on(connection, at=at)
        changes = {"account": [before, connection.account_name]}
        connections.record("renewed", connection, actor, at, **changes)
    return connection


def authorize_again(
    connection_id: int,
    *,
    credentials: Mapping[str, str],
    actor: Actor,
    at: datetime,
    websites: Iterable[Website] | None = None,
) -> VendorConnection:
    """Give a revoked connection credentials again, with its settings as they were.

    Without `websites` those are meant that were not deleted at the vendor. What is synchronized
    periodically is due at once. Raises ConnectionUnknown, ConnectionStill where access was not
    revoked, ConnectionInvalid with every fault, with the vendor's words, or where they are those of
    another account. Not in a transaction.
    """
    require(actor, connections.ADD)
    connection = connections.find_connection(connection_id)
    _refuse_unrevoked(connection)
    vendor = connections.find_vendor(connection.kind)
    attached = {one.website for one in attached_to(connection)}
    chosen = attached if websites is None else set(websites)
    given, problems = connections.read_credentials(vendor, credentials)
    if vendor.has_websites and not chosen:
        problems.append(Problem("websites", "required", _("Choose at least one website.")))
    if problems:
        raise ConnectionInvalid(problems[0].message, problems=problems)
    verified = connections.verify_credentials(
        vendor, given, connection.settings, connection=connection
    )
    with transaction.atomic():
        connection = connections.hold_connection(connection_id)
        _refuse_unrevoked(connection)
        connections.take_verified(connection, verified)
        connections.save(
            connection,
            sealed_secret=accounts.seal_credentials(given),
            account_name=connection.account_name,
            account_id=connection.account_id,
            endpoint=connection.endpoint,
            authorized_at=at,
            first_synced_at=None,
            revoked_at=None,
        )
        _go_on(connection, at=at)
        attached_to(connection).exclude(website__in=chosen).delete()
        ConnectionWebsite.objects.bulk_create(
            ConnectionWebsite(connection=connection, website=one, attached_at=at)
            for one in sorted(chosen - attached, key=lambda one: one.pk)
        )
        changes = {
            "account": [None, connection.account_name],
            "websites": [None, sorted(one.key for one in chosen)],
        }
        connections.record("authorized", connection, actor, at, **changes)
    return connection


def attached_to(connection: VendorConnection) -> "QuerySet[ConnectionWebsite]":
    """The websites that a connection is for."""
    attached = connection.connection_websites.filter(state=ConnectionWebsite.State.ATTACHED)
    return attached.select_related("website")


def _go_on(connection: VendorConnection, *, at: datetime) -> None:
    """Work again, without the error: at once, where it is neither paused nor being revoked."""
    is_paused = connection.paused_at is not None or connection.revoking_at is not None
    goes_on = connections.going_on(connection, at, is_paused=is_paused, error="")
    connections.save(connection, error="", error_at=None, told_at=None, told_to="", **goes_on)
    outbox.wake()


def _refuse_unrevoked(connection: VendorConnection) -> None:
    if connection.revoked_at is None:
        words = _("“%(name)s” is authorized: renew its credentials instead.")
        raise ConnectionStill(words % {"name": connection.name})
