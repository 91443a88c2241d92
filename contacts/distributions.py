"""How the values of a metric are spread: counts in steps of a round width."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from contacts.models import MetricDefinition
from contacts.values import Type
from workspace import sql

STEP_LIMIT = 12
_DAY_ONE = "date '0001-01-01'"
# Of the values, the share that the even steps reach over; the rest is one open step.
_COVERED = Decimal("0.98")


def distribution_of(metric: MetricDefinition) -> list[dict[str, Any]]:
    """How the values of a metric are spread, as `ComputedMetric.distribution`."""
    source = f"FROM contacts_metricvalue WHERE metric_id = %s AND {metric.type} IS NOT NULL"
    return spread_of(Type(metric.type), metric.type, source, [metric.pk])


def spread_of(type_: Type, value: str, source: str, params: list[Any]) -> list[dict[str, Any]]:
    """The steps from the smallest value to the greatest, of the column `value` of a source.

    Of dates the steps are of days; of texts the most frequent ones are given, and no steps.
    `source` is SQL from FROM to WHERE, and has only what is not null.
    """
    match type_:
        case Type.TEXT:
            return _of_texts(value, source, params)
        case Type.DATE:
            steps = _of_numbers(f"({value} - {_DAY_ONE})::numeric", source, params)
            return [step | {"from": _day(step["from"]), "to": _day(step["to"])} for step in steps]
    return _of_numbers(value, source, params)


def _of_texts(value: str, source: str, params: list[Any]) -> list[dict[str, Any]]:
    found = sql.lists(
        f"SELECT {value}, count(*) {source} GROUP BY {value}"
        f' ORDER BY count(*) DESC, {value} COLLATE "C" LIMIT %s',
        [*params, STEP_LIMIT],
    )
    return [{"from": text, "to": text, "count": count} for text, count in found]


def _of_numbers(value: str, source: str, params: list[Any]) -> list[dict[str, Any]]:
    [ends] = sql.rows(
        f"SELECT min({value}) AS low, max({value}) AS high,"
        f" percentile_disc(%s) WITHIN GROUP (ORDER BY {value}) AS most,"
        f" bool_and({value} = trunc({value})) AS is_whole {source}",
        [_COVERED, *params],
    )
    if ends["low"] is None:
        return []
    width = round_width(ends["most"] - ends["low"], is_whole=ends["is_whole"])
    first = ends["low"] // width
    if ends["low"] < first * width:
        first -= 1
    last = max(first, ends["most"] // width)
    counted = {
        row["step"]: row["contacts"]
        for row in sql.rows(
            f"SELECT least(floor({value} / %s), %s) AS step, count(*) AS contacts"
            f" {source} GROUP BY 1",
            [width, last, *params],
        )
    }
    is_open = ends["high"] >= (last + 1) * width
    return [
        {
            "from": _written(step * width),
            "to": None if is_open and step == last else _written((step + 1) * width),
            "count": counted.get(step, 0),
        }
        for step in (first + place for place in range(int(last - first) + 1))
    ]


def _day(written: str | None) -> str | None:
    """The day of so many days since the first; the last one there is, for what lies behind."""
    if written is None:
        return None
    return (date.min + timedelta(days=min(int(written), (date.max - date.min).days))).isoformat()


def round_width(span: Decimal, *, is_whole: bool) -> Decimal:
    """1, 2 or 5 times a power of ten, so that about STEP_LIMIT steps cover `span`."""
    least = Decimal(1) if is_whole else Decimal("0.01")
    wanted = span / STEP_LIMIT
    if wanted <= least:
        return least
    power = Decimal(10) ** wanted.adjusted()
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted)


def _written(number: Decimal) -> str:
    return format(number.normalize(), "f")
