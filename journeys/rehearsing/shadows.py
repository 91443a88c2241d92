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
# In memory they are some 3 kB for each contact. It can be said only before a connection touches its
# first temporary table; where it is too late they are read from files, which is slower.
_KEEP_IN_MEMORY = """
DO $$ BEGIN
  PERFORM set_config('temp_buffers', '256MB', false);
EXCEPTION WHEN invalid_parameter_value THEN NULL;
END $$
"""
# Statistics of shadows are always from before: by them the server would read all who are inside to
# find that nobody is due. The engine's questions all have an index of their own.
_BY_INDEX = "SET enable_seqscan = off"
_AS_IT_LIKES = "RESET enable_seqscan"
_READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
_AS_BEFORE = "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"


def living(table: str) -> str:
    """The name by which the table behind a shadow is read."""
    schema: str = sql.one("SELECT current_schema()")
    return ".".join(connection.ops.quote_name(name) for name in (schema, table))


@contextmanager
def shadowed() -> Iterator[None]:
    """Have the engine of this connection move shadows, and nobody write anything else."""
    try:
        sql.execute(_KEEP_IN_MEMORY)
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


@contextmanager
def read_by_index() -> Iterator[None]:
    """Have the server look everybody up meanwhile, whatever it believes of how many there are."""
    sql.execute(_BY_INDEX)
    try:
        yield
    finally:
        # Nothing can be said any more in a transaction that came to grief; what ends it resets it.
        if not connection.needs_rollback:
            sql.execute(_AS_IT_LIKES)


def tidy() -> None:
    """Let the server know how large the shadows are, and sweep out what is gone from them.

    Nobody else looks after temporary tables, and each look into an index passes by all that was
    deleted or moved. Inside of a transaction, where nothing can be swept out, only the first.
    """
    verb = "ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)"
    for table in (COMING, *TABLES):
        sql.execute(f"{verb} {table}")


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
