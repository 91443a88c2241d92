"""Long work as rows: done once, watched, cancelled, taken up again."""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from workspace import jobs, sql
from workspace.access import SYSTEM
from workspace.errors import InputInvalid, Problem
from workspace.jobs import Cancelled, Work
from workspace.models import AuditEntry, Job


@pytest.fixture
def _kinds() -> Iterator[None]:
    known = dict(jobs._handlers)

    @jobs.handler("tests.count")
    def count(work: Work) -> Mapping[str, Any]:
        for done in range(work.arguments["to"]):
            work.advance(done + 1, total=work.arguments["to"], message="counting")
        return {"counted": work.arguments["to"]}

    @jobs.handler("tests.refuse")
    def refuse(work: Work) -> None:
        raise InputInvalid("The file is empty.", problems=[Problem("file", "empty", "Nothing.")])

    @jobs.handler("tests.break")
    def broken(work: Work) -> None:
        raise ZeroDivisionError("by design")

    @jobs.handler("tests.sleep")
    def sleep(work: Work) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")

    @jobs.handler("tests.patient")
    def patient(work: Work) -> None:
        while True:
            work.check()
            time.sleep(0.05)

    yield
    jobs._handlers.clear()
    jobs._handlers.update(known)


def _start(kind: str, **arguments: Any) -> Job:
    return jobs.start(kind, title=kind, actor=SYSTEM, arguments=arguments)


pytestmark = pytest.mark.usefixtures("_kinds")


@pytest.mark.django_db
def test_a_job_is_done_once_and_tells_what_it_did() -> None:
    job = jobs.run(_start("tests.count", to=3).pk)
    assert job is not None
    assert (job.state, job.done, job.total) == ("succeeded", 3, 3)
    assert job.result == {"counted": 3}
    assert job.message == "counting"
    assert job.finished_at is not None
    assert jobs.run(job.pk) is None, "it is over"


@pytest.mark.django_db
def test_a_rules_no_becomes_the_jobs_message_and_its_faults() -> None:
    job = jobs.run(_start("tests.refuse").pk)
    assert job is not None
    assert (job.state, job.message) == ("failed", "The file is empty.")
    assert job.result["code"] == "invalid"
    assert job.result["errors"] == [{"path": "file", "code": "empty", "message": "Nothing."}]


@pytest.mark.django_db
def test_a_defect_surfaces_and_the_job_has_failed() -> None:
    job = _start("tests.break")
    with pytest.raises(ZeroDivisionError):
        jobs.run(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"
    assert "by design" in job.message


def test_a_job_of_an_unknown_kind_cannot_be_started() -> None:
    with pytest.raises(ValueError, match="nothing_such"):
        _start("tests.nothing_such")


@pytest.mark.django_db
def test_a_waiting_job_is_cancelled_at_once_and_never_run() -> None:
    job = jobs.cancel(_start("tests.count", to=1), actor=SYSTEM, at=timezone.now())
    assert job.state == "cancelled"
    assert jobs.run(job.pk) is None
    assert AuditEntry.objects.filter(action="job.cancelled", object_id=str(job.pk)).count() == 1


@pytest.mark.django_db
def test_what_is_over_cannot_be_cancelled() -> None:
    job = jobs.run(_start("tests.count", to=1).pk)
    assert job is not None
    with pytest.raises(jobs.NotCancellable):
        jobs.cancel(job, actor=SYSTEM, at=timezone.now())


@pytest.mark.parametrize("kind", ["tests.patient", "tests.sleep"])
@pytest.mark.django_db(transaction=True)
def test_running_work_and_a_long_statement_stop_when_they_are_cancelled(kind: str) -> None:
    job = _start(kind)
    # As if a person had pressed the button while it runs.
    Job.objects.filter(pk=job.pk).update(cancel_requested=True)
    began = time.monotonic()
    done = jobs.run(job.pk)
    assert done is not None
    assert done.state == "cancelled"
    assert time.monotonic() - began < 30


@pytest.mark.django_db(transaction=True)
def test_progress_is_seen_while_the_work_goes_on() -> None:
    seen = []

    @jobs.handler("tests.watched")
    def watched(work: Work) -> None:
        work.advance(7, total=9, message="on the way")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            row = Job.objects.get(pk=work.job.pk)
            if row.done:
                seen.append((row.state, row.done, row.total, row.message))
                return
            time.sleep(0.05)

    jobs.run(_start("tests.watched").pk)
    assert seen == [("running", 7, 9, "on the way")]


@pytest.mark.django_db
def test_the_job_of_a_dead_worker_waits_again_and_fails_after_the_third() -> None:
    job = _start("tests.count", to=1)
    now = timezone.now()
    long_ago = now - timedelta(minutes=2)
    dead = Job.objects.filter(pk=job.pk)
    dead.update(state=Job.State.RUNNING, heartbeat_at=long_ago, created_at=long_ago, attempts=1)
    assert jobs.sweep(at=now) == 1
    assert dead.get().state == "queued"
    dead.update(state=Job.State.RUNNING, heartbeat_at=long_ago, attempts=3)
    assert jobs.sweep(at=now) == 0
    assert dead.get().state == "failed"


@pytest.mark.django_db
def test_a_living_worker_is_left_alone() -> None:
    job = _start("tests.count", to=1)
    now = timezone.now()
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING, heartbeat_at=now)
    assert jobs.sweep(at=now + timedelta(seconds=30)) == 0
    job.refresh_from_db()
    assert job.state == "running"


@pytest.mark.django_db
def test_cancelled_raises_inside_the_work() -> None:
    work = Work(_start("tests.count", to=1), SYSTEM)
    work.is_cancelled.set()
    with pytest.raises(Cancelled):
        work.advance(1)


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_database_went_away_waits_again() -> None:
    runs = []

    @jobs.handler("tests.cut")
    def cut(work: Work) -> None:
        runs.append(work.job.attempts)
        if len(runs) == 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    job = _start("tests.cut")
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.finished_at) == ("queued", None)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, runs) == ("succeeded", [1, 2])


@pytest.mark.django_db(transaction=True)
def test_a_job_waits_again_also_where_the_database_is_back_when_it_notices() -> None:
    @jobs.handler("tests.tidy")
    def tidy(work: Work) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        finally:
            connection.close()
            connection.ensure_connection()

    @jobs.handler("tests.refused")
    def refused(work: Work) -> None:
        with sql.local_settings({"statement_timeout": "5ms"}):
            sql.execute("SELECT pg_sleep(10)")

    job = _start("tests.tidy")
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.finished_at) == ("queued", None)
    job = _start("tests.refused")
    with pytest.raises(OperationalError):
        jobs.run(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"


@pytest.mark.django_db
def test_a_job_whose_worker_is_told_to_stop_waits_again_but_not_for_ever() -> None:
    @jobs.handler("tests.stopped")
    def stopped(work: Work) -> None:
        raise SystemExit

    job = _start("tests.stopped")
    states = []
    for _attempt in range(3):
        with pytest.raises(SystemExit):
            jobs.run(job.pk)
        job.refresh_from_db()
        states.append(job.state)
    assert states == ["queued", "queued", "failed"]
    assert "3 times" in job.message
