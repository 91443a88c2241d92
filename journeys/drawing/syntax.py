"""A drawing as frozen values, read from a document that was checked (`validate`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from journeys.drawing.kinds import ENTRIES, NEXT


@dataclass(frozen=True, slots=True)
class Node:
    """An activity."""

    id: str
    kind: str
    label: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """The way from an activity to the next, for one of its outcomes."""

    source: str
    outcome: str
    target: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Activities and ways, in the order in which they were drawn."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def entry(self) -> Node:
        """The activity by which contacts enter."""
        return next(node for node in self.nodes if node.kind in ENTRIES)

    def node(self, node_id: str) -> Node:
        """The activity of this id. Raises KeyError."""
        for node in self.nodes:
            if node.id == node_id:
                return node
        raise KeyError(node_id)

    def targets(self, node_id: str, outcome: str) -> tuple[str, ...]:
        """Where those go who leave an activity this way; several where the first event wins."""
        return tuple(
            edge.target for edge in self.edges if edge.source == node_id and edge.outcome == outcome
        )


def read(document: Mapping[str, Any]) -> Drawing:
    """The drawing of a document without faults; keys of the canvas are passed over."""
    return Drawing(
        tuple(
            Node(node["id"], node["kind"], node.get("label") or "", node.get("config") or {})
            for node in document.get("nodes", ())
        ),
        tuple(
            Edge(edge["from"], edge.get("outcome") or NEXT, edge["to"])
            for edge in document.get("edges", ())
        ),
    )
