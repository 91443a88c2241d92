"""Contacts to a file: whose, which columns, safe to open, gone after a week."""

import csv
import io
import json
import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from openpyxl import load_workbook

from contacts.models import (
    AttributeDefinition,
    Category,
    ConsentDefinition,
    ConsentEntry,
    Contact,
    ContactCategory,
    ContactTag,
    Identity,
    MetricDefinition,
    MetricValue,
    Tag,
)
from loyalty.models import Member
from segments import exports
from segments.errors import ExportExpired, ExportNotReady, ExportUnknown, SegmentUnknown
from segments.export_columns import available_columns
from segments.export_files import Layout, neutralised, restored, write
from segments.models import Export, Segment
from tests.segments.factories import DAY, NOW, lives_in, make_contacts, make_segment, refresh
from workspace import jobs, retention
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.errors import InputInvalid, NotAllowed
from workspace.models import AuditEntry, Job, User, UserGroup


@pytest.fixture(autouse=True)
def _own_folder(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_ROOT = tmp_path / "exports"


def _person(name: str, *groups: Group) -> Actor:
    user = User.objects.create_user(name, is_staff=True)
    user.groups.set(groups)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="segments"))
    return actor_of_user(User.objects.get(pk=user.pk))


def _written(source: exports.Source, *columns: str, **given: Any) -> bytes:
    stream = io.BytesIO()
    given.setdefault("file_format", "csv")
    exports.write_contacts(stream, source, columns=columns, **given)
    return stream.getvalue()


def _table(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))


@pytest.fixture
def ania(db: None) -> Contact:
    """One of whom everything is known."""
    AttributeDefinition.objects.create(key="color", label="Color")
    AttributeDefinition.objects.create(key="size", label="Size", type="number")
    AttributeDefinition.objects.create(key="likes", label="Likes", type="list")
    ania = Contact.objects.create(
        email="ania@example.com",
        first_name="=1+2",
        phone="+48 600 000 000",
        city="Łódź",
        birth_date="1990-02-28",
        lead_score=Decimal("-5.5"),
        attributes={"color": "@red", "size": Decimal("-0.10"), "likes": ["tea", "milk"]},
        created_at=NOW,
    )
    for key in ("vip", "gold"):
        ContactTag.objects.create(contact=ania, tag=Tag.objects.create(key=key, label=key))
    media = Category.objects.create(key="media", label="Media")
    ContactCategory.objects.create(contact=ania, category=media)
    mail = ConsentDefinition.objects.create(key="mail", label="Mail")
    ConsentDefinition.objects.create(key="sms", label="SMS")
    ConsentEntry.objects.create(
        contact=ania, id=1, definition=mail, state="granted", at=NOW, source="test"
    )
    Identity.objects.create(namespace="user_id", value="u-1", contact=ania)
    Identity.objects.create(namespace="email", value="ania@example.com", contact=ania)
    metric = MetricDefinition.objects.create(key="ltv", label="Lifetime value")
    MetricValue.objects.create(contact=ania, metric=metric, number=Decimal("12.5"))
    Member.objects.create(contact=ania, joined_at=NOW - DAY, points=30, tier="gold")
    return ania


_EVERYTHING = {
    "external_id": "u-1",
    "email": "ania@example.com",
    "first_name": "'=1+2",
    "phone": "'+48 600 000 000",
    "city": "Łódź",
    "birth_date": "1990-02-28",
    "lead_score": "-5.5",
    "created_at": "2026-03-02T12:00:00+00:00",
    "last_seen_at": "",
    "attributes.color": "'@red",
    "attributes.size": "-0.10",
    "likes": "tea|milk",
    "tags": "gold|vip",
    "categories": "media",
    "consents.mail": "granted",
    "consents.sms": "unknown",
    "identities": "email:ania@example.com|user_id:u-1",
    "metrics.ltv": "12.5",
    "loyalty.is_member": "true",
    "loyalty.points": "30",
    "loyalty.tier": "gold",
}


def test_every_column_says_what_is_known(ania: Contact) -> None:
    header, row = _table(_written(exports.everyone(), *_EVERYTHING))
    assert header == list(_EVERYTHING)
    assert dict(zip(header, row, strict=True)) == _EVERYTHING


def test_all_columns_that_there_are_can_be_had_at_once(ania: Contact) -> None:
    segment = make_segment(criteria=lives_in("Łódź"))
    refresh(segment)
    names = list(available_columns(of_segment=True))
    header, row = _table(_written(exports.members_of(segment), *names))
    assert header == names
    assert row[names.index("entered_at")] == "2026-03-02T12:00:00+00:00"
    assert row[names.index("id")] == str(ania.pk)


def test_names_of_criteria_mean_the_same_and_stars_mean_all(ania: Contact) -> None:
    header, row = _table(
        _written(exports.everyone(), "contact.city", "attribute.likes", "tag", "consents.*")
    )
    assert header == ["contact.city", "attribute.likes", "tag", "consents.mail", "consents.sms"]
    assert row == ["Łódź", "tea|milk", "gold|vip", "granted", "unknown"]


def test_json_lines_keep_the_types_and_are_not_for_spreadsheets(ania: Contact) -> None:
    columns = ("first_name", "attributes.size", "likes", "tags", "loyalty.is_member", "gender")
    line = _written(exports.everyone(), *columns, file_format="jsonl")
    assert json.loads(line, parse_float=Decimal) == {
        "first_name": "=1+2",
        "attributes.size": Decimal("-0.10"),
        "likes": ["tea", "milk"],
        "tags": ["gold", "vip"],
        "loyalty.is_member": True,
        "gender": "",
    }


def test_a_sheet_holds_texts_and_numbers_and_no_formula(ania: Contact) -> None:
    data = _written(
        exports.everyone(), "first_name", "lead_score", "city", "tags", file_format="xlsx"
    )
    sheet = load_workbook(io.BytesIO(data)).worksheets[0]
    heading, row = sheet.iter_rows()
    assert [cell.value for cell in heading] == ["first_name", "lead_score", "city", "tags"]
    assert [cell.value for cell in row] == ["'=1+2", -5.5, "Łódź", "gold|vip"]
    assert [cell.data_type for cell in row] == ["s", "n", "s", "s"]


def test_a_sheet_that_is_full_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segments.export_files.SHEET_LIMIT", 3)
    for count, expected in ((0, [0]), (2, [2]), (5, [2, 2, 1])):
        stream = io.BytesIO()
        write(stream, ["n"], ([number] for number in range(count)), file_format="xlsx")
        sheets = load_workbook(stream).worksheets
        assert [sheet.max_row - 1 for sheet in sheets] == expected
        assert all(sheet["A1"].value == "n" for sheet in sheets)


def test_characters_that_a_sheet_cannot_hold_are_left_out() -> None:
    stream = io.BytesIO()
    write(stream, ["n"], [["a\x07b"]], file_format="xlsx")
    assert load_workbook(stream).worksheets[0]["A2"].value == "ab"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=SUM(A1)", "'=SUM(A1)"),
        ("+48", "'+48"),
        ("-x", "'-x"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("'=x", "''=x"),
        ("'x", "'x"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_cells_are_neutralised_and_can_be_read_back(text: str, cell: str) -> None:
    assert neutralised(text) == cell
    assert restored(cell) == text


def test_a_byte_order_mark_comes_where_it_is_wanted(ania: Contact) -> None:
    assert _written(exports.everyone(), "city").startswith(b"city\r\n")
    marked = _written(exports.everyone(), "city", layout=Layout(encoding="utf-8-bom"))
    assert marked.startswith(b"\xef\xbb\xbfcity\r\n")


@pytest.mark.django_db
def test_whom_criteria_describe_can_be_exported_without_a_segment() -> None:
    make_contacts("Warszawa", "Paris", "Warszawa")
    source = exports.described_by(lives_in("Warszawa"), actor=SYSTEM, as_of=NOW)
    assert _table(_written(source, "city")) == [["city"], ["Warszawa"], ["Warszawa"]]


@pytest.mark.django_db
def test_erased_contacts_are_in_no_export() -> None:
    make_contacts("Warszawa")
    Contact.objects.create(erased_at=NOW)
    assert len(_table(_written(exports.everyone(), "id"))) == 2


@pytest.mark.django_db
def test_unknown_columns_are_refused_all_at_once() -> None:
    with pytest.raises(InputInvalid) as refused:
        exports.request_export(
            actor=SYSTEM, at=NOW, columns=["shoe", "email", "attributes.shoe", "entered_at"]
        )
    assert [(p.path, p.code) for p in refused.value.problems] == [
        ("columns[0]", "unknown_column"),
        ("columns[2]", "unknown_column"),
        ("columns[3]", "unknown_column"),
    ]
    assert not Export.objects.exists()


def _made(segment: Segment | None, actor: Actor, **given: Any) -> Export:
    export = exports.request_export(segment=segment, actor=actor, at=NOW, **given)
    assert export.job is not None
    done = jobs.run(export.job.pk)
    assert done is not None
    assert done.state == "succeeded", done.message
    export.refresh_from_db()
    return export


@pytest.mark.django_db
def test_a_job_writes_the_file_and_its_owner_fetches_it() -> None:
    make_contacts("Warszawa", "Warszawa", "Paris")
    segment = make_segment()
    refresh(segment)
    anna = _person("anna")
    export = _made(segment, anna, columns=["city", "entered_at"])
    assert (export.state, export.rows) == ("ready", 2)
    path = exports.file_to_download(export, actor=anna, at=NOW)
    assert export.size == path.stat().st_size
    assert path.stat().st_mode & 0o077 == 0
    assert len(path.stem) >= 43, "a name of 256 random bits"
    assert _table(path.read_bytes())[1] == ["Warszawa", "2026-03-02T12:00:00+00:00"]
    assert exports.download_name(export) == "Poles-2026-03-02.csv"
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"export.requested", "export.downloaded"} <= actions


@pytest.mark.django_db
def test_only_its_owner_and_administrators_see_an_export() -> None:
    segment = make_segment()
    anna, pierre = _person("anna"), _person("pierre")
    export = _made(segment, anna)
    assert exports.find_export(export.pk, actor=SYSTEM) == export
    with pytest.raises(ExportUnknown):
        exports.file_to_download(export, actor=pierre, at=NOW)
    group = Group.objects.create(name="France")
    segment.groups.add(group)
    with pytest.raises(ExportUnknown):
        exports.file_to_download(export, actor=anna, at=NOW)


@pytest.mark.django_db
def test_a_segment_of_others_cannot_be_exported() -> None:
    segment = make_segment()
    segment.groups.add(Group.objects.create(name="France"))
    with pytest.raises(SegmentUnknown):
        exports.request_export(segment=segment, actor=_person("anna"), at=NOW)
    reader = actor_of_user(User.objects.create_user("reader"))
    with pytest.raises(NotAllowed):
        exports.request_export(actor=reader, at=NOW)


@pytest.mark.django_db
def test_after_seven_days_the_file_is_gone_from_disk() -> None:
    export = _made(None, SYSTEM)
    path = exports.file_to_download(export, actor=SYSTEM, at=NOW)
    assert export.expires_at is not None
    before = export.expires_at - timedelta(seconds=1)
    assert exports.purge_exports(before)["exports"] == 0
    assert path.exists()
    with pytest.raises(ExportExpired):
        exports.file_to_download(export, actor=SYSTEM, at=export.expires_at)
    (purged,) = (
        one for one in retention.purge_expired(as_of=export.expires_at) if one.kind == "exports"
    )
    assert purged.counts["exports"] == 1
    assert not path.exists()
    export.refresh_from_db()
    assert export.state == "expired"
    assert exports.purge_exports(export.expires_at)["exports"] == 0


@pytest.mark.django_db
def test_files_that_a_killed_worker_left_are_deleted_after_a_day() -> None:
    kept = exports.file_to_download(_made(None, SYSTEM), actor=SYSTEM, at=NOW)
    whole, part = kept.with_name("left.csv"), kept.with_name("left.csv.part")
    for path, age in ((kept, 2), (whole, 2), (part, 2), (kept.with_name("new.csv.part"), 0)):
        path.touch()
        at = (NOW - age * DAY).timestamp()
        os.utime(path, (at, at))
    assert exports.purge_exports(NOW) == {"exports": 0, "abandoned_files": 2}
    assert {path.name for path in kept.parent.iterdir()} == {kept.name, "new.csv.part"}


@pytest.mark.django_db
def test_a_cancelled_export_leaves_no_file() -> None:
    make_contacts("Warszawa")
    export = exports.request_export(actor=SYSTEM, at=NOW)
    assert exports.state_of(export, at=NOW) == "queued"
    job = Job.objects.get()
    jobs.cancel(job, actor=SYSTEM, at=NOW)
    export.refresh_from_db()
    assert exports.state_of(export, at=NOW) == "cancelled"
    other = exports.request_export(actor=SYSTEM, at=NOW)
    work = jobs.Work(Job.objects.exclude(pk=job.pk).get(), SYSTEM)
    work.is_cancelled.set()
    with pytest.raises(jobs.Cancelled):
        exports.make_file(other.pk, work=work, at=NOW)
    other.refresh_from_db()
    assert other.state == "cancelled"
    assert list(exports.exports_folder().iterdir()) == []
    with pytest.raises(ExportNotReady):
        exports.file_to_download(other, actor=SYSTEM, at=NOW)


@pytest.mark.django_db
def test_a_job_that_is_run_again_keeps_the_file() -> None:
    export = _made(None, SYSTEM)
    work = jobs.Work(Job.objects.get(), SYSTEM)
    assert exports.make_file(export.pk, work=work, at=NOW)["rows"] == 0
    assert len(list(exports.exports_folder().iterdir())) == 1


@pytest.mark.django_db
def test_criteria_narrow_a_segment_down() -> None:
    ids = make_contacts("Warszawa", "Warszawa", "Paris")
    Contact.objects.filter(pk__in=ids[1:]).update(first_name="Ania")
    segment = make_segment()
    refresh(segment)
    rule = {"field": "contact.first_name", "operator": "=", "value": "Ania"}
    export = _made(segment, SYSTEM, criteria={"combinator": "and", "rules": [rule]}, columns=["id"])
    path = exports.file_to_download(export, actor=SYSTEM, at=NOW)
    assert _table(path.read_bytes()) == [["id"], [str(ids[1])]]


@pytest.mark.django_db
def test_headings_are_as_they_were_written() -> None:
    make_contacts("Warszawa")
    export = _made(None, SYSTEM, columns=["city", "id"], headers={"city": "Town"})
    path = exports.file_to_download(export, actor=SYSTEM, at=NOW)
    assert _table(path.read_bytes())[0] == ["Town", "id"]


@pytest.mark.django_db
def test_numbers_of_criteria_keep_every_digit() -> None:
    score = Decimal("0.1234567890123456789")
    rule = {"field": "contact.lead_score", "operator": "=", "value": score}
    export = exports.request_export(
        actor=SYSTEM, at=NOW, criteria={"combinator": "and", "rules": [rule]}
    )
    export.refresh_from_db()
    assert export.criteria["rules"][0]["value"] == score


@pytest.mark.django_db
def test_a_cancelled_export_stops_within_a_few_thousand_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exports, "_FETCHED", 2)
    make_contacts(*["Warszawa"] * 9)
    export = exports.request_export(actor=SYSTEM, at=NOW)
    work = jobs.Work(Job.objects.get(), SYSTEM)

    class Watched(jobs.Work):
        def advance(self, done: int, total: int | None = None, message: str = "") -> None:
            if done >= 4:
                self.is_cancelled.set()
            super().advance(done, total, message)

    watched = Watched(work.job, SYSTEM)
    with pytest.raises(jobs.Cancelled):
        exports.make_file(export.pk, work=watched, at=NOW)
    assert watched.done == 4
    assert list(exports.exports_folder().iterdir()) == []


@pytest.mark.django_db
def test_a_file_that_failed_leaves_nothing_and_says_why() -> None:
    make_contacts("Łódź")
    export = exports.request_export(actor=SYSTEM, at=NOW, columns=["city"], encoding="windows-1252")
    assert export.job is not None
    job = jobs.run(export.job.pk)
    assert job is not None
    assert job.state == "failed"
    export.refresh_from_db()
    assert export.failure == job.message
    assert "Row 1 has the letter “Ł”" in export.failure
    assert list(exports.exports_folder().iterdir()) == []


@pytest.mark.django_db
def test_an_export_of_a_group_is_seen_by_its_people_only() -> None:
    poland, france = Group.objects.create(name="Poland"), Group.objects.create(name="France")
    UserGroup.objects.create(group=poland, entities=["export"])
    segment = make_segment()
    anna, ania, pierre = _person("anna", poland), _person("ania", poland), _person("pierre", france)
    with pytest.raises(InputInvalid, match="user group"):
        exports.request_export(segment=segment, actor=anna, at=NOW, groups=[])
    with pytest.raises(InputInvalid, match="that you may choose"):
        exports.request_export(segment=segment, actor=anna, at=NOW, groups=["France"])
    export = _made(segment, anna, groups=["Poland"])
    assert exports.find_export(export.pk, actor=ania) == export
    with pytest.raises(ExportUnknown):
        exports.find_export(export.pk, actor=pierre)
    User.objects.get(username="anna").groups.clear()
    with pytest.raises(ExportUnknown):
        exports.find_export(export.pk, actor=actor_of_user(User.objects.get(username="anna")))
    segment.groups.add(france)
    with pytest.raises(ExportUnknown):
        exports.find_export(export.pk, actor=ania)


@pytest.mark.django_db
def test_who_says_no_group_gives_it_to_that_of_the_segment() -> None:
    poland, france = Group.objects.create(name="Poland"), Group.objects.create(name="France")
    UserGroup.objects.create(group=poland, entities=["export"])
    segment = make_segment()
    segment.groups.add(france)
    both = _person("anna", poland, france)
    export = exports.request_export(segment=segment, actor=both, at=NOW)
    assert [group.name for group in export.groups.all()] == ["France"]
    open_segment = make_segment("open")
    with pytest.raises(InputInvalid, match="user group"):
        exports.request_export(segment=open_segment, actor=both, at=NOW)


@pytest.mark.django_db
def test_a_deleted_file_cannot_be_fetched_and_deleting_again_changes_nothing() -> None:
    anna, ben = _person("anna"), _person("ben")
    export = _made(make_segment(), anna)
    with pytest.raises(ExportUnknown):
        exports.delete_file(export, actor=ben, at=NOW)
    exports.delete_file(export, actor=anna, at=NOW)
    exports.delete_file(export, actor=anna, at=NOW)
    assert list(exports.exports_folder().iterdir()) == []
    with pytest.raises(ExportExpired, match="by hand"):
        exports.file_to_download(export, actor=anna, at=NOW)
    assert AuditEntry.objects.filter(action="export.deleted").count() == 1


@pytest.mark.django_db
def test_beat_deletes_files_several_times_an_hour() -> None:
    from config.schedule import SCHEDULE

    every = {entry["task"]: entry["schedule"] for entry in SCHEDULE.values()}
    assert every["segments.tasks.purge_exports"] <= 15 * 60
    assert every["segments.tasks.run_export_schedules"] <= 60


@pytest.mark.django_db
def test_a_file_of_everyone_is_for_who_may_look_at_contacts() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["export"])
    boss = User.objects.create_superuser("boss")
    boss.groups.add(group)
    export = _made(None, actor_of_user(boss), groups=["Poland"])
    colleague = _person("anna", group)
    assert exports.find_export(export.pk, actor=colleague) == export
    with pytest.raises(NotAllowed, match="view_contact"):
        exports.file_to_download(export, actor=colleague, at=NOW)
    with pytest.raises(NotAllowed, match="view_contact"):
        exports.request_export(actor=colleague, at=NOW)
