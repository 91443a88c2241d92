"""Figures of a version: who entered, stands where, went which way, what became of messages.

Moves are counted when they happen (`Passage`, by the hour), so nothing that was is counted anew;
only who stands somewhere now is. All are of one version: activities of another are others. What
is tried out counts in its own version, and in no other figure.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from journeys.drawing.kinds import NEXT
from journeys.drawing.syntax import read
from journeys.models import JourneyVersion, Message, Participant, Passage
from loyalty.reports.comparison import Group, compare

# What the live figures are of, as distinct from those of all time.
LIVE = timedelta(hours=24)
ENTERED, REFUSED, FAILED, BACK = "entered", "refused:", "failed", "brought_back"
_ENDED_AT = -1
# How a passage ended that did not end at an activity, by the way out that was counted.
_ENDS = {
    "timeout": Participant.Outcome.TIMED_OUT,
    "exit": Participant.Outcome.EXITED,
    "stopped": Participant.Outcome.STOPPED,
}


@dataclass(slots=True)
class NodeCounts:
    """What goes on at one activity.

    `waiting` and `ready` are who stands there now; side by side, all wait for each of them.
    `passed` is who left it, by the way out, `failed` who could not go on there and was not brought
    back.
    """

    waiting: int = 0
    ready: int = 0
    failed: int = 0
    passed: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class MessageCounts:
    """What became of the messages of one activity over one channel."""

    planned: int = 0
    queued: int = 0
    sent: int = 0
    failed: int = 0
    left_out: int = 0
    opened: int = 0
    clicked: int = 0
    bounced: int = 0
    unsubscribed: int = 0
    complained: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GoalCounts:
    """Who met the goal: of those who went through, and of the control group.

    `difference` is that of the two shares, with the bounds of 95 % certainty; None where one of
    them is empty.
    """

    reached: int
    entered: int
    control_reached: int
    control_entered: int
    difference: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A version in figures: of all time, or of what happened since an instant."""

    entered: int
    inside: int
    finished: Mapping[str, int]
    failed: int
    refused: Mapping[str, int]
    goal: GoalCounts


def node_counts(
    version: JourneyVersion, *, since: datetime | None = None
) -> dict[str, dict[str, Any]]:
    """The figures of each activity: {id: {waiting, ready, failed, passed: {way out: how many}}}.

    With `since` those who passed or failed from the beginning of that hour on. Three queries.
    """
    drawing = read(version.drawing)
    found = {node.id: NodeCounts() for node in drawing.nodes}
    for state in (Participant.State.WAITING, Participant.State.READY):
        # One after the other: each has an index of its own in which nobody else is.
        rows = version.participants.filter(state=state).order_by()
        for place, count in rows.values_list("place").annotate(Count("pk")):
            for node_id in version.places[place]:
                counts = found[node_id]
                setattr(counts, state, getattr(counts, state) + count)
    for node_id, outcome, count in _passages(version, since):
        if not node_id and outcome == ENTERED:
            found[drawing.entry.id].passed[NEXT] = count
        elif node_id in found and outcome == FAILED:
            found[node_id].failed += count
        elif node_id in found and outcome == BACK:
            found[node_id].failed -= count
        elif node_id in found:
            found[node_id].passed[outcome] = count
    for counts in found.values():
        # Who failed before the time that is asked about may have been brought back within it.
        counts.failed = max(counts.failed, 0)
    return {node_id: asdict(counts) for node_id, counts in found.items()}


def test_counts(version: JourneyVersion) -> dict[str, dict[str, Any]]:
    """`node_counts` of a test, with the messages and the gift cards of each activity.

    Messages that were left out or failed are none. Four queries.
    """
    found = node_counts(version)
    rows = version.messages.exclude(state__in=[Message.State.LEFT_OUT, Message.State.FAILED])
    messages = dict(rows.order_by().values_list("node").annotate(Count("pk")))
    for node in read(version.drawing).nodes:
        counts = found[node.id]
        counts["messages"] = messages.get(node.id, 0)
        counts["codes"] = counts["passed"].get(NEXT, 0) if node.kind == "voucher" else 0
    return found


def message_counts(
    version: JourneyVersion, *, since: datetime | None = None
) -> dict[str, dict[str, dict[str, Any]]]:
    """What became of messages: {id of the activity: {channel: figures}}. One query."""
    rows = version.messages.order_by()
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    times = ("opened", "clicked", "bounced", "unsubscribed", "complained")
    told: Any = rows.values("node", "channel", "state", "reason").annotate(
        count=Count("pk"),
        **{name: Count("pk", filter=Q(**{f"{name}_at__isnull": False})) for name in times},
    )
    found: dict[str, dict[str, MessageCounts]] = {}
    for row in told:
        counts = found.setdefault(row["node"], {}).setdefault(row["channel"], MessageCounts())
        state = row["state"]
        setattr(counts, state, getattr(counts, state) + row["count"])
        for name in times:
            setattr(counts, name, getattr(counts, name) + row[name])
        if state == Message.State.LEFT_OUT:
            reasons = counts.reasons
            reasons[row["reason"]] = reasons.get(row["reason"], 0) + row["count"]
    return {
        node: {channel: asdict(counts) for channel, counts in channels.items()}
        for node, channels in found.items()
    }


def summarize(version: JourneyVersion, *, since: datetime | None = None) -> Summary:
    """How many entered, are inside, finished and how, were refused, met the goal."""
    entered = failed = 0
    refused, finished = dict[str, int](), dict[str, int]()
    for node_id, outcome, count in _passages(version, since):
        if not node_id and outcome == ENTERED:
            entered = count
        elif not node_id and outcome.startswith(REFUSED):
            refused[outcome.removeprefix(REFUSED)] = count
        elif outcome == FAILED:
            failed += count
        elif outcome == BACK:
            failed -= count
    ends = _passed(version, since).filter(to_place=_ENDED_AT)
    for node_id, outcome, count in _summed(ends):
        if outcome in (ENTERED, FAILED) or outcome.startswith(REFUSED):
            continue
        end = Participant.Outcome.ENDED if node_id else _ENDS.get(outcome, outcome)
        finished[end] = finished.get(end, 0) + count
    inside = version.participants.filter(finished_at=None).count()
    return Summary(
        entered, inside, finished, max(failed, 0), refused, _goal(version, entered, since)
    )


def waiting_counts(versions: "QuerySet[JourneyVersion]") -> dict[int, int]:
    """How many are inside, by the id of the journey; for lists. One query."""
    inside = Participant.objects.filter(version__in=versions, finished_at=None).order_by()
    return dict(inside.values_list("journey_id").annotate(Count("pk")))


def _goal(version: JourneyVersion, entered: int, since: datetime | None) -> GoalCounts:
    reached = version.participants.filter(goal_at__isnull=False)
    control = version.participants.filter(is_control=True)
    if since is not None:
        reached = reached.filter(goal_at__gte=since)
        control = control.filter(entered_at__gte=since)
    by_group = dict(reached.order_by().values_list("is_control").annotate(Count("pk")))
    of_control, of_others = by_group.get(True, 0), by_group.get(False, 0)
    control_entered = control.count()
    # Who met it lately may have entered before: shares are of all time only.
    found = None
    if since is None:
        others = Group(max(entered - control_entered, of_others), of_others, Decimal(0))
        found = compare(others, Group(control_entered, of_control, Decimal(0)))
    return GoalCounts(
        reached=of_others,
        entered=max(entered - control_entered, 0),
        control_reached=of_control,
        control_entered=control_entered,
        difference=asdict(found) | {"is_certain": found.is_certain} if found else None,
    )


def _passed(version: JourneyVersion, since: datetime | None) -> "QuerySet[Passage]":
    rows = version.passages.order_by()
    if since is None:
        return rows
    return rows.filter(hour__gte=since.replace(minute=0, second=0, microsecond=0))


def _passages(version: JourneyVersion, since: datetime | None) -> list[tuple[str, str, int]]:
    return _summed(_passed(version, since))


def _summed(rows: "QuerySet[Passage]") -> list[tuple[str, str, int]]:
    return list(rows.values_list("node", "outcome").annotate(Sum("count")))
