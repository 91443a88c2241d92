"""One statement at a time, outside the ORM: rows as dictionaries, limits of time, hints."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

# By place (%s) or by name (%(name)s).
Params = Sequence[Any] | Mapping[str, Any]


def rows(statement: str, params: Params = ()) -> list[dict[str, Any]]:
    """The rows of one statement, each by column name."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def lists(statement: str, params: Params = ()) -> list[tuple[Any, ...]]:
    """The rows of one statement, for columns that need no names."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return list(cursor.fetchall())


def one(statement: str, params: Params = ()) -> Any:
    """The first column of the first row; None without a row."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        row = cursor.fetchone()
    return None if row is None else row[0]


def execute(statement: str, params: Params = ()) -> int:
    """Run one statement; returns how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return int(cursor.rowcount)


@contextmanager
def local_settings(settings: Mapping[str, str]) -> Iterator[None]:
    """A transaction (or savepoint) whose statements run with these settings of the server."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            for name, value in settings.items():
                cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
        yield
