"""Test events: something that says nothing, sent to see whether it arrives."""

import secrets as randomness
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from integrations import announcements, outbox
from integrations.errors import ConnectionInvalid, ConnectionStill
from integrations.models import Delivery, VendorConnection
from integrations.vendors import connections
from workspace.access import Actor, require

TEST_TYPE = "connection.test"
# Of whom it is: of nobody whom the vendor could take for a contact.
_NOBODY = "regulars-test"


def takes_events(connection: VendorConnection) -> bool:
    """Whether facts of contacts go over this connection."""
    return connection.kind in announcements.hearing_kinds()


@transaction.atomic
def send_test_event(connection_id: int, *, actor: Actor, at: datetime) -> Delivery:
    """Queue an event that says nothing and is of nobody, to see whether it arrives.

    It is tried at once, also where the connection rests. Raises ConnectionUnknown,
    ConnectionInvalid where no events go to such a system, ConnectionStill where nothing is sent
    over it at present.
    """
    require(actor, connections.CHANGE)
    connection = connections.find_connection(connection_id)
    words = {"name": connection.name}
    if not takes_events(connection):
        raise ConnectionInvalid(_("“%(name)s” is for no events: there is none to test.") % words)
    if not connection.is_enabled:
        text = _("Nothing is sent over “%(name)s” at present: it is paused, refused or revoked.")
        raise ConnectionStill(text % words)
    key = f"{TEST_TYPE}:{connection.pk}:{randomness.token_hex(8)}"
    payload = {
        "id": key,
        "type": TEST_TYPE,
        "created_at": at.isoformat(),
        "user_id": None,
        "anonymous_id": _NOBODY,
        "data": {"message": _("A test from Regulars: it was asked for by hand.")},
    }
    message = outbox.Message(key, connection.pk, TEST_TYPE, payload, keeps_time=True)
    outbox.enqueue([message], at=at)
    connections.record("test_sent", connection, actor, at, event=[None, key])
    return Delivery.objects.get(key=key)
