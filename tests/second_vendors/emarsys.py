"""Emarsys as its public description says (spec/external_apis.md 2.2), and nothing more.

Written from that page alone.
The interface answers under /api/v2 (X-WSSE) and /api/v3 (bearer token); /oauth2/token gives tokens.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from tests.second_vendors.serving import Answer, Request, SecondVendor

CLIENT, CLIENT_SECRET = "client-77", "client-secret-77"
USER, SECRET = "customer001", "wsse-secret-001"
EVERYTHING = {
    *("segment.list", "segment.get", "segment.contact.list", "segment.run"),
    *("combinedsegment.list", "contact.getdata", "contactlist.list", "contactlist.get"),
    "field.list",
}
LONGEST_PAGE = 10_000


class Emarsys(SecondVendor):
    """An account with segments, whose runs leave contact lists behind."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[int, dict[str, str | None]] = {}
        self.segments: dict[int, dict[str, Any]] = {}
        self.combined: dict[int, dict[str, Any]] = {}
        self.lists: dict[int, list[int]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, float] = {}
        self.nonces: set[str] = set()
        self.allowed = set(EVERYTHING)
        self.token_lives = 3600
        self.expires_as_text = False
        self.number_runs = False
        self.numbers_as_text = False
        self.late_list = 0
        self.data_shape = "object"  # object | list
        self.nothing: Any = {}  # what an empty page is: {} | [] | None | False
        self.upper = False
        self.wrap: str | None = None  # a name around lists of segments
        self.steps = ["waiting", "running"]
        self.left_this_minute = 1000
        self.list_number = 9000

    def person(self, email: str | None) -> int:
        """A contact of the account."""
        number = 700_000 + len(self.people) + 1
        self.people[number] = {"3": email}
        return number

    def segment(self, number: int, name: str, people: list[int]) -> None:
        """A segment of the account."""
        self.segments[number] = {"name": name, "members": people}

    # The doors

    def handle(self, request: Request) -> Answer:
        if request.path == "/oauth2/token":
            return self._token(request)
        if request.path == "/healthcheck":
            return Answer(200, {"status": "ok"})
        match = re.fullmatch(r"/api/(v2|v3)(/.*)", request.path)
        if match is None:
            return Answer(404, "<html><body>Not found</body></html>", content_type="text/html")
        admitted = self._wsse(request) if match[1] == "v2" else self._bearer(request)
        if not admitted:
            return self._reply(401, 1, "Unauthorized")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return self._reply(400, 1010, "Content-Type must be application/json")
        self.left_this_minute -= 1
        value = None
        if request.body:
            try:
                value = request.json()
            except ValueError:
                return self._reply(400, 1010, "Invalid JSON payload")
        answer = self._route(request, request.method, match[2], value)
        return Answer(
            answer.status,
            answer.body,
            {
                "X-RateLimit-Limit": "1000",
                "X-Ratelimit-Remaining": str(max(0, self.left_this_minute)),
                "X-RateLimit-Reset": str(int(self.clock()) + 30),
                **answer.headers,
            },
        )

    def _token(self, request: Request) -> Answer:
        wanted = "Basic " + base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
        if request.method != "POST":
            return Answer(405)
        if request.headers.get("authorization") != wanted:
            return Answer(401, {"error": "invalid_client"})
        if not request.headers.get("content-type", "").startswith(
            "application/x-www-form-urlencoded"
        ):
            return Answer(400, {"error": "invalid_request"})
        if parse_qs(request.body.decode()).get("grant_type") != ["client_credentials"]:
            return Answer(400, {"error": "unsupported_grant_type"})
        token = f"token-{len(self.tokens) + 1}"
        self.tokens[token] = self.clock() + self.token_lives
        lives: Any = str(self.token_lives) if self.expires_as_text else self.token_lives
        return Answer(
            200, {"access_token": token, "token_type": "bearer", "expires_in": lives, "scope": ""}
        )

    def _bearer(self, request: Request) -> bool:
        match = re.fullmatch(r"[Bb]earer (\S+)", request.headers.get("authorization", ""))
        return match is not None and self.tokens.get(match[1], 0) > self.clock()

    def _wsse(self, request: Request) -> bool:
        match = re.fullmatch(
            r'UsernameToken Username="([^"]+)", ?PasswordDigest="([^"]+)",'
            r' ?Nonce="([0-9a-f]{32})", ?Created="([^"]+)"',
            request.headers.get("x-wsse", ""),
        )
        if match is None or match[1] != USER or match[3] in self.nonces:
            return False
        try:
            created = datetime.strptime(match[4], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            return False
        if abs((datetime.fromtimestamp(self.clock(), UTC) - created).total_seconds()) > 300:
            return False
        self.nonces.add(match[3])
        hexadecimal = hashlib.sha1((match[3] + match[4] + SECRET).encode()).hexdigest()
        return base64.b64encode(hexadecimal.encode()).decode() == match[2]

    def _reply(self, status: int, code: int, text: str, data: Any = "") -> Answer:
        return Answer(status, {"replyCode": code, "replyText": text, "data": data})

    def _ok(self, data: Any) -> Answer:
        return self._reply(200, 0, "OK", data)

    def _may(self, right: str) -> Answer | None:
        return (
            None if right in self.allowed else self._reply(403, 0, f"Permission {right} is missing")
        )

    # What it can do

    def _route(self, request: Request, method: str, path: str, value: Any) -> Answer:
        if path == "/filter" and method == "GET":
            return self._may("segment.list") or self._ok(
                self._named([self._shown(n) for n in self.segments])
            )
        if path in {"/combinedsegments", "/combinedsegments/"} and method == "GET":
            rows = [
                {"id": self._number(n), "name": one["name"], **one}
                for n, one in self.combined.items()
            ]
            return self._may("combinedsegment.list") or self._ok(self._named(rows))
        if match := re.fullmatch(r"/filter/(\d+)/runs", path):
            return (
                (self._may("segment.run") or self._run(int(match[1])))
                if method == "POST"
                else self._wrong_method()
            )
        if match := re.fullmatch(r"/filter/runs/([^/]+)", path):
            return (
                (self._may("segment.run") or self._ran(match[1]))
                if method == "GET"
                else self._wrong_method()
            )
        if match := re.fullmatch(r"/filter/(\d+)/contacts/?", path):
            return self._may("segment.contact.list") or self._filter_contacts(
                request, int(match[1])
            )
        if match := re.fullmatch(r"/filter/(\d+)/contacts/count", path):
            if int(match[1]) not in self.segments:
                return self._reply(404, 10002, "No segment with this id")
            return self._ok(self._number(len(self._members(int(match[1])))))
        if match := re.fullmatch(r"/contactlist/(\d+)/contacts/data", path):
            return self._may("contactlist.get") or self._list_data(request, int(match[1]))
        if match := re.fullmatch(r"/contactlist/(\d+)/", path):
            return self._may("contactlist.get") or self._list_ids(request, int(match[1]))
        if path == "/contactlist" and method == "GET":
            return self._may("contactlist.list") or self._ok(
                [{"id": str(n), "name": f"list {n}"} for n in self.lists]
            )
        if path == "/contact/getdata" and method == "POST":
            return self._may("contact.getdata") or self._get_data(value)
        if (match := re.fullmatch(r"/field/translate/(\w+)", path)) and method == "GET":
            return self._may("field.list") or self._ok(
                [
                    {
                        "id": 1,
                        "name": "First Name",
                        "application_type": "shorttext",
                        "string_id": "first_name",
                    },
                    {
                        "id": 3,
                        "name": "E-Mail",
                        "application_type": "longtext",
                        "string_id": "email",
                    },
                ]
            )
        if (match := re.fullmatch(r"/field/?", path)) and method == "GET":
            return self._may("field.list") or self._ok([{"id": 3, "name": "E-Mail"}])
        return self._reply(404, 1, "No such path")

    def _wrong_method(self) -> Answer:
        return self._reply(400, 1009, "Wrong HTTP method")

    def _number(self, number: int) -> Any:
        return str(number) if self.numbers_as_text else number

    def _named(self, rows: list[Any]) -> Any:
        return {self.wrap: rows} if self.wrap else rows

    def _shown(self, number: int) -> dict[str, Any]:
        return {
            "id": self._number(number),
            "name": self.segments[number]["name"],
            "type": "contact",
            "tags": [],
            "criteriaTypes": "contact",
            "baseContactListId": self._number(0),
            "predefinedSegmentId": None,
            "somethingNew": {"deep": True},
        }

    def _members(self, number: int) -> list[int]:
        if number in self.segments:
            return list(self.segments[number]["members"])
        definition = self.combined[number]["definition"]
        sets = [set(self._members(int(one))) for one in definition["include"]["segment_ids"]]
        inside = (
            set.union(*sets)
            if definition["include"]["relation"] == "OR"
            else set.intersection(*sets)
        )
        for one in definition.get("exclude", {}).get("segment_ids", []):
            inside -= set(self._members(int(one)))
        return sorted(inside)

    def _run(self, number: int) -> Answer:
        if number not in self.segments and number not in self.combined:
            return self._reply(404, 10002, "No segment with this id")
        if any(one["steps"] for one in self.runs.values()):
            return self._reply(423, 10003, "Another segment is already running")
        name = str(len(self.runs) + 1) if self.number_runs else f"run-{len(self.runs) + 1}"
        self.runs[name] = {
            "segment": number,
            "steps": [*self.steps, "done"],
            "late": self.late_list,
        }
        return self._ok({"run_id": int(name) if self.number_runs else name, "status": "waiting"})

    def _ran(self, name: str) -> Answer:
        run = self.runs.get(name)
        if run is None:
            return self._reply(404, 10008, "No segment run with this id")
        if run["steps"]:
            run["status"] = run["steps"].pop(0)
        shown: dict[str, Any] = {
            "run_id": int(name) if self.number_runs else name,
            "status": run["status"],
        }
        if run["status"] == "done":
            shown["result"] = {"user_count": 0, "opt_in_count": 0, "duration": 3}
            if run["late"]:
                run["late"] -= 1
                return self._ok(shown)
            if "list" not in run:
                self.list_number += 1
                run["list"] = self.list_number
                self.lists[self.list_number] = self._members(run["segment"])
            shown["result"]["contact_list_id"] = self._number(run["list"])
            shown["result"]["user_count"] = self._number(len(self.lists[run["list"]]))
        return self._ok(shown)

    def _paged(self, request: Request, numbers: list[int], longest: int) -> list[int] | Answer:
        try:
            limit, offset = (
                int(request.query.get("limit", longest)),
                int(request.query.get("offset", 0)),
            )
        except ValueError:
            return self._reply(400, 1001, "Invalid parameter")
        if not 1 <= limit <= longest:
            return self._reply(400, 10001, f"Limit must be 1-{longest}")
        if offset < 0:
            return self._reply(400, 10001, "Offset must be zero or positive")
        return numbers[offset : offset + limit]

    def _filter_contacts(self, request: Request, number: int) -> Answer:
        if number not in self.segments and number not in self.combined:
            return self._reply(404, 10002, "No segment with this id")
        page = self._paged(request, self._members(number), 999_999)
        return page if isinstance(page, Answer) else self._ok([str(one) for one in page])

    def _list_ids(self, request: Request, number: int) -> Answer:
        if number not in self.lists:
            return self._reply(404, 3006, "Contact list does not exist")
        page = self._paged(request, self.lists[number], 1_000_000)
        return page if isinstance(page, Answer) else self._ok([str(one) for one in page])

    def _list_data(self, request: Request, number: int) -> Answer:
        if request.method != "GET":
            return self._wrong_method()
        if number not in self.lists:
            return self._reply(404, 3006, "Contact list does not exist")
        fields = request.query.get("fields", "")
        if not re.fullmatch(r"\w+(,\w+)*", fields):
            return self._reply(400, 1001, "Missing parameter fields")
        page = self._paged(request, self.lists[number], LONGEST_PAGE)
        if isinstance(page, Answer):
            return page
        if not page:
            return self._ok(self.nothing)
        rows = [self._data(one, fields.split(",")) for one in page]
        if self.data_shape == "list":
            return self._ok(rows)
        return self._ok({str(one): row for one, row in zip(page, rows, strict=True)})

    def _data(self, number: int, fields: list[str]) -> dict[str, Any]:
        person = self.people[number]
        shown = {name: person.get(name) for name in fields}
        if self.upper and shown.get("3"):
            shown["3"] = str(shown["3"]).upper()
        return {"fields": shown, "id": self._number(number), "uid": f"u{number}"}

    def _get_data(self, value: Any) -> Answer:
        if not isinstance(value, dict) or not isinstance(value.get("keyValues"), list):
            return self._reply(400, 1001, "Missing parameter keyValues")
        if len(value["keyValues"]) > 1000:
            return self._reply(400, 1000, "More than 1000 contacts in batch")
        fields = [str(one) for one in value.get("fields", [])]
        errors, result = [], []
        for key in value["keyValues"]:
            if str(value.get("keyId")) == "id":
                numbers = [int(key)] if str(key).isdigit() and int(key) in self.people else []
            elif str(value.get("keyId")) == "uid":
                numbers = [n for n in self.people if f"u{n}" == str(key)]
            else:
                field = str(value.get("keyId"))
                numbers = [
                    n
                    for n, one in self.people.items()
                    if (one.get(field) or "").lower() == str(key).lower()
                ]
            if not numbers:
                text = "No contact found with the external identifier"
                errors.append({"key": key, "errorCode": 2008, "errorMsg": text})
            for number in numbers[:1]:
                row = self._data(number, fields)
                result.append({"id": str(number), "uid": row["uid"], **row["fields"]})
        return self._ok({"errors": errors, "result": result or False})
