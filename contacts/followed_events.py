"""New events handed to those who follow them: each one once, in the transaction that acts on it.

A follower on a floor above says which kinds of events it wants; the statement that stores events
notes them for it (`contacts.event_notes`), whichever way they came. A round for each follower takes
the notes, oldest first, and calls it in the same transaction: what it writes and that the events
were taken is committed together, or neither is. Events from before it said what it wants are not
told of, nor those that went before they were taken. What two contacts did who became one is told
of as the survivor's.

An event by which a follower stumbles is found by halving and set aside with the reason, so that it
keeps nobody waiting; `doctor` counts those, and the command retry_followed_events brings them back.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts import event_notes
from contacts.event_definitions import define_events
from contacts.event_notes import CHANNEL, Note
from contacts.events import share_recording
from workspace import locks, rounds, sql
from workspace.checkup import Finding
from workspace.exactjson import exact_loads

logger = logging.getLogger(__name__)

PORTION = 2000
EVERY = timedelta(minutes=1)
_PLACE = 25
_REASON_LIMIT = 500
# States of PostgreSQL that pass: connection, conflicts, resources, the server going down.
_PASSING = ("08", "40", "53", "55", "57", "58")

_WAITING = """
SELECT id, contact_id FROM contacts_eventnote WHERE watcher = %s ORDER BY id LIMIT %s
"""
# Whoever merges locks the contacts before their notes, and so do we. A note that went over to a
# survivor meanwhile is not found here, and is taken the next time.
_HOLD = "SELECT FROM contacts_contact WHERE id = ANY(%s::bigint[]) ORDER BY id FOR KEY SHARE"
_TAKE = """
DELETE FROM contacts_eventnote n USING unnest(%s::bigint[], %s::bigint[]) AS seen (id, contact_id)
WHERE n.watcher = %s AND n.id BETWEEN %s AND %s
  AND n.id = seen.id AND n.contact_id = seen.contact_id
RETURNING n.id, n.contact_id, n.definition_id, n.message_id, n.occurred_at
"""
# By OFFSET each note is looked up by itself, in the one month that it is of.
_READ = """
SELECT note.contact_id, d.name, note.occurred_at, note.message_id, e.properties, note.definition_id
FROM unnest(%s::bigint[], %s::integer[], %s::text[], %s::timestamptz[]) WITH ORDINALITY
  AS note (contact_id, definition_id, message_id, occurred_at, place)
JOIN contacts_eventdefinition d ON d.id = note.definition_id
CROSS JOIN LATERAL (
  SELECT e.properties::text AS properties FROM contacts_event e
  WHERE e.contact_id = note.contact_id AND e.message_id = note.message_id
    AND e.occurred_at = note.occurred_at OFFSET 0) e
ORDER BY note.place
"""
_SET_ASIDE = """
INSERT INTO contacts_eventsetaside
  (contact_id, watcher, definition_id, message_id, occurred_at, reason, at)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_BRING_BACK = """
WITH back AS (
  DELETE FROM contacts_eventsetaside WHERE watcher = ANY(%s::text[])
  RETURNING id, contact_id, watcher, definition_id, message_id, occurred_at)
INSERT INTO contacts_eventnote (contact_id, watcher, definition_id, message_id, occurred_at)
SELECT contact_id, watcher, definition_id, message_id, occurred_at FROM back ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class FollowedEvent:
    """An event that was stored since its follower wanted events of its kind."""

    contact_id: int
    name: str
    occurred_at: datetime
    message_id: str
    properties: Mapping[str, Any]
    definition_id: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """An event that its follower could not use, and why."""

    follower: str
    contact_id: int
    name: str
    occurred_at: datetime
    message_id: str
    reason: str
    at: datetime


Follow = Callable[[Sequence[FollowedEvent], datetime], None]

_followers: dict[str, Follow] = {}


def register_follower(name: str, follow: Follow) -> None:
    """Have `follow` called with the events that `watch` named. May be called again.

    It runs in the transaction that takes the events, which holds their contacts: none of them is
    merged or erased until it ends. The instant is that of the round.
    """
    _followers[name] = follow
    run = partial(follow_events, name)
    rounds.register_round(f"follower:{name}", run, channel=CHANNEL, every=EVERY, place=_PLACE)


def registered_followers() -> list[str]:
    """The names of all followers, in alphabetical order."""
    return sorted(_followers)


def watch(name: str, event_names: Collection[str]) -> None:
    """Say which events the follower wants from now on, and that it wants no others.

    Belongs in the transaction that changes what the follower goes by. What was noted before is
    still handed over.
    """
    known = define_events(set(event_names))
    event_notes.watch(name, {one.id for one in known.values()})


def follow_events(name: str, at: datetime) -> bool:
    """Hand the follower the next portion of its events; true where there may be more.

    One run at a time for each follower: a second one leaves at once. Raises what will pass by
    itself, such as a database that is not there: then all stays as it was.
    """
    waiting = sql.lists(_WAITING, [name, PORTION])
    if not waiting:
        return False
    return _hand_over(name, waiting, at)


def set_aside_events(limit: int = 100) -> list[SetAside]:
    """The events that followers could not use, the newest first."""
    statement = (
        "SELECT s.watcher, s.contact_id, d.name, s.occurred_at, s.message_id, s.reason, s.at"
        " FROM contacts_eventsetaside s JOIN contacts_eventdefinition d ON d.id = s.definition_id"
        " ORDER BY s.id DESC LIMIT %s"
    )
    return [SetAside(*row) for row in sql.lists(statement, [limit])]


@transaction.atomic
def bring_back(names: Collection[str]) -> int:
    """Queue again what these followers could not use; returns how many events."""
    count = sql.execute(_BRING_BACK, [sorted(names)])
    rounds.wake(CHANNEL)
    return count


def forget_contacts(contact_ids: Sequence[int]) -> int:
    """Delete what was set aside of these contacts, who are erased."""
    statement = "DELETE FROM contacts_eventsetaside WHERE contact_id = ANY(%s::bigint[])"
    return sql.execute(statement, [list(contact_ids)])


def examine_followers() -> Finding:
    """Whether every event could be used by those who follow it."""
    found = sql.lists(
        "SELECT watcher, count(*) FROM contacts_eventsetaside GROUP BY watcher ORDER BY watcher"
    )
    if not found:
        return Finding("followers", True, _("Those who follow events could use them all."))
    count = sum(number for _watcher, number in found)
    message = ngettext(
        "%(count)d event could not be used by its follower (%(names)s): see what"
        " manage.py retry_followed_events --list says of it.",
        "%(count)d events could not be used by their followers (%(names)s): see what"
        " manage.py retry_followed_events --list says of them.",
        count,
    )
    names = ", ".join(watcher for watcher, _number in found)
    return Finding("followers", False, message % {"count": count, "names": names})


def _hand_over(name: str, waiting: Sequence[tuple[int, int]], at: datetime) -> bool:
    """Hand over these notes in one transaction or, where that fails, in halves."""
    try:
        with transaction.atomic():
            if not locks.try_lock(f"contacts follower {name}"):
                return False
            notes = _take(name, waiting)
            events = _read(notes)
            if events:
                _followers[name](events, at)
        return True
    except Exception as error:
        if _passes(error):
            raise
        if len(waiting) == 1:
            logger.exception("The follower “%s” could not use an event.", name)
            return _put_aside(name, waiting, error, at)
    half = len(waiting) // 2
    return _hand_over(name, waiting[:half], at) and _hand_over(name, waiting[half:], at)


def _take(name: str, waiting: Sequence[tuple[int, int]]) -> list[Note]:
    # First of all, as everyone who records: nobody is erased meanwhile.
    share_recording()
    ids, contact_ids = (list(column) for column in zip(*waiting, strict=True))
    sql.execute(_HOLD, [sorted(set(contact_ids))])
    found = sql.lists(_TAKE, [ids, contact_ids, name, ids[0], ids[-1]])
    return [Note(*row[1:]) for row in sorted(found, key=lambda row: row[0])]


def _read(notes: Sequence[Note]) -> list[FollowedEvent]:
    """The events of these notes, without those that are no more."""
    columns = [
        [note.contact_id for note in notes],
        [note.definition_id for note in notes],
        [note.message_id for note in notes],
        [note.occurred_at for note in notes],
    ]
    return [
        FollowedEvent(contact_id, name, occurred_at, message_id, exact_loads(text), definition_id)
        for contact_id, name, occurred_at, message_id, text, definition_id in (
            sql.lists(_READ, columns) if notes else ()
        )
    ]


def _put_aside(
    name: str, waiting: Sequence[tuple[int, int]], error: Exception, at: datetime
) -> bool:
    reason = f"{type(error).__name__}: {error}".replace("\0", "")[:_REASON_LIMIT]
    with transaction.atomic():
        if not locks.try_lock(f"contacts follower {name}"):
            return False
        for note in _take(name, waiting):  # One at most.
            values = [note.definition_id, note.message_id, note.occurred_at]
            sql.execute(_SET_ASIDE, [note.contact_id, name, *values, reason, at])
    return True


def _passes(error: BaseException) -> bool:
    """Whether an error says nothing of the events, and will pass by itself."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.__cause__, "sqlstate", None) or ""
    return not state or state.startswith(_PASSING)
