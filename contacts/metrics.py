"""Values of metrics that others compute: a number, date or text for each contact."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from contacts import values
from contacts.errors import ContactInvalid
from contacts.models import MetricDefinition, MetricValue
from contacts.values import Type, ValueRefused
from workspace import sql
from workspace.errors import Problem

# What the column of numbers holds: so many digits before the point, and after it.
_WHOLE_DIGITS, _FRACTION_DIGITS = 22, 8


def set_values(contact_id: int, given: Mapping[str, Any], *, at: datetime) -> None:
    """Set the metrics that are named, by key; null takes a value away.

    The contact's row is to be locked. Raises ContactInvalid with every fault, also for a metric
    that Regulars computes; then nothing is written.
    """
    known = _definitions(given)
    problems: list[Problem] = []
    kept: list[tuple[int, Decimal | None, date | None, str]] = []
    gone: list[int] = []
    for key, value in given.items():
        definition = known.get(key)
        if definition is None:
            message = _("There is no metric “%(key)s”: define it first.") % {"key": key[:63]}
            problems.append(Problem(key[:63], "unknown_key", message))
            continue
        if definition.is_computed:
            problems.append(Problem(key, "computed", _computed_sentence(key)))
            continue
        try:
            found = _read(definition, value)
        except ValueRefused as refused:
            problems.append(Problem(key, "wrong_value", str(refused)))
            continue
        if found is None:
            gone.append(definition.pk)
            continue
        kept.append(
            (
                definition.pk,
                found if isinstance(found, Decimal) else None,
                found if isinstance(found, date) else None,
                found if isinstance(found, str) else "",
            )
        )
    if problems:
        raise ContactInvalid(problems[0].message, problems=problems)
    if gone:
        MetricValue.objects.filter(contact_id=contact_id, metric_id__in=gone).delete()
    if kept:
        sql.execute(_WRITE, [contact_id, at, *map(list, zip(*sorted(kept), strict=True))])


def values_of(contact_id: int) -> dict[str, Any]:
    """The values that a contact has, by key, as Decimal, date or text."""
    found = MetricValue.objects.filter(contact_id=contact_id).select_related("metric")
    return {one.metric.key: _kept(one) for one in found.order_by("metric__key")}


# What is the same already is not written again, but was computed anew.
_WRITE = """
INSERT INTO contacts_metricvalue AS known
  (contact_id, metric_id, number, date, text, computed_at)
SELECT %s, metric_id, number, date, text, %s
FROM unnest(%s::int[], %s::numeric[], %s::date[], %s::text[]) AS new (metric_id, number, date, text)
ON CONFLICT (contact_id, metric_id) DO UPDATE SET
  number = excluded.number, date = excluded.date, text = excluded.text,
  computed_at = excluded.computed_at
"""


def _definitions(keys: Iterable[str]) -> dict[str, MetricDefinition]:
    found = MetricDefinition.objects.filter(key__in=list(keys)).select_related("computed")
    return {one.key: one for one in found}


def _computed_sentence(key: str) -> str:
    message = _(
        "The metric “%(key)s” is computed by Regulars and cannot be written: define a"
        " metric of your own for other values."
    )
    return message % {"key": key}


def _read(definition: MetricDefinition, value: Any) -> Any:
    found = values.read(Type(definition.type), value)
    if isinstance(found, Decimal) and not _fits(found):
        words = {"whole": _WHOLE_DIGITS, "fraction": _FRACTION_DIGITS}
        raise ValueRefused(
            _("A metric has up to %(whole)d digits, and %(fraction)d after the point.") % words
        )
    return found


def _fits(number: Decimal) -> bool:
    exponent = number.normalize().as_tuple().exponent
    return (
        isinstance(exponent, int)
        and exponent >= -_FRACTION_DIGITS
        and abs(number) < Decimal(10) ** _WHOLE_DIGITS
    )


def _kept(value: MetricValue) -> Any:
    match value.metric.type:
        case MetricDefinition.Type.NUMBER:
            return None if value.number is None else Decimal(format(value.number.normalize(), "f"))
        case MetricDefinition.Type.DATE:
            return value.date
    return value.text
