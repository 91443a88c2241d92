"""Where metrics are kept at Dotdigital: a collection of Insight data, of the contacts' own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.connectors.dotdigital import payloads, vendor
from integrations.connectors.dotdigital.client import DotdigitalClient
from integrations.metric_uploads import deleting, uploading
from integrations.metric_uploads.store import Choice, Outcome, Record, Store
from integrations.vendors.registry import SyncRun

# The vendor takes 50 MB at a time; smaller imports are kinder to both sides.
RECORD_LIMIT = 25_000
BYTE_LIMIT = 16_000_000
IMPORT_LIMIT = 5
_UNKNOWN = ("ContactEmailDoesNotExist", "ContactIdDoesNotExist", "InvalidContactIdentifier")


@dataclass(frozen=True, slots=True)
class InsightStore:
    """A collection, and the identifier by which its contacts are named. Fulfils `Store`."""

    client: DotdigitalClient
    collection: str
    identifier: str
    choice: Choice = field(default_factory=Choice)
    unknown_reasons: Sequence[str] = _UNKNOWN

    @property
    def record_limit(self) -> int:
        return RECORD_LIMIT

    @property
    def byte_limit(self) -> int:
        return BYTE_LIMIT

    @property
    def import_limit(self) -> int:
        return IMPORT_LIMIT

    @property
    def place(self) -> str:
        return f"{self.collection} {self.identifier}"

    @property
    def namespace(self) -> str:
        return vendor.namespace_of(self.identifier)

    def at(self, place: str) -> Store:
        collection, _blank, identifier = place.partition(" ")
        return InsightStore(self.client, collection, identifier or vendor.EMAIL)

    def submit(self, records: Sequence[Record]) -> str:
        texts = (
            payloads.record_text(self.identifier, self._named(one.name), one.key, one.document)
            for one in records
        )
        return self.client.import_records(payloads.import_body(self.collection, texts))

    def outcome(self, import_id: str) -> Outcome | None:
        state = self.client.import_state(import_id)
        return Outcome(state.refused, state.is_failed) if state.is_over else None

    def delete(self, name: str, keys: Sequence[str]) -> int:
        return self.client.delete_records(self.identifier, self._named(name), self.collection, keys)

    def empty(self) -> str:
        return self.client.empty_collection(self.collection)

    def is_empty(self, job: str) -> bool:
        return self.client.is_job_over(job)

    def _named(self, name: str) -> str:
        """A name of ours as the vendor writes it: mobile numbers with their plus."""
        return f"+{name.lstrip('+')}" if self.identifier == vendor.MOBILE else name


def store_of(run: SyncRun) -> InsightStore:
    """The store that the settings of a connection name."""
    return InsightStore(
        vendor.client_of(run.http, run.credentials),
        str(run.settings.get("collection") or vendor.COLLECTION),
        str(run.settings.get("identifier") or vendor.EMAIL),
        choice_of(run.settings),
    )


def choice_of(settings: Mapping[str, Any]) -> Choice:
    """Which metrics the settings name, and what they are to be called there."""
    names = frozenset(settings.get("metrics") or ())
    return Choice(names or None, vendor.field_names(settings))


def upload(run: SyncRun) -> None:
    """The synchronization "metrics"."""
    uploading.upload_metrics(run, store_of(run))


def delete_website(run: SyncRun, website_id: int) -> int | None:
    """Delete a website's records there."""
    return deleting.delete_website(run, store_of(run), website_id)
