"""What the statements of an import have in common."""

from collections.abc import Sequence

from django.db import connection
from psycopg import sql

from contacts.imports.cells import Reading
from contacts.imports.checks import says_anything


def execute(statement: sql.Composable | str) -> int:
    """Run one statement without parameters; returns how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


def count(statement: sql.Composable | str) -> int:
    """The number that a statement gives."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


def contact_sequence() -> str:
    """Where the ids of contacts come from."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence('contacts_contact', 'id')")
        return str(cursor.fetchone()[0])


def typed_rows(readings: Sequence[Reading]) -> sql.Composable:
    """The rows that can be used, each cell as the value that it means; conditions may follow."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT position FROM import_cell WHERE reason IS NULL")
        read = {position for (position,) in cursor.fetchall()}
    parts: list[sql.Composable] = [sql.SQL("f.id")]
    joins: list[sql.Composable] = []
    for reading in readings:
        position = reading.column.position
        own: sql.Composable = sql.Identifier("f", reading.column.name)
        name = None if reading.named is None else reading.named(own)
        value = own
        if position in read:
            known = sql.Identifier(f"m{position}")
            joins.append(
                sql.SQL(
                    " LEFT JOIN import_cell {known}"
                    " ON {known}.raw = {own} AND {known}.position = {position}"
                ).format(known=known, own=own, position=sql.Literal(position))
            )
            either = sql.SQL("CASE WHEN {}.position IS NULL THEN {} ELSE {}.{} END")
            value = either.format(known, own, known, sql.Identifier("value"))
            if name is not None:
                name = either.format(known, name, known, sql.Identifier("name"))
        elif reading.plain is None:
            # Nothing in it could be used.
            value = sql.SQL("NULL::text")
        parts.append(_named(reading.typed(value), reading.value_column))
        if name is not None:
            parts.append(_named(name, reading.name_column))
    return sql.SQL(
        "SELECT {parts} FROM import_file f {joins}"
        " WHERE NOT EXISTS (SELECT FROM import_fault x WHERE x.id = f.id) AND {anything}"
    ).format(
        parts=sql.SQL(", ").join(parts),
        joins=sql.Composed(joins),
        anything=says_anything(readings),
    )


def _named(expression: sql.Composable, name: str) -> sql.Composable:
    return sql.SQL("{} AS {}").format(expression, sql.Identifier(name))
