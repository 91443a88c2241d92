"""What tells of a thing besides the thing itself: long work, schedules, the audit trail.

Whoever may not know of a thing learns nothing of it here either (behaviour AN-12): not that work
was done on it, also not work that he began when he was still in its group, nor what the trail says
of it. Rooms above say what they hide: `workspace.access.register_subject` for things,
`register_mask` for what stands inside other things.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django_celery_beat.models import PeriodicTask

from workspace import access
from workspace.access import Actor
from workspace.models import AuditEntry, Job

# For one reader: a part of a change as he may see it.
Mask = Callable[[Any], Any]

_masks: dict[str, Callable[[Actor], Mask]] = {}
_task_kinds: dict[str, str] = {}


def register_mask(room: str, mask_for: Callable[[Actor], Mask]) -> None:
    """Hide what stands inside of documents that the trail tells of. May be called again.

    `mask_for` is asked once for a page of the trail; the mask gets each JSON object in a change,
    also those within others.
    """
    _masks[room] = mask_for


def register_schedule(task: str, kind: str) -> None:
    """Say that periodic tasks of this name are about a `kind` of thing, named by their argument."""
    _task_kinds[task] = kind


def visible_entries(actor: Actor) -> "QuerySet[AuditEntry]":
    """The lines of the trail about things that the actor may know of."""
    entries = AuditEntry.objects.all()
    if actor.is_admin:
        return entries
    for known in access.known_subjects().values():
        rows = known(actor).order_by().annotate(text=Cast("pk", CharField()))
        is_other = ~Q(object_type=rows.model._meta.label_lower)
        entries = entries.filter(is_other | Q(object_id__in=rows.values("text")))
    told = Job.objects.filter(access.of_known_subjects(actor)).annotate(
        text=Cast("pk", CharField())
    )
    is_other = ~Q(object_type=Job._meta.label_lower)
    return entries.filter(is_other | Q(object_id__in=told.order_by().values("text")))


def mask_changes(entries: "list[AuditEntry]", actor: Actor) -> None:
    """Make the changes of some lines, in place and not saved, what the actor may read."""
    if actor.is_admin:
        return
    masks = [mask_for(actor) for mask_for in _masks.values()]
    for entry in entries:
        entry.changes = {name: _masked(change, masks) for name, change in entry.changes.items()}


def visible_tasks(actor: Actor) -> "QuerySet[Any]":
    """The periodic tasks, without those about things that the actor may not know of."""
    tasks: QuerySet[Any] = PeriodicTask.objects.all()
    if actor.is_admin:
        return tasks
    for task, kind in _task_kinds.items():
        named = Concat(Value("["), Cast("pk", CharField()), Value("]"))
        rows = access.known_subjects()[kind](actor).order_by().annotate(written=named)
        tasks = tasks.filter(~Q(task=task) | Q(args__in=rows.values("written")))
    return tasks


def _masked(change: Any, masks: list[Mask]) -> Any:
    if isinstance(change, list):
        return [_masked(part, masks) for part in change]
    if not isinstance(change, dict):
        return change
    for mask in masks:
        change = mask(change)
    return {name: _masked(part, masks) for name, part in change.items()}
