"""Long work of this room, as workers do it."""

import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils import timezone

from contacts.jobs import given_file
from segments import action_runs, action_undo, exports, files, fixed_lists, indexes, membership
from segments.imported import importing
from workspace import jobs
from workspace.errors import Busy
from workspace.jobs import Work

_PATIENCE_SECONDS = 120


@jobs.handler(membership.REFRESH_JOB)
def refresh_segment(work: Work) -> dict[str, Any]:
    """Refresh one segment, after those that its criteria name."""
    done = membership.refresh_requested(
        work.arguments["segment_id"],
        as_of=_moment(work),
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


@jobs.handler(fixed_lists.FILL_JOB)
def fill_list(work: Work) -> dict[str, Any]:
    """Put contacts on the list of a segment, and calculate its members."""
    return asdict(fixed_lists.fill_requested(work, at=timezone.now()))


@jobs.handler(importing.SYNC_JOB)
def sync_imported(work: Work) -> dict[str, Any]:
    """Read segments of another system that somebody asked for."""
    return importing.sync_as_requested(work)


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
    export_id, at = work.arguments["export_id"], _moment(work)
    with action_runs.export_followed(export_id, work=work, at=at):
        return exports.make_file(export_id, work=work, at=at)


@jobs.handler(action_runs.RUN_JOB)
def run_action(work: Work) -> dict[str, Any]:
    """Do what an action says, for all members of its segment."""
    return action_runs.execute(work.arguments["run_id"], work=work, at=_moment(work))


@jobs.handler(action_undo.UNDO_JOB)
def undo_action(work: Work) -> dict[str, Any]:
    """Take back what one run of an action changed."""
    return action_undo.undo(work.arguments["run_id"], work=work, at=_moment(work))


def _moment(work: Work) -> datetime:
    """As of when the work is done: now, where nobody said otherwise."""
    given = work.arguments.get("as_of")
    return datetime.fromisoformat(given) if given else timezone.now()
