"""Leases: have an embedded server live, started if need be, while a process needs it."""

import contextlib
import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from . import postgres, valkey
from .errors import StartRefused
from .process import make_private, open_log

_LIVE_WITHIN_SECONDS = 660


def needed(environ: Mapping[str, str]) -> list[str]:
    """The servers for which no address is given, in the order in which they start."""
    names = {"postgres": "DATABASE_URL", "valkey": "BROKER_URL"}
    return [name for name, setting in names.items() if not environ.get(setting, "").strip()]


def lock_files(var: Path, name: str) -> tuple[Path, Path]:
    """The files that the keeper of a server and those who use it lock."""
    return var / "run" / f"{name}.keeper", var / "run" / f"{name}.users"


class Lease:
    """A share in one embedded server. It ends with `release`, or with the process.

    Children that were given its `descriptor` keep it until they end.
    """

    def __init__(self, name: str, var: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self._var = var
        self._environ = environ
        self._held: IO[str] | None = None

    def __enter__(self) -> Self:
        self.ensure()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def ensure(self) -> None:
        """Have the server live: at once when it is, else by a new keeper. Raises StartRefused."""
        if self._held is None:
            make_private(self._var / "run")
            users = lock_files(self._var, self.name)[1].open("a")
            # Waits while a keeper that nobody needed stops the server.
            fcntl.flock(users, fcntl.LOCK_SH)
            self._held = users
        deadline = time.monotonic() + _LIVE_WITHIN_SECONDS
        while not (self.has_keeper() and self.is_live()):
            if not self.has_keeper():
                self._start_keeper()
            elif time.monotonic() > deadline:
                raise StartRefused(
                    f"The embedded server {self.name} does not answer: see {self._var / 'log'}."
                )
            else:
                time.sleep(0.02)

    @property
    def descriptor(self) -> int:
        """The locked file: a child process that holds it has a part in this lease."""
        assert self._held is not None
        return self._held.fileno()

    def is_live(self) -> bool:
        """True when the server answers."""
        return {"postgres": postgres.is_live, "valkey": valkey.is_live}[self.name](self._var)

    def has_keeper(self) -> bool:
        """True when a process keeps the server: it may still be starting it, or be ending."""
        with lock_files(self._var, self.name)[0].open("a") as keeper:
            return _is_locked(keeper)

    def release(self) -> None:
        """Give the share back. The keeper stops the server when no other share is left."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def wait_until_stopped(self, *, within_seconds: float) -> bool:
        """After `release`: wait for the keeper to end; False when others still use the server."""
        released_at = time.monotonic()
        while self.has_keeper():
            seconds = time.monotonic() - released_at
            # A keeper that nobody else needs locks the file within a second, until it has ended.
            if seconds > within_seconds or (seconds > 1 and not self._is_ending()):
                return False
            time.sleep(0.02)
        return True

    def _is_ending(self) -> bool:
        with lock_files(self._var, self.name)[1].open("a") as users:
            return _is_locked(users)

    def _start_keeper(self) -> None:
        here = Path(__file__).resolve()
        with open_log(self._var / "log" / "keeper.log") as log:
            # Its words come to an end when it lets go of the pipe: it is ready, or gone.
            keeper = subprocess.run(
                [sys.executable, "-m", "embedded.keeper", self.name, str(self._var)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                env={**self._environ, "PYTHONPATH": str(here.parents[1])},
                start_new_session=True,
                check=False,
            )
        answer = keeper.stdout.decode().strip()
        if answer not in {"ready", "taken"}:
            raise StartRefused(
                answer or f"The keeper of {self.name} died: see {self._var / 'log' / 'keeper.log'}."
            )


@contextlib.contextmanager
def in_use(var: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """Have the embedded servers that `environ` needs live until the block ends."""
    with contextlib.ExitStack() as leases:
        for name in needed(environ):
            leases.enter_context(Lease(name, var, environ))
        yield


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
