"""What happened in a test, step by step for each profile with its data, as JSON."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from journeys.drawing.plan import Plan, make_plan
from journeys.drawing.syntax import read
from journeys.models import (
    Entrance,
    JourneyVersion,
    Lane,
    Message,
    Participant,
    Refusal,
    Transition,
)

# More passages than a test takes profiles: some go through several times.
PASSAGES_SHOWN = 300
_REFUSALS_SHOWN = 100
_PHASES = {
    Participant.State.READY: "running",
    Participant.State.WAITING: "running",
    Participant.State.DONE: "finished",
    Participant.State.FAILED: "error",
}


def read_log(version: JourneyVersion) -> dict[str, Any]:
    """The test as JSON can tell it; as many queries for a hundred profiles as for one.

    `phase` of a passage is running, finished, error or timed_out. The newest come first.
    """
    plan = make_plan(read(version.drawing), version.places)
    rows = Participant.objects.filter(version=version).select_related("contact")
    participants = list(rows.order_by("-entered_at", "-pk")[:PASSAGES_SHOWN])
    ids = [one.pk for one in participants]
    steps: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in Transition.objects.filter(participant_id__in=ids).order_by("participant_id", "step"):
        steps[one.participant_id].append(_step(one, plan))
    messages: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for message in Message.objects.filter(participant_id__in=ids).order_by("pk"):
        messages[message.participant_id].append(_message(message))
    coming = Entrance.objects.filter(journey=version.journey_id, lane=Lane.TEST)
    return {
        "version": version.number,
        "started_at": _iso(version.published_at),
        "started_by": version.published_by,
        "wait_seconds": version.wait_seconds,
        "coming": coming.count(),
        "profiles": [
            {
                "participant": one.pk,
                "contact_id": one.contact_id,
                "name": str(one.contact),
                "phase": _phase(one),
                "outcome": one.outcome,
                "problem": one.problem,
                "at": _place_ids(plan, one),
                "entered_at": _iso(one.entered_at),
                "arrived_at": _iso(one.arrived_at),
                "wake_at": _iso(one.wake_at),
                "finished_at": _iso(one.finished_at),
                "cause": one.entrance,
                "context": one.context,
                "steps": steps[one.pk],
                "messages": messages[one.pk],
            }
            for one in participants
        ],
        "refusals": _refusals(version),
        "counts": counts_by_node(version, participants, steps),
    }


def counts_by_node(
    version: JourneyVersion,
    participants: Sequence[Participant],
    steps: Mapping[int, Sequence[Mapping[str, Any]]],
) -> dict[str, dict[str, int]]:
    """For each activity how many passages stand there now and how many went through."""
    plan = make_plan(read(version.drawing), version.places)
    counts = {node.id: {"waiting": 0, "passed": 0, "failed": 0} for node in plan.drawing.nodes}
    for one in participants:
        if one.finished_at is None or one.state == Participant.State.FAILED:
            state = "failed" if one.state == Participant.State.FAILED else "waiting"
            for node_id in _place_ids(plan, one):
                counts[node_id][state] += 1
        for step in steps[one.pk]:
            node_id = step["node"] or plan.drawing.entry.id
            if step["cause"] != Transition.Cause.FAILED and node_id in counts:
                is_entry = not step["node"] and step["cause"] != Transition.Cause.ENTERED
                counts[node_id]["passed"] += 0 if is_entry else 1
    return counts


def _phase(one: Participant) -> str:
    if one.outcome == Participant.Outcome.TIMED_OUT:
        return "timed_out"
    return _PHASES[Participant.State(one.state)]


def _place_ids(plan: Plan, one: Participant) -> list[str]:
    """The activities at which it stands; none where it is over well."""
    if one.state == Participant.State.DONE or one.place >= len(plan.places):
        return []
    return list(plan.places[one.place].ids)


def _step(one: Transition, plan: Plan) -> dict[str, Any]:
    to = [] if one.to_place is None else list(plan.places[one.to_place].ids)
    return {
        "step": one.step,
        "at": _iso(one.at),
        "noticed_at": _iso(one.noticed_at),
        "cause": one.cause,
        "node": one.node,
        "outcome": one.outcome,
        "to": to,
        "data": one.data,
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.pk,
        "node": message.node,
        "channel": message.channel,
        "state": message.state,
        "reason": message.reason,
        "error": message.error,
        "subject": message.subject,
        "sent_at": _iso(message.sent_at),
        "opened_at": _iso(message.opened_at),
        "clicked_at": _iso(message.clicked_at),
        "bounced_at": _iso(message.bounced_at),
    }


def _refusals(version: JourneyVersion) -> list[dict[str, Any]]:
    refused = Refusal.objects.filter(journey=version.journey_id, lane=Lane.TEST)
    return [
        {
            "contact_id": one.contact_id,
            "cause": one.cause,
            "reason": one.reason,
            "words": one.get_reason_display(),
            "at": _iso(one.at),
        }
        for one in refused.order_by("-pk")[:_REFUSALS_SHOWN]
    ]


def _iso(at: datetime | None) -> str | None:
    """An instant as the API writes it, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
