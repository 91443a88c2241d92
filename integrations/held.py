"""Events that could not be used: replayed, corrected or not, or dismissed by somebody.

A replay goes the way that every message goes, but for its `messageId`, which counted already. Of an
event that was used but for some traits only these are told again: what was said since then stays.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.errors import ContactUnknown
from contacts.profiles import get_contact
from integrations import event_log
from integrations.digestion import passes, process_singly
from integrations.errors import HeldEventUnknown, NothingToReplay, ReplayInvalid
from integrations.messages import Envelope, Type, read, unpack
from integrations.models import HeldEvent, Outcome, Source
from integrations.processing import Item, process
from integrations.traits import told_again
from workspace import audit
from workspace.access import Actor, require
from workspace.errors import Problem
from workspace.exactjson import exact_loads
from workspace.models import AuditEntry

PERMISSION = "integrations.replay_heldevent"
# What a person may correct of a message, as it is called in it.
CORRECTIONS = frozenset(
    {
        *("type", "event", "name", "userId", "anonymousId", "previousId", "groupId"),
        *("properties", "traits", "timestamp"),
    }
)
_WHOLE_REQUESTS = frozenset({"batch", "import", "webhook"})
_WITH_EVENT = frozenset({Type.TRACK, Type.PAGE, Type.SCREEN, Type.GROUP})


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a held event; one that is not resolved stays open, with the new reason."""

    held_id: int
    outcome: str
    code: str
    reason: str
    is_resolved: bool


def replay(
    held_ids: Collection[int],
    *,
    actor: Actor,
    at: datetime,
    changes: Mapping[str, Any] | None = None,
) -> list[Replayed]:
    """Use these again, in their order, those that are open; what became of each.

    `changes` correct the message of a single one: keys of `CORRECTIONS`, of which null takes the
    part away, and `contact_id`, whose event it is. It keeps its message id, time and time of
    receipt. All of a source's are one transaction. Raises NotAllowed, HeldEventUnknown,
    ReplayInvalid and, for a single one of which everything was used, NothingToReplay.
    """
    require(actor, PERMISSION)
    corrections, contact_id = _corrections(held_ids, changes)
    rows = _known(held_ids)
    replayed: list[Replayed] = []
    for source_id, group in groupby(rows, key=lambda row: row.source_id):
        ids = [row.pk for row in group]
        told = _replay(source_id, ids, corrections, contact_id, actor=actor, at=at)
        if not told and len(rows) == 1 and rows[0].state == HeldEvent.State.OPEN:
            message = _("All of it was used that can be: dismiss it.")
            raise NothingToReplay(message)
        replayed += told
    return replayed


@transaction.atomic
def dismiss(held_ids: Collection[int], *, actor: Actor, at: datetime) -> int:
    """Deal with these by leaving them unused; how many were open.

    They are kept for some time all the same. Raises NotAllowed, HeldEventUnknown.
    """
    require(actor, PERMISSION)
    rows = _locked([row.pk for row in _known(held_ids)])
    _resolve(rows, HeldEvent.State.DISMISSED, actor=actor, at=at)
    _tell("dismissed", rows, actor=actor, at=at)
    return len(rows)


def _corrections(
    held_ids: Collection[int], changes: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any], int | None]:
    if not changes:
        return {}, None
    if len(held_ids) != 1:
        raise ReplayInvalid(_("Corrections are for a single event."))
    problems = [
        Problem(name[:60], "unknown_field", _("This cannot be corrected in a message."))
        for name in sorted(changes.keys() - CORRECTIONS - {"contact_id"})
    ]
    contact_id = changes.get("contact_id")
    if contact_id is not None:
        try:
            get_contact(contact_id)
        except ContactUnknown as error:
            problems.append(Problem("contact_id", error.code, str(error)))
    if problems:
        raise ReplayInvalid(problems[0].message, problems=problems)
    return {name: changes[name] for name in changes if name != "contact_id"}, contact_id


def _known(held_ids: Collection[int]) -> list[HeldEvent]:
    rows = list(HeldEvent.objects.filter(pk__in=held_ids).order_by("source_id", "pk"))
    missing = set(held_ids) - {row.pk for row in rows}
    if missing:
        message = _("There is no held event %(id)s.") % {"id": min(missing)}
        raise HeldEventUnknown(message)
    return rows


def _locked(ids: Collection[int]) -> list[HeldEvent]:
    """Those that are open, held until the transaction ends."""
    rows = HeldEvent.objects.select_for_update().filter(pk__in=ids, state=HeldEvent.State.OPEN)
    return list(rows.order_by("pk"))


def _replay(
    source_id: int,
    ids: Sequence[int],
    corrections: Mapping[str, Any],
    contact_id: int | None,
    *,
    actor: Actor,
    at: datetime,
) -> list[Replayed]:
    try:
        return _attempt(source_id, ids, corrections, contact_id, actor=actor, at=at)
    except (ReplayInvalid, NothingToReplay):
        raise
    except Exception as error:
        if passes(error):
            raise
        # One of them is at fault, and the others shall be used.
        return _attempt(source_id, ids, corrections, contact_id, actor=actor, at=at, singly=True)


@transaction.atomic
def _attempt(
    source_id: int,
    ids: Sequence[int],
    corrections: Mapping[str, Any],
    contact_id: int | None,
    *,
    actor: Actor,
    at: datetime,
    singly: bool = False,
) -> list[Replayed]:
    source = Source.objects.get(pk=source_id)
    items: dict[int, list[Item]] = {}
    rows = []
    for row in _locked(ids):
        if found := _items(row, corrections, contact_id):
            items[row.pk] = found
            rows.append(row)
    every = [item for row in rows for item in items[row.pk]]
    (process_singly if singly else process)(source, every, at=at)
    replayed = [_settle(row, items[row.pk]) for row in rows]
    resolved = {one.held_id for one in replayed if one.is_resolved}
    _resolve(
        [row for row in rows if row.pk in resolved], HeldEvent.State.REPLAYED, actor=actor, at=at
    )
    for row in rows:
        if row.pk not in resolved:
            row.save()
        elif row.type in _WHOLE_REQUESTS:
            event_log.hold(source, [item for item in items[row.pk] if item.is_held])
    for item in every:
        # In the log it stands where it was replayed.
        item.received_at = at
    event_log.note(source, every)
    _tell("replayed", rows, corrections, actor=actor, at=at)
    return replayed


def _items(row: HeldEvent, corrections: Mapping[str, Any], contact_id: int | None) -> list[Item]:
    """The messages to use again; none where there is nothing to be used in it."""
    document = exact_loads(row.body) if _is_json(row.body) else row.body
    if row.type in _WHOLE_REQUESTS:
        receipt = row.message_id.removeprefix("receipt-")
        messages = unpack(row.type, document, receipt=receipt, received_at=row.received_at)
        return [Item(message, row.received_at) for message in messages]
    if not isinstance(document, Mapping):
        # Nothing in it can be corrected by its name.
        envelope = Envelope(row.message_id, row.received_at)
        return [Item(read(document, envelope), row.received_at)]
    raw = {**document, **corrections, "messageId": row.message_id}
    raw = {key: value for key, value in raw.items() if value is not None}
    if row.outcome == Outcome.MARKED and not _reduce(raw, document, row):
        return []
    if contact_id is None and raw.get("userId") == f"contact {row.contact_id}":
        # It came with the contact itself, and with no name of it.
        contact_id = row.contact_id
    has_new_time = "timestamp" in corrections
    envelope = Envelope(
        receipt=row.message_id,
        received_at=row.received_at,
        sent_at=None if has_new_time else row.sent_at,
        corrects_clock=row.sent_at is not None and not has_new_time,
    )
    if contact_id is not None:
        if raw.get("type") not in _WITH_EVENT:
            text = _("Only events can be given to another contact: correct the userId instead.")
            problem = Problem("contact_id", "not_applicable", text)
            raise ReplayInvalid(text, problems=[problem])
        # Whatever it was: whose it is does not depend on it any more.
        raw["userId"] = f"contact {contact_id}"
    return [Item(read(raw, envelope), row.received_at, contact_id)]


def _reduce(raw: dict[str, Any], original: Mapping[str, Any], row: HeldEvent) -> bool:
    """Leave of a message that was used only what was not; whether there is anything."""
    if raw.get("type") == Type.ALIAS:
        return True
    if raw.get("type") != Type.IDENTIFY:
        return False
    paths = [str(one["path"]) for one in row.problems]
    lost = [path.removeprefix("traits.") for path in paths if path.startswith("traits.")]
    of_device = _traits(raw.get("context"))
    now = {**of_device, **_traits(raw)}
    raw["traits"] = told_again({**of_device, **_traits(original)}, now, lost)
    raw.pop("context", None)
    # A name that was left out counts, too.
    return bool(raw["traits"]) or len(lost) < len(paths)


def _traits(holder: Any) -> Mapping[str, Any]:
    traits = holder.get("traits") if isinstance(holder, Mapping) else None
    return traits if isinstance(traits, Mapping) else {}


def _settle(row: HeldEvent, items: Sequence[Item]) -> Replayed:
    """What became of a row, which is not saved yet."""
    if row.type in _WHOLE_REQUESTS:
        refused = sum(item.is_held for item in items)
        message = ngettext(
            "%(count)d message of it is held.", "%(count)d messages of it are held.", refused
        )
        reason = message % {"count": refused} if refused else ""
        return Replayed(row.pk, Outcome.ACCEPTED, "", reason, True)
    (item,) = items
    if item.is_held:
        if item.outcome == Outcome.MARKED != row.outcome:
            # It is used now: from here on it counts as it was corrected.
            row.body = item.message.text
        for name, value in event_log.found(item).items():
            setattr(row, name, value)
    else:
        row.contact_id = item.contact_id
    return Replayed(row.pk, item.outcome, item.code, item.reason, not item.is_held)


def _is_json(body: str) -> bool:
    try:
        exact_loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _resolve(
    rows: Sequence[HeldEvent], state: HeldEvent.State, *, actor: Actor, at: datetime
) -> None:
    for row in rows:
        row.state, row.resolved_at = state, at
        row.resolved_by_id = actor.id if actor.kind == AuditEntry.ActorKind.USER else None
    HeldEvent.objects.bulk_update(rows, ["state", "resolved_at", "resolved_by", "contact_id"])


def _tell(
    what: str,
    rows: Sequence[HeldEvent],
    corrections: Mapping[str, Any] | None = None,
    *,
    actor: Actor,
    at: datetime,
) -> None:
    """Write into the trail, without what is personal: which, how many, what was corrected."""
    if not rows:
        return
    count = len(rows)
    label = ngettext("%(count)d held event", "%(count)d held events", count) % {"count": count}
    audit.record(
        actor=actor,
        action=f"held_event.{what}",
        object_type=HeldEvent._meta.label_lower,
        object_id=str(rows[0].pk) if count == 1 else "",
        label=f"{rows[0].type}: {rows[0].code}" if count == 1 else label,
        changes={
            **({} if count == 1 else {"ids": [None, [row.pk for row in rows]]}),
            **({"corrected": [None, sorted(corrections)]} if corrections else {}),
        },
        at=at,
    )
