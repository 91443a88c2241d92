"""What a version listens to: for each event that it names, which of its participants it moves.

Said in SQL, so that one statement answers for a whole batch of events and all who wait. It is the
same question whether events have just come in (`journeys.following`) or are looked back for
(`journeys.engine.lookback`): FROM item `e` is an event with the columns contact_id, name,
occurred_at, message_id, url_id and properties, `p` a participant.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from journeys.drawing.kinds import WAITING
from journeys.drawing.plan import Plan
from journeys.drawing.syntax import Node
from journeys.models import Signal
from segments import criteria
from segments.facts import parse_conditions

# Of a larger event a signal tells only what it was: its properties stay in the contact's history.
PROPERTIES_LIMIT = 4096
_PROPERTIES = "properties."

# SQL and the values of its placeholders.
Text = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Ear:
    """One thing that a version listens to.

    `node` waits for it at `places`; the criteria for exit and goal have neither. `same` are pairs
    of a path of the event and one of the participant's context that must be equal. `to` is the
    message to which it is a reaction.
    """

    kind: str
    event: str
    where: Any = None
    node: str = ""
    places: tuple[int, ...] = ()
    same: tuple[tuple[str, str], ...] = ()
    to: str = ""


def ears_of(plan: Plan, settings: Mapping[str, Any]) -> tuple[Ear, ...]:
    """All that those inside a version can be moved by, in the order of the drawing."""
    found = [
        _ear(node, tuple(place.number for place in plan.places_of(node.id)))
        for node in plan.drawing.nodes
        if node.kind in WAITING and node.kind != "wait"
    ]
    for name, kind in (("exit", Signal.Kind.EXIT), ("goal", Signal.Kind.GOAL)):
        wanted = settings.get(name) or {}
        if event := wanted.get("event"):
            found.append(Ear(kind, event, wanted.get("where")))
    return tuple(found)


def entry_event(plan: Plan) -> tuple[str, Any] | None:
    """The event by which contacts enter, and its conditions; None where it is not by an event."""
    entry = plan.drawing.entry
    if entry.kind != "event_entry":
        return None
    return entry.config["event"], entry.config.get("where")


def fits(ear: Ear, *, at: datetime) -> Text:
    """A condition on event `e` and participant `p`: the event is what the ear waits for."""
    named, params = event_fits(ear.event, ear.where, at=at)
    conditions = [named]
    for of_event, of_participant in ear.same:
        # Compared as JSON: what is missing or null on either side is equal to nothing.
        conditions.append(
            "nullif(e.properties #> %s::text[], 'null') = nullif(p.context #> %s::text[], 'null')"
        )
        params += [of_event.removeprefix(_PROPERTIES).split("."), of_participant.split(".")]
    if ear.to:
        # By OFFSET his own messages are looked up, and never all that there are.
        conditions.append(
            "EXISTS (SELECT FROM journeys_message m WHERE m.participant_id = p.id"
            " AND m.node = %s AND to_jsonb(m.id) = e.properties -> 'message' OFFSET 0)"
        )
        params.append(ear.to)
    return " AND ".join(conditions), params


def event_fits(event: str, where: Any, *, at: datetime) -> Text:
    """A condition on event `e`: its name, and the conditions `where`, if any."""
    if not where:
        return "e.name = %s", [event]
    query = criteria.compile_where(parse_conditions(where), now=at)
    return f"e.name = %s AND {query.text}", [event, *query.params]


def described(row: str = "e") -> str:
    """The expression for what a signal or an entry tells of an event."""
    return (
        f"jsonb_build_object('name', {row}.name, 'message_id', {row}.message_id,"
        f" 'occurred_at', {row}.occurred_at, 'properties', {row}.properties)"
    )


def told(row: str = "e") -> str:
    """The same as a signal keeps it: without properties where they are many."""
    return (
        f"CASE WHEN octet_length({row}.properties::text) <= {PROPERTIES_LIMIT}"
        f" THEN {described(row)} ELSE {described(row)} - 'properties' END"
    )


def named_events(ears: Sequence[Ear]) -> Iterator[str]:
    """The names of the events that these wait for."""
    for ear in ears:
        yield ear.event


def _ear(node: Node, places: tuple[int, ...]) -> Ear:
    config = node.config
    if node.kind == "reaction":
        return Ear(
            Signal.Kind.EVENT,
            config["reaction"],
            config.get("where"),
            node.id,
            places,
            to=config["to"],
        )
    pairs = tuple(dict(config.get("same") or {}).items())
    return Ear(Signal.Kind.EVENT, config["event"], config.get("where"), node.id, places, pairs)
