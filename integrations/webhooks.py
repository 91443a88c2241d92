"""Webhooks: addresses of other systems, what they hear of, the secret by which they know us."""

import json
import secrets as randomness
import string
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from integrations import (
    announcements,
    connections,
    deliveries,
    outbound,
    outbox,
    webhook_uses,
)
from integrations.connectors.webhook import TEST_TYPE, good_secrets
from integrations.errors import WebhookDisabled, WebhookInUse, WebhookInvalid, WebhookUnknown
from integrations.models import Delivery, Webhook
from workspace import audit, encryption
from workspace.access import Actor, require
from workspace.errors import Problem

# How long what we send is signed with the former secret, too, after a new one was made.
GRACE = timedelta(hours=24)
GRACE_LIMIT = timedelta(days=30)
CHANGEABLE = frozenset({"name", "url", "types"})
RESUME, DROP = "resume", "drop"
_LETTERS = string.ascii_letters + string.digits
_ADD, _CHANGE = "integrations.add_webhook", "integrations.change_webhook"
_DELETE = "integrations.delete_webhook"


def create_webhook(
    *,
    url: str,
    types: Sequence[str],
    actor: Actor,
    at: datetime,
    name: str = "",
    is_enabled: bool = True,
    is_demo: bool = False,
) -> tuple[Webhook, str]:
    """Make a webhook that hears of these types from now on; returns it with its secret.

    Without a name it is called as its host. Raises WebhookInvalid with every fault.
    """
    require(actor, _ADD)
    secret = _new_secret()
    webhook = Webhook(
        kind=Webhook.Kind.WEBHOOK,
        name=name.strip() or _free_name(url),
        settings={"url": url.strip()},
        event_types=sorted(set(types)),
        sealed_secret=encryption.seal(json.dumps([[secret, None]])),
        is_enabled=is_enabled,
        disabled_at=None if is_enabled else at,
        is_demo=is_demo,
        created_at=at,
    )
    _check(webhook)
    with transaction.atomic():
        _save(webhook, force_insert=True)
        changes = {"url": [None, url_of(webhook)], "types": [[], webhook.event_types]}
        _record("created", webhook, actor, at, **changes)
    return webhook, secret


@transaction.atomic
def change_webhook(
    webhook_id: int, *, values: Mapping[str, Any], actor: Actor, at: datetime
) -> Webhook:
    """Change what is named of `CHANGEABLE`. What waits goes to the new address.

    Raises WebhookUnknown, WebhookInvalid with every fault.
    """
    require(actor, _CHANGE)
    if unknown := values.keys() - CHANGEABLE:
        raise TypeError(f"Not changed of a webhook: {', '.join(sorted(unknown))}.")
    webhook = _hold(webhook_id)
    before = _described(webhook)
    if "name" in values:
        webhook.name = values["name"].strip()
    if "url" in values:
        webhook.settings = {**webhook.settings, "url": values["url"].strip()}
    if "types" in values:
        webhook.event_types = sorted(set(values["types"]))
    _check(webhook, known=before["types"])
    if changes := audit.difference(before, _described(webhook)):
        _save(webhook, update_fields=["name", "settings", "event_types"])
        if "url" in changes:
            connections.try_again([webhook.pk])
            outbox.wake()
        _record("changed", webhook, actor, at, **changes)
    return webhook


@transaction.atomic
def delete_webhook(webhook_id: int, *, actor: Actor, at: datetime) -> int:
    """Delete a webhook with all of its deliveries, sent or not; how many these were.

    Raises WebhookUnknown, and WebhookInUse where something calls it.
    """
    require(actor, _DELETE)
    webhook = _hold(webhook_id)
    if uses := webhook_uses.uses_of(webhook):
        message = _("“%(name)s” is called by: %(uses)s. Change or end these first.")
        raise WebhookInUse(message % {"name": webhook.name, "uses": ", ".join(uses)})
    count = deliveries.delete_of(webhook)
    changes = {"url": [url_of(webhook), None], "deliveries": [count, 0]}
    _record("deleted", webhook, actor, at, **changes)
    webhook.delete()
    return count


@transaction.atomic
def rotate_secret(webhook_id: int, *, actor: Actor, at: datetime, grace: timedelta = GRACE) -> str:
    """Give a webhook a new secret and return it; for `grace` more we sign with the former, too.

    So the receiver can change over without missing anything. Raises WebhookUnknown,
    WebhookInvalid for a grace below nothing or above `GRACE_LIMIT`.
    """
    require(actor, _CHANGE)
    if not timedelta(0) <= grace <= GRACE_LIMIT:
        message = _("The former secret is used for 0 seconds to 30 days more.")
        raise WebhookInvalid(message, problems=[Problem("grace_seconds", "out_of_range", message)])
    webhook = _hold(webhook_id)
    secret, until = _new_secret(), at + grace
    former = [[one, until.isoformat()] for one in secrets_of(webhook, at=at)[:1]]
    webhook.sealed_secret = encryption.seal(
        json.dumps([[secret, None], *(former if grace else [])])
    )
    webhook.save(update_fields=["sealed_secret"])
    _record("secret_rotated", webhook, actor, at, former_until=[None, until])
    return secret


@transaction.atomic
def enable_webhook(
    webhook_id: int, *, actor: Actor, at: datetime, waiting: str = RESUME
) -> Webhook:
    """Send to a webhook again: first what waits for it, or without that where `waiting` is `DROP`.

    What it would have heard of while it was disabled was never queued. Raises WebhookUnknown.
    """
    require(actor, _CHANGE)
    webhook = _hold(webhook_id)
    if webhook.is_enabled:
        return webhook
    queued = deliveries.queued(webhook)
    changes: dict[str, Any] = {"is_enabled": [False, True]}
    if waiting == DROP:
        changes["dropped"] = [None, deliveries.cancel(queued, at=at, why=_("It was dropped."))]
    else:
        changes["resumed"] = [None, queued.update(due_at=at, attempts=0)]
    webhook.is_enabled = True
    webhook.disabled_at, webhook.disabled_reason = None, ""
    webhook.save(update_fields=["is_enabled", "disabled_at", "disabled_reason"])
    connections.note_success(webhook.pk, at=at, took=False)
    outbox.wake()
    _record("enabled", webhook, actor, at, **changes)
    return webhook


@transaction.atomic
def disable_webhook(webhook_id: int, *, actor: Actor, at: datetime) -> Webhook:
    """Send nothing more to a webhook, nor queue anything. What waits goes on waiting.

    Raises WebhookUnknown.
    """
    require(actor, _CHANGE)
    webhook = _hold(webhook_id)
    if webhook.is_enabled:
        webhook.is_enabled, webhook.disabled_at = False, at
        webhook.disabled_reason = ""
        webhook.save(update_fields=["is_enabled", "disabled_at", "disabled_reason"])
        _record("disabled", webhook, actor, at, is_enabled=[True, False])
    return webhook


@transaction.atomic
def send_test(webhook_id: int, *, actor: Actor, at: datetime) -> Delivery:
    """Queue a delivery that says nothing, which is tried once only.

    Raises WebhookUnknown, WebhookDisabled.
    """
    require(actor, _CHANGE)
    webhook = find_webhook(webhook_id)
    if not webhook.is_enabled:
        message = _("“%(name)s” is disabled, and nothing is sent to it: enable it first.")
        raise WebhookDisabled(message % {"name": webhook.name})
    key = f"{TEST_TYPE}:{webhook.pk}:{randomness.token_hex(8)}"
    data = {"message": _("A test from Regulars: it was asked for by hand."), "by": actor.label}
    payload = {"id": key, "type": TEST_TYPE, "created_at": at.isoformat(), "data": data}
    outbox.enqueue([outbox.Message(key, webhook.pk, TEST_TYPE, payload, keeps_time=True)], at=at)
    return Delivery.objects.get(key=key)


def find_webhook(webhook_id: int) -> Webhook:
    """The webhook of this id. Raises WebhookUnknown."""
    webhook = Webhook.objects.filter(pk=webhook_id).first()
    if webhook is None:
        raise _unknown(webhook_id)
    return webhook


def url_of(webhook: Webhook) -> str:
    """Where it is."""
    return str(webhook.settings.get("url", ""))


def secrets_of(webhook: Webhook, *, at: datetime) -> list[str]:
    """The secrets with which we sign at an instant, the present one first.

    Raises SecretUnreadable where the encryption key is gone.
    """
    sealed = webhook.sealed_secret
    return good_secrets(encryption.unseal(sealed), at=at) if sealed else []


def _described(webhook: Webhook) -> dict[str, Any]:
    return {"name": webhook.name, "url": url_of(webhook), "types": list(webhook.event_types)}


def _check(webhook: Webhook, known: Sequence[str] = ()) -> None:
    """Raises WebhookInvalid with every fault; types that it heard of before are `known`."""
    problems = []
    if problem := outbound.check_url(url_of(webhook)):
        problems.append(problem)
    if not webhook.event_types:
        message = _("Name at least one type that it hears of.")
        problems.append(Problem("types", "required", message))
    for name in webhook.event_types:
        if not announcements.is_registered(name) and name not in known:
            message = _("There is no type “%(name)s”.") % {"name": name[:80]}
            problems.append(Problem("types", "unknown_type", message))
    try:
        webhook.clean_fields(exclude=["settings", "event_types", "sealed_secret", "kind"])
    except ValidationError as error:
        problems += [
            Problem(name, "invalid", message)
            for name, messages in error.message_dict.items()
            for message in messages
        ]
    if problems:
        raise WebhookInvalid(problems[0].message, problems=problems)


def _save(webhook: Webhook, **options: Any) -> None:
    try:
        with transaction.atomic():
            webhook.save(**options)
    except IntegrityError as error:
        message = _("There is a webhook “%(name)s” already. Choose another name.")
        text = message % {"name": webhook.name}
        raise WebhookInvalid(text, problems=[Problem("name", "taken", text)]) from error


def _free_name(url: str) -> str:
    """The host of an address, with a number where another webhook is called so."""
    try:
        stem = (urlsplit(url.strip()).hostname or "webhook")[:100]
    except ValueError:
        stem = "webhook"
    names = Webhook.objects.filter(name__istartswith=stem)
    taken = {name.lower() for name in names.values_list("name", flat=True)}
    number = 1
    while (name := stem if number == 1 else f"{stem} {number}").lower() in taken:
        number += 1
    return name


def _new_secret() -> str:
    """190 bits in letters and digits."""
    return "whsec_" + "".join(randomness.choice(_LETTERS) for _n in range(32))


def _hold(webhook_id: int) -> Webhook:
    """The webhook, locked until the transaction ends."""
    webhook = Webhook.objects.select_for_update().filter(pk=webhook_id).first()
    if webhook is None:
        raise _unknown(webhook_id)
    return webhook


def _unknown(webhook_id: int) -> WebhookUnknown:
    return WebhookUnknown(_("There is no webhook %(id)s.") % {"id": webhook_id})


def _record(what: str, webhook: Webhook, actor: Actor, at: datetime, **changes: Any) -> None:
    audit.record(actor=actor, action=f"webhook.{what}", subject=webhook, changes=changes, at=at)
