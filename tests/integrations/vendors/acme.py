"""A vendor that exists in tests only: its system, its connector, a way to have both for a while.

The rules of connections are tested with it, so that no quirk of a real vendor is in the way.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from integrations import outbound
from integrations.connector import Http, HttpAnswer
from integrations.errors import CredentialsRejected, MalformedAnswer, PermanentError, TemporaryError
from integrations.models import VendorConnection
from integrations.sandbox.server import Request, Response, Sandbox, running
from integrations.vendors import connections, registry
from integrations.vendors.registry import (
    CredentialField,
    SettingField,
    Sync,
    SyncRun,
    Vendor,
    Verified,
)
from tests.factories import NOW
from workspace import websites
from workspace.access import SYSTEM
from workspace.models import Website

KIND = "acme"
PASSWORD = 's€cret "word"/+&'
RIGHT = {"username": "apiuser", "password": PASSWORD}


class Acme(Sandbox):
    """Takes one login; keeps records by website; deletes 1,000 of them at a time."""

    name = "acme"

    def __init__(self) -> None:
        super().__init__()
        self.password = PASSWORD
        self.records: dict[str, int] = {}
        self.uploads = 0

    def handle(self, request: Request) -> Response:
        given = f"apiuser:{self.password}".encode()
        expected = f"Basic {base64.b64encode(given).decode()}"
        if request.headers.get("authorization") != expected:
            # Some vendors repeat what they were sent.
            sent = request.headers.get("authorization", "").removeprefix("Basic ")
            login = base64.b64decode(sent).decode()
            return Response(401, {"message": f"Login failed for {login}."})
        if request.path == "/account":
            limits = {"X-RateLimit-Limit": "2000", "X-RateLimit-Remaining": "1990"}
            return Response(200, {"name": "Acme GmbH"}, limits)
        if request.path == "/metrics":
            self.uploads += 1
            sent_records = request.document()["records"]
            self.records |= sent_records
            return Response(200, {"taken": len(sent_records)})
        site = request.path.removeprefix("/sites/")
        deleted = min(1000, self.records.get(site, 0))
        self.records[site] = self.records.get(site, 0) - deleted
        return Response(200, {"deleted": deleted, "left": self.records[site]})


def _call(
    http: Http, credentials: Mapping[str, str], method: str, path: str, body: Any = None
) -> Any:
    login = f"{credentials['username']}:{credentials['password']}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
    content = b"" if body is None else json.dumps(body).encode()
    answer = http.request(method, path, headers=headers, body=content, seconds=5.0)
    _note_limit(http, answer)
    if answer.status == 401:
        raise CredentialsRejected(json.loads(answer.text)["message"], http_status=401)
    if answer.status >= 500:
        raise TemporaryError("Acme does not work at present.", http_status=answer.status)
    if answer.status >= 400:
        raise PermanentError("Acme refuses that.", http_status=answer.status)
    try:
        return json.loads(answer.text)
    except ValueError as error:
        raise MalformedAnswer("Acme answered something odd.") from error


def _note_limit(http: Http, answer: HttpAnswer) -> None:
    limit, remaining = (
        answer.headers.get(f"x-ratelimit-{name}") for name in ("limit", "remaining")
    )
    if limit and remaining:
        http.note_limit("account", limit=int(limit), remaining=int(remaining), reset_at=None)


def _verify(http: Http, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> Verified:
    found = _call(http, credentials, "GET", "/account")
    return Verified(account_name=found["name"])


def _upload(run: SyncRun) -> None:
    """A record for each website, and one for all where there is none."""
    sites = Website.objects.filter(
        pk__in=VendorConnection.objects.get(pk=run.connection_id)
        .connection_websites.filter(state="attached")
        .values("website_id")
    )
    records = {site.key: 2500 for site in sites}
    run.advance(0, len(records), "sending")
    answer = _call(run.http, run.credentials, "POST", "/metrics", {"records": records})
    run.counts["sent"] = answer["taken"]
    run.counts["skipped_without_email"] = 3


def _delete(run: SyncRun, website_id: int) -> int | None:
    site = Website.objects.get(pk=website_id).key
    answer = _call(run.http, run.credentials, "DELETE", f"/sites/{site}")
    return None if answer["left"] else 2500


def _check_collection(value: str) -> str:
    return "" if value.isidentifier() else "A collection has letters and digits only."


@contextmanager
def acme(*, has_websites: bool = True) -> Iterator[Acme]:
    """The system runs, and one can connect to it, as long as the block lasts."""
    tables: list[dict[str, Any]] = [
        *(registry._vendors, registry._syncs, registry._deleters, registry._counters)
    ]
    known = [dict(one) for one in tables]
    with running(Acme()) as sandbox:
        assert isinstance(sandbox, Acme)
        registry.register_vendor(_vendor(sandbox, has_websites=has_websites))
        registry.register_sync(KIND, Sync("metrics", "Metrics", _upload))
        registry.register_sync(KIND, Sync("lists", "Lists", lambda run: None, is_periodic=False))
        if has_websites:
            registry.register_deleter(KIND, _delete, count=lambda _connection, _website: 2500)
        try:
            yield sandbox
        finally:
            for kept, before in zip(tables, known, strict=True):
                kept.clear()
                kept.update(before)
            # Nobody answers any more where these lead to.
            while outbound._clients:
                outbound._clients.pop().close()


def _vendor(sandbox: Acme, *, has_websites: bool) -> Vendor:
    return Vendor(
        kind=KIND,
        label="Acme",
        description="Figures of your customers, where mailings are made.",
        base_url=lambda settings: f"{sandbox.url}{settings.get('path', '')}",
        credentials=[
            CredentialField("username", "API username"),
            CredentialField("password", "API password", is_secret=True),
        ],
        verify=_verify,
        settings=[
            SettingField("collection", "Collection", "Figures", check=_check_collection),
            SettingField("pace", "Pace", "slow", choices=[("slow", "slow"), ("fast", "fast")],
                         kind="choice"),
            SettingField("parts", "Parts", ["a"], choices=lambda: [("a", "A"), ("b", "B")],
                         kind="choices"),
            SettingField("dry", "Dry run", False, kind="flag"),
            SettingField("days", "Days", 30, kind="number"),
        ],
        help=["Log into Acme.", "Settings → Access → API Users."],
        help_url="https://acme.example/help",
        has_websites=has_websites,
        remains="The records stay in the collection.",
    )  # fmt: skip


def make_site(key: str = "web") -> Website:
    """A website."""
    return websites.add_website(
        name=f"Shop {key}", key=key, domain=f"{key}.example.com", actor=SYSTEM, at=NOW
    )


def connect(*sites: Website, **given: Any) -> VendorConnection:
    """A connection that was authorized."""
    return connections.authorize_connection(
        **{
            "kind": KIND,
            "credentials": RIGHT,
            "websites": sites,
            "actor": SYSTEM,
            "at": NOW,
            **given,
        }
    )
