"""Events that are told to a test and to nobody else: no history, no segment, no other journey.

A trigger lets test profiles in where the draft begins with that event, and moves those who wait
for it. Its conditions count as they do for real events. What the test profiles really do counts
for those who are inside as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.event_properties import properties_text
from contacts.event_schemas import Declared, schema_of
from contacts.followed_events import FollowedEvent
from contacts.models import EventDefinition
from journeys import entrances, following, hearing
from journeys.drawing.kinds import REACTIONS
from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import read
from journeys.errors import TriggerMissed
from journeys.models import Journey, JourneyVersion, Lane, Message
from journeys.trying.sessions import check_profiles, hold_running
from workspace import audit, sql
from workspace.access import Actor
from workspace.exactjson import exact_dumps

# What stands in the form for a property of this type.
_EXAMPLES: Mapping[str, Any] = {
    "number": 1,
    "boolean": True,
    "date": "2026-01-31",
    "datetime": "2026-01-31T09:30:00Z",
    "url": "https://example.com/",
    "list": [],
    "object": {},
    "array": [],
}
_MADE_BY_MESSAGES = ("message", "participant", "journey", "node")
_FITS = """
SELECT count(*) FROM (
  SELECT t.*, segments_number(t.properties -> 'amount') AS amount FROM (
    SELECT %s::bigint AS contact_id, %s::text AS name, %s::timestamptz AS occurred_at,
      %s::text AS message_id, NULL::integer AS url_id, %s::jsonb AS properties) t) e
WHERE {condition}
"""
# The message to which a reaction is: the last one of that kind that each of them got in the test.
_MESSAGES = """
SELECT DISTINCT ON (m.contact_id, m.node)
  m.contact_id, m.id, m.participant_id, m.node, j.key
FROM journeys_message m JOIN journeys_journey j ON j.id = m.journey_id
WHERE m.version_id = %s AND m.contact_id = ANY(%s::bigint[]) AND m.channel = %s
ORDER BY m.contact_id, m.node, m.id DESC
"""


@dataclass(frozen=True, slots=True)
class Offered:
    """An event that can be triggered: what it does in the draft, and what it is made of."""

    name: str
    enters: bool
    is_reaction: bool
    properties: tuple[Declared, ...]

    @property
    def example(self) -> dict[str, Any]:
        """Its properties with a value for each, for the code view."""
        made: dict[str, Any] = {}
        for one in self.properties:
            inside = made
            *ways, last = one.name.split(".")
            for step in ways:
                inner = inside.setdefault(step, {})
                inside = inner if isinstance(inner, dict) else {}
            inside.setdefault(last, _EXAMPLES.get(one.type, ""))
        return made


@dataclass(frozen=True, slots=True)
class Triggered:
    """How many were let in, and how many of those inside were signalled."""

    entered_count: int
    signalled_count: int


def offered_events(version: JourneyVersion) -> list[Offered]:
    """What can be triggered in a test: the event of entry first, then those that are waited for."""
    listening = following.listening_of(version)
    enters = listening.entry[0] if listening.entry else ""
    names = dict.fromkeys([*([enters] if enters else []), *hearing.named_events(listening.ears)])
    known = {
        definition.name: definition
        for definition in EventDefinition.objects.filter(name__in=list(names)).prefetch_related(
            "properties"
        )
    }
    return [
        Offered(
            name,
            name == enters,
            name in REACTIONS,
            () if name in REACTIONS else _properties(known.get(name)),
        )
        for name in names
    ]


@transaction.atomic
def trigger(
    journey: Journey,
    contact_ids: Sequence[int],
    *,
    event: str,
    properties: Mapping[str, Any],
    actor: Actor,
    at: datetime,
) -> Triggered:
    """Tell the test that these profiles did something at `at`.

    Of a reaction the message is added by itself: the last one that each of them got. Raises
    NoTestRunning, NotATestProfile, TooManyProfiles, PropertiesInvalid, and TriggerMissed where it
    lets nobody in and moves nobody.
    """
    version = hold_running(journey, actor=actor)
    wanted = sorted(set(contact_ids))
    check_profiles(version, wanted)
    properties_text(properties)
    offered = {one.name: one for one in offered_events(version)}
    if event not in offered:
        message = _("The draft waits for no event “%(event)s”. It waits for: %(known)s.")
        raise TriggerMissed(message % {"event": event, "known": ", ".join(offered) or "–"})
    if offered[event].is_reaction:
        events = _reactions(version, wanted, event, properties, at)
    else:
        events = [_event(one, event, properties, at) for one in wanted]
    # Those who wait first: who enters by it does not hear it once more.
    signalled = following.tell_version(version, events, at=at)
    entered = _enter(version, events, at) if offered[event].enters else 0
    if not entered and not signalled:
        raise TriggerMissed(_why_missed(version, offered[event], events))
    audit.record(
        actor=actor,
        action="journey.test_triggered",
        subject=version.journey,
        changes={"event": [None, event], "profiles": [None, len(wanted)]},
        at=at,
    )
    return Triggered(entered, signalled)


def _properties(definition: EventDefinition | None) -> tuple[Declared, ...]:
    """What is declared of an event, else what was seen of it."""
    if definition is None:
        return ()
    if declared := schema_of(definition).properties:
        return declared
    return tuple(
        Declared(name, types[0] if types else "text")
        for name, types in sorted(definition.schema.items())
        if "object" not in types
    )


def _event(
    contact_id: int, name: str, properties: Mapping[str, Any], at: datetime
) -> FollowedEvent:
    # Of no definition: it is stored nowhere.
    return FollowedEvent(contact_id, name, at, f"test-{uuid4()}", properties, 0)


def _reactions(
    version: JourneyVersion,
    contact_ids: Sequence[int],
    name: str,
    properties: Mapping[str, Any],
    at: datetime,
) -> list[FollowedEvent]:
    channel = Message.Channel.PUSH if name.startswith("push") else Message.Channel.EMAIL
    found = sql.rows(_MESSAGES, [version.pk, list(contact_ids), channel])
    return [
        _event(
            row["contact_id"],
            name,
            {
                "message": row["id"],
                "participant": row["participant_id"],
                "journey": row["key"],
                "node": row["node"],
                **properties,
            },
            at,
        )
        for row in found
    ]


def _enter(version: JourneyVersion, events: Sequence[FollowedEvent], at: datetime) -> int:
    """Let those in whose event fits: asked once, as it is the same event for all of them."""
    entry = following.listening_of(version).entry
    if entry is None or not events or not _fits(entry, events[0], at):
        return 0
    return entrances.enter_many(
        version.journey_id,
        lane=Lane.TEST,
        contact_ids=[event.contact_id for event in events],
        causes=[f"event:{event.message_id}" for event in events],
        moments=[event.occurred_at for event in events],
        contexts=[{"entry": _told(event)} for event in events],
    )


def _fits(entry: tuple[str, Any], event: FollowedEvent, at: datetime) -> bool:
    condition, params = hearing.event_fits(*entry, at=at)
    values = [event.contact_id, event.name, event.occurred_at, event.message_id]
    text = _FITS.format(condition=condition)
    return bool(sql.one(text, [*values, exact_dumps(event.properties), *params]))


def _told(event: FollowedEvent) -> dict[str, Any]:
    return {
        "name": event.name,
        "message_id": event.message_id,
        "occurred_at": event.occurred_at.isoformat(),
        "properties": event.properties,
    }


def _why_missed(version: JourneyVersion, offered: Offered, events: Sequence[FollowedEvent]) -> str:
    words = {"event": offered.name}
    if offered.is_reaction and not events:
        return _("None of these profiles got a message in this test to which that is a reaction.")
    if offered.enters:
        message = _("“%(event)s” does not meet the conditions of the entry, so nobody enters.")
        return message % words
    plan = make_plan(read(version.drawing), version.places)
    waits = [
        node.label or node.id
        for node in plan.drawing.nodes
        if offered.name in (node.config.get("event"), node.config.get("reaction"))
    ]
    message = _(
        "None of these profiles waits for “%(event)s” now, or its conditions refuse it. It is"
        " waited for at: %(nodes)s."
    )
    return message % {**words, "nodes": ", ".join(waits) or "–"}
