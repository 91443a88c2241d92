"""Dotdigital as a local server: regions, limits of rate, Insight data, segments, lists, contacts.

*Source:* the vendor's OpenAPI documents and pages, as integrations/connectors/dotdigital/README.md
lists them. What they leave open is decided here and named "assumed".
"""

import base64
import binascii
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.dotdigital_contacts import Contacts, Refused
from integrations.sandbox.dotdigital_insight import InsightData
from integrations.sandbox.server import Request, Response, Sandbox

_REGION = re.compile(r"^/(r[123])(?=/)")
# Calls a minute by tier; what sends messages and polls is not limited.
_RATES = {"low": 120, "medium": 300, "high": 600}


@dataclass(frozen=True)
class _Route:
    method: str
    path: re.Pattern[str]
    tier: str
    answer: Callable[..., Response]


class Dotdigital(Sandbox):
    """One account in a region. Contacts are known when they were imported, by `learn` or `move_in`.

    Jobs of the vendor (imports, refreshes, emptying) last `seconds`, by the `clock`. `rates` are
    the calls a minute of each tier; with `per_hour` the older flat limit holds instead.
    """

    name = "dotdigital"
    port = 8301

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        username: str = "apiuser-5f0c2d9a1b7e@apiconnector.com",
        password: str = "sandbox-1",  # noqa: S107 - there is nothing behind it
        region: str = "r2",
        seconds: float = 2.0,
    ) -> None:
        super().__init__(clock=clock)
        self.username, self.password, self.region = username, password, region
        self.number = 1
        self.is_enabled = True
        self.rates = dict(_RATES)
        self.per_hour: int | None = None
        self.contacts = Contacts(clock, seconds)
        self.insight = InsightData(self.contacts, clock, seconds)
        self._calls: dict[tuple[str, int], int] = {}
        self._routes = [*_routes(self)]
        self.add_segment("Ordered in the last month", self._with("ss_ordercountlast30days", 1))
        self.add_segment(
            "Highest lifetime value", self._with("ss_lifetimepurchasevaluepercentile", 90)
        )
        self.add_segment("All contacts", lambda: set(self.contacts.by_id))

    def describe(self) -> list[str]:
        """What to type into the form."""
        lists = ", ".join(one.name for one in self.contacts.lists.values())
        return [
            f"API username {self.username}",
            f"API password {self.password}",
            f"The account is in the region {self.region}; segments: "
            + ", ".join(one.name for one in self.contacts.segments.values())
            + (f"; lists: {lists}" if lists else ""),
            f"It knows {len(self.contacts.by_id)} contacts"
            + (
                "."
                if self.contacts.unknown is None
                else ", and whoever else it is told of; of a hundred addresses"
                f" {self.contacts.unknown} are unknown to it."
            ),
        ]

    def learn(self, emails: Iterable[str]) -> None:
        """Let these be contacts of the account."""
        with self.lock:
            for email in emails:
                self.contacts.add(email)

    def move_in(self, addresses: Sequence[str], *, unknown: int) -> None:
        """Know these, with a list and segments of theirs, and whoever is named from now on.

        Who is unknown is decided by the address: always the same people.
        """
        with self.lock:
            self.contacts.unknown = unknown
            known = [one for one in addresses if self.contacts.is_welcome(one)]
            self.learn(known)
            elsewhere = ["only.there@elsewhere.example"]
            self.contacts.add_list("Newsletter", known[::3])
            self.add_segment("Readers of the newsletter", [*known[::3], *elsewhere])
            self.add_segment("Opened a mail this month", [*known[::7], *elsewhere])
            for segment in self.contacts.segments.values():
                segment.members = segment.rule()

    def add_segment(self, name: str, members: Iterable[str] | Callable[[], set[int]]) -> int:
        """Build a segment as somebody does in Dotdigital: of addresses, or by a rule; its id.

        Who is in is known when it was refreshed; of addresses at once.
        """
        with self.lock:
            return self.contacts.add_segment(name, members)

    def records(self, collection: str) -> dict[str, tuple[str, Any]]:
        """What is in a collection: the contact's address and the document, by key."""
        with self.lock:
            self.insight.settle()
            return self.insight.records(collection)

    def members(self, name: str) -> set[str]:
        """The addresses on a list."""
        with self.lock:
            self.contacts.settle()
            return self.contacts.members(name)

    def handle(self, request: Request) -> Response:
        """Answer as the account of one region does."""
        self.contacts.settle()
        self.insight.settle()
        region = _REGION.match(request.path)
        path = request.path[3:] if region else request.path
        is_v3 = "/v3" in path
        if not self._is_authorized(request):
            body = None if is_v3 else {"message": "Error: ERROR_APIUSER_INVALID"}
            return Response(401, body)
        here = region.group(1) if region else "r1"
        if here != self.region and path != "/v2/account-info":
            return Response(403, {"message": "Access is denied"})
        for route in self._routes:
            match = route.path.fullmatch(path)
            if match and route.method == request.method:
                refused, headers = self._limit(route.tier, is_v3=is_v3)
                answer = refused or self._answer(route, request, match.groups(), is_v3=is_v3)
                return Response(answer.status, answer.body, {**answer.headers, **headers})
        known = any(route.path.fullmatch(path) for route in self._routes)
        return _error(405 if known else 404, "general:notFound", "ERROR_UNKNOWN", is_v3=is_v3)

    def _answer(
        self, route: _Route, request: Request, groups: tuple[str, ...], *, is_v3: bool
    ) -> Response:
        try:
            return route.answer(request, *groups)
        except Refused as refused:
            return _error(refused.status, refused.code, refused.code, is_v3=is_v3)
        except (ValueError, KeyError, TypeError, AttributeError):
            service = "insightData" if "insightData" in request.path else "contacts"
            return _error(400, f"{service}:badJson", "ERROR_MALFORMED_REQUEST", is_v3=is_v3)

    def _is_authorized(self, request: Request) -> bool:
        scheme, _space, mark = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(mark, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return scheme == "Basic" and self.is_enabled and given == f"{self.username}:{self.password}"

    def _limit(self, tier: str, *, is_v3: bool) -> tuple[Response | None, dict[str, str]]:
        """The refusal of a call too many, and what is said of the limit."""
        now = self.clock()
        if self.per_hour is not None:
            hour = ("hour", int(now // 3600))
            self._calls[hour] = self._calls.get(hour, 0) + 1
            if self._calls[hour] > self.per_hour:
                return Response(400, {"message": "Error: ERROR_APIUSAGE_EXCEEDED"}), {}
            return None, {}
        limit = self.rates.get(tier)
        if limit is None:
            return None, {}
        window = (tier, int(now // 60))
        used = self._calls[window] = self._calls.get(window, 0) + 1
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - used)),
            "X-RateLimit-Reset": str((window[1] + 1) * 60),
            "X-RateLimit-Scope": f"{tier}CallRate",
        }
        if used <= limit:
            return None, headers
        return _error(429, "general:rateLimit", "ERROR_RATE_LIMIT", is_v3=is_v3), headers

    def _with(self, field: str, least: float) -> Callable[[], set[int]]:
        """A rule of Insight data: contacts with a record of at least so much."""

        def found() -> set[int]:
            return self.insight.contacts_with("SS_Segmentation_Data", field, least)

        return found

    def account_info(self, request: Request) -> Response:
        """Who asks, and where the account is."""
        used = sum(self._calls.values())
        prefix = "" if self.region == "r1" else f"/{self.region}"
        properties = [
            ("Name", "String", "Sandbox Ltd"),
            ("MainEmail", "String", "owner@sandbox.example"),
            ("ApiEndpoint", "String", f"{self.url}{prefix}/"),
            ("ApiCallsInLastHour", "Int", str(used)),
            ("ApiCallsRemaining", "Int", str(max(0, (self.per_hour or 2000) - used))),
            ("TimeZoneIana", "String", "Europe/London"),
            ("CurrencyCode", "String", "GBP"),
        ]
        named = [{"name": n, "type": t, "value": v} for n, t, v in properties]
        return Response(200, {"id": self.number, "properties": named})

    def server_time(self, request: Request) -> Response:
        """The vendor's clock."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.clock()))
        return Response(200, now)


def _routes(account: Dotdigital) -> Iterable[_Route]:
    contacts, insight = account.contacts, account.insight
    for method, path, tier, answer in (
        ("GET", "/v2/account-info", "high", account.account_info),
        ("GET", "/v2/server-time", "high", account.server_time),
        ("GET", "/v2/segments", "medium", contacts.list_segments),
        ("POST", "/v2/segments/refresh/(\\d+)", "medium", contacts.refresh_segment),
        ("GET", "/v2/segments/refresh/(\\d+)", "free", contacts.refresh_state),
        ("GET", "/v2/address-books", "medium", contacts.list_lists),
        ("POST", "/v2/address-books", "medium", contacts.create_list),
        ("GET", "/v2/address-books/(\\d+)", "high", contacts.show_list),
        ("PUT", "/v2/address-books/(\\d+)", "medium", contacts.change_list),
        ("DELETE", "/v2/address-books/(\\d+)", "medium", contacts.delete_list),
        ("POST", "/v2/address-books/(\\d+)/contacts", "medium", contacts.add_one),
        ("DELETE", "/v2/address-books/(\\d+)/contacts", "low", contacts.remove_all),
        ("POST", "/v2/address-books/(\\d+)/contacts/delete", "low", contacts.remove_some),
        ("GET", "/contacts/v3", "low", contacts.page),
        ("POST", "/contacts/v3", "medium", contacts.create),
        ("PUT", "/contacts/v3/import", "low", contacts.import_many),
        ("GET", "/contacts/v3/import/([^/]+)", "free", contacts.import_state),
        ("POST", "/contacts/v3/delete", "low", contacts.delete_many),
        ("GET", "/contacts/v3/([^/]+)/([^/]+)", "high", contacts.show),
        ("PATCH", "/contacts/v3/([^/]+)/([^/]+)", "medium", contacts.patch),
        ("DELETE", "/contacts/v3/([^/]+)/([^/]+)", "medium", contacts.delete),
        ("PUT", "/insightData/v3/import", "low", insight.import_many),
        ("GET", "/insightData/v3/import/([^/]+)", "free", insight.import_state),
        ("GET", "/insightData/v3/async/([^/]+)", "free", insight.job_state),
        ("GET", "/insightData/v3/collections", "high", insight.list_collections),
        ("POST", "/insightData/v3/collections/([^/]+)", "medium", insight.create_collection),
        ("GET", "/insightData/v3/collections/([^/]+)/schema", "high", insight.show_schema),
        ("DELETE", "/insightData/v3/collections/([^/]+)", "medium", insight.delete_collection),
        ("DELETE", "/insightData/v3/collections/([^/]+)/empty", "medium", insight.empty),
        ("PUT", "/insightData/v3/collections/([^/]+)/empty", "medium", insight.empty),
        (
            "DELETE",
            "/insightData/v3/contacts/([^/]+)/([^/]+)/([^/]+)/deleteRecords",
            "medium",
            insight.delete_records,
        ),
        (
            "GET",
            "/insightData/v3/contacts/([^/]+)/([^/]+)/([^/]+)/([^/]+)",
            "high",
            insight.show_record,
        ),
        (
            "PUT",
            "/insightData/v3/contacts/([^/]+)/([^/]+)/([^/]+)/([^/]+)",
            "medium",
            insight.put_record,
        ),
        (
            "DELETE",
            "/insightData/v3/contacts/([^/]+)/([^/]+)/([^/]+)/([^/]+)",
            "medium",
            insight.delete_record,
        ),
    ):
        yield _Route(method, re.compile(path), tier, answer)


def _error(status: int, v3: str, v2: str, *, is_v3: bool) -> Response:
    """An error in the envelope of the family that was called."""
    if is_v3:
        words = f"The request was refused: {v3.partition(':')[2]}"
        return Response(status, {"errorCode": v3, "description": words})
    return Response(status, {"message": f"Error: {v2}"})
