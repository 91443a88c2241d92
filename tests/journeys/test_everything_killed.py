"""Worker, beat, rounds, database and broker are killed while a journey runs for many people.

The whole product as `make run` starts it, with a real mail server that now and then takes a mail
and hangs up instead of saying so. Each message reaches its reader at most once, as the journey
asks for, and nobody is stuck.
"""

import asyncio
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from config.embedded import paths, postgres, valkey
from tests.house.test_make_run import (
    Run,
    clean_environ,
    free_port,
    pid_of,
    place,
    processes_of,
    start,
    wait_until,
)

__all__ = ["place", "start"]

pytestmark = pytest.mark.long
PEOPLE = int(os.environ.get("KILLED_PEOPLE", "100000"))
KILLS = int(os.environ.get("KILLED_TIMES", "40"))
# What is killed: a program of the product by its command line, or a server under it.
VICTIMS = (
    "run_rounds",
    "-Q default",
    "-Q bulk",
    "celery --quiet -A config beat",
    "gunicorn",
    "valkey-server",
    "postgres -D",
)


class Sink:
    """Counts what reached whom; one mail in two hundred is taken without a word."""

    def __init__(self) -> None:
        self.got: Counter[tuple[str, str]] = Counter()
        self.hung_up = 0
        self._dice = random.Random(11)

    async def handle_DATA(  # noqa: N802  named by the library
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        head = envelope.original_content[:4000].decode("utf-8", "replace")
        message_id = next(
            line.partition(":")[2].strip()
            for line in head.splitlines()
            if line.lower().startswith("message-id:")
        )
        self.got[envelope.rcpt_tos[0], message_id] += 1
        if self._dice.random() < 0.005:
            self.hung_up += 1
            server.transport.abort()
            await asyncio.sleep(0)
        return "250 Taken"


@contextmanager
def mail_server() -> Iterator[tuple[Sink, int]]:
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    sink, port = Sink(), free_port()
    server = Controller(sink, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield sink, port
    finally:
        server.stop()


def stage(run: Run, *words: str) -> dict[str, Any]:
    """What the staging program says; it is asked again where a server was just killed."""
    environ = clean_environ(
        run.var,
        DATABASE_URL=postgres.connection_url(run.var),
        BROKER_URL=valkey.connection_url(run.var),
        SECRET_KEY="staging",
        DEBUG="1",
    )
    for _try in range(20):
        done = subprocess.run(
            [sys.executable, "-m", "tests.journeys.staging", *words],
            env=environ,
            cwd=paths.CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
            return found
        time.sleep(2)
    pytest.fail(done.stderr[-4000:])


def is_over(found: dict[str, Any]) -> bool:
    return (
        found["participants"].get("done", 0) == PEOPLE
        and not found["waiting"]
        and not found["due"]
        and not found["unsent"]
    )


def test_whatever_is_killed_each_message_comes_once_at_most_and_nobody_is_stuck(
    start: Callable[..., Run], place: Path
) -> None:
    dice = random.Random(5)
    with mail_server() as (sink, port):
        run = start(EMAIL_URL=f"smtp://127.0.0.1:{port}")
        assert wait_until(lambda: run.has_box() or run.process.poll() is not None, seconds=240)
        assert run.has_box(), run.text
        stage(run, "seed", str(PEOPLE))
        killed: Counter[str] = Counter()
        for number in range(KILLS):
            time.sleep(3 + 9 * dice.random())
            victim = dice.choice(VICTIMS)
            if pid := pid_of(run.var, victim):
                os.kill(pid, signal.SIGKILL)
                killed[victim] += 1
            if number % 4 == 3:
                stage(run, "hear", str(PEOPLE // 50))
        found = stage(run, "count")
        seen, at = found, time.monotonic()
        while not is_over(found) and time.monotonic() - at < 900:
            time.sleep(5)
            found = stage(run, "count")
            if found != seen:
                seen, at = found, time.monotonic()
        assert is_over(found), (found, killed, run.text[-4000:])
        assert set(killed) == set(VICTIMS) or KILLS < 40, killed
        assert (found["twice"], found["not_whole"], found["failed"]) == (0, 0, 0)
        twice = {key: count for key, count in sink.got.items() if count > 1}
        assert not twice, (len(twice), list(twice.items())[:5], killed)
        sent, failed = found["messages"].get("sent", 0), found["messages"].get("failed", 0)
        # Who was hung up on is not written to again; a killed sender leaves a few more.
        assert sent <= len(sink.got) <= sent + failed
        assert failed <= sink.hung_up + 64 * killed.total()
        assert run.end(signal.SIGINT) == 0
    assert wait_until(lambda: not processes_of(place), seconds=20)
    sys.stdout.write(
        f"\n{PEOPLE} people, {sum(sink.got.values())} mails, {sink.hung_up} without a word,"
        f" {failed} not sent again, killed: {dict(killed)}\n"
    )
