"""Actions executed: when they are due, by whom, and how a run ends.

What is due stands in rows. The end of a refresh and a sweep of beat both ask `run_due`; a job does
the work, in one transaction with the members as they are at one calculation. So a run that is
killed leaves nothing, and one that is repeated finds that it is done.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from segments import action_writes, exports, membership
from segments.action_writes import LABELS
from segments.errors import (
    ActionRefused,
    SegmentArchived,
    SegmentExpired,
    SegmentInactive,
)
from segments.export_files import Layout
from segments.export_settings import Wanted
from segments.models import Calculation, Segment, SegmentAction, SegmentActionRun
from workspace import access, audit, jobs
from workspace.access import SYSTEM, Actor, actor_of_api_user, actor_of_user
from workspace.errors import DomainError
from workspace.jobs import Cancelled, Work
from workspace.models import AuditEntry, Job

PERMISSION = "segments.run_actions_segment"
EXPORT_PERMISSION = "segments.export_segment"
RUN_JOB = "segments.action"
LAYOUT_SETTINGS = ("separator", "encoding", "unfitting", "decimal_mark")
EXPORT_SETTINGS = ("columns", "headers", "groups", "format", *LAYOUT_SETTINGS)

Kind, Timing, State = SegmentAction.Kind, SegmentAction.Timing, SegmentAction.State
RunState = SegmentActionRun.State
CalculationState = Segment.CalculationState


def refusal_of(segment: Segment, *, at: datetime) -> DomainError | None:
    """Why no action can run on a segment at an instant; None where one can, now or soon."""
    if (refusal := _refusal_for_good(segment)) is not None:
        return refusal
    if segment.calculation_state(at=at) == CalculationState.EXPIRED:
        message = _("The calculation of segment “%(name)s” has expired. Refresh it first.")
        return SegmentExpired(message % {"name": segment.name})
    return None


def last_calculation(segment_id: int) -> Calculation | None:
    """The last one that a segment had."""
    return Calculation.objects.filter(segment_id=segment_id).order_by("-pk").first()


def due_actions(*, as_of: datetime) -> "QuerySet[SegmentAction]":
    """The planned actions whose time has come; some of them have to wait for their segment."""
    newer = Calculation.objects.filter(
        segment_id=OuterRef("segment_id"), pk__gt=Coalesce(OuterRef("served_calculation"), 0)
    )
    return SegmentAction.objects.filter(
        Q(timing=Timing.NOW)
        | Q(timing=Timing.AT, planned_for__lte=as_of)
        | Q(Exists(newer), timing=Timing.AFTER_REFRESH),
        state=State.PLANNED,
    )


def run_due(
    *, as_of: datetime, segment_id: int | None = None, work_as_of: datetime | None = None
) -> list[SegmentAction]:
    """Begin what is due, of one segment or of all, and refuse what can run no more.

    One round of what beat does; a second one finds nothing left to do. Returns the actions that
    this round has begun or refused. Ends besides the runs whose jobs failed or were cancelled.
    Workers look at their own clock, unless `work_as_of` says what it shows.
    """
    settle(at=as_of)
    due = due_actions(as_of=as_of)
    if segment_id is not None:
        due = due.filter(segment_id=segment_id)
    ids = list(due.order_by("pk").values_list("pk", flat=True))
    begun = (begin(pk, as_of=as_of, work_as_of=work_as_of) for pk in ids)
    return [action for action in begun if action is not None]


def follow_calculation(segment_id: int, at: datetime) -> None:
    """Begin what a calculation that has just been written makes due."""
    run_due(as_of=at, segment_id=segment_id)


@transaction.atomic
def begin(
    action_id: int, *, as_of: datetime, work_as_of: datetime | None = None
) -> SegmentAction | None:
    """Have a worker execute an action whose time has come, or refuse it.

    None where it has to wait for its segment, is planned no more, or somebody else begins it.
    """
    # The segment first, as whoever takes it out of use and then refuses what is planned.
    held = Segment.objects.select_for_update(no_key=True).filter(actions=action_id).first()
    due = due_actions(as_of=as_of).select_for_update(of=("self",), skip_locked=True)
    action = due.select_related("user", "api_user").filter(pk=action_id).first()
    if action is None or held is None:
        return None
    action.segment = held
    try:
        if (refusal := refusal_of(action.segment, at=as_of)) is not None:
            raise refusal
        if action.segment.calculation_state(at=as_of) != CalculationState.READY:
            return None
        _start(action, as_of, work_as_of)
    except SegmentExpired as error:
        if action.timing == Timing.AFTER_REFRESH:
            # Too late for this calculation: the next one is its chance.
            return None
        refuse([action], reason=str(error), at=as_of)
    except DomainError as error:
        refuse([action], reason=str(error), at=as_of)
    action.refresh_from_db()
    return action


def refuse(found: Iterable[SegmentAction], *, reason: str, at: datetime) -> None:
    """Let planned actions never run, for a reason that is shown."""
    for action in found:
        planned = SegmentAction.objects.filter(pk=action.pk, state=State.PLANNED)
        if planned.update(state=State.REFUSED, reason=reason, finished_at=at):
            record(action, "refused", actor=SYSTEM, at=at, reason=[None, reason])


def execute(run_id: int, *, work: Work, at: datetime) -> dict[str, Any]:
    """Do one run: all of it, or nothing; safe to run again.

    Raises a DomainError where it is refused: that is written into the run and its action.
    """
    try:
        with transaction.atomic():
            run = _held_run(run_id)
            if run.state == RunState.RUNNING:
                _do(run, work=work, at=at)
    except DomainError as error:
        end(run_id, RunState.REFUSED, message=str(error), actor=work.actor, at=at)
        raise
    except (Cancelled, OperationalError):
        if work.is_cancelled.is_set():
            end(run_id, RunState.CANCELLED, message=_("Cancelled."), actor=work.actor, at=at)
        raise
    run.refresh_from_db()
    return result_of(run)


def result_of(run: SegmentActionRun) -> dict[str, Any]:
    """The counts of a run, by name."""
    counts = {
        "members": run.member_count,
        "changed": run.changed_count,
        "unchanged": run.unchanged_count,
    }
    skipped = {f"skipped_{name}": count for name, count in run.skipped.items()}
    return {"action": run.action_id, "run": run.pk, **counts, **skipped}


@transaction.atomic
def end(
    run_id: int,
    state: SegmentActionRun.State,
    *,
    actor: Actor,
    at: datetime,
    message: str = "",
    counts: action_writes.Counts | None = None,
    changes_kept: bool = False,
) -> bool:
    """Write how a run ended, once: false where it had ended already.

    What is done after each refresh is planned again, unless it was refused.
    """
    ended = SegmentActionRun.objects.filter(pk=run_id, state=RunState.RUNNING).update(
        state=state,
        message=message[:2000],
        finished_at=at,
        changes_kept=changes_kept,
        **_columns(counts),
    )
    if not ended:
        return False
    action = SegmentAction.objects.select_related("segment").get(runs=run_id)
    running = SegmentAction.objects.filter(pk=action.pk, state=State.RUNNING)
    is_over = action.timing != Timing.AFTER_REFRESH or state == RunState.REFUSED
    if not is_over:
        running.update(state=State.PLANNED)
        if (refusal := _refusal_for_good(action.segment)) is not None:
            refuse([action], reason=str(refusal), at=at)
    else:
        # Who cancelled it came too late where it is done.
        over = SegmentAction.objects.filter(pk=action.pk) if state == RunState.DONE else running
        told = message[:2000] if state != RunState.DONE else ""
        over.update(state=State(state.value), reason=told, finished_at=at)
    changes: dict[str, Any] = {"run": [None, str(run_id)], "state": [None, str(state)]}
    if counts is not None:
        changes |= {name: [None, value] for name, value in _columns(counts).items()}
    elif message:
        changes["reason"] = [None, message]
    record(action, "run", actor=actor, at=at, **changes)
    return True


def settle(*, at: datetime) -> int:
    """End the runs whose job is over without having said so; returns how many.

    A job that was cancelled while it waited, one that failed by a defect or whose workers died,
    and one of an export, which the export's own job writes.
    """
    over = [Job.State.SUCCEEDED, Job.State.FAILED, Job.State.CANCELLED]
    lost = SegmentActionRun.objects.filter(
        Q(job__isnull=True) | Q(job__state__in=over), state=RunState.RUNNING
    )
    return sum(
        _settle(run, at=at) for run in lost.select_related("job", "export", "action").order_by("pk")
    )


@contextmanager
def export_followed(export_id: int, *, work: Work, at: datetime) -> Iterator[None]:
    """While the file of an export is made: the run that asked for it ends with it."""
    try:
        yield
    except DomainError as error:
        _end_run_of_export(export_id, RunState.REFUSED, str(error), at=at)
        raise
    except (Cancelled, OperationalError):
        if work.is_cancelled.is_set():
            _end_run_of_export(export_id, RunState.CANCELLED, _("Cancelled."), at=at)
        raise
    _end_run_of_export(export_id, RunState.DONE, "", at=at)


def wanted_file(segment: Segment, settings: Mapping[str, Any]) -> Wanted:
    """The file that an export action asks for; what is not said is as in any export."""
    layout = {name: settings[name] for name in LAYOUT_SETTINGS if name in settings}
    others = {name: settings[name] for name in ("columns", "headers", "groups") if name in settings}
    if "format" in settings:
        others["file_format"] = settings["format"]
    return Wanted(segment=segment, layout=Layout(**layout), **others)


def record(action: SegmentAction, verb: str, *, actor: Actor, at: datetime, **changes: Any) -> None:
    """Write a line of the audit trail about an action, with its segment as the subject."""
    told = {"action": [None, f"{action.kind} {action.key}".strip()], "id": [None, str(action.pk)]}
    audit.record(
        actor=actor,
        action=f"segment.action_{verb}",
        subject=action.segment,
        changes=told | changes,
        at=at,
    )


def subject_of(action: SegmentAction) -> str:
    """What the work of an action is about, as jobs say it."""
    return f"segment:{action.segment_id}"


def _refusal_for_good(segment: Segment) -> DomainError | None:
    """Why no action can run on a segment as long as nobody changes its status."""
    words = {"name": segment.name}
    if segment.status == Segment.Status.ARCHIVED:
        return SegmentArchived(_("Segment “%(name)s” is archived, and stays so.") % words)
    if segment.status == Segment.Status.INACTIVE:
        return SegmentInactive(_("Segment “%(name)s” is inactive. Activate it first.") % words)
    return None


def _start(action: SegmentAction, as_of: datetime, work_as_of: datetime | None) -> None:
    """Begin a run, as the person who planned the action. Raises what refuses it."""
    actor = _author(action)
    _check_author(action, actor)
    calculation = last_calculation(action.segment_id)
    run = SegmentActionRun(action=action, calculation=calculation, at=as_of)
    if action.kind == Kind.EXPORT:
        wanted = wanted_file(action.segment, action.parameters["export"])
        run.export = exports.request_wanted(wanted, actor=actor, at=as_of)
        run.job = run.export.job
    run.save(force_insert=True)
    if run.job is None:
        run.job = jobs.start(
            RUN_JOB,
            title=_("%(action)s on “%(segment)s”")
            % {"action": str(action).capitalize(), "segment": action.segment.name},
            actor=actor,
            arguments={"run_id": run.pk},
            subject=subject_of(action),
        )
        run.save(update_fields=["job"])
    if work_as_of is not None and run.job is not None:
        run.job.arguments["as_of"] = work_as_of.isoformat()
        run.job.save(update_fields=["arguments"])
    action.state = State.RUNNING
    action.served_calculation = calculation
    action.save(update_fields=["state", "served_calculation"])


def _held_run(run_id: int) -> SegmentActionRun:
    """A run whose segment's members nobody changes until the transaction ends."""
    runs = SegmentActionRun.objects.select_related(
        "action__segment", "action__user", "action__api_user"
    )
    segment_id = runs.values_list("action__segment_id", flat=True).get(pk=run_id)
    membership.take_turn_to_read(segment_id)
    # Read after the wait: a refresh, or the same run by a worker that was thought dead.
    return runs.get(pk=run_id)


def _do(run: SegmentActionRun, *, work: Work, at: datetime) -> None:
    action = run.action
    if (refusal := refusal_of(action.segment, at=at)) is not None:
        raise refusal
    actor = _author(action)
    _check_author(action, actor)
    definition = definition_of(action)
    membership.hold_off_erasures()
    counts = action_writes.write(
        run,
        definition=definition,
        reason=action.parameters.get("reason") or _told_in_ledger(action),
        actor_name=actor.name,
        work=work,
    )
    kept = action.kind in LABELS and counts.changed > 0
    if not end(run.pk, RunState.DONE, actor=actor, at=at, counts=counts, changes_kept=kept):
        # Somebody ended it meanwhile, who was told that nothing came of it.
        raise Cancelled


def _told_in_ledger(action: SegmentAction) -> str:
    """Why a consent was given, where nobody said why.

    Without the name of the segment: more people read the ledger than may know of the segment.
    """
    return _("Action %(number)d on the members of a segment.") % {"number": action.pk}


def _settle(run: SegmentActionRun, *, at: datetime) -> bool:
    job = run.job
    if job is None:
        message = _("Its work was lost.")
        return end(run.pk, RunState.FAILED, message=message, actor=SYSTEM, at=at)
    if job.state == Job.State.CANCELLED:
        message = _("Cancelled.")
        return end(run.pk, RunState.CANCELLED, message=message, actor=SYSTEM, at=at)
    if job.state == Job.State.FAILED:
        message = job.message or _("It failed.")
        return end(run.pk, RunState.FAILED, message=message, actor=SYSTEM, at=at)
    return _end_export(run, at=at) if run.export is not None else False


def _end_run_of_export(
    export_id: int, state: SegmentActionRun.State, message: str, *, at: datetime
) -> None:
    runs = SegmentActionRun.objects.filter(export_id=export_id, state=RunState.RUNNING)
    for run in runs.select_related("export"):
        if state == RunState.DONE:
            _end_export(run, at=at)
        else:
            end(run.pk, state, message=message, actor=SYSTEM, at=at)


def _end_export(run: SegmentActionRun, *, at: datetime) -> bool:
    if run.export is None or run.export.rows is None:
        return False
    rows = run.export.rows
    counts = action_writes.Counts(rows, rows)
    actor = SYSTEM
    return end(run.pk, RunState.DONE, actor=actor, at=at, counts=counts)


def _columns(counts: action_writes.Counts | None) -> dict[str, Any]:
    if counts is None:
        return {}
    return {
        "member_count": counts.members,
        "changed_count": counts.changed,
        "unchanged_count": counts.unchanged,
        "skipped": dict(counts.skipped),
    }


def definition_of(action: SegmentAction) -> int:
    """The id of what an action names. Raises ActionRefused where it is gone."""
    definition = action_writes.definition_id(action)
    if definition is None:
        message = _("“%(key)s” is not defined any more.") % {"key": action.key}
        raise ActionRefused(message, key=action.key)
    return definition


def _author(action: SegmentAction) -> Actor:
    """Who planned it, with what he may do now."""
    if action.author_kind == AuditEntry.ActorKind.SYSTEM:
        return SYSTEM
    if action.user is not None and action.user.is_active:
        return actor_of_user(action.user)
    if action.api_user is not None and action.api_user.enabled:
        return actor_of_api_user(action.api_user)
    message = _("%(who)s, who planned it, has no access any more.")
    raise ActionRefused(message % {"who": action.author})


def _check_author(action: SegmentAction, actor: Actor) -> None:
    needed = [PERMISSION, EXPORT_PERMISSION] if action.kind == Kind.EXPORT else [PERMISSION]
    if not all(actor.may(permission) for permission in needed):
        message = _("%(who)s, who planned it, may not run such actions any more.")
        raise ActionRefused(message % {"who": action.author})
    if not access.is_visible(action.segment, actor):
        message = _("%(who)s, who planned it, may not see the segment any more.")
        raise ActionRefused(message % {"who": action.author})
