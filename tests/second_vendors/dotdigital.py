"""Dotdigital as its public description says (spec/external_apis.md 2.1), and nothing more.

Written from that page alone. Two servers make it whole: `Front` is the host that everybody may ask
for the account's own host, and that refuses everything else; `Region` is that host.
"""

from __future__ import annotations

import base64
import re
import uuid
from typing import Any
from urllib.parse import unquote

from tests.second_vendors.serving import Answer, Request, SecondVendor

USERNAME, PASSWORD = "apiuser-0a1b2c3d4e5f@apiconnector.com", "correct-horse-7"
COLLECTION = re.compile(r"^[-A-Za-z_][-A-Za-z0-9_]{1,255}$")
TYPES = {
    *("cartInsight", "catalog", "consentInsight", "custom", "easyEditorExtensions", "orders"),
    *("nostoEmailCampaigns", "productCategories", "webInsight", "wishList"),
}
LONGEST_CALL, IMPORTS_AT_ONCE = 50_000_000, 5


def v2_error(status: int, code: str) -> Answer:
    """An error of the second version."""
    return Answer(status, {"message": f"Error: {code}"})


def v3_error(status: int, code: str, description: str = "") -> Answer:
    """An error of the third version."""
    return Answer(status, {"errorCode": code, "description": description, "details": []})


class _Dotdigital(SecondVendor):
    def __init__(self) -> None:
        super().__init__()
        self.disabled = False

    def admitted(self, request: Request) -> bool:
        """Whether the call carries the right name and password."""
        wanted = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        return request.headers.get("authorization") == wanted and not self.disabled


class Front(_Dotdigital):
    """The host of region 1: tells where the account lives, and refuses what belongs there."""

    def __init__(self, region: Region, *, slash: bool = True, case: str = "ApiEndpoint") -> None:
        super().__init__()
        self.region, self.slash, self.case = region, slash, case

    def handle(self, request: Request) -> Answer:
        if not self.admitted(request):
            return v2_error(401, "ERROR_APIUSER_INVALID")
        if request.path == "/v2/account-info":
            if request.method != "GET":
                return Answer(405)
            return account_info(self.region.url + ("/" if self.slash else ""), case=self.case)
        return Answer(403, {"message": "Access is denied"})


def account_info(endpoint: str, *, case: str = "ApiEndpoint") -> Answer:
    """What an account says of itself."""
    return Answer(
        200,
        {
            "id": 1,
            "properties": [
                {"name": "Name", "type": "String", "value": "Acme"},
                {"name": "MainEmail", "type": "String", "value": "a@acme.test"},
                {"name": "SomethingNew", "type": "String", "value": None},
                {"name": case, "type": "String", "value": endpoint},
                {"name": "ApiCallsInLastHour", "type": "Int", "value": "15"},
                {"name": "ApiCallsRemaining", "type": "Int", "value": "1985"},
                {"name": "TimeZoneIana", "type": "String", "value": "Europe/London"},
                {"name": "CurrencyCode", "type": "String", "value": "GBP"},
            ],
            "somethingNew": {"a": [1]},
        },
    )


class Region(_Dotdigital):
    """The account's own host, with its people, lists, segments and Insight data."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[int, dict[str, Any]] = {}
        self.lists: dict[int, dict[str, Any]] = {}
        self.segments: dict[int, dict[str, Any]] = {}
        self.refreshes: dict[int, list[str]] = {}
        self.imports: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, int] = {}
        #: collection → {(contact's number or 0, key): json}
        self.collections: dict[str, dict[tuple[int, str], dict[str, Any]]] = {}
        self.scopes: dict[str, str] = {}
        self.schemas: dict[str, dict[str, str]] = {}
        self.steps = ["NotStarted", "Processing"]
        self.done_word = "Complete"
        self.links = "both"  # both | marker | link | null | none
        self.page = 2
        self.quota = {"lowCallRate": 100_000}
        self.used, self.minute = 0, 0
        self.upper = False
        self.deletes_many = True
        self.takes_lists = True  # whether an import of contacts puts them on lists
        self.report = "lists"  # how such an import says whom it took: lists | numbers | none

    def person(self, email: str | None, **more: Any) -> int:
        """A contact of the account."""
        number = 1000 + len(self.people) + 1
        self.people[number] = {"email": email, "lists": set(), **more}
        return number

    def found(self, identifier: str, value: str) -> int | None:
        """The contact whom an identifier names."""
        if identifier == "contactId":
            return int(value) if value.isdigit() and int(value) in self.people else None
        wanted = unquote(value).casefold()
        return next(
            (
                number
                for number, one in self.people.items()
                if str(one.get(identifier) or "").casefold() == wanted
            ),
            None,
        )

    def records(self, collection: str) -> dict[str, dict[str, Any]]:
        """The records of a collection by key."""
        return {key: value for (_, key), value in self.collections.get(collection, {}).items()}

    def handle(self, request: Request) -> Answer:
        if not self.admitted(request):
            return v2_error(401, "ERROR_APIUSER_INVALID")
        if request.body and not request.headers.get("content-type", "").startswith(
            "application/json"
        ):
            return v2_error(415, "ERROR_CONTENT_TYPE_IS_NOT_SUPPORTED")
        value = None
        if request.body:
            try:
                value = request.json()
            except ValueError:
                return v2_error(400, "ERROR_MALFORMED_REQUEST")
        minute, limit = int(self.clock()) // 60, self.quota["lowCallRate"]
        self.used = 1 if minute != self.minute else self.used + 1
        self.minute = minute
        if self.used > limit:
            answer = v3_error(429, "general:tooManyRequests")
        else:
            answer = self._route(request, request.method, request.path, value)
        said = {
            "x-ratelimit-limit": str(limit),
            "X-RATELIMIT-REMAINING": str(max(0, limit - self.used)),
            "X-RateLimit-Reset": str((minute + 1) * 60),
            "X-RateLimit-Scope": "lowCallRate",
        }
        return Answer(answer.status, answer.body, {**said, **answer.headers})

    def _route(self, request: Request, method: str, path: str, value: Any) -> Answer:
        if path == "/v2/account-info" and method == "GET":
            return account_info(self.url)
        if path == "/v2/server-time" and method == "GET":
            return Answer(200, "2026-11-22T03:00:00Z")
        if path.startswith("/insightData/v3/"):
            return self._insight(request, method, path.removeprefix("/insightData/v3/"), value)
        if path == "/contacts/v3" and method == "GET":
            return self._contacts(request)
        if path == "/contacts/v3/import":
            return self._take_contacts(value) if method == "PUT" else Answer(405)
        if match := re.fullmatch(r"/contacts/v3/import/([0-9a-f-]{36})", path):
            return self._taken(match[1]) if method == "GET" else Answer(405)
        if match := re.fullmatch(r"/contacts/v3/(email|mobileNumber|contactId)/(.+)", path):
            number = self.found(match[1], match[2])
            if number is None:
                return v3_error(404, "contacts:contactNotFound")
            return Answer(200, self._contact(number)) if method == "GET" else Answer(405)
        if path.startswith("/v2/address-books"):
            return self._address_books(
                request, method, path.removeprefix("/v2/address-books"), value
            )
        if path.startswith("/v2/segments"):
            return self._segments(request, method, path.removeprefix("/v2/segments"))
        return Answer(404, {"message": "Error: ERROR_UNKNOWN"})

    # Insight data

    def _insight(self, request: Request, method: str, path: str, value: Any) -> Answer:
        if path == "import":
            return self._import(request, value) if method == "PUT" else Answer(405)
        if match := re.fullmatch(r"import/([0-9a-f-]{36})", path):
            return self._imported(match[1]) if method == "GET" else Answer(405)
        if match := re.fullmatch(r"async/([0-9a-f-]{36})", path):
            return self._job(match[1]) if method == "GET" else Answer(405)
        if match := re.fullmatch(r"collections/([^/]+)(/empty|/schema)?", path):
            return self._collection(request, method, match[1], match[2] or "")
        if path == "collections" and method == "GET":
            return Answer(
                200,
                {"_items": [{"collectionName": name} for name in self.collections], "_links": {}},
            )
        bulk = r"contacts/(email|mobileNumber|contactId)/([^/]+)/([^/]+)/deleteRecords"
        if self.deletes_many and (match := re.fullmatch(bulk, path)):
            number = self.found(match[1], match[2])
            if number is None:
                return v3_error(404, "insightData:contactNotFound")
            return self._delete_records(method, match[3], number, value)
        if match := re.fullmatch(r"accounts/([^/]+)/deleteRecords", path):
            return self._delete_records(method, match[1], 0, value)
        if match := re.fullmatch(
            r"contacts/(email|mobileNumber|contactId)/([^/]+)/([^/]+)/(.+)", path
        ):
            return self._record(method, match, value)
        return Answer(404)

    def _import(self, request: Request, value: Any) -> Answer:
        if len(request.body) > LONGEST_CALL:
            return v3_error(413, "insightData:badJson")
        now = self.clock()
        running = [one for one in self.imports.values() if one["steps"] and one["until"] > now]
        if len(running) >= IMPORTS_AT_ONCE:
            return v3_error(429, "insightData:tooManyActiveImports")
        fault = _import_fault(value)
        if fault:
            return v3_error(400, "insightData:badJson", fault)
        number = str(uuid.uuid4())
        steps = [*self.steps, self.done_word]
        self.imports[number] = {"body": value, "steps": steps, "until": now + 30}
        return Answer(202, {"importId": number, "somethingNew": 1})

    def _imported(self, number: str) -> Answer:
        one = self.imports.get(number)
        if one is None:
            return v3_error(404, "insightData:importNotFound")
        if one["steps"]:
            one["status"] = one["steps"].pop(0)
            if not one["steps"] and one["status"] != "Failed":
                self._apply(one)
        answer: dict[str, Any] = {"importId": number, "status": one["status"]}
        if "failures" in one:
            total = len(one["body"]["records"])
            rejected = len(one["failures"])
            answer["summary"] = {
                "totalRecords": total,
                "totalImported": total - rejected,
                "totalRejected": rejected,
            }
            answer["failures"] = one["failures"]
        return Answer(200, answer)

    def _apply(self, one: dict[str, Any]) -> None:
        body = one["body"]
        name = body["collectionName"]
        held = self.collections.setdefault(name, {})
        self.scopes.setdefault(name, body["collectionScope"])
        schema = self.schemas.setdefault(name, {})
        one["failures"] = []
        seen: set[str] = set()
        for record in body["records"]:
            number, reason = 0, ""
            if body["collectionScope"] == "contact":
                identity = record["contactIdentity"]
                found = self.found(identity["identifier"], str(identity["value"]))
                if found is None:
                    reason = (
                        "ContactEmailDoesNotExist"
                        if identity["identifier"] == "email"
                        else "ContactIdDoesNotExist"
                    )
                number = found or 0
            reason = (
                reason
                or ("DuplicateKey" if record["key"] in seen else "")
                or _json_fault(record["json"], schema)
            )
            seen.add(record["key"])
            if reason:
                owner = str(record["contactIdentity"]["value"])
                one["failures"].append(
                    {
                        "collectionOwner": owner.upper() if self.upper else owner,
                        "failureReason": reason,
                        "details": "",
                        "key": record["key"],
                        "json": record["json"],
                    }
                )
                continue
            for field, kind in _kinds(record["json"]).items():
                schema.setdefault(field, kind)
            held[number, record["key"]] = record["json"]

    def _collection(self, request: Request, method: str, name: str, what: str) -> Answer:
        if method == "POST" and not what:
            if request.query.get("collectionScope") not in {"account", "contact"}:
                return v3_error(400, "insightData:badJson", "collectionScope")
            if request.query.get("collectionType") not in TYPES or not COLLECTION.match(name):
                return v3_error(400, "insightData:badJson", "collectionType or name")
            existed = name in self.collections
            self.collections.setdefault(name, {})
            return Answer(200 if existed else 201, {"collectionName": name})
        if name not in self.collections:
            return v3_error(404, "insightData:collectionNotFound")
        if (method, what) == ("GET", "/schema"):
            return Answer(200, self.schemas.get(name, {}))
        if (method, what) in {("DELETE", ""), ("PUT", "/empty")}:
            if what:
                self.collections[name].clear()
            else:
                del self.collections[name]
            job = str(uuid.uuid4())
            self.jobs[job] = 2
            return Answer(202, {"jobId": job})
        return Answer(405)

    def _job(self, number: str) -> Answer:
        if number not in self.jobs:
            return v3_error(404, "insightData:invalidId")
        left = self.jobs[number]
        self.jobs[number] = max(0, left - 1)
        return Answer(200, {"status": ("Finished", "NotFinished", "NotStarted")[left]})

    def _delete_records(self, method: str, name: str, number: int, value: Any) -> Answer:
        if method != "DELETE":
            return Answer(405)
        keys = value.get("keys") if isinstance(value, dict) else None
        if not isinstance(keys, list) or not 1 <= len(keys) <= 5000:
            return v3_error(400, "insightData:noRecordsSpecified")
        held = self.collections.get(name)
        if held is None:
            return v3_error(404, "insightData:collectionNotFound")
        deleted = sum(held.pop((number, key), None) is not None for key in keys)
        summary = {
            "totalRecords": len(keys),
            "totalDeleted": deleted,
            "totalNotFound": len(keys) - deleted,
        }
        return Answer(200, {"summary": summary})

    def _record(self, method: str, match: re.Match[str], value: Any) -> Answer:
        number = self.found(match[1], match[2])
        if number is None:
            return v3_error(404, "insightData:contactNotFound")
        held = self.collections.get(match[3])
        if held is None:
            return v3_error(404, "insightData:collectionNotFound")
        place = (number, unquote(match[4]))
        if method == "PUT":
            existed = place in held
            held[place] = value
            return Answer(204 if existed else 201, None if existed else {"key": match[4]})
        if place not in held:
            return v3_error(404, "insightData:recordNotFound")
        if method == "GET":
            return Answer(200, {"key": match[4], "json": held[place]})
        if method == "DELETE":
            del held[place]
            return Answer(204)
        return Answer(405)

    # Contacts, lists, segments

    def _contact(self, number: int) -> dict[str, Any]:
        one = self.people[number]
        email = one["email"]
        identifiers = {"email": email.upper() if self.upper and email else email} if email else {}
        if one.get("mobileNumber"):
            identifiers["mobileNumber"] = one["mobileNumber"]
        return {
            "contactId": number,
            "status": "subscribed",
            "identifiers": identifiers,
            "somethingNew": None,
        }

    def _contacts(self, request: Request) -> Answer:
        if {"~segmentId", "~listId"} <= set(request.query):
            return v3_error(400, "contacts:invalidQuery")
        limit = int(request.query.get("limit", "1000"))
        if not 1 <= limit <= 5000:
            return v3_error(400, "contacts:invalidLimit")
        if "~segmentId" in request.query:
            segment = self.segments.get(int(request.query["~segmentId"]))
            if segment is None:
                return v3_error(404, "contacts:segmentNotFound")
            numbers = list(segment["members"])
        elif "~listId" in request.query:
            wanted = int(request.query["~listId"])
            if wanted not in self.lists:
                return v3_error(404, "contacts:listNotFound")
            numbers = [number for number, one in self.people.items() if wanted in one["lists"]]
        else:
            numbers = list(self.people)
        marker = request.query.get("marker", "")
        start = int(base64.urlsafe_b64decode(marker)) if marker else 0
        size = min(limit, self.page)
        links: dict[str, Any] = {"self": {"marker": marker, "link": request.path}}
        if start + size < len(numbers):
            token = base64.urlsafe_b64encode(str(start + size).encode()).decode()
            query = "&".join(
                f"{name}={text}" for name, text in request.query.items() if name != "marker"
            )
            following = {
                "marker": token,
                "link": f"{self.url}{request.path}?{query}&marker={token}",
            }
            links["next"] = {
                "both": following,
                "marker": {"marker": token},
                "link": {"link": following["link"]},
            }.get(self.links, following)
        elif self.links == "null":
            links["next"] = None
        elif self.links == "both":
            links["next"] = {"marker": "", "link": ""}
        answer = {
            "_items": [self._contact(number) for number in numbers[start : start + size]],
            "_links": links,
        }
        if self.links == "none" and "next" not in links:
            del answer["_links"]
        return Answer(200, answer)

    def _take_contacts(self, value: Any) -> Answer:
        if not isinstance(value, dict) or value.get("mergeOption") not in {
            "overwrite", "overwriteIfEmpty", "overwriteIfNotEmpty",
        }:  # fmt: skip
            return v3_error(400, "contacts:badJson", "mergeOption")
        contacts = value.get("contacts")
        if not isinstance(contacts, list) or not contacts:
            return v3_error(400, "contacts:badJson", "contacts")
        for one in contacts:
            if one.get("matchIdentifier") not in (one.get("identifiers") or {}):
                return v3_error(400, "contacts:badJson", "matchIdentifier")
        number = str(uuid.uuid4())
        until = self.clock() + 30
        self.imports[number] = {"contacts": contacts, "steps": ["NotFinished"], "until": until}
        return Answer(202, {"importId": number})

    def _taken(self, number: str) -> Answer:
        one = self.imports.get(number)
        if one is None or "contacts" not in one:
            return v3_error(404, "contacts:importNotFound")
        if one["steps"]:
            return Answer(200, {"importId": number, "status": one["steps"].pop(0)})
        created: list[str] = []
        updated: list[str] = []
        failures: list[dict[str, Any]] = []
        for contact in one["contacts"]:
            email = contact["identifiers"]["email"]
            if "@" not in email:
                reasons = [{"failureCode": "invalidEmail", "description": ""}]
                failures.append({"identifiers": contact["identifiers"], "failures": reasons})
                continue
            found = self.found("email", email)
            (created if found is None else updated).append(email)
            found = found or self.person(email)
            if self.takes_lists:
                self.people[found]["lists"] |= set(contact.get("lists", []))
        said: dict[str, Any] = {"importId": number, "status": "Finished", "summary": {}}
        if self.report != "none":
            both = {"created": created, "updated": updated}
            for name, emails in both.items():
                rows = [self._contact(self.found("email", email) or 0) for email in emails]
                said[name] = rows if self.report == "lists" else len(rows)
            said["failures"] = failures
        return Answer(200, said)

    def _segments(self, request: Request, method: str, path: str) -> Answer:
        if path == "" and method == "GET":
            select, skip = int(request.query.get("select", 1000)), int(request.query.get("skip", 0))
            if not 1 <= select <= 1000:
                return v2_error(400, "ERROR_PARAMETER_INVALID")
            rows = [
                {"id": number, "name": one["name"], "contacts": len(one["members"])}
                for number, one in self.segments.items()
            ]
            return Answer(200, rows[skip : skip + min(select, 1000)])
        if match := re.fullmatch(r"/refresh/(\d+)", path):
            number = int(match[1])
            if number not in self.segments:
                return v2_error(404, "ERROR_SEGMENT_NOT_FOUND")
            if method == "POST":
                self.refreshes[number] = ["NotStarted", "Finished"]
                return Answer(202, {"id": number, "status": "NotStarted"})
            if method == "GET":
                left = self.refreshes.setdefault(number, ["Finished"])
                return Answer(
                    200, {"id": number, "status": left.pop(0) if len(left) > 1 else left[0]}
                )
            return Answer(405)
        return Answer(404)

    def _address_books(self, request: Request, method: str, path: str, value: Any) -> Answer:
        if path in {"", "/", "/private", "/public"}:
            if method == "GET":
                return self._lists(request, path.strip("/"))
            if method == "POST" and path in {"", "/"}:
                return self._list_made(value)
            return Answer(405)
        match = re.fullmatch(r"/(\d+)(/contacts(?:/delete|/unsubscribe|/resubscribe)?)?", path)
        if match is None:
            return Answer(404)
        number, what = int(match[1]), match[2] or ""
        if number not in self.lists:
            return v2_error(404, "ERROR_ADDRESSBOOK_NOT_FOUND")
        if not what:
            return self._list(method, number, value)
        if what == "/contacts":
            return self._list_contacts(request, method, number, value)
        if what == "/contacts/delete" and method == "POST":
            if not isinstance(value, list) or not all(isinstance(one, int) for one in value):
                return v2_error(400, "ERROR_PARAMETER_INVALID")
            for one in value:
                if one in self.people:
                    self.people[one]["lists"].discard(number)
            return Answer(202)
        return Answer(405)

    def _shown(self, number: int) -> dict[str, Any]:
        one = self.lists[number]
        members = sum(number in person["lists"] for person in self.people.values())
        return {
            "id": number,
            "name": one["name"],
            "visibility": one["visibility"],
            "contacts": members,
        }

    def _lists(self, request: Request, kind: str) -> Answer:
        select, skip = int(request.query.get("select", 1000)), int(request.query.get("skip", 0))
        if not 1 <= select <= 1000:
            return v2_error(400, "ERROR_PARAMETER_INVALID")
        numbers = [
            n for n, one in self.lists.items() if not kind or one["visibility"].lower() == kind
        ]
        return Answer(200, [self._shown(n) for n in numbers[skip : skip + select]])

    def _list_fault(self, value: Any, *, but: int = 0) -> Answer | None:
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            return v2_error(400, "ERROR_ADDRESSBOOK_INVALID")
        if not 1 <= len(value["name"]) <= 128 or value.get("visibility", "Private") not in {
            "Private",
            "Public",
        }:
            return v2_error(400, "ERROR_ADDRESSBOOK_INVALID")
        names = {one["name"].casefold() for n, one in self.lists.items() if n != but}
        names |= {one["name"].casefold() for one in self.segments.values()}
        return (
            v2_error(400, "ERROR_ADDRESSBOOK_DUPLICATE")
            if value["name"].casefold() in names
            else None
        )

    def _list_made(self, value: Any) -> Answer:
        if fault := self._list_fault(value):
            return fault
        number = 500 + len(self.lists) + 1
        self.lists[number] = {
            "name": value["name"],
            "visibility": value.get("visibility", "Private"),
        }
        return Answer(201, self._shown(number))

    def _list(self, method: str, number: int, value: Any) -> Answer:
        if method == "GET":
            return Answer(200, self._shown(number))
        if method == "PUT":
            if fault := self._list_fault(value, but=number):
                return fault
            self.lists[number].update(name=value["name"])
            return Answer(200, self._shown(number))
        if method == "DELETE":
            del self.lists[number]
            for one in self.people.values():
                one["lists"].discard(number)
            return Answer(204)
        return Answer(405)

    def _list_contacts(self, request: Request, method: str, number: int, value: Any) -> Answer:
        if method == "POST":
            email = value.get("email") if isinstance(value, dict) else None
            if not isinstance(email, str) or "@" not in email:
                return v2_error(400, "ERROR_INVALID_EMAIL")
            found = self.found("email", email) or self.person(email)
            self.people[found]["lists"].add(number)
            return Answer(200, {"id": found, "email": email, "status": "Subscribed"})
        if method == "GET":
            select, skip = int(request.query.get("select", 1000)), int(request.query.get("skip", 0))
            rows = [
                {"id": n, "email": one["email"]}
                for n, one in self.people.items()
                if number in one["lists"]
            ]
            return Answer(200, rows[skip : skip + select])
        if method == "DELETE":
            for one in self.people.values():
                one["lists"].discard(number)
            return Answer(204)
        return Answer(405)


def _import_fault(value: Any) -> str:
    if not isinstance(value, dict):
        return "body"
    if set(value) - {"collectionName", "collectionScope", "collectionType", "records"}:
        return "unknown field"
    if not isinstance(value.get("collectionName"), str) or not COLLECTION.match(
        value["collectionName"]
    ):
        return "collectionName"
    if (
        value.get("collectionScope") not in {"account", "contact"}
        or value.get("collectionType") not in TYPES
    ):
        return "collectionScope or collectionType"
    records = value.get("records")
    if not isinstance(records, list) or not records:
        return "records"
    for record in records:
        identity = record.get("contactIdentity")
        if value["collectionScope"] == "contact" and not (
            isinstance(identity, dict)
            and identity.get("identifier") in {"email", "mobileNumber", "contactId"}
            and identity.get("value")
        ):
            return "contactIdentity"
        if (
            not isinstance(record.get("key"), str)
            or not record["key"]
            or not isinstance(record.get("json"), dict)
        ):
            return "key or json"
    return ""


def _kinds(value: dict[str, Any]) -> dict[str, str]:
    return {
        name: "number"
        if isinstance(one, int | float) and not isinstance(one, bool)
        else type(one).__name__
        for name, one in value.items()
        if one is not None
    }


def _json_fault(value: dict[str, Any], schema: dict[str, str]) -> str:
    for name, one in value.items():
        if len(name) > 255:
            return "JsonKeyTooLong"
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            return "JsonKeyInvalidCharacters"
        if isinstance(one, list) and any(isinstance(inner, list) for inner in one):
            return "JsonContainsNestedArray"
        if isinstance(one, str) and len(one) > 1000:
            return "JsonValueTooLong"
    for name, kind in _kinds(value).items():
        if schema.get(name, kind) != kind:
            return "JsonValueIncompatibleWithSchema"
    return ""
