"""What contacts did: recorded once, and counted.

Every way to write events goes through `store_events`, which keeps `EventStatistic` and `LastSeen`
true and notes who was touched (contacts.touches) and whose metrics may have changed
(contacts.metric_marks) in the same statement. Whoever deletes events
calls `pause_recording` first.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from secrets import randbits
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _

from contacts import event_notes, event_schemas, touches, urls
from contacts.event_definitions import NAME_LIMIT, Known, define_events, learn_schemas
from contacts.event_properties import PropertiesInvalid, described, properties_text
from contacts.event_schemas import Enforcement, Tally
from contacts.models import Event
from contacts.survivors import survivors_of
from workspace import partitions, sql
from workspace.errors import Problem

TABLE = "contacts_event"
MESSAGE_ID_LIMIT = 100
# How the database refers to events that are on their way, see `store_events`.
COLUMNS = (
    *("contact_id", "definition_id", "occurred_at", "received_at"),
    *("message_id", "url_id", "properties"),
)
_TYPES = ("bigint", "integer", "timestamptz", "timestamptz", "text", "integer", "text")
# Above this COPY into a temporary table is cheaper than a long statement.
_STATEMENT_LIMIT = 500
_LOCK = "contacts recording"


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """An event as a source tells it; without a message id it counts each time it is told.

    `received_at` is given where it was received at another time than the rest of its batch.
    """

    contact_id: int
    name: str
    occurred_at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)
    message_id: str | None = None
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that was not recorded: its place in the batch, and why.

    `problems` are the faults of its properties, where it breaks its schema (`schema_breach`).
    """

    index: int
    code: str
    message: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Marked:
    """An event that was recorded although it breaks its schema: its place, and what is wrong."""

    index: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch: accepted, duplicates and rejected add up to its length.

    Those `marked` are among the accepted and the duplicates.
    """

    accepted: int
    duplicates: int
    rejected: list[Rejected]
    marked: list[Marked] = field(default_factory=list)


@dataclass(slots=True)
class _Checked:
    index: int
    event: IncomingEvent
    occurred_at: datetime
    message_id: str
    properties_text: str


def record_events(
    events: Iterable[IncomingEvent], *, received_at: datetime, source_id: int | None = None
) -> Recorded:
    """Record events, each once, and count them; what cannot be used is rejected by itself.

    So is, with the code `schema_breach`, what breaks a schema that refuses; see
    `contacts.event_schemas`.

    The same contact, message id and time is the same event; what a merged contact did is its
    survivor's. With a `source_id` one message id counts once per source, whatever the contact and
    the time. All of the batch is written or, where an exception leaves, nothing. May be called
    from many processes at once.
    """
    rejected: list[Rejected] = []
    marked: list[Marked] = []
    total, checked = _check(events, received_at, rejected)
    accepted = 0
    while checked:
        with suppress(_Overtaken), transaction.atomic():
            share_recording()
            checked = _of_known_contacts(checked, rejected)
            if checked:
                known = define_events({one.event.name for one in checked})
                tallies = _enforce(known, checked, rejected, marked)
                broken = {one.index for one in rejected} if tallies else frozenset[int]()
                checked = [one for one in checked if one.index not in broken]
                if checked:
                    accepted = _record(known, checked, received_at, source_id)
                event_schemas.count_breaches(tallies, at=received_at)
            break
    rejected.sort(key=lambda one: one.index)
    return Recorded(accepted, total - accepted - len(rejected), rejected, marked)


def pause_recording() -> None:
    """Wait for the recordings that run, and keep others waiting until the transaction ends.

    For erasure and retention: first of all in their transaction.
    """
    sql.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_LOCK])


def share_recording() -> None:
    """Let nobody erase contacts or delete events until the transaction ends."""
    sql.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [_LOCK])


def store_events(source: str, params: Sequence[Any] = (), *, are_noted: bool = True) -> int:
    """Store the rows of `source`, a FROM item with the columns COLUMNS; returns how many are new.

    Those who wait for them (contacts.event_notes) hear of it, unless the events only moved.

    The statistics and the times last seen follow in the same statement, which takes all its locks
    in the order of their keys. Whoever calls has called `share_recording`, has checked the
    contacts and made the partitions.
    """
    statement = _STORE if are_noted else _STORE.replace(_NOTED, f"{_NOTED} WHERE false")
    return int(sql.one(statement.replace("{source}", source), params))


def last_event(definition_id: int) -> Event | None:
    """The newest event of a kind; None before the first one."""
    at = sql.one(
        "SELECT last_at FROM contacts_eventstatistic WHERE definition_id = %s"
        " ORDER BY last_at DESC LIMIT 1",
        [definition_id],
    )
    # With its exact time a single partition is read.
    events = Event.objects.filter(definition_id=definition_id, occurred_at=at)
    return events.order_by("message_id").first() if at else None


def make_message_id(at: datetime) -> str:
    """A new message id that begins with the time: UUID version 7 (RFC 9562)."""
    milliseconds = int(at.timestamp() * 1000) & (2**48 - 1)
    value = milliseconds << 80 | 7 << 76 | randbits(12) << 64 | 2 << 62 | randbits(62)
    return str(UUID(int=value))


def _check(
    events: Iterable[IncomingEvent], received_at: datetime, rejected: list[Rejected]
) -> tuple[int, list[_Checked]]:
    index, checked = -1, []
    for index, event in enumerate(events):
        try:
            checked.append(_checked(index, event, received_at))
        except PropertiesInvalid as error:
            rejected.append(Rejected(index, error.code, str(error)))
        except _Unusable as error:
            rejected.append(Rejected(index, error.code, error.message))
    return index + 1, checked


class _Unusable(Exception):
    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message


def _checked(index: int, event: IncomingEvent, received_at: datetime) -> _Checked:
    name, message_id = event.name, event.message_id or make_message_id(received_at)
    if not name.strip():
        raise _Unusable("name_missing", _("The event has no name."))
    if len(name) > NAME_LIMIT:
        words = {"limit": NAME_LIMIT}
        message = _("The name of the event has more than %(limit)d characters.") % words
        raise _Unusable("name_too_long", message)
    if len(message_id) > MESSAGE_ID_LIMIT:
        words = {"limit": MESSAGE_ID_LIMIT}
        message = _("The message id has more than %(limit)d characters.") % words
        raise _Unusable("message_id_too_long", message)
    for text in (name, message_id):
        if "\0" in text:
            message = _("The name or message id contains a NUL character.")
            raise _Unusable("nul_character", message)
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            message = _("The name or message id contains half a character (a lone surrogate).")
            raise _Unusable("invalid_text", message)
    if event.occurred_at.utcoffset() is None:
        raise _Unusable("invalid_time", _("The time of the event has no offset from UTC."))
    try:
        occurred_at = event.occurred_at.astimezone(UTC)
    except OverflowError:
        message = _("The time of the event lies outside the calendar.")
        raise _Unusable("invalid_time", message) from None
    return _Checked(index, event, occurred_at, message_id, properties_text(event.properties))


def _of_known_contacts(checked: list[_Checked], rejected: list[Rejected]) -> list[_Checked]:
    is_erased = _held({one.event.contact_id for one in checked})
    erased = [contact_id for contact_id, is_gone in is_erased.items() if is_gone]
    if erased and (survivors := survivors_of(erased)):
        for one in checked:
            if (survivor_id := survivors.get(one.event.contact_id)) is not None:
                one.event = replace(one.event, contact_id=survivor_id)
        raise _Overtaken
    for one in checked:
        match is_erased.get(one.event.contact_id):
            case None:
                message = _("There is no such contact.")
                rejected.append(Rejected(one.index, "unknown_contact", message))
            case True:
                message = _("The contact has been erased.")
                rejected.append(Rejected(one.index, "contact_erased", message))
    return [one for one in checked if is_erased.get(one.event.contact_id) is False]


class _Overtaken(Exception):
    """Some were merged, and stand for others now: all are let go, to be held in their order."""


def _held(contact_ids: set[int]) -> dict[int, bool]:
    """Whether these contacts were erased, by id; until the transaction ends none is merged."""
    rows = sql.lists(
        "SELECT id, erased_at IS NOT NULL FROM contacts_contact WHERE id = ANY(%s::bigint[])"
        " ORDER BY id FOR KEY SHARE",
        [sorted(contact_ids)],
    )
    return dict(rows)


def _enforce(
    known: Mapping[str, Known],
    checked: Iterable[_Checked],
    rejected: list[Rejected],
    marked: list[Marked],
) -> dict[int, Tally]:
    """Note which events break the schema of their kind, and how many of each kind do."""
    enforced = {one.id for one in known.values() if one.enforcement != Enforcement.ACCEPT}
    schemas = event_schemas.load_schemas(enforced)
    tallies: dict[int, Tally] = {}
    for one in checked if schemas else ():
        definition_id = known[one.event.name].id
        schema = schemas.get(definition_id)
        problems = schema.problems(one.event.properties) if schema else []
        if schema is None or not problems:
            continue
        tally = tallies.setdefault(definition_id, Tally())
        tally.last = problems
        if schema.refuses:
            tally.refused += 1
            message = event_schemas.sentence(problems)
            broken = Rejected(one.index, event_schemas.BREACH, message, tuple(problems))
            rejected.append(broken)
        else:
            tally.marked += 1
            marked.append(Marked(one.index, tuple(problems)))
    return tallies


def _record(
    known: Mapping[str, Known],
    checked: list[_Checked],
    received_at: datetime,
    source_id: int | None,
) -> int:
    # Always in this order, and each step in the order of its keys, or two batches could wait for
    # each other: definitions, addresses, partitions, message ids, events, statistics, breaches.
    _learn(known, checked)
    url_ids = urls.list_urls(
        {
            url
            for one in checked
            if (url := one.event.properties.get("url")) is not None and urls.listable(url)
        }
    )
    partitions.ensure_months(TABLE, {one.occurred_at for one in checked})
    if source_id is not None:
        checked = _unseen(checked, received_at, source_id)
    rows = [
        (
            one.event.contact_id,
            known[one.event.name].id,
            one.occurred_at,
            one.event.received_at or received_at,
            one.message_id,
            _url_id(one.event.properties, url_ids),
            one.properties_text,
        )
        for one in checked
    ]
    if not rows:
        return 0
    if len(rows) > _STATEMENT_LIMIT:
        return _store_many(rows)
    arrays = ", ".join(f"%s::{kind}[]" for kind in _TYPES)
    source = f"unnest({arrays}) AS incoming ({', '.join(COLUMNS)})"
    return store_events(source, [list(column) for column in zip(*rows, strict=True)])


def _store_many(rows: Iterable[Sequence[Any]]) -> int:
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS, _TYPES, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE events_incoming ({columns}) ON COMMIT DROP")
        with cursor.copy("COPY events_incoming FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    stored = store_events("events_incoming AS incoming")
    # Here and not at the end of the transaction, which may record more than once.
    sql.execute("DROP TABLE events_incoming")
    return stored


def _unseen(checked: list[_Checked], received_at: datetime, source_id: int) -> list[_Checked]:
    """Without the messages that the source sent before, in this batch or lately."""
    first: dict[str, _Checked] = {}
    for one in checked:
        first.setdefault(one.message_id, one)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts_seenmessage (source_id, message_id, seen_at)"
            " SELECT %s, message_id, %s FROM unnest(%s::text[]) AS message_id"
            " ON CONFLICT (source_id, message_id) DO NOTHING RETURNING message_id",
            [source_id, received_at, sorted(first)],
        )
        return [first[row[0]] for row in cursor.fetchall()]


def _learn(known: Mapping[str, Known], checked: Iterable[_Checked]) -> None:
    seen: dict[str, dict[str, set[str]]] = {}
    for one in checked:
        types = seen.setdefault(one.event.name, {})
        for name, kind in described(one.event.properties):
            types.setdefault(name, set()).add(kind)
    learn_schemas(known, seen)


def _url_id(properties: Mapping[str, Any], url_ids: Mapping[str, int]) -> int | None:
    if urls.is_missing(properties):
        return urls.WITHOUT
    url = properties["url"]
    return url_ids.get(url) if isinstance(url, str) else None


_NOTED = "FROM contacts_eventwatch JOIN added USING (definition_id)"
_STORE = f"""
WITH added AS (
  INSERT INTO contacts_event ({", ".join(COLUMNS)})
  SELECT contact_id, definition_id, occurred_at, received_at, message_id, url_id, properties::jsonb
  FROM {{source}} ORDER BY contact_id, message_id COLLATE "C", occurred_at
  ON CONFLICT (contact_id, message_id, occurred_at) DO NOTHING
  RETURNING contact_id, definition_id, occurred_at, received_at, message_id
), counted AS (
  INSERT INTO contacts_eventstatistic AS known
    (contact_id, definition_id, event_count, first_at, last_at)
  SELECT contact_id, definition_id, count(*), min(occurred_at), max(occurred_at) FROM added
  GROUP BY contact_id, definition_id ORDER BY contact_id, definition_id
  ON CONFLICT (contact_id, definition_id) DO UPDATE SET
    event_count = known.event_count + excluded.event_count,
    first_at = least(known.first_at, excluded.first_at),
    last_at = greatest(known.last_at, excluded.last_at)
), seen AS (
  INSERT INTO contacts_lastseen AS known (contact_id, last_seen_at)
  -- Nobody was seen later than we heard of it, whatever a clock said.
  SELECT contact_id, max(least(occurred_at, received_at)) FROM added GROUP BY contact_id
  -- Nothing of old events: the conflict alone would lock, and so write, each row it finds.
  HAVING NOT EXISTS (SELECT FROM contacts_lastseen later
    WHERE later.contact_id = added.contact_id
      AND later.last_seen_at >= max(least(added.occurred_at, added.received_at)))
  ORDER BY contact_id
  ON CONFLICT (contact_id) DO UPDATE SET last_seen_at = excluded.last_seen_at
  WHERE known.last_seen_at < excluded.last_seen_at
), pairs AS MATERIALIZED (
  SELECT DISTINCT contact_id, definition_id FROM added
), touched AS (
  INSERT INTO contacts_touch (contact_id, topic)
  SELECT contact_id, 'event:' || definition_id FROM pairs WHERE definition_id IN (
    SELECT definition_id FROM pairs GROUP BY definition_id HAVING count(*) <= {touches.LISTED})
  UNION ALL
  SELECT {touches.EVERYONE}, 'event:' || definition_id FROM pairs
  GROUP BY definition_id HAVING count(*) > {touches.LISTED}
  RETURNING 1
), marked AS (
  INSERT INTO contacts_metricmark (contact_id)
  SELECT DISTINCT contact_id FROM pairs JOIN contacts_metrickind USING (definition_id)
), noted AS (
  INSERT INTO contacts_eventnote (watcher, contact_id, definition_id, message_id, occurred_at)
  SELECT watcher, contact_id, definition_id, message_id, occurred_at
  {_NOTED}
  RETURNING 1
)
SELECT (SELECT count(*) FROM added),
  (SELECT pg_notify('{touches.CHANNEL}', '') WHERE EXISTS (SELECT FROM touched)),
  (SELECT pg_notify('{event_notes.CHANNEL}', '') WHERE EXISTS (SELECT FROM noted))
"""  # noqa: S608  made of our own words only
