"""Where participants can stand: the places of a drawing, and the ways between them.

A place is one activity that acts, or all those that wait side by side behind another one: whoever
stands there waits for the first of them. Places are numbered so that every way leads to a higher
number: one pass over them in their order moves everyone as far as it goes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from journeys.drawing.kinds import NEXT, WAITING
from journeys.drawing.syntax import Drawing, Node


@dataclass(frozen=True, slots=True)
class Place:
    """One place: its number, and the activities that stand there, in the order of the drawing."""

    number: int
    nodes: tuple[Node, ...]

    @property
    def waits(self) -> bool:
        """Whether somebody who comes waits here for something to happen."""
        return self.nodes[0].kind in WAITING

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its activities."""
        return tuple(node.id for node in self.nodes)


@dataclass(frozen=True)
class Plan:
    """A drawing with its places. `first` is where those stand who entered; none: it ends there."""

    drawing: Drawing
    places: tuple[Place, ...]

    @cached_property
    def _numbers(self) -> Mapping[frozenset[str], int]:
        return {frozenset(place.ids): place.number for place in self.places}

    @property
    def first(self) -> int | None:
        """The place of those who have just entered."""
        return self.way(self.drawing.entry.id, NEXT)

    def way(self, node_id: str, outcome: str) -> int | None:
        """The place to which an outcome of an activity leads; None where the journey ends."""
        targets = self.drawing.targets(node_id, outcome)
        return self._numbers[frozenset(targets)] if targets else None

    def places_of(self, node_id: str) -> tuple[Place, ...]:
        """All places at which an activity stands."""
        return tuple(place for place in self.places if node_id in place.ids)

    def as_json(self) -> list[list[str]]:
        """What `JourneyVersion.places` keeps."""
        return [list(place.ids) for place in self.places]


def make_plan(drawing: Drawing, places: Sequence[Iterable[str]] | None = None) -> Plan:
    """The plan of a drawing without faults; with the places that a version keeps, by those."""
    nodes = {node.id: node for node in drawing.nodes}
    if places is None:
        places = _places(drawing)
    return Plan(
        drawing,
        tuple(
            Place(number, tuple(nodes[node_id] for node_id in ids))
            for number, ids in enumerate(places)
        ),
    )


def order(drawing: Drawing) -> list[str]:
    """The ids of the activities, each after all from which a way leads to it.

    Those on a cycle, and behind one, are left out.
    """
    incoming = {node.id: 0 for node in drawing.nodes}
    for edge in drawing.edges:
        incoming[edge.target] += 1
    ready = [node.id for node in drawing.nodes if not incoming[node.id]]
    found = []
    while ready:
        node_id = ready.pop(0)
        found.append(node_id)
        for edge in drawing.edges:
            if edge.source == node_id:
                incoming[edge.target] -= 1
                if not incoming[edge.target]:
                    ready.append(edge.target)
    return found


def _places(drawing: Drawing) -> list[list[str]]:
    rank = {node_id: number for number, node_id in enumerate(order(drawing))}
    ways: dict[tuple[str, str], set[str]] = {}
    for edge in drawing.edges:
        ways.setdefault((edge.source, edge.outcome), set()).add(edge.target)
    groups = {frozenset(targets) for targets in ways.values()}
    # Leaving by one activity leads only behind it, so its place comes before all that follow.
    return sorted(
        (sorted(group, key=rank.__getitem__) for group in groups),
        key=lambda group: (rank[group[0]], [rank[node_id] for node_id in group]),
    )
