"""The beat of which any number may run and one acts."""

from contextlib import suppress
from typing import Any

import psycopg
from django.db import connection
from django_celery_beat.schedulers import DatabaseScheduler

_LOCK = "regulars.beat"
_LOOK_AGAIN_SECONDS = 2.0


class SoloScheduler(DatabaseScheduler):
    """Sends what is due only while it holds a lock in the database; a second beat stands by.

    The lock belongs to a connection of its own, so it ends with this process, however that ends,
    or with the server. Who gets it then reads the schedule anew, with the times of the last runs.
    """

    _guard: "psycopg.Connection[tuple[Any, ...]] | None" = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Each sending is noted at once: who takes over must not send it again.
        super().__init__(*args, **{"sync_every_tasks": 1, **kwargs})

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if not self._holds_lock():
            return _LOOK_AGAIN_SECONDS
        wait: float = super().tick(*args, **kwargs)
        return wait

    def close(self) -> None:
        super().close()
        self._let_go()

    def _holds_lock(self) -> bool:
        try:
            if self._guard is not None:
                self._guard.execute("SELECT 1")
                return True
            self._guard = psycopg.connect(**connection.get_connection_params(), autocommit=True)
            query = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
            row = self._guard.execute(query, [_LOCK]).fetchone()
        except psycopg.OperationalError:
            self._let_go()
            return False
        if row is None or not row[0]:
            self._let_go()
            return False
        # Read the schedule anew, once: told of a change in the middle of it, the scheduler would
        # send what is due a second time.
        self._last_timestamp = self.Changes.last_change()
        self._initial_read = True
        self._heap = None
        self._heap_invalidated = False
        return True

    def _let_go(self) -> None:
        if self._guard is not None:
            # Said, and not only left to the server: another beat may ask the next moment.
            with suppress(psycopg.Error):
                self._guard.execute("SELECT pg_advisory_unlock_all()")
            self._guard.close()
            self._guard = None
