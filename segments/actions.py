"""Actions on the members of a segment: planned, cancelled, found; `action_runs` executes them.

An action is one of seven: a tag, a category or a consent given or taken, or an export. It runs at
once, at a time, or after each refresh; while the segment is in preparation it waits. Whoever
planned it acts: what he may do is asked again when it runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts import consents, definitions, labels
from contacts.definitions import Kind as DefinitionKind
from segments import action_runs, uses
from segments.action_runs import EXPORT_PERMISSION, PERMISSION
from segments.action_writes import CONSENTS, LABELS
from segments.errors import ActionFinished, ActionUnknown, SegmentUnknown
from segments.export_settings import check_wanted
from segments.models import Segment, SegmentAction, SegmentActionRun
from workspace import access, jobs, sql
from workspace.access import Actor
from workspace.errors import InputInvalid, Problem
from workspace.models import AuditEntry

Kind, Timing, State = SegmentAction.Kind, SegmentAction.Timing, SegmentAction.State
UNFINISHED = (State.PLANNED, State.RUNNING)
_SAID = (*UNFINISHED, State.DONE)
# A time that has passed by so much is a slip of the pen, not of the clock.
_TOLERANCE = timedelta(minutes=5)
_REASON_LIMIT = 300

# By the runs that keep their changes, of which there are few: the table has no index by contact.
_FORGET = """
DELETE FROM segments_segmentactionchange WHERE (run_id, contact_id) IN (
  SELECT r.id, c.id FROM segments_segmentactionrun r CROSS JOIN unnest(%s::bigint[]) AS c (id)
  WHERE r.changes_kept)
"""


def definition_kind(kind: str) -> DefinitionKind | None:
    """What an action of this kind names by its key; None for an export."""
    if kind in CONSENTS:
        return DefinitionKind.CONSENT
    return DefinitionKind(LABELS[kind]) if kind in LABELS else None


def known_actions(actor: Actor) -> "QuerySet[SegmentAction]":
    """The actions on segments that the actor may know of."""
    segments = access.visible(Segment.objects.all(), actor)
    return SegmentAction.objects.filter(segment__in=segments.values("pk"))


def find_action(segment: Segment, action_id: int) -> SegmentAction:
    """An action of a segment that one may know of. Raises ActionUnknown."""
    found = SegmentAction.objects.filter(segment_id=segment.pk, pk=action_id)
    action = found.select_related("segment").first()
    if action is None:
        raise ActionUnknown(_("There is no action %(id)d on this segment.") % {"id": action_id})
    return action


def run_to_undo(action: SegmentAction, *, run_id: int | None = None) -> SegmentActionRun | None:
    """The run of this id, else the last one that is done and not undone; None without one."""
    if run_id is not None:
        return action.runs.filter(pk=run_id).first()
    done = action.runs.filter(state=SegmentActionRun.State.DONE, undone_at__isnull=True)
    return done.order_by("-pk").first()


def kinds_by_segment(segment_ids: Iterable[int]) -> dict[int, list[str]]:
    """The kinds of actions planned, running and done on each of these segments; one query.

    Each kind once, in the order of `SegmentAction.Kind`; a segment without actions has none.
    """
    kinds: dict[int, set[str]] = {pk: set() for pk in segment_ids}
    found = SegmentAction.objects.filter(segment_id__in=kinds, state__in=_SAID).order_by()
    for segment_id, kind in found.values_list("segment_id", "kind").distinct():
        kinds[segment_id].add(kind)
    return {pk: [kind for kind in Kind.values if kind in kinds[pk]] for pk in kinds}


@dataclass(frozen=True, slots=True)
class Plan:
    """What somebody wants to be done: checked by `read_plan`, made an action by `plan_action`."""

    kind: str
    key: str
    timing: str
    planned_for: datetime | None
    parameters: Mapping[str, Any]
    is_defined: bool


def read_plan(
    segment: Segment,
    *,
    actor: Actor,
    at: datetime,
    kind: str,
    key: str = "",
    when: str | datetime = Timing.NOW,
    reason: str = "",
    export: Mapping[str, Any] | None = None,
    may_define: bool = False,
) -> Plan:
    """Check what an action would be. Raises InputInvalid with every fault.

    `when` is "now", "after_refresh" or a time. `reason` is for consents: what the ledger says why;
    without one it names the action. `export` are the settings of the file, by the names in
    `action_runs.EXPORT_SETTINGS`. With `may_define` a tag or category need not exist.
    """
    faults: list[Problem] = []
    if kind not in Kind.values:
        message = _("An action is one of: %(known)s.") % {"known": ", ".join(Kind.values)}
        faults.append(Problem("kind", "invalid_choice", message))
    is_defined = _is_defined(kind, key, faults, may_define=may_define and kind in LABELS)
    timing, planned_for = _read_time(when, at, faults)
    parameters: dict[str, Any] = {}
    if kind in CONSENTS:
        parameters["reason"] = reason.strip()[:_REASON_LIMIT]
    elif reason:
        message = _("Only actions with consents have a reason.")
        faults.append(Problem("reason", "not_applicable", message))
    if kind == Kind.EXPORT:
        parameters["export"] = _read_export(segment, export or {}, faults, actor=actor, at=at)
    elif export:
        message = _("Only exports have such settings.")
        faults.append(Problem("export", "not_applicable", message))
    if faults:
        raise InputInvalid(faults[0].message, problems=faults)
    return Plan(kind, key, timing, planned_for, parameters, is_defined)


@transaction.atomic
def plan_action(
    segment: Segment,
    *,
    actor: Actor,
    at: datetime,
    kind: str,
    key: str = "",
    when: str | datetime = Timing.NOW,
    reason: str = "",
    export: Mapping[str, Any] | None = None,
    define: bool = False,
) -> SegmentAction:
    """Plan an action on the members of a segment; what is due begins when this is committed.

    The words are those of `read_plan`. With `define` a tag or category that does not exist is
    made, where the actor may. While the segment is waiting or being calculated, the action waits,
    too. Raises InputInvalid with every fault, SegmentExpired, SegmentInactive or SegmentArchived.
    """
    _require(actor, kind)
    held = Segment.objects.select_for_update().filter(pk=segment.pk).first()
    if held is None or not access.is_visible(held, actor):
        raise SegmentUnknown(segment.key)
    words: dict[str, Any] = {"kind": kind, "key": key, "when": when, "reason": reason}
    plan = read_plan(held, actor=actor, at=at, **words, export=export, may_define=define)
    if (refusal := action_runs.refusal_of(held, at=at)) is not None:
        raise refusal
    if not plan.is_defined:
        _define(plan, actor=actor, at=at)
    action = SegmentAction.objects.create(
        segment=held,
        kind=plan.kind,
        key=plan.key,
        timing=plan.timing,
        planned_for=plan.planned_for,
        parameters=dict(plan.parameters),
        served_calculation=action_runs.last_calculation(held.pk),
        author=actor.label[:200],
        author_kind=actor.kind,
        user_id=actor.id if actor.kind == AuditEntry.ActorKind.USER else None,
        api_user_id=actor.id if actor.kind == AuditEntry.ActorKind.API else None,
        created_at=at,
    )
    moment = str(plan.planned_for.isoformat() if plan.planned_for else plan.timing)
    action_runs.record(action, "planned", actor=actor, at=at, when=[None, moment])
    action_runs.begin(action.pk, as_of=at)
    action.refresh_from_db()
    return action


@transaction.atomic
def cancel_action(action: SegmentAction, *, actor: Actor, at: datetime) -> SegmentAction:
    """Let an action not run, or run no more; work that is being done is stopped and undone.

    Raises ActionFinished for one that is over.
    """
    access.require(actor, PERMISSION)
    held = SegmentAction.objects.select_for_update(of=("self",)).select_related("segment")
    action = held.get(pk=action.pk)
    if action.state not in UNFINISHED:
        message = _("The action is over: it is %(state)s.")
        raise ActionFinished(message % {"state": action.get_state_display()})
    was, action.state, action.finished_at = str(action.state), State.CANCELLED, at
    action.reason = _("Cancelled by %(who)s.") % {"who": actor.label}
    action.save(update_fields=["state", "finished_at", "reason"])
    action_runs.record(action, "cancelled", actor=actor, at=at, state=[was, "cancelled"])
    running = SegmentActionRun.objects.filter(
        action=action, state=SegmentActionRun.State.RUNNING
    ).select_related("job")
    for run in running:
        if run.job is not None and not run.job.is_finished:
            jobs.cancel(run.job, actor=actor, at=at)
    # Of work that waited nothing more is heard.
    action_runs.settle(at=at)
    action.refresh_from_db()
    return action


def refuse_planned(segment: Segment, *, reason: str, at: datetime) -> int:
    """Refuse what is planned on a segment that goes out of use; returns how many actions.

    What a worker has begun it finishes, or finds by itself that it may not.
    """
    planned = SegmentAction.objects.filter(segment_id=segment.pk, state=State.PLANNED)
    found = list(planned.select_related("segment").order_by("pk"))
    action_runs.refuse(found, reason=reason, at=at)
    return len(found)


def actions_naming(kind: DefinitionKind, key: str, actor: Actor) -> list[str]:
    """The unfinished actions that name a definition, for `contacts.definitions`."""
    named = [one for one in Kind.values if definition_kind(one) == kind]
    found = SegmentAction.objects.filter(kind__in=named, key=key, state__in=UNFINISHED)
    seen = set(known_actions(actor).filter(pk__in=found.values("pk")).values_list("pk", flat=True))
    return [
        _("an action on segment “%(name)s”") % {"name": action.segment.name}
        if action.pk in seen
        else _("an action on a segment that you may not see")
        for action in found.select_related("segment").order_by("pk")
    ]


def uses_by_actions(segment: Segment) -> list[uses.Use]:
    """The actions planned and running on a segment, for `segments.uses`."""
    url = reverse("admin:segments_segment_actions", args=[segment.pk])
    return [
        uses.Use(
            str(action).capitalize(),
            key=str(action.pk),
            url=url,
            state=action.get_state_display(),
        )
        for action in SegmentAction.objects.filter(segment_id=segment.pk, state__in=UNFINISHED)
    ]


def _used_by_actions() -> Iterable[int]:
    return SegmentAction.objects.filter(state__in=UNFINISHED).values_list("segment_id", flat=True)


def forget_contacts(contact_ids: list[int]) -> int:
    """Forget what runs changed of erased contacts; returns how many rows went."""
    return sql.execute(_FORGET, [contact_ids])


def _require(actor: Actor, kind: str) -> None:
    access.require(actor, PERMISSION)
    if kind == Kind.EXPORT:
        access.require(actor, EXPORT_PERMISSION)


def _is_defined(kind: str, key: str, faults: list[Problem], *, may_define: bool) -> bool:
    """Whether what the action names is there; a fault where it has to be, and is not."""
    named = definition_kind(kind)
    if named is None:
        if key and kind == Kind.EXPORT:
            message = _("An export has no key.")
            faults.append(Problem("key", "not_applicable", message))
        return True
    if not key:
        message = _("Say the key of the %(kind)s.") % {"kind": named.value}
        faults.append(Problem("key", "required", message))
        return True
    if definitions.model_of(named)._default_manager.filter(key=key).exists():
        return True
    if not may_define:
        sentence = (
            consents.unknown_sentence(key)
            if named == DefinitionKind.CONSENT
            else labels.unknown_sentence("tag" if named == DefinitionKind.TAG else "category", key)
        )
        faults.append(Problem("key", "unknown_key", sentence))
    return False


def _define(plan: Plan, *, actor: Actor, at: datetime) -> None:
    named = DefinitionKind(LABELS[plan.kind])
    access.require(actor, f"contacts.add_{named.value}")
    label = plan.key.replace("-", " ").replace("_", " ").strip().capitalize() or plan.key
    definitions.create_definition(
        named, values={"key": plan.key, "label": label}, actor=actor, at=at
    )


def _read_time(
    when: str | datetime, at: datetime, faults: list[Problem]
) -> tuple[str, datetime | None]:
    if isinstance(when, datetime):
        if when < at - _TOLERANCE:
            message = _("This time has passed.")
            faults.append(Problem("when", "in_the_past", message))
        return Timing.AT, when
    if when not in {Timing.NOW, Timing.AFTER_REFRESH}:
        message = _("It is “now”, “after_refresh” or a time with its offset.")
        faults.append(Problem("when", "invalid_choice", message))
    return str(when), None


def _read_export(
    segment: Segment,
    export: Mapping[str, Any],
    faults: list[Problem],
    *,
    actor: Actor,
    at: datetime,
) -> dict[str, Any]:
    """What the file shall be, checked as an export of now would be."""
    known = {name: export[name] for name in action_runs.EXPORT_SETTINGS if name in export}
    if unknown := export.keys() - known.keys():
        raise TypeError(f"Not said of an export: {', '.join(sorted(unknown))}.")
    try:
        check_wanted(action_runs.wanted_file(segment, known), actor=actor, at=at)
    except InputInvalid as error:
        faults += [Problem(f"export.{p.path}", p.code, p.message) for p in error.problems]
    return known


uses.register_use("action", gettext_lazy("Action"), uses_by_actions, find_ids=_used_by_actions)
