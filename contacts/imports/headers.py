"""What a file looks like, for a person who is about to import it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from contacts.imports.columns import Target, Targets, guess
from contacts.tabular import open_table

_SAMPLE_ROWS = 10


@dataclass(frozen=True, slots=True)
class Header:
    """How a file is written, its columns, what they seem to be, and its first rows.

    `guesses` has an empty text for a column that says nothing to us. `row_estimate` is exact
    where no cell contains a newline.
    """

    kind: str
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    row_estimate: int
    guesses: Mapping[str, str]
    choices: tuple[Target, ...]
    rows: tuple[tuple[str, ...], ...]


def read_header(path: str | Path) -> Header:
    """Look at a file without importing anything. Raises FileUnreadable."""
    table = open_table(path)
    targets = Targets()
    return Header(
        kind=table.kind,
        encoding=table.encoding,
        delimiter=table.delimiter,
        columns=table.columns,
        row_estimate=table.row_estimate,
        guesses=guess(table.columns, targets),
        choices=tuple(targets.all()),
        rows=tuple(tuple(row) for row in islice(table.rows(), _SAMPLE_ROWS)),
    )
