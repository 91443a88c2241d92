"""Files that people bring: what they are written in, and what is wrong with them."""

import csv
import io
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.tabular import FileUnreadable, Table, open_table


def _file(tmp_path: Path, content: bytes | str, name: str = "people.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _rows(table: Table) -> tuple[list[list[str]], list[tuple[list[str], str]]]:
    faults: list[tuple[list[str], str]] = []
    data = b""
    count = 0
    for chunk in table.chunks(lambda cells, reason: faults.append((list(cells), reason))):
        data += chunk.data
        count += chunk.row_count
    text = io.StringIO(data.decode(), newline="\n")
    rows = list(csv.reader(text, delimiter=table.delimiter))
    assert len(rows) == count
    return rows, faults


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1250"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_polish_names_are_read_however_they_are_written(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    lines = [["name", "city"], ["Łucja", "Gdańsk"], ["Józef", "Kraków"], ["Zośka", "Świdnica"]]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    table = open_table(_file(tmp_path, text.encode(encoding)))
    assert (table.columns, table.delimiter) == (("name", "city"), delimiter)
    assert table.row_estimate == 3
    assert _rows(table) == (lines[1:], [])


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "François, crème, où, à Málaga, España, Ærø, cœur, £ 12"),
        ("cp1252", "Müller, Größe, Österreich"),
        ("cp1250", "Łódź, żółw, święto, Poznań, ręka, mieć"),
        ("cp1250", "Dvořák, Němec, Jiří, Krejčí"),
        ("cp1250", "Erdős, Müller"),
        ("utf-8", "Łódź, España, 北京, 😀"),
    ],
)
def test_windows_encodings_are_told_apart_by_their_words(
    tmp_path: Path, encoding: str, text: str
) -> None:
    cells = text.split(", ")
    header = ",".join(f"c{number}" for number in range(len(cells)))
    table = open_table(_file(tmp_path, f"{header}\n{','.join(cells)}\n".encode(encoding)))
    assert table.encoding == encoding
    assert _rows(table)[0] == [cells]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty"),
        (b"\n\r\n\n", "The file is empty"),
        (b"\xef\xbb\xbf", "The file is empty"),
        (b"a,b,a\n1,2,3\n", "Two columns have the name “a”"),
        (b"a,b,\n1,2,3\n", "Column 3 has no name"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-16"),
        (b"a,b\n1,\0\n", "NUL"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel 97-2003"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04 no archive", "broken"),
        ("imię\nŁucja\nJózef\n".encode() + b"\xff\n", "Line 4 is not valid UTF-8"),
        (b"a\n\x81\n", "neither in UTF-8 nor in Windows"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_a_reason(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    with pytest.raises(FileUnreadable, match=sentence):
        open_table(_file(tmp_path, content))


def test_a_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match=r"nowhere\.csv cannot be read: No such file"):
        open_table(tmp_path / "nowhere.csv")


def test_a_row_with_too_many_or_too_few_fields_is_set_apart(tmp_path: Path) -> None:
    table = open_table(_file(tmp_path, "a,b\n1,2\n3\n\n4,5,6\n7,8"))
    rows, faults = _rows(table)
    assert rows == [["1", "2"], ["7", "8"]]
    assert faults == [
        (["3"], "The row has 1 fields instead of 2."),
        (["4", "5", "6"], "The row has 3 fields instead of 2."),
    ]


def test_a_nul_far_down_spoils_its_row_only(tmp_path: Path) -> None:
    head = "a,b\n" + "1,2\n" * 2000
    rows, faults = _rows(open_table(_file(tmp_path, head.encode() + b"3,\0\n5,6\n")))
    assert len(rows) == 2001
    assert faults == [(["3", "\0"], "The row contains a NUL character.")]


def test_quoted_fields_hold_delimiters_quotes_and_newlines(tmp_path: Path) -> None:
    lines = [["x, y", 'say "hi"', "two\nlines"], ["", '"', ","]]
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([["a", "b\nc", "d"], *lines])
    table = open_table(_file(tmp_path, buffer.getvalue()))
    assert table.columns == ("a", "b\nc", "d")
    assert _rows(table) == (lines, [])


def test_inch_marks_do_not_glue_rows_together(tmp_path: Path) -> None:
    table = open_table(_file(tmp_path, 'size,count\n5" nail,3\n6" nail,4\n"7"" nail",5\n'))
    assert _rows(table) == ([['5" nail', "3"], ['6" nail', "4"], ['7" nail', "5"]], [])


@pytest.mark.parametrize("count", [1, 100_000])
def test_a_quotation_mark_that_is_never_closed_is_a_fault_of_the_file(
    tmp_path: Path, count: int
) -> None:
    table = open_table(_file(tmp_path, 'a,b\n0,1\n1,"2\n' + "3,4\n" * count))
    with pytest.raises(FileUnreadable, match=r"line 3 has a quotation mark that is never closed"):
        _rows(table)


def test_the_delimiter_is_the_one_that_divides_all_rows_alike(tmp_path: Path) -> None:
    text = "name;street, number\nAnna;Long street, 5, flat 3\nJan;Short street\n"
    table = open_table(_file(tmp_path, text))
    assert table.columns == ("name", "street, number")


def test_records_across_blocks_stay_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contacts.tabular._BLOCK_BYTES", 7)
    lines = [[f"{number}", f"Łódź, {number}"] for number in range(50)]
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([["number", "city"], *lines])
    for encoding in ("utf-8", "cp1250"):
        table = open_table(_file(tmp_path, buffer.getvalue().encode(encoding)))
        assert _rows(table) == (lines, [])


_cells = st.text(st.sampled_from('ab,;"\n ł'), max_size=5)


@given(lines=st.lists(st.tuples(_cells, _cells), max_size=8), block=st.integers(1, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_was_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[tuple[str, str]], block: int
) -> None:
    monkeypatch.setattr("contacts.tabular._BLOCK_BYTES", block)
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=";").writerows([("first", "second"), *lines])
    table = open_table(_file(tmp_path, buffer.getvalue()))
    assert table.columns == ("first", "second")
    assert _rows(table) == ([list(line) for line in lines], [])


@pytest.mark.django_db
def test_the_database_reads_what_we_pass_on(tmp_path: Path) -> None:
    text = 'a;b\n"x;y";"say ""hi"""\n;""\n\\.;1\n"\\.";"two\r\nlines"\n'
    table = open_table(_file(tmp_path, text))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE staged (a text, b text) ON COMMIT DROP")
        with cursor.copy(table.copy_statement("staged", ["a", "b"])) as copy:
            for chunk in table.chunks(lambda cells, reason: pytest.fail(reason)):
                copy.write(chunk.data)
        cursor.execute("SELECT a, b FROM staged")
        found = cursor.fetchall()
    assert found == [("x;y", 'say "hi"'), (None, None), ("\\.", "1"), ("\\.", "two\nlines")]


@pytest.mark.django_db
def test_a_single_column_may_hold_what_looks_like_the_end_of_data(tmp_path: Path) -> None:
    table = open_table(_file(tmp_path, "a\n1\n\\.\n\n2\n"))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE staged (a text) ON COMMIT DROP")
        with cursor.copy(table.copy_statement("staged", ["a"])) as copy:
            for chunk in table.chunks(lambda cells, reason: pytest.fail(reason)):
                copy.write(chunk.data)
        cursor.execute("SELECT a FROM staged")
        assert cursor.fetchall() == [("1",), ("\\.",), ("2",)]


def test_a_workbook_reads_like_the_same_table_in_csv(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["name", "born", "seen", "score", "vip", "note"])
    seen_at = datetime.fromisoformat("2026-01-02T03:04:05")  # cells have no zone
    sheet.append(["Łucja", date(1990, 5, 1), seen_at, 3.0, True, None])
    sheet.append([None, None, None, None, None, None])
    sheet.append(["Jan", None, None, 1.25, False, 'say "hi"'])
    path = tmp_path / "people.xlsx"
    book.save(path)
    table = open_table(path)
    assert table.columns == ("name", "born", "seen", "score", "vip", "note")
    assert table.row_estimate == 2
    assert _rows(table)[0] == [
        ["Łucja", "1990-05-01", "2026-01-02T03:04:05", "3", "true", ""],
        ["Jan", "", "", "1.25", "false", 'say "hi"'],
    ]


def test_an_archive_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photos.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(FileUnreadable, match="no workbook"):
        open_table(path)
