"""What validation rules may ask besides what criteria ask of a contact.

Criteria are extended, not repeated: each field here is a fact of the criteria's catalog, so that
documents, operators, values, messages and the builder are those of criteria. What is in an order
is asked as events are: a number or a sum over the items for which some conditions hold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from segments import criteria, facts
from segments.criteria import Catalog
from segments.criteria.syntax import Fact, Type
from workspace.access import Actor

ITEMS = "order.items"
METADATA = "order.metadata"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HOLDER, WEEKDAY, TIME_OF_DAY, DATE = (
    "card.holder",
    "time.weekday",
    "time.of_day",
    "time.date",
)

_EQUAL = ("=", "!=")
_CHOICE = ("in", "notIn")
_ORDERED = ("=", "!=", "<", "<=", ">", ">=", "between", "notBetween")
_RANGE = ("<", ">=", "between", "notBetween")


class Scope(StrEnum):
    """Whose redemptions a budget counts."""

    CAMPAIGN = "campaign"
    CUSTOMER = "customer"
    VOUCHER = "voucher"


class Period(StrEnum):
    """Since when a budget counts, in the workspace's calendar; weeks begin on Monday."""

    EVER = "ever"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class OwnField:
    """A field of rules: how its values compare, and with which operators."""

    name: str
    label: str | Promise
    type: Type
    operators: tuple[str, ...]
    choices: tuple[tuple[str, str | Promise], ...] = ()

    @property
    def room(self) -> str:
        """The part of the palette that it belongs to: card, order, budget, time."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of what a budget counts: redemptions, or the money that they paid."""

    is_amount: bool
    scope: Scope
    period: Period


@dataclass(frozen=True, slots=True)
class Listed:
    """Something of an order that is asked about as events are, with what its elements have."""

    name: str
    label: str | Promise
    properties: tuple[tuple[str, str], ...]


_WEEKDAY_LABELS = (
    gettext_lazy("Monday"),
    gettext_lazy("Tuesday"),
    gettext_lazy("Wednesday"),
    gettext_lazy("Thursday"),
    gettext_lazy("Friday"),
    gettext_lazy("Saturday"),
    gettext_lazy("Sunday"),
)
_COUNT_LABELS = {
    Scope.CAMPAIGN: {
        Period.EVER: gettext_lazy("Redemptions of the campaign"),
        Period.DAY: gettext_lazy("Redemptions of the campaign in a day"),
        Period.WEEK: gettext_lazy("Redemptions of the campaign in a week"),
        Period.MONTH: gettext_lazy("Redemptions of the campaign in a month"),
    },
    Scope.CUSTOMER: {
        Period.EVER: gettext_lazy("Redemptions of the customer"),
        Period.DAY: gettext_lazy("Redemptions of the customer in a day"),
        Period.WEEK: gettext_lazy("Redemptions of the customer in a week"),
        Period.MONTH: gettext_lazy("Redemptions of the customer in a month"),
    },
    Scope.VOUCHER: {
        Period.EVER: gettext_lazy("Redemptions of the card"),
        Period.DAY: gettext_lazy("Redemptions of the card in a day"),
        Period.WEEK: gettext_lazy("Redemptions of the card in a week"),
        Period.MONTH: gettext_lazy("Redemptions of the card in a month"),
    },
}
_AMOUNT_LABELS = {
    Scope.CAMPAIGN: {
        Period.EVER: gettext_lazy("Money redeemed in the campaign"),
        Period.DAY: gettext_lazy("Money redeemed in the campaign in a day"),
        Period.WEEK: gettext_lazy("Money redeemed in the campaign in a week"),
        Period.MONTH: gettext_lazy("Money redeemed in the campaign in a month"),
    },
    Scope.CUSTOMER: {
        Period.EVER: gettext_lazy("Money redeemed by the customer"),
        Period.DAY: gettext_lazy("Money redeemed by the customer in a day"),
        Period.WEEK: gettext_lazy("Money redeemed by the customer in a week"),
        Period.MONTH: gettext_lazy("Money redeemed by the customer in a month"),
    },
    Scope.VOUCHER: {
        Period.EVER: gettext_lazy("Money redeemed with the card"),
        Period.DAY: gettext_lazy("Money redeemed with the card in a day"),
        Period.WEEK: gettext_lazy("Money redeemed with the card in a week"),
        Period.MONTH: gettext_lazy("Money redeemed with the card in a month"),
    },
}


def _budgets() -> Iterator[tuple[OwnField, Budget]]:
    for is_amount, labels in ((False, _COUNT_LABELS), (True, _AMOUNT_LABELS)):
        for scope, by_period in labels.items():
            for period, label in by_period.items():
                name = f"budget.{'amount' if is_amount else 'count'}.{scope}.{period}"
                field = OwnField(name, label, Type.NUMBER, ("<=",))
                yield field, Budget(is_amount, scope, period)


_BUDGETS = dict(_budgets())
BUDGETS: Mapping[str, Budget] = {field.name: budget for field, budget in _BUDGETS.items()}
"""What the fields about budgets count."""

OWN_FIELDS: Mapping[str, OwnField] = {
    field.name: field
    for field in (
        OwnField(HOLDER, gettext_lazy("The customer holds the card"), Type.BOOLEAN, _EQUAL),
        OwnField("order.amount", gettext_lazy("Amount of the order"), Type.NUMBER, _ORDERED),
        OwnField(
            "order.quantity", gettext_lazy("Number of things in the order"), Type.NUMBER, _ORDERED
        ),
        OwnField(
            "order.highest_price", gettext_lazy("Highest price of an item"), Type.NUMBER, _ORDERED
        ),
        OwnField(
            "order.lowest_price", gettext_lazy("Lowest price of an item"), Type.NUMBER, _ORDERED
        ),
        OwnField(
            "order.products", gettext_lazy("Products in the order"), Type.LIST, (*_CHOICE, "all")
        ),
        OwnField("order.skus", gettext_lazy("SKUs in the order"), Type.LIST, (*_CHOICE, "all")),
        *_BUDGETS,
        OwnField(
            WEEKDAY,
            gettext_lazy("Day of the week"),
            Type.TEXT,
            _CHOICE,
            tuple(zip(WEEKDAYS, _WEEKDAY_LABELS, strict=True)),
        ),
        OwnField(TIME_OF_DAY, gettext_lazy("Time of day"), Type.NUMBER, _RANGE),
        OwnField(DATE, gettext_lazy("Date"), Type.DATE, _ORDERED),
    )
}

_OF_ITEMS = (
    ("product", "text"),
    ("sku", "text"),
    ("name", "text"),
    ("quantity", "number"),
    ("price", "number"),
    ("amount", "number"),
)
LISTED: Mapping[str, Listed] = {
    found.name: found
    for found in (
        Listed(ITEMS, pgettext_lazy("of an order", "Items of the order"), _OF_ITEMS),
        Listed(METADATA, pgettext_lazy("of an order", "Metadata of the order"), ()),
    )
}
MONEY = frozenset(
    {
        "order.amount",
        "order.highest_price",
        "order.lowest_price",
        *(name for name, budget in BUDGETS.items() if budget.is_amount),
    }
)
"""The fields whose values are money, in minor units."""


def is_own(name: str) -> bool:
    """Whether a field is one of rules alone, not one of criteria."""
    return name in OWN_FIELDS or name in LISTED


def rule_catalog(actor: Actor) -> Catalog:
    """All that the actor may ask in a rule. A constant number of queries."""
    return with_own(facts.catalog_for(actor))


def with_own(catalog: Catalog) -> Catalog:
    """A catalog of criteria with the fields of rules in it."""
    own = {
        name: Fact(name, _full_label(field), field.type, "") for name, field in OWN_FIELDS.items()
    }
    return replace(catalog, facts={**catalog.facts, **own})


def _full_label(field: OwnField) -> str:
    label = str(field.label)
    if field.name not in MONEY:
        return label
    return gettext("%(field)s, in minor units") % {"field": label}


def describe_for_builder(actor: Actor) -> dict[str, Any]:
    """The catalog for the criteria builder: that of criteria, with the fields of rules in front."""
    described = criteria.describe(facts.catalog_for(actor), translate=gettext)
    described["fields"] = [*_described(), *described["fields"]]
    return described


def _described() -> Iterator[dict[str, Any]]:
    for field in OWN_FIELDS.values():
        entry: dict[str, Any] = {
            "field": field.name,
            "label": str(field.label),
            "group": field.room,
            "type": _TYPES.get(field.name, str(field.type)),
            "operators": list(field.operators),
        }
        if field.name in MONEY:
            entry["hint"] = gettext("in minor units: 5000 is 50.00")
        if field.choices:
            entry["choices"] = [{"key": key, "label": str(label)} for key, label in field.choices]
        yield entry
        if field.name == "order.skus":
            yield from _listed()


def _listed() -> Iterator[dict[str, Any]]:
    for found in LISTED.values():
        yield {
            "field": found.name,
            "label": str(found.label),
            "group": "order",
            "type": "event",
            "properties": [{"name": name, "type": type_} for name, type_ in found.properties],
        }


# How the builder asks for the value, where that is not as the type is asked for elsewhere.
_TYPES = {WEEKDAY: "keys", TIME_OF_DAY: "time"}
