"""Ticks whose connection to the database is ended again and again, until all is done."""

import random
import time
from datetime import datetime
from threading import Thread

from django.db import DatabaseError, InterfaceError, connection

from journeys.engine import tick
from workspace import sql


def tick_while_it_breaks(*, as_of: datetime, limit: int, times: int, pause: float) -> None:
    """Move everyone due by `limit`; `times` the session is ended, after `pause` seconds at most."""
    backends: list[int] = []
    breaks: list[Exception] = []

    def work() -> None:
        while True:
            try:
                backends.append(sql.one("SELECT pg_backend_pid()"))
                tick.tick_all(as_of=as_of, limit=limit)
                if not tick.due_journeys(as_of=as_of):
                    break
            except (DatabaseError, InterfaceError) as error:
                breaks.append(error)
            finally:
                connection.close()

    worker = Thread(target=work)
    worker.start()
    dice = random.Random(3)
    while worker.is_alive():
        time.sleep(pause * dice.random())
        if len(breaks) < times and backends:
            sql.one("SELECT pg_terminate_backend(%s)", [backends[-1]])
    worker.join()
    assert breaks
