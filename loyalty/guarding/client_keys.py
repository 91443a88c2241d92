"""Publishable keys: what a page or an app of customers may show to everybody, so it may do little.

A key acts for an API user, from the origins that it names, and does only what it is ticked for. It
is no secret: what protects cards is what it may not do, and the limits for each address.
"""

import secrets
import string
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from loyalty.errors import ClientKeyInvalid, ClientKeyUnknown
from loyalty.models import ClientKey
from workspace import audit
from workspace.access import Actor, require
from workspace.errors import Problem
from workspace.models import ApiUser, AuditEntry

NAME_LIMIT = 120
ORIGIN_LIMIT = 20
CHANGEABLE = frozenset(
    {"name", "origins", "may_validate", "may_redeem", "may_send_events", "is_enabled"}
)
# What a key may do, and the scope that its API user needs for it.
SCOPES = {
    "may_validate": "loyalty:read",
    "may_redeem": "loyalty:write",
    "may_send_events": "contacts:write",
}
_LETTERS = string.ascii_letters + string.digits
_PORTS = {"http": 80, "https": 443}
_USE_NOTED_EVERY = timedelta(minutes=1)


def known_keys(actor: Actor) -> "QuerySet[ClientKey]":
    """The keys that the actor may know of: a program its own, a person those that he could make."""
    found = ClientKey.objects.select_related("api_user")
    if actor.is_admin:
        return found
    return found.filter(api_user__in=choosable_api_users(actor).values("pk"))


def choosable_api_users(actor: Actor) -> "QuerySet[ApiUser]":
    """For whom the actor may make keys: programs that see no more than he does himself."""
    found = ApiUser.objects.order_by("name")
    if actor.is_admin:
        return found
    if actor.kind == AuditEntry.ActorKind.API and actor.id is not None:
        return found.filter(pk=actor.id)
    memberships = ApiUser.groups.through.objects
    foreign = memberships.exclude(group_id__in=actor.group_ids).values("apiuser_id")
    return found.exclude(pk__in=foreign)


def find_key(key_id: int, *, actor: Actor) -> ClientKey:
    """One key by its id. Raises ClientKeyUnknown."""
    found = known_keys(actor).filter(pk=key_id).first()
    if found is None:
        raise ClientKeyUnknown(_("There is no publishable key %(id)s.") % {"id": key_id})
    return found


@transaction.atomic
def create_key(
    *, name: str, api_user_id: int, origins: Iterable[str], actor: Actor, at: datetime, **may: bool
) -> ClientKey:
    """Make a key that works at once. Raises NotAllowed, ClientKeyInvalid with every fault."""
    require(actor, "loyalty.add_clientkey")
    key = ClientKey(
        name=name,
        api_user_id=api_user_id,
        application_id=f"cid_{_random(20)}",
        token=f"ct_{_random(32)}",
        origins=list(origins),
        created_at=at,
        **may,
    )
    _refuse(settle(key, actor=actor))
    key.save(force_insert=True)
    _record("created", key, audit.difference({}, _told(key)), actor, at)
    return key


@transaction.atomic
def update_key(
    key: ClientKey, *, changes: Mapping[str, Any], actor: Actor, at: datetime
) -> ClientKey:
    """Change what is named of `CHANGEABLE`; it holds at once.

    Raises NotAllowed, ClientKeyUnknown, ClientKeyInvalid with every fault.
    """
    require(actor, "loyalty.change_clientkey")
    if unknown := changes.keys() - CHANGEABLE:
        raise TypeError(f"Not changed of a key: {', '.join(sorted(unknown))}.")
    key = _hold(key, actor)
    before = _told(key)
    for name, value in changes.items():
        setattr(key, name, value)
    _refuse(settle(key, actor=actor))
    difference = audit.difference(before, _told(key))
    if difference:
        key.save()
        _record("changed", key, difference, actor, at)
    return key


def settle(key: ClientKey, *, actor: Actor) -> list[Problem]:
    """Bring name and origins of a key into the form in which they are kept; tells every fault."""
    problems: list[Problem] = []
    key.name = key.name.strip()
    key.origins = _origins(key.origins, problems)
    api_user = choosable_api_users(actor).filter(pk=key.api_user_id).first()
    if api_user is None:
        message = _("There is no API user %(id)s for whom you could make keys.")
        problems.append(Problem("api_user", "unknown", message % {"id": key.api_user_id}))
    else:
        problems += _scope_problems(key, api_user)
    return [*problems, *_name_problems(key.name)]


@transaction.atomic
def delete_key(key: ClientKey, *, actor: Actor, at: datetime) -> None:
    """Delete a key: pages that use it are refused at once. Raises NotAllowed, ClientKeyUnknown."""
    require(actor, "loyalty.delete_clientkey")
    key = _hold(key, actor)
    _record("deleted", key, audit.difference(_told(key), {}), actor, at)
    key.delete()


def consequence_of_deletion(key: ClientKey) -> str:
    """What happens when a key is deleted, in a sentence."""
    return _(
        "Pages and apps with the key “%(name)s” are refused at once. This cannot be undone."
    ) % {"name": key.name}


def note_use(key: ClientKey, *, at: datetime) -> None:
    """Remember that a key was used, at most once a minute."""
    if key.last_used_at is None or key.last_used_at < at - _USE_NOTED_EVERY:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=at - _USE_NOTED_EVERY)
        ClientKey.objects.filter(stale, pk=key.pk).update(last_used_at=at)


def read_origin(text: str) -> str | None:
    """An origin as browsers send it ("https://shop.example"); none for what is no origin."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError:
        return None
    is_more = parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username
    if parts.scheme not in _PORTS or not host or is_more or "*" in host or " " in host:
        return None
    shown = f"[{host}]" if ":" in host else host
    end = "" if port in {None, _PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{shown}{end}"


def _origins(given: Iterable[str], problems: list[Problem]) -> list[str]:
    found: list[str] = []
    for index, text in enumerate(given):
        origin = read_origin(text) if len(text) <= 200 else None
        if origin is None:
            message = _(
                "“%(text)s” is no origin. Write it as https://shop.example, without a path."
            )
            words = {"text": text[:100]}
            problems.append(Problem(f"origins[{index}]", "invalid", message % words))
        else:
            found.append(origin)
    found = list(dict.fromkeys(found))
    if not found and not problems:
        message = _("Name at least one origin from which the key works.")
        problems.append(Problem("origins", "required", message))
    if len(found) > ORIGIN_LIMIT:
        message = _("A key has up to %(limit)d origins.") % {"limit": ORIGIN_LIMIT}
        problems.append(Problem("origins", "too_many", message))
    return found


def _scope_problems(key: ClientKey, api_user: ApiUser) -> list[Problem]:
    message = _("The API user “%(name)s” lacks the scope %(scope)s that this takes.")
    return [
        Problem(may, "scope_missing", message % {"name": api_user.name, "scope": scope})
        for may, scope in SCOPES.items()
        if getattr(key, may) and scope not in api_user.scopes
    ]


def _name_problems(name: str) -> list[Problem]:
    if not name or len(name) > NAME_LIMIT or "\0" in name:
        message = _("A key needs a name of up to %(limit)d letters.") % {"limit": NAME_LIMIT}
        return [Problem("name", "invalid", message)]
    return []


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise ClientKeyInvalid(problems[0].message, problems=problems)


def _hold(key: ClientKey, actor: Actor) -> ClientKey:
    find_key(key.pk, actor=actor)
    return (
        ClientKey.objects.select_for_update(of=("self",)).select_related("api_user").get(pk=key.pk)
    )


def _told(key: ClientKey) -> dict[str, Any]:
    return {name: getattr(key, name) for name in sorted(CHANGEABLE)} | {
        "api_user": key.api_user.name
    }


def _record(verb: str, key: ClientKey, changes: dict[str, Any], actor: Actor, at: datetime) -> None:
    audit.record(actor=actor, action=f"client_key.{verb}", subject=key, changes=changes, at=at)


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _n in range(length))
