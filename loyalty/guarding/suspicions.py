"""Who behaved like a cheat: noted once while it is open, looked at by people, blocked or cleared.

A subject is named "contact:12", "ip:203.0.113.7", "api_user:3", "client_key:2" or "mailbox:…", the
digest of an e-mail address without what makes several of one (see `MAILBOX`). Who is blocked gets
no card and pays with none.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from ipaddress import ip_network
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from contacts.models import Contact
from loyalty.errors import Blocked, SubjectInvalid, SuspicionUnknown
from loyalty.guarding import lockouts
from loyalty.guarding.lockouts import note_unknown_code as note_unknown_code
from loyalty.models import ClientKey, Suspicion
from workspace import audit, sql
from workspace.access import Actor, require
from workspace.errors import Problem
from workspace.exactjson import exact_dumps
from workspace.models import ApiUser

_PERMISSION = "loyalty.block_suspicion"
_SUBJECT = re.compile(r"(contact|api_user|client_key|ip|mailbox):(\S{1,100})", re.ASCII)
_MAILBOX_LENGTH = 32
# An address in lower case, without "+…" and without the dots before the @: they arrive in one box.
MAILBOX = f"""'mailbox:' || left(encode(sha256(convert_to(
  replace(split_part(split_part(lower({{email}}), '@', 1), '+', 1), '.', '') || '@'
  || split_part(lower({{email}}), '@', 2), 'UTF8')), 'hex'), {_MAILBOX_LENGTH})"""

_IN_FORCE = "s.state = 'blocked' AND (s.blocked_until IS NULL OR s.blocked_until > %(at)s)"
_IS_BLOCKED = f"""
SELECT EXISTS (SELECT FROM loyalty_suspicion s WHERE {_IN_FORCE} AND s.subject = ANY(
  %(subjects)s || ARRAY(
    SELECT {MAILBOX.format(email="c.email")} FROM contacts_contact c
    WHERE c.id = ANY(%(contacts)s) AND c.email <> '')))
"""  # noqa: S608  made of our own words only
_BLOCKED_CONTACTS = f"""
SELECT c.id FROM unnest(%(contacts)s::bigint[]) AS wanted (id)
JOIN contacts_contact c ON c.id = wanted.id
JOIN loyalty_suspicion s ON {_IN_FORCE} AND (s.subject = 'contact:' || c.id
  OR c.email <> '' AND s.subject = {MAILBOX.format(email="c.email")})
"""  # noqa: S608
_NOTE = """
INSERT INTO loyalty_suspicion AS known
  (kind, subject, state, count, details, first_at, last_at, resolved_by)
VALUES (%(kind)s, %(subject)s, 'open', %(count)s, %(details)s::jsonb, %(at)s, %(at)s, '')
ON CONFLICT (kind, subject) WHERE NOT state = 'cleared' DO UPDATE SET
  count = known.count + excluded.count, details = known.details || excluded.details,
  last_at = greatest(known.last_at, excluded.last_at)
RETURNING id
"""


def subject_of_contact(contact_id: int) -> str:
    """What a contact is called here."""
    return f"contact:{contact_id}"


def subjects_of(
    actor: Actor | None = None, *, contact_id: int | None = None, address: str = ""
) -> list[str]:
    """Who takes part in a call: the program that sends it, the contact, the address."""
    found = []
    if actor is not None and actor.kind == "api" and actor.id is not None:
        found.append(f"api_user:{actor.id}")
    if contact_id is not None:
        found.append(subject_of_contact(contact_id))
    if address:
        found.append(f"ip:{address}")
    return found


def mailbox_of(email: str) -> str:
    """The subject of all addresses that arrive in the same box as this one."""
    local, _at, domain = email.lower().partition("@")
    box = f"{local.partition('+')[0].replace('.', '')}@{domain}"
    return f"mailbox:{hashlib.sha256(box.encode()).hexdigest()[:_MAILBOX_LENGTH]}"


def is_blocked(subjects: Iterable[str], *, at: datetime) -> bool:
    """Whether one of the subjects is blocked, or the mailbox of one that is a contact.

    One query, whatever the subjects.
    """
    wanted = list(subjects)
    contacts = [int(one[8:]) for one in wanted if one.startswith("contact:")]
    return bool(sql.one(_IS_BLOCKED, {"subjects": wanted, "contacts": contacts, "at": at}))


def require_unblocked(subjects: Iterable[str], *, at: datetime) -> None:
    """Raise Blocked where `is_blocked`; the answer does not say why, for it goes to the cheat."""
    if is_blocked(subjects, at=at):
        raise Blocked(_("This is not possible at present. Ask the shop."))


def blocked_contacts(contact_ids: Collection[int], *, at: datetime) -> set[int]:
    """Those of the contacts that are blocked, by themselves or by their mailbox; one query."""
    if not contact_ids or not Suspicion.objects.filter(state=Suspicion.State.BLOCKED).exists():
        return set()
    found = sql.rows(_BLOCKED_CONTACTS, {"contacts": list(contact_ids), "at": at})
    return {row["id"] for row in found}


def note(
    kind: str,
    subject: str,
    *,
    at: datetime,
    count: int = 1,
    details: Mapping[str, Any] | None = None,
) -> int:
    """Note what was seen: one row for each kind and subject while it is open. Returns its id."""
    found = {
        "kind": kind,
        "subject": subject,
        "count": count,
        "details": exact_dumps(dict(details or {})),
        "at": at,
    }
    return int(sql.one(_NOTE, found))


@transaction.atomic
def block(
    subject: str,
    *,
    actor: Actor,
    at: datetime,
    reason: str = "",
    until: datetime | None = None,
) -> Suspicion:
    """Block somebody, until then or for good; what is open about him becomes blocked.

    Raises NotAllowed, SubjectInvalid where nobody is called so.
    """
    require(actor, _PERMISSION)
    check_subject(subject)
    if until is not None and until <= at:
        message = _("The block would end before it begins: “until” has to be in the future.")
        raise SubjectInvalid(message, problems=[Problem("until", "in_the_past", message)])
    rows = Suspicion.objects.filter(subject=subject).exclude(state=Suspicion.State.CLEARED)
    if not rows.exists():
        note(Suspicion.Kind.BY_HAND, subject, at=at)
    rows.update(
        state=Suspicion.State.BLOCKED,
        blocked_until=until,
        resolved_by=actor.label[:200],
        resolved_at=at,
    )
    suspicion = rows.order_by("id")[0]
    _record("blocked", suspicion, actor, at, reason=reason, until=until)
    return suspicion


@transaction.atomic
def unblock(subject: str, *, actor: Actor, at: datetime, reason: str = "") -> int:
    """Clear all that is open or blocked about somebody; a lock-out ends. Returns how many.

    What was seen until now does not count again. Raises NotAllowed.
    """
    require(actor, _PERMISSION)
    rows = Suspicion.objects.select_for_update().filter(subject=subject)
    found = list(rows.exclude(state=Suspicion.State.CLEARED))
    for suspicion in found:
        _record("cleared", suspicion, actor, at, reason=reason)
    rows.filter(pk__in=[one.pk for one in found]).update(
        state=Suspicion.State.CLEARED,
        blocked_until=None,
        resolved_by=actor.label[:200],
        resolved_at=at,
    )
    lockouts.unlock(subject)
    return len(found)


def find_suspicion(suspicion_id: int) -> Suspicion:
    """One suspicion by its id. Raises SuspicionUnknown."""
    found = Suspicion.objects.filter(pk=suspicion_id).first()
    if found is None:
        raise SuspicionUnknown(_("There is no suspicion %(id)s.") % {"id": suspicion_id})
    return found


def open_count() -> int:
    """How many wait for somebody to look at them."""
    return Suspicion.objects.filter(state=Suspicion.State.OPEN).count()


def check_subject(subject: str) -> None:
    """Raise SubjectInvalid where nobody is called so."""
    parts = _SUBJECT.fullmatch(subject)
    if parts is None or not _is_there(parts[1], parts[2]):
        message = _(
            "“%(subject)s” names nobody. Say contact:12, ip:203.0.113.7, api_user:3 or"
            " client_key:2, with an id or address that exists."
        ) % {"subject": subject[:100]}
        raise SubjectInvalid(message, problems=[Problem("subject", "invalid", message)])


def _is_there(kind: str, value: str) -> bool:
    if kind == "mailbox":
        return Suspicion.objects.filter(subject=f"mailbox:{value}").exists()
    if kind == "ip":
        try:
            ip_network(value)
        except ValueError:
            return False
        return True
    models: dict[str, Any] = {"contact": Contact, "api_user": ApiUser, "client_key": ClientKey}
    if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
        return False
    return bool(models[kind].objects.filter(Q(pk=int(value))).exists())


def _record(verb: str, suspicion: Suspicion, actor: Actor, at: datetime, **said: Any) -> None:
    changes = {name: [None, value] for name, value in said.items() if value}
    audit.record(actor=actor, action=f"suspicion.{verb}", subject=suspicion, changes=changes, at=at)
