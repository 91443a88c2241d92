"""Whom incoming messages are about: the names in them resolve to one contact each.

Many claims are settled with the same few statements as one. It is safe in parallel: contacts are
locked in the order of their ids, names are written in their order, and the database's unique key
of namespace and value decides who was first; whoever was second looks again. docs/identity.md
tells the rules with examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import OperationalError, transaction
from django.utils.translation import gettext as _
from psycopg.errors import DeadlockDetected

from contacts import merging
from contacts.errors import ResolutionContended
from contacts.events import share_recording
from contacts.identities import EMAIL, PHONE, USER_ID, Name, normalize
from contacts.identity_graph import (
    IdentityGraph,
    Node,
    Placement,
    Refusal,
    find,
)
from contacts.identity_rules import ANONYMOUS_ID, Rules, load_rules
from contacts.merging import Merger
from contacts.values import ValueRefused
from workspace import sql
from workspace.access import SYSTEM

INVALID = "invalid"
EVIDENCE_LIMIT = 200
_ATTEMPT_LIMIT = 20

_OWNERS = """
SELECT i.namespace, i.value, i.contact_id FROM contacts_identity i
JOIN unnest(%s::text[], %s::text[]) AS wanted (namespace, value) USING (namespace, value)
"""
_LOCK = """
SELECT id FROM contacts_contact WHERE id = ANY(%s::bigint[]) AND erased_at IS NULL
ORDER BY id FOR NO KEY UPDATE
"""
_NAMES = "SELECT contact_id, namespace, value FROM contacts_identity WHERE contact_id = ANY(%s)"
# Names that somebody wrote to a contact at the moment when it was merged or erased.
_FOLLOW = """
UPDATE contacts_identity i SET contact_id = m.survivor_id FROM contacts_contactmerge m
WHERE i.contact_id = m.loser_id AND m.loser_id = ANY(%s)
"""
_DROP = """
DELETE FROM contacts_identity i USING contacts_contact c
WHERE c.id = i.contact_id AND c.erased_at IS NOT NULL AND i.contact_id = ANY(%s)
"""
_MAKE = """
INSERT INTO contacts_contact (id, email, phone, created_at, updated_at)
SELECT id, email, phone, %s, %s
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new (id, email, phone)
"""
_ATTACH = """
INSERT INTO contacts_identity (namespace, value, contact_id, created_at, cause, evidence)
SELECT namespace, value, contact_id, %s, %s, evidence
FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[])
  AS new (namespace, value, contact_id, evidence)
ON CONFLICT DO NOTHING
"""
_FILL = """
UPDATE contacts_contact c SET updated_at = %s,
  email = CASE WHEN c.email = '' THEN new.email ELSE c.email END,
  phone = CASE WHEN c.phone = '' THEN new.phone ELSE c.phone END
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new (id, email, phone)
WHERE c.id = new.id AND (c.email = '' AND new.email <> '' OR c.phone = '' AND new.phone <> '')
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """Names that a source says are one person's, as it writes them.

    `evidence` tells people where it was said: "identify, message 4711". `previous` is the former
    name of an alias (Segment's previousId): a user id where a contact has it, else an anonymous
    id. With it the source says itself who is the same person, so no limit keeps the two apart:
    `Claim((Name("user_id", "new"),), "alias, message 4712", previous="old")`.
    """

    names: tuple[Name, ...]
    evidence: str = ""
    previous: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A name that was not attached: a stable code, a sentence, and whose it is where it is known.

    Codes: `invalid` (it cannot be a name of its namespace), `blocked` (it names nobody),
    `limit_reached` (the contact has as many of the namespace as it may), `protected` (another
    contact has it, and both together would have too many of a namespace), `never_merges` (another
    contact has it, and a rule says that its namespace makes no two contacts one).
    """

    name: Name
    code: str
    message: str
    contact_id: int | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """Whom a claim is about. `contact_id` is none where none of its names could be used.

    `is_new` says that the contact was made for this claim, `merged` are contacts that became one
    with it because of this claim.
    """

    contact_id: int | None
    is_new: bool = False
    merged: tuple[int, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def resolve(claims: Sequence[Claim], *, at: datetime, cause: str) -> list[Resolution]:
    """Whom each claim is about, in order; contacts are made, named and merged as needed.

    Within the caller's transaction, as its first step and once: the contacts found stay locked
    until it ends. `cause` says who told, as "source:shop". The same claims again change nothing.
    The number of statements does not grow with that of the claims. Raises ResolutionContended
    where others keep taking the same names.
    """
    if not claims:
        return []
    readings = [_read(claim) for claim in claims]
    for _attempt in range(_ATTEMPT_LIMIT):
        try:
            # Given up, it lets go of what it locked and wrote.
            with transaction.atomic():
                share_recording()
                return _Attempt(claims, readings, at, cause).settle()
        except _Overtaken as overtaken:
            _tidy(overtaken.gone)
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
    raise ResolutionContended(_("Others are changing the same contacts all the time. Try again."))


class _Overtaken(Exception):
    """Somebody changed whose names they are after we had looked; `gone` are emptied contacts."""

    def __init__(self, gone: Sequence[int] = ()) -> None:
        super().__init__()
        self.gone = list(gone)


def _tidy(gone: Sequence[int]) -> None:
    """Take names from contacts that were merged or erased: none could be resolved with them."""
    if gone:
        sql.execute(_FOLLOW, [gone])
        sql.execute(_DROP, [gone])


@dataclass(slots=True)
class _Reading:
    """The names of a claim as they are compared, as they were written, and what is none."""

    written: dict[Name, str]
    previous: str
    refused: list[LeftOut]

    @property
    def sought(self) -> list[Name]:
        names = list(self.written)
        if self.previous:
            names += [Name(USER_ID, self.previous), Name(ANONYMOUS_ID, self.previous)]
        return names


def _read(claim: Claim) -> _Reading:
    reading = _Reading({}, "", [])
    for name in claim.names:
        try:
            known_as = Name(name.namespace, normalize(name.namespace, name.value))
        except ValueRefused as refused:
            reading.refused.append(LeftOut(name, INVALID, str(refused)))
        else:
            reading.written.setdefault(known_as, name.value.strip())
    if claim.previous:
        try:
            reading.previous = normalize(USER_ID, claim.previous)
        except ValueRefused as refused:
            name = Name(USER_ID, claim.previous)
            reading.refused.append(LeftOut(name, INVALID, str(refused)))
    return reading


class _Attempt:
    """One go at all claims: what is known, what follows, and writing it."""

    def __init__(
        self, claims: Sequence[Claim], readings: Sequence[_Reading], at: datetime, cause: str
    ) -> None:
        self._claims, self._readings = claims, readings
        self._at, self._cause = at, cause[:60]

    def settle(self) -> list[Resolution]:
        rules = load_rules()
        graph = IdentityGraph(rules, self._known(rules))
        placements = [
            graph.place(list(reading.written), previous=reading.previous)
            for reading in self._readings
        ]
        made = [node for node in graph.made if node.survivor is None]
        self._make(made, graph)
        self._attach(graph)
        merged = self._merge(graph)
        return self._resolutions(placements, set(map(id, made)), merged)

    def _known(self, rules: Rules) -> list[tuple[int, Name]]:
        """All names of the contacts that the claims name, which are locked now."""
        sought = {name for reading in self._readings for name in reading.sought}
        usable = [name for name in sought if not rules.is_blocked(name)]
        owners = sql.lists(
            _OWNERS, [[name.namespace for name in usable], [name.value for name in usable]]
        )
        if not owners:
            return []
        ids = sorted({contact_id for _namespace, _value, contact_id in owners})
        locked = {contact_id for (contact_id,) in sql.lists(_LOCK, [ids])}
        known = [
            (contact_id, Name(namespace, value))
            for contact_id, namespace, value in sql.lists(_NAMES, [sorted(locked)])
        ]
        names = {name for _contact_id, name in known}
        if any(Name(namespace, value) not in names for namespace, value, _id in owners):
            raise _Overtaken([contact_id for contact_id in ids if contact_id not in locked])
        return known

    def _make(self, made: Sequence[Node], graph: IdentityGraph) -> None:
        if not made:
            return
        ids = sql.lists(
            "SELECT nextval(pg_get_serial_sequence('contacts_contact', 'id'))"
            " FROM generate_series(1, %s)",
            [len(made)],
        )
        for node, (contact_id,) in zip(made, sorted(ids), strict=True):
            node.contact_id = contact_id
        columns = self._columns(graph)
        found = [columns.get(contact_id, ("", "")) for (contact_id,) in sorted(ids)]
        sql.execute(
            _MAKE,
            [
                *(self._at, self._at, sorted(contact_id for (contact_id,) in ids)),
                *([email for email, _phone in found], [phone for _email, phone in found]),
            ],
        )

    def _columns(self, graph: IdentityGraph) -> dict[int, tuple[str, str]]:
        """The first new e-mail address and phone number of each contact, as they were written."""
        found: dict[int, tuple[str, str]] = {}
        for attachment in graph.attachments:
            name, contact_id = attachment.name, find(attachment.node).contact_id
            if name.namespace not in {EMAIL, PHONE} or contact_id is None:
                continue
            email, phone = found.get(contact_id, ("", ""))
            written = self._readings[attachment.claim].written[name]
            if name.namespace == EMAIL:
                found[contact_id] = email or written, phone
            else:
                found[contact_id] = email, phone or written
        return found

    def _attach(self, graph: IdentityGraph) -> None:
        if not graph.attachments:
            return
        # In one order always: two transactions cannot wait for each other.
        attachments = sorted(graph.attachments, key=lambda one: one.name)
        written = sql.execute(
            _ATTACH,
            [
                *(self._at, self._cause),
                [one.name.namespace for one in attachments],
                [one.name.value for one in attachments],
                [find(one.node).contact_id for one in attachments],
                [self._claims[one.claim].evidence[:EVIDENCE_LIMIT] for one in attachments],
            ],
        )
        if written < len(attachments):
            raise _Overtaken
        made = {node.contact_id for node in graph.made}
        columns = sorted(
            (contact_id, found)
            for contact_id, found in self._columns(graph).items()
            if contact_id not in made
        )
        if columns:
            sql.execute(
                _FILL,
                [
                    *(self._at, [contact_id for contact_id, _both in columns]),
                    [email for _id, (email, _phone) in columns],
                    [phone for _id, (_email, phone) in columns],
                ],
            )

    def _merge(self, graph: IdentityGraph) -> dict[int, list[int]]:
        """Merge the contacts that are one; by claim, who became one with another because of it."""
        merged: dict[int, list[int]] = {}
        mergers = []
        for union in graph.unions:
            if union.loser.contact_id is None:
                # Both were made by these very claims: there is nothing to merge.
                continue
            survivor_id = find(union.survivor).contact_id
            if survivor_id is None:
                raise ValueError("A contact that survives has an id.")
            merged.setdefault(union.claim, []).append(union.loser.contact_id)
            mergers.append(
                Merger(
                    survivor_id,
                    union.loser.contact_id,
                    self._claims[union.claim].evidence,
                    union.names,
                )
            )
        if mergers:
            merging.merge_many(mergers, actor=SYSTEM, at=self._at, cause=self._cause)
        return merged

    def _resolutions(
        self,
        placements: Sequence[Placement],
        made: set[int],
        merged: dict[int, list[int]],
    ) -> list[Resolution]:
        found = []
        for index, placement in enumerate(placements):
            node = None if placement.node is None else find(placement.node)
            is_new = node is not None and id(node) in made
            if is_new:
                # For the first claim only.
                made.discard(id(node))
            refused = [_left_out(refusal) for refusal in placement.refusals]
            found.append(
                Resolution(
                    None if node is None else node.contact_id,
                    is_new,
                    tuple(merged.get(index, ())),
                    (*self._readings[index].refused, *refused),
                )
            )
        return found


def _left_out(refusal: Refusal) -> LeftOut:
    owner_id = None if refusal.owner is None else find(refusal.owner).contact_id
    words: dict[str, Any] = {
        "namespace": refusal.name.namespace,
        "value": refusal.name.value,
        "other": refusal.namespace,
        "limit": refusal.limit,
        "id": owner_id,
    }
    match refusal.code:
        case "blocked":
            message = _("%(namespace)s “%(value)s” names nobody: it is a blocked value.")
        case "limit_reached":
            message = _(
                "%(namespace)s “%(value)s” was not added: a contact has at most %(limit)d values"
                " of %(other)s."
            )
        case "protected":
            message = _(
                "%(namespace)s “%(value)s” stays with contact #%(id)d: both together would have"
                " more than %(limit)d values of %(other)s, so they are not one person."
            )
        case _:
            message = _(
                "%(namespace)s “%(value)s” stays with contact #%(id)d: names of this namespace do"
                " not make two contacts one."
            )
    return LeftOut(refusal.name, refusal.code, message % words, owner_id)
