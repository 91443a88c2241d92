"""The audit trail: who changed what, when, from what to what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.utils import timezone

from workspace.access import Actor
from workspace.models import AuditEntry

_TEXT_LIMIT = 2000


def record(
    *,
    actor: Actor,
    action: str,
    subject: Model | None = None,
    object_type: str = "",
    object_id: str = "",
    label: str = "",
    changes: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> AuditEntry:
    """Write one line of the trail, in the transaction of the change it tells of.

    `action` reads "segment.archived". What it was done to is a model instance, or named by type,
    id and label. `changes` are [old, new] by field; whoever calls leaves out what is personal or
    secret. `at` is the present where it is not given.
    """
    if subject is not None:
        object_type = object_type or subject._meta.label_lower
        object_id = object_id or str(subject.pk)
        label = label or str(subject)
    return AuditEntry.objects.create(
        at=at or timezone.now(),
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label[:200],
        action=action,
        object_type=object_type,
        object_id=object_id,
        object_label=label[:300],
        changes={name: _readable(change) for name, change in (changes or {}).items()},
    )


def record_many(
    *,
    actor: Actor,
    action: str,
    object_type: str,
    changes: Mapping[str, Mapping[str, Any]],
    at: datetime,
) -> None:
    """Write a line of the trail for each of many things of one kind, by id what changed of it."""
    AuditEntry.objects.bulk_create(
        [
            AuditEntry(
                at=at,
                actor_kind=actor.kind,
                actor_id=actor.id,
                actor_label=actor.label[:200],
                action=action,
                object_type=object_type,
                object_id=object_id,
                object_label=f"#{object_id}"[:300],
                changes={name: _readable(change) for name, change in changed.items()},
            )
            for object_id, changed in changes.items()
        ],
        batch_size=2000,
    )


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """[old, new] of each key whose value differs."""
    keys = [*before, *(key for key in after if key not in before)]
    return {
        key: [before.get(key), after.get(key)] for key in keys if before.get(key) != after.get(key)
    }


def _readable(value: Any) -> Any:
    """`value` as JSON can hold it; long texts are cut."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _readable(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_readable(part) for part in value]
    text = str(value)
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…"
