"""Lists of Dotdigital, once called address books, as mirrors of segments.

Contacts are put on a list by imports, thousands at a time. Whether an import did that is looked up
after: whom it took and left off the list is put there by a call of their own, and so is everybody
where the account takes no such imports.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from integrations.connectors.dotdigital import payloads, vendor
from integrations.connectors.dotdigital.client import DotdigitalClient
from integrations.connectors.dotdigital.payloads import ContactsTaken
from integrations.errors import CredentialsRejected, PermanentError, ThingMissing
from integrations.vendors.list_keepers import Added, RemoteList
from integrations.vendors.registry import SyncRun

AT_ONCE = 5000
_SINGLY = "one by one"


@dataclass(slots=True)
class _Adding:
    """An addition that goes on: by an import, then one by one who is missing on the list."""

    list_id: int
    addresses: list[str]
    size_before: int
    ids: dict[str, int | None] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    singly: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of an account. Fulfils `ListKeeper`."""

    client: DotdigitalClient
    _adding: dict[str, _Adding] = field(default_factory=dict)

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

    def rename(self, list_id: str, name: str) -> None:
        self.client.rename_list(int(list_id), name)

    def delete(self, list_id: str) -> None:
        self.client.delete_list(int(list_id))

    def add(self, list_id: str, addresses: Sequence[str]) -> str:
        number = int(list_id)
        adding = _Adding(number, list(addresses), self.client.list_size(number))
        try:
            job = self.client.import_contacts(addresses, number)
        except CredentialsRejected:
            raise
        except PermanentError:
            # The account has no such imports, or they put nobody on lists.
            job, adding.singly = _SINGLY, list(addresses)
        self._adding[job] = adding
        return job

    def added(self, job: str) -> Added | None:
        adding = self._adding[job]
        if adding.singly is None:
            taken = self.client.contacts_taken(job)
            if taken is None:
                return None
            if taken.failure:
                return Added(failure=taken.failure)
            self._note_taken(adding, taken)
        self._add_singly(adding)
        del self._adding[job]
        return Added(list(adding.ids.items()), adding.refused)

    def _note_taken(self, adding: _Adding, taken: ContactsTaken) -> None:
        """Write down what an import came to, and who is not on the list all the same."""
        adding.refused = [(email.lower(), reason) for email, reason in taken.refused]
        refused = {email for email, _reason in adding.refused}
        named = taken.taken
        if named is None:
            adding.ids = {one: None for one in adding.addresses if one.lower() not in refused}
        else:
            adding.ids = {email.lower(): number for number, email in named}
        missing: list[str] = []
        if self.client.list_size(adding.list_id) - adding.size_before < len(adding.ids):
            # Some were on it before, or the import put nobody there.
            pages = self.members(str(adding.list_id))
            there = {email.lower() for page in pages for email, _id in page}
            missing = [email for email in adding.ids if email.lower() not in there]
        adding.singly = missing

    def _add_singly(self, adding: _Adding) -> None:
        """Put on the list who is not on it; called again it goes on where it was."""
        while adding.singly:
            email = adding.singly[-1]
            try:
                found = self.client.put_on_list(adding.list_id, email)
            except (CredentialsRejected, ThingMissing):
                raise
            except PermanentError as error:
                adding.ids.pop(email, None)
                adding.refused.append((email, str(error.context.get("vendor_code") or "Unknown")))
            else:
                adding.ids[email] = found or adding.ids.get(email)
            adding.singly.pop()

    def members(self, list_id: str) -> Iterator[Sequence[tuple[str, int]]]:
        for page in self.client.contacts_in(list_id=int(list_id)):
            yield [(one.identifiers.get(vendor.EMAIL, ""), one.id) for one in page]

    def remove(self, list_id: str, ids: Sequence[int]) -> None:
        self.client.take_off_list(int(list_id), ids)


def lists_of(run: SyncRun) -> Lists:
    """The lists of a connection's account."""
    return Lists(vendor.client_of(run.http, run.credentials))
