"""User groups as wholes: what belongs to them, what lacks one, and how a group is deleted.

A thing whose last group goes would be seen by everybody. So a group to which things belong is
deleted only together with an heir, to which they are handed over; the database holds to that, too.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from workspace import access, audit
from workspace.access import Actor
from workspace.errors import DomainError, NotAllowed
from workspace.models import UserGroup

Entity = UserGroup.Entity


class GroupInUse(DomainError):
    """Things belong to the group, so that it can be neither deleted nor made a role."""

    code = "group_in_use"


class RoleStays(DomainError):
    """The role is one of those that come with the product."""

    code = "role_stays"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing that belongs to user groups: a model with `groups`."""

    entity: Entity
    model: type[Model]
    is_open: bool
    list_filter: str

    def things(self) -> "QuerySet[Any]":
        """All of this kind."""
        things: QuerySet[Any] = self.model._default_manager.all()
        return things


@dataclass(frozen=True, slots=True)
class Holding:
    """How many things of a kind belong to a group, of those that somebody may know of.

    `alone` of them belong to no other group, so that everybody would see them without it.
    """

    kind: Kind
    count: int
    alone: int

    @property
    def label(self) -> str:
        """What they are."""
        return str(self.kind.model._meta.verbose_name_plural)


_kinds: dict[type[Model], Kind] = {}


def register_things(
    entity: Entity, model: type[Model], *, is_open: bool = True, list_filter: str = ""
) -> None:
    """Say that things of a model belong to user groups. May be called again.

    `is_open` where everybody with the permission sees one that belongs to none. `list_filter` is
    the parameter by which their list on the screen shows those of one group, or of "none".
    """
    _kinds[model] = Kind(entity, model, is_open, list_filter)


def holdings(group: Group, *, actor: Actor) -> list[Holding]:
    """What belongs to a group, as far as the actor may know of it, by kind."""
    found = []
    for kind in _kinds.values():
        of_group = access.visible(kind.things(), actor).filter(pk__in=_of(kind, group))
        if count := of_group.count():
            shared = kind.things().filter(groups__in=Group.objects.exclude(pk=group.pk))
            alone = of_group.exclude(pk__in=shared.order_by().values("pk")).count()
            found.append(Holding(kind, count, alone if kind.is_open else 0))
    return found


def is_holding(group: Group) -> bool:
    """Whether anything belongs to a group, whoever may know of it."""
    return any(_of(kind, group).exists() for kind in _kinds.values())


def lacking(entity: Entity) -> int:
    """How many things, seen by everybody, lack the group that their kind needs, if it needs one."""
    if not access.group_required(entity):
        return 0
    of_entity = [kind for kind in _kinds.values() if kind.entity == entity and kind.is_open]
    return sum(kind.things().filter(groups__isnull=True).count() for kind in of_entity)


@transaction.atomic
def hand_over(group: Group, *, to: Group, actor: Actor, at: datetime) -> int:
    """Let everything that belongs to a group belong to another one instead; returns how much.

    One statement for each kind of thing. Raises NotAllowed, and GroupInUse where `to` is a role.
    """
    _require_administrator(actor)
    if to.pk == group.pk or not access.user_groups().filter(pk=to.pk).exists():
        raise GroupInUse(_("Choose another user group: a role cannot own things."))
    moved = 0
    for kind in _kinds.values():
        links = _links(kind)
        name = _name_of_thing(kind)
        of_group = links.filter(group_id=group.pk)
        moved += of_group.count()
        there = links.filter(group_id=to.pk).values(name)
        of_group.exclude(**{f"{name}__in": there}).update(group_id=to.pk)
        of_group.delete()
    if moved:
        changes = {"handed_over_to": [None, to.name], "things": [None, moved]}
        audit.record(actor=actor, action="group.handed_over", subject=group, changes=changes, at=at)
    return moved


@transaction.atomic
def delete_group(group: Group, *, actor: Actor, at: datetime, heir: Group | None = None) -> None:
    """Delete a user group, or a role that is none of the ready ones.

    What belongs to it is handed over to the heir. Raises GroupInUse where there is some and no
    heir, RoleStays, NotAllowed.
    """
    _require_administrator(actor)
    if is_ready_role(group):
        raise RoleStays(_("“%(name)s” comes with the product and stays.") % {"name": group.name})
    Group.objects.select_for_update().get(pk=group.pk)
    if heir is not None:
        hand_over(group, to=heir, actor=actor, at=at)
    elif is_holding(group):
        told = ", ".join(f"{h.count} {h.label}" for h in holdings(group, actor=actor))
        message = _(
            "%(things)s belong to “%(name)s”, and without it everybody might see them. Choose the"
            " user group to which they go."
        )
        raise GroupInUse(message % {"things": told, "name": group.name})
    audit.record(actor=actor, action="group.deleted", subject=group, at=at)
    group.delete()


def is_ready_role(group: Group) -> bool:
    """Whether the group is one of the roles that come with the product."""
    settings = UserGroup.objects.filter(group_id=group.pk).first()
    return settings is not None and settings.is_role and settings.is_ready


def _require_administrator(actor: Actor) -> None:
    if not actor.is_admin:
        raise NotAllowed(_("Only an administrator may do this."))


def _links(kind: Kind) -> "QuerySet[Any]":
    """The rows that say which thing belongs to which group."""
    groups: Any = kind.model._meta.get_field("groups")
    links: QuerySet[Any] = groups.remote_field.through._default_manager.all()
    return links


def _name_of_thing(kind: Kind) -> str:
    groups: Any = kind.model._meta.get_field("groups")
    return f"{groups.m2m_field_name()}_id"


def _of(kind: Kind, group: Group) -> "QuerySet[Any]":
    """The ids of the things of a kind that belong to a group."""
    return _links(kind).filter(group_id=group.pk).values(_name_of_thing(kind))
