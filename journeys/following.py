"""New events for journeys: who enters by one, whom one moves that is inside, who met goal or exit.

A follower of events (contacts.followed_events): it writes entrances and signals in the transaction
that takes the events, and the next tick acts upon them. One statement for all that listen, however
many events come at once. A tick of the journey that runs is waited for, so that nobody falls
between an arrival and an event: where the tick moves somebody later, it looks back by itself
(`journeys.engine.lookback`).

Events bring contacts into live journeys only. What is tried out hears of the events of those who
are inside, so that an opened message goes its way there too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from contacts import followed_events
from contacts.followed_events import FollowedEvent
from journeys import hearing
from journeys.drawing.plan import Plan, make_plan
from journeys.drawing.syntax import read
from journeys.entrances import CHANNEL
from journeys.hearing import Ear, Text
from journeys.models import JourneyVersion, Lane, Signal
from workspace import locks, rounds, sql
from workspace.exactjson import exact_dumps, exact_loads

FOLLOWER = "journeys"
# Goals count for those who are done, too: so long after the end of a version at the most.
GOALS_KEPT = timedelta(days=366)

_TOLD = """
told AS MATERIALIZED (
  SELECT t.contact_id, t.name, t.occurred_at, t.message_id, NULL::integer AS url_id,
    t.properties::jsonb AS properties, segments_number(t.properties::jsonb -> 'amount') AS amount
  FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[])
    AS t (contact_id, name, occurred_at, message_id, properties))
"""
_ENTER = f"""
WITH {_TOLD}
INSERT INTO journeys_entrance (journey_id, lane, contact_id, cause, at, context)
SELECT e.journey_id, {Lane.LIVE}, e.contact_id, 'event:' || e.message_id, e.occurred_at,
  jsonb_build_object('entry', {hearing.described()})
FROM ({{found}}) e ORDER BY e.journey_id, e.contact_id, e.message_id COLLATE "C", e.occurred_at
ON CONFLICT DO NOTHING
"""  # noqa: S608  made of our own words only
# Who did it and is inside, found by his number for each event, however many listen: left to
# choose, the server would read all participants for each of them. By LATERAL without FROM it costs
# nothing that `e` and `p` are called as `journeys.hearing` calls them.
_SIGNAL = f"""
WITH {_TOLD}, inside AS MATERIALIZED (
  SELECT e.*, p.id, p.journey_id, p.version_id, p.state, p.place, p.arrived_at, p.entered_at,
    p.context
  FROM told e CROSS JOIN LATERAL (
    SELECT * FROM journeys_participant p
    WHERE p.contact_id = e.contact_id AND p.finished_at IS NULL OFFSET 0) p)
INSERT INTO journeys_signal (journey_id, participant_id, kind, node, at, data)
SELECT * FROM ({{found}}) found (journey_id, participant_id, kind, node, at, data)
ORDER BY participant_id, at, node
"""  # noqa: S608
_OF_VERSION = """
FROM inside i
CROSS JOIN LATERAL (SELECT i.contact_id, i.name, i.occurred_at, i.message_id, i.url_id,
  i.properties, i.amount) e
CROSS JOIN LATERAL (SELECT i.id, i.context) p
WHERE i.version_id = %s AND
"""
# Who waits there since before it happened.
_WAITING = f"""
SELECT i.journey_id, i.id, %s, %s, i.occurred_at, {hearing.told()} {_OF_VERSION}
  i.state = 'waiting' AND i.place = ANY(%s::smallint[]) AND i.arrived_at < i.occurred_at AND
"""
_INSIDE = f"""
SELECT i.journey_id, i.id, %s, '', i.occurred_at, {hearing.told()} {_OF_VERSION}
  i.entered_at < i.occurred_at AND
"""
# A goal counts for the passage that began last before it, also where that is over.
_LATEST = f"""
SELECT p.journey_id, p.id, %s, '', e.occurred_at, {hearing.told()}
FROM told e CROSS JOIN LATERAL (
  SELECT * FROM journeys_participant l
  WHERE l.contact_id = e.contact_id AND l.journey_id = %s AND l.lane = %s
    AND l.entered_at < e.occurred_at
  ORDER BY l.entered_at DESC, l.id DESC LIMIT 1) p
WHERE p.version_id = %s AND p.goal_at IS NULL AND
"""  # noqa: S608
_RUNNING = """
SELECT id, journey_id, lane, is_open, drawing::text AS drawing, settings::text AS settings,
  places::text AS places
FROM journeys_journeyversion
WHERE ended_at IS NULL OR (ended_at > %s AND settings #> '{goal,event}' IS NOT NULL)
ORDER BY journey_id, id
"""


@dataclass(frozen=True, slots=True)
class Listening:
    """What one version listens to; `entry` is the event by which contacts enter, and `where`."""

    entry: tuple[str, Any] | None
    ears: tuple[Ear, ...]

    @property
    def names(self) -> frozenset[str]:
        """The events of those inside."""
        return frozenset(hearing.named_events(self.ears))


@dataclass(frozen=True, slots=True)
class _Version:
    id: int
    journey_id: int
    lane: int
    is_open: bool
    listening: Listening

    @property
    def takes_events(self) -> bool:
        """Whether events bring contacts into it now."""
        return self.is_open and self.lane == Lane.LIVE and self.listening.entry is not None

    @property
    def names(self) -> frozenset[str]:
        """All events that it wants."""
        names = self.listening.names
        if self.takes_events and self.listening.entry is not None:
            return names | {self.listening.entry[0]}
        return names


def rewatch(*, at: datetime) -> None:
    """Say anew which events journeys want: for whoever opens, closes or ends a version.

    Belongs in the transaction that does so. Events from before are told to nobody.
    """
    names = set[str]()
    for version in _running(at):
        names |= version.names
    followed_events.watch(FOLLOWER, names)


def follow(events: Sequence[FollowedEvent], at: datetime) -> None:
    """Let those in whom these events bring in, and leave signals for those whom they move.

    For `contacts.followed_events`, in the transaction that takes the events.
    """
    names = {event.name for event in events}
    versions = [version for version in _running(at) if names & version.names]
    if not versions:
        return
    columns = _columns(events)
    written = _enter(versions, names, columns, at)
    written += tell([one for one in versions if one.listening.names & names], columns, at=at)
    if written:
        rounds.wake(CHANNEL)


def tell_version(version: JourneyVersion, events: Sequence[FollowedEvent], *, at: datetime) -> int:
    """Let those inside one version hear of events, stored ones or not; how many signals came.

    For events that are told to a test and to nobody else.
    """
    listening = listening_of(version)
    told = _Version(version.pk, version.journey_id, version.lane, version.is_open, listening)
    written = tell([told], _columns(events), at=at)
    if written:
        rounds.wake(CHANNEL)
    return written


def listening_of(version: JourneyVersion) -> Listening:
    """What a version listens to."""
    return _listening(make_plan(read(version.drawing), version.places), version.settings)


def tell(versions: Sequence[_Version], columns: Sequence[Any], *, at: datetime) -> int:
    """Leave signals for all whom the events of these columns move; how many."""
    parts: list[str] = []
    params: list[Any] = []
    names = set(columns[1])
    for version in versions:
        for ear in version.listening.ears:
            if ear.event in names:
                text, values = _part(version, ear, at)
                parts.append(text)
                params += values
    if not parts:
        return 0
    # In the order of their numbers, as everyone who takes several.
    for journey_id in sorted({version.journey_id for version in versions}):
        locks.lock(f"journeys {journey_id}")
    return sql.execute(_SIGNAL.format(found=" UNION ALL ".join(parts)), [*columns, *params])


def register() -> None:
    """Follow the events that journeys name. May be called again."""
    followed_events.register_follower(FOLLOWER, follow)


def _enter(
    versions: Iterable[_Version], names: set[str], columns: Sequence[Any], at: datetime
) -> int:
    parts: list[str] = []
    params: list[Any] = []
    for version in versions:
        entry = version.listening.entry
        if version.takes_events and entry is not None and entry[0] in names:
            condition, values = hearing.event_fits(*entry, at=at)
            parts.append(f"SELECT e.*, %s::integer AS journey_id FROM told e WHERE {condition}")  # noqa: S608
            params += [version.journey_id, *values]
    if not parts:
        return 0
    return sql.execute(_ENTER.format(found=" UNION ALL ".join(parts)), [*columns, *params])


def _part(version: _Version, ear: Ear, at: datetime) -> Text:
    """SELECT the signals of one ear."""
    condition, values = hearing.fits(ear, at=at)
    if ear.kind == Signal.Kind.EVENT:
        return _WAITING + condition, [ear.kind, ear.node, version.id, list(ear.places), *values]
    if ear.kind == Signal.Kind.EXIT:
        return _INSIDE + condition, [ear.kind, version.id, *values]
    passage = [version.journey_id, version.lane, version.id]
    return _LATEST + condition, [ear.kind, *passage, *values]


def _columns(events: Sequence[FollowedEvent]) -> list[list[Any]]:
    return [
        [event.contact_id for event in events],
        [event.name for event in events],
        [event.occurred_at for event in events],
        [event.message_id for event in events],
        [exact_dumps(event.properties) for event in events],
    ]


def _running(at: datetime) -> list[_Version]:
    """The versions that still want events, in the order of their journeys."""
    return [
        _Version(
            row["id"],
            row["journey_id"],
            row["lane"],
            row["is_open"],
            _read(row["drawing"], row["settings"], row["places"]),
        )
        for row in sql.rows(_RUNNING, [at - GOALS_KEPT])
    ]


# By what stands in them: versions never change, and are asked about with each portion of events.
@lru_cache(maxsize=500)
def _read(drawing: str, settings: str, places: str) -> Listening:
    plan = make_plan(read(exact_loads(drawing)), exact_loads(places))
    return _listening(plan, exact_loads(settings))


def _listening(plan: Plan, settings: Mapping[str, Any]) -> Listening:
    return Listening(hearing.entry_event(plan), hearing.ears_of(plan, settings))
