"""What a local Dotdigital knows of contacts, of lists, and of segments."""

import base64
import re
import uuid
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from integrations.sandbox.server import Request, Response

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PAGE_LIMIT = 5000
_NAME_LIMIT = 128
# Assumed: as many as of Insight data.
_IMPORT_LIMIT = 5


class Refused(Exception):
    """The vendor says no: a status and the code of its envelope."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass(slots=True)
class Known:
    """A contact of the account."""

    id: int
    email: str
    mobile: str = ""
    fields: dict[str, Any] | None = None
    status: str = "subscribed"

    def as_json(self) -> dict[str, Any]:
        return {
            "contactId": self.id,
            "status": self.status,
            "created": "2026-01-01T00:00:00Z",
            "updated": "2026-01-01T00:00:00Z",
            "identifiers": {"email": self.email, "mobileNumber": self.mobile},
            "dataFields": self.fields or {},
            "channelProperties": {"email": {"status": self.status, "emailType": "Html"}},
        }


@dataclass(slots=True)
class ListOf:
    """A list, which was an address book once."""

    id: int
    name: str
    visibility: str
    members: set[int] = field(default_factory=set)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "visibility": self.visibility,
            "contacts": len(self.members),
        }


@dataclass(slots=True)
class SegmentOf:
    """A segment: who is in was found when it was last refreshed, which ends at `ready_at`."""

    id: int
    name: str
    rule: Callable[[], set[int]]
    members: set[int] = field(default_factory=set)
    ready_at: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "contacts": len(self.members)}


@dataclass(slots=True)
class _Import:
    ready_at: float
    contacts: list[dict[str, Any]]
    result: dict[str, Any] | None = None


class Contacts:
    """The contacts of an account, and in what they are.

    With `unknown` set, whoever is named by an address becomes a contact, but for so many addresses
    in a hundred, and those that were deleted here.
    """

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.by_id: dict[int, Known] = {}
        self.by_email: dict[str, Known] = {}
        self.names: dict[str, dict[str, int]] = {"mobileNumber": {}}
        self.lists: dict[int, ListOf] = {}
        self.segments: dict[int, SegmentOf] = {}
        self.unknown: int | None = None
        self._deleted: set[str] = set()
        self._imports: dict[str, _Import] = {}
        self._next = 1000

    def add(self, email: str) -> Known:
        """The contact with this address, new or not."""
        known = self.by_email.get(email.lower())
        if known is None:
            known = Known(self._number(), email)
            self.by_id[known.id] = self.by_email[email.lower()] = known
        return known

    def find(self, identifier: str, value: Any) -> Known | None:
        """The contact of this name; the account has the identifiers that `names` knows."""
        if identifier == "email":
            known = self.by_email.get(str(value).lower())
            return self.add(str(value)) if known is None and self.is_welcome(str(value)) else known
        if identifier == "contactId":
            return self.by_id.get(int(value)) if str(value).isdecimal() else None
        if identifier not in self.names:
            raise Refused(400, "contacts:invalidId")
        return self.by_id.get(self.names[identifier].get(str(value), 0))

    def is_welcome(self, email: str) -> bool:
        """Whether somebody with this address becomes a contact as soon as he is named."""
        if self.unknown is None or email.lower() in self._deleted or not _EMAIL.fullmatch(email):
            return False
        return zlib.crc32(email.lower().encode()) % 100 >= self.unknown

    def add_list(self, name: str, emails: Iterable[str]) -> int:
        """A list of these; its id."""
        one = ListOf(self._number(), name, "Public", {self.add(email).id for email in emails})
        self.lists[one.id] = one
        return one.id

    def name(self, email: str, identifier: str, value: str) -> None:
        """Let the contact with this address have another name, too."""
        self.names.setdefault(identifier, {})[value] = self.add(email).id

    def add_segment(self, name: str, members: Iterable[str] | Callable[[], set[int]]) -> int:
        """A segment by a rule, or of addresses; its id."""
        if callable(members):
            one = SegmentOf(self._number(), name, members)
        else:
            ids = {self.add(email).id for email in members}
            one = SegmentOf(self._number(), name, lambda: ids & set(self.by_id), set(ids))
        self.segments[one.id] = one
        return one.id

    def members(self, name: str) -> set[str]:
        """The addresses on a list."""
        found = [one for one in self.lists.values() if one.name == name]
        return {self.by_id[i].email for one in found for i in one.members}

    def settle(self) -> None:
        """Finish what is due by now."""
        now = self.clock()
        for segment in self.segments.values():
            if segment.ready_at is not None and segment.ready_at <= now:
                segment.members, segment.ready_at = segment.rule(), None
        for one in self._imports.values():
            if one.result is None and one.ready_at <= now:
                one.result, one.contacts = self._taken(one.contacts), []

    # --- segments ---

    def list_segments(self, request: Request) -> Response:
        return Response(200, [one.as_json() for one in _cut(self.segments.values(), request)])

    def refresh_segment(self, request: Request, number: str) -> Response:
        one = self._segment(number)
        one.ready_at = self.clock() + self.seconds
        return Response(202, {"id": one.id, "status": "NotStarted"})

    def refresh_state(self, request: Request, number: str) -> Response:
        one = self._segment(number)
        return Response(
            200, {"id": one.id, "status": "Finished" if one.ready_at is None else "NotStarted"}
        )

    def _segment(self, number: str) -> SegmentOf:
        if int(number) not in self.segments:
            raise Refused(404, "ERROR_SEGMENT_NOT_FOUND")
        return self.segments[int(number)]

    # --- lists ---

    def list_lists(self, request: Request) -> Response:
        return Response(200, [one.as_json() for one in _cut(self.lists.values(), request)])

    def create_list(self, request: Request) -> Response:
        given = request.document()
        one = ListOf(self._number(), self._name(given), str(given.get("visibility", "Private")))
        self.lists[one.id] = one
        return Response(201, one.as_json())

    def show_list(self, request: Request, number: str) -> Response:
        return Response(200, self._list(number).as_json())

    def change_list(self, request: Request, number: str) -> Response:
        one = self._list(number)
        one.name = self._name(request.document(), besides=one.id)
        return Response(200, one.as_json())

    def delete_list(self, request: Request, number: str) -> Response:
        del self.lists[self._list(number).id]
        return Response(204)

    def add_one(self, request: Request, number: str) -> Response:
        one = self._list(number)
        email = str(request.document()["email"])
        if not _EMAIL.fullmatch(email):
            raise Refused(400, "ERROR_CONTACT_INVALID")
        known = self.add(email)
        one.members.add(known.id)
        return Response(200, {"id": known.id, "email": known.email, "status": "Subscribed"})

    def remove_some(self, request: Request, number: str) -> Response:
        one = self._list(number)
        one.members -= {int(found) for found in request.document()}
        return Response(202)

    def remove_all(self, request: Request, number: str) -> Response:
        self._list(number).members.clear()
        return Response(202)

    def _list(self, number: str) -> ListOf:
        if int(number) not in self.lists:
            raise Refused(404, "ERROR_ADDRESSBOOK_NOT_FOUND")
        return self.lists[int(number)]

    def _name(self, given: dict[str, Any], besides: int = 0) -> str:
        """The name of a list: short enough, and neither another list's nor a segment's."""
        name = str(given["name"]).strip()
        if not name or len(name) > _NAME_LIMIT:
            raise Refused(400, "ERROR_ADDRESSBOOK_INVALID")
        taken: list[ListOf | SegmentOf] = [*self.lists.values(), *self.segments.values()]
        if any(one.name.lower() == name.lower() and one.id != besides for one in taken):
            raise Refused(400, "ERROR_ADDRESSBOOK_DUPLICATE")
        return name

    # --- contacts ---

    def page(self, request: Request) -> Response:
        limit = int(request.query.get("limit", "1000"))
        if not 1 <= limit <= _PAGE_LIMIT:
            raise Refused(400, "contacts:invalidLimit")
        segment, chosen = request.query.get("~segmentId"), request.query.get("~listId")
        if segment and chosen:
            raise Refused(400, "contacts:invalidFilter")
        ids: Iterable[int] = self.by_id
        if segment:
            ids = self._filter(self.segments, segment)
        elif chosen:
            ids = self._filter(self.lists, chosen)
        after = int(base64.b64decode(request.query.get("marker", "") or b"MA=="))
        left = sorted(one for one in ids if one > after and one in self.by_id)
        found = left[:limit]
        first = base64.b64encode(b"0").decode()
        links = {"self": {"marker": request.query.get("marker", first), "link": request.path}}
        links["first"] = {"marker": first, "link": request.path}
        if len(left) > limit:
            marker = base64.b64encode(str(found[-1]).encode()).decode()
            links["next"] = {"marker": marker, "link": f"{request.path}?marker={marker}"}
        return Response(
            200, {"_items": [self.by_id[one].as_json() for one in found], "_links": links}
        )

    def show(self, request: Request, identifier: str, value: str) -> Response:
        known = self._known(identifier, value)
        lists = [
            {"id": one.id, "name": one.name, "status": "subscribed"}
            for one in self.lists.values()
            if known.id in one.members
        ]
        return Response(200, known.as_json() | {"lists": lists})

    def create(self, request: Request) -> Response:
        email = str(request.document()["identifiers"]["email"])
        if email.lower() in self.by_email:
            raise Refused(409, "contacts:idAlreadyExists")
        if not _EMAIL.fullmatch(email):
            raise Refused(400, "contacts:invalidId")
        self._take(request.document())
        return Response(201, self.by_email[email.lower()].as_json())

    def patch(self, request: Request, identifier: str, value: str) -> Response:
        known = self._known(identifier, value)
        known.fields = (known.fields or {}) | request.document().get("dataFields", {})
        return Response(200, known.as_json())

    def delete(self, request: Request, identifier: str, value: str) -> Response:
        known = self._known(identifier, value)
        self._forget(known)
        return Response(200, {"contactId": known.id})

    def delete_many(self, request: Request) -> Response:
        for given in request.document():
            [(identifier, value)] = given.items()
            known = self.find(identifier, value)
            if known is not None:
                self._forget(known)
        return Response(202, {"deleteId": str(uuid.uuid4())})

    def import_many(self, request: Request) -> Response:
        given = request.document()["contacts"]
        if not given or not isinstance(given, list):
            raise Refused(400, "contacts:noContactsSpecified")
        if sum(one.result is None for one in self._imports.values()) >= _IMPORT_LIMIT:
            raise Refused(429, "contacts:tooManyActiveImports")
        number = str(uuid.uuid4())
        self._imports[number] = _Import(self.clock() + self.seconds, given)
        return Response(202, {"importId": number})

    def import_state(self, request: Request, number: str) -> Response:
        if number not in self._imports:
            raise Refused(404, "contacts:importNotFound")
        result = self._imports[number].result
        state = "NotFinished" if result is None else "Finished"
        return Response(200, {"importId": number, "status": state} | (result or {}))

    def _taken(self, contacts: list[dict[str, Any]]) -> dict[str, Any]:
        """Take the contacts of an import; what came of it."""
        created: list[dict[str, Any]] = []
        updated: list[dict[str, Any]] = []
        failures: list[dict[str, Any]] = []
        seen: set[str] = set()
        for given in contacts:
            email = str(given["identifiers"].get("email", ""))
            code = ""
            if not _EMAIL.fullmatch(email):
                code = "invalidEmail"
            elif email.lower() in seen:
                code = "duplicateIdentifier"
            if code:
                words = {"failureCode": code, "description": f"{code}: {email}"}
                failures.append(
                    {
                        "matchIdentifier": given["matchIdentifier"],
                        "identifiers": given["identifiers"],
                        "failures": [words],
                    }
                )
                continue
            seen.add(email.lower())
            is_new = email.lower() not in self.by_email
            known = self._take(given)
            reference = {"contactId": known.id, "identifiers": {"email": known.email}}
            (created if is_new else updated).append(reference)
        summary = {
            "newContacts": len(created),
            "updatedContacts": len(updated),
            "globallySuppressed": 0,
            "invalidEntries": len(failures),
            "duplicateIdentifiers": 0,
        }
        return {"summary": summary, "created": created, "updated": updated, "failures": failures}

    def _take(self, given: dict[str, Any]) -> Known:
        known = self.add(str(given["identifiers"]["email"]))
        known.mobile = str(given["identifiers"].get("mobileNumber") or known.mobile)
        if given.get("dataFields"):
            known.fields = (known.fields or {}) | given["dataFields"]
        known.status = (
            given.get("channelProperties", {}).get("email", {}).get("status", known.status)
        )
        for number in given.get("lists", []):
            if number in self.lists:
                self.lists[number].members.add(known.id)
        return known

    def _known(self, identifier: str, value: str) -> Known:
        known = self.find(identifier, unquote(value))
        if known is None:
            raise Refused(404, "contacts:contactNotFound")
        return known

    def _forget(self, known: Known) -> None:
        del self.by_id[known.id], self.by_email[known.email.lower()]
        self._deleted.add(known.email.lower())
        for members in (
            *(one.members for one in self.lists.values()),
            *(one.members for one in self.segments.values()),
        ):
            members.discard(known.id)

    def _filter(self, groups: dict[int, Any], number: str) -> set[int]:
        if not number.isdecimal() or int(number) not in groups:
            raise Refused(400, "contacts:invalidFilter")
        members: set[int] = groups[int(number)].members
        return members

    def _number(self) -> int:
        self._next += 1
        return self._next


def _cut(found: Iterable[Any], request: Request) -> list[Any]:
    """The page that `select` and `skip` ask for."""
    select, skip = (int(request.query.get(n, d)) for n, d in (("select", "1000"), ("skip", "0")))
    if not 1 <= select <= 1000:
        raise Refused(400, "ERROR_PARAMETER_INVALID")
    return list(found)[skip : skip + select]
