"""What commands print: facts for people or programs, and a bar for long work."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from time import monotonic
from typing import Any, Protocol, TextIO, TypeVar

from django.core.management.base import BaseCommand

_Item = TypeVar("_Item")
_WIDTH = 30


def facts(command: BaseCommand, found: Mapping[str, Any], *, as_json: bool) -> None:
    """Print `found`: one JSON object on a line, or one fact on each line."""
    if as_json:
        command.stdout.write(json.dumps(found, default=str, ensure_ascii=False))
        return
    for name, value in found.items():
        command.stdout.write(f"{name.replace('_', ' ')}: {value}")


class Progress(Protocol):
    """Whom long work tells how far it is: a job's `Work`, or a `Bar`."""

    def advance(self, done: int, total: int | None = None, message: str = "") -> None:
        """Say how far the work is; may raise what stops it."""


class Bar:
    """A progress bar on a terminal; silent where the output is none."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self._label = label
        self._stream = stream or sys.stderr
        self._shown_at = 0.0
        self._is_shown = False

    def show(self, done: int, total: int | None, message: str = "") -> None:
        """Draw the state of the work, at most ten times a second."""
        is_last = total is not None and done >= total
        if not self._stream.isatty() or (monotonic() - self._shown_at < 0.1 and not is_last):
            return
        self._shown_at = monotonic()
        if total:
            filled = min(_WIDTH, _WIDTH * done // total)
            bar = f"[{'█' * filled}{'·' * (_WIDTH - filled)}] {100 * done // total:3d} %"
        else:
            bar = f"{done:,}"
        self._stream.write(f"\r\x1b[K{self._label} {bar} {message}")
        self._stream.flush()
        self._is_shown = True

    def advance(self, done: int, total: int | None = None, message: str = "") -> None:
        """Draw the state of the work, as `Progress`."""
        self.show(done, total, message)

    def close(self) -> None:
        """Leave the line."""
        if self._is_shown:
            self._stream.write("\n")
            self._stream.flush()
            self._is_shown = False


def progress(items: Iterable[_Item], *, label: str, total: int | None = None) -> Iterator[_Item]:
    """The items, with a bar that follows them."""
    bar = Bar(label)
    try:
        for done, item in enumerate(items):
            bar.show(done, total)
            yield item
    finally:
        bar.close()
