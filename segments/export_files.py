"""Rows as CSV, XLSX or JSON lines, written as they come.

A cell of text that begins with = + - @ tab or CR would be run as a formula by a spreadsheet: it
gets an apostrophe in front, in CSV and XLSX. So does text that begins with apostrophes and such a
character, so that `restored` gives back exactly what was written. Numbers stay numbers.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from segments.models import Export
from workspace.exactjson import exact_dumps

# What a sheet can hold, its heading included.
SHEET_LIMIT = 1_048_576
SEPARATOR_IN_CELLS = "|"
_RISKY = re.compile(r"'*[=+\-@\t\r]")
_NEUTRALISED = re.compile(r"'+[=+\-@\t\r]")

Row = Sequence[Any]


def neutralised(text: str) -> str:
    """`text` as a spreadsheet shows it and does not run it."""
    return f"'{text}" if _RISKY.match(text) else text


def restored(text: str) -> str:
    """What `neutralised` was given."""
    return text[1:] if _NEUTRALISED.match(text) else text


def write(
    stream: BinaryIO,
    names: Sequence[str],
    rows: Iterable[Row],
    *,
    file_format: str,
    bom: bool = False,
) -> None:
    """Write rows of JSON values under `names`. A byte order mark only in CSV, if wanted."""
    match Export.Format(file_format):
        case Export.Format.CSV:
            _write_csv(stream, names, rows, bom=bom)
        case Export.Format.XLSX:
            _write_xlsx(stream, names, rows)
        case Export.Format.JSONL:
            _write_jsonl(stream, names, rows)


def _write_csv(stream: BinaryIO, names: Sequence[str], rows: Iterable[Row], *, bom: bool) -> None:
    encoding = "utf-8-sig" if bom else "utf-8"
    text = io.TextIOWrapper(stream, encoding, newline="", write_through=False)
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([neutralised(name) for name in names])
        writer.writerows([_in_cell(value) for value in row] for row in rows)
        text.flush()
    finally:
        # The stream is the caller's to close.
        text.detach()


def _write_xlsx(stream: BinaryIO, names: Sequence[str], rows: Iterable[Row]) -> None:
    book = Workbook(write_only=True)
    heading = [neutralised(name) for name in names]
    left = iter(rows)
    is_first = True
    while True:
        some = islice(left, SHEET_LIMIT - 1)
        first = next(some, None)
        if first is None and not is_first:
            break
        sheet = book.create_sheet()
        sheet.append(heading)
        if first is None:
            break
        sheet.append(_in_sheet(first))
        for row in some:
            sheet.append(_in_sheet(row))
        is_first = False
    book.save(stream)


def _write_jsonl(stream: BinaryIO, names: Sequence[str], rows: Iterable[Row]) -> None:
    for row in rows:
        line = exact_dumps(dict(zip(names, row, strict=True)))
        stream.write(line.encode() + b"\n")


def _in_sheet(row: Row) -> Iterator[Any]:
    for value in row:
        cell = _in_cell(value)
        yield ILLEGAL_CHARACTERS_RE.sub("", cell) if isinstance(cell, str) else cell


def _in_cell(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return value
        case str():
            return neutralised(value)
        case list():
            return neutralised(SEPARATOR_IN_CELLS.join(map(str, value)))
        case _:
            return neutralised(exact_dumps(value))
