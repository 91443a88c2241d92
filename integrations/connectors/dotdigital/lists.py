"""Lists of Dotdigital, once called address books, as mirrors of segments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from integrations.connectors.dotdigital import payloads, vendor
from integrations.connectors.dotdigital.client import DotdigitalClient
from integrations.vendors.list_keepers import Added, RemoteList
from integrations.vendors.registry import SyncRun

AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of an account. Fulfils `ListKeeper`."""

    client: DotdigitalClient

    @property
    def name_limit(self) -> int:
        return payloads.NAME_LIMIT

    @property
    def at_once(self) -> int:
        return AT_ONCE

    def lists(self) -> Sequence[RemoteList]:
        # A list must not have the name of a segment either.
        segments = [RemoteList(str(one.id), one.name, False) for one in self.client.segments()]
        return [*(RemoteList(str(one.id), one.name) for one in self.client.lists()), *segments]

    def create(self, name: str) -> str:
        return str(self.client.create_list(name))

    def delete(self, list_id: str) -> None:
        self.client.delete_list(int(list_id))

    def add(self, list_id: str, addresses: Sequence[str]) -> str:
        return self.client.import_contacts(addresses, int(list_id))

    def added(self, job: str) -> Added | None:
        taken = self.client.contacts_taken(job)
        if taken is None:
            return None
        ids = [(email, number) for number, email in taken.taken]
        return Added(ids, taken.refused, taken.failure)

    def members(self, list_id: str) -> Iterator[Sequence[tuple[str, int]]]:
        for page in self.client.contacts_in(list_id=int(list_id)):
            yield [(one.identifiers.get(vendor.EMAIL, ""), one.id) for one in page]

    def remove(self, list_id: str, ids: Sequence[int]) -> None:
        self.client.take_off_list(int(list_id), ids)


def lists_of(run: SyncRun) -> Lists:
    """The lists of a connection's account."""
    return Lists(vendor.client_of(run.http, run.credentials))
