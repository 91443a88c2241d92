"""A segment that is made is calculated by a real worker, and its attribute gets its index."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from contacts.models import AttributeDefinition, Contact, ContactTag, Tag
from segments import action_runs, actions, exports, indexes
from segments.models import Export, Segment, SegmentAction
from tests.segments.apart import Apart
from tests.segments.factories import has_attribute, make_segment
from workspace import jobs, sql
from workspace.access import SYSTEM
from workspace.models import Job


def _wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline, list(Job.objects.values("kind", "state", "message"))
        time.sleep(0.1)


@pytest.mark.walk
def test_a_worker_that_is_killed_in_an_action_leaves_nothing_and_the_next_does_it_once(
    celery_worker_process: subprocess.Popen[bytes],
) -> None:
    tag = Tag.objects.create(key="vip", label="VIP")
    Contact.objects.bulk_create(Contact(city="Warszawa") for _ in range(20))
    segment = make_segment(at=timezone.now())
    _wait(lambda: Segment.objects.filter(calculated_at__isnull=False, member_count=20))
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with transaction.atomic():
        # Nobody can write that a contact was changed: the action stops in the middle.
        sql.execute("LOCK TABLE segments_segmentactionchange IN SHARE MODE")
        Apart(lambda: _add_tag(segment)).join()
        _wait(lambda: sql.one(waiting))
        os.killpg(celery_worker_process.pid, signal.SIGKILL)
        celery_worker_process.wait()
    assert not ContactTag.objects.filter(tag=tag).exists()
    job = Job.objects.get(kind=action_runs.RUN_JOB)
    assert job.state == "running", "it could not say that it was killed"
    jobs.sweep(at=timezone.now() + jobs.SILENCE_LIMIT + timedelta(minutes=1))
    done = jobs.run(job.pk)
    assert done is not None
    assert (done.state, done.attempts, done.result["changed"]) == ("succeeded", 2, 20)
    assert ContactTag.objects.filter(tag=tag).count() == 20
    assert SegmentAction.objects.get().state == "done"


def _add_tag(segment: Segment) -> None:
    actions.plan_action(segment, actor=SYSTEM, at=timezone.now(), kind="add_tag", key="vip")


@pytest.mark.walk
def test_a_worker_calculates_prepares_and_exports(
    celery_worker_process: subprocess.Popen[bytes],
) -> None:
    AttributeDefinition.objects.create(key="color", label="Color")
    Contact.objects.create(attributes={"color": "red"})
    segment = make_segment(criteria=has_attribute("color", "red"))
    _wait(lambda: Segment.objects.filter(calculated_at__isnull=False, member_count=1))
    _wait(lambda: AttributeDefinition.objects.filter(is_indexed=True))
    export = exports.request_export(segment=segment, actor=SYSTEM, at=segment.created_at)
    _wait(lambda: Export.objects.filter(state="ready", rows=1))
    exports.file_to_download(export, actor=SYSTEM, at=segment.created_at).unlink()
    segment.delete()
    indexes.bring_into_step()
