"""Formulas: how a metric is computed from the events of a contact, said as data.

Of the events of a name, those of the last days or of ever: their number, the sum, average,
smallest or greatest of a property, the days of the first and the last, the most frequent value of
a property, the share of those among them, or how a contact ranks by another metric. What each is
exactly, docs/metrics.md says. `contacts.formula_statements` makes SQL of them.

A property is a way through the objects of the event, as "total.gross". For the most frequent
value it goes through lists too, and several ways may be named, parted by commas: of the first that
leads to anything in an event all values count.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from contacts.event_definitions import NAME_LIMIT
from contacts.models import ComputedMetric, MetricDefinition
from contacts.orders import Orders
from contacts.values import TEXT_LIMIT, Type
from workspace.errors import Problem

Function = ComputedMetric.Function

WINDOW_LIMIT = 36_500
PROPERTY_LIMIT = 200
OF_NUMBERS = frozenset({Function.SUM, Function.AVERAGE, Function.MINIMUM, Function.MAXIMUM})
OF_DATES = frozenset({Function.FIRST_DATE, Function.LAST_DATE})
# What is computed from a property, and not from the events alone.
OF_PROPERTIES = OF_NUMBERS | {Function.MOST_FREQUENT}


@dataclass(frozen=True, slots=True)
class Formula:
    """How a metric is computed. An empty name of an event is what the workspace calls an order.

    An empty property is that of the order: its amount, or for texts its category.
    """

    function: str
    event_name: str = ""
    value_property: str = ""
    window_days: int | None = None
    filter_property: str = ""
    filter_value: str = ""
    other_event_name: str = ""
    ranked_key: str = ""

    @property
    def type(self) -> Type:
        """Of which type the values are."""
        if self.function in OF_DATES:
            return Type.DATE
        return Type.TEXT if self.function == Function.MOST_FREQUENT else Type.NUMBER

    def columns(self) -> dict[str, Any]:
        """What the columns of a ComputedMetric hold of it; `ranked` is not among them."""
        return {
            "function": self.function,
            "event_name": self.event_name,
            "value_property": self.value_property,
            "window_days": self.window_days,
            "filter_property": self.filter_property,
            "filter_value": self.filter_value,
            "other_event_name": self.other_event_name,
        }


def formula_of(computed: ComputedMetric) -> Formula | None:
    """The formula of a computed metric; None where a recipe computes it.

    One query more for a rank whose metric was not loaded with it.
    """
    if not computed.function:
        return None
    return Formula(
        function=computed.function,
        event_name=computed.event_name,
        value_property=computed.value_property,
        window_days=computed.window_days,
        filter_property=computed.filter_property,
        filter_value=computed.filter_value,
        other_event_name=computed.other_event_name,
        ranked_key="" if computed.ranked is None else computed.ranked.key,
    )


def problems_of(formula: Formula) -> list[Problem]:
    """Every fault of a formula, by the name of its part."""
    if formula.function not in Function.values:
        words = {"functions": ", ".join(Function.values)}
        message = _("Choose a function: %(functions)s.") % words
        return [Problem("function", "invalid_choice", message)]
    return [
        *_name_problems(formula),
        *_property_problems(formula),
        *_window_problems(formula),
        *_filter_problems(formula),
        *_other_problems(formula),
        *_rank_problems(formula),
    ]


def _name_problems(formula: Formula) -> Iterator[Problem]:
    for path in ("event_name", "other_event_name"):
        name = getattr(formula, path)
        if len(name) > NAME_LIMIT or "\0" in name:
            words = {"limit": NAME_LIMIT}
            message = _("Name an event, in up to %(limit)d characters.") % words
            yield Problem(path, "invalid", message)


def _property_problems(formula: Formula) -> Iterator[Problem]:
    way, path = formula.value_property, "value_property"
    if not way:
        if formula.event_name and formula.function in OF_PROPERTIES:
            message = _("Name the property of “%(event)s” that it is computed from.")
            yield Problem(path, "required", message % {"event": formula.event_name})
        return
    if formula.function not in OF_PROPERTIES:
        message = _("This function looks at no property: leave it empty.")
        yield Problem(path, "not_applicable", message)
        return
    are_several = formula.function == Function.MOST_FREQUENT
    if not all(is_way(one) for one in (ways_of(way) if are_several else [way])):
        yield Problem(path, "invalid", way_sentence())


def _window_problems(formula: Formula) -> Iterator[Problem]:
    days = formula.window_days
    if days is None:
        return
    if formula.function == Function.PERCENTILE:
        message = _("A rank looks at all days of the metric that it ranks: leave the days empty.")
        yield Problem("window_days", "not_applicable", message)
    elif not 1 <= days <= WINDOW_LIMIT:
        message = _("A number of days from 1 to %(limit)d, or nothing for all days.")
        yield Problem("window_days", "invalid", message % {"limit": WINDOW_LIMIT})


def _filter_problems(formula: Formula) -> Iterator[Problem]:
    way, value = formula.filter_property, formula.filter_value
    if not way and not value:
        return
    if formula.function == Function.PERCENTILE:
        message = _("A rank has no condition of its own: leave it empty.")
        yield Problem("filter_property", "not_applicable", message)
    elif not way:
        message = _("Name the property that has to be “%(value)s”.") % {"value": value}
        yield Problem("filter_property", "required", message)
    elif not value:
        message = _("Say what “%(property)s” has to be.") % {"property": way}
        yield Problem("filter_value", "required", message)
    elif not is_way(way):
        yield Problem("filter_property", "invalid", way_sentence())
    elif len(value) > TEXT_LIMIT or "\0" in value:
        message = _("A value of up to %(limit)d characters.") % {"limit": TEXT_LIMIT}
        yield Problem("filter_value", "invalid", message)


def _other_problems(formula: Formula) -> Iterator[Problem]:
    path = "other_event_name"
    if formula.function != Function.SHARE:
        if formula.other_event_name:
            message = _("Only a share counts another event: leave it empty.")
            yield Problem(path, "not_applicable", message)
    elif not formula.other_event_name and not formula.filter_property:
        message = _("Name the event whose share it is, or a condition that some events meet.")
        yield Problem(path, "required", message)


def _rank_problems(formula: Formula) -> Iterator[Problem]:
    path, key = "ranked_key", formula.ranked_key
    if formula.function != Function.PERCENTILE:
        if key:
            message = _("Only a rank looks at another metric: leave it empty.")
            yield Problem(path, "not_applicable", message)
        return
    if formula.event_name:
        message = _("A rank looks at another metric and at no event: leave the event empty.")
        yield Problem("event_name", "not_applicable", message)
    if not key:
        yield Problem(path, "required", _("Name the metric by which contacts are ranked."))
        return
    known = MetricDefinition.objects.filter(key=key).select_related("computed").first()
    if known is None or not known.is_computed:
        message = _("Regulars computes no metric “%(key)s”.") % {"key": key[:63]}
        yield Problem(path, "unknown_key", message)
    elif known.type != Type.NUMBER or known.computed.function == Function.PERCENTILE:
        message = _("Contacts are ranked by a number that is not itself a rank.")
        yield Problem(path, "invalid", message)


def ways_of(text: str) -> list[str]:
    """The ways that a property for texts names."""
    return [one.strip() for one in text.split(",")]


def is_way(text: str) -> bool:
    """Whether it is a way through objects: names parted by points."""
    return 0 < len(text) <= PROPERTY_LIMIT and "\0" not in text and all(text.split("."))


def way_sentence() -> str:
    """What is said of what is none."""
    return _("Name a property, such as “amount”, or “total.gross” for one inside another.")


# --- In words ------------------------------------------------------------------------------------

_SAID: dict[str, str | Promise] = {
    Function.COUNT: gettext_lazy(
        "The number of “%(event)s” events%(where)s %(window)s. Contacts without any have 0."
    ),
    Function.SUM: gettext_lazy(
        "The sum of “%(property)s” over all “%(event)s” events%(where)s %(window)s. An event"
        " without a number there adds nothing; contacts without events have 0."
    ),
    Function.AVERAGE: gettext_lazy(
        "The average of “%(property)s” over all “%(event)s” events%(where)s %(window)s. An event"
        " without a number there does not count; contacts without events have none."
    ),
    Function.MINIMUM: gettext_lazy(
        "The smallest “%(property)s” of all “%(event)s” events%(where)s %(window)s. Contacts"
        " without a number there have none."
    ),
    Function.MAXIMUM: gettext_lazy(
        "The greatest “%(property)s” of all “%(event)s” events%(where)s %(window)s. Contacts"
        " without a number there have none."
    ),
    Function.FIRST_DATE: gettext_lazy(
        "The day of the first of the “%(event)s” events%(where)s %(window)s, in the workspace's"
        " time zone."
        " Contacts without any have none."
    ),
    Function.LAST_DATE: gettext_lazy(
        "The day of the last of the “%(event)s” events%(where)s %(window)s, in the workspace's"
        " time zone."
        " Contacts without any have none."
    ),
    Function.DAYS_SINCE: gettext_lazy(
        "The days from the last of the “%(event)s” events%(where)s %(window)s to the day on which"
        " it is computed. Contacts without any have none."
    ),
    Function.MOST_FREQUENT: gettext_lazy(
        "The most frequent value of “%(property)s” in the “%(event)s” events%(where)s %(window)s;"
        " of several the one seen last. Contacts without any have none."
    ),
    Function.SHARE: gettext_lazy(
        "For every 100 “%(event)s” events %(window)s, how many “%(other)s” events%(where)s there"
        " are. Contacts without a “%(event)s” event have none."
    ),
    Function.PERCENTILE: gettext_lazy(
        "Of the other contacts with at least one “%(event)s” event%(where)s, the share in per cent"
        " whose “%(metric)s” is smaller: 100 for the highest, 0 for the lowest, the same for equal"
        " values. “Among the highest 10 %%” is 90 or more. Contacts without any have no rank."
    ),
}


def say(
    formula: Formula, of: Orders, *, ranked: Formula | None = None, labels: Mapping[str, str]
) -> str:
    """In words, what a formula computes.

    A rank is told of with what it ranks: `ranked` is that formula, None for a recipe; `labels`
    are those of metrics by key.
    """
    told = formula
    if formula.function == Function.PERCENTILE:
        if ranked is None:
            words = {"metric": labels.get(formula.ranked_key, formula.ranked_key)}
            return (
                _(
                    "Of the other contacts that have a value, the share in per cent whose"
                    " “%(metric)s” is smaller: 100 for the highest, 0 for the lowest, the same for"
                    " equal values. Contacts without a value have no rank."
                )
                % words
            )
        told = ranked
    event = told.event_name or of.event_name
    words = {
        "event": event,
        "property": told.value_property or _order_property(told, of),
        "window": _window(told.window_days),
        "where": _where(told),
        "other": told.other_event_name or event,
        "metric": labels.get(formula.ranked_key, formula.ranked_key),
    }
    return str(_SAID[formula.function]) % words


def _order_property(formula: Formula, of: Orders) -> str:
    return (
        of.category_property if formula.function == Function.MOST_FREQUENT else of.amount_property
    )


def _window(days: int | None) -> str:
    if days is None:
        return _("that are stored")
    words = {"days": days}
    return (
        ngettext("of the last day (24 hours)", "of the last %(days)d days (of 24 hours each)", days)
        % words
    )


def _where(formula: Formula) -> str:
    if not formula.filter_property:
        return ""
    words = {"property": formula.filter_property, "value": formula.filter_value}
    return _(" whose “%(property)s” is “%(value)s”") % words
