"""Addresses that nothing is sent to: noted, asked for, lifted.

An address is compared in small letters. When its contact is erased, only the address' digest is
kept: it still works, and says nothing of the person.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.extensions import Moved, Pair
from contacts.identities import EMAIL, lower_case, normalize
from contacts.values import ValueRefused
from integrations.errors import SuppressionInvalid, SuppressionUnknown
from integrations.models import Suppression
from workspace import access, audit, sql
from workspace.access import Actor
from workspace.errors import Problem

Reason = Suppression.Reason
AT_ONCE = 1_000
DETAIL_LIMIT = 500
_DIGEST = "sha256:"

# Of what is known already a complaint outweighs a bounce, and a person's word all.
_NOTE = """
INSERT INTO integrations_suppression (channel, address, reason, detail, contact_id, at)
SELECT DISTINCT ON (g.address) 'email', g.address, g.reason, g.detail,
  coalesce(g.contact_id, owner.contact_id), %(at)s
FROM unnest(%(addresses)s::text[], %(reasons)s::text[], %(details)s::text[], %(contacts)s::bigint[])
  AS g (address, reason, detail, contact_id)
LEFT JOIN contacts_identity owner ON owner.namespace = 'email' AND owner.value = g.address
WHERE NOT EXISTS (
  SELECT FROM integrations_suppression s WHERE s.channel = 'email'
    AND s.address = 'sha256:' || encode(sha256(convert_to(g.address, 'UTF8')), 'hex'))
ORDER BY g.address, array_position(%(weights)s::text[], g.reason) DESC
ON CONFLICT (channel, address) DO UPDATE
  SET reason = excluded.reason, detail = excluded.detail,
    contact_id = coalesce(excluded.contact_id, integrations_suppression.contact_id)
  WHERE array_position(%(weights)s::text[], excluded.reason::text)
    > array_position(%(weights)s::text[], integrations_suppression.reason::text)
"""
_ASK = """
SELECT address, reason FROM integrations_suppression
WHERE channel = 'email' AND address = ANY(%s)
"""
# What is left of an address where the same one stands there as a digest already is deleted.
_FORGET = """
WITH theirs AS MATERIALIZED (
  SELECT s.id, 'sha256:' || encode(sha256(convert_to(s.address, 'UTF8')), 'hex') AS digest
  FROM integrations_suppression s
  WHERE s.address NOT LIKE 'sha256:%%' AND (s.contact_id = ANY(%(ids)s) OR s.address IN (
    SELECT i.value FROM contacts_identity i
    WHERE i.namespace = 'email' AND i.contact_id = ANY(%(ids)s)))),
doubled AS (
  DELETE FROM integrations_suppression s USING theirs t
  WHERE s.id = t.id AND EXISTS (
    SELECT FROM integrations_suppression d WHERE d.channel = s.channel AND d.address = t.digest)
  RETURNING s.id),
emptied AS (
  UPDATE integrations_suppression s SET address = t.digest, detail = '', contact_id = NULL
  FROM theirs t WHERE s.id = t.id AND s.id NOT IN (SELECT id FROM doubled) RETURNING s.id)
SELECT (SELECT count(*) FROM doubled) + (SELECT count(*) FROM emptied)
"""
_MERGE = """
WITH pairs AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS p (survivor_id, loser_id)),
moved AS (
  UPDATE integrations_suppression s SET contact_id = p.survivor_id
  FROM pairs p WHERE s.contact_id = p.loser_id RETURNING p.loser_id)
SELECT loser_id, count(*) FROM moved GROUP BY loser_id
"""
_WEIGHTS = [
    *(Reason.BOUNCE.value, Reason.UNSUBSCRIBE.value, Reason.COMPLAINT.value),
    Reason.MANUAL.value,
]


@dataclass(frozen=True, slots=True)
class Unwanted:
    """An address that nothing is to be sent to any more, and why; `detail` is what was said."""

    address: str
    reason: str
    detail: str = ""
    contact_id: int | None = None


def suppressed_addresses(addresses: Iterable[str]) -> dict[str, str]:
    """Those of `addresses`, as they are given, that must not be written to, each with the reason.

    One query, however many there are.
    """
    forms = {given: forms_of(given) for given in addresses if given}
    if not forms:
        return {}
    asked = {form for both in forms.values() for form in both}
    known = dict(sql.lists(_ASK, [list(asked)]))
    found = {
        given: known.get(address) or known.get(digest) for given, (address, digest) in forms.items()
    }
    return {given: reason for given, reason in found.items() if reason}


def forms_of(address: str) -> tuple[str, str]:
    """How an address stands on the list, and how it does once its contact was erased."""
    form = lower_case(address.strip().replace("\0", ""))
    return form, digest_of(form)


def digest_of(address: str) -> str:
    """What stands for an address in small letters whose contact was erased."""
    return _DIGEST + hashlib.sha256(address.encode()).hexdigest()


def note(found: Sequence[Unwanted], *, at: datetime) -> int:
    """Suppress addresses for what happened to them; how many were new, or have another reason.

    For what the system finds out itself: nobody is asked for a permission. What can be no address
    is left out. Safe to repeat.
    """
    rows = [(form, one) for one in found if (form := _form(one.address)) is not None]
    if not rows:
        return 0
    return sql.execute(
        _NOTE,
        {
            "at": at,
            "addresses": [form for form, _one in rows],
            "reasons": [one.reason for _form, one in rows],
            "details": [_line(one.detail) for _form, one in rows],
            "contacts": [one.contact_id for _form, one in rows],
            "weights": _WEIGHTS,
        },
    )


@transaction.atomic
def add(addresses: Sequence[str], *, detail: str = "", actor: Actor, at: datetime) -> int:
    """Suppress addresses by hand; how many were not suppressed by hand before.

    Raises SuppressionInvalid with each that is no e-mail address, or for more than `AT_ONCE`.
    """
    access.require(actor, "integrations.add_suppression")
    problems = [
        Problem(f"addresses.{place}", "invalid", _not_an_address(address))
        for place, address in enumerate(addresses)
        if _form(address) is None
    ]
    if not addresses:
        problems = [Problem("addresses", "required", _("Give an e-mail address."))]
    if len(addresses) > AT_ONCE:
        message = _("At most %(limit)d addresses at a time; import a file for more.")
        problems = [Problem("addresses", "too_many", message % {"limit": AT_ONCE})]
    if problems:
        raise SuppressionInvalid(problems[0].message, problems=problems)
    count = note([Unwanted(one, Reason.MANUAL, detail) for one in addresses], at=at)
    if count:
        record_added(count, detail=detail, actor=actor, at=at)
    return count


def record_added(count: int, *, detail: str, actor: Actor, at: datetime) -> None:
    """Write into the trail that addresses were suppressed by hand; not which ones."""
    audit.record(
        actor=actor,
        action="suppression.added",
        object_type=Suppression._meta.label_lower,
        label=_("%(count)d suppressed by hand") % {"count": count},
        changes={"count": [None, count], "detail": ["", _line(detail)]},
        at=at,
    )


@transaction.atomic
def lift(suppression_id: int, *, why: str, actor: Actor, at: datetime) -> None:
    """Let an address be written to again, for a reason that is kept in the trail.

    Raises SuppressionUnknown, SuppressionInvalid without a reason.
    """
    access.require(actor, "integrations.delete_suppression")
    if not why.strip():
        message = _("Say why it may be written to again: the trail keeps it.")
        raise SuppressionInvalid(message, problems=[Problem("why", "required", message)])
    found = find_suppression(suppression_id)
    audit.record(
        actor=actor,
        action="suppression.lifted",
        object_type=Suppression._meta.label_lower,
        object_id=str(found.pk),
        # Addresses are personal: the trail outlives them.
        label=f"#{found.pk}",
        changes={"reason": [found.reason, ""], "why": ["", _line(why)]},
        at=at,
    )
    found.delete()


def lift_unsubscription(address: str) -> bool:
    """Let an address be written to again whose owner wanted no e-mail, and does now.

    What was suppressed for another reason stays so. False where nothing was to be lifted.
    """
    form = _form(address)
    found = Suppression.objects.filter(address=form, reason=Reason.UNSUBSCRIBE)
    return bool(form and found.delete()[0])


def is_address(text: str) -> bool:
    """Whether a text is an e-mail address."""
    return _form(text) is not None


def find_suppression(suppression_id: int) -> Suppression:
    """The suppression of this id. Raises SuppressionUnknown."""
    found = Suppression.objects.filter(pk=suppression_id).first()
    if found is None:
        message = _("There is no suppressed address %(id)s.") % {"id": suppression_id}
        raise SuppressionUnknown(message)
    return found


def erase(contact_ids: list[int]) -> int:
    """Keep only digests of the addresses of contacts. An eraser."""
    return int(sql.one(_FORGET, {"ids": contact_ids}))


def merge(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """Name the survivors where losers had the addresses. A merger."""
    columns: list[Any] = [[pair.survivor_id for pair in pairs], [pair.loser_id for pair in pairs]]
    return {loser_id: Moved(count) for loser_id, count in sql.lists(_MERGE, columns)}


def _form(address: str) -> str | None:
    try:
        return normalize(EMAIL, address)
    except ValueRefused:
        return None


def _not_an_address(address: str) -> str:
    return _("“%(value)s” is not an e-mail address.") % {"value": address[:60]}


def _line(text: str) -> str:
    """What another side said, on one line, as PostgreSQL can keep it."""
    return " ".join(text.replace("\0", "").split())[:DETAIL_LIMIT]
