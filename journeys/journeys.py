"""Journeys as drafts: known, made, changed, copied, deleted. `publishing` has what comes then.

A draft may be unfinished or wrong anywhere: what is wrong stands against a test and publishing
(`checking`), and never against keeping it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from journeys.checking import require_sound as require_sound  # for tests of drafts
from journeys.documents import unkeepable
from journeys.drawing.settings import NAMES
from journeys.errors import DraftChanged, JourneyInvalid, JourneyUnknown, WrongState
from journeys.hiding import Hiding
from journeys.models import DRAWABLE as DRAWABLE
from journeys.models import Journey, Lane
from journeys.trying.running import is_testing
from journeys.uses import require_unused
from segments.definitions import Faults, check_groups, check_key, free_key, groups_of_copy
from workspace import access, audit, locks
from workspace.access import Actor
from workspace.models import AuditEntry, User, UserGroup

NAME_LIMIT = 200
DESCRIPTION_LIMIT = 10_000
EMPTY: Mapping[str, Any] = {"nodes": [], "edges": []}
_LOCK = "journeys of the workspace"
_ENTITY = UserGroup.Entity.JOURNEY
State = Journey.State


def known_journeys(actor: Actor) -> "QuerySet[Journey]":
    """The journeys that the actor may know of."""
    return access.visible(Journey.objects.all(), actor)


def readable_journeys(actor: Actor) -> "QuerySet[Journey]":
    """Those of them whose names the actor may read: none for who may not see journeys at all."""
    if not actor.may("journeys.view_journey"):
        return Journey.objects.none()
    return known_journeys(actor)


def find_journey(key: str, *, actor: Actor) -> Journey:
    """The journey of this key. Raises JourneyUnknown, also where the actor may not know of it."""
    journey = known_journeys(actor).filter(key=key).first()
    if journey is None:
        raise unknown(key)
    return journey


def unknown(key: str) -> JourneyUnknown:
    """What is told of a journey that there is not, or that one may not know of."""
    return JourneyUnknown(_("There is no journey “%(key)s”.") % {"key": key[:63]}, key=key)


@transaction.atomic
def create_journey(
    *,
    actor: Actor,
    at: datetime,
    name: str,
    key: str = "",
    description: str = "",
    drawing: Any = None,
    settings: Any = None,
    groups: Iterable[str] = (),
    is_demo: bool = False,
) -> Journey:
    """A draft; without a key one is made of the name. `groups` are names of user groups.

    Raises JourneyInvalid with every fault of what is not drawn: the drawing may be unfinished.
    """
    access.require(actor, "journeys.add_journey")
    faults = Faults()
    locks.lock(_LOCK)
    if key:
        check_key(key, faults, model=Journey)
    given = {
        "name": name,
        "description": description,
        "drawing": EMPTY if drawing is None else drawing,
        "settings": {} if settings is None else settings,
    }
    kept = _checked(given, faults)
    chosen = check_groups(groups, actor, faults, entity=_ENTITY)
    _refuse(faults)
    journey = Journey(created_at=at, is_demo=is_demo, created_by_id=_author(actor), **kept)
    journey.key = key or free_key(journey.name, groups=chosen, actor=actor, model=Journey)
    journey.save(force_insert=True)
    journey.groups.set(chosen)
    _record("created", journey, actor, at, audit.difference({}, told_of(journey, chosen)))
    return journey


@transaction.atomic
def update_draft(
    journey: Journey,
    *,
    actor: Actor,
    at: datetime,
    draft_number: int | None = None,
    groups: Iterable[str] | None = None,
    **changes: Any,
) -> Journey:
    """Change what is named: name, description, drawing, settings, groups.

    Settings are changed one by one: those that are not named stay, and null takes one away. What
    stands behind a mask in what the actor was shown stays (`journeys.hiding`). With a
    `draft_number` the draft has to be the one that he was shown.

    Raises JourneyUnknown, JourneyInvalid, DraftChanged where somebody changed it meanwhile, and
    WrongState where the journey is over or just tested, and more than its name would change.
    """
    if not_known := changes.keys() - {"name", "description", "drawing", "settings"}:
        raise TypeError(f"Not known of a journey: {', '.join(sorted(not_known))}.")
    journey = hold(journey, actor=actor, permission="journeys.change_journey")
    if draft_number is not None and draft_number != journey.draft_number:
        raise changed_by(journey)
    faults, present = Faults(), list(journey.groups.all())
    before = told_of(journey, present)
    kept = _checked(_merged(journey, changes, actor, faults), faults)
    chosen = present
    if groups is not None:
        chosen = check_groups(groups, actor, faults, segment=journey, entity=_ENTITY)
    _refuse(faults)
    is_redrawn = any(
        name in kept and kept[name] != getattr(journey, name) for name in ("drawing", "settings")
    )
    if is_redrawn:
        _require_drawable(journey)
    for name, value in kept.items():
        setattr(journey, name, value)
    if groups is not None:
        journey.groups.set(chosen)
    difference = audit.difference(before, told_of(journey, chosen))
    if is_redrawn:
        difference["draft_number"] = [journey.draft_number, journey.draft_number + 1]
        journey.draft_number += 1
    if difference:
        journey.save()
        _record("changed", journey, actor, at, difference)
    return journey


@transaction.atomic
def copy_journey(journey: Journey, *, actor: Actor, at: datetime, name: str = "") -> Journey:
    """A draft with the same drawing and settings, named “[NAME]_copy” unless it is said otherwise.

    Raises JourneyUnknown, JourneyInvalid.
    """
    access.require(actor, "journeys.view_journey")
    journey = find_journey(journey.key, actor=actor)
    hiding = Hiding(actor)
    copy = create_journey(
        actor=actor,
        at=at,
        name=name or _name_of_copy(journey.name),
        description=journey.description,
        # Who copies does not get with it what he may not use.
        drawing=hiding.drawing(journey.drawing),
        settings=hiding.settings(journey.settings),
        groups=groups_of_copy(journey, actor, entity=_ENTITY),
    )
    _record("copied", copy, actor, at, {"from": [None, journey.key]})
    return copy


@transaction.atomic
def delete_journey(journey: Journey, *, actor: Actor, at: datetime) -> None:
    """Delete a draft that was never published.

    Raises JourneyUnknown, WrongState, and JourneyInUse where anything else names it.
    """
    journey = hold(journey, actor=actor, permission="journeys.delete_journey")
    words = {"name": journey.name}
    if journey.versions.filter(lane=Lane.LIVE).exists():
        message = _("“%(name)s” was published, and what it did names it. Stop it instead.") % words
        raise WrongState(message)
    _require_untested(journey)
    require_unused(journey, actor=actor)
    groups = list(journey.groups.all())
    _record("deleted", journey, actor, at, audit.difference(told_of(journey, groups), {}))
    journey.delete()


def hold(journey: Journey, *, actor: Actor, permission: str) -> Journey:
    """It as it is now, locked until the transaction ends. Raises NotAllowed, JourneyUnknown."""
    access.require(actor, permission)
    held = Journey.objects.select_for_update(of=("self",)).filter(pk=journey.pk).first()
    if held is None or not access.is_visible(held, actor):
        raise unknown(journey.key)
    return held


def told_of(journey: Journey, groups: Iterable[Group]) -> dict[str, Any]:
    """What the audit trail tells of it: of the drawing its activities, without what they name."""
    told = {f"settings.{name}": value for name, value in sorted(journey.settings.items())}
    return {
        "name": journey.name,
        "description": journey.description,
        "groups": sorted(group.name for group in groups),
        "activities": _activities(journey.drawing),
        **told,
    }


def _activities(drawing: Any) -> list[str]:
    nodes = drawing.get("nodes") if isinstance(drawing, Mapping) else None
    return [
        f"{node.get('label') or node.get('id')} ({node.get('kind')})"
        for node in (nodes if isinstance(nodes, list) else ())
        if isinstance(node, Mapping)
    ]


def _merged(
    journey: Journey, changes: Mapping[str, Any], actor: Actor, faults: Faults
) -> dict[str, Any]:
    """What is to be kept where the actor sends these changes: with what was hidden from him."""
    kept, hiding = dict(changes), Hiding(actor)
    # What nests too deeply is refused before anybody walks through it.
    for name in ("drawing", "settings"):
        if name in kept and (problems := unkeepable(kept[name], name)):
            faults.problems += problems
            del kept[name]
    if "drawing" in kept:
        kept["drawing"] = hiding.lifted_drawing(kept["drawing"], journey.drawing)
    if isinstance(kept.get("settings"), Mapping):
        given = hiding.lifted_settings(kept["settings"], journey.settings)
        merged = {**journey.settings, **given}
        kept["settings"] = {name: value for name, value in merged.items() if value is not None}
    return kept


def _checked(given: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """What is given, texts trimmed; noted where it can be no journey, however unfinished."""
    kept = dict(given)
    for name, limit in (("name", NAME_LIMIT), ("description", DESCRIPTION_LIMIT)):
        if name in kept:
            kept[name] = text = str(kept[name]).strip()
            if len(text) > limit:
                message = _("At most %(limit)d characters.") % {"limit": limit}
                faults.add(name, "too_long", message)
            faults.problems += unkeepable(text, name)
    if "name" in kept and not kept["name"]:
        faults.add("name", "required", _("Give it a name."))
    for name in ("drawing", "settings"):
        if name in kept and not isinstance(kept[name], Mapping):
            faults.add(name, "wrong_type", _("An object is wanted here."))
        elif name in kept:
            faults.problems += unkeepable(kept[name], name)
    if isinstance(kept.get("settings"), Mapping):
        for setting in kept["settings"].keys() - set(NAMES):
            faults.add(str(setting)[:63], "unknown_key", _("There is no such setting."))
    return kept


def _require_drawable(journey: Journey) -> None:
    if journey.state not in DRAWABLE:
        message = _("“%(name)s” is over: there will be no other version of it. Copy it.")
        raise WrongState(message % {"name": journey.name})
    _require_untested(journey)


def _require_untested(journey: Journey) -> None:
    if is_testing(journey):
        message = _("“%(name)s” is being tested, and stays as it is until the test ends.")
        raise WrongState(message % {"name": journey.name})


def changed_by(journey: Journey) -> DraftChanged:
    """Who changed the draft last, and when, in a sentence."""
    trail = AuditEntry.objects.filter(
        object_type=Journey._meta.label_lower,
        object_id=str(journey.pk),
        action__in=("journey.changed", "journey.created"),
    )
    last = trail.order_by("-at", "-pk").first()
    message = _(
        "%(who)s changed this draft at %(at)s, after you opened it. Nothing was saved: look at it"
        " anew, or keep yours as a copy."
    )
    words = {
        "who": last.actor_label if last else _("Somebody"),
        "at": f"{localtime(last.at):%Y-%m-%d %H:%M}" if last else "?",
    }
    return DraftChanged(message % words, draft_number=journey.draft_number)


def _name_of_copy(name: str) -> str:
    return f"{name[: NAME_LIMIT - 5]}_copy"


def _author(actor: Actor) -> int | None:
    is_person = actor.kind == AuditEntry.ActorKind.USER
    # The one who is written to the trail may be gone meanwhile.
    if not is_person or actor.id is None:
        return None
    return actor.id if User.objects.filter(pk=actor.id).exists() else None


def _refuse(faults: Faults) -> None:
    if faults.problems:
        raise JourneyInvalid(faults.problems[0].message, problems=faults.problems)


def _record(
    verb: str, journey: Journey, actor: Actor, at: datetime, changes: dict[str, Any]
) -> None:
    audit.record(actor=actor, action=f"journey.{verb}", subject=journey, changes=changes, at=at)
