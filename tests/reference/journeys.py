"""A journey for one contact in plain Python, step by step: the second opinion on the engine's.

It stands at activities, not at places, and knows no tables, no signals and no looking back: at each
tick it is told all that happened so far, and goes as far as it can.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_WAITING = {"wait", "event", "reaction"}
# Activity, outcome, when.
Step = tuple[str, str, datetime]


def length(duration: Mapping[str, Any]) -> timedelta:
    """How long a duration is."""
    found: timedelta = duration["amount"] * _UNITS[duration["unit"]]
    return found


@dataclass(frozen=True)
class Happened:
    """What the contact did; a reaction names the activity whose message it is to."""

    name: str
    at: datetime
    to: str = ""


@dataclass
class Passage:
    """One passage through the drawing: where it stands, since when, and how it came there."""

    entered_at: datetime
    at: tuple[str, ...]
    arrived_at: datetime
    steps: list[Step]
    finished_at: datetime | None = None
    outcome: str = ""
    is_control: bool = False
    sent: set[str] = field(default_factory=set)


@dataclass
class Journey:
    """The drawing and its settings, with one contact: of which city, and with which number."""

    document: Mapping[str, Any]
    settings: Mapping[str, Any]
    number: int
    contact_id: int
    holds: Callable[[Mapping[str, Any]], bool]
    passages: list[Passage] = field(default_factory=list)
    refused: list[tuple[datetime, str]] = field(default_factory=list)
    waiting: list[datetime] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)

    def tick(self, as_of: datetime) -> None:
        """Let in who waits, and move as far as it goes."""
        while True:
            due = sorted(at for at in self.waiting if at <= as_of)
            if due:
                self.waiting.remove(due[0])
                self._enter(due[0])
            for passage in self.passages:
                if passage.finished_at is None:
                    self._move(passage, as_of)
            if not due:
                return

    def _enter(self, at: datetime) -> None:
        over = [one.finished_at for one in self.passages if one.finished_at is not None]
        again = self.settings.get("re_entry", "always")
        if len(over) < len(self.passages) or any(one > at for one in over):
            self.refused.append((at, "inside"))
        elif over and again == "never":
            self.refused.append((at, "was_inside"))
        elif over and again != "always" and max(over) + length(again["after"]) > at:
            self.refused.append((at, "too_soon"))
        else:
            passage = Passage(at, (), at, [("", "entered", at)])
            self.passages.append(passage)
            self._arrive(passage, "start", "next", at)

    def _arrive(self, passage: Passage, node_id: str, outcome: str, at: datetime) -> None:
        passage.arrived_at = at
        passage.at = tuple(
            edge["to"]
            for edge in self.document["edges"]
            if edge["from"] == node_id and edge.get("outcome", "next") == outcome
        )
        if not passage.at:
            passage.finished_at, passage.outcome = at, "ended"

    def _leave(self, passage: Passage, node_id: str, outcome: str, at: datetime) -> None:
        passage.steps.append((node_id, outcome, at))
        self._arrive(passage, node_id, outcome, at)

    def _end(self, passage: Passage, outcome: str, at: datetime, ends: str) -> None:
        passage.steps.append(("", outcome, at))
        passage.finished_at, passage.outcome = at, ends

    def _move(self, passage: Passage, as_of: datetime) -> None:
        wanted = self.settings.get("exit")
        ending = [
            one.at
            for one in self.happened
            if wanted and one.name == wanted["event"] and passage.entered_at < one.at <= as_of
        ]
        if ending:
            at = max(min(ending), passage.arrived_at)
            self._end(passage, "exit", at, "exited")
            return
        while passage.finished_at is None:
            nodes = [one for one in self.document["nodes"] if one["id"] in passage.at]
            if nodes[0]["kind"] not in _WAITING:
                self._act(passage, nodes[0])
            elif not self._wait(passage, nodes, as_of):
                return

    def _wait(self, passage: Passage, nodes: Sequence[Mapping[str, Any]], as_of: datetime) -> bool:
        """Whether something moved it on."""
        deadline = passage.entered_at + length(self.settings["timeout"])
        found = [
            (one.at, place, node["id"])
            for place, node in enumerate(nodes)
            for one in self.happened
            if _is_meant(node, one) and passage.arrived_at < one.at <= as_of and one.at < deadline
        ]
        if found:
            at, _place, node_id = min(found)
            self._leave(passage, node_id, "next", at)
            return True
        alarms = [
            (alarm[0], is_calendar, place, node["id"], alarm[1])
            for place, node in enumerate(nodes)
            for is_calendar in (bool(node["config"].get("until")),)
            if (alarm := _alarm(node, passage.arrived_at)) is not None
        ]
        first = min(alarms, default=None)
        if first is not None and first[0] < deadline:
            if first[0] > as_of:
                return False
            self._leave(passage, first[3], first[4], first[0])
            return True
        if deadline > as_of:
            return False
        self._end(passage, "timeout", deadline, "timed_out")
        return True

    def _act(self, passage: Passage, node: Mapping[str, Any]) -> None:
        config, outcome = node["config"], "next"
        if node["kind"] == "condition":
            other = "else" if config.get("else") else "next"
            holding = (path["name"] for path in config["paths"] if self.holds(path["criteria"]))
            outcome = next(holding, other)
        elif node["kind"] == "split":
            outcome = self._lot(node)
            passage.is_control |= outcome == "holdout"
        elif node["kind"] == "message":
            passage.sent.add(node["id"])
        self._leave(passage, node["id"], outcome, passage.arrived_at)

    def _lot(self, node: Mapping[str, Any]) -> str:
        drawn = f"{self.number}:{node['id']}:{self.contact_id}".encode()
        lot = int(hashlib.md5(drawn, usedforsecurity=False).hexdigest()[:8], 16) % 10_000
        upto = 0
        for path in node["config"]["paths"]:
            upto += path["percent"] * 100
            if lot < upto:
                return str(path["name"])
        raise AssertionError("The percents do not add up.")


def _is_meant(node: Mapping[str, Any], one: Happened) -> bool:
    config = node["config"]
    if node["kind"] == "event":
        return bool(one.name == config["event"])
    return node["kind"] == "reaction" and (one.name, one.to) == (config["reaction"], config["to"])


def _alarm(node: Mapping[str, Any], arrived_at: datetime) -> tuple[datetime, str] | None:
    config = node["config"]
    if "until" in config:
        wanted = time.fromisoformat(config["until"]["time"])
        at = datetime.combine(arrived_at.date(), wanted, UTC)
        return (at if at >= arrived_at else at + timedelta(days=1)), "next"
    if "duration" in config:
        return arrived_at + length(config["duration"]), "next"
    if config.get("timeout"):
        outcome = "timeout" if config.get("timeout_path") else "next"
        return arrived_at + length(config["timeout"]), outcome
    return None
