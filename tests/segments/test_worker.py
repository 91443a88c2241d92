"""A segment that is made is calculated by a real worker, and its attribute gets its index."""

import subprocess
import time
from collections.abc import Callable

from contacts.models import AttributeDefinition, Contact
from segments import exports, indexes
from segments.models import Export, Segment
from tests.segments.factories import has_attribute, make_segment
from workspace.access import SYSTEM
from workspace.models import Job


def _wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline, list(Job.objects.values("kind", "state", "message"))
        time.sleep(0.1)


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
