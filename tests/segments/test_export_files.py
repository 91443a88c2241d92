"""What is written into a file can be read back, in every format, separator and encoding."""

import codecs
import csv
import io
import json
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from segments.errors import LetterUnfitting
from segments.export_files import CODECS, SEPARATORS, Encoding, Layout, restored, write

_NAMES = ["a", "b", "c"]
# What PostgreSQL keeps: any text without NUL; half surrogates are no letters.
_LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
_TEXTS = st.text(_LETTERS, max_size=12) | st.sampled_from(
    ["=1+1", "+48 1", "-x", "@y", "\tz", "\rq", "'=", "'", '"', 'a"b', "a,b;c\td", "x\r\ny", "ż—Ł"]
)
_DECIMALS = st.decimals(-(10**9), 10**9, places=3, allow_nan=False)
_VALUES = _TEXTS | st.integers(-(10**20), 10**20) | _DECIMALS | st.booleans() | st.none()
_ROWS = st.lists(st.lists(_VALUES, min_size=3, max_size=3), max_size=6)


def _written(rows: Any, file_format: str = "csv", names: Any = None, **layout: str) -> bytes:
    stream = io.BytesIO()
    write(stream, names or _NAMES, rows, file_format=file_format, layout=Layout(**layout))
    return stream.getvalue()


def _said(value: Any, comma: bool = False) -> str:
    """What a cell says of a value."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}".replace(".", ",") if comma else str(value)
        case _:
            return str(value)


def _fitting(value: Any, codec: str) -> Any:
    """The value without letters that the encoding lacks."""
    return value.encode(codec, "ignore").decode(codec) if isinstance(value, str) else value


@settings(max_examples=60, deadline=None)
@given(rows=_ROWS)
@pytest.mark.parametrize("encoding", Encoding.values)
@pytest.mark.parametrize("separator", list(SEPARATORS))
def test_a_csv_is_read_back_as_it_was_written(
    rows: list[list[Any]], separator: Any, encoding: str
) -> None:
    codec = CODECS[Encoding(encoding)]
    rows = [[_fitting(value, codec) for value in row] for row in rows]
    data = _written(rows, separator=separator, encoding=encoding)
    if encoding == Encoding.UTF_8_BOM:
        assert data.startswith(codecs.BOM_UTF8)
        codec = "utf-8-sig"
    text = io.StringIO(data.decode(codec), newline="")
    heading, *found = csv.reader(text, delimiter=SEPARATORS[separator])
    assert heading == _NAMES
    expected = [[_said(value) for value in row] for row in rows]
    is_text = [[isinstance(value, str) for value in row] for row in rows]
    assert [
        [restored(cell) if texts else cell for cell, texts in zip(row, which, strict=True)]
        for row, which in zip(found, is_text, strict=True)
    ] == expected


@settings(max_examples=60, deadline=None)
@given(rows=_ROWS)
def test_no_cell_of_text_is_run_by_a_spreadsheet(rows: list[list[Any]]) -> None:
    text = io.StringIO(_written(rows).decode(), newline="")
    for row, cells in zip(rows, list(csv.reader(text))[1:], strict=True):
        for value, cell in zip(row, cells, strict=True):
            if isinstance(value, str):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@settings(max_examples=60, deadline=None)
@given(rows=_ROWS)
def test_json_lines_are_read_back_with_their_types(rows: list[list[Any]]) -> None:
    lines = _written(rows, "jsonl").decode().split("\n")
    assert lines.pop() == ""
    found = [json.loads(line, parse_float=Decimal) for line in lines]
    assert [list(line.values()) for line in found] == rows


@settings(max_examples=25, deadline=None)
@given(rows=_ROWS)
@example(rows=[[10**15, Decimal("1234567890123456.7"), 999_999_999_999_999]])
def test_a_sheet_is_read_back_with_every_digit(rows: list[list[Any]]) -> None:
    sheet = load_workbook(io.BytesIO(_written(rows, "xlsx"))).worksheets[0]
    found = list(sheet.iter_rows(min_row=2, max_col=3, values_only=True))
    assert len(found) == len(rows)
    for row, cells in zip(rows, found, strict=True):
        for value, cell in zip(row, cells, strict=True):
            if isinstance(value, int | Decimal) and not isinstance(value, bool):
                assert Decimal(str(cell)) == value
            elif isinstance(value, str):
                kept = ILLEGAL_CHARACTERS_RE.sub(
                    "", value.replace("\r\n", "\n").replace("\r", "\n")
                )
                assert restored(cell or "") == kept
            else:
                assert (cell or "") == _said(value)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(_DECIMALS, _DECIMALS, _DECIMALS).map(list), max_size=5))
def test_a_decimal_comma_is_a_matter_of_numbers_only(rows: list[list[Any]]) -> None:
    rows = [[*row[:2], "1.5"] for row in rows]
    for separator in SEPARATORS:
        data = _written(rows, separator=separator, decimal_mark="comma")
        text = io.StringIO(data.decode(), newline="")
        found = list(csv.reader(text, delimiter=SEPARATORS[separator]))[1:]
        assert found == [[_said(value, comma=True) for value in row] for row in rows]


def test_a_letter_that_the_encoding_lacks_is_told_with_its_row() -> None:
    rows = [["Ola", 1, 2], ["Łucja", 1, 2]]
    with pytest.raises(LetterUnfitting) as refused:
        _written(rows, encoding="windows-1252")
    assert str(refused.value) == (
        "Row 2 has the letter “Ł”, which Windows-1252 (Western Europe) lacks."
        " Choose UTF-8, or let such letters be replaced."
    )
    assert _written(rows, encoding="windows-1250").decode("cp1250").count("Łucja") == 1
    with pytest.raises(LetterUnfitting, match="heading"):
        _written([], names=["ł"], encoding="windows-1252")


def test_letters_are_replaced_where_that_is_wanted_and_the_rows_counted() -> None:
    stream = io.BytesIO()
    layout = Layout(encoding="windows-1252", unfitting="replace")
    rows = [["Łucja Ł", 1], ["Ola", 2], ["żółw", 3]]
    assert write(stream, ["a", "b"], rows, file_format="csv", layout=layout) == 2
    assert stream.getvalue().decode("cp1252").splitlines() == [
        "a,b",
        "?ucja ?,1",
        "Ola,2",
        "?ó?w,3",
    ]


@pytest.mark.parametrize("text", ["\x07=1+1", "\x00=1", "\r=1", "\n=1", "＝1", "'\x07=1"])
def test_what_a_sheet_cannot_hold_hides_no_formula(text: str) -> None:
    sheet = load_workbook(io.BytesIO(_written([[text, 1, 2]], "xlsx"))).worksheets[0]
    cell = sheet["A2"]
    assert cell.data_type == "s"
    assert str(cell.value).startswith("'")


def test_a_sheet_that_is_given_up_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken() -> Iterator[list[Any]]:
        for number in range(5):
            yield ["Ania", number, None]
        assert list(tmp_path.iterdir()), "the rows wait in a file"
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write(io.BytesIO(), _NAMES, broken(), file_format="xlsx")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("segments.export_files.SHEET_LIMIT", 3)
    with pytest.raises(InterruptedError):
        write(io.BytesIO(), _NAMES, broken(), file_format="xlsx")
    assert list(tmp_path.iterdir()) == []
