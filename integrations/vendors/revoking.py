"""The end of a connection: access revoked, credentials deleted, what remains at the vendor said."""

from datetime import datetime

from django.db import transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from integrations import deliveries
from integrations.errors import ConnectionInUse, ConnectionStill
from integrations.models import ConnectionWebsite, VendorConnection
from integrations.vendors import connections, leaving, syncing
from workspace.access import Actor, require

DELETE = "integrations.delete_vendorconnection"
State = ConnectionWebsite.State


@transaction.atomic
def revoke_access(
    connection_id: int, *, actor: Actor, at: datetime, delete_data: bool = False
) -> VendorConnection:
    """Stop everything that a connection does and delete its credentials (behaviour AT-14).

    What waits to be sent over it is cancelled. With `delete_data` a job first deletes at the vendor
    what was uploaded; until that is done it is being revoked, and has its credentials. Asked again
    without `delete_data` it ends at once, and the rest remains there. Raises ConnectionUnknown,
    ConnectionStill where access was revoked already, or nothing can be deleted at this vendor.
    """
    require(actor, DELETE)
    connection = connections.hold_connection(connection_id)
    if connection.revoked_at is not None:
        words = _("Access of “%(name)s” is revoked already.")
        raise ConnectionStill(words % {"name": connection.name})
    leaving.stop_work(connection, actor=actor, at=at, kind=syncing.JOB)
    if not delete_data:
        leaving.stop_work(connection, actor=actor, at=at, kind=leaving.JOB)
        # Their data remain at the vendor.
        connection.connection_websites.filter(state=State.LEAVING).update(
            state=State.ATTACHED, leaving_at=None
        )
        connections.end_access(connection, actor=actor, at=at)
        return connection
    if not leaving.may_delete_data(connection):
        words = _("Nothing that could be deleted was uploaded over “%(name)s”.")
        raise ConnectionStill(words % {"name": connection.name})
    if connection.revoking_at is None:
        why = _("Access is being revoked.")
        deliveries.cancel(deliveries.queued(connection), at=at, why=why)
        connections.save(connection, revoking_at=at, is_enabled=False, next_sync_at=None)
        connections.record("revoking", connection, actor, at)
    leaving.leave_all(connection, actor=actor, at=at)
    return connection


@transaction.atomic
def delete_connection(connection_id: int, *, actor: Actor, at: datetime) -> int:
    """Take a revoked connection off the list, with its log and all it sent; how much it sent.

    Raises ConnectionUnknown, ConnectionStill while it is authorized, ConnectionInUse.
    """
    require(actor, DELETE)
    connection = connections.hold_connection(connection_id)
    if connection.revoked_at is None:
        words = _("“%(name)s” is authorized: revoke access first.")
        raise ConnectionStill(words % {"name": connection.name})
    count = deliveries.delete_of(connection)
    connections.record("deleted", connection, actor, at, deliveries=[count, 0])
    try:
        with transaction.atomic():
            connection.delete()
    except ProtectedError as error:
        names = ", ".join(sorted({str(one) for one in error.protected_objects})[:5])
        words = _("“%(name)s” is in use: %(uses)s.")
        raise ConnectionInUse(words % {"name": connection.name, "uses": names}) from error
    return count
