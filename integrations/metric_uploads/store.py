"""What a vendor's connector offers so that metrics can be uploaded to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """One record: by which name the contact is known there, the record's key, its document.

    `document` is the text of a JSON object, whose days are written as instants.
    """

    name: str
    key: str
    document: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an import that is over: keys that were refused, each with the vendor's reason.

    With `is_failed` it failed as a whole, and nobody knows how much of it was taken.
    """

    refused: Sequence[tuple[str, str]] = ()
    is_failed: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the computed metrics are uploaded, and under which names.

    `names` are upload names; None for all. `renamed` gives some of them others.
    """

    names: frozenset[str] | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)


class Store(Protocol):
    """Where records are kept at a vendor: one collection of one account.

    Each method raises the errors of `integrations.errors`, and no others.
    """

    @property
    def place(self) -> str:
        """The vendor's own word for it: another place has other records."""

    @property
    def namespace(self) -> str:
        """Of which of our identities the vendor's names of contacts are."""

    @property
    def choice(self) -> Choice:
        """Which metrics are kept there."""

    @property
    def record_limit(self) -> int:
        """How many records an import may carry."""

    @property
    def byte_limit(self) -> int:
        """How long it may be."""

    @property
    def import_limit(self) -> int:
        """How many imports may go on at a time."""

    @property
    def unknown_reasons(self) -> Sequence[str]:
        """By which reasons the vendor says that it does not know the contact."""

    def at(self, place: str) -> "Store":
        """The store of another place of the same account, by the name that it had."""

    def submit(self, records: Sequence[Record]) -> str:
        """Begin an import that replaces records of the same keys; the vendor's name of it."""

    def outcome(self, import_id: str) -> Outcome | None:
        """What came of it; None while it goes on. Raises ThingMissing where it is forgotten."""

    def delete(self, name: str, keys: Sequence[str]) -> int:
        """Delete records of one contact; how many were there."""

    def empty(self) -> str:
        """Begin to delete all records of the place; the vendor's name of the job."""

    def is_empty(self, job: str) -> bool:
        """Whether that is done. Raises ThingMissing where the job is forgotten."""
