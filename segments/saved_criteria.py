"""Criteria kept by name, for reuse: made, changed, deleted, found.

They belong to user groups as segments do, and their documents obey the same rules. Whoever uses
them takes a copy, so nothing depends on them; that they name a segment counts as a use of it.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext_lazy

from segments.definitions import Faults, check_groups, check_key, check_settings, free_key
from segments.documents import named_segments
from segments.errors import CriteriaRefused, SavedCriteriaUnknown
from segments.facts import parse_criteria
from segments.masks import Mask
from segments.models import SavedCriteria, Segment
from segments.uses import Use, register_use
from workspace import access, audit, locks
from workspace.access import Actor
from workspace.errors import InputInvalid
from workspace.models import AuditEntry, User

_SETTINGS = ("name", "description")
_LOCK = "segments definitions"


def known_saved_criteria(actor: Actor) -> "QuerySet[SavedCriteria]":
    """Those that the actor may know of."""
    return access.visible(SavedCriteria.objects.all(), actor)


def find_saved_criteria(key: str, *, actor: Actor) -> SavedCriteria:
    """Those of this key. Raises SavedCriteriaUnknown, also where the actor may not know of them."""
    found = known_saved_criteria(actor).filter(key=key).first()
    if found is None:
        raise SavedCriteriaUnknown(key)
    return found


@transaction.atomic
def create_saved_criteria(
    *,
    actor: Actor,
    at: datetime,
    name: str,
    criteria: Any,
    key: str = "",
    description: str = "",
    groups: Iterable[str] = (),
    is_demo: bool = False,
) -> SavedCriteria:
    """Keep criteria by name. `groups` are names of user groups; without a key one is made.

    Raises InputInvalid with all faults (CriteriaRefused where the criteria have some).
    """
    access.require(actor, "segments.add_savedcriteria")
    faults = Faults()
    kept = check_settings({"name": name, "description": description}, faults)
    locks.lock(_LOCK)
    if key:
        check_key(key, faults, model=SavedCriteria)
    chosen = check_groups(groups, actor, faults)
    _check(criteria, actor, faults)
    owner = None
    if actor.kind == AuditEntry.ActorKind.USER and actor.id is not None:
        owner = User.objects.filter(pk=actor.id).first()
    saved = SavedCriteria.objects.create(
        key=key or free_key(kept["name"], groups=chosen, actor=actor, model=SavedCriteria),
        criteria=criteria,
        owner=owner,
        created_at=at,
        updated_at=at,
        is_demo=is_demo,
        **kept,
    )
    saved.groups.set(chosen)
    _record("created", saved, audit.difference({}, _told(saved, chosen)), actor=actor, at=at)
    return saved


@transaction.atomic
def update_saved_criteria(
    saved: SavedCriteria, *, actor: Actor, at: datetime, **changes: Any
) -> SavedCriteria:
    """Change what is named: name, description, groups, criteria; the key stays for ever.

    What is equal to what was there changes nothing. Segments that began with them stay as they
    are. Raises InputInvalid with all faults.
    """
    saved = _hold(saved, actor=actor, permission="segments.change_savedcriteria")
    unknown = changes.keys() - {*_SETTINGS, "criteria", "groups"}
    if unknown:
        raise TypeError(f"The {', '.join(sorted(unknown))} of saved criteria cannot be changed.")
    faults = Faults()
    groups = list(saved.groups.all())
    before = _told(saved, groups)
    kept = check_settings(changes, faults)
    if "groups" in changes:
        groups = check_groups(changes["groups"], actor, faults, segment=saved)
    mask = Mask(actor)
    if "criteria" in changes and not mask.is_unchanged(changes["criteria"], saved.criteria):
        locks.lock(_LOCK)
        saved.criteria = mask.lifted(changes["criteria"], saved.criteria)
        _check(saved.criteria, actor, faults)
    _refuse(faults)
    for name, value in kept.items():
        setattr(saved, name, value)
    difference = audit.difference(before, _told(saved, groups))
    if difference:
        saved.updated_at = at
        saved.save()
        saved.groups.set(groups)
        _record("updated", saved, difference, actor=actor, at=at)
    return saved


@transaction.atomic
def delete_saved_criteria(saved: SavedCriteria, *, actor: Actor, at: datetime) -> None:
    """Forget them. Segments that began with them keep their copy. Cannot be undone."""
    saved = _hold(saved, actor=actor, permission="segments.delete_savedcriteria")
    told = _told(saved, list(saved.groups.all()))
    _record("deleted", saved, audit.difference(told, {}), actor=actor, at=at)
    saved.delete()


def naming(key: str) -> list[SavedCriteria]:
    """Those whose criteria name the segment `key`."""
    found = _naming_any().prefetch_related("groups")
    return [saved for saved in found if key in named_segments(saved.criteria)]


def _naming_any() -> "QuerySet[SavedCriteria]":
    documents = SavedCriteria.objects.annotate(document=Cast("criteria", TextField()))
    return documents.filter(document__contains='"segment"')


def _named_ids() -> Iterable[int]:
    documents = _naming_any().values_list("criteria", flat=True)
    named = {key for document in documents for key in named_segments(document)}
    return Segment.objects.filter(key__in=named).values_list("pk", flat=True)


def _uses(segment: Segment) -> list[Use]:
    return [
        Use(
            saved.name,
            key=saved.key,
            url=reverse("admin:segments_savedcriteria_change", args=[saved.pk]),
            is_visible=_knows(saved),
        )
        for saved in naming(segment.key)
    ]


def _knows(saved: SavedCriteria) -> Callable[[Actor], bool]:
    may = "segments.view_savedcriteria"
    return lambda actor: actor.may(may) and access.is_visible(saved, actor)


register_use("saved_criteria", gettext_lazy("Saved criteria"), _uses, find_ids=_named_ids)


def _hold(saved: SavedCriteria, *, actor: Actor, permission: str) -> SavedCriteria:
    """Them as they are now, locked until the transaction ends."""
    access.require(actor, permission)
    held = SavedCriteria.objects.select_for_update().filter(pk=saved.pk).first()
    if held is None or not access.is_visible(held, actor):
        raise SavedCriteriaUnknown(saved.key)
    return held


def _check(criteria: Any, actor: Actor, faults: Faults) -> None:
    """Raise CriteriaRefused, or what else was found so far."""
    try:
        parse_criteria(criteria, actor)
    except CriteriaRefused as refused:
        refused.problems = (*faults.problems, *refused.problems)
        raise
    _refuse(faults)


def _refuse(faults: Faults) -> None:
    if faults.problems:
        raise InputInvalid(faults.problems[0].message, problems=faults.problems)


def _told(saved: SavedCriteria, groups: Iterable[Group]) -> dict[str, Any]:
    """What the audit trail tells of them."""
    return {
        "name": saved.name,
        "description": saved.description,
        "criteria": saved.criteria,
        "groups": sorted(group.name for group in groups),
    }


def _record(
    verb: str, saved: SavedCriteria, changes: dict[str, Any], *, actor: Actor, at: datetime
) -> None:
    action = f"saved_criteria.{verb}"
    audit.record(actor=actor, action=action, subject=saved, changes=changes, at=at)
