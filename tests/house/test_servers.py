"""Leases: any number of processes share an embedded server; the last one turns it off."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from config.embedded import paths, postgres
from config.embedded.errors import StartRefused
from config.embedded.servers import Lease, needed

HOLDER = """
import os, sys, time
from pathlib import Path
from config.embedded.servers import Lease
with Lease(sys.argv[1], Path(sys.argv[2]), os.environ):
    print("live", flush=True)
    time.sleep(60)
"""


def wait_until(fact: Callable[[], bool], *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.02)
    return fact()


@pytest.fixture
def lease(tmp_path: Path) -> Iterator[Lease]:
    lease = Lease("postgres", tmp_path, os.environ)
    yield lease
    lease.release()
    assert lease.wait_until_stopped(within_seconds=20)


def holder(name: str, var: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, name, str(var)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=paths.CHECKOUT,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "live\n"
    return process


def postmaster(var: Path) -> int:
    return int((var / "postgres/data/postmaster.pid").read_text("utf-8").split()[0])


def test_the_server_lives_as_long_as_somebody_needs_it(lease: Lease, tmp_path: Path) -> None:
    lease.ensure()
    first = postmaster(tmp_path)
    other = holder("postgres", tmp_path)
    assert postmaster(tmp_path) == first, "the second one uses the first one's server"
    lease.release()
    assert not lease.wait_until_stopped(within_seconds=1.5)
    assert postgres.is_live(tmp_path)
    other.kill()
    other.wait()
    assert wait_until(lambda: not lease.has_keeper())
    assert not postgres.is_live(tmp_path)


@pytest.mark.walk
def test_a_live_server_is_found_in_no_time(lease: Lease, tmp_path: Path) -> None:
    lease.ensure()
    with Lease("postgres", tmp_path, {"PATH": "/nowhere"}) as second:
        assert second.is_live()


@pytest.mark.walk
def test_a_killed_server_is_started_again(lease: Lease, tmp_path: Path) -> None:
    lease.ensure()
    first = postmaster(tmp_path)
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: postgres.is_live(tmp_path) and postmaster(tmp_path) != first)
    with psycopg.connect(postgres.connection_url(tmp_path)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.walk
def test_a_killed_keeper_takes_its_server_along_and_a_new_one_comes(
    lease: Lease, tmp_path: Path
) -> None:
    lease.ensure()
    first = postmaster(tmp_path)
    keeper = int(Path(f"/proc/{first}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(keeper, signal.SIGKILL)
    assert wait_until(lambda: not lease.has_keeper())
    lease.ensure()
    assert lease.is_live()
    assert postmaster(tmp_path) != first


@pytest.mark.walk
def test_starting_at_the_same_time_starts_one(lease: Lease, tmp_path: Path) -> None:
    lease.ensure()
    lease.release()
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, "postgres", str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=paths.CHECKOUT,
        )
        for _ in range(3)
    ]
    for process in holders:
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == b"live\n"
        process.kill()
        process.wait()


@pytest.mark.walk
def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    environ = {**os.environ, "POSTGRES_BIN": str(tmp_path)}
    lease = Lease("postgres", tmp_path / "var", environ)
    with pytest.raises(StartRefused, match="Setting POSTGRES_BIN names"):
        lease.ensure()
    lease.release()
    assert lease.wait_until_stopped(within_seconds=1)


@pytest.mark.walk
def test_a_server_whose_address_is_given_is_not_started() -> None:
    assert needed({}) == ["postgres", "valkey"]
    assert needed({"DATABASE_URL": "postgresql://h/d"}) == ["valkey"]
    assert needed({"DATABASE_URL": " ", "BROKER_URL": "redis://h"}) == ["postgres"]
