"""Tables in files that people bring: CSV in its encodings and dialects, and XLSX.

A CSV file of any size is passed on as bytes, a few megabytes at a time, without looking at single
rows: `Chunk.data` is UTF-8 with newlines, ready for `COPY … (FORMAT csv)`. Only where something is
irregular (a row too short, a quotation mark inside a field, a NUL) are rows read one by one.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import chain
from operator import methodcaller
from pathlib import Path
from typing import Any, BinaryIO

import openpyxl
from django.utils.translation import gettext as _
from openpyxl.utils.exceptions import InvalidFileException
from psycopg import sql

from contacts import encodings
from workspace.errors import InputInvalid

_BLOCK_BYTES = 1 << 20
_FIELD_CHARACTERS = 1 << 17
_CAREFUL_ROWS = 5_000
_COLUMN_LIMIT = 1_000
_UNPACKED_LIMIT = 4 << 30
_SAMPLE_BYTES = 1 << 18
_SAMPLE_RECORDS = 50
_DELIMITERS = (",", ";", "\t")
# Lines that COPY would take for the end of the data, or for a row.
_DECEPTIVE = re.compile(rb"^(\\\.)?$", re.MULTILINE)

# Called with the cells of a row that cannot be used and the reason.
OnFault = Callable[[Sequence[str], str], None]


class FileUnreadable(InputInvalid):
    """The file as a whole cannot be read as a table: nothing of it was used."""

    code = "file_unreadable"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole records, without the header, each with as many fields as there are columns."""

    data: bytes
    row_count: int


@dataclass(frozen=True, slots=True)
class Table:
    """A file with named columns. `row_estimate` is exact where no field contains a newline."""

    path: Path
    kind: str
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    row_estimate: int

    def chunks(self, on_fault: OnFault) -> Iterator[Chunk]:
        """The records, in the file's order. Empty lines are passed over.

        A row with too few or too many fields or with a NUL goes to `on_fault` instead, after the
        chunks with the rows before it. Raises
        FileUnreadable where a quotation mark is opened and never closed.
        """
        if self.kind == "xlsx":
            rows = _sheet_rows(self.path, len(self.columns))
            next(rows, None)
            return self._checked(rows, on_fault)
        return self._records(on_fault)

    def rows(self) -> Iterator[list[str]]:
        """The records one by one as texts, without the header and empty lines, faulty ones too.

        For a look at the first ones. Raises FileUnreadable.
        """
        if self.kind == "xlsx":
            rows = _sheet_rows(self.path, len(self.columns))
            next(rows, None)
            return rows
        blocks = _blocks(self.path, self.encoding)
        pending, line = _after_header(blocks)
        return filter(None, _read(_lines(chain([pending], blocks)), self.delimiter, line=line))

    def copy_statement(self, table: str, columns: Sequence[str]) -> sql.Composed:
        """The statement that takes the chunks into `columns` of `table`; empty fields are NULL."""
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        return sql.SQL(
            "COPY {table} ({names}) FROM STDIN"
            " (FORMAT csv, DELIMITER {delimiter}, ENCODING 'UTF8', FORCE_NULL ({names}))"
        ).format(table=sql.Identifier(table), names=names, delimiter=sql.Literal(self.delimiter))

    def _records(self, on_fault: OnFault) -> Iterator[Chunk]:
        blocks = _blocks(self.path, self.encoding)
        pending, line = _after_header(blocks)
        for block in blocks:
            pending += block
            end = _end_of_records(pending)
            piece = pending[:end]
            if not piece and len(pending) <= 2 * _FIELD_CHARACTERS:
                continue
            skeleton = self._skeleton(piece)
            if not piece or b'"' in skeleton:
                # A quotation mark where none should be: only the careful reader knows what is
                # meant, and where a record ends.
                break
            pending = pending[end:]
            if self._is_regular(piece, skeleton):
                yield Chunk(piece, skeleton.count(b"\n"))
            else:
                rows = _read(_lines([piece]), self.delimiter, line=line)
                yield from self._checked(rows, on_fault)
            line += piece.count(b"\n")
        rows = _read(_lines(chain([pending], blocks)), self.delimiter, line=line)
        yield from self._checked(rows, on_fault)

    def _skeleton(self, piece: bytes) -> bytes:
        """What is left without the quoted fields."""
        if b'"' not in piece:
            return piece
        d = re.escape(self.delimiter.encode())
        quoted = rb"(?:(?<=[" + d + rb'\n])|\A)"[^"]*(?:""[^"]*)*"(?=[' + d + rb"\n])"
        return re.sub(quoted, b"", piece)

    def _is_regular(self, piece: bytes, skeleton: bytes) -> bool:
        """Whether each record has the right number of fields, and COPY takes it as it is."""
        if b"\0" in piece or (len(self.columns) == 1 and _DECEPTIVE.search(skeleton)):
            return False
        # Without what follows the last newline, which is nothing.
        counts = map(methodcaller("count", self.delimiter.encode()), skeleton.split(b"\n")[:-1])
        return set(counts) <= {len(self.columns) - 1}

    def _checked(self, rows: Iterable[list[str]], on_fault: OnFault) -> Iterator[Chunk]:
        width = len(self.columns)
        while True:
            buffer = io.StringIO()
            # All quoted: no line can look like the end of the data.
            writer = csv.writer(
                buffer, delimiter=self.delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL
            )
            count, fault = 0, ""
            for row in rows:
                if not row:
                    continue
                if fault := _fault(row, width):
                    break
                writer.writerow(row)
                count += 1
                if count == _CAREFUL_ROWS:
                    break
            # What precedes a faulty row is passed on before it is told of.
            if count:
                yield Chunk(buffer.getvalue().encode(), count)
            if fault:
                on_fault(row, fault)
            elif not count:
                return


def _fault(row: Sequence[str], width: int) -> str:
    """Why the row cannot be used; nothing where it can."""
    if len(row) != width:
        words = {"found": len(row), "expected": width}
        return _("The row has %(found)d fields instead of %(expected)d.") % words
    if any("\0" in cell for cell in row):
        return _("The row contains a NUL character.")
    return ""


def open_table(path: str | Path) -> Table:
    """Find out how the file is written and what its columns are; reads it once, quickly.

    UTF-8 (with and without BOM), Windows-1250 and 1252; comma, semicolon and tab; XLSX (its first
    sheet). Raises FileUnreadable, with the reason, for anything else, and for a header that is
    missing, has columns without a name or the same name twice.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(4096)
            if start.startswith(b"PK\x03\x04"):
                return _open_sheet(path)
            _refuse_other_formats(start)
            found = encodings.detect(file)
    except OSError as error:
        words = {"path": path, "reason": error.strerror or error}
        raise FileUnreadable(_("%(path)s cannot be read: %(reason)s.") % words) from error
    except encodings.EncodingUnknown as error:
        raise FileUnreadable(str(error)) from error
    sample = _sample(path, found.name)
    delimiter = max(_DELIMITERS, key=lambda candidate: _fitness(sample, candidate))
    header: list[str] = next((row for row in _read(_lines([sample]), delimiter) if row), [])
    return Table(
        path=path,
        kind="csv",
        encoding=found.name,
        delimiter=delimiter,
        columns=_checked_columns(header),
        row_estimate=max(found.line_count - 1, 0),
    )


def _refuse_other_formats(start: bytes) -> None:
    known = {
        b"\xd0\xcf\x11\xe0": _("It is a workbook of Excel 97-2003: save it as .xlsx or CSV."),
        b"\x1f\x8b": _("It is packed with gzip: unpack it first."),
        b"%PDF": _("It is a PDF document, not a table."),
        b"\xff\xfe": _("It is written in UTF-16: save it as UTF-8."),
        b"\xfe\xff": _("It is written in UTF-16: save it as UTF-8."),
    }
    for magic, sentence in known.items():
        if start.startswith(magic):
            raise FileUnreadable(sentence)
    zeros = start.count(b"\0")
    if zeros > len(start) // 4:
        raise FileUnreadable(_("It seems to be written in UTF-16 or is no text: save it as UTF-8."))
    if zeros:
        raise FileUnreadable(_("It is no text file: it contains NUL characters."))


def _checked_columns(header: Sequence[str]) -> tuple[str, ...]:
    columns = tuple(cell.strip() for cell in header)
    if not any(columns):
        raise FileUnreadable(_("The file is empty: its first row must name the columns."))
    if len(columns) > _COLUMN_LIMIT:
        words = {"limit": _COLUMN_LIMIT}
        raise FileUnreadable(_("The file has more than %(limit)d columns.") % words)
    for number, name in enumerate(columns, 1):
        named: dict[str, object] = {"number": number, "name": name}
        if not name:
            raise FileUnreadable(_("Column %(number)d has no name in the first row.") % named)
        if "\0" in name:
            raise FileUnreadable(_("The name of column %(number)d has a NUL character.") % named)
        if name in columns[: number - 1]:
            raise FileUnreadable(_("Two columns have the name “%(name)s”.") % named)
    return columns


def _sample(path: Path, encoding: str) -> bytes:
    """The beginning of the file, whole lines."""
    sample = b""
    for block in _blocks(path, encoding):
        sample += block
        if len(sample) >= _SAMPLE_BYTES:
            break
    return sample[: sample.rfind(b"\n") + 1] or sample


def _fitness(sample: bytes, delimiter: str) -> tuple[bool, float, int]:
    """How well the sample reads with this delimiter: several columns, and always as many."""
    widths = []
    # The end of the sample may be the middle of a row.
    with suppress(FileUnreadable):
        for row in _read(_lines([sample]), delimiter):
            if row:
                widths.append(len(row))
            if len(widths) == _SAMPLE_RECORDS:
                break
    if not widths:
        return False, 0.0, 0
    return widths[0] > 1, widths.count(widths[0]) / len(widths), widths[0]


def _blocks(path: Path, encoding: str) -> Iterator[bytes]:
    """The file in UTF-8, without BOM, each line ended as in Unix, a block at a time."""
    is_first, is_done, held = True, False, b""
    with path.open("rb") as file:
        while not is_done:
            block = file.read(_BLOCK_BYTES)
            is_done = not block
            if is_first:
                block, is_first = block.removeprefix(b"\xef\xbb\xbf"), False
            if encoding != "utf-8":
                block = block.decode(encoding).encode()
            block, held = held + block, b""
            # The newline after it may be in the next block.
            if block.endswith(b"\r") and not is_done:
                block, held = block[:-1], b"\r"
            if b"\r" in block:
                block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            yield block
        yield b"\n"


def _end_of_records(data: bytes) -> int:
    """Where the last whole record ends: after a newline that no quotation marks surround."""
    end, quotes = len(data), data.count(b'"')
    while True:
        newline = data.rfind(b"\n", 0, end)
        if newline < 0:
            return 0
        quotes -= data.count(b'"', newline, end)
        if quotes % 2 == 0:
            return newline + 1
        end = newline


def _after_header(blocks: Iterator[bytes]) -> tuple[bytes, int]:
    """What follows the header in its block, and at which line; the blocks go on from there."""
    data = b""
    for block in blocks:
        data += block
        begin = len(data) - len(data.lstrip(b"\n"))
        newline = data.find(b"\n", begin)
        while newline >= 0:
            if data.count(b'"', begin, newline) % 2 == 0:
                return data[newline + 1 :], data.count(b"\n", 0, newline) + 2
            newline = data.find(b"\n", newline + 1)
    return b"", 1


def _lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """Lines that end at a newline only: str.splitlines would end them at others too."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line.decode() + "\n"
    if rest:
        yield rest.decode()


def _read(lines: Iterable[str], delimiter: str, *, line: int = 1) -> Iterator[list[str]]:
    """The rows; `line` is the number of the first line. Raises FileUnreadable."""
    end = "end"
    is_ended = False

    def with_end() -> Iterator[str]:
        nonlocal is_ended
        yield from lines
        is_ended = True
        yield end

    # The end comes as a row of its own, or within the last one where a quotation mark is open.
    reader = csv.reader(with_end(), delimiter=delimiter)
    begun_at, is_whole = line, False
    try:
        for row in reader:
            if is_ended:
                is_whole = row == [end]
                break
            yield row
            begun_at = line + reader.line_num
    except csv.Error:
        is_whole = False
    if not is_whole:
        words = {"line": begun_at, "limit": _FIELD_CHARACTERS}
        raise FileUnreadable(
            _(
                "The row that begins at line %(line)d has a quotation mark that is never closed,"
                " or a field of more than %(limit)d characters."
            )
            % words
        )


def _open_sheet(path: Path) -> Table:
    rows = _sheet_rows(path, 0)
    header = next(rows, [])
    count = sum(1 for row in rows if row)
    return Table(
        path=path,
        kind="xlsx",
        encoding="utf-8",
        delimiter=",",
        columns=_checked_columns(header),
        row_estimate=count,
    )


def _sheet_rows(path: Path, width: int) -> Iterator[list[str]]:
    """The rows of the first sheet as texts, without the empty ones, at least `width` cells each."""
    try:
        with path.open("rb") as file:
            _refuse_huge(file)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            try:
                for values in book.worksheets[0].iter_rows(values_only=True):
                    row = [_cell(value) for value in values]
                    while row and not row[-1]:
                        row.pop()
                    if row:
                        yield row + [""] * (width - len(row))
            finally:
                book.close()
    except (InvalidFileException, zipfile.BadZipFile, KeyError, IndexError, SyntaxError) as error:
        raise FileUnreadable(_("It is no workbook of Excel (.xlsx), or a broken one.")) from error


def _refuse_huge(file: BinaryIO) -> None:
    with zipfile.ZipFile(file) as archive:
        if sum(part.file_size for part in archive.infolist()) > _UNPACKED_LIMIT:
            raise FileUnreadable(_("The workbook is too large: save it as CSV."))
    file.seek(0)


def _cell(value: Any) -> str:
    """A cell as the same value would be written in CSV: ISO times, plain numbers."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime() | date() | time():
            return value.isoformat()
    return str(value)
