"""JSON → tree: the shape of a document. All faults are collected; none is raised half-way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from .catalog import Catalog
from .errors import CriteriaInvalid, Faults, Problem, Translate, gettext_noop, key_path
from .syntax import Criteria, Event, Group, Node, Rule, SequenceRule, Step
from .validate import Asker
from .values import is_empty

LEVEL_LIMIT = 8
RULE_LIMIT = 200
STEP_LIMITS = (2, 5)

# Reads the rule at a path; the level is that of the group the rule stands in.
_ReadRule = Callable[[dict[str, Any], str, int], Rule | None]


def parse(
    document: Any, catalog: Catalog, zone: ZoneInfo, *, translate: Translate = str
) -> Criteria:
    """The tree of `document`, as json.loads or simplejson gives it, in the workspace's `zone`.

    Raises CriteriaInvalid with every fault; `translate` puts the messages' templates in words.
    """
    reader = _Reader(Asker(catalog, zone, Faults(translate)))
    root = reader.document(document, reader.rule)
    return Criteria(root, zone)


def parse_where(
    document: Any, catalog: Catalog, zone: ZoneInfo, *, translate: Translate = str
) -> Criteria:
    """The tree of a group of rules over one event, as in `where` of an event rule.

    Raises CriteriaInvalid with every fault, paths beginning at the group.
    """
    reader = _Reader(Asker(catalog, zone, Faults(translate)))
    root = reader.document(document, reader.condition)
    return Criteria(root, zone)


def check(
    document: Any, catalog: Catalog, zone: ZoneInfo, *, translate: Translate = str
) -> tuple[Problem, ...]:
    """Every fault of `document`, in its order; none if `parse` accepts it."""
    try:
        parse(document, catalog, zone, translate=translate)
    except CriteriaInvalid as refused:
        return refused.problems
    return ()


@dataclass(slots=True)
class _Reader:
    """Walks one document; what a field, operator or value means, `ask` knows."""

    ask: Asker
    rule_count: int = 0

    @property
    def faults(self) -> Faults:
        return self.ask.faults

    def document(self, document: Any, read_rule: _ReadRule) -> Group:
        _find_unstorable(document, self.faults)
        root = None
        if isinstance(document, dict) and (_is_group(document) or "field" not in document):
            if document.get("disabled") is True:
                message = gettext_noop("The outermost group cannot be disabled.")
                self.faults.add("disabled", "malformed", message)
            else:
                self._is_disabled(document, "")
            root = self.group(document, "", 1, read_rule)
        else:
            self.faults.add("", "malformed", "Criteria are a group of rules.")
        if self.rule_count > RULE_LIMIT:
            message = gettext_noop("There are {count} rules; {limit} is the most.")
            words = {"count": self.rule_count, "limit": RULE_LIMIT}
            self.faults.add("", "too_many_rules", message, **words)
        if self.faults.problems or root is None:
            raise CriteriaInvalid(self.faults.in_order_of(document))
        return root

    def group(
        self, document: dict[str, Any], path: str, level: int, read_rule: _ReadRule
    ) -> Group | None:
        if level > LEVEL_LIMIT:
            message = gettext_noop("Groups may stand in each other {limit} levels deep.")
            self.faults.add(path, "too_deep", message, limit=LEVEL_LIMIT)
            return None
        combinator = document.get("combinator", "and")
        if is_empty(combinator) or "combinator" not in document:
            self.faults.add(
                key_path(path, "combinator"), "missing_value", gettext_noop("Choose “and” or “or”.")
            )
        elif combinator not in ("and", "or"):
            message = gettext_noop("The combinator is “and” or “or”.")
            self.faults.add(key_path(path, "combinator"), "malformed", message)
        negated = self._flag(document, path, "not")
        children = self._children(document, path, level, read_rule)
        return Group(path, "or" if combinator == "or" else "and", children, negated)

    def rule(self, document: dict[str, Any], path: str, level: int) -> Rule | None:
        """A rule about a contact."""
        self._refuse_not(document, path)
        name = self.ask.field_name(document, path)
        if name == "sequence":
            return self._sequence(document, path, level)
        if name is not None and name.startswith("event.") and name != "event.":
            where = self._where(document, path, level)
            return self.ask.event_rule(document, path, name.removeprefix("event."), where)
        return self.ask.rule(document, path, name)

    def condition(self, document: dict[str, Any], path: str, level: int) -> Rule | None:
        """A rule about an event, in `where`."""
        self._refuse_not(document, path)
        return self.ask.condition(document, path, self.ask.field_name(document, path))

    def _children(
        self, document: dict[str, Any], path: str, level: int, read_rule: _ReadRule
    ) -> tuple[Node, ...]:
        rules, path = document.get("rules"), key_path(path, "rules")
        if "rules" not in document:
            self.faults.add(path, "missing_value", gettext_noop("A group has a list of rules."))
        elif not isinstance(rules, list):
            self.faults.add(path, "malformed", gettext_noop("The rules of a group are a list."))
        else:
            found = (
                self._node(child, f"{path}[{index}]", level, read_rule)
                for index, child in enumerate(rules)
            )
            return tuple(node for node in found if node is not None)
        return ()

    def _node(self, document: Any, path: str, level: int, read_rule: _ReadRule) -> Node | None:
        if not isinstance(document, dict):
            self.faults.add(path, "malformed", gettext_noop("This is neither a rule nor a group."))
            return None
        if self._is_disabled(document, path):
            return None
        if _is_group(document):
            return self.group(document, path, level + 1, read_rule)
        self.rule_count += 1
        return read_rule(document, path, level)

    def _where(self, document: dict[str, Any], path: str, level: int) -> Group | None:
        """The conditions on events; every event where there are none, None where they are faulty.

        They start at the level of their rule, which is that of the group the rule stands in.
        """
        path = key_path(path, "where")
        if "where" not in document:
            return Group(path, "and")
        where = document["where"]
        if not isinstance(where, dict) or ("field" in where and not _is_group(where)):
            self.faults.add(
                path, "malformed", gettext_noop("The conditions on events are a group of rules.")
            )
            return None
        if self._is_disabled(where, path):
            return Group(path, "and")
        return self.group(where, path, level, self.condition)

    def _sequence(self, document: dict[str, Any], path: str, level: int) -> Rule | None:
        path_of_steps, steps = key_path(path, "steps"), document.get("steps")
        if "steps" not in document:
            self.faults.add(path_of_steps, "missing_value", gettext_noop("A sequence has steps."))
            return None
        if not isinstance(steps, list):
            self.faults.add(
                path_of_steps, "malformed", gettext_noop("The steps of a sequence are a list.")
            )
            return None
        self.rule_count += len(steps)
        least, most = STEP_LIMITS
        if not least <= len(steps) <= most:
            message = gettext_noop("A sequence has {least} to {most} steps.")
            self.faults.add(path_of_steps, "malformed", message, least=least, most=most)
        found: list[Step] = []
        for index, step in enumerate(steps):
            is_first, is_last = index == 0, index == len(steps) - 1
            at = f"{path_of_steps}[{index}]"
            one = self._step(step, at, level, is_first=is_first, is_last=is_last)
            is_absent = isinstance(step, dict) and step.get("not") is True
            if is_absent and not is_last:
                message = gettext_noop("Only the last step may be one that did not happen.")
                self.faults.add(f"{path_of_steps}[{index}].not", "malformed", message)
            if one is not None:
                found.append(one)
        if len(found) < least:
            return None
        if is_absent:
            return SequenceRule(path, tuple(found[:-1]), found[-1])
        return SequenceRule(path, tuple(found))

    def _step(
        self, step: Any, path: str, level: int, *, is_first: bool, is_last: bool
    ) -> Step | None:
        if not isinstance(step, dict):
            self.faults.add(
                path, "malformed", gettext_noop("A step is an object that names an event.")
            )
            return None
        event, event_path = step.get("event"), key_path(path, "event")
        if "event" not in step or is_empty(event):
            self.faults.add(event_path, "missing_value", gettext_noop("A step names an event."))
        elif not isinstance(event, str):
            self.faults.add(
                event_path, "malformed", gettext_noop("The name of an event is a text.")
            )
        is_absent = self._flag(step, path, "not")
        within, within_path = None, key_path(path, "within")
        if "within" in step and is_first:
            message = gettext_noop("The first step has no step before it to be within a time of.")
            self.faults.add(within_path, "malformed", message)
        elif "within" in step:
            within = self.ask.duration(step["within"], within_path)
        elif is_absent and is_last:
            message = gettext_noop(
                "A step that did not happen needs the time within which it did not."
            )
            self.faults.add(within_path, "missing_value", message)
        where = self._where(step, path, level)
        if where is None or not isinstance(event, str):
            return None
        return Step(path, self._event(event), where, within)

    def _event(self, name: str) -> Event:
        return self.ask.catalog.event(name)

    def _refuse_not(self, document: dict[str, Any], path: str) -> None:
        if "not" in document:
            message = gettext_noop("Only a group can be negated; a rule has negative operators.")
            self.faults.add(key_path(path, "not"), "malformed", message)

    def _is_disabled(self, document: dict[str, Any], path: str) -> bool:
        return self._flag(document, path, "disabled")

    def _flag(self, document: dict[str, Any], path: str, key: str) -> bool:
        flag = document.get(key, False)
        if not isinstance(flag, bool):
            message = gettext_noop("“{key}” is true or false.")
            self.faults.add(key_path(path, key), "malformed", message, key=key)
        return flag is True


def _is_group(document: dict[str, Any]) -> bool:
    return "rules" in document or "combinator" in document


def _find_unstorable(document: Any, faults: Faults) -> None:
    """Note texts that PostgreSQL cannot hold, wherever they are: what is saved must also run.

    A document nests as deep as its writer likes, so this walks without recursion.
    """
    to_see: list[tuple[Any, str]] = [(document, "")]
    while to_see:
        found, path = to_see.pop()
        if isinstance(found, str):
            if not _is_storable(found):
                faults.add(
                    path,
                    "malformed",
                    gettext_noop("A text holds a character that cannot be stored."),
                )
        elif isinstance(found, list):
            to_see.extend((element, f"{path}[{i}]") for i, element in enumerate(found))
        elif isinstance(found, dict):
            if not all(_is_storable(key) for key in found):
                faults.add(
                    path,
                    "malformed",
                    gettext_noop("A key holds a character that cannot be stored."),
                )
            to_see.extend((inner, key_path(path, key)) for key, inner in found.items())


def _is_storable(text: str) -> bool:
    """Whether PostgreSQL holds `text`: no NUL character, no half of a surrogate pair."""
    return (text.isascii() and "\0" not in text) or not any(
        character == "\0" or "\ud800" <= character <= "\udfff" for character in text
    )
