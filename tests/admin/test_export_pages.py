"""Exports in the back office: the form, the preview, the files, who may fetch them."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.models import Contact, ContactTag, Tag
from segments import export_schedules, exports
from segments.models import Export, ExportSchedule, Segment
from tests.admin.conftest import MakePerson
from tests.segments.factories import lives_in, make_contacts, make_segment, refresh
from workspace import jobs
from workspace.access import SYSTEM
from workspace.models import AuditEntry, Job, User, UserGroup

ADD = "/admin/segments/export/add/"
PREVIEW = "/admin/segments/export/preview/"
RIGHTS = ("segments.view_export", "segments.export_segment", "segments.view_segment")


@pytest.fixture(autouse=True)
def _own_folder(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_ROOT = tmp_path / "exports"


@pytest.fixture
def poles() -> Segment:
    """A segment of three."""
    make_contacts("Warszawa", "Warszawa", "Warszawa", "Paris")
    segment = make_segment(name="Łódź & więcej", at=timezone.now())
    refresh(segment, as_of=timezone.now())
    return segment


def _given(**given: Any) -> dict[str, Any]:
    return {
        "segment": "poles",
        "format": "csv",
        "columns": ["city", "id"],
        "headers": ["Town", ""],
        **given,
    }


def _ready(client: Client, **given: Any) -> Export:
    answer = client.post(ADD, _given(**given))
    assert answer.status_code == 302, answer.context["form"].errors
    export = Export.objects.latest("pk")
    assert export.job_id is not None
    jobs.run(export.job_id)
    export.refresh_from_db()
    return export


def _download(export: Export) -> str:
    return reverse("admin:segments_export_download", args=[export.token])


def _status(client: Client, address: str) -> int:
    answer: Any = client.get(address)
    if answer.streaming:
        b"".join(answer.streaming_content)
    return int(answer.status_code)


def test_the_export_button_opens_the_form_with_the_segment_filled_in(
    admin: Client, poles: Segment
) -> None:
    page = admin.get(reverse("admin:segments_segment_change", args=[poles.pk])).content.decode()
    assert f"{ADD}?segment=poles" in page
    form = admin.get(ADD, {"segment": "poles"}).context["form"]
    assert form["segment"].value() == "poles"
    assert admin.get(ADD, {"segment": "nobody"}).status_code == 404


def test_an_export_is_asked_for_made_and_downloaded(admin: Client, poles: Segment) -> None:
    assert admin.post(ADD, _given()).status_code == 302
    export = Export.objects.get()
    assert (export.columns, export.headers) == (["city", "id"], {"city": "Town"})
    for address in (
        reverse("admin:segments_export_changelist"),
        reverse("admin:segments_export_change", args=[export.pk]),
        reverse("admin:segments_segment_export", args=[poles.pk]),
    ):
        waiting = admin.get(address).content.decode()
        assert reverse("admin:workspace_job_progress", args=[export.job_id]) in waiting
    jobs.run(Job.objects.get(kind=exports.EXPORT_JOB).pk)
    ready = admin.get(reverse("admin:segments_export_changelist")).content.decode()
    assert _download(export) in ready
    assert "6\xa0days" in ready
    assert "The file with 3 rows" in ready, "what a deletion destroys is said"
    file: Any = admin.get(_download(export))
    assert b"".join(file.streaming_content).decode().splitlines()[0] == "Town,id"


def test_the_file_is_sent_to_be_saved_and_kept_by_nobody(admin: Client, poles: Segment) -> None:
    answer: Any = admin.get(_download(_ready(admin)))
    assert b"".join(answer.streaming_content)
    disposition = unquote(answer["Content-Disposition"])
    assert disposition.startswith("attachment")
    assert "filename*=utf-8''Łódź & więcej-" in disposition
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"]
    assert answer["Content-Type"] == "text/csv; charset=utf-8"


def test_a_link_is_of_no_use_to_anybody_else(
    admin: Client, make_person: MakePerson, poles: Segment
) -> None:
    mine, other = make_person(*RIGHTS), make_person(*RIGHTS)
    address = _download(_ready(mine))
    assert _status(mine, address) == 200
    assert _status(other, address) == 404
    assert _status(admin, address) == 200
    logged_out = Client().get(address)
    assert logged_out.status_code == 302
    assert "/login/" in logged_out["Location"]
    fetched = AuditEntry.objects.filter(action="export.downloaded")
    assert fetched.count() == 2


def test_the_right_is_asked_for_at_the_moment_of_the_download(
    make_person: MakePerson, poles: Segment
) -> None:
    person = make_person(*RIGHTS)
    address = _download(_ready(person))
    poles.groups.add(Group.objects.create(name="Others"))
    assert person.get(address).status_code == 404
    poles.groups.clear()
    User.objects.get(username="person1").user_permissions.clear()
    assert person.get(address).status_code == 403


def test_a_file_is_gone_the_moment_its_week_is_over(admin: Client, poles: Segment) -> None:
    export = _ready(admin)
    Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = admin.get(_download(export), follow=True)
    assert "kept for 7 days" in answer.content.decode()


def test_a_file_is_deleted_by_hand_and_its_line_stays(
    admin: Client, make_person: MakePerson, poles: Segment
) -> None:
    export = _ready(admin)
    address = reverse("admin:segments_export_action", args=[export.pk, "delete_now"])
    assert make_person(*RIGHTS).post(address).status_code == 404
    page = admin.post(address, follow=True).content.decode()
    assert "The file was deleted." in page
    assert "deleted" in page
    assert list(exports.exports_folder().iterdir()) == []
    assert "deleted by hand" in admin.get(_download(export), follow=True).content.decode()
    assert AuditEntry.objects.filter(action="export.deleted").count() == 1


def test_the_picker_has_only_active_segments_that_one_may_know(
    make_person: MakePerson, poles: Segment
) -> None:
    for key, status in (("sleeping", "inactive"), ("old", "archived")):
        Segment.objects.filter(pk=make_segment(key).pk).update(status=status)
    make_segment("secret").groups.add(Group.objects.create(name="Others"))
    page = make_person(*RIGHTS).get(ADD)
    offered = [value for value, _label in page.context["form"].fields["segment"].choices]
    assert offered == ["poles"], "all contacts are for who may look at contacts"
    for word in ("Sleeping", "Old", "Secret"):
        assert word not in page.content.decode()
    both = make_person(*RIGHTS, "contacts.view_contact").get(ADD)
    assert both.context["form"].fields["segment"].choices[0][0] == ""


def test_a_segment_that_cannot_be_exported_says_why(admin: Client, poles: Segment) -> None:
    poles.status = Segment.Status.INACTIVE
    poles.save()
    page = admin.post(f"{ADD}?segment=poles", _given()).content.decode()
    assert "is inactive" in page
    assert not Export.objects.exists()


def test_the_preview_counts_and_shows_five_rows(admin: Client, poles: Segment) -> None:
    told = admin.post(PREVIEW, _given()).json()
    assert told["names"] == ["Town", "id"]
    assert [row[0] for row in told["rows"]] == ["Warszawa"] * 3
    assert (told["count"], told["problems"], told["notes"]) == ("3", [], [])
    Contact.objects.bulk_create(Contact(city="=1+1") for _n in range(7))
    told = admin.post(PREVIEW, _given(segment="", columns=["city"])).json()
    assert (told["count"], len(told["rows"])) == ("11", 5)
    assert not Export.objects.exists()


def test_the_preview_tells_faults_and_what_a_sheet_cannot_hold(
    admin: Client, poles: Segment
) -> None:
    told = admin.post(PREVIEW, _given(columns=["shoe"], headers=["x"])).json()
    assert told["problems"] == ["There is no column “shoe”."]
    told = admin.post(PREVIEW, _given(criteria="{")).json()
    assert told["problems"]
    Segment.objects.update(member_count=3_000_000)
    told = admin.post(PREVIEW, _given(format="xlsx")).json()
    assert told["notes"] == [
        "A sheet holds 1,048,575 rows, so the file will have 3 sheets.",
    ]


def test_filters_narrow_an_export_down(admin: Client, poles: Segment) -> None:
    contact = Contact.objects.filter(city="Warszawa").latest("pk")
    vip = Tag.objects.create(key="vip", label="VIP")
    ContactTag.objects.create(contact=contact, tag=vip)
    today = timezone.localdate()
    given = {"tag": "vip", "created_from": today.isoformat(), "created_until": today.isoformat()}
    told = admin.post(PREVIEW, _given(**given)).json()
    assert told["count"] == "1"
    assert "VIP" in told["sentence"]
    export = _ready(admin, **given)
    assert export.rows == 1
    detail = admin.get(reverse("admin:segments_export_change", args=[export.pk]))
    assert "VIP" in detail.content.decode()
    again = admin.get(ADD, {"like": str(export.pk)}).context["form"]
    assert '"vip"' in again["criteria"].value()
    late = {"created_from": today.isoformat(), "created_until": "2001-01-01"}
    assert "created_until" in admin.post(ADD, _given(**late)).context["form"].errors


def test_an_export_without_columns_is_told(admin: Client, poles: Segment) -> None:
    answer = admin.post(ADD, _given(columns=[], headers=[]))
    assert "Choose at least one column." in answer.content.decode()
    assert not Export.objects.exists()


def test_what_only_a_csv_has_is_left_out_of_other_formats(admin: Client, poles: Segment) -> None:
    given = {"encoding": "windows-1252", "separator": "tab"}
    assert _ready(admin, format="jsonl", **given).state == "ready"
    failed = _ready(admin, segment="", **given, columns=["city"], headers=["Łódź"])
    page = admin.get(reverse("admin:segments_export_change", args=[failed.pk])).content.decode()
    assert "The heading has the letter “Ł”" in page


def test_exports_of_a_group_are_seen_by_its_people(
    admin: Client, make_person: MakePerson, poles: Segment
) -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["export"])
    rights = (*RIGHTS, "contacts.view_contact")
    mine = make_person(*rights, groups=(group,))
    colleague = make_person(*rights, groups=(group,))
    other = make_person(*rights)
    assert "groups" in mine.post(ADD, _given()).context["form"].errors
    export = _ready(mine, groups=["Poland"])
    for client, status in ((mine, 200), (colleague, 200), (other, 404)):
        assert _status(client, _download(export)) == status
        listed = client.get(reverse("admin:segments_export_changelist")).content.decode()
        assert (str(export.token) in listed) == (status == 200)
    address = reverse("admin:segments_export_action", args=[export.pk, "delete_now"])
    assert colleague.post(address).status_code == 403, "it is not his"


def test_a_person_hears_on_the_next_page_that_the_file_is_ready(
    make_person: MakePerson, poles: Segment
) -> None:
    person, other = make_person(*RIGHTS), make_person(*RIGHTS)
    export = _ready(person)
    page = reverse("admin:index")
    assert _download(export) not in other.get(page).content.decode()
    assert _download(export) in person.get(page).content.decode()
    assert _download(export) not in person.get(page).content.decode(), "once"


def test_a_mail_says_that_the_file_is_ready(admin: Client, poles: Segment, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert "mail_when_ready" not in admin.get(ADD).context["form"].fields, "nowhere to write to"
    User.objects.filter(username="root").update(email="root@example.com")
    export = _ready(admin, mail_when_ready="on")
    (letter,) = mail.outbox
    assert letter.to == ["root@example.com"]
    assert reverse("admin:segments_export_change", args=[export.pk]) in letter.body
    assert str(export.token) not in letter.body


def test_a_schedule_is_made_changed_switched_and_deleted(admin: Client, poles: Segment) -> None:
    given = {"mode": "interval", "amount": "6", "unit": "hour", "name": "Poles for the agency"}
    assert admin.post(ADD, _given(**given)).status_code == 302
    schedule = ExportSchedule.objects.get()
    listed = admin.get(reverse("admin:segments_exportschedule_changelist")).content.decode()
    assert "every 6 hours" in listed
    address = reverse("admin:segments_exportschedule_change", args=[schedule.pk])
    assert admin.get(address).context["form"]["amount"].value() == 6
    changed = {"mode": "after_refresh", "name": "Poles", "format": "xlsx"}
    assert admin.post(address, _given(**changed)).status_code == 302
    schedule.refresh_from_db()
    assert (schedule.mode, schedule.amount, schedule.format) == ("after_refresh", None, "xlsx")
    on_segment = admin.get(reverse("admin:segments_segment_export", args=[poles.pk]))
    assert "after each refresh" in on_segment.content.decode()
    action = "admin:segments_exportschedule_action"
    for name, enabled in (("switch_off", False), ("switch_on", True)):
        admin.post(reverse(action, args=[schedule.pk, name]))
        schedule.refresh_from_db()
        assert schedule.enabled is enabled
    admin.post(reverse(action, args=[schedule.pk, "run_now"]))
    assert Export.objects.get().schedule == schedule
    admin.post(reverse(action, args=[schedule.pk, "delete"]))
    assert not ExportSchedule.objects.exists()


def test_a_schedule_that_stopped_says_why(admin: Client, poles: Segment) -> None:
    admin.post(ADD, _given(mode="interval", amount="1", unit="day"))
    poles.status = Segment.Status.INACTIVE
    poles.save()
    export_schedules.run_due(as_of=timezone.now())
    for address in (
        reverse("admin:segments_exportschedule_changelist"),
        reverse("admin:segments_exportschedule_change", args=[ExportSchedule.objects.get().pk]),
        reverse("admin:segments_segment_export", args=[poles.pk]),
    ):
        assert "is inactive" in admin.get(address).content.decode()


def test_a_schedule_of_somebody_else_is_not_found(
    admin: Client, make_person: MakePerson, poles: Segment
) -> None:
    admin.post(ADD, _given(mode="interval", amount="1", unit="day"))
    schedule = ExportSchedule.objects.get()
    person = make_person(*RIGHTS)
    for name in ("switch_off", "run_now", "delete"):
        address = reverse("admin:segments_exportschedule_action", args=[schedule.pk, name])
        assert person.post(address).status_code == 404
    address = reverse("admin:segments_exportschedule_change", args=[schedule.pk])
    assert person.get(address).status_code == 404
    assert person.post(address, _given()).status_code == 404


def test_the_login_page_opens_for_anybody() -> None:
    assert Client().get(reverse("admin:login")).status_code == 200


def test_exports_need_the_right_to_export(make_person: MakePerson, poles: Segment) -> None:
    reader = make_person("segments.view_export", "segments.view_segment")
    assert reader.get(ADD).status_code == 403
    assert reader.post(PREVIEW, _given()).status_code == 403
    export = exports.request_export(actor=SYSTEM, at=timezone.now())
    assert reader.get(_download(export)).status_code == 403
    assert ADD not in reader.get(reverse("admin:segments_export_changelist")).content.decode()
    page = reverse("admin:segments_segment_change", args=[poles.pk])
    assert quote(ADD) not in reader.get(page).content.decode()


def test_hidden_segments_stay_hidden_in_what_others_asked_for(
    admin: Client, make_person: MakePerson, poles: Segment
) -> None:
    hidden = make_segment("hush", lives_in("Paris"), name="Hush")
    hidden.groups.add(Group.objects.create(name="Others"))
    group = Group.objects.create(name="Poland")
    rule = {"field": "segment", "operator": "in", "value": ["hush"]}
    export = exports.request_export(
        actor=SYSTEM,
        at=timezone.now(),
        segment=poles,
        criteria={"combinator": "and", "rules": [rule]},
        groups=["Poland"],
    )
    assert [found.name for found in export.groups.all()] == [group.name]
    person = make_person(*RIGHTS, groups=(group,))
    for address in (
        reverse("admin:segments_export_change", args=[export.pk]),
        f"{ADD}?like={export.pk}",
        reverse("admin:segments_export_changelist"),
    ):
        page = person.get(address)
        assert page.status_code == 200
        assert "hush" not in page.content.decode().lower()


def test_people_of_the_group_look_at_a_schedule_and_cannot_change_it(
    make_person: MakePerson, poles: Segment
) -> None:
    group = Group.objects.create(name="Poland")
    mine, colleague = make_person(*RIGHTS, groups=(group,)), make_person(*RIGHTS, groups=(group,))
    mine.post(ADD, _given(mode="interval", amount="1", unit="day", groups=["Poland"]))
    schedule = ExportSchedule.objects.get()
    address = reverse("admin:segments_exportschedule_change", args=[schedule.pk])
    page = colleague.get(address)
    assert page.status_code == 200
    assert "data-save" not in page.content.decode()
    assert "Switch off" not in page.content.decode()
    answer = colleague.post(address, _given(mode="interval", amount="2", unit="day"))
    assert "Only whoever made a schedule" in answer.content.decode()
    schedule.refresh_from_db()
    assert schedule.amount == 1


def test_exports_are_found_by_their_segment(admin: Client, poles: Segment) -> None:
    export = _ready(admin)
    listed = reverse("admin:segments_export_changelist")
    assert _download(export) in admin.get(listed, {"q": "poles"}).content.decode()
    assert _download(export) in admin.get(listed, {"q": "więcej"}).content.decode()
    nothing = admin.get(listed, {"q": "nobody"}).content.decode()
    assert "Nothing matches" in nothing


def test_an_export_that_waits_is_cancelled_after_a_dialog(
    admin: Client, make_person: MakePerson, poles: Segment
) -> None:
    admin.post(ADD, _given())
    export = Export.objects.get()
    address = reverse("admin:segments_export_change", args=[export.pk])
    assert "what was written of the file is deleted" in admin.get(address).content.decode()
    action = reverse("admin:segments_export_action", args=[export.pk, "cancel"])
    assert make_person(*RIGHTS).post(action).status_code == 404
    assert admin.get(action).status_code == 405
    assert "cancelled" in admin.post(action, follow=True).content.decode()
    assert exports.state_of(Export.objects.get(), at=timezone.now()) == "cancelled"
