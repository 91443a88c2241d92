"""Secrets at rest: sealed under the first of FIELD_ENCRYPTION_KEYS, opened with any of them.

A room that keeps a secret registers its column here, so that a change of keys reaches it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from psycopg import sql as composing

from workspace import sql
from workspace.errors import DomainError

_columns: set[tuple[str, str]] = set()
_ROWS_AT_ONCE = 1000


class SecretUnreadable(DomainError):
    """A secret was sealed under a key that is not among the present ones, or there is no key."""

    code = "secret_unreadable"


@dataclass(frozen=True, slots=True)
class Resealed:
    """What a change of keys did to one column; `unreadable` secrets were left as they are."""

    column: str
    resealed: int
    unreadable: int


def seal(text: str) -> str:
    """`text` encrypted under the first key; each time it reads differently."""
    return _locks()[0].encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """What was sealed. Raises SecretUnreadable where none of the present keys opens it."""
    _first, every = _locks()
    try:
        return every.decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable(
            _(
                "A secret cannot be read with the present FIELD_ENCRYPTION_KEYS."
                " Add the key under which it was sealed to the end of the list."
            )
        ) from error


def register_column(model: str, column: str) -> None:
    """Have `column` of `model` ("integrations.WriteKey") sealed anew when keys are changed.

    An empty text there is no secret. May be called again.
    """
    _columns.add((model, column))


def rotate() -> Iterator[Resealed]:
    """Seal all secrets under the first key, column by column; repeated it finds nothing to do."""
    for model, column in sorted(_columns):
        meta = apps.get_model(model)._meta
        primary_key = meta.pk.column
        resealed = unreadable = 0
        after = None
        while found := _next_rows(meta.db_table, primary_key, column, after):
            after = found[-1][0]
            changes, failed = _sealed_anew(found)
            resealed += _write(meta.db_table, primary_key, column, changes)
            unreadable += failed
        yield Resealed(f"{model}.{column}", resealed, unreadable)


def _next_rows(
    table: str, primary_key: str, column: str, after: int | None
) -> list[tuple[int, str]]:
    statement = composing.SQL(
        "SELECT {key}, {column} FROM {table}"
        " WHERE {column} <> '' AND (%s::bigint IS NULL OR {key} > %s) ORDER BY 1 LIMIT %s"
    ).format(**_names(table, primary_key, column))
    return sql.lists(statement.as_string(), [after, after, _ROWS_AT_ONCE])


def _sealed_anew(rows: list[tuple[int, str]]) -> tuple[list[tuple[int, str, str]], int]:
    """(id, sealed before, sealed now) of what is not under the first key; how many cannot be."""
    first, every = _locks()
    changes, unreadable = [], 0
    for key, sealed in rows:
        try:
            first.decrypt(sealed.encode())
        except InvalidToken:
            try:
                changes.append((key, sealed, every.rotate(sealed.encode()).decode()))
            except InvalidToken:
                unreadable += 1
    return changes, unreadable


@transaction.atomic
def _write(table: str, primary_key: str, column: str, changes: list[tuple[int, str, str]]) -> int:
    """Replace what nobody changed meanwhile."""
    if not changes:
        return 0
    statement = composing.SQL(
        "UPDATE {table} SET {column} = new.after"
        " FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new (id, before, after)"
        " WHERE {table}.{key} = new.id AND {table}.{column} = new.before"
    ).format(**_names(table, primary_key, column))
    return sql.execute(statement.as_string(), [list(part) for part in zip(*changes, strict=True)])


def _names(table: str, primary_key: str, column: str) -> dict[str, composing.Identifier]:
    return {
        "table": composing.Identifier(table),
        "key": composing.Identifier(primary_key),
        "column": composing.Identifier(column),
    }


def _locks() -> tuple[Fernet, MultiFernet]:
    """The first key, and all of them."""
    if not settings.FIELD_ENCRYPTION_KEYS:
        raise SecretUnreadable(
            _("Secrets can be neither kept nor read: the setting FIELD_ENCRYPTION_KEYS is missing.")
        )
    return _made_of(tuple(settings.FIELD_ENCRYPTION_KEYS))


@lru_cache(maxsize=4)
def _made_of(keys: tuple[str, ...]) -> tuple[Fernet, MultiFernet]:
    every = [Fernet(key) for key in keys]
    return every[0], MultiFernet(every)
