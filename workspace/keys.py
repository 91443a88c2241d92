"""API users and their keys: issued once, kept as a hash, found by their public part."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from workspace import audit
from workspace.access import SCOPES, Actor
from workspace.errors import DomainError, InputInvalid, Problem
from workspace.models import ApiUser, AuditEntry

# regulars_<public part>_<secret of 256 bits>: scanners for leaked secrets can find it.
_KEY = re.compile(r"regulars_([0-9a-z]{12})_[A-Za-z0-9_-]{43}\Z")
_USE_NOTED_EVERY = timedelta(minutes=1)


class ApiUserExists(DomainError):
    """Another API user has the name."""

    code = "api_user_exists"


def create_api_user(
    *,
    name: str,
    actor: Actor,
    at: datetime,
    scopes: Iterable[str] = SCOPES,
    groups: Iterable[Group] = (),
    description: str = "",
    requests_per_minute: int = 600,
) -> tuple[ApiUser, str]:
    """Create an API user; returns it with its key, which nobody can read again.

    Raises InputInvalid for an unknown scope or an empty name, ApiUserExists for a name in use.
    """
    wanted = list(dict.fromkeys(scopes))
    if problems := [*_name_problems(name), *_scope_problems(wanted)]:
        raise InputInvalid(problems[0].message, problems=problems)
    prefix, key = _new_key()
    try:
        with transaction.atomic():
            api_user = ApiUser.objects.create(
                name=name.strip(),
                description=description,
                prefix=prefix,
                key_hash=hash_of(key),
                scopes=wanted,
                requests_per_minute=requests_per_minute,
                created_by_id=actor.id if actor.kind == AuditEntry.ActorKind.USER else None,
                created_at=at,
            )
            api_user.groups.set(groups)
            audit.record(
                actor=actor,
                action="api_user.created",
                subject=api_user,
                changes={"scopes": [None, wanted]},
                at=at,
            )
    except IntegrityError as error:
        message = _("There is an API user “%(name)s” already. Choose another name.")
        raise ApiUserExists(message % {"name": name}) from error
    return api_user, key


@transaction.atomic
def renew_key(api_user: ApiUser, *, actor: Actor, at: datetime) -> str:
    """Give an API user a new key; the old one stops working at once. Returns the new key."""
    prefix, key = _new_key()
    ApiUser.objects.filter(pk=api_user.pk).update(prefix=prefix, key_hash=hash_of(key))
    audit.record(actor=actor, action="api_user.key_renewed", subject=api_user, at=at)
    api_user.refresh_from_db()
    return key


def find_api_user(key: str) -> ApiUser | None:
    """The API user whose key this is, enabled or not; None for anything else."""
    match = _KEY.match(key)
    if match is None:
        return None
    api_user = ApiUser.objects.filter(prefix=match[1]).first()
    if api_user is None or not hmac.compare_digest(api_user.key_hash, hash_of(key)):
        return None
    return api_user


def note_use(api_user: ApiUser, *, at: datetime) -> None:
    """Remember that a key was used, at most once a minute."""
    if api_user.last_used_at is None or api_user.last_used_at < at - _USE_NOTED_EVERY:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=at - _USE_NOTED_EVERY)
        ApiUser.objects.filter(stale, pk=api_user.pk).update(last_used_at=at)


def hash_of(key: str) -> str:
    """What we keep of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def _new_key() -> tuple[str, str]:
    prefix = "".join(secrets.choice("0123456789abcdefghijklmnopqrstuvwxyz") for _n in range(12))
    return prefix, f"regulars_{prefix}_{secrets.token_urlsafe(32)}"


def _name_problems(name: str) -> list[Problem]:
    if not name.strip() or "\x00" in name or len(name.strip()) > 120:
        return [Problem("name", "invalid", _("An API user needs a name of up to 120 letters."))]
    return []


def _scope_problems(scopes: list[str]) -> list[Problem]:
    message = _("There is no scope “%(scope)s”. The scopes are: %(known)s.")
    return [
        Problem("scopes", "unknown_scope", message % {"scope": scope, "known": ", ".join(SCOPES)})
        for scope in scopes
        if scope not in SCOPES
    ]
