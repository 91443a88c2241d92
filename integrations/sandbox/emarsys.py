"""Emarsys as its API behaves: WSSE and OAuth2, segments that take their time, codes inside 200.

*Source:* the public pages that integrations/connectors/emarsys/README.md names.
"""

import base64
import hashlib
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.server import Request, Response, Sandbox

EMAIL, EXTERNAL = "3", "4711"
_SKEW_SECONDS = 300
_TOKEN_SECONDS = 3600
_PER_MINUTE = 1000
_BATCH, _PAGE = 1000, 10_000
_WSSE = re.compile(
    r'UsernameToken Username="([^"]+)", PasswordDigest="([^"]+)", Nonce="([^"]+)",'
    r' Created="([^"]+)"'
)
_FIELDS = (
    (1, "First Name", "shorttext"), (2, "Last Name", "shorttext"), (3, "Email", "longtext"),
    (31, "Opt-In", "singlechoice"), (37, "Mobile", "shorttext"),
    (int(EXTERNAL), "Customer number", "shorttext"),
)  # fmt: skip


@dataclass
class Contact:
    """Somebody whom Emarsys knows: values by the numbers of fields."""

    id: int
    fields: dict[str, str]
    uid: str = field(default_factory=lambda: secrets.token_hex(5))


@dataclass
class Segment:
    """A segment: whom it has, though nobody learns of it before it was run."""

    id: int
    name: str
    contact_ids: list[int]
    kind: str = "criteria"


@dataclass
class Combined:
    """A combined segment: sets of segments, joined as its definition says."""

    id: int
    name: str
    definition: dict[str, Any]


@dataclass
class Run:
    """A run of a segment: `states` are what it says when it is asked, the last one for ever."""

    id: str
    segment_id: int
    states: deque[str]
    started_at: float
    contact_list_id: int | None = None


class Refusal(Exception):
    """What is refused, as Emarsys says it."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.answer = _envelope(None, status=status, code=code, text=text)


class EmarsysSandbox(Sandbox):
    """An Emarsys account.

    `run_states` are what a run answers one poll after the other; one that nobody asks for is over
    after `run_seconds`. `count_waits` is how often a count answers 202 before it is known.
    `forbidden` are beginnings of paths for which the user has no permission.
    """

    name = "emarsys"
    port = 8302

    def __init__(self, *, clock: Callable[[], float] | None = None) -> None:
        super().__init__(**({} if clock is None else {"clock": clock}))
        self.users = {"sandbox001": "emarsys-sandbox-secret"}
        self.clients = {"sandbox-client": "emarsys-sandbox-client-secret"}
        self.contacts: dict[int, Contact] = {}
        self.segments: dict[int, Segment] = {}
        self.combined: dict[int, Combined] = {}
        self.lists: dict[int, list[int]] = {}
        self.runs: dict[str, Run] = {}
        self.run_states = ["waiting", "running", "done"]
        self.run_seconds = 60.0
        self.count_waits = 0
        self.per_minute = _PER_MINUTE
        self.token_seconds = _TOKEN_SECONDS
        self.forbidden: tuple[str, ...] = ()
        self._tokens: dict[str, tuple[str, float]] = {}
        self._nonces: dict[str, float] = {}
        self._calls: dict[str, deque[float]] = {}
        self._counted: dict[int, int] = {}
        self._ids = iter(range(1000, 10**9))

    def learn(self, addresses: Iterable[str], **fields: str) -> list[int]:
        """Contacts with these addresses, known from now on; their ids."""
        with self.lock:
            known = {one.fields.get(EMAIL): one.id for one in self.contacts.values()}
            found = []
            for address in addresses:
                if address not in known:
                    one = Contact(next(self._ids), {EMAIL: address, **fields})
                    self.contacts[one.id] = one
                    known[address] = one.id
                found.append(known[address])
            return found

    def add_segment(self, name: str, addresses: Iterable[str] = ()) -> Segment:
        """A segment of these; whoever is not known is learnt."""
        with self.lock:
            made = Segment(next(self._ids), name, self.learn(addresses))
            self.segments[made.id] = made
            return made

    def move_in(self, addresses: Sequence[str], *, unknown: int) -> None:
        """Have these in the segments, too, as people of a company that has used it for long.

        Of a hundred so many are unknown: here, they are in no segment.
        """
        known = [one for place, one in enumerate(addresses) if place * 37 % 100 >= unknown]
        with self.lock:
            for segment, step in zip(list(self.segments.values()), (5, 2), strict=False):
                there = set(segment.contact_ids)
                segment.contact_ids += [
                    one for one in self.learn(known[::step]) if one not in there
                ]

    def drop_segment(self, segment_id: int) -> bool:
        """Delete a segment, as somebody does there; false where there is none."""
        with self.lock:
            return self.segments.pop(segment_id, None) is not None

    def add_combined(
        self,
        name: str,
        include: Iterable[Segment],
        exclude: Iterable[Segment] = (),
        *,
        relation: str = "OR",
    ) -> Combined:
        """A combined segment of those in the included ones and not in the excluded ones."""
        with self.lock:
            definition: dict[str, Any] = {
                "include": {"relation": relation, "segment_ids": [one.id for one in include]}
            }
            if left_out := [one.id for one in exclude]:
                definition["exclude"] = {"relation": "OR", "segment_ids": left_out}
            made = Combined(next(self._ids), name, definition)
            self.combined[made.id] = made
            return made

    def describe(self) -> list[str]:
        """What to authorize with, and how to make a segment."""
        (user, secret), (client, client_secret) = (*self.users.items(), *self.clients.items())
        return [
            f"OAuth2: client id {client}, secret {client_secret}",
            f"WSSE: API user {user}, secret {secret}",
            f'A segment of your own: curl -d \'{{"name": "VIP", "emails": ["a@b.example"]}}\''
            f" {self.url}/sandbox/segments",
            f"What there is: curl {self.url}/sandbox/segments; without one of them:"
            f" curl -X DELETE {self.url}/sandbox/segments/NUMBER",
        ]

    def handle(self, request: Request) -> Response:
        """The answer of the token endpoint, of the API, or of the sandbox itself."""
        if request.path == "/oauth2/token":
            return self._token(request)
        if request.path == "/healthcheck":
            return Response(body={"status": "ok"})
        if request.path == "/sandbox/segments" and request.method == "POST":
            given = request.document()
            made = self.add_segment(given["name"], given["emails"])
            return Response(201, {"id": made.id})
        if request.path == "/sandbox/segments" and request.method == "GET":
            told = {one.id: (one.name, len(one.contact_ids)) for one in self.segments.values()}
            return Response(body={str(pk): list(facts) for pk, facts in told.items()})
        if request.method == "DELETE" and (
            found := re.fullmatch(r"/sandbox/segments/(\d{1,9})", request.path)
        ):
            return Response(204 if self.drop_segment(int(found[1])) else 404, b"")
        found = re.fullmatch(r"/api/(v[23])/(.*?)/?", request.path)
        if found is None:
            return Response(404, b"Not Found", {"Content-Type": "text/plain"})
        try:
            caller = self._caller(request, version=found[1])
            limits = self._count_call(caller)
            if isinstance(limits, Response):
                return limits
            answer = self._answer(request, found[2])
        except Refusal as refusal:
            return refusal.answer
        return Response(answer.status, answer.body, {**answer.headers, **limits})

    def _answer(self, request: Request, path: str) -> Response:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Refusal(400, 1001, "Content-Type must be application/json")
        if any(path.startswith(one) for one in self.forbidden):
            raise Refusal(403, 1, "Permission denied")
        for method, pattern, answer in self._routes():
            if (found := re.fullmatch(pattern, path)) is None:
                continue
            if request.method == method:
                return answer(request, *found.groups())
        raise Refusal(400, 1009, "HTTP method not allowed")

    def _routes(self) -> list[tuple[str, str, Callable[..., Response]]]:
        return [
            ("GET", r"filter", self._list_segments),
            ("GET", r"filter/(\d+)/contacts/count", self._count),
            ("GET", r"filter/(\d+)/contacts", self._segment_contacts),
            ("POST", r"filter/(\d+)/runs", self._begin_run),
            ("GET", r"filter/runs/([^/]+)", self._run),
            ("GET", r"combinedsegments", self._list_combined),
            ("GET", r"combinedsegments/(\d+)", self._one_combined),
            ("GET", r"contactlist/(\d+)/contacts/data", self._list_data),
            ("GET", r"contactlist/(\d+)", self._list_ids),
            ("GET", r"contactlist/(\d+)/count", self._list_count),
            ("POST", r"contact/getdata", self._get_data),
            ("PUT", r"contact", self._change),
            ("GET", r"field/translate/(\w+)", self._fields),
        ]

    # --- Who calls -------------------------------------------------------------------------------

    def _token(self, request: Request) -> Response:
        given = request.headers.get("authorization", "")
        client, _colon, secret = _decoded(given.removeprefix("Basic ")).partition(":")
        if request.method != "POST" or b"grant_type=client_credentials" not in request.body:
            return Response(400, {"error": "unsupported_grant_type"})
        if not secret or self.clients.get(client) != secret:
            return Response(401, {"error": "invalid_client"})
        token = secrets.token_urlsafe(24)
        self._tokens[token] = (client, self.clock() + self.token_seconds)
        return Response(
            body={"access_token": token, "token_type": "bearer", "expires_in": self.token_seconds}
        )

    def forget_tokens(self) -> None:
        """Every token that was given is worth nothing any more."""
        with self.lock:
            self._tokens.clear()

    def _caller(self, request: Request, *, version: str) -> str:
        if version == "v3":
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            client, until = self._tokens.get(token, ("", 0.0))
            if client not in self.clients or until <= self.clock():
                raise Refusal(401, 1, "Unauthorized")
            return client
        found = _WSSE.fullmatch(request.headers.get("x-wsse", ""))
        if found is None:
            raise Refusal(401, 1, "Unauthorized")
        user, digest, nonce, created = found.groups()
        secret = self.users.get(user)
        # Of the hexadecimal text, not of the bytes: so the vendor's own example does it.
        text = hashlib.sha1(f"{nonce}{created}{secret}".encode()).hexdigest()  # noqa: S324
        if secret is None or base64.b64encode(text.encode()).decode() != digest:
            raise Refusal(401, 1, "Unauthorized")
        if abs(_seconds(created) - self.clock()) > _SKEW_SECONDS or nonce in self._nonces:
            raise Refusal(401, 1, "Unauthorized")
        self._nonces[nonce] = self.clock()
        return user

    def _count_call(self, caller: str) -> dict[str, str] | Response:
        now = self.clock()
        calls = self._calls.setdefault(caller, deque())
        while calls and calls[0] <= now - 60:
            calls.popleft()
        reset = int((calls[0] if calls else now) + 60) + 1
        is_over = len(calls) >= self.per_minute
        if not is_over:
            calls.append(now)
        headers = {
            "X-RateLimit-Limit": str(self.per_minute),
            "X-Ratelimit-Remaining": str(max(0, self.per_minute - len(calls))),
            "X-RateLimit-Reset": str(reset),
        }
        if is_over:
            body = {"replyCode": 7003, "replyText": "Too many requests", "data": ""}
            return Response(429, body, headers)
        return headers

    # --- Segments --------------------------------------------------------------------------------

    def _list_segments(self, request: Request) -> Response:
        return _envelope(
            [
                {
                    "id": str(one.id),
                    "name": one.name,
                    "type": one.kind,
                    "tags": [],
                    "criteriaTypes": "contact",
                    "baseContactListId": 0,
                    "predefinedSegmentId": None,
                }
                for one in self.segments.values()
            ]
        )

    def _count(self, request: Request, segment_id: str) -> Response:
        segment = self._segment(segment_id)
        asked = self._counted[segment.id] = self._counted.get(segment.id, 0) + 1
        if asked <= self.count_waits:
            return _evaluating()
        return _envelope(len(segment.contact_ids))

    def _segment_contacts(self, request: Request, segment_id: str) -> Response:
        segment = self._segment(segment_id)
        return _envelope(_page(segment.contact_ids, request.query, limit=1_000_000))

    def _begin_run(self, request: Request, segment_id: str) -> Response:
        segment = self._segment(segment_id)
        if any(self._state(run) in {"waiting", "running"} for run in self.runs.values()):
            raise Refusal(423, 10003, "Another segment is already running")
        run = Run(secrets.token_hex(8), segment.id, deque(self.run_states), self.clock())
        self.runs[run.id] = run
        return _envelope({"run_id": run.id, "status": run.states[0]})

    def _run(self, request: Request, run_id: str) -> Response:
        run = self.runs.get(run_id)
        if run is None:
            raise Refusal(404, 10008, "Segment run not found")
        if len(run.states) > 1:
            run.states.popleft()
        data: dict[str, Any] = {"run_id": run.id, "status": self._state(run)}
        if data["status"] == "done":
            segment = self.segments.get(run.segment_id)
            if run.contact_list_id is None:
                run.contact_list_id = next(self._ids)
                self.lists[run.contact_list_id] = [] if segment is None else segment.contact_ids[:]
            count = len(self.lists[run.contact_list_id])
            data["result"] = {
                "contact_list_id": run.contact_list_id,
                "user_count": count,
                "opt_in_count": count,
                "duration": 1,
            }
        return _envelope(data)

    def _state(self, run: Run) -> str:
        if run.states[0] in {"waiting", "running"} and (
            self.clock() - run.started_at > self.run_seconds
        ):
            run.states = deque(["done"])
        return run.states[0]

    def _list_combined(self, request: Request) -> Response:
        return _envelope([{"id": one.id, "name": one.name} for one in self.combined.values()])

    def _one_combined(self, request: Request, combined_id: str) -> Response:
        one = self.combined.get(int(combined_id))
        if one is None:
            raise Refusal(404, 13001, "Combined segment not found")
        return _envelope({"id": one.id, "name": one.name, "definition": one.definition})

    def _segment(self, segment_id: str) -> Segment:
        found = self.segments.get(int(segment_id))
        if found is None:
            raise Refusal(404, 10002, "Segment not found")
        return found

    # --- Lists and contacts ----------------------------------------------------------------------

    def _ids_of(self, list_id: str) -> list[int]:
        found = self.lists.get(int(list_id))
        if found is None:
            raise Refusal(404, 3006, "Contact list not found")
        return [one for one in found if one in self.contacts]

    def _list_ids(self, request: Request, list_id: str) -> Response:
        page = _page(self._ids_of(list_id), request.query, limit=1_000_000)
        return _envelope([str(one) for one in page])

    def _list_count(self, request: Request, list_id: str) -> Response:
        return _envelope(len(self._ids_of(list_id)))

    def _list_data(self, request: Request, list_id: str) -> Response:
        ids = self._ids_of(list_id)
        wanted = [one for one in request.query.get("fields", "").split(",") if one]
        self._check_fields(wanted)
        page = _page(ids, request.query, limit=_PAGE)
        data = {
            str(one): {
                "fields": {name: self.contacts[one].fields.get(name) for name in wanted},
                "id": str(one),
                "uid": self.contacts[one].uid,
            }
            for one in page
        }
        # An empty object is an empty array there.
        return _envelope(data or [])

    def _get_data(self, request: Request) -> Response:
        try:
            given = request.document()
        except ValueError:
            raise Refusal(400, 1010, "Invalid JSON payload") from None
        key, values = str(given.get("keyId", EMAIL)), given.get("keyValues")
        if not isinstance(values, list):
            raise Refusal(400, 2003, "Array expected: keyValues")
        if len(values) > _BATCH:
            raise Refusal(400, 1000, "Maximum number of contacts in a batch is 1000")
        if key not in {"id", "uid"} and key not in _numbers():
            # Failures come with the status 200, too.
            return _envelope("", code=2004, text=f"Invalid key field id: {key}")
        wanted = [str(one) for one in given.get("fields", [])]
        self._check_fields(wanted)
        errors, result = [], []
        for value in values:
            one = self._find(key, str(value))
            if one is None:
                text = f"No contact found with the external id: {key}"
                errors.append({"key": str(value), "errorCode": 2008, "errorMsg": text})
            else:
                fields = {name: one.fields.get(name) for name in wanted}
                result.append({"id": str(one.id), "uid": one.uid, **fields})
        return _envelope({"errors": errors, "result": result or False})

    def _change(self, request: Request) -> Response:
        try:
            given = request.document()
        except ValueError:
            raise Refusal(400, 1010, "Invalid JSON payload") from None
        key = str(given.get("key_id", EMAIL))
        contacts = given.get("contacts") or [given]
        if len(contacts) > _BATCH:
            raise Refusal(400, 1000, "Maximum number of contacts in a batch is 1000")
        if key not in _numbers():
            return _envelope("", code=2004, text=f"Invalid key field id: {key}")
        ids, errors = [], {}
        for told in contacts:
            fields = {str(name): value for name, value in told.items() if name != "key_id"}
            self._check_fields(fields)
            one = self._find(key, str(fields.get(key, "")))
            if one is None:
                text = f"No contact found with the external id: {key}"
                errors[str(fields.get(key, ""))] = {"2008": text}
                continue
            one.fields |= {name: str(value) for name, value in fields.items()}
            ids.append(str(one.id))
        return _envelope({"ids": ids, **({"errors": errors} if errors else {})})

    def _find(self, key: str, value: str) -> Contact | None:
        if key == "id":
            return self.contacts.get(int(value)) if value.isdecimal() else None
        for one in self.contacts.values():
            if (one.uid if key == "uid" else one.fields.get(key)) == value:
                return one
        return None

    def _check_fields(self, wanted: Iterable[str]) -> None:
        for name in wanted:
            if name not in _numbers():
                raise Refusal(200, 2006, f"Invalid field id: {name}")

    def _fields(self, request: Request, language: str) -> Response:
        return _envelope(
            [
                {"id": number, "name": name, "application_type": kind, "string_id": f"f{number}"}
                for number, name, kind in _FIELDS
            ]
        )


def make_sandbox() -> EmarsysSandbox:
    """An account with some segments, to be tried by hand."""
    made = EmarsysSandbox()
    made.run_seconds = 5.0
    people = [f"{name}@example.com" for name in ("ann", "bob", "cleo", "dan", "eva", "finn")]
    vip = made.add_segment("VIP", people[:3])
    readers = made.add_segment("Newsletter readers", people[1:])
    made.add_segment("Nobody yet")
    made.add_combined("Readers who are no VIP", [readers], [vip])
    return made


def _numbers() -> set[str]:
    return {str(number) for number, _name, _kind in _FIELDS}


def _envelope(data: Any, *, status: int = 200, code: int = 0, text: str = "OK") -> Response:
    body = {"replyCode": code, "replyText": text, "data": "" if data is None else data}
    return Response(status, body)


def _evaluating() -> Response:
    text = "The segment is being evaluated. Please call again later."
    return _envelope(None, status=202, code=10001, text=text)


def _page(ids: list[int], query: Mapping[str, str], *, limit: int) -> list[int]:
    try:
        wanted, offset = int(query.get("limit", limit)), int(query.get("offset", 0))
    except ValueError:
        raise Refusal(400, 1001, "Invalid parameter: limit, offset") from None
    if not 0 < wanted <= limit:
        raise Refusal(400, 10001, f"Limit must be less than {limit}")
    if offset < 0:
        raise Refusal(400, 10001, "Offset must be zero or positive")
    return ids[offset : offset + wanted]


def _seconds(created: str) -> float:
    try:
        at = datetime.fromisoformat(created)
    except ValueError:
        return 0.0
    return at.replace(tzinfo=at.tzinfo or UTC).timestamp()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""
