"""Exports by schedule: when they run, as whom, and when they stop by themselves."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, transaction

from contacts.models import AttributeDefinition
from segments import export_schedules, exports
from segments.errors import ExportScheduleUnknown
from segments.export_settings import Wanted
from segments.models import Export, ExportSchedule, Segment
from segments.uses import uses_of
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    has_attribute,
    make_contacts,
    make_segment,
    refresh,
)
from workspace import access, jobs
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.errors import InputInvalid, NotAllowed
from workspace.models import AuditEntry, Job, User

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _own_folder(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_ROOT = tmp_path / "exports"


@pytest.fixture
def poles() -> Segment:
    """A segment of two."""
    make_contacts("Warszawa", "Warszawa", "Paris")
    segment = make_segment()
    refresh(segment)
    return segment


def _person(name: str = "anna", *groups: Group) -> Actor:
    user = User.objects.create_user(name, is_staff=True)
    user.groups.set(groups)
    rooms = ["segments", "contacts"]
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=rooms))
    return actor_of_user(User.objects.get(pk=user.pk))


def _user(actor: Actor) -> User:
    """Who it is, with what he may do now."""
    return User.objects.get(pk=actor.id or 0)


def _scheduled(segment: Segment | None, actor: Actor, **given: Any) -> ExportSchedule:
    wanted = Wanted(segment=segment, **given.pop("wanted", {}))
    timing = {"mode": "interval", "amount": 6, "unit": "hour", **given}
    return export_schedules.create_schedule(wanted, actor=actor, at=NOW, **timing)


def _run(as_of: Any) -> int:
    """One round, and the work that it asks for."""
    count = export_schedules.run_due(as_of=as_of)
    for job in Job.objects.filter(kind=exports.EXPORT_JOB, state=Job.State.QUEUED):
        jobs.run(job.pk)
    return count


def test_the_first_file_comes_at_once_and_then_every_so_often(poles: Segment) -> None:
    schedule = _scheduled(poles, _person())
    assert _run(NOW) == 1
    assert _run(NOW + 6 * HOUR - MINUTE) == 0
    assert _run(NOW + 6 * HOUR) == 1
    schedule.refresh_from_db()
    assert schedule.next_run_at == NOW + 12 * HOUR
    assert [export.rows for export in schedule.exports.all()] == [2, 2]


def test_a_first_time_may_be_chosen(poles: Segment) -> None:
    _scheduled(poles, _person(), first_run_at=NOW + DAY)
    assert _run(NOW + DAY - MINUTE) == 0
    assert _run(NOW + DAY) == 1


def test_what_was_missed_is_made_up_for_once(poles: Segment) -> None:
    schedule = _scheduled(poles, _person())
    assert _run(NOW + 31 * HOUR) == 1
    assert _run(NOW + 31 * HOUR + MINUTE) == 0
    schedule.refresh_from_db()
    assert schedule.next_run_at == NOW + 36 * HOUR


def test_one_whose_file_is_still_being_written_waits_for_it(poles: Segment) -> None:
    _scheduled(poles, _person())
    assert export_schedules.run_due(as_of=NOW) == 1
    assert export_schedules.run_due(as_of=NOW + 6 * HOUR) == 0
    jobs.run(Job.objects.get(kind=exports.EXPORT_JOB).pk)
    assert export_schedules.run_due(as_of=NOW + 6 * HOUR + MINUTE) == 1


def test_a_file_comes_after_each_refresh_of_the_segment(poles: Segment) -> None:
    _scheduled(poles, _person(), mode="after_refresh")
    assert _run(NOW + HOUR) == 0, "this calculation was there already"
    make_contacts("Warszawa")
    refresh(poles, as_of=NOW + 2 * HOUR)
    assert _run(NOW + 2 * HOUR + MINUTE) == 1
    assert _run(NOW + 2 * HOUR + 2 * MINUTE) == 0
    assert Export.objects.get().rows == 3


def test_it_runs_as_who_made_it_and_belongs_to_him(poles: Segment) -> None:
    anna = _person()
    schedule = _scheduled(poles, anna)
    _run(NOW)
    export = schedule.exports.get()
    assert (export.user_id, export.state) == (anna.id, "ready")
    assert exports.find_export(export.pk, actor=anna) == export


@pytest.mark.parametrize("loss", ["permission", "group", "account", "person"])
def test_it_stops_when_the_person_may_not_any_more(poles: Segment, loss: str) -> None:
    group = Group.objects.create(name="Poland")
    poles.groups.add(group)
    anna = _person("anna", group)
    schedule = _scheduled(poles, anna)
    user = _user(anna)
    match loss:
        case "permission":
            user.user_permissions.clear()
            reason = "lacks the permission segments.export_segment"
        case "group":
            user.groups.clear()
            reason = "may not know of the segment any more"
        case "account":
            User.objects.filter(pk=user.pk).update(is_active=False)
            reason = "is gone or has a closed account"
        case _:
            user.delete()
            reason = "is gone or has a closed account"
    assert _run(NOW) == 0
    schedule.refresh_from_db()
    assert schedule.enabled is False
    assert reason in schedule.stopped_reason
    assert not Export.objects.exists()
    assert AuditEntry.objects.filter(action="export_schedule.stopped").count() == 1
    assert _run(NOW + DAY) == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "inactive"}, "is inactive"),
        ({"status": "archived", "member_count": 0}, "is archived"),
        ({"readiness_hours": 1, "calculated_at": NOW - DAY}, "has expired"),
    ],
)
def test_it_stops_when_the_segment_is_out_of_use(
    poles: Segment, change: dict[str, Any], reason: str
) -> None:
    schedule = _scheduled(poles, _person())
    Segment.objects.filter(pk=poles.pk).update(**change)
    assert _run(NOW) == 0
    schedule.refresh_from_db()
    assert reason in schedule.stopped_reason


def test_one_that_waits_for_a_refresh_stops_when_the_segment_is_archived(poles: Segment) -> None:
    schedule = _scheduled(poles, _person(), mode="after_refresh")
    Segment.objects.filter(pk=poles.pk).update(status="archived", member_count=0)
    _run(NOW + MINUTE)
    schedule.refresh_from_db()
    assert "is archived" in schedule.stopped_reason


def test_it_stops_when_its_criteria_or_columns_became_wrong(poles: Segment) -> None:
    color = AttributeDefinition.objects.create(key="color", label="Color")
    anna = _person()
    by_criteria = _scheduled(None, anna, wanted={"criteria": has_attribute("color", "red")})
    by_column = _scheduled(poles, anna, wanted={"columns": ("attributes.color",)})
    color.delete()
    _run(NOW)
    by_criteria.refresh_from_db()
    by_column.refresh_from_db()
    assert "The criteria are not right any more" in by_criteria.stopped_reason
    assert "There is no column “attributes.color”" in by_column.stopped_reason


def test_one_that_stopped_does_not_stop_the_others(poles: Segment) -> None:
    anna, ben = _person(), _person("ben")
    _scheduled(poles, anna)
    _scheduled(poles, ben)
    _user(anna).user_permissions.clear()
    assert _run(NOW) == 1


def test_one_that_stopped_goes_on_when_it_is_switched_on(poles: Segment) -> None:
    anna = _person()
    schedule = _scheduled(poles, anna)
    Segment.objects.filter(pk=poles.pk).update(status="inactive")
    _run(NOW)
    with pytest.raises(Exception, match="is inactive"):
        export_schedules.update_schedule(schedule, actor=anna, at=NOW + DAY, enabled=True)
    Segment.objects.filter(pk=poles.pk).update(status="active")
    at = NOW + DAY + HOUR
    schedule = export_schedules.update_schedule(schedule, actor=anna, at=at, enabled=True)
    assert (schedule.enabled, schedule.stopped_reason) == (True, "")
    assert schedule.next_run_at == NOW + 30 * HOUR
    assert _run(NOW + 30 * HOUR) == 1


def test_whether_a_person_may_is_asked_again_when_the_file_is_written(poles: Segment) -> None:
    anna = _person()
    _scheduled(poles, anna)
    export_schedules.run_due(as_of=NOW)
    _user(anna).user_permissions.clear()
    job = jobs.run(Job.objects.get(kind=exports.EXPORT_JOB).pk)
    assert job is not None
    assert job.state == "failed"
    assert "segments.export_segment" in Export.objects.get().failure
    assert list(exports.exports_folder().iterdir()) == []


def test_nobody_else_changes_a_schedule(poles: Segment) -> None:
    group = Group.objects.create(name="Poland")
    anna, ben = _person("anna", group), _person("ben", group)
    schedule = _scheduled(poles, anna, wanted={"groups": ["Poland"]})
    assert export_schedules.find_schedule(schedule.pk, actor=ben) == schedule
    for change in (
        lambda: export_schedules.update_schedule(schedule, actor=ben, at=NOW, enabled=False),
        lambda: export_schedules.delete_schedule(schedule, actor=ben, at=NOW),
        lambda: export_schedules.run_now(schedule, actor=ben, at=NOW),
    ):
        with pytest.raises(NotAllowed):
            change()
    with pytest.raises(ExportScheduleUnknown):
        export_schedules.delete_schedule(schedule, actor=_person("carl"), at=NOW)
    export_schedules.update_schedule(schedule, actor=SYSTEM, at=NOW, enabled=False)
    schedule.refresh_from_db()
    assert (schedule.enabled, schedule.user_id) == (False, anna.id)


def test_an_administrator_does_not_lend_his_rights_to_a_schedule(poles: Segment) -> None:
    anna = _person()
    schedule = _scheduled(poles, anna)
    secret = make_segment("secret")
    secret.groups.add(Group.objects.create(name="Others"))
    with pytest.raises(Exception, match="There is no segment"):
        export_schedules.update_schedule(
            schedule, actor=SYSTEM, at=NOW, wanted=Wanted(segment=secret)
        )


def test_a_schedule_has_a_whole_rhythm(poles: Segment) -> None:
    anna = _person()
    for timing in (
        {"amount": None},
        {"amount": 0},
        {"unit": "week"},
        {"mode": "sometimes"},
    ):
        with pytest.raises(InputInvalid):
            _scheduled(poles, anna, **timing)
    with pytest.raises(InputInvalid):
        _scheduled(None, anna, mode="after_refresh")
    for broken in ({"amount": 0}, {"next_run_at": None}, {"unit": ""}):
        schedule = _scheduled(poles, anna)
        with pytest.raises(IntegrityError), transaction.atomic():
            ExportSchedule.objects.filter(pk=schedule.pk).update(**broken)


def test_schedules_are_among_the_uses_of_a_segment(poles: Segment) -> None:
    anna = _person()
    schedule = _scheduled(poles, anna, name="For the agency")
    (use,) = [use for use in uses_of(poles, actor=anna) if use.kind == "export_schedule"]
    assert (use.name, use.key) == ("For the agency", str(schedule.pk))
    (hidden,) = [
        use for use in uses_of(poles, actor=_person("ben")) if use.kind == "export_schedule"
    ]
    assert hidden.is_hidden
    assert "agency" not in hidden.name
    export_schedules.update_schedule(schedule, actor=anna, at=NOW, enabled=False)
    kinds = [use.kind for use in uses_of(poles, actor=anna)]
    assert "export_schedule" not in kinds, "one that is off uses nothing"


def test_a_round_costs_the_same_however_many_are_not_due(
    poles: Segment, django_assert_num_queries: Any
) -> None:
    anna = _person()
    for _n in range(5):
        _scheduled(poles, anna, first_run_at=NOW + DAY)
    with django_assert_num_queries(1):
        assert export_schedules.run_due(as_of=NOW) == 0


def test_the_trail_tells_what_became_of_a_schedule(poles: Segment) -> None:
    anna = _person()
    schedule = _scheduled(poles, anna)
    export_schedules.update_schedule(schedule, actor=anna, at=NOW, name="Other", amount=2)
    export_schedules.update_schedule(schedule, actor=anna, at=NOW, name="Other")
    export_schedules.delete_schedule(schedule, actor=anna, at=NOW)
    trail = AuditEntry.objects.filter(action__startswith="export_schedule.").order_by("pk")
    assert [entry.action for entry in trail] == [
        "export_schedule.created",
        "export_schedule.updated",
        "export_schedule.deleted",
    ]
    assert trail[1].changes == {"name": ["Poles", "Other"], "amount": [6, 2]}


def test_programs_have_schedules_too(poles: Segment) -> None:
    from workspace.keys import create_api_user

    program, _key = create_api_user(name="Shop", actor=SYSTEM, at=NOW, scopes=["segments:write"])
    actor = access.actor_of_api_user(program)
    schedule = _scheduled(poles, actor)
    _run(NOW)
    assert schedule.exports.get().api_user == program
    program.enabled = False
    program.save()
    _run(NOW + DAY)
    schedule.refresh_from_db()
    assert "closed account" in schedule.stopped_reason
