"""The document of a validation rule: read, with all its faults, and said in words.

It is a criteria document (docs/criteria.md) whose rules may also be about the card, the order,
budgets and time, and whose rules and groups may have a `message` for whom they refuse.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from loyalty.errors import RuleInvalid
from loyalty.validation_rules.rule_fields import (
    BUDGETS,
    LISTED,
    OWN_FIELDS,
    TIME_OF_DAY,
    WEEKDAY,
    WEEKDAYS,
    is_own,
    rule_catalog,
)
from segments import criteria, facts
from segments.criteria import Catalog, CriteriaInvalid
from segments.criteria.catalog import OPERATORS
from segments.criteria.syntax import Fact, FieldRule, Group, Rule
from segments.documents import named_segments
from segments.models import Segment
from workspace.access import Actor
from workspace.errors import Problem

MESSAGE_LIMIT = 300
RULE_LIMIT = 200
_BEHAVIOR = "event."
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
# When a thing of an order was bought is not asked: all were at once.
_NO_FUNCTIONS = ("first", "last")
_EVERYTHING: dict[str, Any] = {"combinator": "and", "rules": []}


@dataclass(frozen=True, slots=True)
class Conditions:
    """The tree of a document without fault.

    `listed` are the paths of the rules about what is in the order, which the tree has as rules
    about events. `messages` are what whom a rule or group refuses is told, by path.
    """

    root: Group
    zone: ZoneInfo
    listed: Mapping[str, str]
    messages: Mapping[str, str]

    def own_field(self, rule: Rule) -> str:
        """The name of the field of rules that `rule` is about; '' for one about the contact."""
        if rule.path in self.listed:
            return self.listed[rule.path]
        if isinstance(rule, FieldRule) and isinstance(rule.field, Fact):
            return rule.field.name if is_own(rule.field.name) else ""
        return ""


def everything() -> dict[str, Any]:
    """The document of a rule that lets everybody through."""
    return {**_EVERYTHING, "rules": []}


def check_document(document: Any, actor: Actor, *, kept: Any = None) -> tuple[Problem, ...]:
    """Every fault of a document that `actor` wrote, with its path, in its order.

    Segments that `kept`, the document it is to replace, does not name must be in use.
    """
    draft = _Draft.of(document)
    catalog = rule_catalog(actor)
    faults = draft.problems(catalog)
    known = named_segments(kept) if kept is not None else frozenset()
    return (*faults, *_unusable(document, catalog, known))


def read_document(document: Any, catalog: Catalog) -> Conditions:
    """The tree of a document, by a catalog with the fields of rules. Raises RuleInvalid."""
    draft = _Draft.of(document)
    faults = draft.problems(catalog)
    if faults:
        raise RuleInvalid(faults)
    tree = criteria.parse(draft.document, catalog, facts.zone())
    return Conditions(tree.root, tree.zone, draft.listed, draft.messages)


def segments_out_of_use(document: Any) -> list[Segment]:
    """The segments that a document names and that are inactive or archived, by name."""
    named = named_segments(document)
    if not named:
        return []
    found = Segment.objects.filter(key__in=named).exclude(status=Segment.Status.ACTIVE)
    return list(found.order_by("name", "key").prefetch_related("groups"))


def rules_with_paths(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rules and groups of a document that are not disabled, with their paths, in its order."""
    # Without recursion: a document that nobody checked nests as deep as its writer likes.
    to_see: list[tuple[str, Any]] = [("", document)]
    while to_see:
        path, node = to_see.pop()
        if not isinstance(node, dict) or node.get("disabled") is True:
            continue
        yield path, node
        children = node.get("rules")
        if isinstance(children, list):
            start = f"{path}.rules" if path else "rules"
            numbered = [(f"{start}[{index}]", child) for index, child in enumerate(children)]
            to_see += reversed(numbered)


@dataclass(slots=True)
class _Draft:
    """A document as the language of criteria can read it, and what was noted on the way."""

    document: Any
    listed: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    faults: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, document: Any) -> "_Draft":
        draft = cls(_copied(document))
        for path, node in rules_with_paths(draft.document):
            draft._note_message(path, node)
            name = node.get("field")
            if "rules" in node or not isinstance(name, str):
                continue
            if name in LISTED:
                draft._rewrite_listed(path, node, name)
            elif name in OWN_FIELDS:
                draft._check_own(path, node, name)
        return draft

    def problems(self, catalog: Catalog) -> tuple[Problem, ...]:
        """Every fault, those of criteria first."""
        try:
            criteria.parse(self.document, catalog, facts.zone(), translate=_)
            found = []
        except CriteriaInvalid as refused:
            found = [Problem(one.path, one.code, one.message) for one in refused.problems]
        told = {one.path for one in found}
        return (*found, *(one for one in self.faults if one.path not in told))

    def _fault(self, path: str, code: str, message: str) -> None:
        self.faults.append(Problem(path, code, message))

    def _note_message(self, path: str, node: dict[str, Any]) -> None:
        message = node.get("message")
        if message is None or message == "":
            return
        at = f"{path}.message" if path else "message"
        if not isinstance(message, str):
            self._fault(at, "malformed", _("A message is a text."))
        elif len(message) > MESSAGE_LIMIT:
            self._fault(at, "too_long", _("At most %(limit)d characters.") % _LIMIT)
        elif message.strip():
            self.messages[path] = message.strip()

    def _rewrite_listed(self, path: str, node: dict[str, Any], name: str) -> None:
        """Let a rule about what is in the order read as one about events."""
        self.listed[path] = name
        node["field"] = _BEHAVIOR + name
        measure = node.get("measure")
        function = measure.get("function") if isinstance(measure, dict) else None
        if function in _NO_FUNCTIONS:
            message = _("Things of an order have no first and no last time.")
            self._fault(f"{path}.measure.function", "malformed", message)
        for inner, one in rules_with_paths(node.get("where")):
            if one.get("field") == "occurred_at":
                at = f"{path}.where.{inner}.field" if inner else f"{path}.where.field"
                message = _("Things of an order have no time of their own. Ask for the date.")
                self._fault(at, "unknown_field", message)

    def _check_own(self, path: str, node: dict[str, Any], name: str) -> None:
        own, operator, value = OWN_FIELDS[name], node.get("operator"), node.get("value")
        if operator in OPERATORS[own.type] and operator not in own.operators:
            words = {"operator": operator, "field": own.label, "known": ", ".join(own.operators)}
            message = _("“%(field)s” has no comparison %(operator)s, only: %(known)s.") % words
            self._fault(f"{path}.operator", "unknown_operator", message)
        if name == TIME_OF_DAY and "value" in node:
            node["value"] = self._minutes(value, f"{path}.value")
        elif name == WEEKDAY and isinstance(value, list):
            for index, day in enumerate(value):
                if isinstance(day, str) and day not in WEEKDAYS:
                    message = _("A day of the week is one of %(days)s.")
                    days = {"days": ", ".join(WEEKDAYS)}
                    self._fault(f"{path}.value[{index}]", "wrong_type", message % days)
        elif name in BUDGETS and _is_number(value) and not _is_whole(value):
            message = _("A budget is a whole number, 0 or more; money is in minor units.")
            self._fault(f"{path}.value", "wrong_type", message)

    def _minutes(self, value: Any, path: str) -> Any:
        """Times of day as minutes since midnight, for numbers are compared."""
        if isinstance(value, list):
            return [self._minutes(one, f"{path}[{i}]") for i, one in enumerate(value)]
        if value == "":
            return value
        if isinstance(value, str) and (found := _CLOCK.fullmatch(value)):
            return int(found[1]) * 60 + int(found[2])
        self._fault(path, "wrong_type", _("A time of day is written as 09:30, up to 23:59."))
        return 0


_LIMIT = {"limit": MESSAGE_LIMIT}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return bool(value >= 0 and value == int(value))


def _unusable(document: Any, catalog: Catalog, known: frozenset[str]) -> Iterator[Problem]:
    """What is wrong with segments that begin to be used; unknown ones are faults already."""
    for path, node in rules_with_paths(document):
        if node.get("field") != "segment":
            continue
        value = node.get("value")
        for index, key in enumerate(value if isinstance(value, list) else [value]):
            item = catalog.segments.get(key) if isinstance(key, str) else None
            if item is None or item.is_offered or key in known:
                continue
            message = _(
                "Segment “%(name)s” is not in use: a rule with it would refuse everybody. Set the"
                " segment active first, or choose another one."
            )
            at = f"{path}.value[{index}]" if isinstance(value, list) else f"{path}.value"
            yield Problem(at, "segment_inactive", message % {"name": item.label})


def _copied(document: Any) -> Any:
    """A copy of the nodes of a document; what they hold besides rules is shared."""
    root = {"rules": [document]}
    to_see: list[dict[str, Any]] = [root]
    while to_see:
        node = to_see.pop()
        children = node.get("rules")
        if isinstance(children, list):
            copies = [dict(child) if isinstance(child, dict) else child for child in children]
            node["rules"] = copies
            to_see += [child for child in copies if isinstance(child, dict)]
    return root["rules"][0]
