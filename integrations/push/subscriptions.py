"""Subscriptions: the browsers and apps that take messages for a contact, until they end."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from contacts.extensions import Moved, Pair
from contacts.identities import Name
from contacts.resolution import Claim, resolve
from integrations.errors import PermanentError, RecipientGone
from integrations.models import Delivery, PushSubscription
from integrations.outbox import Finished
from integrations.push import hosts
from integrations.push.devices import KIND
from integrations.push.errors import SubscriptionInvalid, SubscriptionUnknown
from integrations.push.signing import decode
from workspace import audit, encryption, sql
from workspace.access import Actor, require
from workspace.errors import Problem

Kind = PushSubscription.Kind
VIEW, DELETE = "integrations.view_pushsubscription", "integrations.delete_pushsubscription"
# Of one contact; when there are more, those that are heard of least lately end.
LIMIT = 20
ENDED_KEPT = timedelta(days=90)
_ADDRESS_LIMIT = 2000
_DEVICE_LIMIT = 300

# A browser that another person uses now is that person's.
_SAVE = """
INSERT INTO integrations_pushsubscription AS known
  (contact_id, kind, address, sealed_keys, device, created_at, ended_reason)
VALUES (%s, %s, %s, %s, %s, %s, '')
ON CONFLICT (kind, address) DO UPDATE SET
  contact_id = excluded.contact_id, sealed_keys = excluded.sealed_keys, device = excluded.device,
  created_at = CASE
    WHEN known.ended_at IS NULL AND known.contact_id = excluded.contact_id THEN known.created_at
    ELSE excluded.created_at END,
  ended_at = NULL, ended_reason = ''
RETURNING id
"""
_END_SPARE = """
UPDATE integrations_pushsubscription SET ended_at = %s, ended_reason = %s
WHERE id IN (
  SELECT id FROM integrations_pushsubscription
  WHERE contact_id = %s AND ended_at IS NULL AND id <> %s
  ORDER BY coalesce(last_sent_at, created_at) DESC, id DESC OFFSET %s)
"""
_NOTE = """
UPDATE integrations_pushsubscription s SET
  last_sent_at = CASE WHEN f.state = 'delivered' THEN %s ELSE s.last_sent_at END,
  ended_at = CASE WHEN f.code = %s THEN %s ELSE s.ended_at END,
  ended_reason = CASE WHEN f.code = %s THEN left(f.error, 200) ELSE s.ended_reason END
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS f (id, state, code, error)
JOIN integrations_delivery d ON d.id = f.id
WHERE s.id = (d.payload->>'subscription')::bigint AND s.ended_at IS NULL
"""
_MERGE = """
WITH pairs AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS p (survivor_id, loser_id)),
moved AS (
  UPDATE integrations_pushsubscription s SET contact_id = p.survivor_id
  FROM pairs p WHERE s.contact_id = p.loser_id RETURNING p.loser_id)
SELECT loser_id, count(*) FROM moved GROUP BY loser_id
"""


@transaction.atomic
def subscribe_browser(
    *,
    names: Sequence[Name],
    endpoint: str,
    keys: Any,
    at: datetime,
    cause: str,
    device: str = "",
    previous: str = "",
) -> PushSubscription:
    """Send to this browser from now on, for the contact with these names, who may be new.

    With the address that it had before, `previous`, that one ends; without names the browser stays
    that contact's. The same browser again changes what it said before. Raises SubscriptionInvalid
    with every fault.
    """
    problems = browser_problems(endpoint, keys)
    if problems:
        raise SubscriptionInvalid(problems[0].message, problems=problems)
    contact_id = _contact(names, Kind.WEB_PUSH, previous, at=at, cause=cause)
    text = json.dumps({"p256dh": keys["p256dh"], "auth": keys["auth"]})
    saved = _save(contact_id, Kind.WEB_PUSH, endpoint, encryption.seal(text), device, at=at)
    if previous and previous != endpoint:
        end(Kind.WEB_PUSH, previous, reason=_("The browser has a new address."), at=at)
    return saved


@transaction.atomic
def subscribe_app(
    *,
    names: Sequence[Name],
    token: str,
    at: datetime,
    cause: str,
    device: str = "",
    previous: str = "",
) -> PushSubscription:
    """Send to this app from now on; as `subscribe_browser`, by the token that FCM gave it."""
    if not 0 < len(token) <= _ADDRESS_LIMIT or not token.isascii() or not token.isprintable():
        words = _("The token of an app has 1 to %(limit)d plain characters.")
        raise _invalid("token", words % {"limit": _ADDRESS_LIMIT})
    contact_id = _contact(names, Kind.FCM, previous, at=at, cause=cause)
    saved = _save(contact_id, Kind.FCM, token, "", device, at=at)
    if previous and previous != token:
        end(Kind.FCM, previous, reason=_("The app has a new token."), at=at)
    return saved


def end(kind: str, address: str, *, reason: str, at: datetime) -> bool:
    """Send nothing more to this browser or app; false where nothing was sent to it before."""
    found = PushSubscription.objects.filter(kind=kind, address=address, ended_at=None)
    return bool(found.update(ended_at=at, ended_reason=reason[:200]))


def end_all(kind: str, *, reason: str, at: datetime) -> int:
    """Send nothing more to any device of this kind; how many there were."""
    found = PushSubscription.objects.filter(kind=kind, ended_at=None)
    return found.update(ended_at=at, ended_reason=reason[:200])


def subscriptions_of(contact_id: int, *, actor: Actor) -> "QuerySet[PushSubscription]":
    """Those of a contact, also what has ended lately, the newest first. Raises NotAllowed."""
    require(actor, VIEW)
    return PushSubscription.objects.filter(contact_id=contact_id).order_by("-pk")


def open_counts() -> dict[str, int]:
    """How many devices take messages, by kind; one query."""
    found = PushSubscription.objects.filter(ended_at=None).order_by().values_list("kind")
    return dict(found.annotate(count=Count("pk")))


def service_of(subscription: PushSubscription) -> str:
    """The push service over which a device is reached."""
    if subscription.kind == Kind.FCM:
        return "Firebase Cloud Messaging"
    return urlsplit(subscription.address).hostname or ""


@transaction.atomic
def remove_subscription(
    contact_id: int, subscription_id: int, *, actor: Actor, at: datetime
) -> PushSubscription:
    """End a subscription by hand; one that has ended stays as it is.

    The browser may subscribe again at its next visit. Raises SubscriptionUnknown.
    """
    require(actor, DELETE)
    found = (
        PushSubscription.objects.select_for_update()
        .filter(pk=subscription_id, contact_id=contact_id)
        .first()
    )
    if found is None:
        words = _("Contact %(contact)s has no push subscription %(id)s.")
        raise SubscriptionUnknown(words % {"contact": contact_id, "id": subscription_id})
    if found.ended_at is None:
        found.ended_at, found.ended_reason = at, _("It was removed by hand.")
        found.save(update_fields=["ended_at", "ended_reason"])
        audit.record(
            actor=actor,
            action="pushsubscription.removed",
            subject=found,
            label=f"{found.get_kind_display()} #{contact_id}",
            changes={"ended": [False, True]},
            at=at,
        )
    return found


def find_recipient(delivery: Delivery) -> Mapping[str, Any]:
    """Where a delivery goes: `address`, and `keys` of a browser.

    Asked just before it is sent, so that nothing goes to a device that is gone, or that somebody
    else uses meanwhile. Raises RecipientGone, PermanentError.
    """
    subscription_id = delivery.payload.get("subscription")
    found = PushSubscription.objects.filter(pk=subscription_id, ended_at=None).first()
    if found is None:
        raise RecipientGone(_("The subscription has ended: nothing is sent to this device."))
    if found.contact_id != delivery.contact_id:
        raise PermanentError(_("The device belongs to somebody else now."))
    keys = json.loads(encryption.unseal(found.sealed_keys)) if found.sealed_keys else {}
    return {"address": found.address, "keys": keys}


def note_finished(finished: Sequence[Finished], at: datetime) -> None:
    """Note of devices when they took something, and end those that are gone. One statement.

    A consumer of the outbox.
    """
    ours = [one for one in finished if one.kind == KIND]
    if not ours:
        return
    gone = RecipientGone.code
    sql.execute(
        _NOTE,
        [
            *(at, gone, at, gone),
            [one.delivery_id for one in ours],
            [one.state for one in ours],
            [one.code for one in ours],
            [one.error for one in ours],
        ],
    )


def erase(contact_ids: list[int]) -> int:
    """Forget the devices of contacts. An eraser."""
    found = PushSubscription.objects.filter(contact_id__in=contact_ids)
    return int(found.delete()[0])


def merge(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """Give the devices of losers to the survivors. A merger."""
    columns = [[pair.survivor_id for pair in pairs], [pair.loser_id for pair in pairs]]
    return {loser_id: Moved(count) for loser_id, count in sql.lists(_MERGE, columns)}


def purge(as_of: datetime) -> Mapping[str, int]:
    """Forget what ended long ago: see `ENDED_KEPT`."""
    old = PushSubscription.objects.filter(ended_at__lt=as_of - ENDED_KEPT)
    return {"push subscriptions": old.delete()[0]}


def _contact(names: Sequence[Name], kind: str, previous: str, *, at: datetime, cause: str) -> int:
    """Whose device it is; as the ingestion of events finds out."""
    if names:
        (found,) = resolve([Claim(tuple(names), "push subscription")], at=at, cause=cause)
        if found.contact_id is None:
            reasons = " ".join(one.message for one in found.left_out)
            raise _invalid("userId", f"{_('None of its names can be used.')} {reasons}")
        return found.contact_id
    owners = PushSubscription.objects.filter(kind=kind, address=previous)
    contact_id = owners.values_list("contact_id", flat=True).first() if previous else None
    if contact_id is None:
        words = _("It says neither a userId nor an anonymousId: nobody knows whose it is.")
        raise _invalid("userId", words)
    return contact_id


def _save(
    contact_id: int, kind: str, address: str, sealed: str, device: str, *, at: datetime
) -> PushSubscription:
    subscription_id = sql.one(
        _SAVE, [contact_id, kind, address, sealed, device[:_DEVICE_LIMIT].replace("\x00", ""), at]
    )
    spare = _("The contact has newer devices: %(limit)d are the most.") % {"limit": LIMIT}
    sql.execute(_END_SPARE, [at, spare[:200], contact_id, subscription_id, LIMIT - 1])
    return PushSubscription.objects.get(pk=subscription_id)


def browser_problems(endpoint: str, keys: Any) -> list[Problem]:
    """What is wrong with the address and the keys that a browser says are its own."""
    problems = []
    if len(endpoint) > _ADDRESS_LIMIT or not endpoint.isascii() or not hosts.is_allowed(endpoint):
        words = _("It is not the address of a push service that is called from here.")
        problems.append(Problem("subscription.endpoint", "invalid", words))
    for name, is_right in (("p256dh", _is_point), ("auth", _is_secret)):
        value = keys.get(name) if isinstance(keys, Mapping) else None
        if not isinstance(value, str) or not is_right(value):
            words = _("It is not a key as browsers make them.")
            problems.append(Problem(f"subscription.keys.{name}", "invalid", words))
    return problems


def _is_point(text: str) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(text))
    except ValueError:
        return False
    return True


def _is_secret(text: str) -> bool:
    try:
        return len(decode(text)) == 16
    except ValueError:
        return False


def _invalid(path: str, message: str) -> SubscriptionInvalid:
    return SubscriptionInvalid(message, problems=[Problem(path, "invalid", message)])
