"""A system that segments are imported from, in memory; and those of it that one needs in tests."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.errors import ConnectorError, ThingMissing
from integrations.models import VendorConnection, VendorSync
from integrations.vendors import connections, importers, registry, syncing
from integrations.vendors.importers import Importer, RemoteSegment
from integrations.vendors.registry import SyncRun, Vendor, Verified
from loyalty.models import Member
from segments.imported import importing
from segments.imported.syncing import ALL, REQUESTED, SYNCS
from segments.models import Segment
from tests.factories import NOW, make_contact
from workspace.access import SYSTEM

KIND = "faraway"


@dataclass
class System:
    """`segments` are the keys of each by its name; `fails` what goes wrong with which of them.

    Pages have two keys, so that few make several.
    """

    segments: dict[str, list[str]] = field(default_factory=dict)
    fails: dict[str, ConnectorError] = field(default_factory=dict)
    breaks_off: dict[str, ConnectorError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def list_segments(self, run: SyncRun) -> Sequence[RemoteSegment]:
        if "" in self.fails:
            raise self.fails[""]
        return [RemoteSegment(name, name.capitalize(), "segment") for name in self.segments]

    def count_members(self, run: SyncRun, remote_id: str) -> int | None:
        return len(self.segments[remote_id])

    def fetch_members(self, run: SyncRun, remote_id: str) -> Iterator[Sequence[str]]:
        self.asked.append(remote_id)
        if remote_id in self.fails:
            raise self.fails[remote_id]
        keys = self.segments.get(remote_id)
        if keys is None:
            raise ThingMissing("It is gone.")
        for start in range(0, len(keys), 2):
            yield keys[start : start + 2]
            if start >= 2 and remote_id in self.breaks_off:
                raise self.breaks_off[remote_id]

    @property
    def importer(self) -> Importer:
        return Importer(self.list_segments, self.fetch_members, count_members=self.count_members)


def vendor() -> Vendor:
    """As a connector would register it."""
    return Vendor(
        kind=KIND,
        label="Faraway",
        description="",
        base_url=lambda settings: "http://127.0.0.1:1",
        credentials=(),
        verify=lambda http, credentials, settings: Verified(account_name="Shop"),
    )


def connect(name: str = "Faraway shop", **given: Any) -> VendorConnection:
    """An account there."""
    return connections.authorize_connection(
        kind=KIND, credentials={}, name=name, actor=SYSTEM, at=NOW, **given
    )


def make_members(*emails: str) -> list[int]:
    """Loyalty members with these addresses; their ids."""
    ids = [make_contact(email=email).pk for email in emails]
    Member.objects.bulk_create(Member(contact_id=pk, joined_at=NOW) for pk in ids)
    return ids


def take(connection: VendorConnection, *names: str, **given: Any) -> list[Segment]:
    """These segments imported, not read yet."""
    made, _job = importing.import_segments(
        connection, names, actor=given.pop("actor", SYSTEM), at=NOW, **given
    )
    return made


def sync(
    connection: VendorConnection, *, at: datetime = NOW, only_requested: bool = False
) -> VendorSync:
    """One synchronization, here and now."""
    return syncing.run_sync(
        connection.pk, REQUESTED if only_requested else ALL, now=lambda: at, sleep=lambda s: None
    )


@contextmanager
def registered() -> Iterator[System]:
    """The system known to the product, as long as the block lasts."""
    made = System()
    registry.register_vendor(vendor())
    importers.register_importer(KIND, made.importer)
    for one in SYNCS:
        registry.register_sync(KIND, one)
    try:
        yield made
    finally:
        del registry._vendors[KIND], registry._syncs[KIND], importers._importers[KIND]
