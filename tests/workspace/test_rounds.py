"""Rounds: called at once, again after a while, after a failure, and after the database was gone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from config.embedded import paths
from workspace import round_runner, rounds, sql
from workspace.round_runner import Runner
from workspace.rounds import Round

CHANNEL = "regulars_test"
LONG = timedelta(hours=1)


class Noted:
    """A round that notes when it ran, and answers or fails as it was told to."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.times: list[float] = []

    def __call__(self, at: datetime) -> bool:
        self.times.append(time.monotonic())
        sql.one("SELECT 1")
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer


class Slow(Noted):
    """A round that takes until it is told to end."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = threading.Event()

    def __call__(self, at: datetime) -> bool:
        is_more = super().__call__(at)
        self.ends.wait(10)
        return is_more


def wait_until(fact: Callable[[], object], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not (true := fact()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return bool(true)


@pytest.fixture
def start(transactional_db: None) -> Iterator[Callable[..., Runner]]:
    running: list[tuple[Runner, threading.Thread]] = []

    def start(*given: Round) -> Runner:
        runner = Runner(given)

        def run() -> None:
            try:
                runner.run()
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        running.append((runner, thread))
        return runner

    yield start
    for runner, thread in running:
        runner.stop()
        thread.join(10)
        assert not thread.is_alive()


def make_round(noted: Noted, name: str = "noted", place: int = 1, **given: timedelta) -> Round:
    return Round(name, CHANNEL, noted, given.get("every", LONG), place)


def test_a_round_runs_at_the_start_when_called_and_while_there_is_more(
    start: Callable[..., Runner],
) -> None:
    noted = Noted(True, True, False)
    start(make_round(noted))
    assert wait_until(lambda: len(noted.times) == 3)
    assert wait_until(round_runner.is_running)
    called_at = time.monotonic()
    rounds.wake(CHANNEL)
    assert wait_until(lambda: len(noted.times) == 4)
    assert noted.times[-1] - called_at < 1
    rounds.wake("regulars_other")
    time.sleep(0.1)
    assert len(noted.times) == 4


def test_many_calls_at_once_are_one(start: Callable[..., Runner]) -> None:
    noted = Noted()
    start(make_round(noted))
    assert wait_until(lambda: noted.times)
    sql.execute("SELECT pg_notify(%s, n::text) FROM generate_series(1, 500) n", [CHANNEL])
    time.sleep(0.3)
    # Another time perhaps for those that were read while the first ones were followed.
    assert 2 <= len(noted.times) <= 5


def test_a_slow_round_delays_no_other(start: Callable[..., Runner]) -> None:
    slow, quick = Slow(), Noted()
    start(make_round(slow, "slow", 1), make_round(quick, "quick", 2))
    assert wait_until(lambda: slow.times and quick.times)
    rounds.wake(CHANNEL)
    assert wait_until(lambda: len(quick.times) == 2)
    assert len(slow.times) == 1
    slow.ends.set()
    # It was called while it ran, and so it runs once more.
    assert wait_until(lambda: len(slow.times) == 2)


def test_without_a_call_it_runs_every_so_often(start: Callable[..., Runner]) -> None:
    noted = Noted()
    start(make_round(noted, every=timedelta(milliseconds=50)))
    assert wait_until(lambda: len(noted.times) == 4)
    assert noted.times[3] - noted.times[0] >= 0.15


def test_one_that_fails_is_logged_and_tried_again_and_the_others_go_on(
    start: Callable[..., Runner], caplog: pytest.LogCaptureFixture
) -> None:
    failing, healthy = Noted(ZeroDivisionError("by zero"), RuntimeError("again")), Noted()
    start(make_round(failing, "failing", 1), make_round(healthy, "healthy", 2))
    assert wait_until(lambda: len(failing.times) == 3)
    assert len(healthy.times) == 1
    assert failing.times[1] - failing.times[0] >= 0.2
    assert failing.times[2] - failing.times[1] >= 0.4
    assert "The round “failing” failed; again in 0.2 s." in caplog.text
    assert "ZeroDivisionError: by zero" in caplog.text


def test_a_lost_connection_is_made_again_and_what_was_missed_is_found(
    start: Callable[..., Runner], caplog: pytest.LogCaptureFixture
) -> None:
    noted = Noted()
    start(make_round(noted))
    assert wait_until(lambda: noted.times)
    # Only those that listen: other tests' connections stay.
    killed = sql.one(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory'"
        " AND mode = 'ShareLock' AND pid <> pg_backend_pid()"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    assert killed == 1
    assert wait_until(lambda: len(noted.times) == 2)
    rounds.wake(CHANNEL)
    assert wait_until(lambda: len(noted.times) == 3)
    assert "The database cannot be reached" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_once_does_all_that_waits_and_says_whether_it_went_well() -> None:
    assert not round_runner.is_running()
    noted, failing = Noted(True, True), Noted(ValueError("no"))
    assert Runner([make_round(noted)]).run_once()
    assert len(noted.times) == 3
    assert not Runner([make_round(failing, "failing"), make_round(noted)]).run_once()
    assert len(noted.times) == 4


@pytest.mark.walk
def test_the_process_ends_at_a_signal(transactional_db: None) -> None:
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_rounds"],
        env={**os.environ, "DATABASE_URL": database},
        cwd=paths.CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert wait_until(round_runner.is_running, seconds=30)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert not round_runner.is_running()
