"""What differs between two criteria documents, in words: one sentence for each change.

Rules and groups of the two documents are paired: those that are equal, then those that only were
switched on or off, then groups by the rules that they share, then rules about the same field. What
is left over was added, removed, or moved to another group.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simplejson
from django.utils.translation import gettext as _

Node = dict[str, Any]
# Says what a rule or group demands, as a part of a sentence.
Phrase = Callable[[Node], str]

_OF_GROUPS = ("combinator", "not", "rules", "disabled")
_OF_RULES = (
    *("field", "operator", "value", "measure", "where", "steps", "within", "disabled"),
    *("function", "property", "amount", "unit", "event", "not"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One change; `kind`: added, removed, changed, moved, combined, negated, switched, ordered."""

    kind: str
    sentence: str


def differences(before: Any, after: Any, phrase: Phrase) -> list[Difference]:
    """How the criteria `after` differ from those `before`; nothing where they mean the same.

    Keys that criteria pass over make no difference.
    """
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    found = _Comparison(phrase)
    found.groups(before, after)
    told = [*found.told, *found.leftovers()]
    if not told and found.is_reordered:
        told.append(Difference("ordered", _("Only the order of the criteria changed.")))
    elif not told and _written(before) != _written(after):
        told.append(Difference("ordered", _("Only the grouping of the criteria changed.")))
    return told


@dataclass(slots=True)
class _Comparison:
    phrase: Phrase
    told: list[Difference] = field(default_factory=list)
    removed: list[tuple[Node, Node]] = field(default_factory=list)
    added: list[tuple[Node, Node]] = field(default_factory=list)
    is_reordered: bool = False

    def tell(self, kind: str, sentence: str, **words: str) -> None:
        self.told.append(Difference(kind, sentence % words))

    def groups(self, before: Node, after: Node) -> None:
        """Compare two groups that are the same one, changed."""
        clause = self.phrase({**after, "not": False}) if _children(after) else ""
        is_filled = _children(before) + _children(after)
        if _combinator(before) != _combinator(after) and is_filled:
            message = _("Instead of one, all have to hold now: %(what)s")
            if _combinator(after) == "or":
                message = _("Instead of all, one is enough now: %(what)s")
            self.tell("combined", message, what=clause)
        if _is_negated(before) != _is_negated(after):
            message = _("No longer turned around, this has to hold now: %(what)s")
            if _is_negated(after):
                message = _("Turned around, this must not hold now: %(what)s")
            self.tell("negated", message, what=clause)
        self.inside(before, after)

    def inside(self, before: Node, after: Node) -> None:
        old, new = list(enumerate(_children(before))), list(enumerate(_children(after)))
        places = self._pair(old, new, _written)
        self.is_reordered = self.is_reordered or places != sorted(places)
        for one, other in self._pairs(old, new, lambda node: _written(node, with_switch=False)):
            self._switched(one, other)
        for one, other in _likest_groups(old, new):
            self._switched(one, other)
            self.groups(one, other)
        for one, other in self._pairs(old, new, _subject):
            self._switched(one, other)
            self._changed(one, other)
        self.removed += [(node, before) for _place, node in old]
        self.added += [(node, after) for _place, node in new]

    def _pair(
        self, old: list[tuple[int, Node]], new: list[tuple[int, Node]], key: Callable[[Node], str]
    ) -> list[int]:
        """Take away what is equal; the places in `new` of what `old` has, in its order."""
        places = []
        for entry in list(old):
            twin = next((other for other in new if key(other[1]) == key(entry[1])), None)
            if twin is not None:
                old.remove(entry)
                new.remove(twin)
                places.append(twin[0])
        return places

    def _pairs(
        self, old: list[tuple[int, Node]], new: list[tuple[int, Node]], key: Callable[[Node], str]
    ) -> Iterator[tuple[Node, Node]]:
        """Take away and give those that have the same key; an empty key is like no other."""
        for entry in list(old):
            wanted = key(entry[1])
            twin = next((other for other in new if wanted and key(other[1]) == wanted), None)
            if twin is not None:
                old.remove(entry)
                new.remove(twin)
                yield entry[1], twin[1]

    def _switched(self, before: Node, after: Node) -> None:
        if _is_disabled(before) and not _is_disabled(after):
            self.tell("switched", _("Switched on again: %(what)s"), what=self.phrase(after))
        elif _is_disabled(after) and not _is_disabled(before):
            self.tell("switched", _("Switched off: %(what)s"), what=self.phrase(after))

    def _changed(self, before: Node, after: Node) -> None:
        old, new = self.phrase(before), self.phrase(after)
        if old == new:
            if _written(before, with_switch=False) != _written(after, with_switch=False):
                self.tell(
                    "changed", _("Changed in a part that has no name here: %(what)s"), what=new
                )
            return
        self.tell("changed", _("Changed: %(old)s → %(new)s"), old=old, new=new)

    def leftovers(self) -> Iterator[Difference]:
        """What was moved as a whole, then what was moved rule by rule, then what came and went."""
        yield from self._moved(self.removed, self.added)
        removed, added = _rules(self.removed), _rules(self.added)
        moved = Counter(_written(node) for node, _group in removed)
        moved &= Counter(_written(node) for node, _group in added)
        if moved:
            yield from self._moved(removed, added)
            self.removed, self.added = removed, added
        for node, _group in self.removed:
            yield Difference("removed", _("Removed: %(what)s") % {"what": self.phrase(node)})
        for node, group in self.added:
            words = {"what": self.phrase(node), "where": _place(group)}
            if _combinator(group) == "and" and not _is_negated(group):
                yield Difference("added", _("Added: %(what)s") % words)
            else:
                yield Difference("added", _("Added, %(where)s: %(what)s") % words)

    def _moved(
        self, removed: list[tuple[Node, Node]], added: list[tuple[Node, Node]]
    ) -> Iterator[Difference]:
        for entry in list(removed):
            twin = next((one for one in added if _written(one[0]) == _written(entry[0])), None)
            if twin is None:
                continue
            removed.remove(entry)
            added.remove(twin)
            words = {"what": self.phrase(twin[0]), "where": _place(twin[1])}
            yield Difference("moved", _("Moved, %(where)s: %(what)s") % words)


def _place(group: Node) -> str:
    """Where something stands now, by what its group demands."""
    if _is_negated(group):
        if _combinator(group) == "or":
            return _("where none may hold")
        return _("where not all may hold")
    if _combinator(group) == "or":
        return _("where one is enough")
    return _("where all have to hold")


def _likest_groups(
    old: list[tuple[int, Node]], new: list[tuple[int, Node]]
) -> Iterator[tuple[Node, Node]]:
    """Take away and give groups that share rules, those that share most first."""
    shared = [
        (sum((_leaves(one[1]) & _leaves(other[1])).values()), one, other)
        for one in old
        for other in new
        if _is_group(one[1]) and _is_group(other[1])
    ]
    shared.sort(key=lambda found: -found[0])
    alone = sum(_is_group(one[1]) for one in old) == sum(_is_group(one[1]) for one in new) == 1
    for count, one, other in shared:
        if (count or alone) and one in old and other in new:
            old.remove(one)
            new.remove(other)
            yield one[1], other[1]


def _rules(entries: Sequence[tuple[Node, Node]]) -> list[tuple[Node, Node]]:
    """Each rule with the group that it stands in."""
    found: list[tuple[Node, Node]] = []
    for node, group in entries:
        if _is_group(node):
            found += _rules([(child, node) for child in _children(node)])
        else:
            found.append((node, group))
    return found


def _leaves(node: Node) -> Counter[str]:
    return Counter(_written(rule, with_switch=False) for rule, _group in _rules([(node, node)]))


def _subject(node: Node) -> str:
    """What a rule is about; groups and broken rules are about nothing."""
    name = node.get("field")
    return name if isinstance(name, str) and not _is_group(node) else ""


def _is_group(node: Node) -> bool:
    return "rules" in node


def _children(group: Node) -> list[Node]:
    rules = group.get("rules")
    return [node for node in rules if isinstance(node, dict)] if isinstance(rules, list) else []


def _combinator(group: Node) -> str:
    return "or" if group.get("combinator") == "or" else "and"


def _is_negated(group: Node) -> bool:
    return group.get("not") is True


def _is_disabled(node: Node) -> bool:
    return node.get("disabled") is True


def _written(node: Any, *, with_switch: bool = True) -> str:
    """The same text for what means the same: without keys that criteria pass over."""
    return str(simplejson.dumps(_bare(node, with_switch), use_decimal=True, sort_keys=True))


def _bare(node: Any, with_switch: bool) -> Any:
    if isinstance(node, list):
        return [_bare(part, True) for part in node]
    if not isinstance(node, dict):
        return node
    known = _OF_GROUPS if _is_group(node) else _OF_RULES
    kept = {key: _bare(node[key], True) for key in known if key in node}
    for flag in ("not", "disabled"):
        if kept.get(flag) is False or (flag == "disabled" and not with_switch):
            kept.pop(flag, None)
    return kept
