"""Two refreshes, a refresh and an archive, a refresh and an erasure at the same time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from django.utils import timezone

from contacts.models import Contact
from segments import lifecycle, membership
from segments.errors import CriteriaRefused, SegmentBusy, SegmentInactive
from segments.models import MembershipChange, Segment
from tests.segments.apart import Apart
from tests.segments.conftest import Gate
from tests.segments.factories import (
    DAY,
    NOW,
    holds,
    is_in,
    lives_in,
    make_contacts,
    make_segment,
    member_ids,
    refresh,
)
from workspace import jobs, locks
from workspace.access import SYSTEM
from workspace.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def _held(name: str) -> Iterator[None]:
    with transaction.atomic():
        locks.lock(name)
        yield


def test_only_one_refresh_of_a_segment_runs_at_a_time() -> None:
    make_contacts("Warszawa")
    segment, other = make_segment(), make_segment("other")
    with _held(f"segments refresh {segment.pk}"):
        busy = Apart(lambda: refresh(segment)).join()
        assert isinstance(busy.error, SegmentBusy)
        assert Apart(lambda: refresh(other)).join().error is None
        waiting = Apart(lambda: membership.refresh(segment.pk, as_of=NOW, cause="test", wait=True))
        assert waiting.is_waiting
    assert waiting.join().result.member_count == 1
    segment.refresh_from_db()
    assert segment.failure == "", "being busy is no failure"


def test_ten_refreshes_at_once_write_each_member_once() -> None:
    ids = make_contacts(*["Warszawa"] * 50)
    segment = make_segment()
    runs = [
        Apart(lambda: membership.refresh(segment.pk, as_of=NOW, cause="test", wait=True))
        for _ in range(10)
    ]
    assert sorted(run.join().result.entered_count for run in runs) == [0] * 9 + [50]
    segment.refresh_from_db()
    assert segment.member_count == 50
    assert member_ids(segment) == set(ids)
    assert MembershipChange.objects.count() == 50


def test_ten_requests_are_one_job() -> None:
    segment = make_segment()
    Job.objects.all().delete()
    requests = [
        Apart(lambda: membership.request_refresh(segment, actor=SYSTEM, at=NOW)).join
        for _ in range(10)
    ]
    assert len({request().result.pk for request in requests}) == 1


def test_a_request_while_a_refresh_runs_is_served_afterwards() -> None:
    make_contacts("Warszawa")
    segment = make_segment()
    first = Job.objects.get()
    Job.objects.update(state="running")
    second = membership.request_refresh(segment, actor=SYSTEM, at=NOW)
    assert second.pk != first.pk
    with _held(f"segments refresh {segment.pk}"):
        run = Apart(lambda: jobs.run(second.pk))
        assert run.is_waiting
    assert run.join().result.state == "succeeded"
    segment.refresh_from_db()
    assert segment.refresh_requested_at is None
    assert segment.member_count == 1


def test_a_newer_request_outlives_the_refresh_that_did_not_see_it(gate: Gate) -> None:
    make_contacts("Warszawa")
    segment = make_segment(criteria=holds(gate.field))
    with gate.closed():
        run = Apart(lambda: refresh(segment))
        gate.wait_until_reached()
        membership.request_refresh(segment, actor=SYSTEM, at=NOW)
    assert run.join().result.member_count == 1
    segment.refresh_from_db()
    assert segment.refresh_requested_at is not None


def test_a_segment_that_is_inactivated_meanwhile_keeps_yesterdays_members(gate: Gate) -> None:
    make_contacts("Warszawa")
    segment = make_segment(criteria=holds(gate.field))
    with gate.closed():
        run = Apart(lambda: refresh(segment))
        gate.wait_until_reached()
        lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    assert isinstance(run.join().error, SegmentInactive)
    assert member_ids(segment) == set()


def test_who_is_erased_while_a_refresh_runs_is_not_in(gate: Gate) -> None:
    ania, bartek, celine = make_contacts("Warszawa", "Warszawa", "Paris")
    segment = make_segment(criteria=holds(gate.field, lives_in("Warszawa")))
    refresh(segment)
    Contact.objects.filter(pk=celine).update(city="Warszawa")
    with gate.closed():
        run = Apart(lambda: refresh(segment, as_of=NOW + DAY))
        gate.wait_until_reached()
        with transaction.atomic():
            Contact.objects.filter(pk__in=[ania, celine]).update(erased_at=timezone.now())
            membership.forget_contacts([ania, celine])
    done = run.join().result
    assert member_ids(segment) == {bartek}
    assert (done.member_count, done.entered_count) == (1, 0)
    segment.refresh_from_db()
    assert segment.member_count == 1
    assert {change.contact_id for change in MembershipChange.objects.all()} == {bartek}


def test_archiving_does_not_wait_for_ever_for_a_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "_PATIENCE", "100ms")
    segment = lifecycle.inactivate(make_segment(), actor=SYSTEM, at=NOW)
    with _held(f"segments refresh {segment.pk}"):
        run = Apart(lambda: lifecycle.archive(segment, actor=SYSTEM, at=NOW)).join()
        assert isinstance(run.error, SegmentBusy)
    assert lifecycle.archive(segment, actor=SYSTEM, at=NOW).status == "archived"


def test_a_refresh_is_cancelled_in_the_middle_of_its_statement(slow_fact: str) -> None:
    make_contacts("Slough")
    segment = make_segment(criteria=holds(slow_fact))
    job = Job.objects.get()
    run = Apart(lambda: jobs.run(job.pk))
    assert run.is_waiting
    jobs.cancel(Job.objects.get(), actor=SYSTEM, at=timezone.now())
    assert run.join().result.state == "cancelled"
    segment.refresh_from_db()
    assert segment.refresh_requested_at is None
    assert segment.failure == "", "nothing failed"
    assert segment.calculation_state(at=NOW) == "waiting"


def test_two_people_cannot_close_a_circle_together() -> None:
    one, two = make_segment("one"), make_segment("two")

    def name(segment: Segment, key: str) -> Callable[[], Segment]:
        return lambda: lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=is_in(key))

    runs = [Apart(name(one, "two")), Apart(name(two, "one"))]
    errors = [run.join().error for run in runs]
    assert len([error for error in errors if isinstance(error, CriteriaRefused)]) == 1
