"""When those who come to a place wake: the next instant at which time alone moves them.

The expressions are SQL over `arrived`, the instant at which somebody comes, and `c`, the contact.
They are worked out when he comes: what changes afterwards, such as the date that he waits for,
does not move his waking.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from journeys.drawing.durations import length_of
from journeys.drawing.forms import CONTACT
from journeys.drawing.kinds import NEXT, TIMEOUT
from journeys.drawing.plan import Place
from journeys.drawing.syntax import Node
from journeys.engine.course import Course
from journeys.engine.zones import zone_of

_DUE = "{arrived} + %({n}seconds)s::float8 * interval '1 second'"
# The first time that clocks there show it, from `arrived` on.
_TIME_OF_DAY = """(
  SELECT min(day.at) FROM (
    SELECT
      ((({arrived} AT TIME ZONE z.zone)::date + n) + %({n}time)s::time) AT TIME ZONE z.zone AS at
    FROM (SELECT {zone} AS zone) z CROSS JOIN generate_series(0, 2) n) day
  WHERE day.at >= {arrived})"""
# Who has no such date does not wait.
_DATE = "greatest({arrived}, segments_instant({value}, {zone}))"
_FIELDS = frozenset({"birth_date", "created_at"})


@dataclass(frozen=True, slots=True)
class Alarm:
    """What time alone does at an activity: when, and by which outcome it lets go.

    `unknown_zone` is the expression of the zone that was wanted and that nobody knows.
    """

    node: Node
    outcome: str
    text: str
    params: Mapping[str, Any]
    seconds: float | None
    """How long it takes; none where that is another for each contact."""
    unknown_zone: str = ""

    def at(self, arrived: str) -> str:
        """The instant, for who comes at `arrived`; its placeholders are in `params`."""
        return self.text.replace("{arrived}", arrived)


def alarms_of(course: Course, place: Place) -> list[Alarm]:
    """What time does at the activities of a place, in their order; of several the first acts."""
    found = (_alarm(course, node) for node in course.nodes_of(place))
    return [alarm for alarm in found if alarm is not None]


def shortest_wait(alarms: Sequence[Alarm]) -> float | None:
    """The seconds after which the first of those acts that take the same time for everyone."""
    return min((alarm.seconds for alarm in alarms if alarm.seconds is not None), default=None)


def _alarm(course: Course, node: Node) -> Alarm | None:
    config, shortened = node.config, course.version.wait_seconds
    if node.kind == "wait":
        if shortened is None and "until" in config:
            return _until(course, node, config["until"])
        return _after(course, node, NEXT, shortened or length_of(config["duration"]))
    if node.kind in ("event", "reaction") and config.get("timeout"):
        outcome = TIMEOUT if config.get("timeout_path") else NEXT
        return _after(course, node, outcome, shortened or length_of(config["timeout"]))
    return None


def _after(course: Course, node: Node, outcome: str, wait: timedelta | int) -> Alarm:
    seconds = wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
    n = _prefix(course, node)
    return Alarm(node, outcome, _DUE.replace("{n}", n), {f"{n}seconds": seconds}, seconds)


def _until(course: Course, node: Node, until: Mapping[str, Any]) -> Alarm:
    n = _prefix(course, node)
    # No other zone can be named here: what else stands there means nothing.
    said = CONTACT if until.get("zone") == CONTACT else None
    zone = zone_of(said, course.terms.zone, n, unknown=course.terms.unknown_zone)
    params = zone.params
    if "time" in until:
        text = _TIME_OF_DAY
        params[f"{n}time"] = until["time"]
    elif until["attribute"] in _FIELDS:
        text = _DATE.replace("{value}", f"to_jsonb(c.{until['attribute']})")
    else:
        text = _DATE.replace("{value}", "c.attributes -> %({n}key)s::text")
        params[f"{n}key"] = until["attribute"].removeprefix("attribute.")
    text = text.replace("{zone}", zone.text).replace("{n}", n)
    return Alarm(node, NEXT, text, params, None, zone.unknown)


def _prefix(course: Course, node: Node) -> str:
    """What the names of its parameters begin with."""
    return f"alarm{course.plan.drawing.nodes.index(node)}_"
