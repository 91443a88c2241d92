"""Changing what a vendor's system knows of one contact, as journeys ask for it, over the outbox.

A connector registers what does that at its vendor. The delivery says all that is needed:
`{"contact": {"id", "external_id", "email", "phone"}, "fields": {the vendor's name: value}}`.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from integrations import registry as outgoing
from integrations.connector import Http, Message, Receipt
from integrations.errors import (
    ConnectionUnknown,
    ConnectorError,
    CredentialsRejected,
    PermanentError,
    TemporaryError,
)
from integrations.models import Delivery, VendorConnection
from integrations.vendors import accounts, connections, registry

TYPE = "contact.update"


class Update(Protocol):
    """Changes fields of one contact at a vendor."""

    def __call__(
        self,
        http: Http,
        credentials: Mapping[str, str],
        settings: Mapping[str, Any],
        contact: Mapping[str, Any],
        fields: Mapping[str, Any],
    ) -> str:
        """What the vendor calls the contact. The same update twice leaves what one does.

        Raises ThingMissing where the vendor does not know the contact, and the other errors of
        connectors.
        """


_updates: dict[str, Update] = {}


def register_update(kind: str, update: Update) -> None:
    """Have contacts changed by `update` at vendors of this kind. May be called again."""
    _updates[kind] = update
    outgoing.register(kind, UpdateConnector(kind), find_recipient=_account)


def updatable_connections() -> "QuerySet[VendorConnection]":
    """The accounts at which contacts can be changed."""
    return VendorConnection.objects.filter(kind__in=list(_updates), revoked_at__isnull=True)


def updatable(connection_id: int) -> VendorConnection:
    """One of them. Raises PermanentError where it is not there any more."""
    found = updatable_connections().filter(pk=connection_id).first()
    if found is None:
        raise PermanentError(_("The account that it changes contacts at is not there any more."))
    return found


class UpdateConnector:
    """Takes deliveries of `TYPE` to the vendor. Sent again they change nothing more."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def send(self, message: Message) -> Receipt:
        """Change one contact.

        Where the credentials are refused the connection is stopped, and the delivery waits.
        """
        vendor = registry.find_vendor(self._kind)
        connection = _connection(message)
        if vendor is None or message.kind != TYPE:
            raise PermanentError(_("Nothing of this kind is sent to this system."))
        credentials: dict[str, str] = json.loads(message.secret or "{}")
        http = accounts.http_of(connection, vendor, credentials, now=lambda: message.sent_at)
        payload = message.payload
        try:
            reference = _updates[self._kind](
                http, credentials, message.settings, payload["contact"], payload["fields"]
            )
        except CredentialsRejected as error:
            connections.note_refused(connection.pk, error, at=message.sent_at)
            raise TemporaryError(str(error), http_status=error.http_status) from error
        return Receipt(reference=reference)


def _account(delivery: Delivery) -> Mapping[str, Any]:
    return {"connection": delivery.connection_id}


def _connection(message: Message) -> VendorConnection:
    try:
        return connections.find_connection(message.recipient["connection"])
    except ConnectionUnknown as error:
        raise ConnectorError(str(error)) from error
