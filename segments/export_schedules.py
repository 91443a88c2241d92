"""The same export again and again: every n hours or days, or after each refresh of its segment.

A round every minute finds what is due, and makes up once for what was missed. A run asks again
whether the person who made the schedule may have the file. If not, or where the segment cannot be
exported any more, the schedule stops by itself and says why; enabling it goes on.
"""

import logging
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from segments import exports
from segments.definitions import EVERY_LIMIT, NAME_LIMIT
from segments.errors import CriteriaRefused, ExportScheduleUnknown
from segments.export_settings import Wanted, check_wanted, wanted_of
from segments.models import Calculation, Export, ExportSchedule, Segment
from segments.usability import require_usable
from workspace import access, audit
from workspace.access import Actor, actor_of_api_user, actor_of_user
from workspace.errors import DomainError, InputInvalid, NotAllowed, Problem

logger = logging.getLogger(__name__)

Mode = ExportSchedule.Mode
_FIELDS = tuple(Wanted().fields())


def visible_schedules(actor: Actor) -> "QuerySet[ExportSchedule]":
    """The schedules that the actor made, and those of his user groups; an administrator sees all.

    Of segments only where he may know of them.
    """
    schedules = ExportSchedule.objects.select_related(
        "segment", "user", "api_user"
    ).prefetch_related("groups")
    if actor.is_admin:
        return schedules
    shared = exports.owned_or_shared(ExportSchedule, actor)
    return schedules.filter(shared, exports.of_known_segments(actor))


def known_schedules(actor: Actor) -> "QuerySet[ExportSchedule]":
    """Everybody's schedules, less those of which the actor is not to know."""
    return exports.known_of(ExportSchedule, actor)


def find_schedule(schedule_id: int, *, actor: Actor) -> ExportSchedule:
    """A schedule that the actor may know of. Raises ExportScheduleUnknown."""
    schedule = visible_schedules(actor).filter(pk=schedule_id).first()
    if schedule is None:
        raise ExportScheduleUnknown.of(schedule_id)
    return schedule


def is_own(schedule: ExportSchedule, actor: Actor) -> bool:
    """Whether the actor may change a schedule: it runs as who made it, so it is nobody else's."""
    owner = exports.owner_fields(actor)
    mine = (owner["user_id"], owner["api_user_id"])
    made_by_me = actor.id is not None and (schedule.user_id, schedule.api_user_id) == mine
    return made_by_me or actor.is_admin


@transaction.atomic
def create_schedule(
    wanted: Wanted,
    *,
    actor: Actor,
    at: datetime,
    name: str = "",
    mode: str = Mode.INTERVAL,
    amount: int | None = None,
    unit: str = "",
    first_run_at: datetime | None = None,
    enabled: bool = True,
) -> ExportSchedule:
    """Have an export made every `amount` hours or days, the first time at `first_run_at` (now).

    Or after each refresh of its segment from now on. Raises what `check_wanted` does,
    SegmentInactive or SegmentArchived, and InputInvalid with all faults.
    """
    groups = check_wanted(wanted, actor=actor, at=at)
    timing = _checked_timing(wanted, mode=mode, amount=amount, unit=unit)
    if wanted.segment is not None:
        require_usable(wanted.segment, actor=actor)
    is_by_clock = mode == Mode.INTERVAL
    schedule = ExportSchedule(
        **wanted.fields(),
        **timing,
        **exports.owner_fields(actor),
        enabled=enabled,
        next_run_at=(first_run_at or at) if is_by_clock else None,
        calculation_at=wanted.segment.calculated_at if wanted.segment else None,
        created_at=at,
    )
    schedule.name = _checked_name(name) or schedule.subject_name[:NAME_LIMIT]
    schedule.save()
    schedule.groups.set(groups)
    changes = audit.difference({}, _told(schedule, groups))
    audit.record(
        actor=actor, action="export_schedule.created", subject=schedule, changes=changes, at=at
    )
    return schedule


@transaction.atomic
def update_schedule(
    schedule: ExportSchedule,
    *,
    actor: Actor,
    at: datetime,
    wanted: Wanted | None = None,
    **timing: Any,
) -> ExportSchedule:
    """Change what is asked for, or `name`, `mode`, `amount`, `unit`, `first_run_at`, `enabled`.

    Enabling one that stopped takes its reason away and looks at once whether it may run; its
    next run is the next of its moments. Raises NotAllowed for one that somebody else made,
    ExportScheduleUnknown, and what `create_schedule` does.
    """
    schedule = _hold(schedule, actor=actor)
    before = _told(schedule, list(schedule.groups.all()))
    enabled = timing.pop("enabled", schedule.enabled)
    wanted = wanted or wanted_of(schedule)
    groups = list(schedule.groups.all())
    if enabled or wanted != wanted_of(schedule):
        # As who made it: that is how it will run.
        groups = check_wanted(wanted, actor=_maker(schedule) or actor, at=at)
    for name, value in wanted.fields().items():
        setattr(schedule, name, value)
    if "name" in timing:
        schedule.name = _checked_name(timing.pop("name")) or schedule.name
    _set_timing(schedule, wanted, timing, at=at)
    if enabled and not schedule.enabled:
        schedule.stopped_reason = ""
        _skip_missed(schedule, at=at)
    schedule.enabled = enabled
    difference = audit.difference(before, _told(schedule, groups))
    if not difference:
        return schedule
    schedule.save()
    schedule.groups.set(groups)
    audit.record(
        actor=actor, action="export_schedule.updated", subject=schedule, changes=difference, at=at
    )
    return schedule


@transaction.atomic
def delete_schedule(schedule: ExportSchedule, *, actor: Actor, at: datetime) -> None:
    """Take a schedule away; the files that it made stay as long as others do.

    Raises NotAllowed for one that somebody else made, ExportScheduleUnknown.
    """
    schedule = _hold(schedule, actor=actor)
    audit.record(actor=actor, action="export_schedule.deleted", subject=schedule, at=at)
    schedule.delete()


@transaction.atomic
def run_now(schedule: ExportSchedule, *, actor: Actor, at: datetime) -> Export:
    """Make a file at once, besides those at their time. Raises what `check_wanted` does."""
    schedule = _hold(schedule, actor=actor)
    maker = _maker(schedule)
    if maker is None:
        raise NotAllowed(_ownerless())
    export = exports.request_wanted(wanted_of(schedule), actor=maker, at=at, schedule=schedule)
    ExportSchedule.objects.filter(pk=schedule.pk).update(last_run_at=at)
    return export


def run_due(*, as_of: datetime) -> int:
    """Request the export of every schedule that is due; returns how many were requested.

    One whose last file is still being written waits for it. One that may not run stops.
    """
    # A segment that follows its contacts is calculated as of now at any time: its history counts.
    newer = Calculation.objects.filter(
        segment_id=OuterRef("segment_id"), at__gt=OuterRef("calculation_at")
    )
    due = Q(mode=Mode.INTERVAL, next_run_at__lte=as_of) | Q(
        Q(calculation_at__isnull=True) | Exists(newer),
        mode=Mode.AFTER_REFRESH,
        segment__calculated_at__isnull=False,
    )
    # Archived segments have no calculation to wait for.
    over = Q(segment__status=Segment.Status.ARCHIVED)
    found = ExportSchedule.objects.filter(due | over, enabled=True).order_by("pk")
    return sum(_run(schedule_id, as_of=as_of) for schedule_id in found.values_list("pk", flat=True))


@transaction.atomic
def _run(schedule_id: int, *, as_of: datetime) -> bool:
    """Do one that is due, unless somebody else has it in hand; whether a file was requested."""
    rows = ExportSchedule.objects.select_for_update(skip_locked=True, of=("self",))
    schedule = rows.select_related("segment").filter(pk=schedule_id, enabled=True).first()
    if schedule is None or _is_writing(schedule):
        return False
    maker = _maker(schedule)
    if maker is None:
        _stop(schedule, _ownerless(), at=as_of)
        return False
    try:
        # What fails leaves nothing behind but the reason.
        with transaction.atomic():
            wanted = wanted_of(schedule)
            exports.request_wanted(wanted, actor=maker, at=as_of, schedule=schedule)
    except DomainError as error:
        _stop(schedule, _reason(error, schedule, maker), at=as_of)
        return False
    schedule.last_run_at = as_of
    if schedule.segment is not None:
        schedule.calculation_at = schedule.segment.calculated_at
    _skip_missed(schedule, at=as_of)
    schedule.save(update_fields=["last_run_at", "calculation_at", "next_run_at"])
    return True


def _is_writing(schedule: ExportSchedule) -> bool:
    """Whether a file of it is on the way."""
    last = schedule.exports.select_related("job").order_by("-pk").first()
    return last is not None and last.job is not None and not last.job.is_finished


def _stop(schedule: ExportSchedule, reason: str, *, at: datetime) -> None:
    schedule.enabled, schedule.stopped_reason = False, reason
    schedule.save(update_fields=["enabled", "stopped_reason"])
    changes = {"enabled": [True, False], "reason": ["", reason]}
    audit.record(
        actor=access.SYSTEM,
        action="export_schedule.stopped",
        subject=schedule,
        changes=changes,
        at=at,
    )
    logger.info("Export schedule %s stopped: %s", schedule.pk, reason)


def _reason(error: DomainError, schedule: ExportSchedule, maker: Actor) -> str:
    if isinstance(error, CriteriaRefused):
        return _("The criteria are not right any more: %(message)s") % {"message": error}
    if schedule.segment is not None and not access.is_visible(schedule.segment, maker):
        return _("%(who)s may not know of the segment any more.") % {"who": maker.label}
    return str(error)


def _ownerless() -> str:
    return _("Whoever made this schedule is gone or has a closed account. Make it anew.")


def _maker(schedule: ExportSchedule) -> Actor | None:
    """As whom it runs, with what he may do now; None for somebody who is gone."""
    if schedule.user is not None:
        return actor_of_user(schedule.user) if schedule.user.is_active else None
    if schedule.api_user is not None:
        return actor_of_api_user(schedule.api_user) if schedule.api_user.enabled else None
    return None


def _hold(schedule: ExportSchedule, *, actor: Actor) -> ExportSchedule:
    """The schedule as it is now, locked until the transaction ends, for who may change it."""
    access.require(actor, "segments.export_segment")
    find_schedule(schedule.pk, actor=actor)
    held = ExportSchedule.objects.select_for_update(of=("self",)).select_related(
        "segment", "user", "api_user"
    )
    found = held.get(pk=schedule.pk)
    if not is_own(found, actor):
        raise NotAllowed(_("Only whoever made a schedule, or an administrator, can change it."))
    return found


def _checked_timing(wanted: Wanted, *, mode: str, amount: int | None, unit: str) -> dict[str, Any]:
    problems: list[Problem] = []

    def refuse(path: str, code: str, message: str) -> None:
        problems.append(Problem(path, code, message))

    if mode not in Mode.values:
        refuse("mode", "invalid_choice", _("The mode is “interval” or “after_refresh”."))
    if mode == Mode.AFTER_REFRESH and wanted.segment is None:
        refuse("segment", "required", _("Choose the segment whose refresh it follows."))
    if mode == Mode.INTERVAL:
        if amount is None or not 1 <= amount <= EVERY_LIMIT:
            message = _("Every 1 to %(limit)d hours or days.") % {"limit": EVERY_LIMIT}
            refuse("every.amount", "out_of_range", message)
        if unit not in Segment.Unit.values:
            refuse("every.unit", "invalid_choice", _("The unit is “hour” or “day”."))
    if problems:
        raise InputInvalid(problems[0].message, problems=problems)
    if mode == Mode.AFTER_REFRESH:
        amount, unit = None, ""
    return {"mode": mode, "amount": amount, "unit": unit}


def _checked_name(name: str) -> str:
    name = name.strip()
    if len(name) > NAME_LIMIT or "\0" in name:
        message = _("A name has at most %(limit)d characters.") % {"limit": NAME_LIMIT}
        raise InputInvalid(message, problems=[Problem("name", "too_long", message)])
    return name


def _set_timing(
    schedule: ExportSchedule, wanted: Wanted, given: dict[str, Any], *, at: datetime
) -> None:
    first_run_at = given.pop("first_run_at", None)
    names = ("mode", "amount", "unit")
    timing = {name: given.pop(name, getattr(schedule, name)) for name in names}
    if given:
        raise TypeError(f"A schedule has no {', '.join(sorted(given))}.")
    is_other = any(getattr(schedule, name) != value for name, value in timing.items())
    for name, value in _checked_timing(wanted, **timing).items():
        setattr(schedule, name, value)
    if schedule.mode == Mode.AFTER_REFRESH:
        schedule.next_run_at = None
        if is_other:
            schedule.calculation_at = wanted.segment.calculated_at if wanted.segment else None
    elif first_run_at is not None or schedule.next_run_at is None:
        schedule.next_run_at = first_run_at or at


def _skip_missed(schedule: ExportSchedule, *, at: datetime) -> None:
    """Move on to the next of its moments that is not over."""
    period = schedule.every
    if period is not None and schedule.next_run_at is not None and schedule.next_run_at <= at:
        missed = (at - schedule.next_run_at) // period
        schedule.next_run_at += (missed + 1) * period


def _told(schedule: ExportSchedule, groups: list[Group]) -> dict[str, Any]:
    """What the audit trail tells of a schedule."""
    told = {name: getattr(schedule, name) for name in _FIELDS}
    told["segment"] = schedule.segment.key if schedule.segment else None
    told["groups"] = sorted(group.name for group in groups)
    names = ("name", "mode", "amount", "unit", "next_run_at", "enabled")
    return told | {name: getattr(schedule, name) for name in names}
