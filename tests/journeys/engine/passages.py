"""Drawings and running versions, with what a test is about. Plain functions."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import read
from journeys.models import Entrance, Journey, JourneyVersion, Lane, Participant, Signal
from tests.factories import NOW
from workspace import sql

START = {"id": "start", "kind": "event_entry", "config": {"event": "signed_up"}}


def node(id_: str, kind: str, **config: Any) -> dict[str, Any]:
    """An activity."""
    return {"id": id_, "kind": kind, "config": config}


def after(amount: int, unit: str) -> dict[str, Any]:
    """A duration."""
    return {"amount": amount, "unit": unit}


def drawing(nodes: Iterable[dict[str, Any]], *edges: str) -> dict[str, Any]:
    """A drawing that begins with an event; edges as "a > b" or "a timeout > b"."""
    found = []
    for edge in edges:
        before, target = edge.split(" > ")
        source, _space, outcome = before.partition(" ")
        found.append({"from": source, "to": target, **({"outcome": outcome} if outcome else {})})
    return {"nodes": [START, *nodes], "edges": found}


def make_version(
    document: dict[str, Any],
    *,
    key: str = "welcome",
    lane: Lane = Lane.LIVE,
    state: str = "live",
    at: datetime = NOW,
    wait_seconds: int | None = None,
    **settings: Any,
) -> JourneyVersion:
    """A version that runs, of the journey of this key."""
    journey, _is_new = Journey.objects.get_or_create(
        key=key, defaults={"name": key.capitalize(), "state": state, "drawing": document}
    )
    JourneyVersion.objects.filter(journey=journey, lane=lane).update(is_open=False, closed_at=at)
    return JourneyVersion.objects.create(
        journey=journey,
        lane=lane,
        number=journey.versions.filter(lane=lane).count() + 1,
        drawing=document,
        settings=settings,
        places=make_plan(read(document)).as_json(),
        published_at=at,
        wait_seconds=wait_seconds,
    )


def enter(
    version: JourneyVersion,
    *contact_ids: int,
    at: datetime = NOW,
    cause: str = "event:1",
    **context: Any,
) -> None:
    """These contacts wait to enter."""
    for contact_id in contact_ids:
        Entrance.objects.create(
            journey=version.journey,
            lane=version.lane,
            contact_id=contact_id,
            cause=cause,
            at=at,
            context=context,
        )


def signal(
    participant: Participant,
    node: str,
    *,
    at: datetime,
    kind: str = "event",
    outcome: str = "next",
    **data: Any,
) -> None:
    """Something happened to a participant."""
    Signal.objects.create(
        journey=participant.journey,
        participant=participant,
        kind=kind,
        node=node,
        at=at,
        outcome=outcome,
        data=data or None,
    )


def standings_astray() -> list[tuple[Any, ...]]:
    """How contacts stand to journeys, where the table and their live passages differ."""
    return sql.lists(
        """
        WITH told AS (
          SELECT p.contact_id, p.journey_id, bool_or(p.finished_at IS NULL) AS is_inside,
            max(p.entered_at) AS entered_at,
            max(p.finished_at) FILTER (WHERE p.outcome = 'ended') AS finished_at,
            min(p.goal_at) AS goal_at
          FROM journeys_participant p
          JOIN contacts_contact c ON c.id = p.contact_id AND c.erased_at IS NULL
          WHERE p.lane = 0 GROUP BY 1, 2),
        kept AS (
          SELECT contact_id, journey_id, is_inside, entered_at, finished_at, goal_at
          FROM journeys_contactjourney)
        (TABLE told EXCEPT TABLE kept) UNION ALL (TABLE kept EXCEPT TABLE told)
        """
    )


def steps_of(participant: Participant) -> list[tuple[str, str, timedelta]]:
    """The way that a participant went: activity, outcome, and how long after NOW."""
    found = participant.transitions.order_by("step")
    return [(one.node, one.outcome, one.at - NOW) for one in found]
