"""A connection to a Dotdigital on this machine, whose contacts have metrics."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from contacts.models import Contact
from integrations import outbound
from integrations.models import UploadedRecord, VendorConnection, VendorSync
from integrations.sandbox.dotdigital import Dotdigital
from integrations.sandbox.server import running
from integrations.vendors import connections, syncing
from tests.contract.cases import Clock
from tests.factories import make_contact
from workspace.access import SYSTEM
from workspace.models import Website

NAME = "SS_Segmentation_Data"


@dataclass
class World:
    """The account, our connection to it, and what of it a test looks at."""

    sandbox: Dotdigital
    clock: Clock
    connection: VendorConnection
    websites: list[Website] = field(default_factory=list)

    def sync(self, **given: Any) -> dict[str, Any]:
        """What one synchronization of the metrics counted."""
        counts: dict[str, Any] = self.run("metrics", **given).counts
        return counts

    def run(self, name: str, **given: Any) -> VendorSync:
        options = {"now": self.clock.now, "sleep": self.clock.sleep, **given}
        return syncing.run_sync(self.connection.pk, name, **options)

    def records(self, collection: str = NAME) -> dict[str, tuple[str, Any]]:
        """What the vendor has, without the instants at which it was computed."""
        self.clock.sleep(60)
        found = self.sandbox.records(collection)
        return {
            key: (email, {name: v for name, v in doc.items() if name != "computed_at"})
            for key, (email, doc) in found.items()
        }

    def ages(self) -> dict[str, int]:
        """Of each record the age, which a birth date makes."""
        return {key: doc.get("ss_age", -1) for key, (_email, doc) in self.records().items()}

    def states(self) -> dict[str, tuple[str, str]]:
        found = UploadedRecord.objects.filter(connection=self.connection)
        return {one.key: (one.state, one.reason) for one in found}

    def person(self, name: str, born: int = 1990, *, is_known: bool = True) -> Contact:
        """A contact of ours, whom the vendor knows, too, where nothing else is said."""
        if is_known:
            self.sandbox.learn([f"{name}@shop.test"])
        return make_contact(email=f"{name}@shop.test", birth_date=f"{born}-01-01")

    def tomorrow(self, days: int = 1) -> None:
        self.clock.present += timedelta(days=days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock, settings: Any) -> Iterator[Dotdigital]:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with running(Dotdigital(clock=clock.seconds)) as box:
        assert isinstance(box, Dotdigital)
        settings.DOTDIGITAL_URL = box.url
        yield box
        outbound.hang_up()


@pytest.fixture
def world(db: Any, sandbox: Dotdigital, clock: Clock) -> World:
    website = Website.objects.create(key="main", name="Main")
    return World(sandbox, clock, connect(sandbox, clock, [website]), [website])


def connect(
    sandbox: Dotdigital, clock: Clock, websites: list[Website], **given: Any
) -> VendorConnection:
    """Another connection to the account."""
    return connections.authorize_connection(
        kind="dotdigital",
        credentials={"username": sandbox.username, "password": sandbox.password},
        websites=websites,
        actor=SYSTEM,
        at=clock.now(),
        **given,
    )
