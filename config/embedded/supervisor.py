"""`make run`: the embedded servers and the product's programs, with one log and an orderly end."""

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from . import keys, paths, servers
from .address import Address, Probe
from .dotenv import read_dotenv
from .errors import StartRefused
from .process import make_private, spawn, stop_with_parent
from .terminal import Tail, box, say

_TURN_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0
_LONG_LIFE_SECONDS = 60.0
# A program that dies this often before the first page was served has a fault of its own.
_DEATHS_AT_START = 3


class _StopAsked(BaseException):
    """A signal came while the embedded servers were being started."""


@dataclass(slots=True)
class Program:
    """One process of the product: how it is started, how long its end may take, how it fares."""

    name: str
    command: list[str]
    ends_within_seconds: float
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    pause_seconds: float = 0.5
    deaths: int = 0
    partial_line: bytes = b""


def product_programs(address: Address) -> list[Program]:
    """Web, workers, rounds and beat, in the order of their start; they end in the opposite one.

    Bulk work has a worker of its own, so that a long import delays nothing else.
    """
    python = [sys.executable, "-m"]
    web = [*python, "gunicorn", "config.wsgi:application", "--bind", address.listen]
    web += ["--worker-class", "gthread", "--workers", "2", "--threads", "4"]
    web += ["--no-control-socket", "--graceful-timeout", "5"]
    web += ["--access-logfile", "-", "--access-logformat", "%(m)s %(U)s %(s)s %(M)sms"]
    celery = [*python, "celery", "--quiet", "-A", "config"]
    worker = [*celery, "worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    beat = [*celery, "beat", "--loglevel", "INFO", "--pidfile", ""]
    beat += ["--scheduler", "config.beat:SoloScheduler"]
    # A development machine may be root's: what tasks are sent is JSON, never code.
    quiet = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
    return [
        *(
            Program(
                name,
                [*worker, "-Q", queue, "-c", "1", "-n", f"{queue}@%h"],
                ends_within_seconds=15,
                environ=quiet,
            )
            for name, queue in (("worker", "default"), ("bulk", "bulk"))
        ),
        Program("rounds", [sys.executable, "manage.py", "run_rounds"], ends_within_seconds=15),
        Program("web", web, ends_within_seconds=10),
        Program("beat", beat, ends_within_seconds=10, environ=quiet),
    ]


class Supervisor:
    """Runs the product of one `REGULARS_VAR` until a signal or a failed start ends it."""

    def __init__(self, var: Path, address: Address, environ: Mapping[str, str]) -> None:
        self._var = var
        self._address = address
        self._environ = dict(environ)
        self._programs = product_programs(address)
        self._leases = [servers.Lease(name, var, environ) for name in servers.needed(environ)]
        self._tails: dict[str, Tail] = {}
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._interruptible = False
        self._served = False

    def run(self) -> int:
        """Start everything, keep it running until told to stop, and stop it. Return 0 or 1."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup the end of the terminal is not the end of the product.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note_signal)
        try:
            self._start_servers()
            if not self._prepare():
                return 0 if self._signals else 1
            for program in self._programs:
                self._start(program)
            return self._watch()
        except _StopAsked:
            return 0
        finally:
            self._stop()

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._interruptible:
            self._interruptible = False
            raise _StopAsked

    def _start_servers(self) -> None:
        self._interruptible = True
        for lease in self._leases:
            lease.ensure()
        self._interruptible = False
        # What they say from here on: how they started is in their logs.
        for name in (*servers.needed(self._environ), "keeper"):
            self._tails.setdefault(name, Tail(self._var / "log" / f"{name}.log"))

    def _prepare(self) -> bool:
        """Migrate, load the demo, collect static files: true when that went well."""
        process = spawn(
            [sys.executable, "-m", "config.prepare"],
            output=None,
            environ=self._environ,
            directory=paths.CHECKOUT,
        )
        while process.poll() is None:
            self._turn()
            if self._signals:
                self._end([(process, 5)])
                return False
        return process.returncode == 0

    def _watch(self) -> int:
        probe = Probe(self._address)
        with contextlib.closing(probe):
            while not self._signals:
                self._turn()
                if not self._served and probe.succeeds():
                    self._served = True
                    say(box(self._address, self._var))
                for program in self._programs:
                    self._revive(program)
                    if not self._served and program.deaths >= _DEATHS_AT_START:
                        say(f"{program.name} does not start: its reason is above.")
                        return 1
                if any(not lease.has_keeper() for lease in self._leases):
                    self._start_servers()
        return 0

    def _start(self, program: Program) -> None:
        program.process = spawn(
            program.command,
            output=subprocess.PIPE,
            environ={**self._environ, **program.environ},
            directory=paths.CHECKOUT,
            # Should this process be killed, the servers stay until the last program has ended.
            holding=[lease.descriptor for lease in self._leases],
        )
        program.started_at = time.monotonic()
        assert program.process.stdout is not None
        os.set_blocking(program.process.stdout.fileno(), False)
        self._selector.register(program.process.stdout, selectors.EVENT_READ, program)

    def _revive(self, program: Program) -> None:
        """Start a program again that ended: at once after a long life, else after a pause."""
        now = time.monotonic()
        if program.process is None:
            if now >= program.due_at:
                self._start(program)
            return
        if program.process.poll() is None:
            return
        program.deaths += 1
        if now - program.started_at > _LONG_LIFE_SECONDS:
            program.pause_seconds = 0.5
        say(
            f"ended with {program.process.returncode}, starts again in {program.pause_seconds:g} s",
            who=program.name,
        )
        self._bury(program)
        program.due_at = now + program.pause_seconds
        program.pause_seconds = min(2 * program.pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _bury(self, program: Program) -> None:
        """Take away what an ended program left: its last words, its children."""
        assert program.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.process.pid, signal.SIGKILL)
        self._read(program)
        if program.partial_line:
            say(program.partial_line.decode("utf-8", "replace"), who=program.name)
            program.partial_line = b""
        assert program.process.stdout is not None
        with contextlib.suppress(KeyError):
            self._selector.unregister(program.process.stdout)
        program.process.stdout.close()
        program.process = None

    def _turn(self) -> None:
        """Print what programs and servers said, waiting a moment for the next word."""
        for key, _ in self._selector.select(_TURN_SECONDS):
            self._read(key.data)
        if not self._selector.get_map():
            time.sleep(_TURN_SECONDS)
        for name, tail in self._tails.items():
            for line in tail.new_lines():
                say(line, who=name)

    def _read(self, program: Program) -> None:
        assert program.process is not None
        assert program.process.stdout is not None
        pipe = program.process.stdout
        while True:
            try:
                words = os.read(pipe.fileno(), 65536)
            except BlockingIOError:
                return
            if not words:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(pipe)
                return
            *lines, program.partial_line = (program.partial_line + words).split(b"\n")
            for line in lines:
                say(line.decode("utf-8", "replace"), who=program.name)

    def _stop(self) -> None:
        """End beat, web, the others, Valkey and PostgreSQL, in this order, and leave nothing."""
        running = {program.name: program for program in self._programs if program.process}
        if running:
            say("Stopping. Once more Ctrl-C: at once.")
        for names in (("beat",), ("web",), ("worker", "bulk", "rounds")):
            programs = [running[name] for name in names if name in running]
            self._end(
                [(p.process, p.ends_within_seconds) for p in programs if p.process is not None]
            )
            for program in programs:
                self._bury(program)
        for lease in reversed(self._leases):
            lease.release()
            if not lease.wait_until_stopped(within_seconds=75):
                say(f"The embedded server {lease.name} stays for another command that uses it.")
        self._turn()

    def _end(self, processes: list[tuple[subprocess.Popen[bytes], float]]) -> None:
        """Ask processes to end; kill those that take too long, and all at a further signal."""
        asked_at = time.monotonic()
        for process, _ in processes:
            if process.poll() is None:
                process.terminate()
        while waiting := [(p, seconds) for p, seconds in processes if p.poll() is None]:
            self._turn()
            for process, seconds in waiting:
                if time.monotonic() - asked_at > seconds or self._signals > 1:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def only_one(var: Path, address: Address) -> Iterator[None]:
    """Hold `var` for this supervisor. Raises StartRefused when another one has it."""
    make_private(var / "run")
    with (var / "run" / "supervisor").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StartRefused(
                f"Regulars runs on {var} already ({lock.read().strip()}): stop that first, or give"
                " this one a place of its own. For example: REGULARS_VAR=./var2 PORT=8001"
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, {address.base_url}/")
        lock.flush()
        yield


def main(arguments: list[str]) -> int:
    """Run the product in the foreground. Returns the exit code."""
    if "--stop-with-parent" in arguments:
        stop_with_parent()
    read_dotenv(paths.CHECKOUT / ".env")
    var = paths.var_directory(os.environ)
    try:
        address = Address.read(os.environ)
        keys.generate_missing(var)
        with only_one(var, address):
            address.check_free()
            return Supervisor(var, address, _product_environ(var)).run()
    except StartRefused as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _product_environ(var: Path) -> dict[str, str]:
    """The environment of every process: that of `make run`, in which DEBUG is on by default."""
    return {
        **os.environ,
        "DEBUG": os.environ.get("DEBUG", "").strip() or "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "REGULARS_VAR": str(var),
        "PYTHONUNBUFFERED": "1",
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
