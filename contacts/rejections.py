"""The file of rows that an import could not use, each with the reason, to mend and import again."""

import csv
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.db import connection
from psycopg import sql

REASON_COLUMN = "reason"


def rejections_root() -> Path:
    """Where these files lie until retention removes them."""
    root: Path = settings.VAR / "rejected"
    return root


class RejectionFile:
    """A CSV with a column for the reason before those of the imported file.

    Made when the first row comes: `path` is none where all rows were used. The cells are as they
    were, so that the file can be imported again; only its owner may read it.
    """

    def __init__(self, source: Path, columns: Sequence[str]) -> None:
        self._source = source
        self._columns = columns
        self._stream: TextIO | None = None
        self.path: Path | None = None
        self.row_count = 0

    def write(self, cells: Sequence[str], reason: str) -> None:
        """Add one row."""
        csv.writer(self._open(), lineterminator="\n").writerow([reason, *cells])
        self.row_count += 1

    def copy(self, query: sql.Composable) -> int:
        """Add the rows of a query: the reason, then the cells. Returns how many."""
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')").format(query)
        count = 0
        with connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for block in copy:
                    self._open().write(bytes(block).decode())
            count = int(cursor.rowcount)
        self.row_count += count
        return count

    def close(self) -> None:
        """Finish the file."""
        if self._stream is not None:
            self._stream.close()

    def discard(self) -> None:
        """Remove the file: nothing of the import has happened."""
        self.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            self.path = None

    def _open(self) -> TextIO:
        if self._stream is None:
            root = rejections_root()
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path = root / f"{self._source.stem[:80]}-{secrets.token_hex(4)}.csv"
            self.path.touch(mode=0o600)
            # With a BOM: Excel reads it as UTF-8.
            self._stream = self.path.open("w", encoding="utf-8-sig", newline="")
            csv.writer(self._stream, lineterminator="\n").writerow([REASON_COLUMN, *self._columns])
        return self._stream
