"""Journeys that run, as the engine finds them, made without the verbs that publish them."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from contacts import followed_events
from contacts.events import IncomingEvent, record_events
from journeys import following
from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import read
from journeys.models import Entrance, Journey, JourneyVersion, Lane, Participant, Signal
from journeys.models import TestProfile as Profile
from tests.factories import NOW


def node(id_: str, kind: str, **config: Any) -> dict[str, Any]:
    """An activity of a drawing."""
    return {"id": id_, "kind": kind, "config": config}


def make_version(
    *nodes: Mapping[str, Any],
    edges: Iterable[Sequence[str]] | None = None,
    settings: Mapping[str, Any] | None = None,
    key: str = "welcome",
    lane: int = Lane.LIVE,
    at: datetime = NOW,
    number: int = 1,
    **given: Any,
) -> JourneyVersion:
    """An open version of these activities, one after the other unless `edges` say otherwise.

    An edge is (from, to) or (from, outcome, to). Without an entry it has one by the event "enter".
    """
    drawn = list(nodes)
    if not any("entry" in one["kind"] or one["kind"] == "read_segment" for one in drawn):
        drawn.insert(0, node("start", "event_entry", event="enter"))
    if edges is None:
        edges = [(one["id"], other["id"]) for one, other in itertools.pairwise(drawn)]
    ways = [
        {"from": edge[0], "to": edge[-1], **({"outcome": edge[1]} if len(edge) == 3 else {})}
        for edge in edges
    ]
    drawing = {"nodes": drawn, "edges": ways}
    journey, _is_new = Journey.objects.get_or_create(
        key=key, defaults={"name": key.title(), "state": Journey.State.LIVE, "drawing": drawing}
    )
    version = JourneyVersion.objects.create(
        journey=journey,
        lane=lane,
        number=number,
        drawing=drawing,
        settings=dict(settings or {}),
        places=make_plan(read(drawing)).as_json(),
        published_at=at,
        **given,
    )
    following.rewatch(at=at)
    return version


def place_of(version: JourneyVersion, node_id: str) -> int:
    """The number of the first place at which an activity stands."""
    return next(number for number, ids in enumerate(version.places) if node_id in ids)


def put(
    version: JourneyVersion,
    contact_id: int,
    node_id: str,
    *,
    at: datetime = NOW,
    state: str = Participant.State.WAITING,
    **given: Any,
) -> Participant:
    """A participant who stands at an activity since `at`."""
    is_over = state in {Participant.State.DONE, Participant.State.FAILED}
    values: dict[str, Any] = {
        "entered_at": at,
        "entrance": f"test:{node_id}",
        "wake_at": at.replace(year=2030) if state == Participant.State.WAITING else None,
        "finished_at": at if is_over else None,
        "outcome": "ended" if state == Participant.State.DONE else "",
        **given,
    }
    return Participant.objects.create(
        journey_id=version.journey_id,
        version=version,
        lane=version.lane,
        contact_id=contact_id,
        place=place_of(version, node_id),
        state=state,
        arrived_at=at,
        **values,
    )


def put_many(
    version: JourneyVersion, contact_ids: Iterable[int], node_id: str, *, at: datetime = NOW
) -> list[int]:
    """Participants who wait at an activity since `at`; their ids."""
    made = Participant.objects.bulk_create(
        Participant(
            journey_id=version.journey_id,
            version=version,
            lane=version.lane,
            contact_id=contact_id,
            place=place_of(version, node_id),
            state=Participant.State.WAITING,
            arrived_at=at,
            entered_at=at,
            wake_at=at.replace(year=2030),
            entrance="test",
        )
        for contact_id in contact_ids
    )
    return [one.pk for one in made]


def happens(
    name: str,
    *contact_ids: int,
    at: datetime,
    message_id: str | None = None,
    follow: bool = True,
    received_at: datetime | None = None,
    **properties: Any,
) -> None:
    """These contacts did something, and those who follow events have been told."""
    record_events(
        [IncomingEvent(one, name, at, properties, message_id) for one in contact_ids],
        received_at=received_at or at,
    )
    if follow:
        follow_events(at)


def follow_events(at: datetime) -> None:
    """Have the follower take all that waits for it."""
    while followed_events.follow_events(following.FOLLOWER, at):
        pass


def signals() -> list[tuple[int, str, str, datetime]]:
    """Whom what has happened to: participant, kind, activity, time."""
    found = Signal.objects.order_by("id")
    return list(found.values_list("participant_id", "kind", "node", "at"))


def told() -> dict[str, Any]:
    """What the only signal tells."""
    data: dict[str, Any] = Signal.objects.get().data or {}
    return data


def entrances() -> list[tuple[int, str, datetime]]:
    """Who is to enter, why, when."""
    return list(Entrance.objects.order_by("id").values_list("contact_id", "cause", "at"))


def may_be_tested(contact_id: int) -> None:
    """Journeys may be tested with this contact."""
    Profile.objects.create(contact_id=contact_id)
