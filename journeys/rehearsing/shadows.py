"""Tables that stand before those of the engine, for one connection and as long as it rehearses.

The engine's statements name its tables without a schema, and temporary tables are found first: so
the same statements that move the living move those of a rehearsal, and nobody else sees them. All
that is not such a table is read-only meanwhile, which the database itself holds to. So nothing is
locked and nothing grows, and what a killed worker leaves ends with its connection.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from journeys.engine.portions import alone
from journeys.models import (
    CapCount,
    Entrance,
    JourneyVersion,
    Message,
    Participant,
    Passage,
    Reading,
    Refusal,
    Signal,
    Transition,
)
from workspace import sql

_MODELS = (
    *(JourneyVersion, Participant, Transition, Passage, Entrance, Refusal, Signal, Reading),
    *(Message, CapCount),
)
TABLES = tuple(model._meta.db_table for model in _MODELS)
# Those who are to enter, until it is their time.
COMING = "journeys_rehearsal_coming"
_COMING = f"""
CREATE TEMPORARY TABLE {COMING} (
  contact_id bigint NOT NULL, cause text NOT NULL, at timestamptz NOT NULL, context jsonb NOT NULL)
"""
_READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
_AS_BEFORE = "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"


@contextmanager
def shadowed() -> Iterator[None]:
    """Have the engine of this connection move shadows, and nobody write anything else."""
    try:
        for table in TABLES:
            # Checks, defaults and indexes come with it; triggers and what refers to others do not.
            sql.execute(f"CREATE TEMPORARY TABLE {table} (LIKE {table} INCLUDING ALL)")
        sql.execute(_COMING)
        sql.execute(f"CREATE INDEX ON {COMING} (at)")
        sql.execute(_READ_ONLY)
        with alone():
            yield
    finally:
        _put_away()


def refresh_statistics() -> None:
    """Let the server know how large the shadows are: nobody else looks after them."""
    for table in (COMING, *TABLES):
        sql.execute(f"ANALYZE {table}")


def _put_away() -> None:
    """Drop the shadows; a connection on which that fails is closed, so that nobody uses it."""
    raw = connection.connection
    try:
        sql.execute(_AS_BEFORE)
        names = ", ".join(f"pg_temp.{table}" for table in (COMING, *TABLES))
        sql.execute(f"DROP TABLE IF EXISTS {names}")
    except BaseException:
        # The pool would hand it to others, who would find shadows in the place of the living.
        if raw is not None:
            raw.close()
        raise
