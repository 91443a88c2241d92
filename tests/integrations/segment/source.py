"""A source at Segment's sandbox, a connection to it, and facts that go there."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_network
from typing import Any

from integrations import announcements, outbound, sending
from integrations.announcements import Fact
from integrations.connectors.segment import vendor
from integrations.models import VendorConnection
from integrations.sandbox.segment import Segment
from integrations.sandbox.server import running
from integrations.vendors import connections
from tests.factories import NOW
from workspace.access import SYSTEM

GIVEN = "customer.publication.succeeded"
ENTERED, LEFT = "customer.segment.entered", "customer.segment.left"
REDEEMED = "redemption.succeeded"


@contextmanager
def workspace(settings: Any, **given: Any) -> Iterator[Segment]:
    """Segment on this machine, to which connections lead while the block lasts."""
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    box = Segment(**given)
    with running(box):
        settings.SEGMENT_URL = box.url
        yield box
        outbound.hang_up()


def connect(box: Segment, *types: str, **chosen: Any) -> VendorConnection:
    """A connection that hears of these types."""
    connection = connections.authorize_connection(
        kind=vendor.KIND,
        credentials={"write_key": box.write_key},
        settings={"types": list(types), **chosen},
        actor=SYSTEM,
        at=NOW,
    )
    VendorConnection.objects.filter(pk=connection.pk).update(event_types=sorted(types))
    box.requests.clear()
    return connection


def tell(
    type_: str, contact_id: int | None, key: str = "1", at: datetime = NOW, **data: Any
) -> None:
    """Announce a fact of a contact."""
    announcements.announce(type_, [Fact(key, data, contact_id)], at=at)


def drain(at: datetime = NOW) -> sending.Sent:
    """Send what is due."""
    return sending.drain(lambda: at)
