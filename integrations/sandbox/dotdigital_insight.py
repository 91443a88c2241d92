"""What a local Dotdigital keeps as Insight data: collections whose schema is inferred, imports."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from integrations.sandbox.dotdigital_contacts import Contacts, Refused
from integrations.sandbox.server import Request, Response

BYTE_LIMIT = 50_000_000
IMPORT_LIMIT = 5
COLLECTION_LIMIT = 1000
_KEYS_LIMIT = 5000
_NAME = re.compile(r"[-A-Za-z_][-A-Za-z0-9_]{1,255}")
_FIELD = re.compile(r"[-A-Za-z0-9_]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?Z?)?")
_SCOPES = frozenset({"account", "contact"})
_TYPES = frozenset(
    {
        *("cartInsight", "catalog", "consentInsight", "custom", "easyEditorExtensions"),
        *("nostoEmailCampaigns", "orders", "productCategories", "webInsight", "wishList"),
    }
)
# Assumed: the vendor names the reasons and not the numbers.
_KEY_LIMIT = 500
_FIELD_LIMIT = 100
_TEXT_LIMIT = 10_000
_NUMBER_LIMIT = 1e15


@dataclass(slots=True)
class Record:
    """A record as it was sent, its document as text to save room."""

    contact_id: int
    text: str


@dataclass(slots=True)
class Collection:
    """Records by key, and the types that their fields turned out to have."""

    name: str
    scope: str
    type: str
    schema: dict[str, str] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)


@dataclass(slots=True)
class _Import:
    number: str
    began_at: float
    collection: str
    scope: str
    type: str
    records: list[dict[str, Any]]
    is_failing: bool = False
    result: dict[str, Any] | None = None


class InsightData:
    """The collections of an account.

    Imports last `seconds` each: NotStarted, Processing, and then by turns Complete or Finished.
    `failing` many of the next imports end as Failed, and change nothing.
    """

    def __init__(self, contacts: Contacts, clock: Callable[[], float], seconds: float) -> None:
        self.contacts, self.clock, self.seconds = contacts, clock, seconds
        self.collections: dict[str, Collection] = {}
        self.failing = 0
        self._imports: dict[str, _Import] = {}
        self._jobs: dict[str, tuple[float, Callable[[], None] | None]] = {}
        self._finished = 0

    def settle(self) -> None:
        """Finish what is due by now, in the order in which it came."""
        now = self.clock()
        for one in self._imports.values():
            if one.result is None and one.began_at + self.seconds <= now:
                one.result = {"status": "Failed"} if one.is_failing else self._take(one)
                one.records = []
        for number, (ready_at, work) in list(self._jobs.items()):
            if work is not None and ready_at <= now:
                work()
                self._jobs[number] = (ready_at, None)

    def records(self, name: str) -> dict[str, tuple[str, Any]]:
        """The address and the document of each record, by key."""
        found = self.collections.get(name)
        if found is None:
            return {}
        known = self.contacts.by_id
        return {
            key: (known[one.contact_id].email, json.loads(one.text))
            for key, one in found.records.items()
            if one.contact_id in known
        }

    def contacts_with(self, name: str, member: str, least: float) -> set[int]:
        """Who has a record in which the field is at least so much."""
        found = self.collections.get(name)
        return {
            one.contact_id
            for one in (found.records.values() if found else ())
            if isinstance(value := json.loads(one.text).get(member), int | float) and value >= least
        }

    # --- imports ---

    def import_many(self, request: Request) -> Response:
        if len(request.body) > BYTE_LIMIT:
            raise Refused(413, "insightData:requestTooLarge")
        given = request.document()
        name, scope = given["collectionName"], given["collectionScope"]
        kind, records = given["collectionType"], given["records"]
        if not _NAME.fullmatch(name) or scope not in _SCOPES or kind not in _TYPES:
            raise Refused(400, "insightData:invalidId")
        if not isinstance(records, list) or not records:
            raise Refused(400, "insightData:noRecordsSpecified")
        if sum(one.result is None for one in self._imports.values()) >= IMPORT_LIMIT:
            raise Refused(429, "insightData:tooManyActiveImports")
        known = self.collections.get(name)
        if known is not None and (known.scope, known.type) != (scope, kind):
            raise Refused(400, "insightData:collectionScopeMismatch")
        number = str(uuid.uuid4())
        one = _Import(number, self.clock(), name, scope, kind, records, self.failing > 0)
        self.failing = max(0, self.failing - 1)
        self._imports[number] = one
        return Response(202, {"importId": number})

    def import_state(self, request: Request, number: str) -> Response:
        one = self._imports.get(number)
        if one is None:
            raise Refused(404, "insightData:importNotFound")
        if one.result is not None:
            return Response(
                200, {"importId": number, "collectionName": one.collection} | one.result
            )
        is_begun = one.began_at + self.seconds / 2 <= self.clock()
        state = "Processing" if is_begun else "NotStarted"
        return Response(200, {"importId": number, "status": state})

    def _take(self, one: _Import) -> dict[str, Any]:
        collection = self._collection(one.collection, one.scope, one.type)
        failures: list[dict[str, Any]] = []
        seen: set[str] = set()
        for given in one.records:
            reason = self._put(collection, given, seen)
            if reason:
                owner = {"ownerType": one.scope, "contactIdentity": given.get("contactIdentity")}
                failures.append(
                    {
                        "collectionOwner": owner,
                        "failureReason": reason,
                        "details": [reason],
                        "key": given.get("key"),
                        "json": given.get("json"),
                    }
                )
        self._finished += 1
        total = len(one.records)
        summary = {
            "totalRecords": total,
            "totalImported": total - len(failures),
            "totalRejected": len(failures),
        }
        state = "Complete" if self._finished % 2 else "Finished"
        return {"status": state, "summary": summary, "failures": failures}

    def _put(self, collection: Collection, given: dict[str, Any], seen: set[str]) -> str:
        """Keep one record; else why not."""
        key = str(given.get("key") or "")
        if not key or len(key) > _KEY_LIMIT:
            return "InvalidClientKey"
        if key in seen:
            return "DuplicateKey"
        seen.add(key)
        contact_id, reason = self._owner(collection, given)
        if reason:
            return reason
        document = given.get("json")
        if isinstance(document, str):
            try:
                document = json.loads(document)
            except ValueError:
                return "InvalidJson"
        if not isinstance(document, dict):
            return "InvalidJson"
        types, reason = _types_of(document)
        if reason:
            return reason
        if any(collection.schema.get(name, kind) != kind for name, kind in types.items()):
            return "JsonValueIncompatibleWithSchema"
        collection.schema |= types
        collection.records[key] = Record(
            contact_id, json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        )
        return ""

    def _owner(self, collection: Collection, given: dict[str, Any]) -> tuple[int, str]:
        if collection.scope == "account":
            return 0, ""
        identity = given.get("contactIdentity") or {}
        identifier, value = identity.get("identifier"), str(identity.get("value") or "")
        if not identifier or not value:
            return 0, "InvalidContactIdentifier"
        try:
            known = self.contacts.find(identifier, value)
        except Refused:
            return 0, "InvalidContactIdentifier"
        if known is None:
            return 0, f"Contact{'Email' if identifier == 'email' else 'Id'}DoesNotExist"
        return known.id, ""

    # --- collections ---

    def list_collections(self, request: Request) -> Response:
        found = [
            {"name": one.name, "collectionScope": one.scope, "collectionType": one.type}
            for one in self.collections.values()
        ]
        return Response(200, found)

    def create_collection(self, request: Request, name: str) -> Response:
        if not _NAME.fullmatch(name):
            raise Refused(400, "insightData:invalidId")
        if name in self.collections:
            return Response(200)
        if len(self.collections) >= COLLECTION_LIMIT:
            raise Refused(412, "insightData:collectionLimitExceeded")
        self._collection(name, request.query["collectionScope"], request.query["collectionType"])
        return Response(201)

    def show_schema(self, request: Request, name: str) -> Response:
        schema = self._known(name).schema
        return Response(200, [{"name": key, "type": kind} for key, kind in schema.items()])

    def delete_collection(self, request: Request, name: str) -> Response:
        self._known(name)
        return self._job(lambda: self.collections.pop(name, None))

    def empty(self, request: Request, name: str) -> Response:
        return self._job(self._known(name).records.clear)

    def job_state(self, request: Request, number: str) -> Response:
        if number not in self._jobs:
            raise Refused(404, "insightData:asyncJobNotFound")
        is_over = self._jobs[number][1] is None
        state = "Finished" if is_over else "NotFinished"
        return Response(200, {"jobId": number, "status": state})

    def _job(self, work: Callable[[], Any]) -> Response:
        number = str(uuid.uuid4())
        self._jobs[number] = (self.clock() + self.seconds, work)
        return Response(202, {"jobId": number})

    # --- single records ---

    def delete_records(self, request: Request, identifier: str, value: str, name: str) -> Response:
        known, collection = self._place(identifier, value, name)
        keys = request.document().get("keys") or []
        if not 1 <= len(keys) <= _KEYS_LIMIT:
            raise Refused(400, "insightData:noRecordsSpecified")
        found = [
            key
            for key in {str(one) for one in keys}
            if key in collection.records and collection.records[key].contact_id == known
        ]
        for key in found:
            del collection.records[key]
        summary = {
            "totalRecords": len(keys),
            "totalDeleted": len(found),
            "totalNotFound": len(keys) - len(found),
        }
        return Response(200, {"summary": summary})

    def show_record(
        self, request: Request, identifier: str, value: str, name: str, key: str
    ) -> Response:
        known, collection = self._place(identifier, value, name)
        record = collection.records.get(unquote(key))
        if record is None or record.contact_id != known:
            raise Refused(404, "insightData:recordNotFound")
        return Response(200, {"key": unquote(key), "json": json.loads(record.text)})

    def put_record(
        self, request: Request, identifier: str, value: str, name: str, key: str
    ) -> Response:
        known = self.contacts.find(identifier, unquote(value))
        if known is None:
            raise Refused(404, "insightData:contactNotFound")
        collection = self._collection(name, "contact", "custom")
        was = unquote(key) in collection.records
        given = {
            "contactIdentity": {"identifier": "contactId", "value": known.id},
            "key": unquote(key),
            "json": request.document(),
        }
        if self._put(collection, given, set()):
            raise Refused(400, "insightData:badJson")
        return Response(204 if was else 201)

    def delete_record(
        self, request: Request, identifier: str, value: str, name: str, key: str
    ) -> Response:
        known, collection = self._place(identifier, value, name)
        record = collection.records.get(unquote(key))
        if record is None or record.contact_id != known:
            raise Refused(404, "insightData:recordNotFound")
        del collection.records[unquote(key)]
        return Response(204)

    def _place(self, identifier: str, value: str, name: str) -> tuple[int, Collection]:
        known = self.contacts.find(identifier, unquote(value))
        if known is None:
            raise Refused(404, "insightData:contactNotFound")
        return known.id, self._known(name)

    def _known(self, name: str) -> Collection:
        if name not in self.collections:
            raise Refused(404, "insightData:collectionNotFound")
        return self.collections[name]

    def _collection(self, name: str, scope: str, kind: str) -> Collection:
        return self.collections.setdefault(name, Collection(name, scope, kind))


def _types_of(document: dict[str, Any], path: str = "") -> tuple[dict[str, str], str]:
    """The type of each field of a document; else why it cannot be kept."""
    types: dict[str, str] = {}
    for name, value in document.items():
        if len(name) > _FIELD_LIMIT:
            return {}, "JsonKeyTooLong"
        if not _FIELD.fullmatch(name):
            return {}, "JsonKeyInvalidCharacters"
        inner, reason = _types_of_value(value, f"{path}{name}")
        if reason:
            return {}, reason
        types |= inner
    return types, ""


def _types_of_value(value: Any, path: str) -> tuple[dict[str, str], str]:
    if value is None:
        return {}, ""
    if isinstance(value, dict):
        return _types_of(value, f"{path}.")
    if isinstance(value, list):
        if any(isinstance(one, list) for one in value):
            return {}, "JsonContainsNestedArray"
        types: dict[str, str] = {}
        for one in value:
            inner, reason = _types_of_value(one, f"{path}[]")
            if reason:
                return {}, reason
            types |= inner
        return types, ""
    if isinstance(value, bool):
        return {path: "boolean"}, ""
    if isinstance(value, int | float):
        return ({}, "JsonNumberValueTooLarge") if abs(value) > _NUMBER_LIMIT else (
            {path: "numeric"}, ""
        )  # fmt: skip
    if len(value) > _TEXT_LIMIT:
        return {}, "JsonValueTooLong"
    return {path: "date" if _DATE.fullmatch(value) else "string"}, ""
