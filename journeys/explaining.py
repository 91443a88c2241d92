"""Why somebody is where he is: each step of a passage in words, with its cause, data and time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from journeys.drawing.catalog import OUTCOME_LABELS, REACTION_LABELS
from journeys.drawing.plan import Plan, make_plan
from journeys.drawing.syntax import Node, read
from journeys.engine.zones import UNKNOWN
from journeys.hiding import Hiding
from journeys.models import JourneyVersion, Message, Participant, Transition
from journeys.outline import name_of
from journeys.path_words import why_decided
from workspace.access import SYSTEM, Actor

# What was noticed so much later than it was due is said to be late.
LATE = timedelta(minutes=5)
Cause = Transition.Cause


@dataclass(frozen=True, slots=True)
class Step:
    """One step in words. `lateness` is by how much later it was noticed than it was due."""

    number: int
    at: datetime
    noticed_at: datetime
    cause: str
    node: str
    kind: str
    label: str
    outcome: str
    to: tuple[str, ...]
    sentence: str
    data: Mapping[str, Any] | None
    messages: tuple[Message, ...]

    @property
    def is_late(self) -> bool:
        """Whether it was noticed much later than it was due."""
        return self.noticed_at - self.at > LATE


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a passage is now, in words; of one that waits, until when at the latest."""

    sentence: str
    nodes: tuple[str, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage explained."""

    participant: Participant
    steps: tuple[Step, ...]
    standing: Standing


class Words:
    """Says steps of one version in words, as one reader may know of them."""

    def __init__(self, version: JourneyVersion, *, actor: Actor = SYSTEM) -> None:
        drawing = Hiding(actor).drawing(version.drawing)
        self.plan: Plan = make_plan(read(drawing), version.places)
        self.nodes: Mapping[str, Node] = {node.id: node for node in self.plan.drawing.nodes}

    def label(self, node_id: str) -> str:
        """How people call an activity: by its label, else by its kind."""
        node = self.nodes.get(node_id)
        if node is None:
            return node_id
        return name_of({"kind": node.kind, "label": node.label, "config": node.config})

    def labels(self, place: int | None) -> str:
        """The activities of a place, by their names; nothing where the passage ends."""
        ids = () if place is None else self.plan.places[place].ids
        return ", ".join(f"“{self.label(one)}”" for one in ids)

    def sentence(self, step: Transition, entrance: str) -> str:
        """What happened at one step, and where it led."""
        words = {
            "node": self.label(step.node),
            "outcome": _outcome(step.outcome),
            "why": self._why(step),
        }
        told = self._told(step, entrance) % words
        if unknown := (step.data or {}).get(UNKNOWN):
            remark = _(
                "Nobody knows the time zone “%(zone)s”: that of the journey counted, else that of"
                " the workspace."
            )
            told = f"{told} {remark % {'zone': unknown}}"
        if step.cause in (Cause.FAILED, Cause.EXIT, Cause.STOPPED, Cause.BACK):
            return told
        if step.to_place is None:
            return _("%(told)s There the journey ended.") % {"told": told}
        to = self.labels(step.to_place)
        return _("%(told)s Then on to %(to)s.") % {"told": told, "to": to}

    def standing(self, participant: Participant) -> Standing:
        """Where a passage is now."""
        if participant.state == Participant.State.DONE:
            words = {"how": participant.get_outcome_display(), "at": _time(participant.finished_at)}
            return Standing(_("It is over since %(at)s: %(how)s.") % words, (), None)
        ids = self.plan.places[participant.place].ids
        words = {"nodes": self.labels(participant.place), "why": participant.problem}
        if participant.state == Participant.State.FAILED:
            return Standing(_("It came to grief at %(nodes)s: %(why)s") % words, ids, None)
        if participant.state == Participant.State.READY:
            return Standing(
                _("It is at %(nodes)s, and goes on with the next tick.") % words, ids, None
            )
        waits = [self._waits(self.nodes[one]) for one in ids]
        words = {"what": _(" or ").join(waits), "at": _time(participant.wake_at)}
        sentence = _("It waits for %(what)s, until %(at)s at the latest.") % words
        return Standing(sentence, ids, participant.wake_at)

    def _told(self, step: Transition, entrance: str) -> str:
        node = self.nodes.get(step.node)
        match step.cause:
            case Cause.ENTERED:
                return entered_by(entrance).replace("%", "%%")
            case Cause.EVENT:
                return _("What “%(node)s” waited for happened.")
            case Cause.TIMEOUT if not step.node:
                return _("The time that the journey gives was over.")
            case Cause.TIMEOUT if node is not None and node.kind == "wait":
                return _("The wait “%(node)s” was over.")
            case Cause.TIMEOUT:
                return _("The time of “%(node)s” was over, and nothing had happened.")
            case Cause.RESULT:
                return _("“%(node)s” came back with “%(outcome)s”.")
            case Cause.EXIT:
                return _("The exit criteria were met.")
            case Cause.STOPPED:
                return _("The journey was stopped.")
            case Cause.FAILED:
                return _("“%(node)s” could not be done.")
            case Cause.BACK:
                return _("Somebody brought it back to “%(node)s”, where it had failed.")
        if node is not None and node.kind == "condition":
            return _("“%(node)s” decided for “%(outcome)s”: %(why)s.")
        if node is not None and node.kind == "split":
            return _("“%(node)s” decided for “%(outcome)s”.")
        if node is not None and node.kind == "message":
            return _("“%(node)s” was handed over.")
        if step.outcome not in ("", "next"):
            return _("“%(node)s” was done, and left by “%(outcome)s”.")
        return _("“%(node)s” was done.")

    def _why(self, step: Transition) -> str:
        """Why a condition decided as it did; nothing of other steps."""
        node = self.nodes.get(step.node)
        if node is None or node.kind != "condition":
            return ""
        return why_decided(node, step.outcome, step.data or {})

    def _waits(self, node: Node) -> str:
        words = {"node": self.label(node.id), "event": node.config.get("event", "")}
        if node.kind == "event":
            return _("the event “%(event)s” (“%(node)s”)") % words
        if node.kind == "reaction":
            reaction = _(REACTION_LABELS.get(node.config["reaction"], node.config["reaction"]))
            words["reaction"] = reaction
            if reaction == words["node"]:
                return _("“%(reaction)s”") % words
            return _("“%(reaction)s” (“%(node)s”)") % words
        if node.kind == "wait":
            return _("the end of “%(node)s”") % words
        return _("what comes of “%(node)s”") % words


def explain_participant(participant: Participant, *, actor: Actor = SYSTEM) -> Passage:
    """Every step of a passage in words, and where it is now; three queries."""
    words = Words(participant.version, actor=actor)
    steps = list(Transition.objects.filter(participant_id=participant.pk).order_by("step"))
    messages: dict[str, list[Message]] = {}
    for message in Message.objects.filter(participant_id=participant.pk).order_by("pk"):
        messages.setdefault(message.node, []).append(message)
    return Passage(
        participant, explain_steps(words, participant, steps, messages), words.standing(participant)
    )


def explain_steps(
    words: Words,
    participant: Participant,
    steps: Sequence[Transition],
    messages: Mapping[str, Sequence[Message]],
) -> tuple[Step, ...]:
    """Steps in words; `messages` are those of the passage by activity."""
    found = []
    for step in steps:
        node = words.nodes.get(step.node)
        to = () if step.to_place is None else words.plan.places[step.to_place].ids
        is_acting = step.cause in (Cause.PASSED, Cause.RESULT)
        found.append(
            Step(
                number=step.step,
                at=step.at,
                noticed_at=step.noticed_at,
                cause=step.cause,
                node=step.node,
                kind=node.kind if node else "",
                label=words.label(step.node) if step.node else "",
                outcome=step.outcome,
                to=to,
                sentence=words.sentence(step, participant.entrance),
                data=step.data or (participant.context if step.cause == Cause.ENTERED else None),
                messages=tuple(messages.get(step.node, ())) if is_acting else (),
            )
        )
    return tuple(found)


def entered_by(cause: str) -> str:
    """What brought somebody in, by the cause that stands with the passage, in a sentence."""
    kind, _colon, rest = cause.partition(":")
    match kind:
        case "event":
            if rest.startswith("test-"):
                return _("Entered by a triggered event.")
            return _("Entered by an event.")
        case "reading":
            return _("Entered when the segment was read.")
        case "segment":
            return _("Entered because of a move between segments.")
        case "jump":
            return _("Came from another journey.")
        case "test":
            return _("Was put into the test.")
        case "api":
            return _("Entered through the API.")
    return _("Entered.")


def _outcome(name: str) -> str:
    label = OUTCOME_LABELS.get(name)
    return _(label) if label else name


def _time(at: datetime | None) -> str:
    return date_format(localtime(at), "DATETIME_FORMAT") if at else "–"
