"""Events over HTTP: from a client to the membership of a contact, through all of the product.

The web server and the process of the rounds are those of the supervisor. No other engine takes
part, so none has to be installed.
"""

import base64
import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from signal import SIGKILL, SIGTERM
from statistics import median
from subprocess import Popen
from typing import Any
from uuid import uuid4

import django
import numpy as np
from django.db import connection
from django.utils import timezone

from config.embedded import paths
from config.embedded.address import Address
from config.embedded.process import end, spawn
from config.embedded.supervisor import product_programs
from integrations.sources import create_source
from segments import membership
from segments.models import Following, Segment
from segments.synthetic import vocabulary as words
from workspace import sql
from workspace.access import SYSTEM

from . import product
from .bench_workspace import Size, fill, forget
from .questions import Question, mixed_questions
from .report import Ratio, Report, milliseconds

_BATCH = 100
_BATCHES = 400
_CONNECTIONS = 4
_SINGLE = 2000
_LOAD_A_SECOND = 2000
_PATIENCE_SECONDS = 300.0
_VISIBLE = "bench_visible"
_KEY = "bench-visible"

Bodies = Sequence[bytes]


class Client:
    """A program that sends to a source, over one connection that stays."""

    def __init__(self, address: Address, write_key: str) -> None:
        self._http = http.client.HTTPConnection(address.host, address.port, timeout=60)
        token = base64.b64encode(f"{write_key}:".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    def post(self, call: str, body: bytes) -> None:
        """Send one request. Raises AssertionError where it is not taken."""
        try:
            status, text = self._ask(call, body)
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            # The server closes a connection that was idle for a while.
            self._http.close()
            status, text = self._ask(call, body)
        if status != 200:
            raise AssertionError(f"{status}: {text!r}")

    def _ask(self, call: str, body: bytes) -> tuple[int, bytes]:
        self._http.request("POST", f"/v1/{call}", body, self._headers)
        answer = self._http.getresponse()
        return answer.status, answer.read()


def run(size: Size, place: Path, *, writes: bool) -> int:
    """Make or find the workspace and measure; returns 0."""
    fill(size, place)
    # What comes in stays in, so the next run makes the workspace anew.
    forget(place)
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    title = f"{size.contact_count:,} contacts, {size.event_count:,} events: over HTTP"
    report = Report(title, versions, has_targets=size.name == "1m")
    _source, write_key = create_source(name=f"Bench {uuid4()}", actor=SYSTEM, at=timezone.now())
    names = _names()
    with running_product(place) as address:

        def connect() -> Client:
            return Client(address, write_key)

        connect().post("track", _one("warm", names[0], "page_visit"))
        _follow([])
        alone = _throughput(connect, names)
        _follow(mixed_questions())
        followed = _throughput(connect, names)
        _tell_throughput(report, alone, followed)
        _visibility(report, connect, names)
    report.finish()
    if writes:
        report.write()
    connection.close()
    return 0


def _throughput(connect: Callable[[], Client], names: Sequence[str]) -> tuple[float, float]:
    """Events a second that were accepted, and that were accepted and fully processed."""
    rng = np.random.default_rng(int(time.time()))
    bodies = [_many(rng, names) for _number in range(_BATCHES)]
    _settled()
    began_at = time.perf_counter()
    _send_all(connect, bodies)
    accepted_at = time.perf_counter()
    _settled()
    ended_at = time.perf_counter()
    total = _BATCHES * _BATCH
    return total / (accepted_at - began_at), total / (ended_at - began_at)


def _tell_throughput(
    report: Report, alone: tuple[float, float], followed: tuple[float, float]
) -> None:
    rows = [
        (name, f"{accepted:,.0f}", f"{processed:,.0f}")
        for name, (accepted, processed) in (
            ("no segment", alone),
            (f"{Following.objects.count()} segments in real time", followed),
        )
    ]
    report.add_table(
        f"{_BATCHES * _BATCH:,} events over HTTP in batches of {_BATCH} (events a second)",
        ("", "accepted", "accepted and fully processed"),
        rows,
    )
    ratio = alone[1] / followed[1]
    title = "fully processed, no segment / with 100 segments in real time"
    report.ratios.append(Ratio("–", title, ratio, 3))


def _visibility(report: Report, connect: Callable[[], Client], names: Sequence[str]) -> None:
    """How long after the 200 of its event a contact is a member."""
    segment_id = _visible_segment()
    _settled()
    third = len(names) // 3
    idle = _delays(connect(), segment_id, names[:third])
    with _refreshes(segment_id) as refreshed:
        beside = _delays(connect(), segment_id, names[third : 2 * third])
    with _load(connect, names):
        loaded = _delays(connect(), segment_id, names[2 * third :])
    rows = []
    for name, delays, target in (
        ("idle", idle, 0.1),
        (f"beside {len(refreshed)} full refreshes of other segments", beside, 1.0),
        (f"beside {_LOAD_A_SECOND:,} events a second", loaded, 1.0),
    ):
        delays.sort()
        late = delays[len(delays) * 95 // 100]
        rows.append((name, f"{len(delays):,}", *map(milliseconds, (median(delays), late))))
        title = f"event to membership, p95, {name} / {target:g} s"
        report.ratios.append(Ratio("–", title, late / target, 1))
    report.add_table(
        "From the answer to an event to the membership of its contact (ms)",
        ("", "events", "p50", "p95"),
        rows,
    )


def _delays(client: Client, segment_id: int, names: Sequence[str]) -> list[float]:
    """One event after the other, each of another contact; fewer, once the time is used up."""
    until = time.monotonic() + _PATIENCE_SECONDS
    ids = dict(
        sql.lists(
            "SELECT value, contact_id FROM contacts_identity"
            " WHERE namespace = 'user_id' AND value = ANY(%s)",
            [list(names)],
        )
    )
    delays: list[float] = []
    for name in names:
        if time.monotonic() > until:
            break
        client.post("track", _one(str(uuid4()), name, _VISIBLE))
        answered_at = time.perf_counter()
        while not _is_member(segment_id, ids[name]):
            if time.monotonic() > until:
                # More comes in than goes out: so late at least.
                return [*delays, time.perf_counter() - answered_at]
            time.sleep(0.002)
        delays.append(time.perf_counter() - answered_at)
    return delays


@contextmanager
def _refreshes(segment_id: int) -> Iterator[list[int]]:
    """Full refreshes of all other segments meanwhile, one after the other, as workers do them."""
    others = list(Following.objects.exclude(pk=segment_id).values_list("pk", flat=True))
    done: list[int] = []
    is_over = threading.Event()

    def refresh() -> None:
        try:
            for pk in cycle(others):
                if is_over.is_set():
                    return
                membership.refresh(pk, as_of=timezone.now(), cause="benchmark")
                done.append(pk)
        finally:
            connection.close()

    worker = threading.Thread(target=refresh)
    worker.start()
    try:
        yield done
    finally:
        is_over.set()
        worker.join()


@contextmanager
def _load(connect: Callable[[], Client], names: Sequence[str]) -> Iterator[None]:
    """Batches at an even pace meanwhile, as another program sends them."""
    rng = np.random.default_rng(5)
    is_over = threading.Event()

    def send() -> None:
        client, due_at = connect(), time.perf_counter()
        while not is_over.is_set():
            client.post("batch", _many(rng, names))
            due_at += _BATCH / _LOAD_A_SECOND
            time.sleep(max(0.0, due_at - time.perf_counter()))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        is_over.set()
        sender.join()


def _send_all(connect: Callable[[], Client], bodies: Bodies) -> None:
    """Over several connections at once."""

    def send(part: Bodies) -> None:
        client = connect()
        for body in part:
            client.post("batch", body)

    senders = [
        threading.Thread(target=send, args=[bodies[number::_CONNECTIONS]])
        for number in range(_CONNECTIONS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def _settled() -> None:
    """Wait until what was accepted is digested and everyone is where he belongs."""
    until = time.monotonic() + _PATIENCE_SECONDS
    waiting = (
        "SELECT EXISTS (SELECT FROM integrations_inboundrequest)"
        " OR EXISTS (SELECT FROM contacts_touch)"
    )
    while sql.one(waiting):
        if time.monotonic() > until:
            raise AssertionError("What was accepted is not processed in the end.")
        time.sleep(0.01)


def _follow(questions: list[Question]) -> None:
    """Have these segments follow their contacts from now on, and no others."""
    Following.objects.all().delete()
    Segment.objects.update(refresh_mode=Segment.RefreshMode.ONCE)
    for segment in product.make_segments(questions).values() if questions else ():
        Segment.objects.filter(pk=segment.pk).update(refresh_mode=Segment.RefreshMode.REALTIME)
        membership.refresh(segment.pk, as_of=timezone.now(), cause="benchmark")


def _visible_segment() -> int:
    criteria = {
        "combinator": "and",
        "rules": [{"field": f"event.{_VISIBLE}", "operator": ">=", "value": 1}],
    }
    sql.execute(
        "INSERT INTO contacts_eventdefinition (name) VALUES (%s) ON CONFLICT DO NOTHING",
        [_VISIBLE],
    )
    segment = Segment.objects.create(
        key=_KEY, name=_KEY, criteria=criteria, refresh_mode=Segment.RefreshMode.REALTIME
    )
    membership.refresh(segment.pk, as_of=timezone.now(), cause="benchmark")
    return segment.pk


def _is_member(segment_id: int, contact_id: int) -> bool:
    statement = "SELECT FROM segments_membership WHERE segment_id = %s AND contact_id = %s"
    return bool(sql.lists(statement, [segment_id, contact_id]))


def _names() -> list[str]:
    """External ids of some contacts, as many as events are sent alone."""
    found = sql.lists(
        "SELECT value FROM contacts_identity WHERE namespace = 'user_id'"
        " ORDER BY hashtext(value) LIMIT %s",
        [_SINGLE],
    )
    return [name for (name,) in found]


def _many(rng: np.random.Generator, names: Sequence[str]) -> bytes:
    chosen = rng.choice(words.EVENT_NAMES, _BATCH, p=list(words.EVENT_SHARES.values())).tolist()
    contacts = rng.choice(np.array(names), _BATCH).tolist()
    batch = [
        _event(str(uuid4()), contact, name) for contact, name in zip(contacts, chosen, strict=True)
    ]
    return json.dumps({"batch": batch, "sentAt": timezone.now().isoformat()}).encode()


def _one(message_id: str, contact: str, name: str) -> bytes:
    return json.dumps(_event(message_id, contact, name)).encode()


def _event(message_id: str, contact: str, name: str) -> dict[str, Any]:
    trade = {"amount": 12.5, "product": "item-00001"} if name in words.TRADES else {}
    visit = {"url": "https://shop.example.com/p/17"} if name == "page_visit" else {}
    return {
        "type": "track",
        "userId": contact,
        "event": name,
        "messageId": message_id,
        "timestamp": timezone.now().isoformat(),
        "properties": {**trade, **visit},
        "context": {"library": {"name": "benchmark", "version": "1"}},
    }


@contextmanager
def running_product(place: Path, **more: str) -> Iterator[Address]:
    """The web server and the rounds, as the supervisor starts them, beside the embedded servers.

    `more` is added to their environment.
    """
    address = Address.read({"PORT": os.environ.get("PORT") or "18790"})
    environ = {**os.environ, "INGESTION_REQUESTS_PER_SECOND": "1000000", **more}
    (place / "static").mkdir(exist_ok=True)
    programs = [one for one in product_programs(address) if one.name in {"web", "rounds"}]
    running: list[Popen[bytes]] = []
    with (place / "product.log").open("wb") as log:
        try:
            running.extend(
                spawn(
                    program.command,
                    output=log,
                    environ={**environ, **program.environ},
                    directory=paths.CHECKOUT,
                )
                for program in programs
            )
            _served(address)
            yield address
        finally:
            for process in running:
                end(process, ((SIGTERM, 15), (SIGKILL, 5)))


def _served(address: Address) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(OSError, http.client.HTTPException):
            probe = http.client.HTTPConnection(address.host, address.port, timeout=5)
            probe.request("GET", "/health/live")
            if probe.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("The web server does not answer.")
