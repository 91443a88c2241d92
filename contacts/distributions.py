"""How the values of a metric are spread: counts in steps of a round width."""

from decimal import Decimal
from typing import Any

from workspace import sql

STEP_LIMIT = 12
# Of the values, the share that the even steps reach over; the rest is one open step.
_COVERED = Decimal("0.98")


def distribution_of(metric_id: int) -> list[dict[str, Any]]:
    """The steps from the smallest value to the greatest, as `ComputedMetric.distribution`."""
    [ends] = sql.rows(
        "SELECT min(number) AS low, max(number) AS high,"
        " percentile_disc(%s) WITHIN GROUP (ORDER BY number) AS most,"
        " bool_and(number = trunc(number)) AS is_whole"
        " FROM contacts_metricvalue WHERE metric_id = %s AND number IS NOT NULL",
        [_COVERED, metric_id],
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
            "SELECT least(floor(number / %s), %s) AS step, count(*) AS contacts"
            " FROM contacts_metricvalue WHERE metric_id = %s AND number IS NOT NULL GROUP BY 1",
            [width, last, metric_id],
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
