"""A 200 means safe: whatever is killed, each event that was taken becomes one event, once."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.embedded import paths, postgres
from contacts.models import Event
from integrations import digestion, sources
from integrations.models import InboundRequest, ReceivedEvent, SourceCount
from tests.house.test_make_run import (
    Run,
    clean_environ,
    free_port,
    pid_of,
    processes_of,
    wait_until,
)
from tests.integrations.sending import basic
from tests.integrations.test_digestion import identify, receive, track
from workspace import sql
from workspace.access import SYSTEM

_WAITS_FOR_COUNTS = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted"
    " AND relation = 'integrations_sourcecount'::regclass"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.mark.walk
def test_what_a_killed_round_had_begun_is_done_once_by_the_next(transactional_db: None) -> None:
    shop, _key = sources.create_source(name="Shop", actor=SYSTEM, at=timezone.now())
    for number in range(30):
        messages = [track(user_id=f"u{n}", messageId=f"{number}-{n}") for n in range(10)]
        receive(shop, [identify(f"u{number}", plan="pro"), *messages], at=timezone.now())
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    with subprocess.Popen(
        [sys.executable, "manage.py", "run_rounds"],
        env={**os.environ, "DATABASE_URL": database},
        cwd=paths.CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            with transaction.atomic():
                # It gets as far as the counts: all events are written, and nothing is committed.
                sql.execute("LOCK TABLE integrations_sourcecount IN EXCLUSIVE MODE")
                assert wait_until(lambda: sql.one(_WAITS_FOR_COUNTS), seconds=30)
        finally:
            process.kill()
    assert InboundRequest.objects.count() == 30
    assert not Event.objects.exists()
    assert wait_until(lambda: digestion.digest(timezone.now()), seconds=10)
    assert not InboundRequest.objects.exists()
    assert Event.objects.count() == Event.objects.distinct().count() == 300
    assert Event.objects.values("message_id").distinct().count() == 300
    assert ReceivedEvent.objects.count() == 330
    assert SourceCount.objects.get().event_count == 330


class Shop(threading.Thread):
    """Sends events until it is told to stop, and remembers which of them were taken.

    What was not answered with 200 is sent again, as Segment's libraries do, with its messageId.
    """

    def __init__(self, name: str, port: int, write_key: str) -> None:
        super().__init__(name=name)
        self.port = port
        self.headers = {"Authorization": basic(write_key), "Content-Type": "application/json"}
        self.stops = threading.Event()
        self.taken: set[str] = set()
        self.sent: set[str] = set()
        self.failures = 0

    def run(self) -> None:
        number = 0
        while not self.stops.is_set():
            ids = [f"{self.name}-{number}-{n}" for n in range(1 if number % 3 else 25)]
            number += 1
            self.sent.update(ids)
            messages = [
                {**track(user_id=f"{self.name}-{n % 7}", messageId=message_id), "anonymousId": "x"}
                for n, message_id in enumerate(ids)
            ]
            body: Any = {"batch": messages} if len(ids) > 1 else messages[0]
            path = "/v1/batch" if len(ids) > 1 else "/v1/track"
            while not self.stops.is_set():
                if self._post(path, json.dumps(body)):
                    self.taken.update(ids)
                    break
                self.failures += 1
                time.sleep(0.05)

    def _post(self, path: str, body: str) -> bool:
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            server.request("POST", path, body, self.headers)
            return server.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            server.close()


@pytest.mark.long
def test_with_thousands_of_events_in_flight_nothing_is_lost_and_nothing_counts_twice() -> None:
    with tempfile.TemporaryDirectory(prefix="kill-") as place:
        run = Run(Path(place) / "var", free_port())
        shops: list[Shop] = []
        try:
            assert wait_until(run.has_box, seconds=180), run.text
            write_key = _write_key(run)
            shops += [Shop(f"shop{n}", run.port, write_key) for n in range(6)]
            for shop in shops:
                shop.start()
            victims = ("gunicorn", "run_rounds", "valkey-server", "bin/postgres -D")
            for words in victims * 3:
                # In the middle of it: so many more were taken since the last one died.
                until = _taken(shops) + 250
                assert wait_until(lambda: _taken(shops) >= until, seconds=120), run.text[-5000:]  # noqa: B023
                os.kill(pid_of(run.var, words), signal.SIGKILL)
            for shop in shops:
                shop.stops.set()
                shop.join(30)
            _count(run, shops)
        finally:
            for shop in shops:
                shop.stops.set()
            run.end(signal.SIGINT)
            assert wait_until(lambda: not processes_of(Path(place)), seconds=20)


def _taken(shops: list[Shop]) -> int:
    return sum(len(shop.taken) for shop in shops)


def _write_key(run: Run) -> str:
    made = subprocess.run(
        [sys.executable, "manage.py", "create_source", "Kills", "--json"],
        env=clean_environ(run.var, DEBUG="1"),
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["write_key"])


def _count(run: Run, shops: list[Shop]) -> None:
    taken = set[str]().union(*(shop.taken for shop in shops))
    sent = set[str]().union(*(shop.sent for shop in shops))
    address = postgres.connection_url(run.var)

    def waiting() -> int:
        try:
            with psycopg.connect(address) as database:
                row = database.execute("SELECT count(*) FROM integrations_inboundrequest")
                return int((row.fetchone() or [0])[0])
        except psycopg.OperationalError:
            return -1

    assert wait_until(lambda: waiting() == 0, seconds=120), run.text[-5000:]
    with psycopg.connect(address) as database:
        rows = database.execute(
            "SELECT message_id FROM contacts_event WHERE message_id LIKE 'shop%'"
        ).fetchall()
        held = database.execute(
            "SELECT h.code, h.reason FROM integrations_heldevent h"
            " JOIN integrations_source s ON s.id = h.source_id WHERE s.key = 'kills'"
        ).fetchall()
    found = Counter(row[0] for row in rows)
    sys.stdout.write(
        f"{len(sent)} sent, {len(taken)} answered with 200, {len(found)} recorded,"
        f" {sum(shop.failures for shop in shops)} attempts without an answer\n"
    )
    assert len(taken) >= 3000
    assert not taken - found.keys(), "lost"
    assert not [one for one, count in found.items() if count > 1], "counted twice"
    assert not found.keys() - sent
    assert held == []
