"""Long work of this room, as workers do it."""

import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils import timezone

from contacts.jobs import given_file
from segments import exports, files, indexes, membership
from workspace import jobs
from workspace.errors import Busy
from workspace.jobs import Work

_PATIENCE_SECONDS = 120


@jobs.handler(membership.REFRESH_JOB)
def refresh_segment(work: Work) -> dict[str, Any]:
    """Refresh one segment, after those that its criteria name."""
    given = work.arguments.get("as_of")
    done = membership.refresh_requested(
        work.arguments["segment_id"],
        as_of=datetime.fromisoformat(given) if given else timezone.now(),
        cause=work.arguments["cause"],
        work=work,
    )
    work.advance(done.member_count, total=done.member_count)
    return asdict(done) | {"as_of": done.as_of.isoformat()}


@jobs.handler(files.READ_JOB)
def read_file(work: Work) -> dict[str, Any]:
    """Read the file of a segment, and calculate its members."""
    with given_file(Path(work.arguments["path"])):
        return asdict(files.read_requested(work, at=timezone.now()))


@jobs.handler(indexes.INDEX_JOB)
def prepare_attributes(work: Work) -> dict[str, Any]:
    """Make the indexes that segments need, and drop those that none needs any more."""
    for _attempt in range(_PATIENCE_SECONDS):
        try:
            return asdict(indexes.bring_into_step(work=work))
        except Busy:
            # Not by a lock that waits: what builds an index waits for whoever waits for it.
            work.check()
            time.sleep(1)
    return asdict(indexes.bring_into_step(work=work))


@jobs.handler(exports.EXPORT_JOB)
def make_export(work: Work) -> dict[str, Any]:
    """Write the file of an export."""
    return exports.make_file(work.arguments["export_id"], work=work, at=timezone.now())
