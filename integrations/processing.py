"""What the messages of a source do: contacts are found or made, told of, and their events recorded.

All in the caller's transaction, and with a number of statements that does not grow with that of
the messages. What could not be used is noted on the message's `Item`, never raised.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from contacts import identities
from contacts.erasure import erase_contact
from contacts.events import IncomingEvent, record_events
from contacts.identities import EMAIL, PHONE, USER_ID, Name
from contacts.profile_writes import Told, write_told
from contacts.resolution import Claim, LeftOut, resolve
from integrations.messages import Message, Type, names_of
from integrations.models import Outcome, Source
from integrations.origin import is_own
from integrations.remarks import Remark
from integrations.traits import Profile, TraitReader
from workspace import sql
from workspace.access import Actor
from workspace.models import AuditEntry

_REASON_LIMIT = 2000


@dataclass(slots=True)
class Item:
    """A message on its way, and what becomes of it.

    A `contact_id` given beforehand is whose it is, whatever names are in it.
    """

    message: Message
    received_at: datetime
    contact_id: int | None = None
    outcome: str = Outcome.ACCEPTED
    code: str = ""
    reason: str = ""
    problems: list[Remark] = field(default_factory=list)

    @property
    def is_held(self) -> bool:
        """Whether somebody should deal with it: something in it is known to nobody now."""
        if self.outcome in {Outcome.REFUSED, Outcome.FAILED}:
            return True
        return self.outcome == Outcome.MARKED and any(one.is_lost for one in self.problems)

    def refuse(self, problems: Sequence[Remark], *, code: str = "", reason: str = "") -> None:
        """Nothing of it is used; the first problem says why, where nothing says it better."""
        self.outcome = Outcome.REFUSED
        self._explain(problems, code, reason)

    def fail(self, reason: str) -> None:
        """We could not use it, for a fault of our own."""
        self.outcome, self.contact_id = Outcome.FAILED, None
        self._explain([Remark("", "defect", reason)], "", "")

    def mark(self, problems: Sequence[Remark]) -> None:
        """It is used, but for these."""
        if self.outcome == Outcome.ACCEPTED and problems:
            self.outcome = Outcome.MARKED
            self._explain(problems, "", "")

    def _explain(self, problems: Sequence[Remark], code: str, reason: str) -> None:
        self.problems = list(problems)
        self.code = code or problems[0].code
        self.reason = (reason or " ".join(map(_sentence, problems)))[:_REASON_LIMIT]


def leave_own(items: Sequence[Item]) -> list[Item]:
    """Those that did not go out from here: what we told Segment may come back from it.

    We know of these already; so they are duplicates, though another message told of them first.
    """
    left = []
    for item in items:
        if is_own(item.message.context):
            item.outcome, item.code = Outcome.DUPLICATE, "own_event"
            item.reason = _("It went out from here, and came back: it is known already.")
        else:
            left.append(item)
    return left


def leave_duplicates(source: Source, items: Sequence[Item], *, at: datetime) -> list[Item]:
    """Those whose `messageId` the source did not send before; the others are told they are.

    One statement. Those without an id of their own are noted too, by the one they were given:
    so it is known of each event which source sent it.
    """
    first: dict[str, Item] = {}
    for item in items:
        if _has_id(item.message):
            first.setdefault(item.message.message_id, item)
    statement = (
        "INSERT INTO contacts_seenmessage (source_id, message_id, seen_at)"
        " SELECT %s, message_id, %s FROM unnest(%s::text[]) AS message_id"
        " ON CONFLICT (source_id, message_id) DO NOTHING RETURNING message_id"
    )
    new = {row[0] for row in sql.lists(statement, [source.pk, at, sorted(first)])} if first else ()
    left = []
    for item in items:
        message_id = item.message.message_id
        if not _has_id(item.message) or (message_id in new and first[message_id] is item):
            left.append(item)
        else:
            item.outcome = Outcome.DUPLICATE
    return left


def process(source: Source, items: Sequence[Item], *, at: datetime) -> None:
    """Use the messages in their order, and note on each what became of it.

    Where there is a `delete` among them, the caller has called `pause_recording` first.
    """
    reader = TraitReader(source, at=at)
    gone: set[int] = set()
    for deletes, group in _runs(items):
        if deletes:
            # One erasure each: they are rare, and each writes its proof into the trail.
            for item in group:
                gone |= _delete(source, item, at=at)
        else:
            _use(source, group, reader, at=at)
    for item in items:
        if item.contact_id in gone:
            item.contact_id, item.message.text = None, "{}"


def has_delete(items: Iterable[Item]) -> bool:
    """Whether a contact is to be deleted by any of these."""
    return any(_is_delete(item) for item in items)


def _is_delete(item: Item) -> bool:
    return item.message.type == Type.DELETE and item.message.problem is None


def _has_id(message: Message) -> bool:
    """Whether it has a messageId that can be kept."""
    return message.problem is None or message.problem.path != "messageId"


def _runs(items: Sequence[Item]) -> Iterator[tuple[bool, list[Item]]]:
    """The messages in groups of those that follow each other: deletes, and all others."""
    group: list[Item] = []
    for item in items:
        if group and _is_delete(group[0]) != _is_delete(item):
            yield _is_delete(group[0]), group
            group = []
        group.append(item)
    if group:
        yield _is_delete(group[0]), group


def _use(source: Source, items: Sequence[Item], reader: TraitReader, *, at: datetime) -> None:
    usable = []
    for item in items:
        if item.message.problem is not None:
            item.refuse([item.message.problem])
        else:
            usable.append(item)
    profiles = {
        id(item): reader.read(item.message.traits, item.message.context)
        for item in usable
        if item.message.type == Type.IDENTIFY
    }
    _find_contacts(source, usable, profiles, at=at)
    known = [item for item in usable if item.contact_id is not None]
    told = [(item, profiles[id(item)]) for item in known if id(item) in profiles]
    changed = _write_profiles(told, at=at)
    _record(known, at=at)
    for item in known:
        item.mark(item.message.remarks)
    for item, _profile in told:
        if item.outcome == Outcome.ACCEPTED and item.contact_id in changed:
            item.reason = _("The profile changed.")


def _find_contacts(
    source: Source, items: Sequence[Item], profiles: dict[int, Profile], *, at: datetime
) -> None:
    """Give each item its contact, or refuse it; names that were left out become remarks."""
    asked = [item for item in items if item.contact_id is None]
    named: list[dict[Name, str]] = []
    for item in asked:
        found = dict(names_of(item.message))
        if (profile := profiles.get(id(item))) is not None:
            for namespace in (EMAIL, PHONE):
                if value := profile.fields.get(namespace):
                    found.setdefault(Name(namespace, value), f"traits.{namespace}")
        named.append(found)
    claims = [
        Claim(
            tuple(found),
            f"{item.message.type}, message {item.message.message_id}",
            previous=item.message.previous_id if item.message.type == Type.ALIAS else "",
        )
        for item, found in zip(asked, named, strict=True)
    ]
    resolutions = resolve(claims, at=at, cause=f"source:{source.key}")
    for item, found, resolution in zip(asked, named, resolutions, strict=True):
        item.contact_id = resolution.contact_id
        left_out = [_left_out(item.message, one, found) for one in resolution.left_out]
        if item.contact_id is None:
            text = _("None of its names can be used: nobody knows whose it is.")
            item.refuse(left_out, code="no_usable_id", reason=_and(text, left_out))
            continue
        item.message.remarks += left_out
        if (profile := profiles.get(id(item))) is not None:
            for one in resolution.left_out:
                # The column says no more than the identities.
                profile.fields.pop(one.name.namespace, None)


def _left_out(message: Message, left_out: LeftOut, paths: dict[Name, str]) -> Remark:
    name = left_out.name
    path = paths.get(name, "")
    if not path and name.value == message.previous_id:
        path = "previousId"
    for given, at in paths.items():
        path = path or (at if given.namespace == name.namespace else "")
    is_lost = message.type in {Type.IDENTIFY, Type.ALIAS}
    return Remark(path, f"identity_{left_out.code}", left_out.message, name.value, is_lost)


def _write_profiles(told: Sequence[tuple[Item, Profile]], *, at: datetime) -> set[int]:
    """One write for each contact: of what several messages say the last counts. Who changed."""
    merged: dict[int, Profile] = {}
    for item, profile in told:
        assert item.contact_id is not None
        item.message.remarks += profile.remarks
        one = merged.setdefault(item.contact_id, Profile())
        one.fields |= profile.fields
        one.attributes |= profile.attributes
        one.if_missing |= profile.if_missing
    return write_told(
        [
            Told(contact_id, one.fields, one.attributes, one.if_missing)
            for contact_id, one in merged.items()
        ],
        at=at,
    )


def _record(items: Sequence[Item], *, at: datetime) -> None:
    telling = [item for item in items if item.message.event]
    recorded = record_events(
        [
            IncomingEvent(
                contact_id=item.contact_id or 0,
                name=item.message.event,
                occurred_at=item.message.occurred_at,
                properties=item.message.properties,
                message_id=item.message.message_id,
                received_at=item.received_at,
            )
            for item in telling
        ],
        received_at=at,
    )
    for rejected in recorded.rejected:
        item = telling[rejected.index]
        properties = item.message.properties
        faults = [
            Remark(f"properties.{one.path}", one.code, one.message, _at(properties, one.path))
            for one in rejected.problems
        ] or [Remark("properties", rejected.code, rejected.message)]
        item.refuse(faults, code=rejected.code, reason=rejected.message)
    for marked in recorded.marked:
        # Nothing is lost: the event was recorded as it is.
        telling[marked.index].message.remarks += [
            Remark(f"properties.{one.path}", one.code, one.message, is_lost=False)
            for one in marked.problems
        ]


def _delete(source: Source, item: Item, *, at: datetime) -> set[int]:
    """Forget the contact; nothing is to be done where there is none."""
    contact_id = identities.find_contact_id(USER_ID, item.message.user_id)
    if contact_id is None:
        item.reason = _("There is no such contact: nothing was to be deleted.")
        return set()
    actor = Actor(AuditEntry.ActorKind.SYSTEM, None, f"{source.name}", is_admin=True)
    erase_contact(contact_id, actor=actor, at=at)
    item.reason = _("The contact was erased.")
    return {contact_id}


def _at(properties: Any, path: str) -> Any:
    """What lies at a way through objects; None where nothing does."""
    for step in path.split("."):
        properties = properties.get(step) if isinstance(properties, Mapping) else None
    return properties


def _and(text: str, remarks: Iterable[Remark]) -> str:
    return " ".join([text, *(one.message for one in remarks)])


def _sentence(remark: Remark) -> str:
    return f"{remark.path}: {remark.message}" if remark.path else remark.message
