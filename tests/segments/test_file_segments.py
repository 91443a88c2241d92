"""Segments from files: who is both in the file and in the base is a member, nobody else."""

import csv
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from contacts.erasure import erase_contact
from contacts.models import Contact, Identity
from contacts.tabular import FileUnreadable
from loyalty.models import Member
from segments import contact_lists, file_keys, files, lifecycle, membership, schedule
from segments.errors import (
    FileMisread,
    SegmentArchived,
    SegmentBusy,
    SegmentNotCalculated,
    SegmentNotFromFile,
    UnmatchedGone,
)
from segments.explanation import explain_contact, written_sql
from segments.models import ContactList, ListedContact, ListedKey, MembershipChange, Segment
from tests.factories import make_contact
from tests.segments.factories import DAY, HOUR, NOW, is_in, lives_in, make_segment, member_ids
from workspace import jobs, retention
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.errors import InputInvalid, NotAllowed
from workspace.models import AuditEntry, Job, User

pytestmark = pytest.mark.django_db

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path) -> None:
    settings.VAR = tmp_path / "var"
    settings.UPLOADS_ROOT = tmp_path / "var" / "uploads"
    settings.UPLOADS_ROOT.mkdir(parents=True)


@pytest.fixture
def write(settings: Any) -> Write:
    """Puts an upload in place, in any encoding."""

    def make(*lines: str, name: str = "list.csv", encoding: str = "utf-8") -> Path:
        path: Path = settings.UPLOADS_ROOT / name
        path.write_bytes("\n".join(lines).encode(encoding))
        return path

    return make


def _made(path: Path, *, actor: Actor = SYSTEM, at: Any = NOW, **given: Any) -> files.FileRead:
    name = given.pop("name", "Listed")
    return files.create_segment(path, file_name=path.name, actor=actor, at=at, name=name, **given)


def _segment(found: files.FileRead) -> Segment:
    return Segment.objects.get(key=found.segment)


def _emails(*addresses: str) -> list[int]:
    return [make_contact(email=address).pk for address in addresses]


def _unmatched(found: files.FileRead) -> list[list[str]]:
    kept = ContactList.objects.get(segment__key=found.segment)
    path = files.unmatched_file(kept, actor=SYSTEM, at=NOW)
    return list(csv.reader(StringIO(path.read_text("utf-8-sig"), newline="")))


def _person(name: str, *, is_admin: bool = False) -> Actor:
    user = User.objects.create_user(name, is_staff=True, is_superuser=is_admin)
    if not is_admin:
        from django.contrib.auth.models import Permission

        user.user_permissions.set(Permission.objects.filter(content_type__app_label="segments"))
    return actor_of_user(User.objects.get(pk=user.pk))


def test_the_members_are_those_in_the_file_and_in_the_base(write: Write) -> None:
    anna, ewa, _jan = _emails("anna@example.com", "Ewa@Example.com", "jan@example.com")
    path = write(
        "name,e-mail",
        "Anna,anna@example.com",
        "Ewa, EWA@example.COM ",
        "Ewa again,ewa@example.com",
        "Nobody,nobody@example.com",
        "Broken,not an address",
        "Empty,",
    )
    found = _made(path)
    assert asdict(found) == {
        "segment": "listed",
        "rows": 6,
        "matched": 2,
        "not_in_base": 1,
        "duplicates": 1,
        "faulty": 2,
        "members": 2,
    }
    segment = _segment(found)
    assert member_ids(segment) == {anna, ewa}
    assert (segment.source, segment.member_count, segment.calculated_at) == ("csv", 2, NOW)
    assert segment.calculation_state(at=NOW) == "ready"
    assert Contact.objects.count() == 3
    causes = MembershipChange.objects.filter(segment=segment).values_list("cause", flat=True)
    assert set(causes) == {"file"}


def test_what_is_not_in_the_base_is_told_with_its_row(write: Write) -> None:
    _emails("anna@example.com")
    path = write("email,note", "anna@example.com,a", "x@example.com,b", "broken,c", "short", ",d")
    told = _unmatched(_made(path))
    assert told[0] == ["reason", "email", "note"]
    assert sorted(told[1:]) == [
        ["Row 3: It is not in the base.", "x@example.com", "b"],
        ["Row 4: email: “broken” is not an e-mail address.", "broken", "c"],
        ["Row 5: The row has 1 fields instead of 2.", "short"],
        ["Row 6: The row does not say who it is about.", "", "d"],
    ]


@pytest.mark.parametrize("identity", ["user_id", "ipresso_id"])
def test_names_in_any_namespace_find_their_contacts(write: Write, identity: str) -> None:
    ids = [make_contact().pk for _ in range(3)]
    for number, pk in enumerate(ids):
        Identity.objects.create(namespace=identity, value=f"A-{number}", contact_id=pk)
    found = _made(write("which", "A-0", "A-2 ", "a-1", "A-9"), identity=identity, column="which")
    assert member_ids(_segment(found)) == {ids[0], ids[2]}
    assert (found.matched, found.not_in_base) == (2, 2)


def test_numbers_of_ours_find_their_contacts(write: Write) -> None:
    one, two, three = (make_contact().pk for _ in range(3))
    erase_contact(three, actor=SYSTEM, at=NOW)
    path = write("id", str(one), f"#{two}", f"00{two}", str(three), "999999999", "x7", "0")
    found = _made(path)
    assert member_ids(_segment(found)) == {one, two}
    assert (found.matched, found.not_in_base, found.duplicates, found.faulty) == (2, 2, 1, 2)


def test_a_number_that_is_nobodys_today_is_nobodys_tomorrow(write: Write) -> None:
    one = make_contact().pk
    found = _made(write("id", str(one), str(one + 1)))
    segment = _segment(found)
    make_contact()
    membership.refresh(segment.pk, as_of=NOW + HOUR, cause="test")
    assert member_ids(segment) == {one}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1250"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_file_may_be_written_in_many_ways(write: Write, encoding: str, separator: str) -> None:
    (anna,) = _emails("anna@example.com")
    path = write(
        separator.join(["Größe", "Mail"]),
        separator.join(["groß", "anna@example.com"]),
        separator.join(["für", "x@example.com"]),
        encoding=encoding,
    )
    found = _made(path)
    assert member_ids(_segment(found)) == {anna}


def test_utf_16_is_refused_with_what_to_do(write: Write) -> None:
    path = write("email", "anna@example.com", encoding="utf-16")
    with pytest.raises(FileUnreadable, match="UTF-16: save it as UTF-8"):
        _made(path)
    assert not Segment.objects.exists()


def test_a_list_without_header_is_read_from_its_first_row(write: Write) -> None:
    anna, ewa = _emails("anna@example.com", "ewa@example.com")
    found = _made(write("anna@example.com", "ewa@example.com", "x@example.com"))
    assert member_ids(_segment(found)) == {anna, ewa}
    assert found.rows == 3
    assert _unmatched(found)[1] == ["Row 3: It is not in the base.", "x@example.com"]
    rows = dict(ListedKey.objects.values_list("row", "contact_list__column"))
    assert rows == {1: "column 1", 2: "column 1", 3: "column 1"}


@pytest.mark.parametrize(
    ("header", "cells", "guessed"),
    [
        ("E-mail", ["x@example.com"], ("E-mail", "email")),
        ("Adres", ["x@example.com", "y@example.com", "?"], ("Adres", "email")),
        ("ID", ["1", "2"], ("ID", "id")),
        ("iPresso ID", ["77"], ("iPresso ID", "ipresso_id")),
        ("external_id", ["77"], ("external_id", "user_id")),
        ("Kunde", ["K-1", "K-7"], ("Kunde", "crm")),
        ("Farbe", ["rot"], ("", "")),
    ],
)
def test_the_column_is_guessed_by_its_name_or_its_values(
    write: Write, header: str, cells: list[str], guessed: tuple[str, str]
) -> None:
    contact = make_contact()
    Identity.objects.create(namespace="crm", value="K-7", contact=contact)
    look = file_keys.look_at(write(f"First name,{header}", *(f"A,{cell}" for cell in cells)))
    assert (look.column, look.identity) == guessed


def test_a_trial_says_how_many_of_the_first_thousand_match(write: Write) -> None:
    _emails("a1@example.com", "a2@example.com")
    lines = [f"a{number}@example.com" for number in range(1500)]
    choice = file_keys.choose(write("email", "nonsense", *lines))
    trial = file_keys.try_rows(choice)
    assert (trial.row_count, trial.matched_count, trial.faulty_count) == (1000, 2, 1)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"column": "missing"}, "unknown_column"),
        ({"column": "3"}, "unknown_column"),
        ({"column": "color", "identity": "No Name"}, "invalid"),
        ({"column": "color"}, "required"),
        ({}, "required"),
    ],
)
def test_what_cannot_be_read_makes_no_segment(
    write: Write, given: dict[str, Any], code: str
) -> None:
    with pytest.raises(FileMisread) as refused:
        _made(write("color,size", "red,1"), **given)
    assert [problem.code for problem in refused.value.problems] == [code]
    assert not Segment.objects.exists()


def test_loyalty_members_only_holds_for_files_too(write: Write) -> None:
    anna, _ewa = _emails("anna@example.com", "ewa@example.com")
    Member.objects.create(contact_id=anna, joined_at=NOW)
    path = write("email", "anna@example.com", "ewa@example.com")
    found = _made(path, members_only=True)
    assert member_ids(_segment(found)) == {anna}
    assert (found.matched, found.members) == (2, 1)


def test_who_is_imported_later_comes_in_at_the_next_refresh(write: Write) -> None:
    (anna,) = _emails("anna@example.com")
    found = _made(write("email", "anna@example.com", "ewa@example.com"), readiness_hours=2)
    segment = _segment(found)
    (ewa,) = _emails("EWA@example.com")
    assert segment.calculation_state(at=NOW + 3 * HOUR) == "expired"
    membership.request_refresh(segment, actor=SYSTEM, at=NOW + 3 * HOUR)
    membership.refresh(segment.pk, as_of=NOW + 3 * HOUR, cause="requested")
    segment.refresh_from_db()
    assert member_ids(segment) == {anna, ewa}
    assert segment.ready_until == NOW + 5 * HOUR


def test_the_clock_refreshes_a_segment_from_a_file(write: Write) -> None:
    every: dict[str, Any] = {"refresh_mode": "interval", "refresh_amount": 1, "refresh_unit": "day"}
    segment = _segment(_made(write("email", "a@example.com"), **every))
    assert not schedule.is_due(segment, as_of=NOW)
    assert schedule.is_due(segment, as_of=NOW + 2 * DAY)


def test_a_contact_with_two_listed_names_is_in_once(write: Write) -> None:
    one = make_contact()
    for value in ("A", "B"):
        Identity.objects.create(namespace="crm", value=value, contact=one)
    found = _made(write("crm", "A", "B"), identity="crm", column="crm")
    assert (found.matched, found.members) == (2, 1)


def test_nothing_of_the_file_is_kept_but_digests(write: Write) -> None:
    _emails("anna@example.com")
    _made(write("email", "anna@example.com", "ewa@example.com"))
    kept = [str(value) for value in ListedKey.objects.values_list("digest", flat=True)]
    assert len(kept) == 2
    assert not any("anna" in text or "ewa" in text for text in kept)


def test_an_erased_contact_leaves_the_list_for_ever(write: Write) -> None:
    anna, ewa = _emails("anna@example.com", "ewa@example.com")
    segment = _segment(_made(write("email", "anna@example.com", "ewa@example.com")))
    proof = erase_contact(anna, actor=SYSTEM, at=NOW)
    assert proof.deleted["segment_lists"] == 1
    assert ListedKey.objects.count() == 1
    # Whoever comes with the same address is another one: the file said nothing of her.
    _emails("anna@example.com")
    membership.refresh(segment.pk, as_of=NOW + HOUR, cause="test")
    assert member_ids(segment) == {ewa}


def test_an_erased_contact_leaves_lists_of_numbers(write: Write) -> None:
    one, two = make_contact().pk, make_contact().pk
    segment = _segment(_made(write("id", str(one), str(two))))
    assert erase_contact(one, actor=SYSTEM, at=NOW).deleted["segment_lists"] == 1
    assert list(ListedContact.objects.values_list("contact_id", flat=True)) == [two]
    assert member_ids(segment) == {two}


def test_a_new_secret_key_is_noticed_and_an_old_one_may_stay(write: Write, settings: Any) -> None:
    (anna,) = _emails("anna@example.com")
    segment = _segment(_made(write("email", "anna@example.com")))
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another key, as long as it has to be, of ours"
    with pytest.raises(SegmentNotCalculated, match="SECRET_KEY"):
        membership.refresh(segment.pk, as_of=NOW + HOUR, cause="test")
    assert member_ids(segment) == {anna}
    settings.SECRET_KEY_FALLBACKS = [old]
    membership.refresh(segment.pk, as_of=NOW + HOUR, cause="test")
    assert member_ids(segment) == {anna}


def test_a_worker_reads_the_file_and_removes_it(write: Write) -> None:
    (anna,) = _emails("anna@example.com")
    path = write("email", "anna@example.com", "x@example.com")
    maker = _person("maker")
    segment, job = files.request_segment(
        path, file_name="mine.csv", actor=maker, at=NOW, name="Mine"
    )
    assert segment.calculation_state(at=NOW) == "waiting"
    assert not Job.objects.filter(kind="segments.refresh").exists()
    assert jobs.unfinished(f"segment:{segment.pk}") == job
    done = jobs.run(job.pk)
    assert done is not None
    assert done.state == "succeeded", done.message
    assert done.result == {
        "segment": "mine",
        "rows": 2,
        "matched": 1,
        "not_in_base": 1,
        "duplicates": 0,
        "faulty": 0,
        "members": 1,
    }
    assert member_ids(segment) == {anna}
    assert not path.exists()
    entry = AuditEntry.objects.get(action="segment.list_taken")
    assert entry.changes["matched"] == [None, 1]


def test_a_file_that_went_bad_is_written_into_the_segment(write: Write) -> None:
    path = write("email", "x@example.com")
    segment, job = files.request_segment(
        path, file_name="mine.csv", actor=SYSTEM, at=NOW, name="Mine"
    )
    path.write_text('email\n"never closed')
    done = jobs.run(job.pk)
    assert done is not None
    assert done.state == "failed"
    segment.refresh_from_db()
    assert "never closed" in segment.failure
    assert segment.calculation_state(at=NOW) == "failed"


def test_a_segment_without_its_file_says_so(write: Write) -> None:
    segment, _job = files.request_segment(
        write("email", "x@example.com"), file_name="mine.csv", actor=SYSTEM, at=NOW, name="Mine"
    )
    with pytest.raises(SegmentNotCalculated, match="no list of them is read yet"):
        membership.request_refresh(segment, actor=SYSTEM, at=NOW)
    with pytest.raises(SegmentNotCalculated, match="cannot be copied before"):
        lifecycle.copy_segment(segment, actor=SYSTEM, at=NOW)
    assert not schedule.is_due(segment, as_of=NOW + DAY)


def test_another_file_is_a_new_version(write: Write) -> None:
    anna, ewa = _emails("anna@example.com", "ewa@example.com")
    segment = _segment(_made(write("email", "anna@example.com")))
    path = write("email", "ewa@example.com", name="second.csv")
    job = files.request_replacement(
        segment, path, file_name="second.csv", actor=SYSTEM, at=NOW + HOUR
    )
    assert member_ids(segment) == {anna}
    jobs.run(job.pk)
    segment.refresh_from_db()
    assert member_ids(segment) == {ewa}
    assert segment.version_number == 2
    titles = segment.versions.order_by("number").values_list("contact_list__title", flat=True)
    assert list(titles) == ["list.csv", "second.csv"]


def test_only_a_living_segment_from_a_file_takes_another(write: Write) -> None:
    path = write("email", "x@example.com")
    with pytest.raises(SegmentNotFromFile):
        files.request_replacement(make_segment(), path, file_name="x.csv", actor=SYSTEM, at=NOW)
    segment = _segment(_made(path))
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    lifecycle.archive(segment, actor=SYSTEM, at=NOW)
    with pytest.raises(SegmentArchived):
        files.request_replacement(segment, path, file_name="x.csv", actor=SYSTEM, at=NOW)
    assert not ListedKey.objects.exists()


def test_criteria_of_a_segment_from_a_file_stay_empty(write: Write) -> None:
    segment = _segment(_made(write("email", "x@example.com")))
    with pytest.raises(InputInvalid) as refused:
        lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=lives_in("Łódź"))
    assert [problem.code for problem in refused.value.problems] == ["not_from_criteria"]
    assert lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, name="B").name == "B"


def test_a_segment_from_a_file_can_be_named_in_criteria(write: Write) -> None:
    (anna,) = _emails("anna@example.com")
    segment = _segment(_made(write("email", "anna@example.com")))
    other = make_segment("other", is_in(segment.key))
    membership.refresh(other.pk, as_of=NOW, cause="test")
    assert member_ids(other) == {anna}


def test_a_copy_has_a_list_of_its_own(write: Write) -> None:
    (anna,) = _emails("anna@example.com")
    segment = _segment(_made(write("email", "anna@example.com")))
    copied = lifecycle.copy_segment(segment, actor=SYSTEM, at=NOW)
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    lifecycle.archive(segment, actor=SYSTEM, at=NOW)
    membership.refresh(copied.pk, as_of=NOW, cause="test")
    assert member_ids(copied) == {anna}
    assert member_ids(segment) == set()


def test_who_is_in_which_row_is_known(write: Write) -> None:
    anna, ewa, jan = _emails("anna@example.com", "ewa@example.com", "jan@example.com")
    segment = _segment(_made(write("email", "ewa@example.com", "", "anna@example.com")))
    assert contact_lists.row_of(segment, ewa) == (True, 2)
    assert contact_lists.row_of(segment, anna) == (True, 3)
    assert contact_lists.row_of(segment, jan) == (False, None)
    numbers = _segment(_made(write("id", str(jan)), name="Numbers"))
    assert contact_lists.row_of(numbers, jan) == (True, 2)
    assert contact_lists.row_of(numbers, ewa) == (False, None)


def test_unmatched_rows_are_for_who_brought_them_and_administrators_for_a_week(
    write: Write,
) -> None:
    maker, other, admin = _person("maker"), _person("other"), _person("boss", is_admin=True)
    segment = _segment(_made(write("email", "x@example.com"), actor=maker))
    kept = ContactList.objects.get(segment=segment)
    assert files.unmatched_file(kept, actor=maker, at=NOW).is_file()
    assert files.unmatched_file(kept, actor=admin, at=NOW).is_file()
    with pytest.raises(UnmatchedGone):
        files.unmatched_file(kept, actor=other, at=NOW)
    with pytest.raises(UnmatchedGone):
        files.unmatched_file(kept, actor=maker, at=NOW + 7 * DAY)
    downloads = AuditEntry.objects.filter(action="segment.unmatched_downloaded")
    assert [entry.actor_id for entry in downloads.order_by("pk")] == [maker.id, admin.id]


def test_unmatched_rows_are_deleted_after_a_week(write: Write) -> None:
    _made(write("email", "x@example.com"))
    path = files.unmatched_file(ContactList.objects.get(), actor=SYSTEM, at=NOW)
    list(retention.purge_expired(as_of=NOW + 6 * DAY))
    assert path.is_file()
    list(retention.purge_expired(as_of=NOW + 7 * DAY))
    assert not path.exists()
    assert ContactList.objects.get().unmatched_file == ""


def test_making_one_needs_the_permission(write: Write) -> None:
    user = User.objects.create_user("guest", is_staff=True)
    with pytest.raises(NotAllowed):
        _made(write("email", "x@example.com"), actor=actor_of_user(user))


def test_the_command_makes_one_and_tells_what_came_of_it(write: Write) -> None:
    _emails("anna@example.com")
    path = write("adres;x", "anna@example.com;1", "nobody@example.com;2")
    out = StringIO()
    call_command(
        *("create_segment_from_file", str(path), "--name", "Fair 2026", "--identity", "email"),
        *("--column", "adres", "--json"),
        stdout=out,
    )
    told = json.loads(out.getvalue())
    unmatched = Path(told.pop("unmatched_file"))
    assert told == {
        "segment": "fair-2026",
        "rows": 2,
        "matched": 1,
        "not_in_base": 1,
        "duplicates": 0,
        "faulty": 0,
        "members": 1,
    }
    assert "nobody@example.com" in unmatched.read_text("utf-8-sig")
    assert path.exists()


def test_the_command_says_what_is_wrong_with_a_file(write: Write) -> None:
    with pytest.raises(CommandError, match="No column seems to name contacts"):
        call_command("create_segment_from_file", str(write("color", "red")), "--name", "X")
    assert not Segment.objects.exists()


_LOCALS = st.sampled_from(["anna", "Anna", "EWA", "ewa", "jan.k", "o+tag", "zoë", "x"])
_CELLS = st.one_of(
    st.builds(
        lambda before, local, after: f"{before}{local}@example.com{after}",
        st.sampled_from(["", " ", "  "]),
        _LOCALS,
        st.sampled_from(["", " "]),
    ),
    st.sampled_from(["", " ", "nonsense", "a@b", "two@example.com words"]),
)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    cells=st.lists(_CELLS, max_size=30),
    base=st.sets(_LOCALS.map(str.lower)),
    separator=st.sampled_from([",", ";", "\t"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_the_members_are_the_intersection_whatever_the_file(
    write: Write,
    cells: list[str],
    base: Iterable[str],
    separator: str,
    encoding: str,
    ends: str,
) -> None:
    ids = {f"{local}@example.com": make_contact(email=f"{local}@example.com").pk for local in base}
    try:
        path = write("")
        lines = [separator.join(["n", "email"])]
        lines += [separator.join([str(number), cell]) for number, cell in enumerate(cells)]
        path.write_bytes((ends.join(lines) + ends).encode(encoding))
        found = _made(path, column="email", identity="email")
        addresses = {cell.strip().lower() for cell in cells if "@example.com" in cell}
        addresses = {address for address in addresses if " " not in address}
        wanted = {pk for address, pk in ids.items() if address in addresses}
        assert member_ids(_segment(found)) == wanted
        assert found.rows == len(cells)
        assert found.matched == len(wanted)
        assert found.not_in_base == len(addresses) - len(wanted)
        assert found.rows == found.matched + found.not_in_base + found.duplicates + found.faulty
    finally:
        Segment.objects.all().delete()
        Contact.objects.all().delete()


def test_the_folder_of_uploads_is_the_only_one_that_is_cleaned(
    write: Write, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "mine.csv"
    os.replace(write("email", "x@example.com"), elsewhere)
    files.remove_upload(elsewhere)
    assert elsewhere.exists()


def test_why_somebody_is_in_is_told_with_the_row_of_the_file(write: Write) -> None:
    anna, ewa, jan = _emails("anna@example.com", "ewa@example.com", "jan@example.com")
    Member.objects.create(contact_id=anna, joined_at=NOW)
    path = write("email", "anna@example.com", "ewa@example.com")
    segment = _segment(_made(path, members_only=True))
    found = explain_contact(segment, anna, as_of=NOW)
    assert (found.member, found.entered_at) == (True, NOW)
    assert [(clause.path, clause.holds) for clause in found.clauses] == [
        ("list", True),
        ("members_only", True),
    ]
    assert "This contact is in the file “list.csv”, in row 2." in found.sentence
    found = explain_contact(segment, ewa, as_of=NOW)
    assert not found.member
    assert [change.path for change in found.would_change] == ["members_only"]
    found = explain_contact(segment, jan, as_of=NOW)
    assert [change.path for change in found.would_change] == ["list", "members_only"]
    assert "is not in the file “list.csv”" in found.sentence


def test_the_statement_that_finds_the_members_can_be_seen(write: Write) -> None:
    segment = _segment(_made(write("email", "anna@example.com")))
    assert "segments_listedkey" in written_sql(segment, as_of=NOW)


def test_of_several_columns_the_one_that_finds_most_is_guessed(write: Write) -> None:
    _emails("anna@example.com", "ewa@example.com")
    # Their numbers are not ours.
    path = write("id,email", "90001,anna@example.com", "90002,ewa@example.com")
    look = file_keys.look_at(path)
    assert (look.column, look.identity) == ("email", "email")
    # Where nobody is found, what the name says.
    look = file_keys.look_at(write("id,email", "90001,x@example.com"))
    assert (look.column, look.identity) == ("id", "id")


def test_a_year_among_the_names_of_columns_is_a_name(write: Write) -> None:
    assert file_keys.look_at(write("email,2025,2026", "x@example.com,1,2")).has_header
    assert not file_keys.look_at(write("17", "18")).has_header


def test_a_wide_file_is_looked_at_in_few_queries(
    write: Write, django_assert_max_num_queries: Any
) -> None:
    header = ",".join(f"c{number}" for number in range(300))
    path = write(header, ",".join(str(number) for number in range(300)))
    with django_assert_max_num_queries(8):
        file_keys.look_at(path)


def test_a_workbook_is_read_too(settings: Any) -> None:
    one, two = make_contact().pk, make_contact().pk
    book = Workbook()
    for row in (
        ["Kunde", "Id"],
        ["Anna", one],
        ["Ewa", float(two)],
        ["Nobody", 10**9],
        [None, None],
    ):
        book.active.append(row)
    path = settings.UPLOADS_ROOT / "list.xlsx"
    book.save(path)
    found = _made(path)
    assert member_ids(_segment(found)) == {one, two}
    assert (found.rows, found.not_in_base) == (3, 1)


class _Stopped:
    """Somebody cancels while the file is being compared."""

    def advance(self, done: int, total: int | None = None, message: str = "") -> None:
        if message == "comparing with the base":
            raise jobs.Cancelled


def test_a_cancelled_reading_leaves_the_list_that_was(write: Write) -> None:
    (anna,) = _emails("anna@example.com")
    segment = _segment(_made(write("email", "anna@example.com")))
    choice = file_keys.choose(write("email", "x@example.com", name="second.csv"))
    with pytest.raises(jobs.Cancelled):
        files.read_into(
            segment, choice, file_name="second.csv", actor=SYSTEM, at=NOW, work=_Stopped()
        )
    segment.refresh_from_db()
    assert "second.csv” was cancelled" in segment.failure
    assert (member_ids(segment), segment.version_number) == ({anna}, 1)
    assert ContactList.objects.count() == 1


def test_while_a_file_is_being_read_another_one_waits(write: Write) -> None:
    segment, job = files.request_segment(
        write("email", "x@example.com"), file_name="a.csv", actor=SYSTEM, at=NOW, name="Mine"
    )
    with pytest.raises(SegmentBusy):
        files.request_replacement(
            segment, write("email", name="b.csv"), file_name="b.csv", actor=SYSTEM, at=NOW
        )
    jobs.cancel(job, actor=SYSTEM, at=NOW)
    second = write("email", "y@example.com", name="b.csv")
    files.request_replacement(segment, second, file_name="b.csv", actor=SYSTEM, at=NOW)


def test_reading_again_after_a_worker_died_makes_no_second_version(write: Write) -> None:
    (anna,) = _emails("anna@example.com")
    path = write("email", "anna@example.com")
    segment, job = files.request_segment(path, file_name="a.csv", actor=SYSTEM, at=NOW, name="Mine")
    work = jobs.Work(job, SYSTEM)
    files.read_requested(work, at=NOW)
    assert files.read_requested(work, at=NOW + HOUR).members == 1
    segment.refresh_from_db()
    assert (member_ids(segment), segment.version_number) == ({anna}, 1)
    assert ContactList.objects.count() == 1
