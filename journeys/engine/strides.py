"""Two steps in one: who comes to a split or an end goes on in the statement that brings him there.

Nothing is asked there, and nothing happens to him in between: so he is written once instead of
twice, which is what a step costs. Both steps are told as if he had taken them one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from journeys.drawing.kinds import NEXT
from journeys.drawing.plan import Place
from journeys.engine import lots
from journeys.engine.course import Course
from journeys.engine.ways import Outcome, Then, Way


@dataclass(slots=True)
class Stretched:
    """Ways that go on where they can; `number` is in SQL which of them a participant `p` takes."""

    ways: list[Way]
    number: str = "g.way"
    params: dict[str, str] = field(default_factory=dict)


def stretched(course: Course, ways: Sequence[Way]) -> Stretched:
    """These ways, with the next step at once where one comes to a split or an end.

    Not where exit criteria are asked before each step.
    """
    found, cases = Stretched(list(ways)), list[str]()
    if course.asks_exit_criteria:
        return found
    for number, way in enumerate(ways):
        place = course.place(way.target)
        if place is None or place.waits:
            continue
        node = place.nodes[0]
        if node.kind == "end":
            then = Then(place.number, node.id, NEXT)
            found.ways[number] = replace(way, target=None, ends=Outcome.ENDED, then=then)
        elif node.kind == "split":
            further = _by_paths(course, way, place)
            numbers = [number, *range(len(found.ways), len(found.ways) + len(further) - 1)]
            found.ways[number] = further[0]
            found.ways += further[1:]
            lottery = f"lottery{number}"
            found.params[lottery] = lots.lottery_of(course.version.journey_id, node.id)
            cases.append(f"WHEN {number} THEN {lots.drawn(node, numbers, lottery=lottery)}")
    if cases:
        found.number = f"CASE g.way {' '.join(cases)} ELSE g.way END"
    return found


def _by_paths(course: Course, way: Way, place: Place) -> list[Way]:
    """The way on by each path of the split to which it leads."""
    node = place.nodes[0]
    return [
        replace(
            way,
            target=course.target(node.id, path["name"]),
            ends=Outcome.ENDED,
            is_control=way.is_control or path["name"] == lots.HOLDOUT,
            then=Then(place.number, node.id, path["name"]),
        )
        for path in node.config["paths"]
    ]
