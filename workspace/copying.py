"""Putting many rows into a table at once: COPY, with indexes and keys made afterwards."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from psycopg import sql


def copy_rows(table: str, columns: Sequence[str], blocks: Iterable[bytes]) -> int:
    """Append rows in COPY's text format; returns how many."""
    return _copy(table, columns, blocks, sql.SQL("(FORMAT text)"))


def copy_records(table: str, columns: Sequence[str], records: Iterable[Sequence[Any]]) -> int:
    """Append records of Python values, each in the order of `columns`; returns how many."""
    with connection.cursor() as cursor:
        with cursor.copy(_statement(table, columns, sql.SQL("(FORMAT text)"))) as copy:
            for record in records:
                copy.write_row(record)
        return int(cursor.rowcount)


def copy_binary(
    table: str, columns: Sequence[str], blocks: Iterable[bytes], *, freeze: bool
) -> int:
    """Append rows in COPY's binary format, header and trailer not included; returns how many.

    `freeze` needs a table made in the same transaction; its rows then never need a vacuum.
    """
    framed = _framed(blocks)
    return _copy(
        table, columns, framed, sql.SQL("(FORMAT binary, FREEZE {})").format(sql.Literal(freeze))
    )


def _framed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    yield b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    yield from blocks
    yield b"\xff\xff"


def _copy(
    table: str, columns: Sequence[str], blocks: Iterable[bytes], options: sql.Composable
) -> int:
    with connection.cursor() as cursor:
        with cursor.copy(_statement(table, columns, options)) as copy:
            for block in blocks:
                copy.write(block)
        return int(cursor.rowcount)


def _statement(table: str, columns: Sequence[str], options: sql.Composable) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN {}").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)), options
    )


def reserve_ids(table: str, count: int) -> int:
    """The first of `count` consecutive ids of `table` that nobody else will get."""
    statement = sql.SQL(
        "SELECT setval(s.name, greatest(nextval(s.name), coalesce((SELECT max(id) + 1 FROM {}), 1))"
        " + %s - 1) - %s + 1 FROM (SELECT pg_get_serial_sequence(%s, 'id') AS name) s"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.format(sql.Identifier(table)), [count, count, table])
        return int(cursor.fetchone()[0])


@contextmanager
def bare(table: str) -> Iterator[None]:
    """A transaction in which `table` has neither secondary indexes nor foreign keys.

    They are put back as they were, each in one pass over all rows, before the transaction ends.
    Nobody else reads or writes the table meanwhile. Only for tables that were empty: putting
    back costs the whole table.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype = 'f'",
            [table],
        )
        keys = cursor.fetchall()
        cursor.execute(
            "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE i.indrelid = %s::regclass"
            " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)",
            [table],
        )
        indexes = cursor.fetchall()
        name = sql.Identifier(table)
        for key, _definition in keys:
            cursor.execute(
                sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(name, sql.Identifier(key))
            )
        for index, _definition in indexes:
            cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
        yield
        for _index, definition in indexes:
            cursor.execute(definition)
        for key, definition in keys:
            cursor.execute(
                sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} ").format(name, sql.Identifier(key))
                + sql.SQL(definition)
            )
