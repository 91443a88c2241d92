"""The second servers on this machine, and the product as it is told where they are."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from integrations import outbound
from integrations.connectors.emarsys import client
from integrations.models import VendorConnection, VendorSync
from integrations.vendors import connections, syncing
from tests.contract.cases import Clock
from tests.second_vendors import dotdigital as there
from tests.second_vendors import emarsys as other
from tests.second_vendors.segment import Segment
from tests.second_vendors.serving import serving
from workspace.access import SYSTEM
from workspace.models import Website


def mostly_long(count: int, values: Sequence[Any]) -> list[Any]:
    """The first few as they are; the others only where there is time."""
    return [
        value
        if place < count
        else pytest.param(
            *(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.long
        )
        for place, value in enumerate(values)
    ]


@dataclass
class Account:
    """A connection of ours to an account at a vendor's."""

    clock: Clock
    connection: VendorConnection = field(init=False)

    def connect(self, kind: str, credentials: dict[str, str], **given: Any) -> VendorConnection:
        self.connection = connections.authorize_connection(
            kind=kind, credentials=credentials, actor=SYSTEM, at=self.clock.now(), **given
        )
        return self.connection

    def sync(self, name: str) -> VendorSync:
        """One synchronization, as a worker does it."""
        return syncing.run_sync(
            self.connection.pk, name, now=self.clock.now, sleep=self.clock.sleep
        )

    def tomorrow(self, days: int = 1) -> None:
        self.clock.present += timedelta(days=days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def network(settings: Any) -> Iterator[ExitStack]:
    """Where servers are put up; afterwards none is left."""
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with ExitStack() as stack:
        yield stack
        outbound.hang_up()


@pytest.fixture
def region(network: ExitStack, clock: Clock) -> there.Region:
    made = network.enter_context(serving(there.Region()))
    made.clock = clock.seconds
    return made


@pytest.fixture
def front(network: ExitStack, region: there.Region, settings: Any) -> there.Front:
    made = network.enter_context(serving(there.Front(region)))
    settings.DOTDIGITAL_URL = made.url
    return made


@pytest.fixture
def dotdigital(db: Any, front: there.Front, clock: Clock) -> Account:
    """An account at Dotdigital, connected for one website."""
    account = Account(clock)
    account.connect(
        "dotdigital",
        {"username": there.USERNAME, "password": there.PASSWORD},
        websites=[Website.objects.create(key="main", name="Main")],
    )
    return account


@pytest.fixture
def emarsys(db: Any, network: ExitStack, clock: Clock, settings: Any) -> other.Emarsys:
    made = network.enter_context(serving(other.Emarsys()))
    # Its signatures have the time in them, by whatever clock.
    clock.present = datetime.now(UTC)
    made.clock = clock.seconds
    settings.EMARSYS_URL = settings.EMARSYS_AUTH_URL = made.url
    client._tokens.clear()
    return made


@pytest.fixture
def segment(db: Any, network: ExitStack, settings: Any) -> Segment:
    made = network.enter_context(serving(Segment()))
    settings.SEGMENT_URL = made.url
    return made
