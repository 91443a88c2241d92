"""A drawing as an indented list: for whoever reads it without the canvas.

Any document can be read so, also a faulty one; each activity stands in it once, and where another
way comes to it later the list says so instead.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from journeys.drawing.catalog import KINDS_BY_NAME, OUTCOME_LABELS, REACTION_LABELS
from journeys.drawing.kinds import ENTRIES, NEXT
from journeys.path_words import words_of


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the activity, the way on which one comes to it, how far it is set in.

    `when` says who goes that way, where it is a path that is open by a clock or for so many. Where
    `is_again`, the activity stood above already, and the way goes on there. `source` is where the
    way comes from, `outcome` its name; both are empty where it begins.
    """

    node: str
    kind: str
    label: str
    way: str
    depth: int
    is_again: bool = False
    when: str = ""
    source: str = ""
    outcome: str = ""

    @property
    def indent(self) -> str:
        """How far it is set in, as a style says it: not without end."""
        return f"{min(self.depth, 12) * 1.25}rem"


def outline_of(drawing: Any) -> list[Line]:
    """The activities of a drawing in the order in which contacts go through them."""
    nodes = nodes_of(drawing)
    ways: dict[str, list[tuple[str, str]]] = {}
    reached = set[str]()
    for edge in _parts(drawing, "edges"):
        source, target, outcome = edge.get("from"), edge.get("to"), edge.get("outcome")
        if isinstance(source, str) and isinstance(target, str) and {source, target} <= set(nodes):
            way = outcome if isinstance(outcome, str) and outcome else NEXT
            ways.setdefault(source, []).append((way, target))
            reached.add(target)
    first = [name for name, node in nodes.items() if str(node.get("kind")) in ENTRIES]
    first += [name for name in nodes if name not in reached and name not in first]
    seen = set[str]()
    found: list[Line] = []
    # Those on a circle, which is a fault, are reached from nowhere.
    for start in [*first, *nodes]:
        if start not in seen:
            found += _walk(start, nodes, ways, seen)
    return found


def nodes_of(drawing: Any) -> dict[str, Mapping[str, Any]]:
    """The activities of any document by their ids; what has none is left out."""
    return {node["id"]: node for node in _parts(drawing, "nodes") if _is_text(node.get("id"))}


def _walk(
    start: str,
    nodes: Mapping[str, Mapping[str, Any]],
    ways: Mapping[str, list[tuple[str, str]]],
    seen: set[str],
) -> Iterator[Line]:
    to_see = [(start, "", "", 0, "")]
    while to_see:
        name, source, outcome, depth, when = to_see.pop()
        is_again = name in seen
        seen.add(name)
        yield _line(nodes[name], source, outcome, depth, when, is_again=is_again)
        if is_again:
            continue
        following = ways.get(name, [])
        is_branching = len(following) > 1
        paths = _paths(nodes[name])
        to_see += [
            (target, name, way, depth + is_branching, words_of(paths.get(way)))
            for way, target in reversed(following)
        ]


def _paths(node: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The paths of a condition by their names."""
    config = node.get("config")
    paths = _parts(config, "paths") if node.get("kind") == "condition" else []
    return {path["name"]: path for path in reversed(paths) if _is_text(path.get("name"))}


def _line(
    node: Mapping[str, Any], source: str, outcome: str, depth: int, when: str, *, is_again: bool
) -> Line:
    kind = node.get("kind")
    known = KINDS_BY_NAME.get(kind) if isinstance(kind, str) else None
    kind_label = _(known.label) if known else str(kind or "")[:63]
    label = node.get("label")
    told = label[:200] if isinstance(label, str) and label else _unlabelled(node, kind_label)
    way = outcome if outcome != NEXT else ""
    way_label = _(OUTCOME_LABELS[way]) if way in OUTCOME_LABELS else way
    return Line(node["id"], kind_label, told, way_label, depth, is_again, when, source, outcome)


def name_of(node: Mapping[str, Any]) -> str:
    """How people call an activity: by its label, else by its kind.

    Of reactions several stand side by side, so that what happens tells one from another.
    """
    known = KINDS_BY_NAME.get(str(node.get("kind")))
    kind_label = _(known.label) if known else str(node.get("kind") or "")[:63]
    return str(node.get("label") or _unlabelled(node, kind_label))


def _unlabelled(node: Mapping[str, Any], kind_label: str) -> str:
    config = node.get("config")
    reaction = config.get("reaction") if isinstance(config, Mapping) else None
    if node.get("kind") == "reaction" and reaction in REACTION_LABELS:
        return _(REACTION_LABELS[reaction])
    return kind_label


def _parts(drawing: Any, name: str) -> list[Mapping[str, Any]]:
    found = drawing.get(name) if isinstance(drawing, Mapping) else None
    return [one for one in (found if isinstance(found, list) else ()) if isinstance(one, Mapping)]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
