"""What a person of the staff may see and do, in words: which role gives what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workspace import access
from workspace.models import User

# The rooms in the order of the menu; those that are not there are Django's own.
ROOMS = (
    *("contacts", "segments", "loyalty", "journeys", "integrations"),
    *("workspace", "auth", "django_celery_beat"),
)
_VERBS = {
    "view": gettext_lazy("look at"),
    "add": gettext_lazy("add"),
    "change": gettext_lazy("change"),
    "delete": gettext_lazy("delete"),
    "refresh": gettext_lazy("refresh"),
    "inactivate": gettext_lazy("set active and inactive"),
    "archive": gettext_lazy("archive"),
    "export": gettext_lazy("export members"),
    "run_actions": gettext_lazy("run actions"),
}


@dataclass(slots=True)
class Right:
    """What may be done with one kind of thing: verbs in words, and who gives them."""

    thing: str
    verbs: list[str] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Effective:
    """All that a person may: everything, or the rights of his roles in his groups."""

    is_admin: bool
    roles: list[Group]
    groups: list[Group]
    rights: Mapping[str, list[Right]]


def effective(person: User) -> Effective:
    """What a person may do by his roles and see by his user groups; as many queries for all."""
    his = list(person.groups.select_related("settings").order_by("name"))
    known = set(access.user_groups().values_list("pk", flat=True))
    return Effective(
        is_admin=person.is_active and person.is_superuser,
        roles=[group for group in his if group.pk not in known],
        groups=[group for group in his if group.pk in known],
        rights={} if person.is_superuser or not person.is_active else _rights(person),
    )


def rights_of(permissions: Iterable[Permission]) -> Mapping[str, list[Right]]:
    """Permissions as rooms, things and verbs."""
    return _told((permission, "") for permission in permissions)


def _rights(person: User) -> Mapping[str, list[Right]]:
    given = Permission.objects.filter(Q(group__user=person) | Q(user=person))
    named = given.values_list("pk", "group__name", "group__user")
    sources: dict[int, set[str]] = {}
    for pk, group, member in named:
        sources.setdefault(pk, set()).add(group if member == person.pk and group else _("himself"))
    found = Permission.objects.filter(pk__in=sources).select_related("content_type")
    return _told(
        (permission, source) for permission in found for source in sorted(sources[permission.pk])
    )


def _told(given: Iterable[tuple[Permission, str]]) -> Mapping[str, list[Right]]:
    rooms: dict[str, dict[str, Right]] = {room: {} for room in ROOMS}
    ordered = sorted(given, key=lambda one: _place(one[0]))
    for permission, source in ordered:
        kind = permission.content_type
        model = kind.model_class()
        # What has no screen is part of something that has one.
        if kind.app_label not in rooms or model not in admin.site._registry:
            continue
        thing = str(model._meta.verbose_name_plural)
        right = rooms[kind.app_label].setdefault(thing, Right(thing))
        verb = _verb(permission)
        if verb not in right.verbs:
            right.verbs.append(verb)
        if source:
            right.sources.add(source)
    return {
        str(apps.get_app_config(room).verbose_name): list(rights.values())
        for room, rights in rooms.items()
        if rights
    }


def _verb(permission: Permission) -> str:
    """A permission as what one may do with the thing; what is no verb of it stays whole."""
    name = permission.codename.removesuffix(f"_{permission.content_type.model}")
    word = _VERBS.get(name)
    return str(word) if word is not None else permission.name.removeprefix("Can ")


def _place(permission: Permission) -> tuple[str, int, int]:
    """By thing, what one may do with it in the order in which people think of it."""
    name = permission.codename.removesuffix(f"_{permission.content_type.model}")
    verbs = list(_VERBS)
    place = verbs.index(name) if name in _VERBS else len(verbs)
    return permission.content_type.model, place, permission.pk
