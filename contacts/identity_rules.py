"""By which names contacts are told apart: priorities, limits, and values that name nobody.

The defaults stand here; an `IdentityRule` row takes the place of those of its namespace. Rules
hold for what is resolved from then on: nobody is taken apart or merged by a change of them.

*Source:* Twilio Segment, Unify: identity resolution settings, merge protection.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contacts.identities import EMAIL, PHONE, USER_ID, Name
from contacts.models import IdentityRule

ANONYMOUS_ID = "anonymous_id"
# What careless code sends where it knows nobody. Compared without regard to case.
BLOCKED = frozenset(
    {
        *("-1", "0", "null", "(null)", "nil", "none", "undefined", "nan", "n/a", "unknown"),
        *("anonymous", "guest", "true", "false", "[object object]", "{}", "[]"),
    }
)
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
    return Rules(
        {
            row.namespace: Rule(
                row.priority,
                row.value_limit,
                row.merges,
                frozenset(value.lower() for value in row.blocked_values),
            )
            for row in IdentityRule.objects.all()
        }
    )
