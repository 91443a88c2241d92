"""Rows as CSV, XLSX or JSON lines, written as they come.

A cell of text that begins with = + - @ (also wide), a tab or a line break would be run as a formula
by a spreadsheet: it gets an apostrophe in front, in CSV and XLSX. So does text that begins with
apostrophes and such a character, so that `restored` gives back exactly what was written. Numbers
stay numbers; those with more digits than a sheet keeps (15) are written to it as text.
"""

import contextlib
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO

from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from segments.errors import LetterUnfitting
from segments.models import ExportSettings
from workspace.exactjson import exact_dumps

# What a sheet can hold, its heading included.
SHEET_LIMIT = 1_048_576
SEPARATOR_IN_CELLS = "|"
_SHEET_DIGITS = 15
_SHEET_MOST = 10**15
_SHEET_EXPONENT = 290
# Wide ones count in Japanese editions; tab and line breaks are skipped before a formula.
_FORMULA = r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_RISKY = re.compile(f"'*{_FORMULA}")
_LINE_END = re.compile(r"\r\n?")
_NEUTRALISED = re.compile(f"'+{_FORMULA}")

Format = ExportSettings.Format
Separator = ExportSettings.Separator
Encoding = ExportSettings.Encoding
Unfitting = ExportSettings.Unfitting
DecimalMark = ExportSettings.DecimalMark
SEPARATORS = {Separator.COMMA: ",", Separator.SEMICOLON: ";", Separator.TAB: "\t"}
CODECS = {
    Encoding.UTF_8: "utf-8",
    Encoding.UTF_8_BOM: "utf-8",
    Encoding.WINDOWS_1252: "cp1252",
    Encoding.WINDOWS_1250: "cp1250",
    Encoding.LATIN_2: "iso8859-2",
}
_BOM = b"\xef\xbb\xbf"

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a CSV file is written; the other formats have one way only.

    `unfitting` says what becomes of letters that the encoding lacks.
    """

    separator: str = Separator.COMMA
    encoding: str = Encoding.UTF_8
    unfitting: str = Unfitting.REFUSE
    decimal_mark: str = DecimalMark.POINT


PLAIN = Layout()


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
    layout: Layout = PLAIN,
) -> int:
    """Write rows of JSON values under `names`; returns in how many rows letters were replaced.

    Raises LetterUnfitting where the layout refuses letters that its encoding lacks.
    """
    match Format(file_format):
        case Format.CSV:
            return _write_csv(stream, names, rows, layout)
        case Format.XLSX:
            _write_xlsx(stream, names, rows)
        case Format.JSONL:
            _write_jsonl(stream, names, rows)
    return 0


class _Encoded:
    """Takes the lines of a CSV and writes their bytes; one call a row."""

    def __init__(self, stream: BinaryIO, layout: Layout, names: Sequence[str]) -> None:
        self.replaced = 0
        self._stream = stream
        self._encoding = Encoding(layout.encoding)
        self._codec = CODECS[self._encoding]
        self._is_replacing = layout.unfitting == Unfitting.REPLACE
        self._names = names
        self._lines = 0

    def write(self, line: str) -> None:
        self._lines += 1
        try:
            data = line.encode(self._codec)
        except UnicodeEncodeError as error:
            if not self._is_replacing:
                raise self._refusal(error) from error
            self.replaced += 1
            data = line.encode(self._codec, "replace")
        self._stream.write(data)

    def _refusal(self, error: UnicodeEncodeError) -> LetterUnfitting:
        letter = error.object[error.start]
        told: dict[str, Any] = {
            "letter": letter,
            "encoding": str(self._encoding.label),
            "row": self._lines - 1,
        }
        if self._lines == 1:
            message = _("The heading has the letter “%(letter)s”, which %(encoding)s lacks.")
        else:
            message = _("Row %(row)d has the letter “%(letter)s”, which %(encoding)s lacks.")
        advice = _("Choose UTF-8, or let such letters be replaced.")
        return LetterUnfitting(f"{message % told} {advice}", **told)


def _write_csv(stream: BinaryIO, names: Sequence[str], rows: Iterable[Row], layout: Layout) -> int:
    if layout.encoding == Encoding.UTF_8_BOM:
        stream.write(_BOM)
    lines = _Encoded(stream, layout, names)
    separator = SEPARATORS[Separator(layout.separator)]
    writer = csv.writer(lines, delimiter=separator, lineterminator="\r\n")
    writer.writerow([neutralised(name) for name in names])
    if layout.decimal_mark == DecimalMark.COMMA:
        writer.writerows([_with_comma(_in_cell(value)) for value in row] for row in rows)
    else:
        writer.writerows([_in_cell(value) for value in row] for row in rows)
    return lines.replaced


def _with_comma(cell: Any) -> Any:
    return f"{cell:f}".replace(".", ",") if isinstance(cell, Decimal) else cell


def _write_xlsx(stream: BinaryIO, names: Sequence[str], rows: Iterable[Row]) -> None:
    book = Workbook(write_only=True)
    try:
        _fill(book, names, rows)
        book.save(stream)
    except BaseException:
        _forget(book)
        raise


def _forget(book: Any) -> None:
    """Delete what the sheets of a book wrote so far: it waits in files of its own, with people."""
    for sheet in book.worksheets:
        writer = sheet._writer
        if writer is None:
            continue
        # The file of one that is closed may be gone already.
        with contextlib.suppress(OSError, ValueError):
            sheet.close()
        with contextlib.suppress(OSError, ValueError):
            writer.cleanup()


def _fill(book: Any, names: Sequence[str], rows: Iterable[Row]) -> None:
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


def _write_jsonl(stream: BinaryIO, names: Sequence[str], rows: Iterable[Row]) -> None:
    for row in rows:
        line = exact_dumps(dict(zip(names, row, strict=True)))
        stream.write(line.encode() + b"\n")


def _in_sheet(row: Row) -> Iterator[Any]:
    for value in row:
        said = _said(value)
        if isinstance(said, str):
            # First what a sheet cannot hold goes: what was behind it may be a formula.
            yield neutralised(ILLEGAL_CHARACTERS_RE.sub("", _LINE_END.sub("\n", said)))
        else:
            yield said if _fits_sheet(said) else str(said)


def _fits_sheet(number: int | Decimal) -> bool:
    """Whether a spreadsheet, which counts in floats, keeps every digit."""
    if isinstance(number, int):
        return abs(number) < _SHEET_MOST
    parts = number.as_tuple()
    return len(parts.digits) <= _SHEET_DIGITS and abs(int(parts.exponent)) < _SHEET_EXPONENT


def shown(value: Any) -> str:
    """A value as its cell of a CSV says it."""
    return str(_in_cell(value))


def _in_cell(value: Any) -> Any:
    said = _said(value)
    return neutralised(said) if isinstance(said, str) else said


def _said(value: Any) -> Any:
    """A value as a number or as text, not yet fit for a spreadsheet."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | Decimal() | str():
            return value
        case list():
            return SEPARATOR_IN_CELLS.join(map(str, value))
        case _:
            return exact_dumps(value)
