"""What decides whether criteria hold, by the tree alone: the rules that do, and what has to turn.

A rule whose answer may not be told is None, and so is a group that depends on it. Nothing is said
of what is None.
"""

from collections.abc import Iterable, Mapping

from segments.criteria.syntax import Group, Node

Answers = Mapping[str, bool | None]
"""Whether each rule holds, by its path."""


def holds(node: Node, answers: Answers) -> bool | None:
    """Whether a part of the criteria holds."""
    if not isinstance(node, Group):
        return answers[node.path]
    found = [holds(child, answers) for child in node.children]
    # One child of this kind settles it.
    settling = node.combinator == "or"
    settled: bool | None = not settling
    if settling in found:
        settled = settling
    elif None in found:
        settled = None
    return settled if settled is None else settled != node.negated


def deciding(root: Group, answers: Answers) -> frozenset[str]:
    """The paths of the rules that are part of some smallest reason why `root` holds, or does not.

    Of an “and” that holds, and an “or” that does not, each child is needed. Else each child that
    settles it is a reason by itself.
    """
    return frozenset(_deciding(root, answers))


def _deciding(node: Node, answers: Answers) -> Iterable[str]:
    found = holds(node, answers)
    if found is None:
        return ()
    if not isinstance(node, Group):
        return (node.path,)
    inside = found != node.negated
    # Of the children, those that are as the group is inside: all, where each is needed.
    chosen = [child for child in node.children if holds(child, answers) == inside]
    return [path for child in chosen for path in _deciding(child, answers)]


def to_turn(root: Group, answers: Answers) -> tuple[str, ...] | None:
    """The fewest rules that would have to turn so that `root` turns; their paths in order.

    Of several such sets the first in the document. None where no turning rules can do it: an empty
    group is as it is.
    """
    found = holds(root, answers)
    if found is None:
        return None
    return _to_become(root, answers, wanted=not found)


def _to_become(node: Node, answers: Answers, *, wanted: bool) -> tuple[str, ...] | None:
    if not isinstance(node, Group):
        known = answers[node.path]
        if known is None:
            return None
        return () if known == wanted else (node.path,)
    inside = wanted != node.negated
    ways = [_to_become(child, answers, wanted=inside) for child in node.children]
    if inside == (node.combinator == "and"):
        # Every child has to be so.
        possible = [way for way in ways if way is not None]
        if len(possible) < len(ways):
            return None
        return tuple(path for way in possible for path in way)
    return min((way for way in ways if way is not None), key=len, default=None)
