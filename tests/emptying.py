"""Gives the database back to the next test as it was after the migrations, in some milliseconds.

Django empties every table after a test that commits, and lets all rooms make their first rows
anew: half a second each time. Here only tables that a test wrote into are touched; what the
migrations left is kept aside once and put back where a test changed it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.test import TransactionTestCase
from psycopg import sql as syntax

_ASIDE = "kept_aside"
_MANY = 5000
_TABLES = """
SELECT c.relname, EXISTS (
  SELECT FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace
  WHERE n.nspname = %s AND k.relname = c.relname) AS is_kept
FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
  AND c.relname <> 'django_migrations' ORDER BY c.relname
"""


def keep_aside() -> bool:
    """Copy what the migrations left, each table by itself; once for a database.

    False where the user of the database may not do what `put_back` does.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() != (True,):
            return False
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {_ASIDE}")
        for table, _is_kept in _tables(cursor):
            cursor.execute(_filled("SELECT EXISTS (SELECT FROM {})", table))
            if cursor.fetchone() == (True,):
                cursor.execute(
                    syntax.SQL("CREATE TABLE {} AS TABLE {}").format(
                        syntax.Identifier(_ASIDE, table), syntax.Identifier("public", table)
                    )
                )
    return True


def put_back() -> None:
    """Empty what was filled, and put back what was kept aside where it is no longer the same."""
    with connection.cursor() as cursor, _without_triggers(cursor):
        tables = _tables(cursor)
        probes = syntax.SQL(" UNION ALL ").join(_probe(table, kept) for table, kept in tables)
        cursor.execute(probes)
        changed = dict(cursor.fetchall())
        for table, is_kept in tables:
            if table not in changed:
                continue
            empty = "TRUNCATE {} CASCADE" if changed[table] and not is_kept else "DELETE FROM {}"
            cursor.execute(_filled(empty, table))
            if is_kept:
                cursor.execute(
                    syntax.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE TABLE {}").format(
                        syntax.Identifier("public", table), syntax.Identifier(_ASIDE, table)
                    )
                )


@contextmanager
def quickly() -> Iterator[None]:
    """Have tests that commit end so."""
    before: Any = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
    TransactionTestCase._fixture_teardown = lambda _test: put_back()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        TransactionTestCase._fixture_teardown = before  # type: ignore[attr-defined]


def _tables(cursor: Any) -> list[tuple[str, bool]]:
    cursor.execute(_TABLES, [_ASIDE])
    return list(cursor.fetchall())


def _probe(table: str, is_kept: bool) -> syntax.Composable:
    """A row (table, has many rows) where the table is not as it was."""
    own, aside = syntax.Identifier("public", table), syntax.Identifier(_ASIDE, table)
    if is_kept:
        text = (
            "(SELECT {name}, false WHERE EXISTS ((TABLE {own} EXCEPT TABLE {aside})"
            " UNION ALL (TABLE {aside} EXCEPT TABLE {own})))"
        )
    else:
        text = (
            "(SELECT {name}, EXISTS (SELECT FROM {own} OFFSET {many})"
            " WHERE EXISTS (SELECT FROM {own}))"
        )
    return syntax.SQL(text).format(
        name=syntax.Literal(table), own=own, aside=aside, many=syntax.Literal(_MANY)
    )


def _filled(text: str, table: str) -> syntax.Composed:
    return syntax.SQL(text).format(syntax.Identifier("public", table))


@contextmanager
def _without_triggers(cursor: Any) -> Iterator[None]:
    """Ledgers refuse to forget, and keys ask about each other: not between tests."""
    cursor.execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        cursor.execute("SET session_replication_role = DEFAULT")
