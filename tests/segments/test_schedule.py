"""The clock: a segment's moments, what is due, and the task in beat that follows."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from config.schedule import SCHEDULE
from contacts.models import AttributeDefinition
from segments import lifecycle, membership, schedule, tasks
from segments.models import Following, Segment
from segments.realtime import state
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    has_attribute,
    is_in,
    make_contacts,
    make_segment,
    member_ids,
    refresh,
)
from workspace import jobs
from workspace.access import SYSTEM
from workspace.models import Job

pytestmark = pytest.mark.django_db


def _every(amount: int, unit: str = "hour", key: str = "poles", **given: Any) -> Segment:
    """A segment refreshed every so often, calculated at NOW, nothing requested."""
    segment = make_segment(
        key, refresh_mode="interval", refresh_amount=amount, refresh_unit=unit, **given
    )
    refresh(segment)
    Job.objects.all().delete()
    return segment


def _due(as_of: datetime) -> list[str]:
    return [segment.key for segment in schedule.due_segments(as_of=as_of)]


def _task(segment: Segment) -> PeriodicTask:
    return PeriodicTask.objects.get(name=schedule.task_name(segment))


def test_a_segment_is_due_at_its_interval_and_not_long_before() -> None:
    _every(6)
    assert _due(NOW + 5 * HOUR) == []
    assert _due(NOW + 6 * HOUR) == ["poles"]


def test_the_next_refresh_is_at_the_same_time_every_day() -> None:
    segment = _every(1, "day")
    first = schedule.next_refresh_at(segment)
    assert first is not None
    assert NOW + 0.9 * DAY <= first <= NOW + DAY
    for days in range(3):
        segment.calculated_at = first + days * DAY + timedelta(minutes=3)
        assert schedule.next_refresh_at(segment) == first + (days + 1) * DAY


def test_missed_moments_are_made_up_for_once() -> None:
    segment = _every(1)
    later = NOW + 10 * HOUR
    assert _due(later) == ["poles"]
    refresh(segment, as_of=later)
    assert _due(later) == []
    assert _due(later + HOUR) == ["poles"]


def test_segments_made_together_do_not_start_together() -> None:
    segments = [_every(24, key=f"s{number}") for number in range(20)]
    moments = {schedule.next_refresh_at(segment) for segment in segments}
    assert len(moments) == 20
    known = [moment for moment in moments if moment is not None]
    assert max(known) - min(known) > HOUR / 2


def test_only_active_segments_with_a_schedule_are_due() -> None:
    _every(1, key="inactive")
    lifecycle.inactivate(Segment.objects.get(), actor=SYSTEM, at=NOW)
    once = make_segment("once")
    refresh(once)
    never = make_segment("never")
    Segment.objects.filter(pk=never.pk).update(refresh_requested_at=None)
    requested = make_segment("requested")
    assert requested.refresh_requested_at
    assert _due(NOW + 9 * DAY) == ["never", "requested"]


def test_a_failed_refresh_waits_for_its_next_moment() -> None:
    AttributeDefinition.objects.create(key="color", label="Color")
    segment = _every(1, criteria=has_attribute("color", "red"))
    AttributeDefinition.objects.all().delete()
    list(membership.refresh_many([segment.pk], as_of=NOW + HOUR, cause="scheduled"))
    segment.refresh_from_db()
    assert segment.failed_at == NOW + HOUR
    assert _due(NOW + HOUR) == []
    assert _due(NOW + 2 * HOUR) == ["poles"]


def test_the_task_follows_the_segment() -> None:
    segment = _every(6)
    task = _task(segment)
    assert (task.enabled, task.task, json.loads(task.args)) == (
        True,
        "segments.tasks.refresh_on_schedule",
        [segment.pk],
    )
    assert (task.interval.every, task.interval.period) == (6, "hours")
    assert task.start_time == schedule.next_refresh_at(segment)
    assert task.task == tasks.refresh_on_schedule.name
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, refresh_amount=2, refresh_unit="day")
    assert (_task(segment).interval.every, _task(segment).interval.period) == (2, "days")
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    assert not _task(segment).enabled
    lifecycle.activate(segment, actor=SYSTEM, at=NOW)
    assert _task(segment).enabled
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, refresh_mode="once")
    assert not PeriodicTask.objects.filter(name=schedule.task_name(segment)).exists()
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, refresh_mode="realtime")
    assert not PeriodicTask.objects.filter(name=schedule.task_name(segment)).exists()
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    lifecycle.archive(segment, actor=SYSTEM, at=NOW)
    assert not PeriodicTask.objects.filter(name=schedule.task_name(segment)).exists()


def test_a_segment_in_real_time_is_due_only_where_it_does_not_follow_or_is_stale() -> None:
    segment = make_segment(refresh_mode="realtime")
    refresh(segment)
    Job.objects.all().delete()
    assert _due(NOW + 9 * DAY) == []
    assert schedule.next_refresh_at(segment) is None
    state.mark_stale([segment.pk], cause="import", at=NOW)
    assert _due(NOW + timedelta(minutes=9)) == []
    assert _due(NOW + timedelta(minutes=10)) == ["poles"]
    refresh(segment, as_of=NOW + HOUR)
    assert _due(NOW + 9 * DAY) == []
    Following.objects.all().delete()
    assert _due(NOW + HOUR + timedelta(minutes=10)) == ["poles"]


def test_beat_hears_of_a_change_only_when_there_is_one() -> None:
    segment = _every(6)
    before = PeriodicTasks.last_change()
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, name="Other")
    assert PeriodicTasks.last_change() == before
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, refresh_amount=7)
    assert PeriodicTasks.last_change() != before


def test_a_round_requests_what_is_due_once() -> None:
    _every(1, key="hourly")
    _every(2, "day", key="daily")
    assert schedule.refresh_due(as_of=NOW) == []
    (job,) = schedule.refresh_due(as_of=NOW + HOUR)
    assert job.arguments["cause"] == "scheduled"
    assert schedule.refresh_due(as_of=NOW + HOUR) == [], "it is requested already"


def test_the_task_of_one_segment_asks_whether_it_is_due() -> None:
    segment = _every(1)
    assert schedule.refresh_if_due(segment.pk, as_of=NOW) is None
    assert schedule.refresh_if_due(segment.pk, as_of=NOW + HOUR) is not None
    assert schedule.refresh_if_due(segment.pk, as_of=NOW + HOUR) is None
    assert schedule.refresh_if_due(0, as_of=NOW) is None


def test_a_round_repairs_what_somebody_changed_by_hand() -> None:
    segment, other = _every(1), _every(2, key="other")
    _task(segment).delete()
    PeriodicTask.objects.filter(name=schedule.task_name(other)).update(enabled=False)
    orphan = _task(other)
    orphan.pk, orphan.name = None, "Refresh segment 0"
    orphan.save()
    schedule.refresh_due(as_of=NOW)
    found = PeriodicTask.objects.filter(task=schedule.TASK)
    assert sorted(found.values_list("name", "enabled")) == sorted(
        (schedule.task_name(one), True) for one in (segment, other)
    )


def test_a_request_whose_job_is_gone_is_forgotten_and_made_again() -> None:
    segment = make_segment()
    Job.objects.all().delete()
    (job,) = schedule.refresh_due(as_of=NOW + HOUR)
    assert job.subject == f"segment:{segment.pk}", "it was never calculated"
    segment.refresh_from_db()
    assert segment.refresh_requested_at == NOW + HOUR


def test_what_somebody_cancelled_does_not_begin_again_at_once() -> None:
    once, hourly = make_segment("once"), _every(1, key="hourly")
    membership.queue_refresh(hourly, actor=SYSTEM, cause="requested", at=NOW)
    for job in Job.objects.all():
        jobs.cancel(job, actor=SYSTEM, at=NOW)
    for requested in (once, hourly):
        membership.queue_refresh(requested, actor=SYSTEM, cause="requested", at=NOW)
        jobs.cancel(Job.objects.get(state="queued"), actor=SYSTEM, at=NOW)
    later = NOW + timedelta(minutes=2)
    assert schedule.refresh_due(as_of=later) == []
    assert not Segment.objects.filter(refresh_requested_at__isnull=False).exists()
    assert _due(NOW + 2 * HOUR) == ["hourly"]
    once.refresh_from_db()
    assert once.calculation_state(at=later) == "waiting"


def test_a_round_costs_the_same_for_few_and_many(django_assert_num_queries: Any) -> None:
    for number in range(3):
        _every(6, key=f"s{number}")
    with django_assert_num_queries(4):
        schedule.refresh_due(as_of=NOW)
    for number in range(3, 20):
        _every(6, key=f"s{number}")
    with django_assert_num_queries(4):
        schedule.refresh_due(as_of=NOW)


def test_a_job_refreshes_first_what_its_segment_names() -> None:
    (ania,) = make_contacts("Warszawa")
    base = make_segment("base")
    top = make_segment("top", is_in("base"))
    first, second = Job.objects.order_by("pk")
    done = jobs.run(second.pk)
    assert done is not None
    assert done.result["member_count"] == 1
    assert member_ids(top) == member_ids(base) == {ania}
    served = jobs.run(first.pk)
    assert served is not None
    assert served.state == "succeeded"
    assert served.result["is_new"] is False, "nothing is computed twice"
    assert base.calculations.count() == 1


def test_the_tasks_of_beat_do_their_rounds() -> None:
    make_segment(refresh_mode="interval", refresh_amount=1, refresh_unit="hour")
    Job.objects.all().delete()
    Segment.objects.update(refresh_requested_at=None)
    assert tasks.refresh_due() == 1
    tasks.refresh_on_schedule(Segment.objects.get().pk)
    assert Job.objects.filter(kind="segments.refresh").count() == 1
    assert SCHEDULE["Refresh segments that are due"]["task"] == tasks.refresh_due.name
