"""Contacts come from files: the same as row after row, only in sets."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contacts import profiles
from contacts.errors import FileRefused
from contacts.imports import ImportResult, import_contacts, read_header
from contacts.models import ConsentEntry, Contact, LeadScoreChange
from contacts.tabular import FileUnreadable
from tests.factories import (
    HOUR,
    NOW,
    make_attribute,
    make_category,
    make_consent,
    make_contact,
    make_tag,
)
from tests.reference.imports import import_rows
from workspace import jobs, sql
from workspace.access import SYSTEM
from workspace.jobs import Cancelled
from workspace.models import AuditEntry

Row = Mapping[str, str]
Import = Callable[..., ImportResult]


@pytest.fixture
def import_text(tmp_path: Path, settings: Any) -> Import:
    """Imports what is written there."""
    settings.VAR = tmp_path

    def run(text: str, **options: Any) -> ImportResult:
        path = tmp_path / "people.csv"
        path.write_text(text, encoding="utf-8")
        given: dict[str, Any] = {"update": False, "actor": SYSTEM, "at": NOW, **options}
        return import_contacts(path, **given)

    return run


def _described() -> list[dict[str, Any]]:
    ids = Contact.objects.order_by("pk").values_list("pk", flat=True)
    return profiles.describe_contacts(list(ids))


def _row_versions() -> list[Any]:
    """Where each row is stored: another place for each writing."""
    return [
        sql.rows(f"SELECT ctid::text, t.* FROM {table} t ORDER BY ctid")
        for table in ("contacts_contact", "contacts_identity", "contacts_contacttag")
    ]


def _counts(result: ImportResult) -> tuple[int, int, int, int]:
    return result.created, result.updated, result.unchanged, result.rejected


def _rejected(result: ImportResult) -> list[list[str]]:
    assert result.rejected_file is not None
    text = result.rejected_file.read_text("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))[1:]


@pytest.mark.django_db
def test_a_file_becomes_contacts(import_text: Import) -> None:
    make_attribute("cups", "number")
    make_attribute("roasts", "list", choices=["light", "dark"])
    make_attribute("member", "boolean")
    make_attribute("since", "datetime")
    make_tag("vip")
    make_tag("new")
    make_category("tea")
    make_consent("sms")
    result = import_text(
        "external_id;E-mail;First name;birth_date;lead_score;attributes.cups;roasts;member;"
        "since;tags;categories;consent.sms;identity.ipresso_id;created_at;Phone\n"
        "A-1;Ana@Example.com;Ana;1990-02-28;12.5;2.50;dark|light;yes;"
        "2024-05-06 07:08;vip|new;tea;granted;77;2020-01-01T00:00:00+01:00;+48 601-234-567\n"
        "A-2;;;;;;;;;;;unknown;;;\n"
    )
    assert _counts(result) == (2, 0, 0, 0)
    assert result.rejected_file is None
    ana, other = _described()
    assert ana["email"] == "Ana@Example.com"
    assert ana["lead_score"] == Decimal("12.5")
    assert ana["attributes"] == {
        "cups": Decimal("2.5"),
        "roasts": ["dark", "light"],
        "member": True,
        "since": "2024-05-06T07:08:00.000000Z",
    }
    assert (ana["tags"], ana["categories"]) == (["new", "vip"], ["tea"])
    assert ana["consents"] == {"sms": "granted"}
    assert ana["created_at"].isoformat() == "2019-12-31T23:00:00+00:00"
    assert {(one["namespace"], one["value"]) for one in ana["identities"]} == {
        ("user_id", "A-1"),
        ("email", "ana@example.com"),
        ("phone", "+48601234567"),
        ("ipresso_id", "77"),
    }
    assert other["created_at"] == NOW
    assert LeadScoreChange.objects.count() == ConsentEntry.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("update", [False, True])
def test_importing_the_same_file_twice_writes_nothing(import_text: Import, update: bool) -> None:
    make_attribute("cups", "number")
    make_tag("vip")
    make_consent("sms")
    text = (
        "external_id,email,city,cups,tags,consent.sms,lead_score\n"
        "1,A@example.com,Łódź,2.0,vip,granted,3\n"
        "2,b@example.com,,,,withdrawn,\n"
    )
    import_text(text)
    before, written = _described(), _row_versions()
    result = import_text(text, update=update, at=NOW + HOUR)
    assert _counts(result) == (0, 0, 2, 0)
    assert (_described(), _row_versions()) == (before, written)
    assert ConsentEntry.objects.count() == 2
    assert LeadScoreChange.objects.count() == 1


@pytest.mark.django_db
def test_existing_contacts_are_changed_only_when_asked(import_text: Import) -> None:
    make_tag("old")
    make_tag("new")
    make_contact(external_id="1", email="a@example.com", city="Lublin", tags=["old"], lead_score=1)
    text = "external_id,email,city,tags,lead_score\n1,New@example.com,,new,5\n"
    assert _counts(import_text(text)) == (0, 0, 1, 0)
    assert _counts(import_text(text, update=True, at=NOW + HOUR)) == (0, 1, 0, 0)
    (contact,) = _described()
    assert (contact["email"], contact["city"]) == ("New@example.com", "Lublin")
    assert contact["tags"] == ["new"]
    assert contact["updated_at"] == NOW + HOUR
    assert contact["identities"][0] == {"namespace": "email", "value": "new@example.com"}
    scores = LeadScoreChange.objects.order_by("id").values_list("score", flat=True)
    assert list(scores) == [1, 5]


@pytest.mark.django_db
def test_a_faulty_row_is_rejected_alone_with_every_reason(import_text: Import) -> None:
    make_attribute("cups", "number")
    make_attribute("color", choices=["red", "blue"])
    result = import_text(
        "external_id,email,birth_date,cups,color,city\n"
        "1,a@example.com,1990-01-01,1,red,Gdynia\n"
        "2,nowhere,2023-02-29,many,green,\n"
        "3,c@example.com\n"
        ",,1990-01-01,,,\n"
        '4,d@example.com,1990-01-01,2,blue,"Two\nlines"\n'
    )
    assert _counts(result) == (2, 0, 0, 3)
    by_row = {row[0].split(":")[0]: row for row in _rejected(result)}
    assert set(by_row) == {"Row 3", "Row 4", "Row 5"}
    reason = by_row["Row 3"][0]
    for part in ("email: “nowhere”", "birth_date: “2023-02-29”", "cups: “many”", "color: “green”"):
        assert part in reason
    assert by_row["Row 3"][1:] == ["2", "nowhere", "2023-02-29", "many", "green", ""]
    assert "2 fields instead of 6" in by_row["Row 4"][0]
    assert "does not say who" in by_row["Row 5"][0]
    assert [one["city"] for one in _described()] == ["Gdynia", "Two\nlines"]


@pytest.mark.django_db
def test_a_row_whose_identities_name_two_contacts_is_rejected(import_text: Import) -> None:
    make_contact(external_id="1", email="a@example.com")
    make_contact(external_id="2", email="b@example.com")
    result = import_text(
        "external_id,email,city\n1,b@example.com,X\n3,a@example.com,X\n1,,Y\n", update=True
    )
    assert _counts(result) == (0, 1, 0, 2)
    two, other = (row[0] for row in _rejected(result))
    assert "different contacts: #" in two
    assert "another external id already: “1”" in other
    assert [one["city"] for one in _described()] == ["Y", ""]


@pytest.mark.django_db
def test_rows_that_name_one_contact_count_in_their_order(import_text: Import) -> None:
    text = "external_id,email,city\n1,a@example.com,First\n,A@EXAMPLE.com,Second\n1,,Third\n"
    assert _counts(import_text(text)) == (1, 0, 2, 0)
    assert _described()[0]["city"] == "First"
    assert _counts(import_text(text, update=True)) == (0, 2, 1, 0)
    assert _described()[0]["city"] == "Third"


@pytest.mark.django_db
def test_rejected_rows_can_be_mended_and_imported(import_text: Import, tmp_path: Path) -> None:
    result = import_text("external_id,birth_date\n1,soon\n")
    assert result.rejected_file is not None
    mended = result.rejected_file.read_text("utf-8-sig").replace(",soon", ",1990-01-01")
    assert _counts(import_text(mended)) == (1, 0, 0, 0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        ("external_id,shoe size\n1,2\n", None, "shoe size"),
        ("external_id,updated_at\n1,2\n", None, "updated_at"),
        ("city\nX\n", None, "who a row is about"),
        ("external_id,user_id\n1,1\n", None, "both external_id"),
        ("external_id\n1\n", {"mail": "email"}, "no column “mail”"),
        ("external_id,x\n1,1\n", {"x": "consent.nope"}, "consent.nope"),
        ("external_id,x\n1,1\n", {"x": "identity.No!"}, "identity.No!"),
    ],
)
def test_a_fault_of_the_header_changes_nothing(
    import_text: Import, text: str, columns: Any, words: str
) -> None:
    with pytest.raises(FileRefused) as refused:
        import_text(text, columns=columns)
    assert words in str(refused.value)
    assert not Contact.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
def test_an_open_quotation_mark_at_the_end_changes_nothing(import_text: Import) -> None:
    with pytest.raises(FileUnreadable):
        import_text('external_id,city\n1,X\n2,"Y\n')
    assert not Contact.objects.exists()


@pytest.mark.django_db
def test_columns_are_mapped_and_passed_over(import_text: Import) -> None:
    result = import_text(
        "Nr,Mail,Size\n1,a@example.com,XL\n",
        columns={"Nr": "external_id", "Mail": "email", "Size": ""},
    )
    assert _counts(result) == (1, 0, 0, 0)
    assert _described()[0]["external_id"] == "1"


@pytest.mark.django_db
def test_a_workbook_is_imported_as_a_csv(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["external_id", "birth_date", "lead_score"])
    sheet.append([1, NOW.replace(tzinfo=None, hour=0), 2.5])
    book.save(tmp_path / "people.xlsx")
    result = import_contacts(tmp_path / "people.xlsx", update=False, actor=SYSTEM, at=NOW)
    assert _counts(result) == (1, 0, 0, 0)
    (contact,) = _described()
    assert (contact["external_id"], contact["birth_date"]) == ("1", NOW.date())
    assert contact["lead_score"] == Decimal("2.5")


@pytest.mark.django_db
def test_the_whole_run_is_one_line_of_the_trail(import_text: Import) -> None:
    import_text("external_id\n1\n2\n")
    (entry,) = AuditEntry.objects.all()
    assert entry.action == "contacts.imported"
    assert entry.changes["created"] == [None, 2]


@pytest.mark.django_db
def test_a_cancelled_import_keeps_the_portions_that_are_done(import_text: Import) -> None:
    class Impatient:
        def advance(self, done: int, total: int | None = None, message: str = "") -> None:
            if done >= 2:
                raise Cancelled

    rows = "".join(f"{number}\n" for number in range(6))
    with pytest.raises(Cancelled):
        import_text(f"external_id\n{rows}", work=Impatient(), portion_size=2)
    assert Contact.objects.count() == 2
    assert AuditEntry.objects.get().changes["created"] == [None, 2]


@pytest.mark.django_db(transaction=True)
def test_the_first_large_import_leaves_every_index_behind(import_text: Import) -> None:
    def indexes() -> list[Any]:
        found = "SELECT indexdef FROM pg_indexes WHERE tablename = 'contacts_contact' ORDER BY 1"
        return sql.rows(found)

    before = indexes()
    rows = "".join(f"{number},{number % 7}@example.com\n" for number in range(10))
    result = import_text(f"external_id,email\n{rows}", portion_size=2)
    assert _counts(result) == (7, 0, 0, 3)
    assert indexes() == before


@pytest.mark.django_db(transaction=True)
def test_a_first_import_that_is_cancelled_leaves_nothing(import_text: Import) -> None:
    class Impatient:
        def advance(self, done: int, total: int | None = None, message: str = "") -> None:
            if done >= 8:
                raise Cancelled

    rows = "".join(f"{number}\n" for number in range(10))
    with pytest.raises(Cancelled):
        import_text(f"external_id\n{rows}", work=Impatient(), portion_size=2)
    assert not Contact.objects.exists()
    assert AuditEntry.objects.get().changes["created"] == [None, 0]


@pytest.mark.django_db(transaction=True)
def test_imports_and_programs_beside_each_other_make_each_contact_once(tmp_path: Path) -> None:
    people = [f"{number}" for number in range(60)]
    make_contact(external_id="somebody else")

    def run(number: int) -> int:
        try:
            if number == 0:
                for one in reversed(people):
                    profiles.save_by_external_id(one, changes={}, actor=SYSTEM, at=NOW)
                return 0
            path = tmp_path / f"{number}.csv"
            order = people if number % 2 else people[::-1]
            path.write_text("external_id,city\n" + "".join(f"{one},X\n" for one in order))
            result = import_contacts(path, update=True, actor=SYSTEM, at=NOW, portion_size=20)
            return result.created
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        created = sum(pool.map(run, range(4)))
    assert created <= len(people)
    assert Contact.objects.count() == len(people) + 1
    assert set(Contact.objects.exclude(city="").values_list("city", flat=True)) == {"X"}


@pytest.mark.django_db
def test_a_job_imports_an_upload_and_removes_it(tmp_path: Path, settings: Any) -> None:
    from contacts.jobs import request_import

    settings.VAR = tmp_path
    settings.UPLOADS_ROOT = tmp_path / "uploads"
    settings.UPLOADS_ROOT.mkdir()
    upload = settings.UPLOADS_ROOT / "a1b2.csv"
    upload.write_text("external_id,city\n1,X\n2,Y,Z\n")
    job = request_import(upload, name="people.csv", update=False, actor=SYSTEM)
    done = jobs.run(job.pk)
    assert done is not None
    assert (done.state, done.title) == ("succeeded", "Import contacts from people.csv")
    assert (done.result["created"], done.result["rejected"]) == (1, 1)
    assert Path(done.result["rejected_file"]).exists()
    assert not upload.exists()


@pytest.mark.django_db
def test_the_command_prints_what_became_of_the_rows(tmp_path: Path, settings: Any) -> None:
    settings.VAR = tmp_path
    path = tmp_path / "people.csv"
    path.write_text("Nr,Town,Land\n1,X,Y\n")
    output = io.StringIO()
    columns = ("--map", "Nr=external_id", "Town=city", "--map", "Land=country")
    call_command("import_contacts", str(path), *columns, stdout=output)
    assert Contact.objects.values_list("city", "country").get() == ("X", "Y")
    assert output.getvalue().splitlines() == [
        *("created: 1", "updated: 0", "unchanged: 0", "rejected: 0", "rejected file: None")
    ]
    with pytest.raises(CommandError, match="Nr"):
        call_command("import_contacts", str(path))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_contacts", str(tmp_path / "nowhere.csv"))


@pytest.mark.django_db
def test_a_header_is_read_with_guesses_and_first_rows(tmp_path: Path) -> None:
    make_attribute("shoe", label="Shoe size")
    path = tmp_path / "people.csv"
    path.write_bytes("E-Mail;Shoe Size;Miasto\na@example.com;39;Łódź\n".encode("cp1250"))
    header = read_header(path)
    assert header.guesses == {"E-Mail": "email", "Shoe Size": "attributes.shoe", "Miasto": ""}
    assert (header.encoding, header.delimiter, header.row_estimate) == ("cp1250", ";", 1)
    assert header.rows == (("a@example.com", "39", "Łódź"),)
    assert "external_id" in {target.name for target in header.choices}


_CELLS: dict[str, list[str]] = {
    "external_id": ["", "A", "B", " A", " "],
    "email": ["", "a@x.pl", "A@x.pl ", "b@x.pl", "ÄB@x.pl", "äb@x.pl", "bad"],
    "phone": ["", "+48 601", "0048601", "48601", "x"],
    "ipresso_id": ["", "1", "2"],
    "city": ["", "X", " X ", "Y"],
    "birth_date": ["", "2000-02-29", "2001-02-29", "2000-01-01T10:00"],
    "lead_score": ["", "0", "1.0", "1", "-2.5", "0.00001"],
    "created_at": ["", "2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01 01:00+0100", "soon"],
    "attributes.cups": ["", "1", "1.0", "+2", "01", "1,5"],
    "attributes.roasts": ["", "light", "dark|light", "|", "green"],
    "attributes.at": ["", "2020-03-29 02:30", "2020-10-25T02:30:00", "2020-10-25T00:30Z"],
    "tags": ["", "vip", "new|vip", "nope", "|"],
    "consent.sms": ["", "granted", "withdrawn", "unknown", "maybe"],
}
_rows = st.lists(
    st.fixed_dictionaries({n: st.sampled_from(c) for n, c in _CELLS.items()}), max_size=6
)


@contextmanager
def _rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _state() -> list[str]:
    """Everything known of everybody, without ids and times of writing."""
    described = _described()
    for one in described:
        contact_id = one.pop("id")
        one.pop("updated_at")
        one["scores"] = list(
            LeadScoreChange.objects.filter(contact_id=contact_id)
            .order_by("id")
            .values_list("score", flat=True)
        )
        one["lines"] = list(
            ConsentEntry.objects.filter(contact_id=contact_id)
            .order_by("id")
            .values_list("state", flat=True)
        )
    return sorted(repr(sorted(one.items())) for one in described)


def _row(**cells: str) -> dict[str, str]:
    return {**dict.fromkeys(_CELLS, ""), **{n.replace("__", "."): c for n, c in cells.items()}}


@pytest.mark.django_db
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(
    known=[_row(external_id="A", email="a@x.pl")],
    rows=[_row(external_id="A", email="b@x.pl"), _row(external_id="B", email="a@x.pl")],
    update=True,
    portion=3,
)
@given(known=_rows, rows=_rows, update=st.booleans(), portion=st.sampled_from([1, 2, 3, 100]))
def test_a_file_means_what_its_rows_mean_one_after_the_other(
    tmp_path_factory: Any,
    known: Sequence[Row],
    rows: Sequence[Row],
    update: bool,
    portion: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(_CELLS))
        writer.writeheader()
        writer.writerows(rows)
    with _rolled_back():
        make_attribute("cups", "number")
        make_attribute("roasts", "list", choices=["light", "dark"])
        make_attribute("at", "datetime")
        make_tag("vip")
        make_tag("new")
        make_consent("sms")
        import_rows(known, update=True, at=NOW)
        at = NOW + timedelta(hours=1)
        with _rolled_back():
            expected = import_rows(rows, update=update, at=at)
            expected_state = _state()
        result = import_contacts(path, update=update, actor=SYSTEM, at=at, portion_size=portion)
        assert _state() == expected_state
        assert _counts(result) == (
            expected.created,
            expected.updated,
            expected.unchanged,
            len(expected.rejected),
        )
        if result.rejected_file is not None:
            numbers = [
                int(row[0].split(":")[0].removeprefix("Row ")) - 2 for row in _rejected(result)
            ]
            assert numbers == expected.rejected
            result.rejected_file.unlink()
