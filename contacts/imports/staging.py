"""The file in a temporary table, as it is: a row for each record, a text for each cell."""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _
from psycopg import sql

from contacts.imports.columns import staged_name
from contacts.rejections import RejectionFile
from contacts.tabular import Table
from workspace.console import Progress

# The first row of the file has the names.
_FIRST_ROW = 2
TABLES = (
    *("import_file", "import_irregular", "import_cell", "import_fault"),
    *("import_pending", "import_target", "import_later", "import_changed"),
)


@contextmanager
def temporary_tables() -> Iterator[None]:
    """The temporary tables of an import may be made; they are gone afterwards."""
    drop = sql.SQL("DROP TABLE IF EXISTS {}").format(
        sql.SQL(", ").join(sql.Identifier("pg_temp", table) for table in TABLES)
    )
    with connection.cursor() as cursor:
        cursor.execute(drop)
    try:
        yield
    finally:
        # Where the connection or its transaction is broken, they are gone with it.
        broken = (DatabaseError, transaction.TransactionManagementError)
        with suppress(*broken), connection.cursor() as cursor:
            cursor.execute(drop)


class Shifts:
    """Which row of the file a staged row is: rows that were no records at all come between."""

    def __init__(self) -> None:
        self._staged = array("q")

    def add(self, staged_count: int) -> int:
        """A faulty row after so many staged ones; its number in the file."""
        self._staged.append(staged_count)
        return staged_count + len(self._staged) - 1 + _FIRST_ROW

    def row(self, staged_id: sql.Composable) -> sql.Composable:
        """Which row of the file a staged one is; ids count from 1."""
        row = sql.SQL("{} + {}").format(staged_id, sql.Literal(_FIRST_ROW - 1))
        if self._staged:
            row = sql.SQL("{} + width_bucket({} - 1, {}::bigint[])").format(
                row, staged_id, sql.Literal(list(self._staged))
            )
        return row

    def reason(self) -> sql.Composable:
        """The reason `x.reason` with the row of the file that `f.id` is."""
        row = self.row(sql.Identifier("f", "id"))
        sentence = reason_of("{row}", "{reason}")
        return sql.SQL(
            "replace(replace({}, '{{row}}', ({})::text), '{{reason}}', x.reason)"
        ).format(sql.Literal(sentence), row)


def stage(table: Table, rejections: RejectionFile, work: Progress | None) -> tuple[int, Shifts]:
    """Copy the file into `import_file`; how many rows it has, and their numbers in the file.

    Rows with a wrong number of fields go to `rejections`. Raises FileUnreadable.
    """
    names = [staged_name(position) for position in range(len(table.columns))]
    definitions = sql.SQL(", ").join(
        sql.SQL("{} text").format(sql.Identifier(name)) for name in names
    )
    shifts, count = Shifts(), 0

    def reject(cells: Sequence[str], reason: str) -> None:
        rejections.write(cells, reason_of(shifts.add(count), reason))

    # A fault of the file ends the COPY with an error, which would end the caller's transaction.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "CREATE TEMP TABLE import_file"
                " (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000), {})"
            ).format(definitions)
        )
        with cursor.copy(table.copy_statement("import_file", names)) as copy:
            for chunk in table.chunks(reject):
                copy.write(chunk.data)
                count += chunk.row_count
                if work is not None:
                    work.advance(0, table.row_estimate, _("reading the file"))
        cursor.execute("CREATE INDEX import_file_id ON import_file (id)")
        cursor.execute("ANALYZE import_file")
        cursor.execute("CREATE TEMP TABLE import_fault (id bigint NOT NULL, reason text NOT NULL)")
        cursor.execute("CREATE INDEX import_fault_id ON import_fault (id)")
    return count, shifts


def reason_of(row: object, reason: str) -> str:
    """Why a row of the file was rejected, and which one it is."""
    return _("Row %(row)s: %(reason)s") % {"row": row, "reason": reason}
