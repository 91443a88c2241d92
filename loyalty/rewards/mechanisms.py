"""The life of a mechanism: created, changed, active, inactive, archived.

Status says whether members can have it: draft → active ⇄ inactive → archived, which is for good.
Every verb asks for its permission, and to people who may not know of a mechanism answers as if
there was none. What a kind has of its own is checked by `loyalty.mechanism_settings`, whom it is
for by `loyalty.restrictions`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from contacts.followed_events import watch
from loyalty.errors import (
    MechanismArchived,
    MechanismInUse,
    MechanismInvalid,
    MechanismNotInactive,
    MechanismUnknown,
    NotAChallenge,
)
from loyalty.models import Mechanism
from loyalty.rewards.mechanism_settings import check_kind_settings
from loyalty.segment_choice import choose_segments
from segments.definitions import (
    DESCRIPTION_LIMIT,
    NAME_LIMIT,
    Faults,
    check_groups,
    check_key,
    free_key,
)
from workspace import access, audit, locks
from workspace.access import Actor
from workspace.models import UserGroup

FOLLOWER = "challenges"
MESSAGE_LIMIT = 300
Kind, Status = Mechanism.Kind, Mechanism.Status

# What a mechanism has besides its kind, key, groups and status.
PLAIN = (
    *("name", "description", "segment_match", "hide_restricted", "restricted_message"),
    *("stock", "member_limit", "period_limit", "period", "starts_at", "ends_at", "cost_points"),
)
RELATED = ("category", "segments", "lists", "settings", "groups")
_LIMITS = ("stock", "member_limit", "period_limit", "cost_points")
# What makes no sense for a kind: nobody claims a category or a tier, and a challenge costs nothing.
_WITHOUT: Mapping[str, tuple[str, ...]] = {
    Kind.REWARD_CATEGORY: _LIMITS,
    Kind.TIER: _LIMITS,
    Kind.CHALLENGE: ("member_limit", "period_limit", "cost_points"),
}
_LOCK = "loyalty mechanisms"


def known_mechanisms(actor: Actor) -> "QuerySet[Mechanism]":
    """The mechanisms that the actor may know of."""
    return access.visible(Mechanism.objects.all(), actor)


def find_mechanism(key: str, *, actor: Actor) -> Mechanism:
    """The one of this key. Raises MechanismUnknown, also where the actor may not know of it."""
    found = known_mechanisms(actor).filter(key=key).first()
    if found is None:
        raise MechanismUnknown(key)
    return found


@transaction.atomic
def create_mechanism(
    *,
    actor: Actor,
    at: datetime,
    kind: str,
    name: str,
    key: str = "",
    groups: Iterable[str] = (),
    is_draft: bool = False,
    is_demo: bool = False,
    **given: Any,
) -> Mechanism:
    """Make a mechanism, active unless it is to be a draft.

    `given` are any of PLAIN, and `category` (a key), `segments`, `lists` (keys) and `settings`.
    Without a key one is made of the name. Raises MechanismInvalid with all faults.
    """
    access.require(actor, "loyalty.add_mechanism")
    faults = Faults()
    if kind not in Kind.values:
        message = _("The kind is one of: %(known)s.") % {"known": ", ".join(Kind.values)}
        faults.add("kind", "invalid_choice", message)
    # Two people who choose the same key, or thresholds of tiers, take turns.
    locks.lock(_LOCK)
    if key:
        check_key(key, faults, model=Mechanism)
    mechanism = Mechanism(
        kind=kind,
        created_at=at,
        is_demo=is_demo,
        status=Status.DRAFT if is_draft else Status.ACTIVE,
    )
    links = _apply(mechanism, {"settings": {}, **given, "name": name}, actor, faults)
    chosen = check_groups(groups, actor, faults, entity=UserGroup.Entity.MECHANISM)
    _refuse(faults)
    mechanism.key = key or free_key(mechanism.name, groups=chosen, actor=actor, model=Mechanism)
    mechanism.save()
    mechanism.groups.set(chosen)
    for field, things in links.items():
        getattr(mechanism, field).set(things)
    _record("created", mechanism, audit.difference({}, told_of(mechanism)), actor, at)
    _follow_events()
    return mechanism


@transaction.atomic
def update_mechanism(
    mechanism: Mechanism, *, actor: Actor, at: datetime, **changes: Any
) -> Mechanism:
    """Change what is named in `changes`, as `create_mechanism` names it; kind and key stay.

    What is equal to what was there changes nothing. Raises MechanismArchived, or MechanismInvalid
    with all faults.
    """
    mechanism = _hold(mechanism, actor=actor, permission="loyalty.change_mechanism")
    refuse_archived(mechanism)
    unknown = changes.keys() - {*PLAIN, *RELATED}
    if unknown:
        raise TypeError(f"A mechanism's {', '.join(sorted(unknown))} cannot be changed.")
    if mechanism.kind == Kind.TIER:
        locks.lock(_LOCK)
    before, faults = told_of(mechanism), Faults()
    links = _apply(mechanism, changes, actor, faults)
    groups = None
    if "groups" in changes:
        groups = check_groups(
            changes["groups"],
            actor,
            faults,
            segment=mechanism,
            entity=UserGroup.Entity.MECHANISM,
        )
    _refuse(faults)
    # Claims that are made meanwhile count for themselves.
    mechanism.save(update_fields=[*PLAIN, "category", "settings", "updated_at"])
    if groups is not None:
        mechanism.groups.set(groups)
    for field, things in links.items():
        getattr(mechanism, field).set(things)
    if difference := audit.difference(before, told_of(mechanism)):
        _record("updated", mechanism, difference, actor, at)
        _follow_events()
    return mechanism


@transaction.atomic
def activate(mechanism: Mechanism, *, actor: Actor, at: datetime) -> Mechanism:
    """Let members have a draft or an inactive one; an active one stays as it is.

    Raises MechanismArchived.
    """
    mechanism = _hold(mechanism, actor=actor, permission="loyalty.change_mechanism")
    refuse_archived(mechanism)
    if mechanism.status != Status.ACTIVE:
        _set_status(mechanism, Status.ACTIVE, "activated", actor, at)
    return mechanism


@transaction.atomic
def inactivate(mechanism: Mechanism, *, actor: Actor, at: datetime) -> Mechanism:
    """Take it out of use: nobody can have it until it is active again; claims stay as they are.

    A draft stays one. Raises MechanismArchived.
    """
    mechanism = _hold(mechanism, actor=actor, permission="loyalty.change_mechanism")
    refuse_archived(mechanism)
    if mechanism.status == Status.ACTIVE:
        _set_status(mechanism, Status.INACTIVE, "inactivated", actor, at)
    return mechanism


@transaction.atomic
def archive(mechanism: Mechanism, *, actor: Actor, at: datetime) -> Mechanism:
    """Take a draft or an inactive one away for good; its claims stay.

    Raises MechanismNotInactive for an active one, MechanismInUse for a category with rewards.
    """
    mechanism = _hold(mechanism, actor=actor, permission="loyalty.delete_mechanism")
    refuse_archived(mechanism)
    words = {"name": mechanism.name}
    if mechanism.status == Status.ACTIVE:
        raise MechanismNotInactive(
            _("“%(name)s” is active. Inactivate it first.") % words, key=mechanism.key
        )
    if mechanism.rewards.exclude(status=Status.ARCHIVED).exists():
        message = _("Rewards stand in the category “%(name)s”: move or archive them first.")
        raise MechanismInUse(message % words, key=mechanism.key)
    _set_status(mechanism, Status.ARCHIVED, "archived", actor, at)
    return mechanism


def refuse_archived(mechanism: Mechanism) -> None:
    """Raise MechanismArchived for an archived one."""
    if mechanism.status == Status.ARCHIVED:
        message = _("“%(name)s” is archived, and stays so.") % {"name": mechanism.name}
        raise MechanismArchived(message, key=mechanism.key)


def require_challenge(mechanism: Mechanism) -> Mechanism:
    """The mechanism, if it is a challenge. Raises NotAChallenge."""
    if mechanism.kind != Kind.CHALLENGE:
        message = _("“%(name)s” is of the kind “%(kind)s”: there is no goal.")
        words = {"name": mechanism.name, "kind": mechanism.get_kind_display()}
        raise NotAChallenge(message % words, key=mechanism.key)
    return mechanism


def told_of(mechanism: Mechanism) -> dict[str, Any]:
    """What the audit trail tells of a mechanism."""
    told: dict[str, Any] = {name: getattr(mechanism, name) for name in (*PLAIN, "settings")}
    told["category"] = mechanism.category.key if mechanism.category else None
    for name in ("segments", "lists"):
        told[name] = sorted(getattr(mechanism, name).values_list("key", flat=True))
    told["groups"] = sorted(mechanism.groups.values_list("name", flat=True))
    return told


def _apply(
    mechanism: Mechanism, given: Mapping[str, Any], actor: Actor, faults: Faults
) -> dict[str, list[Any]]:
    """Put what is given into the mechanism, noting faults; the links to set once it is saved."""
    if unknown := given.keys() - {*PLAIN, *RELATED}:
        raise TypeError(f"A mechanism has no {', '.join(sorted(unknown))}.")
    for name in PLAIN:
        if name in given:
            setattr(mechanism, name, given[name])
    _check_plain(mechanism, faults)
    if "settings" in given:
        mechanism.settings = check_kind_settings(
            mechanism.kind, given["settings"], faults, mechanism_id=mechanism.pk
        )
    if "category" in given:
        mechanism.category = _category(mechanism, given["category"], actor, faults)
    links = {}
    for name in ("segments", "lists"):
        if name in given:
            present = list(getattr(mechanism, name).all()) if mechanism.pk else []
            links[name] = choose_segments(
                given[name], present=present, actor=actor, faults=faults, path=name
            )
    return links


def _check_plain(mechanism: Mechanism, faults: Faults) -> None:
    for name, limit in (
        ("name", NAME_LIMIT),
        ("description", DESCRIPTION_LIMIT),
        ("restricted_message", MESSAGE_LIMIT),
    ):
        value = (getattr(mechanism, name) or "").strip()
        setattr(mechanism, name, value)
        if len(value) > limit:
            faults.add(name, "too_long", _("At most %(limit)d characters.") % {"limit": limit})
        if "\0" in value:
            faults.add(name, "invalid", _("The text holds a character that cannot be kept."))
    if not mechanism.name:
        faults.add("name", "required", _("Give it a name."))
    if mechanism.segment_match not in Mechanism.Match.values:
        faults.add("segment_match", "invalid_choice", _("It is “any” or “all”."))
    if mechanism.period and mechanism.period not in Mechanism.Period.values:
        message = _("The period is one of: %(known)s.")
        known = ", ".join(Mechanism.Period.values)
        faults.add("period", "invalid_choice", message % {"known": known})
    _check_numbers(mechanism, faults)
    starts, ends = mechanism.starts_at, mechanism.ends_at
    if starts is not None and ends is not None and ends <= starts:
        faults.add("ends_at", "too_early", _("It ends before it starts."))


def _check_numbers(mechanism: Mechanism, faults: Faults) -> None:
    mechanism.cost_points = mechanism.cost_points or 0
    for name in _LIMITS:
        value = getattr(mechanism, name)
        if value is None or (name == "cost_points" and value == 0):
            continue
        least = 0 if name == "stock" else 1
        if not least <= value < 2**31:
            message = _("A whole number from %(least)d to %(most)d.")
            faults.add(name, "out_of_range", message % {"least": least, "most": 2**31 - 1})
        elif name in _WITHOUT.get(mechanism.kind, ()):
            message = _("This makes no sense for a thing of the kind “%(kind)s”.")
            faults.add(name, "not_for_kind", message % {"kind": mechanism.get_kind_display()})
    if mechanism.stock is not None and 0 <= mechanism.stock < mechanism.claimed_count:
        message = _("%(count)d are gone already.") % {"count": mechanism.claimed_count}
        faults.add("stock", "too_small", message)
    if mechanism.period_limit is not None and not mechanism.period:
        faults.add("period", "required", _("Say for which period the limit counts."))


def _category(
    mechanism: Mechanism, key: str | None, actor: Actor, faults: Faults
) -> Mechanism | None:
    present = mechanism.category
    if present is not None and (key == present.key or not access.is_visible(present, actor)):
        # One that he may not know of stays, whatever he sends.
        return present
    if not key:
        return None
    if mechanism.kind != Kind.REWARD:
        faults.add("category", "not_for_kind", _("Only rewards stand in a category."))
        return None
    categories = known_mechanisms(actor).filter(kind=Kind.REWARD_CATEGORY)
    found = categories.exclude(status=Status.ARCHIVED).filter(key=key).first()
    if found is None:
        message = _("There is no reward category “%(key)s” that you may choose.")
        faults.add("category", "unknown_category", message % {"key": key})
    return found


def _refuse(faults: Faults) -> None:
    if faults.problems:
        raise MechanismInvalid(faults.problems[0].message, problems=faults.problems)


def _hold(mechanism: Mechanism, *, actor: Actor, permission: str) -> Mechanism:
    """The mechanism as it is now, locked until the transaction ends."""
    access.require(actor, permission)
    held = (
        Mechanism.objects.select_for_update(of=("self",))
        .select_related("category")
        .filter(pk=mechanism.pk)
        .first()
    )
    if held is None or not access.is_visible(held, actor):
        raise MechanismUnknown(mechanism.key)
    return held


def _set_status(
    mechanism: Mechanism, status: Mechanism.Status, verb: str, actor: Actor, at: datetime
) -> None:
    changes = {"status": [mechanism.status, status.value]}
    mechanism.status = status
    mechanism.save(update_fields=["status", "updated_at"])
    _record(verb, mechanism, changes, actor, at)
    _follow_events()


def _record(
    verb: str, mechanism: Mechanism, changes: dict[str, Any], actor: Actor, at: datetime
) -> None:
    audit.record(actor=actor, action=f"mechanism.{verb}", subject=mechanism, changes=changes, at=at)


def _follow_events() -> None:
    """Have the events noted that the challenges in use count."""
    active = Mechanism.objects.filter(kind=Kind.CHALLENGE, status=Status.ACTIVE)
    names = active.values_list("settings__event", flat=True)
    watch(FOLLOWER, {name for name in names if name})
