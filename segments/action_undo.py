"""Runs of tags and categories taken back: once, for thirty days, and only what is still so."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from segments import action_writes, membership
from segments.action_runs import PERMISSION, definition_of, record, subject_of
from segments.action_writes import LABELS
from segments.errors import ActionNotUndoable
from segments.models import SegmentActionRun
from workspace import access, jobs
from workspace.access import Actor
from workspace.jobs import Work
from workspace.models import Job

UNDO_JOB = "segments.action_undo"
# For so long it is kept whom a run changed.
UNDO_KEPT_FOR = timedelta(days=30)


@transaction.atomic
def request_undo(run: SegmentActionRun, *, actor: Actor, at: datetime) -> Job:
    """Have a worker take back what a run changed, of tags or categories; once.

    While the work waits or runs, its job is answered. Raises ActionNotUndoable.
    """
    access.require(actor, PERMISSION)
    held = SegmentActionRun.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if held.undo_job is not None and not held.undo_job.is_finished:
        return held.undo_job
    if (reason := why_not_undoable(held)) is not None:
        raise ActionNotUndoable(reason)
    action = held.action
    job = jobs.start(
        UNDO_JOB,
        title=_("Undo “%(action)s” on “%(segment)s”")
        % {"action": action, "segment": action.segment.name},
        actor=actor,
        arguments={"run_id": held.pk},
        subject=subject_of(action),
    )
    SegmentActionRun.objects.filter(pk=held.pk).update(undo_job=job)
    return job


def why_not_undoable(run: SegmentActionRun) -> str | None:
    """The reason, in a sentence, why a run cannot be undone; None where it can."""
    if run.action.kind not in LABELS:
        return _("Only what was done with tags and categories can be undone.")
    if run.state != SegmentActionRun.State.DONE:
        return _("Only a run that is done can be undone: this one is %(state)s.") % {
            "state": run.get_state_display()
        }
    if run.undone_at is not None:
        return _("This run was undone already.")
    if not run.changes_kept:
        return _("Whom a run changed is kept for %(days)d days: this one cannot be undone.") % {
            "days": UNDO_KEPT_FOR.days
        }
    return None


@transaction.atomic
def undo(run_id: int, *, work: Work, at: datetime) -> dict[str, Any]:
    """Take back what a run changed and what is still so; safe to run again."""
    run = (
        SegmentActionRun.objects.select_for_update(of=("self",))
        .select_related("action__segment")
        .get(pk=run_id)
    )
    if run.undone_at is None:
        if (reason := why_not_undoable(run)) is not None:
            raise ActionNotUndoable(reason)
        membership.hold_off_erasures()
        count = action_writes.undo(run, definition=definition_of(run.action))
        action_writes.forget_changes([run.pk])
        SegmentActionRun.objects.filter(pk=run_id).update(undone_at=at, undone_count=count)
        changes: dict[str, Any] = {"run": [None, str(run_id)], "undone": [None, count]}
        record(run.action, "undone", actor=work.actor, at=at, **changes)
        run.refresh_from_db()
    count = run.undone_count or 0
    work.advance(count, total=count)
    return {"action": run.action_id, "run": run.pk, "undone": count}


def purge_changes(as_of: datetime) -> dict[str, int]:
    """Forget whom runs changed of 30 days ago and before; how many rows went, for the round."""
    old = SegmentActionRun.objects.filter(changes_kept=True, finished_at__lte=as_of - UNDO_KEPT_FOR)
    with transaction.atomic():
        # One who undoes holds the row: his turn comes first.
        ids = list(old.select_for_update().values_list("pk", flat=True))
        return {"changes_of_actions": action_writes.forget_changes(ids)}
