"""A journey for one contact in plain Python, step by step: the second opinion on the engine's.

It stands at activities, not at places, and knows no tables, no signals and no looking back: at each
tick it is told all that happened so far, and goes as far as it can. Only where a path lets so many
through it stops, until all who come there in that tick have come (`tick_together`).
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
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
    """The drawing and its settings, with one contact: with which number, zone and attributes.

    `through` counts who went through a path that lets so many through, for all contacts together.
    """

    document: Mapping[str, Any]
    settings: Mapping[str, Any]
    number: int
    contact_id: int
    holds: Callable[[Mapping[str, Any]], bool]
    zone: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    through: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    passages: list[Passage] = field(default_factory=list)
    refused: list[tuple[datetime, str]] = field(default_factory=list)
    waiting: list[datetime] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)

    def let_in(self, as_of: datetime) -> bool:
        """Let the first in who waits to enter; whether anybody did."""
        due = sorted(at for at in self.waiting if at <= as_of)
        if due:
            self.waiting.remove(due[0])
            self._enter(due[0])
        return bool(due)

    def move(self, as_of: datetime) -> None:
        """Move as far as it goes, or to where somebody has to be counted."""
        for passage in self.passages:
            if passage.finished_at is None:
                self._move(passage, as_of)

    def asking(self) -> "list[tuple[int, Passage]]":
        """The passages that stand where somebody has to be counted, by the place in the drawing."""
        places = {node["id"]: place for place, node in enumerate(self.document["nodes"])}
        return [
            (places[one.at[0]], one)
            for one in self.passages
            if one.finished_at is None and _counts(self._node(one.at[0]))
        ]

    def decide(self, passage: Passage) -> None:
        """Go on from a condition by the first path that is open."""
        node = self._node(passage.at[0])
        config = node["config"]
        other = "else" if config.get("else") else "next"
        opened = (
            path["name"]
            for path in config["paths"]
            if self._is_open(node, path, passage.arrived_at)
        )
        self._leave(passage, node["id"], next(opened, other), passage.arrived_at)

    def _is_open(self, node: Mapping[str, Any], path: Mapping[str, Any], at: datetime) -> bool:
        if "criteria" in path:
            return self.holds(path["criteria"])
        if "cap" in path:
            local = at.astimezone(self._zone_of("journey"))
            day = str(local.date()) if path["cap"].get("per") == "day" else ""
            key = (node["id"], path["name"], day)
            limit: int = path["cap"]["limit"]
            has_room = self.through[key] < limit
            self.through[key] += has_room
            return has_room
        if "date" in path:
            told = path["date"]
            today = at.astimezone(self._zone_of(told.get("zone"))).strftime("%Y-%m-%d")
            return bool(told.get("from", "0") <= today <= told.get("to", "9"))
        return self._is_in_window(path["time"], at)

    def _is_in_window(self, told: Mapping[str, Any], at: datetime) -> bool:
        """Whether one of the windows that begin on these days has begun, and not ended."""
        zone = self._zone_of(told.get("zone"))
        local = at.astimezone(zone).replace(tzinfo=None)
        for back in (0, 1):
            begins_on = local.date() - timedelta(days=back)
            if told.get("days") and _DAYS[begins_on.weekday()] not in told["days"]:
                continue
            begin = datetime.combine(begins_on, time.fromisoformat(told.get("from", "00:00")))
            end = datetime.combine(begins_on, time.fromisoformat(told.get("to", "00:00")))
            if end <= begin:
                end += timedelta(days=1)
            if begin <= local < end:
                return True
        return False

    def _zone_of(self, said: str | None) -> ZoneInfo:
        if said == "contact" and self.zone in available_timezones():
            return ZoneInfo(self.zone)
        if said in (None, "contact", "journey"):
            return ZoneInfo(self.settings.get("time_zone", "UTC"))
        return ZoneInfo(said)

    def _node(self, node_id: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = next(
            one for one in self.document["nodes"] if one["id"] == node_id
        )
        return found

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
            if _counts(nodes[0]):
                return
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
            if (alarm := self._alarm(node, passage.arrived_at)) is not None
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
        outcome = "next"
        if node["kind"] == "condition":
            self.decide(passage)
            return
        if node["kind"] == "split":
            outcome = self._lot(node)
            passage.is_control |= outcome == "holdout"
        elif node["kind"] == "message":
            passage.sent.add(node["id"])
        self._leave(passage, node["id"], outcome, passage.arrived_at)

    def _alarm(self, node: Mapping[str, Any], at: datetime) -> tuple[datetime, str] | None:
        config = node["config"]
        if "until" in config:
            return self._until(config["until"], at), "next"
        if "duration" in config:
            return at + length(config["duration"]), "next"
        if config.get("timeout"):
            outcome = "timeout" if config.get("timeout_path") else "next"
            return at + length(config["timeout"]), outcome
        return None

    def _until(self, until: Mapping[str, Any], at: datetime) -> datetime:
        zone = self._zone_of(until.get("zone"))
        if "time" in until:
            wanted, today = time.fromisoformat(until["time"]), at.astimezone(zone).date()
            days = (today + timedelta(days=days) for days in range(3))
            showing = (datetime.combine(day, wanted, zone).astimezone(UTC) for day in days)
            return next(one for one in showing if one >= at)
        written = self.attributes.get(until["attribute"].removeprefix("attribute."))
        if not isinstance(written, str):
            return at
        try:
            found = datetime.fromisoformat(written)
        except ValueError:
            return at
        return max(at, found if found.tzinfo else found.replace(tzinfo=zone).astimezone(UTC))

    def _lot(self, node: Mapping[str, Any]) -> str:
        drawn = f"{self.number}:{node['id']}:{self.contact_id}".encode()
        lot = int(hashlib.md5(drawn, usedforsecurity=False).hexdigest()[:8], 16) % 10_000
        upto = 0
        for path in node["config"]["paths"]:
            upto += path["percent"] * 100
            if lot < upto:
                return str(path["name"])
        raise AssertionError("The percents do not add up.")


def tick_together(ones: Sequence[Journey], as_of: datetime) -> None:
    """Let in who waits, and move all contacts of a journey as far as it goes.

    Its activities are drawn from top to bottom. Who comes where somebody has to be counted waits
    for all who come there in the same tick; who had come first goes first.
    """
    is_anybody_left = True
    while is_anybody_left:
        is_anybody_left = sum(one.let_in(as_of) for one in ones) > 0
        _move_all(ones, as_of)


def _move_all(ones: Sequence[Journey], as_of: datetime) -> None:
    while True:
        for one in ones:
            one.move(as_of)
        asking = [(place, one, passage) for one in ones for place, passage in one.asking()]
        if not asking:
            return
        first = min(place for place, _one, _passage in asking)
        crowd = [(one, passage) for place, one, passage in asking if place == first]
        for one, passage in sorted(crowd, key=lambda who: (who[1].arrived_at, who[0].contact_id)):
            one.decide(passage)


def _counts(node: Mapping[str, Any]) -> bool:
    return any("cap" in path for path in node["config"].get("paths", ()))


def _is_meant(node: Mapping[str, Any], one: Happened) -> bool:
    config = node["config"]
    if node["kind"] == "event":
        return bool(one.name == config["event"])
    return node["kind"] == "reaction" and (one.name, one.to) == (config["reaction"], config["to"])
