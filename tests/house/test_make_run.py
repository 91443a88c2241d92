"""`make run` from outside: it starts, revives what dies, stops at once, and leaves nothing."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config.embedded import paths

_FROM_THE_TEST_RUN = ("DATABASE_URL", "BROKER_URL", "CACHE_URL", "SECRET_KEY", "DEBUG")


def clean_environ(var: Path, **settings: str) -> dict[str, str]:
    environ = {k: v for k, v in os.environ.items() if k not in _FROM_THE_TEST_RUN}
    return {**environ, "REGULARS_VAR": str(var), **settings}


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def processes_of(var: Path) -> dict[int, str]:
    """Every process whose environment or command line names `var`, with its command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            if str(var).encode() in command + (folder / "environ").read_bytes():
                found[int(folder.name)] = command.replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def wait_until(fact: Callable[[], object], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (true := fact()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(true)


@dataclass
class Run:
    """A supervisor in a process of its own, and what it has said so far."""

    var: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config.embedded.supervisor"],
            env=clean_environ(self.var, **{"PORT": str(self.port), **self.settings}),
            cwd=paths.CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def has_box(self) -> bool:
        return f"http://127.0.0.1:{self.port}/" in self.text and "└" in self.text

    def get(self, path: str) -> int:
        """The status of a page; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=9) as page:
                return int(page.status)
        except OSError:
            return 0

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.reader.join(10)
        return code


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path: in a longer one Valkey's command line would not name it."""
    with tempfile.TemporaryDirectory(prefix="run-") as place:
        yield Path(place)


@pytest.fixture
def start(place: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(**settings: str) -> Run:
        run = Run(place / "var", free_port(), settings)
        runs.append(run)
        return run

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.end(signal.SIGKILL)
    assert wait_until(lambda: not processes_of(place), seconds=20), processes_of(place)


def pid_of(var: Path, words: str) -> int:
    """The oldest process of `var` whose command line has `words`; 0 when there is none."""
    return min((p for p, command in processes_of(var).items() if words in command), default=0)


@pytest.mark.walk
def test_it_revives_what_dies_survives_its_own_death_and_stops_on_ctrl_c(
    start: Callable[..., Run], place: Path
) -> None:
    run = start()
    var = run.var
    assert wait_until(lambda: run.has_box() or run.process.poll() is not None, seconds=180)
    assert run.has_box(), run.text

    victims = (
        "gunicorn",
        "-Q default",
        "run_rounds",
        "config beat",
        "valkey-server",
        "bin/postgres -D",
    )
    assert wait_until(lambda: all(pid_of(var, words) for words in victims), seconds=10)
    before = {pid_of(var, words) for words in victims}
    assert 0 not in before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: before.isdisjoint(processes_of(var)), seconds=10)
    assert wait_until(lambda: all(pid_of(var, words) for words in victims), seconds=30), run.text
    assert wait_until(lambda: run.get("/health/live") == 200, seconds=30)

    key = paths.secret_key_file(var).read_text("ascii")
    run.end(signal.SIGKILL)
    assert wait_until(lambda: not processes_of(place), seconds=20), processes_of(place)

    again = start()
    assert wait_until(again.has_box, seconds=60), again.text
    assert "Migrating" not in again.text
    assert again.text.count("└") == 1
    assert paths.secret_key_file(var).read_text("ascii") == key
    second = start()
    assert second.process.wait(20) == 1
    assert second.text.startswith(f"Regulars runs on {var} already (process {again.process.pid},")

    assert again.end(signal.SIGINT) == 0, again.text
    assert not processes_of(var)
    keys = [paths.secret_key_file(var), paths.encryption_keys_file(var)]
    assert [path.stat().st_mode & 0o777 for path in keys] == [0o600, 0o600]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PORT": "http"}, "Setting PORT must be a whole number from 1 to 65535, not “http”."),
        ({"BIND": "192.0.2.1"}, "Setting BIND names “192.0.2.1”, which is no address of this"),
        ({"BASE_URL": "shop"}, "Setting BASE_URL must be the public address of the product"),
        ({"POSTGRES_BIN": "/nowhere"}, "Setting POSTGRES_BIN names /nowhere, where no postgres"),
        ({"DATABASE_URL": "mysql://h/d"}, "Setting DATABASE_URL must begin with postgresql://"),
        pytest.param(
            {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
            "Setting DATABASE_URL names a database that cannot be reached",
            marks=pytest.mark.walk,
        ),
        pytest.param(
            {"BROKER_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "{test database}"},
            "Setting BROKER_URL names a broker that cannot be reached",
            marks=pytest.mark.walk,
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_wrong_setting_stops_the_start_with_one_sentence(
    start: Callable[..., Run], place: Path, settings: dict[str, str], sentence: str
) -> None:
    if settings.get("DATABASE_URL") == "{test database}":
        settings = {**settings, "DATABASE_URL": os.environ["DATABASE_URL"]}
    run = start(**settings)
    assert run.process.wait(60) == 1
    run.reader.join(10)
    lines = [line for line in run.text.splitlines() if line.startswith("Setting ")]
    assert len(lines) == 1, run.text
    assert lines[0].startswith(sentence)
    assert "For example: " in lines[0]
    assert "Traceback" not in run.text
    assert not processes_of(place)


def test_a_port_in_use_stops_the_start_with_one_sentence(place: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = Run(place / "var", port)
        assert run.process.wait(30) == 1
        run.reader.join(10)
    assert run.text.startswith(f"Setting PORT cannot be {port}: another program listens there")
    assert len(run.lines) == 1


@pytest.mark.walk
def test_a_command_brings_its_own_servers_and_takes_them_away(place: Path) -> None:
    """What make run is not needed for."""
    done = subprocess.run(
        [sys.executable, "manage.py", "showmigrations", "auth"],
        env=clean_environ(place / "var"),
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "0001_initial" in done.stdout
    assert wait_until(lambda: not processes_of(place), seconds=20), processes_of(place)


@pytest.mark.walk
def test_a_command_that_needs_no_database_starts_none(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env=clean_environ(place / "var"),
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (place / "var" / "postgres").exists()
