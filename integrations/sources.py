"""Sources of events: what they are called, whether they may send, by which keys they are known."""

import hashlib
import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.text import slugify
from django.utils.translation import gettext as _

from integrations.errors import (
    LastWriteKey,
    NoWebhookSource,
    SourceExists,
    SourceInvalid,
    SourceUnknown,
)
from integrations.models import Source, WriteKey
from workspace import audit, encryption
from workspace.access import Actor, require
from workspace.errors import Problem

# How long a former write key or signing secret works after it was replaced.
GRACE = timedelta(hours=24)
GRACE_LIMIT = timedelta(days=365)
CHANGEABLE = frozenset({"name", "kind", "description", "new_traits", "api_user"})
SECRET_LIMIT = 200
_LETTERS = string.ascii_letters + string.digits
_KEY_LENGTH = 32
_HINT_LENGTH = 8


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A write key with its text, for who may change the source."""

    id: int
    text: str
    created_at: datetime
    retires_at: datetime | None
    last_used_at: datetime | None


def create_source(
    *,
    name: str,
    actor: Actor,
    at: datetime,
    kind: str = Source.Kind.SERVER,
    key: str = "",
    description: str = "",
    new_traits: str = Source.NewTraits.MAKE,
    api_user: int | None = None,
    is_demo: bool = False,
) -> tuple[Source, str]:
    """Create a source that may send at once; returns it with the text of its write key.

    Without a `key` one is made of the name. `api_user` is the id of the API user that sends as this
    source, for one that is compatible with Voucherify. Raises SourceInvalid with every fault,
    SourceExists where another source has the name, the key or the API user.
    """
    source = Source(
        name=name,
        kind=kind,
        description=description,
        new_traits=new_traits,
        api_user_id=api_user,
        is_demo=is_demo,
        created_at=at,
    )
    source.key = key or _free_key(name)
    _check(source)
    try:
        with transaction.atomic():
            source.save(force_insert=True)
            write_key = _issue(source, at=at)
            _record("created", source, actor, at, kind=[None, source.kind], key=[None, source.key])
    except IntegrityError as error:
        # Somebody else took the name or the key this moment.
        raise _taken(source) from error
    return source, write_key


@transaction.atomic
def change_source(key: str, *, values: Mapping[str, Any], actor: Actor, at: datetime) -> Source:
    """Change what is named of `CHANGEABLE`; the key is for ever.

    Raises SourceUnknown, SourceInvalid with every fault, SourceExists.
    """
    if unknown := values.keys() - CHANGEABLE:
        raise TypeError(f"Not changed of a source: {', '.join(sorted(unknown))}.")
    source = _hold(key)
    values = {"api_user_id" if name == "api_user" else name: values[name] for name in values}
    before = {name: getattr(source, name) for name in values}
    for name, value in values.items():
        setattr(source, name, value)
    _check(source)
    changes = audit.difference(before, {name: getattr(source, name) for name in values})
    if changes:
        try:
            with transaction.atomic():
                source.save(update_fields=list(changes))
        except IntegrityError as error:
            raise _taken(source) from error
        _record("changed", source, actor, at, **changes)
    return source


def enable_source(key: str, *, actor: Actor, at: datetime) -> Source:
    """Take events of the source again. Raises SourceUnknown."""
    return _set_enabled(key, True, actor=actor, at=at)


def disable_source(key: str, *, actor: Actor, at: datetime) -> Source:
    """Refuse what the source sends, within a second or so. Raises SourceUnknown."""
    return _set_enabled(key, False, actor=actor, at=at)


@transaction.atomic
def issue_write_key(key: str, *, actor: Actor, at: datetime) -> str:
    """Give the source one more write key; those it has go on working. Returns the text.

    Raises SourceUnknown.
    """
    source = _hold(key)
    write_key = _issue(source, at=at)
    _record("write_key_issued", source, actor, at, write_key=[None, hint_of(write_key)])
    return write_key


@transaction.atomic
def rotate_write_key(key: str, *, actor: Actor, at: datetime, grace: timedelta = GRACE) -> str:
    """Give the source a new write key; the former ones work for `grace` more. Returns the text.

    So nothing is lost while senders change over; without grace the former ones stop at once.
    Raises SourceUnknown, SourceInvalid for a grace below nothing or above a year.
    """
    if not timedelta(0) <= grace <= GRACE_LIMIT:
        message = _("Former write keys work from 0 seconds to 365 days more.")
        raise SourceInvalid(message, problems=[Problem("grace_seconds", "out_of_range", message)])
    source = _hold(key)
    retires_at = at + grace
    working_keys(source, at=at).filter(
        Q(retires_at__isnull=True) | Q(retires_at__gt=retires_at)
    ).update(retires_at=retires_at)
    write_key = _issue(source, at=at)
    changes = {"write_key": [None, hint_of(write_key)], "former_until": [None, retires_at]}
    _record("write_key_rotated", source, actor, at, **changes)
    return write_key


@transaction.atomic
def retire_write_key(key: str, write_key_id: int, *, actor: Actor, at: datetime) -> None:
    """Let one write key stop at once. One that has stopped stays so.

    Raises SourceUnknown, also for a write key of another source, and LastWriteKey where it is the
    only one that works.
    """
    source = _hold(key)
    write_key = source.write_keys.filter(pk=write_key_id).first()
    if write_key is None:
        raise SourceUnknown(_("The source “%(key)s” has no such write key.") % {"key": key})
    working = working_keys(source, at=at)
    if not working.filter(pk=write_key_id).exists():
        return
    if not working.exclude(pk=write_key_id).exists():
        message = _(
            "%(hint)s… is the only write key of “%(name)s”: rotate it, or disable the source."
        )
        raise LastWriteKey(message % {"hint": write_key.hint, "name": source.name})
    source.write_keys.filter(pk=write_key_id).update(retires_at=at)
    _record("write_key_retired", source, actor, at, write_key=[write_key.hint, None])


def shown_keys(source: Source, *, actor: Actor) -> list[ShownKey]:
    """The write keys of a source with their texts, the newest first, retired ones too.

    Raises NotAllowed for who may not change the source, SecretUnreadable where the encryption
    key is gone.
    """
    require(actor, "integrations.change_source")
    return [
        ShownKey(
            id=one.pk,
            text=encryption.unseal(one.sealed),
            created_at=one.created_at,
            retires_at=one.retires_at,
            last_used_at=one.last_used_at,
        )
        for one in source.write_keys.all()
    ]


@transaction.atomic
def set_signing_secret(
    key: str, *, actor: Actor, at: datetime, secret: str | None = None, grace: timedelta = GRACE
) -> str:
    """Set the secret with which Segment signs what it sends to the webhook; returns it.

    Without a `secret` one is made. The former one is good for `grace` more, so that nothing is
    lost until Segment knows the new one. Raises SourceUnknown, NoWebhookSource, SourceInvalid.
    """
    source = _hold(key)
    if source.kind != Source.Kind.WEBHOOK:
        message = _("“%(name)s” is no webhook: what it sends is known by its write key.")
        raise NoWebhookSource(message % {"name": source.name})
    new = _random() if secret is None else secret.strip()
    if not 8 <= len(new) <= SECRET_LIMIT or not new.isprintable():
        message = _("A signing secret has 8 to %(limit)d printable characters.")
        message %= {"limit": SECRET_LIMIT}
        raise SourceInvalid(message, problems=[Problem("secret", "invalid", message)])
    if not timedelta(0) <= grace <= GRACE_LIMIT:
        message = _("A former signing secret is good from 0 seconds to 365 days more.")
        raise SourceInvalid(message, problems=[Problem("grace_seconds", "out_of_range", message)])
    former = [[one, (at + grace).isoformat()] for one in signing_secrets(source, at=at)[:1]]
    source.signing_secret = encryption.seal(json.dumps([[new, None], *(former if grace else [])]))
    source.save(update_fields=["signing_secret"])
    _record("signing_secret_set", source, actor, at)
    return new


def signing_secrets(source: Source, *, at: datetime) -> list[str]:
    """The secrets that are good at an instant, the present one first; none where none was set.

    Raises SecretUnreadable where the encryption key is gone.
    """
    if not source.signing_secret:
        return []
    return [
        secret
        for secret, until in json.loads(encryption.unseal(source.signing_secret))
        if until is None or datetime.fromisoformat(until) > at
    ]


def find_source(key: str) -> Source:
    """The source of this key. Raises SourceUnknown."""
    source = Source.objects.filter(key=key).first()
    if source is None:
        raise _unknown(key)
    return source


def working_keys(source: Source, *, at: datetime) -> "QuerySet[WriteKey]":
    """The write keys that work at an instant."""
    return source.write_keys.filter(Q(retires_at__isnull=True) | Q(retires_at__gt=at))


def digest_of(write_key: str) -> str:
    """By what we find a write key."""
    return hashlib.sha256(write_key.encode("utf-8", "surrogatepass")).hexdigest()


def hint_of(write_key: str) -> str:
    """The beginning of a write key, by which people tell one from another."""
    return write_key[:_HINT_LENGTH]


def _set_enabled(key: str, is_enabled: bool, *, actor: Actor, at: datetime) -> Source:
    with transaction.atomic():
        source = _hold(key)
        if source.is_enabled != is_enabled:
            source.is_enabled = is_enabled
            source.save(update_fields=["is_enabled"])
            _record("enabled" if is_enabled else "disabled", source, actor, at)
    return source


def _issue(source: Source, *, at: datetime) -> str:
    text = f"wk_{_random()}"
    WriteKey.objects.create(
        source=source,
        digest=digest_of(text),
        sealed=encryption.seal(text),
        hint=hint_of(text),
        created_at=at,
    )
    return text


def _random() -> str:
    """190 bits in letters and digits, so that a double click selects it all."""
    return "".join(secrets.choice(_LETTERS) for _n in range(_KEY_LENGTH))


def _hold(key: str) -> Source:
    """The source, locked until the transaction ends."""
    source = Source.objects.select_for_update().filter(key=key).first()
    if source is None:
        raise _unknown(key)
    return source


def _free_key(name: str) -> str:
    """A key made of the name that no other source has."""
    stem = slugify(name)[:55].strip("-_") or "source"
    taken = set(Source.objects.filter(key__startswith=stem).values_list("key", flat=True))
    number = 1
    while (key := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return key


def _check(source: Source) -> None:
    """Bring the texts into form. Raises SourceInvalid with every fault, SourceExists."""
    source.name, source.description = source.name.strip(), source.description.strip()
    if source.api_user_id is not None and source.kind != Source.Kind.VOUCHERIFY:
        message = _("Only a Voucherify-compatible source has an API user: leave it out, or null.")
        raise SourceInvalid(message, problems=[Problem("api_user", "not_applicable", message)])
    try:
        source.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        problems = [
            Problem(name, fault.code or "invalid", message)
            for name, faults in error.error_dict.items()
            for fault in faults
            for message in fault.messages
        ]
        raise SourceInvalid(problems[0].message, problems=problems) from error
    others = Source.objects.exclude(pk=source.pk)
    if others.filter(_same(source)).exists():
        raise _taken(source)


def _same(source: Source) -> Q:
    """What one source alone may have: the name, the key, the API user."""
    same = Q(name__iexact=source.name) | Q(key=source.key)
    return same if source.api_user_id is None else same | Q(api_user=source.api_user_id)


def _taken(source: Source) -> SourceExists:
    if source.api_user_id is not None:
        other = Source.objects.exclude(pk=source.pk).filter(api_user=source.api_user_id).first()
        if other is not None:
            message = _("This API user sends as the source “%(name)s” already. Choose another one.")
            text = message % {"name": other.name}
            return SourceExists(text, problems=[Problem("api_user", "taken", text)])
    message = _("There is a source “%(name)s” with the key “%(key)s” already. Choose another name.")
    same = Source.objects.filter(Q(name__iexact=source.name) | Q(key=source.key))
    name, key = same.values_list("name", "key").first() or (source.name, source.key)
    return SourceExists(message % {"name": name, "key": key})


def _unknown(key: str) -> SourceUnknown:
    return SourceUnknown(_("There is no source “%(key)s”.") % {"key": key[:63]})


def _record(what: str, source: Source, actor: Actor, at: datetime, **changes: Any) -> None:
    audit.record(actor=actor, action=f"source.{what}", subject=source, changes=changes, at=at)
