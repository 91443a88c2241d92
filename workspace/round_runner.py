"""The process that runs the rounds: it hears who calls, keeps the times, and does not give up.

It listens on a connection of its own, which also holds the lock by which `checkup` sees that
somebody runs the rounds. Each round has a thread, so that a slow one delays no other. Any number
of such processes may run: each round guards itself.
"""

import logging
import os
import select
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from types import FrameType
from typing import Any

import psycopg
import psycopg.sql
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone

from workspace import sql
from workspace.rounds import Round

logger = logging.getLogger(__name__)

LOCK = "regulars.rounds"
_SHORTEST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 15.0
_LONGEST_WAIT_SECONDS = 60.0
# A database that is gone without a word is noticed after about half a minute.
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


@dataclass(frozen=True, slots=True)
class _Turn:
    """A round, and whether somebody called for it since it began to run the last time."""

    round: Round
    called: Event = field(default_factory=Event)


class Runner:
    """Runs rounds until it is told to stop. One that fails is tried again after a pause."""

    def __init__(self, rounds: Sequence[Round]) -> None:
        self._turns = [_Turn(one) for one in rounds]
        self._listener: psycopg.Connection[tuple[Any, ...]] | None = None
        self._pause_seconds = 0.0
        self._stops = Event()
        # What `stop` writes wakes a wait at once, also from the handler of a signal.
        self._hears, self._says = os.pipe()

    def run(self) -> None:
        """Run each round when its channel is called or its time has come, until `stop`."""
        threads = [
            Thread(target=self._repeat, args=(turn,), name=turn.round.name) for turn in self._turns
        ]
        for thread in threads:
            thread.start()
        try:
            while not self._stops.is_set():
                try:
                    self._listen()
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    self._lose(error)
        finally:
            self._stops.set()
            for turn in self._turns:
                turn.called.set()
            for thread in threads:
                thread.join()
            for turn in self._turns:
                if turn.round.stop is not None:
                    turn.round.stop()
            self._hang_up()

    def run_once(self) -> bool:
        """Run each round in turn until it has nothing more to do; false where one failed."""
        went_well = True
        for turn in self._turns:
            while not self._stops.is_set():
                try:
                    if not (turn.round.once or turn.round.run)(timezone.now()):
                        break
                except Exception:
                    logger.exception("The round “%s” failed.", turn.round.name)
                    went_well = False
                    break
                finally:
                    close_old_connections()
        return went_well

    def stop(self) -> None:
        """End after the pieces of work that run. May be called from anywhere, more than once."""
        self._stops.set()
        os.write(self._says, b".")

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT."""

        def stop(number: int, frame: FrameType | None) -> None:
            self.stop()

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _repeat(self, turn: _Turn) -> None:
        """What the thread of a round does, first when somebody listens for its calls."""
        pause_seconds = 0.0
        while True:
            turn.called.wait(turn.round.every.total_seconds())
            if self._stops.is_set():
                return
            turn.called.clear()
            try:
                if turn.round.run(timezone.now()):
                    turn.called.set()
                pause_seconds = 0.0
            except Exception as error:
                turn.called.set()
                pause_seconds = _longer(pause_seconds)
                words = (turn.round.name, pause_seconds)
                if _is_lost(error):
                    logger.warning("The round “%s” lost the database; again in %g s.", *words)
                else:
                    logger.exception("The round “%s” failed; again in %g s.", *words)
            finally:
                close_old_connections()
            # Whoever calls meanwhile is heard afterwards.
            self._stops.wait(pause_seconds)

    def _listen(self) -> None:
        """Pass on who calls, several calls of one channel as one, until something is to be done."""
        if self._listener is None:
            self._listener = self._connected()
        self._wait(_LONGEST_WAIT_SECONDS)
        called = {notice.channel for notice in self._listener.notifies(timeout=0)}
        for turn in self._turns:
            if turn.round.channel in called:
                turn.called.set()

    def _connected(self) -> "psycopg.Connection[tuple[Any, ...]]":
        params = {**connection.get_connection_params(), **_KEEPALIVES, "connect_timeout": 5}
        listener = psycopg.connect(**params, autocommit=True)
        listener.execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", [LOCK])
        for channel in sorted({turn.round.channel for turn in self._turns}):
            listener.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
        # Who called before somebody listened is heard now.
        for turn in self._turns:
            turn.called.set()
        self._pause_seconds = 0.0
        logger.info("Listening for: %s.", ", ".join(turn.round.name for turn in self._turns))
        return listener

    def _wait(self, seconds: float) -> None:
        """Until somebody calls, `stop` is called or the time is over."""
        heard = [self._hears] if self._listener is None else [self._hears, self._listener.fileno()]
        select.select(heard, [], [], seconds)

    def _lose(self, error: psycopg.Error) -> None:
        self._hang_up()
        self._pause_seconds = _longer(self._pause_seconds)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        logger.warning(
            "The database cannot be reached (%s); again in %g s.", reason, self._pause_seconds
        )
        self._wait(self._pause_seconds)

    def _hang_up(self) -> None:
        if self._listener is not None:
            with suppress(psycopg.Error):
                self._listener.close()
            self._listener = None


def is_running() -> bool:
    """Whether any process runs the rounds."""
    # Theirs is the shared lock, for as long as they live: nobody has it if we can take it alone.
    free = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
    return not sql.one(free, [LOCK])


def _longer(pause_seconds: float) -> float:
    return min(max(_SHORTEST_PAUSE_SECONDS, 2 * pause_seconds), _LONGEST_PAUSE_SECONDS)


def _is_lost(error: BaseException) -> bool:
    """Whether the database itself is gone, of which the listener tells the reason."""
    state = getattr(error.__cause__, "sqlstate", None) or ""
    is_silent = not state or state.startswith(("08", "57P"))
    return isinstance(error, OperationalError | InterfaceError) and is_silent
