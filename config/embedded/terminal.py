"""What `make run` shows: lines that say whose they are, and one box."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from . import paths
from .address import Address

_COLORS = {"web": 36, "worker": 32, "bulk": 32, "rounds": 34, "beat": 35}
_SERVER_COLOR = 33
_WIDTH = 9


def say(line: str, *, who: str = "") -> None:
    """Print one line at once, with its author before it."""
    if who and sys.stdout.isatty():
        sys.stdout.write(f"\x1b[{_COLORS.get(who, _SERVER_COLOR)}m{who:<{_WIDTH}}\x1b[0m {line}\n")
    elif who:
        sys.stdout.write(f"{who:<{_WIDTH}} {line}\n")
    else:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def box(address: Address, var: Path) -> str:
    """The one thing to read: address, logins, where the data lie, how to stop."""
    rows = [f"Regulars runs at  {address.base_url}/", ""]
    logins = _demo_logins(var)
    if logins:
        rows += ["Log in as", *logins, ""]
    rows += [f"Data and logs     {var}", "Stop              Ctrl-C"]
    return "\n".join(_framed(rows))


def _demo_logins(var: Path) -> list[str]:
    try:
        logins = json.loads(paths.demo_logins_file(var).read_text("utf-8"))
        return [
            f"  {login['username']:<15} {login['password']:<20} {login['role']}" for login in logins
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _framed(rows: Iterable[str]) -> Iterable[str]:
    rows = list(rows)
    width = max(map(len, rows))
    yield f"┌{'─' * (width + 2)}┐"
    for row in rows:
        yield f"│ {row:<{width}} │"
    yield f"└{'─' * (width + 2)}┘"


class Tail:
    """What was added to a log file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = self._size()

    def new_lines(self) -> list[str]:
        """The complete lines that are new."""
        size = self._size()
        if size < self._offset:
            self._offset = 0
        if size == self._offset:
            return []
        with self._path.open("rb") as log:
            log.seek(self._offset)
            added = log.read(size - self._offset)
        complete = added[: added.rfind(b"\n") + 1]
        self._offset += len(complete)
        return complete.decode("utf-8", "replace").splitlines()

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0
