"""A validation rule as a sentence for people."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from loyalty.errors import RuleInvalid
from loyalty.validation_rules.rule_documents import Conditions, read_document
from loyalty.validation_rules.rule_fields import (
    HOLDER,
    LISTED,
    OWN_FIELDS,
    TIME_OF_DAY,
    WEEKDAY,
    with_own,
)
from segments import facts
from segments.criteria import Catalog, Criteria
from segments.criteria.syntax import (
    Between,
    Compare,
    EventRule,
    Fact,
    FieldRule,
    Function,
    Group,
    Node,
    OneOf,
    Rule,
    Scalar,
    Test,
    Type,
)
from workspace.access import Actor


def describe_rule(document: Any, *, actor: Actor) -> str:
    """A document in words for `actor`, segments of other groups without names.

    Of one that is not right any more, its first fault.
    """
    return describe_in(document, with_own(facts.reading_catalog(actor)))


def describe_in(document: Any, catalog: Catalog) -> str:
    """As `describe_rule`, with a catalog that was read once for many documents."""
    try:
        conditions = read_document(document, catalog)
    except RuleInvalid as refused:
        return str(refused)
    return in_words(conditions)


def in_words(conditions: Conditions) -> str:
    """One sentence that says whom a rule lets through."""
    root = conditions.root
    if not root.children:
        holds = (root.combinator == "and") != root.negated
        return _("Everybody is let through.") if holds else _("Nobody is let through.")
    return _("Lets through if %(clause)s.") % {"clause": _group(conditions, root)}


def _group(conditions: Conditions, group: Group) -> str:
    if not group.children:
        return _("always") if (group.combinator == "and") != group.negated else _("never")
    template = (
        _("%(one)s and %(other)s") if group.combinator == "and" else _("%(one)s or %(other)s")
    )
    found = _node(conditions, group.children[0])
    for child in group.children[1:]:
        found = template % {"one": found, "other": _node(conditions, child)}
    return _("not (%(clause)s)") % {"clause": found} if group.negated else found


def _node(conditions: Conditions, node: Node) -> str:
    if isinstance(node, Group):
        found = _group(conditions, node)
        return f"({found})" if len(node.children) > 1 and not node.negated else found
    name = conditions.own_field(node)
    if name in LISTED and isinstance(node, EventRule):
        return _listed(conditions, node, name)
    if isinstance(node, FieldRule) and name:
        return _own(conditions, node, name)
    return _clause(conditions, node)


def _own(conditions: Conditions, rule: FieldRule, name: str) -> str:
    match name:
        case _ if name == HOLDER:
            # "Is yes" and "is not no" ask the same.
            is_wanted = rule.test != Compare("=", rule.negated)
            if is_wanted:
                return _("the customer holds the card")
            return _("the customer does not hold the card")
        case _ if name == TIME_OF_DAY:
            return _clause(conditions, replace(rule, test=_shown(rule.test, _clock)))
        case _ if name == WEEKDAY:
            labels = dict(OWN_FIELDS[WEEKDAY].choices)
            shown = _shown(rule.test, lambda day: str(labels.get(str(day), day)))
            return _clause(conditions, replace(rule, test=shown))
    return _clause(conditions, rule)


def _listed(conditions: Conditions, rule: EventRule, name: str) -> str:
    things = str(LISTED[name].label)
    if rule.where.children or rule.where.negated:
        where = facts.explain_clause(Criteria(rule.where, conditions.zone))
        things = _("%(things)s with %(clause)s") % {"things": things, "clause": where}
    test, measure = rule.test, rule.measure
    if measure.function is Function.COUNT and not rule.negated:
        if test == Compare(">=", Decimal(1)):
            return _("there are %(things)s") % {"things": things}
        if test == Compare("=", Decimal(0)):
            return _("there are no %(things)s") % {"things": things}
    words = {
        "things": things,
        "property": ".".join(measure.property.way if measure.property else ()),
    }
    label = _measures()[measure.function] % words
    fact = Fact(name, label, Type.NUMBER, "")
    return _clause(conditions, FieldRule(rule.path, fact, test, rule.negated))


def _measures() -> dict[Function, str]:
    return {
        Function.COUNT: _("number of %(things)s"),
        Function.SUM: _("sum of %(property)s over %(things)s"),
        Function.AVERAGE: _("average of %(property)s over %(things)s"),
        Function.MINIMUM: _("smallest %(property)s of %(things)s"),
        Function.MAXIMUM: _("largest %(property)s of %(things)s"),
        Function.DISTINCT: _("number of different %(property)s of %(things)s"),
    }


def _clause(conditions: Conditions, rule: Rule) -> str:
    return facts.explain_clause(Criteria(Group("", "and", (rule,)), conditions.zone))


def _shown(test: Test, show: Callable[[Scalar], str]) -> Test:
    match test:
        case Compare(operator, value):
            return Compare(operator, show(value))
        case Between(low, high):
            return Between(show(low), show(high))
        case OneOf(values):
            return OneOf(tuple(show(value) for value in values))
    return test


def _clock(minutes: Scalar) -> str:
    hours, rest = divmod(int(minutes), 60)  # type: ignore[arg-type]
    return f"{hours:02d}:{rest:02d}"
