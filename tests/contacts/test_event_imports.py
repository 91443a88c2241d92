"""Events from files: all of them, once, and what cannot be used with its reason."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from contacts import event_imports
from contacts.event_imports import EventImportResult, ImportRefused, import_events
from contacts.models import Contact, Event, EventDefinition, EventStatistic, Identity, Url
from contacts.tabular import FileUnreadable
from workspace.access import SYSTEM
from workspace.jobs import Cancelled
from workspace.models import AuditEntry

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, settings: LazySettings) -> None:
    settings.VAR = tmp_path / "var"


@pytest.fixture
def anna() -> int:
    return _contact(user_id="c1", email="anna@example.com")


def _contact(**identities: str) -> int:
    contact = Contact.objects.create()
    for namespace, value in identities.items():
        Identity.objects.create(namespace=namespace, value=value, contact=contact)
    return contact.pk


def _import(tmp_path: Path, text: str, **options: Any) -> EventImportResult:
    path = tmp_path / "purchases.csv"
    path.write_text(text, "utf-8")
    given: dict[str, Any] = {
        "name": "purchase",
        "contact_column": "who",
        "at_column": "when",
        "property_columns": {"what": "product", "price": "amount"},
        "actor": SYSTEM,
        "at": NOW,
    }
    return import_events(path, **given | options)


def _rejections(result: EventImportResult) -> list[dict[str, str]]:
    assert result.rejected_file is not None
    with result.rejected_file.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


HEADER = "who,when,what,price\n"


def test_contacts_are_found_by_external_id_or_e_mail(tmp_path: Path, anna: int) -> None:
    text = f"{HEADER}c1,2026-01-01,tea,1\n Anna@Example.com ,2026-01-02,tea,1\n"
    assert _import(tmp_path, text) == EventImportResult(2, 0, 0, None)
    assert set(Event.objects.values_list("contact_id", flat=True)) == {anna}


def test_the_external_id_wins_over_the_e_mail(tmp_path: Path) -> None:
    named = _contact(user_id="x@example.com")
    _contact(email="x@example.com")
    _import(tmp_path, f"{HEADER}x@example.com,2026-01-01,tea,1\n")
    assert Event.objects.get().contact_id == named


def test_importing_again_adds_nothing_and_identical_rows_all_count(
    tmp_path: Path, anna: int
) -> None:
    text = HEADER + "c1,2026-01-01,tea,1\n" * 3 + "c1,2026-01-01,tea,2\n"
    assert _import(tmp_path, text) == EventImportResult(4, 0, 0, None)
    assert _import(tmp_path, text) == EventImportResult(0, 4, 0, None)
    longer = f"{text}c1,2026-01-01,tea,1\n"
    assert _import(tmp_path, longer) == EventImportResult(1, 4, 0, None)
    [statistic] = EventStatistic.objects.all()
    assert (statistic.contact_id, statistic.event_count) == (anna, 5)


def test_the_order_of_rows_and_the_way_a_contact_is_named_make_no_other_event(
    tmp_path: Path, anna: int
) -> None:
    _import(tmp_path, f"{HEADER}c1,2026-01-01,tea,1\nc1,2026-01-02T00:00:00Z,tea,2\n")
    again = f"{HEADER}c1,2026-01-02,tea,2\nanna@example.com,2026-01-01 00:00,tea,1\n"
    assert _import(tmp_path, again) == EventImportResult(0, 2, 0, None)


def test_another_kind_of_event_is_another_event(tmp_path: Path, anna: int) -> None:
    text = f"{HEADER}c1,2026-01-01,tea,1\n"
    _import(tmp_path, text)
    assert _import(tmp_path, text, name="return").accepted == 1


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-01-31", "2026-01-30T23:00:00+00:00"),
        ("2026-07-31 12:30", "2026-07-31T10:30:00+00:00"),
        ("2026-01-31T12:30:15.25", "2026-01-31T11:30:15.250000+00:00"),
        ("2026-01-31T12:30:15Z", "2026-01-31T12:30:15+00:00"),
        ("2026-01-31 12:30:15+0530", "2026-01-31T07:00:15+00:00"),
        ("2026-01-31T12:30-08:00", "2026-01-31T20:30:00+00:00"),
        ("2024-02-29", "2024-02-28T23:00:00+00:00"),
    ],
)
def test_times_are_read_in_the_zone_of_the_workspace(
    tmp_path: Path, anna: int, settings: LazySettings, written: str, expected: str
) -> None:
    settings.TIME_ZONE = "Europe/Warsaw"
    assert _import(tmp_path, f"{HEADER}c1,{written},tea,1\n").accepted == 1
    assert Event.objects.get().occurred_at == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "written",
    ["2026-02-29", "1900-02-29", "2026-04-31", "2026-13-01", "31.01.2026", "2026-01-01T24:00",
     "yesterday", "infinity", "0000-01-01", "9999-12-31", "2026-01-01T10:00+16:00", "20260101"],
)  # fmt: skip
def test_what_is_no_time_rejects_its_row(tmp_path: Path, anna: int, written: str) -> None:
    text = f"{HEADER}c1,{written},tea,1\nc1,2026-01-01,tea,1\n"
    result = _import(tmp_path, text)
    assert (result.accepted, result.rejected) == (1, 1)
    assert written in _rejections(result)[0]["reason"]


def test_properties_become_numbers_yes_and_no_or_text_and_keep_every_digit(
    tmp_path: Path, anna: int
) -> None:
    cells = [
        "12.50",
        "-3",
        "007",
        "1e5",
        "true",
        "TRUE",
        "",
        " 5",
        "9" * 1001,
        'say ""hi""',
        "-0.1",
    ]
    rows = "".join(f'c1,2026-01-01T00:00:{n:02},"{cell}",1\n' for n, cell in enumerate(cells))
    assert _import(tmp_path, HEADER + rows).accepted == len(cells)
    found = [
        event.properties.get("product", "absent") for event in Event.objects.order_by("occurred_at")
    ]
    assert found == [
        *(Decimal("12.50"), -3, "007", "1e5", True, "TRUE", "absent", " 5"),
        *("9" * 1001, 'say "hi"', Decimal("-0.1")),
    ]
    assert str(found[0]) == "12.50"
    assert EventDefinition.objects.get().schema == {
        "amount": ["number"],
        "product": ["boolean", "number", "text"],
    }


def test_addresses_go_to_the_dictionary_as_those_of_recorded_events(
    tmp_path: Path, anna: int
) -> None:
    cells = ["/sale", "/sale?a", "", "5"]
    rows = "".join(f"c1,2026-01-0{n},{cell},1\n" for n, cell in enumerate(cells, start=1))
    _import(tmp_path, HEADER + rows, property_columns={"what": "url"})
    known = Url.objects.get()
    assert known.url == "/sale"
    found = Event.objects.order_by("occurred_at").values_list("url_id", flat=True)
    assert list(found) == [known.pk, None, 0, None]


def test_each_unusable_row_is_handed_back_as_it_was_with_its_reason(
    tmp_path: Path, anna: int
) -> None:
    gone = _contact(user_id="gone")
    Contact.objects.filter(pk=gone).update(erased_at=NOW)
    text = (
        f"{HEADER}nobody,2026-01-01,tea,1\n,2026-01-01,tea,2\nc1,,tea,3\nc1,soon,tea,4\n"
        f"c1,2026-01-01\nc1,2026-01-01,{'ł' * 17_000},5\ngone,2026-01-01,tea,6\n,,,\n"
        'c1,2026-01-01,"a ""good"", one",7\n'
    )
    result = _import(tmp_path, text)
    assert (result.accepted, result.duplicates, result.rejected) == (1, 0, 7)
    reasons = {row["price"]: row["reason"] for row in _rejections(result)}
    assert reasons == {
        None: "The row has 2 fields instead of 4.",
        "1": "No contact has the external id or e-mail address “nobody”.",
        "2": "The row names no contact.",
        "3": "The row has no time.",
        "4": "“soon” is no ISO date or time, as in 2026-01-31T12:00:00Z.",
        "5": "The properties have more than 32768 bytes.",
    }
    assert result.rejected_file is not None
    assert result.rejected_file.stat().st_mode & 0o077 == 0


def test_a_fault_of_the_file_changes_nothing(tmp_path: Path, anna: int) -> None:
    text = HEADER + "c1,2026-01-01,tea,1\nbad\n" * 20 + 'c1,2026-01-01,"tea,1\n'
    with pytest.raises(FileUnreadable, match="never closed"):
        _import(tmp_path, text)
    assert not Event.objects.exists()
    assert not EventDefinition.objects.exists()
    assert not AuditEntry.objects.exists()
    assert not list(tmp_path.glob("var/**/*.csv"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"contact_column": "customer"}, "no column “customer”"),
        ({"at_column": "date"}, "no column “date”"),
        ({"property_columns": {"size": "size"}}, "no column “size”"),
        ({"property_columns": {"what": "p", "price": "p"}}, "the same property"),
        ({"property_columns": {"what": ""}}, "name of a property"),
        ({"name": " "}, "name of an event"),
    ],
)
def test_a_file_that_does_not_fit_what_was_asked_is_refused(
    tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ImportRefused, match=sentence):
        _import(tmp_path, f"{HEADER}c1,2026-01-01,tea,1\n", **options)


def test_portions_give_what_one_statement_gives(
    tmp_path: Path, anna: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_imports, "_PORTION", 3)
    _contact(user_id="c2")
    rows = [f"c{n % 2 + 1},2026-0{n % 9 + 1}-01,tea,{n % 3}\n" for n in range(20)]
    assert _import(tmp_path, HEADER + "".join(rows)).accepted == 20
    assert _import(tmp_path, HEADER + "".join(rows)).duplicates == 20
    assert sum(EventStatistic.objects.values_list("event_count", flat=True)) == 20


def test_a_cancelled_import_can_be_done_again(
    tmp_path: Path, anna: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_imports, "_PORTION", 2)

    class Impatient:
        def advance(self, done: int, total: int | None = None, message: str = "") -> None:
            if done > 7:
                raise Cancelled

    text = HEADER + "c1,2026-01-01,tea,1\n" * 6
    with pytest.raises(Cancelled):
        _import(tmp_path, text, work=Impatient())
    begun = Event.objects.count()
    assert 0 < begun < 6
    assert _import(tmp_path, text) == EventImportResult(6 - begun, begun, 0, None)


def test_an_import_writes_one_line_of_the_trail(tmp_path: Path, anna: int) -> None:
    _import(tmp_path, f"{HEADER}c1,2026-01-01,tea,1\nc1,2026-01-02,tea,1\n")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_label) == ("events.imported", "purchase")
    assert entry.changes == {"accepted": [None, 2], "duplicates": [None, 0], "rejected": [None, 0]}


def test_the_command_prints_what_became_of_the_rows(tmp_path: Path, anna: int) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        "Customer ID;Date;Dollar value\nc1;1997-01-01;11.77\nc9;1997-01-02;5\n", "utf-8"
    )
    output = StringIO()
    call_command(
        *("import_events", str(path), "--event", "purchase", "--contact", "Customer ID"),
        *("--at", "Date", "--property", "Dollar value=amount"),
        stdout=output,
    )
    lines = output.getvalue().splitlines()
    assert lines[:3] == ["accepted: 1", "duplicates: 0", "rejected: 1"]
    assert Path(lines[3].removeprefix("rejected file: ")).is_file()
    assert Event.objects.get().amount == Decimal("11.77")


def test_the_command_exits_with_one_sentence_for_a_faulty_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command(
            *("import_events", str(tmp_path / "none.csv"), "--event", "purchase"),
            *("--contact", "a", "--at", "b"),
        )
