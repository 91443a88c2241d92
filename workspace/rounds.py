"""Work that follows others at once: rounds that a process of its own runs as soon as it is told.

A room registers a round with a channel of PostgreSQL. Whoever leaves work for it calls `wake` in
the transaction that leaves it; when that is committed, the process hears of it. A round that
nobody called for runs every so often all the same: what was missed is found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from workspace import sql

# Does a bounded piece of work as of an instant; true where there may be more to do at once.
Run = Callable[[datetime], bool]


@dataclass(frozen=True, slots=True)
class Round:
    """A piece of work that is done again and again, never twice at a time in one process.

    Where all are done once, those with a smaller `place` come first, and `once` is run instead of
    `run` where that only sets others to work; `stop` waits for them.
    """

    name: str
    channel: str
    run: Run
    every: timedelta
    place: int
    once: Run | None = None
    stop: Callable[[], None] | None = None


_rounds: dict[str, Round] = {}


def register_round(
    name: str,
    run: Run,
    *,
    channel: str,
    every: timedelta,
    place: int,
    once: Run | None = None,
    stop: Callable[[], None] | None = None,
) -> None:
    """Have `run` called when `channel` is woken, and at least so often. May be called again.

    Where `run` sets threads of its own to work, `once` does the same work in the caller's, and
    `stop` is called when the process ends: it returns when they have ended.
    """
    _rounds[name] = Round(name, channel, run, every, place, once, stop)


def registered_rounds() -> list[Round]:
    """All rounds, in the order of their places."""
    return sorted(_rounds.values(), key=lambda one: (one.place, one.name))


def wake(channel: str) -> None:
    """Tell whoever runs the rounds of `channel`, once the transaction is committed."""
    sql.rows("SELECT pg_notify(%s, '')", [channel])
