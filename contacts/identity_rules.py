"""By which names contacts are told apart: priorities, limits, and values that name nobody.

The defaults stand here; an `IdentityRule` row takes the place of those of its namespace. Rules
hold for what is resolved from then on: nobody is taken apart or merged by a change of them.

*Source:* Twilio Segment, Unify: identity resolution settings, merge protection.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.errors import RuleInvalid
from contacts.identities import EMAIL, PHONE, USER_ID, VALUE_LIMIT, Name, check_namespace
from contacts.models import IdentityRule
from contacts.values import ValueRefused
from workspace import audit
from workspace.access import Actor
from workspace.errors import NotAllowed, Problem

ANONYMOUS_ID = "anonymous_id"
# What careless code sends where it knows nobody. Compared without regard to case.
BLOCKED = frozenset(
    {
        *("-1", "0", "null", "(null)", "nil", "none", "undefined", "nan", "n/a", "unknown"),
        *("anonymous", "guest", "true", "false", "[object object]", "{}", "[]"),
    }
)
NUMBER_LIMIT = 1000
# Those of zeros alone, such as the empty UUID.
_NOTHING = frozenset("0-+ ")


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the names of one namespace; the smaller `priority` is the stronger."""

    priority: int
    value_limit: int
    merges: bool = True
    blocked_values: frozenset[str] = frozenset()


OTHER = Rule(priority=40, value_limit=5)
DEFAULTS: Mapping[str, Rule] = {
    USER_ID: Rule(priority=10, value_limit=1),
    EMAIL: Rule(priority=20, value_limit=5),
    PHONE: Rule(priority=30, value_limit=5),
    ANONYMOUS_ID: Rule(priority=50, value_limit=100),
}


class Rules:
    """The rules of all namespaces: those given, else the defaults."""

    def __init__(self, given: Mapping[str, Rule]) -> None:
        self._rules = {**DEFAULTS, **given}

    def of(self, namespace: str) -> Rule:
        """The rule of a namespace."""
        return self._rules.get(namespace, OTHER)

    def is_blocked(self, name: Name) -> bool:
        """Whether the name is one of those that name nobody."""
        text = name.value.lower()
        return (
            text in BLOCKED
            or _NOTHING.issuperset(text)
            or text in self.of(name.namespace).blocked_values
        )

    def strongest_first(self, names: Iterable[Name]) -> list[Name]:
        """The names by priority, each once; of equal ones the one given first."""
        return sorted(dict.fromkeys(names), key=lambda name: self.of(name.namespace).priority)


def load_rules() -> Rules:
    """The rules that hold now; one query."""
    return Rules(changed_rules())


def changed_rules() -> dict[str, Rule]:
    """The rules that take the place of defaults, by namespace."""
    return {row.namespace: _rule(row) for row in IdentityRule.objects.all()}


@transaction.atomic
def save_rule(namespace: str, rule: Rule, *, actor: Actor, at: datetime) -> IdentityRule:
    """Have a rule hold for a namespace from now on; what was resolved before stays as it is.

    For administrators. Raises NotAllowed, and RuleInvalid with every fault.
    """
    _require(actor)
    problems = _problems(namespace, rule)
    if problems:
        raise RuleInvalid(problems[0].message, problems=problems)
    known = IdentityRule.objects.select_for_update().filter(pk=namespace).first()
    before = load_rules().of(namespace)
    row = known or IdentityRule(namespace=namespace)
    row.priority, row.value_limit, row.merges = rule.priority, rule.value_limit, rule.merges
    row.blocked_values = sorted(rule.blocked_values)
    row.save()
    _tell(namespace, "identity_rule.changed", before, rule, actor=actor, at=at)
    return row


@transaction.atomic
def reset_rule(namespace: str, *, actor: Actor, at: datetime) -> None:
    """Have the default hold for a namespace again. For administrators. Raises NotAllowed."""
    _require(actor)
    row = IdentityRule.objects.filter(pk=namespace).first()
    if row is None:
        return
    before = _rule(row)
    row.delete()
    after = DEFAULTS.get(namespace, OTHER)
    _tell(namespace, "identity_rule.reset", before, after, actor=actor, at=at)


def _rule(row: IdentityRule) -> Rule:
    blocked = frozenset(value.lower() for value in row.blocked_values)
    return Rule(row.priority, row.value_limit, row.merges, blocked)


def _require(actor: Actor) -> None:
    if not actor.is_admin:
        raise NotAllowed(_("Only administrators change the rules of identity."))


def _problems(namespace: str, rule: Rule) -> list[Problem]:
    found = []
    try:
        check_namespace(namespace)
    except ValueRefused as refused:
        found.append(Problem("namespace", "wrong_value", str(refused)))
    if not 1 <= rule.priority <= NUMBER_LIMIT:
        message = _("A priority is a whole number from 1 to %(limit)d.") % {"limit": NUMBER_LIMIT}
        found.append(Problem("priority", "wrong_value", message))
    if not 1 <= rule.value_limit <= NUMBER_LIMIT:
        message = _("A contact may have from 1 to %(limit)d values.") % {"limit": NUMBER_LIMIT}
        found.append(Problem("value_limit", "wrong_value", message))
    if any(not value or len(value) > VALUE_LIMIT for value in rule.blocked_values):
        message = _("A blocked value has from 1 to %(limit)d characters.") % {"limit": VALUE_LIMIT}
        found.append(Problem("blocked_values", "wrong_value", message))
    return found


def _tell(
    namespace: str, action: str, before: Rule, after: Rule, *, actor: Actor, at: datetime
) -> None:
    changes = audit.difference(_told(before), _told(after))
    if changes:
        audit.record(
            actor=actor,
            action=action,
            object_type=IdentityRule._meta.label_lower,
            object_id=namespace,
            label=namespace,
            changes=changes,
            at=at,
        )


def _told(rule: Rule) -> dict[str, Any]:
    return {**asdict(rule), "blocked_values": sorted(rule.blocked_values)}
