"""Reads what the server cannot read itself, and finds the rows that cannot be used."""

from collections.abc import Iterable, Sequence

from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg import sql

from contacts.imports.cells import Reading
from contacts.values import ValueRefused
from workspace import copying
from workspace import sql as statements

_FETCH_ROWS = 5_000
# Memory for the different texts of a column.
_SETTINGS = {"work_mem": "128MB"}


def check(readings: Sequence[Reading]) -> None:
    """Make `import_cell`, the meaning of cells that are not plain, and fill `import_fault`."""
    with (
        statements.local_settings(_SETTINGS),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "CREATE TEMP TABLE import_cell"
            " (position integer, raw text, value text, name text, reason text)"
        )
        regular = [reading for reading in readings if reading.plain is not None]
        if regular:
            cursor.execute(
                sql.SQL(
                    "CREATE TEMP TABLE import_irregular AS SELECT * FROM import_file WHERE {}"
                ).format(sql.SQL(" OR ").join(map(_is_irregular, regular)))
            )
        for reading in readings:
            _read_texts(reading)
        cursor.execute("CREATE INDEX import_cell_raw ON import_cell USING hash (raw)")
        cursor.execute("ANALYZE import_cell")
        for reading in readings:
            cursor.execute(_faults(reading))
        cursor.execute(_nameless(readings))
        cursor.execute("DROP TABLE IF EXISTS import_irregular")
        cursor.execute("ANALYZE import_fault")


_COLUMNS = ("position", "raw", "value", "name", "reason")


def _is_irregular(reading: Reading) -> sql.Composable:
    assert reading.plain is not None
    return sql.SQL("NOT ({})").format(reading.plain(sql.Identifier(reading.column.name)))


def _read_texts(reading: Reading) -> None:
    """Read each different text that is not plain, once."""
    own = sql.Identifier(reading.column.name)
    if reading.plain is None:
        query = sql.SQL("SELECT DISTINCT {0} FROM import_file WHERE {0} IS NOT NULL").format(own)
    else:
        query = sql.SQL("SELECT DISTINCT {} FROM import_irregular WHERE {}").format(
            own, _is_irregular(reading)
        )
    with connection.chunked_cursor() as texts:
        texts.execute(query)
        while found := texts.fetchmany(_FETCH_ROWS):
            copying.copy_records("import_cell", _COLUMNS, [_read(reading, raw) for (raw,) in found])


def _read(reading: Reading, raw: str) -> tuple[int, str, str | None, str | None, str | None]:
    position = reading.column.position
    try:
        value = reading.read(raw)
        name = None if value is None else reading.name(raw)
    except ValueRefused as refused:
        words = {"column": reading.column.header, "reason": refused}
        return position, raw, None, None, _("%(column)s: %(reason)s") % words
    return position, raw, value, name, None


def _faults(reading: Reading) -> sql.Composable:
    return sql.SQL(
        "INSERT INTO import_fault SELECT f.id, m.reason FROM import_file f"
        " JOIN import_cell m ON m.raw = {cell} AND m.position = {position}"
        " WHERE m.reason IS NOT NULL"
    ).format(
        cell=sql.Identifier("f", reading.column.name),
        position=sql.Literal(reading.column.position),
    )


def _nameless(readings: Sequence[Reading]) -> sql.Composable:
    """Rows that do not say who they are about."""
    names = [
        sql.SQL("coalesce(btrim({}), '') = ''").format(sql.Identifier("f", reading.column.name))
        for reading in readings
        if reading.namespace is not None
    ]
    return sql.SQL(
        "INSERT INTO import_fault SELECT f.id, {reason} FROM import_file f"
        " WHERE {nameless} AND {anything}"
    ).format(
        reason=sql.Literal(_("The row does not say who it is about.")),
        nameless=sql.SQL(" AND ").join(names),
        anything=says_anything(readings),
    )


def says_anything(readings: Iterable[Reading]) -> sql.Composable:
    """Whether the file's row `f` has any cell that is used."""
    return sql.SQL("({})").format(
        sql.SQL(" OR ").join(
            sql.SQL("{} IS NOT NULL").format(sql.Identifier("f", reading.column.name))
            for reading in readings
        )
    )
