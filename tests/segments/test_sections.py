"""Where a segment is listed, and what is said before its readiness time is over."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from segments.expiry import SOON, deadlines_of, next_deadlines
from segments.models import Segment, SegmentAction
from segments.sections import Section, in_section, section_counts, section_of
from tests.segments.factories import DAY, HOUR, NOW, make_segment
from workspace.access import SYSTEM, Actor
from workspace.models import AuditEntry, UserGroup

pytestmark = pytest.mark.django_db

_CALCULATED = {"calculated_at": NOW, "refresh_requested_at": None}


def _made(key: str, *, hours: int | None = None, **state: Any) -> Segment:
    segment = make_segment(key, readiness_hours=hours)
    Segment.objects.filter(pk=segment.pk).update(**state)
    segment.refresh_from_db()
    return segment


def _plan(segment: Segment, **given: Any) -> None:
    SegmentAction.objects.create(
        segment=segment, kind="add_tag", key="vip", author_kind="user", **given
    )


_CASES: list[tuple[dict[str, Any], datetime, Section]] = [
    ({}, NOW, Section.PREPARATION),
    ({"status": "inactive"}, NOW, Section.PREPARATION),
    ({"failure": "No such attribute.", "failed_at": NOW}, NOW, Section.PREPARATION),
    (_CALCULATED, NOW + 900 * DAY, Section.READY),
    ({**_CALCULATED, "status": "inactive"}, NOW, Section.READY),
    ({**_CALCULATED, "hours": 2}, NOW + 2 * HOUR - timedelta(microseconds=1), Section.READY),
    ({**_CALCULATED, "hours": 2}, NOW + 2 * HOUR, Section.ARCHIVE),
    ({**_CALCULATED, "hours": 2, "status": "inactive"}, NOW + 3 * HOUR, Section.ARCHIVE),
    ({"calculated_at": NOW, "hours": 2}, NOW + HOUR, Section.READY),
    ({"calculated_at": NOW, "hours": 2}, NOW + 3 * HOUR, Section.PREPARATION),
    ({"status": "archived"}, NOW, Section.ARCHIVE),
    ({**_CALCULATED, "status": "archived", "hours": 2}, NOW, Section.ARCHIVE),
]


@pytest.mark.parametrize(("state", "at", "section"), _CASES)
def test_each_segment_is_in_one_section(
    state: dict[str, Any], at: datetime, section: Section
) -> None:
    segment = _made("one", **state)
    assert section_of(segment, at=at) == section
    listed = [s for s in Section if in_section(Segment.objects.all(), s, at=at).exists()]
    assert listed == [section]
    assert section_counts(SYSTEM, at=at) == {s: int(s is section) for s in Section}


def test_counts_leave_out_what_one_may_not_know_of() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    make_segment("seen")
    make_segment("hidden", groups=["Poland"])
    outsider = Actor(AuditEntry.ActorKind.USER, 4711, "Outsider")
    assert section_counts(outsider, at=NOW)[Section.PREPARATION] == 1


def test_a_deadline_is_told_with_what_is_still_planned() -> None:
    segment = _made("vip", hours=30, **_CALCULATED)
    now = NOW + 24 * HOUR
    assert deadlines_of([segment], at=NOW) == {}, "not yet soon"
    assert deadlines_of([segment], at=now)[segment.pk].sentence(now=now) == "expires in 6\xa0hours"
    for state in ("planned", "running", "planned"):
        _plan(segment, state=state)
    _plan(segment, state="planned", timing="after_refresh")
    _plan(segment, state="done", finished_at=NOW)
    deadline = deadlines_of([segment], at=now)[segment.pk]
    assert deadline.sentence(now=now) == "expires in 6\xa0hours, 3 actions still planned"
    assert deadlines_of([segment], at=NOW + 30 * HOUR) == {}, "it is over"


def test_what_is_refreshed_in_time_has_no_deadline() -> None:
    segment = _made("vip", hours=10, **_CALCULATED)
    Segment.objects.filter(pk=segment.pk).update(
        refresh_mode="interval", refresh_amount=1, refresh_unit="hour"
    )
    segment.refresh_from_db()
    assert deadlines_of([segment], at=NOW) == {}
    Segment.objects.update(refresh_amount=20)
    segment.refresh_from_db()
    assert deadlines_of([segment], at=NOW)[segment.pk].at == NOW + 10 * HOUR
    Segment.objects.update(refresh_requested_at=NOW)
    segment.refresh_from_db()
    assert deadlines_of([segment], at=NOW) == {}, "it is being renewed"


def test_an_inactive_segment_has_no_deadline() -> None:
    segment = _made("vip", hours=10, status="inactive", **_CALCULATED)
    assert deadlines_of([segment], at=NOW) == {}
    assert next_deadlines(SYSTEM, at=NOW, limit=5) == []


def test_the_nearest_deadlines_come_first_and_those_with_plans_before_all() -> None:
    for key, hours in (("later", 20), ("sooner", 5), ("planned", 12), ("far", 90)):
        _made(key, hours=hours, **_CALCULATED)
    _plan(Segment.objects.get(key="planned"))
    found = next_deadlines(SYSTEM, at=NOW, limit=5)
    assert [deadline.segment.key for deadline in found] == ["planned", "sooner", "later"]
    assert timedelta(hours=90) > SOON
    assert len(next_deadlines(SYSTEM, at=NOW, limit=2)) == 2
