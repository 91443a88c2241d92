"""Websites and shops of the company: what they are called, and which pages are theirs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils.text import slugify
from django.utils.translation import gettext as _

from workspace import audit
from workspace.access import Actor, require
from workspace.errors import DomainError, InputInvalid, NotFound, Problem
from workspace.models import Website

ADD, CHANGE = "workspace.add_website", "workspace.change_website"
DELETE = "workspace.delete_website"
CHANGEABLE = frozenset({"name", "domain"})
_KEY_LIMIT, _DOMAIN_LIMIT = 63, 253
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")


class WebsiteUnknown(NotFound):
    """There is no such website."""

    code = "website_unknown"


class WebsiteInvalid(InputInvalid):
    """What was said of a website cannot be used; `problems` name each fault."""

    code = "website_invalid"


class WebsiteInUse(DomainError):
    """Something still needs the website, so that it cannot be deleted."""

    code = "website_in_use"


@dataclass(frozen=True, slots=True)
class _User:
    uses: Callable[[int], list[str]]
    forget: Callable[[int], None] | None


_users: dict[str, _User] = {}


def register_user(
    name: str,
    uses: Callable[[int], list[str]],
    *,
    forget: Callable[[int], None] | None = None,
) -> None:
    """Let a room above say what of its needs a website, in words, by the website's id.

    While it names anything the website is not deleted. `forget` removes what merely remembers the
    website, in the transaction that deletes it. May be called again.
    """
    _users[name] = _User(uses, forget)


def uses_of(website: Website) -> list[str]:
    """What needs the website, in words."""
    return [use for user in _users.values() for use in user.uses(website.pk)]


@transaction.atomic
def add_website(
    *,
    name: str,
    actor: Actor,
    at: datetime,
    key: str = "",
    domain: str = "",
    is_demo: bool = False,
) -> Website:
    """Add a website. Without a `key` one is made of its name; orders name it by that.

    A domain may be given as a whole address; of it the host is kept. Raises WebsiteInvalid with
    every fault.
    """
    require(actor, ADD)
    website = Website(
        key=key.strip() or _free_key(name),
        name=name.strip(),
        domain=domain,
        is_demo=is_demo,
        created_at=at,
    )
    _check(website)
    _save(website, force_insert=True)
    changes = {name: [None, value] for name, value in _described(website).items() if value}
    _record("created", website, actor, at, **changes)
    return website


@transaction.atomic
def change_website(key: str, *, values: Mapping[str, Any], actor: Actor, at: datetime) -> Website:
    """Change what is named of `CHANGEABLE`; the key is for ever, as orders name it.

    Raises WebsiteUnknown, WebsiteInvalid with every fault.
    """
    require(actor, CHANGE)
    if unknown := values.keys() - CHANGEABLE:
        raise TypeError(f"Not changed of a website: {', '.join(sorted(unknown))}.")
    website = _hold(key)
    before = _described(website)
    for name, value in values.items():
        setattr(website, name, str(value).strip())
    _check(website)
    if changes := audit.difference(before, _described(website)):
        _save(website, update_fields=["name", "domain"])
        _record("changed", website, actor, at, **changes)
    return website


@transaction.atomic
def delete_website(key: str, *, actor: Actor, at: datetime) -> None:
    """Delete a website that nothing needs. Raises WebsiteUnknown, WebsiteInUse."""
    require(actor, DELETE)
    website = _hold(key)
    if uses := uses_of(website):
        words = _("“%(name)s” is in use: %(uses)s.")
        raise WebsiteInUse(words % {"name": website.name, "uses": ", ".join(uses)})
    for user in _users.values():
        if user.forget is not None:
            user.forget(website.pk)
    changes = {name: [value, None] for name, value in _described(website).items() if value}
    _record("deleted", website, actor, at, **changes)
    try:
        with transaction.atomic():
            website.delete()
    except ProtectedError as error:
        # What a room keeps of it for a while longer.
        kept = sorted({str(one._meta.verbose_name_plural) for one in error.protected_objects})
        words = _("“%(name)s” is in use: %(uses)s.")
        raise WebsiteInUse(words % {"name": website.name, "uses": ", ".join(kept)}) from error


def find_website(key: str) -> Website:
    """The website of this key. Raises WebsiteUnknown."""
    website = Website.objects.filter(key=key).first()
    if website is None:
        raise _unknown(key)
    return website


def find_websites(keys: list[str]) -> list[Website]:
    """The websites of these keys, in their order. Raises WebsiteUnknown for the first unknown."""
    found = {one.key: one for one in Website.objects.filter(key__in=keys)}
    if missing := [key for key in keys if key not in found]:
        raise _unknown(missing[0])
    return [found[key] for key in dict.fromkeys(keys)]


def host_of(text: str) -> str:
    """The host of a domain or whole address, in small letters. Raises ValueError for none."""
    given = text.strip().lower()
    host = urlsplit(given if "://" in given else f"//{given}").hostname or ""
    try:
        host = host.rstrip(".").encode("idna").decode() if not host.isascii() else host.rstrip(".")
    except UnicodeError as error:
        raise ValueError(text) from error
    labels = host.split(".")
    is_number = labels[-1].isdigit()
    if len(host) > _DOMAIN_LIMIT or len(labels) < 2 or is_number:
        raise ValueError(text)
    if not all(_LABEL.match(label) for label in labels):
        raise ValueError(text)
    return host


def _check(website: Website) -> None:
    """Bring it into its form. Raises WebsiteInvalid with every fault."""
    problems = []
    try:
        website.domain = host_of(website.domain) if website.domain.strip() else ""
    except ValueError:
        words = _("“%(text)s” is not a domain: write it as www.example.com.")
        problems.append(Problem("domain", "invalid", words % {"text": website.domain[:80]}))
    try:
        website.clean_fields(exclude=["domain"])
    except ValidationError as error:
        problems += [
            Problem(name, "invalid", message)
            for name, messages in error.message_dict.items()
            for message in messages
        ]
    others = Website.objects.exclude(pk=website.pk)
    for name, is_taken, words in (
        ("key", others.filter(key=website.key), _("Another website has this key.")),
        ("name", others.filter(name__iexact=website.name), _("Another website has this name.")),
        ("domain", others.filter(domain=website.domain), _("Another website has this domain.")),
    ):
        if getattr(website, name) and is_taken.exists():
            problems.append(Problem(name, "taken", words))
    if problems:
        raise WebsiteInvalid(problems[0].message, problems=problems)


def _save(website: Website, **options: Any) -> None:
    try:
        with transaction.atomic():
            website.save(**options)
    except IntegrityError as error:
        # Somebody else took the name, the key or the domain this moment.
        words = _("Another website has the name, the key or the domain.")
        raise WebsiteInvalid(words, problems=[Problem("name", "taken", words)]) from error


def _free_key(name: str) -> str:
    """A key made of the name, with a number where another website has it."""
    stem = slugify(name)[: _KEY_LIMIT - 4] or "website"
    taken = set(Website.objects.filter(key__startswith=stem).values_list("key", flat=True))
    number = 1
    while (key := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return key


def _described(website: Website) -> dict[str, Any]:
    return {"key": website.key, "name": website.name, "domain": website.domain}


def _hold(key: str) -> Website:
    """The website, locked until the transaction ends."""
    website = Website.objects.select_for_update().filter(key=key).first()
    if website is None:
        raise _unknown(key)
    return website


def _unknown(key: str) -> WebsiteUnknown:
    return WebsiteUnknown(_("There is no website “%(key)s”.") % {"key": key[:_KEY_LIMIT]})


def _record(what: str, website: Website, actor: Actor, at: datetime, **changes: Any) -> None:
    audit.record(actor=actor, action=f"website.{what}", subject=website, changes=changes, at=at)
