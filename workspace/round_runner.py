"""The process that runs the rounds: it hears who calls, keeps the times, and does not give up.

It listens on a connection of its own, which also holds the lock by which `checkup` sees that
somebody runs the rounds. Any number of such processes may run: each round guards itself.
"""

import logging
import math
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

import psycopg
import psycopg.sql
from django.db import close_old_connections, connection
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


@dataclass(slots=True)
class _Turn:
    """When a round is to be run again; times are those of the monotonic clock, in seconds."""

    round: Round
    due_at: float = 0.0
    pause_seconds: float = 0.0

    def call(self) -> None:
        """Be due now; after a failure not before its pause is over."""
        if not self.pause_seconds:
            self.due_at = 0.0


class Runner:
    """Runs rounds until it is told to stop. One that fails is tried again after a pause."""

    def __init__(self, rounds: Sequence[Round]) -> None:
        self._turns = [_Turn(one) for one in rounds]
        self._listener: psycopg.Connection[tuple[Any, ...]] | None = None
        self._pause_seconds = 0.0
        self._stops = False
        # What `stop` writes wakes a wait at once, also from the handler of a signal.
        self._hears, self._says = os.pipe()

    def run(self) -> None:
        """Run each round when its channel is called or its time has come, until `stop`."""
        while not self._stops:
            try:
                if self._listener is None:
                    self._connect()
                self._hear()
                if not self._run_due():
                    due_at = min((turn.due_at for turn in self._turns), default=math.inf)
                    self._wait(min(due_at - time.monotonic(), _LONGEST_WAIT_SECONDS))
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self._lose(error)
        self._hang_up()

    def run_once(self) -> bool:
        """Run each round until it has nothing more to do; false where one failed."""
        went_well = True
        for turn in self._turns:
            while not self._stops:
                try:
                    if not turn.round.run(timezone.now()):
                        break
                except Exception:
                    logger.exception("The round “%s” failed.", turn.round.name)
                    went_well = False
                    break
                finally:
                    close_old_connections()
        return went_well

    def stop(self) -> None:
        """End after the piece of work that runs. May be called from anywhere, more than once."""
        self._stops = True
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

    def _connect(self) -> None:
        params = {**connection.get_connection_params(), **_KEEPALIVES, "connect_timeout": 5}
        self._listener = listener = psycopg.connect(**params, autocommit=True)
        listener.execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", [LOCK])
        for channel in sorted({turn.round.channel for turn in self._turns}):
            listener.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
        # Who called before somebody listened is heard now.
        for turn in self._turns:
            turn.call()
        self._pause_seconds = 0.0
        names = ", ".join(turn.round.name for turn in self._turns)
        logger.info("Listening for: %s.", names)

    def _hear(self) -> None:
        """Note who called; several calls of one channel are one."""
        assert self._listener is not None
        called = {notice.channel for notice in self._listener.notifies(timeout=0)}
        for turn in self._turns:
            if turn.round.channel in called:
                turn.call()

    def _run_due(self) -> bool:
        """Run what is due, each round once and in order; whether there may be more to do now."""
        is_more = False
        for turn in self._turns:
            if self._stops:
                return True
            # One round leaves work for the next: it is heard in the same turn.
            self._hear()
            if turn.due_at <= time.monotonic():
                is_more = self._run_one(turn) or is_more
        return is_more

    def _run_one(self, turn: _Turn) -> bool:
        try:
            is_more = turn.round.run(timezone.now())
        except Exception:
            # A database that is gone is said once, and not by each round.
            assert self._listener is not None
            self._listener.execute("SELECT 1")
            turn.pause_seconds = _longer(turn.pause_seconds)
            turn.due_at = time.monotonic() + turn.pause_seconds
            logger.exception(
                "The round “%s” failed; again in %g s.", turn.round.name, turn.pause_seconds
            )
            return False
        finally:
            close_old_connections()
        turn.pause_seconds = 0.0
        turn.due_at = 0.0 if is_more else time.monotonic() + turn.round.every.total_seconds()
        return is_more

    def _wait(self, seconds: float) -> None:
        """Until somebody calls, `stop` is called or the time is over."""
        heard = [self._hears] if self._listener is None else [self._hears, self._listener.fileno()]
        select.select(heard, [], [], max(0.0, seconds))

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
