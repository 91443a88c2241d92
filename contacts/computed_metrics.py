"""The metrics that Regulars computes by itself, most of them from the orders of all contacts.

What each is, exactly, as of an instant T; only stored events count, none later than T, and none
of erased contacts:

- `order_count_30d`: orders with T - 30 days < time <= T; 0 without any. A day has 24 hours.
- `lifetime_value`: the sum of the amounts of all orders; 0 without any. An order whose amount is
  missing or no number adds nothing. A sum too large for a metric is missing.
- `lifetime_value_percentile`: of the other buyers, the share in per cent whose lifetime value is
  smaller, cut off after two digits. A buyer is who ordered at least once; others have none.
  Equal values have equal ranks, the highest alone has 100, the lowest 0, an only buyer 100. So
  “among the highest 10 %” is `>= 90`.
- `average_order_value`: the lifetime value divided by the orders that have an amount; missing
  without any.
- `age`: whole years since the birth date, on the workspace's day of T; missing without a birth
  date.

Upper floors add theirs by `register_recipe`. Each is one statement over all contacts, and writes
only what changed.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.distributions import distribution_of
from contacts.models import ComputedMetric, MetricDefinition
from contacts.orders import Orders, orders
from workspace import locks, sql
from workspace.console import Progress
from workspace.errors import Busy

Computation = ComputedMetric.Computation

LOCK = "computed metrics"
# What the column of numbers holds before the point.
_LIMIT = "1e22"


@dataclass(frozen=True, slots=True)
class Computed:
    """What computing one metric did."""

    key: str
    as_of: datetime
    value_count: int
    changed_count: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a metric is computed: `statement` gives rows of contact_id and number."""

    label: str
    description: str
    said: str | Promise
    statement: Callable[[Orders, datetime], tuple[str, list[Any]]]


def _order_count(of: Orders, as_of: datetime) -> tuple[str, list[Any]]:
    statement = """
SELECT c.id AS contact_id, coalesce(o.number, 0)::numeric AS number
FROM contacts_contact c LEFT JOIN (
  SELECT e.contact_id, count(*) AS number FROM contacts_event e
  WHERE e.definition_id = %s AND e.occurred_at > %s AND e.occurred_at <= %s
  GROUP BY e.contact_id) o ON o.contact_id = c.id
WHERE c.erased_at IS NULL"""
    return statement, [of.event_id, as_of - timedelta(days=30), as_of]


def _lifetime_value(of: Orders, as_of: datetime) -> tuple[str, list[Any]]:
    amount, params = of.amount_sql()
    statement = f"""
SELECT c.id AS contact_id,
  CASE WHEN abs(coalesce(o.number, 0)) < {_LIMIT}::numeric - 1
    THEN round(coalesce(o.number, 0), 8) END AS number
FROM contacts_contact c LEFT JOIN (
  SELECT e.contact_id, sum({amount}) AS number FROM contacts_event e
  WHERE e.definition_id = %s AND e.occurred_at <= %s
  GROUP BY e.contact_id) o ON o.contact_id = c.id
WHERE c.erased_at IS NULL"""  # noqa: S608 - our own text
    return statement, [*params, of.event_id, as_of]


def _average_order(of: Orders, as_of: datetime) -> tuple[str, list[Any]]:
    amount, params = of.amount_sql()
    statement = f"""
SELECT contact_id, CASE WHEN abs(number) < {_LIMIT}::numeric - 1 THEN round(number, 8) END AS number
FROM (
  SELECT e.contact_id, avg({amount}) AS number FROM contacts_event e
  JOIN contacts_contact c ON c.id = e.contact_id AND c.erased_at IS NULL
  WHERE e.definition_id = %s AND e.occurred_at <= %s
  GROUP BY e.contact_id) o"""  # noqa: S608 - our own text
    return statement, [*params, of.event_id, as_of]


def _age(of: Orders, as_of: datetime) -> tuple[str, list[Any]]:
    statement = """
SELECT id AS contact_id, extract(year FROM age(%s::date, birth_date))::numeric AS number
FROM contacts_contact WHERE birth_date <= %s AND erased_at IS NULL"""
    day = as_of.astimezone(ZoneInfo(settings.TIME_ZONE)).date()
    return statement, [day, day]


def _percentile(of: Orders, as_of: datetime) -> tuple[str, list[Any]]:
    # By its number, which the server knows the statistics of: joined to its name, it would expect
    # a few values and look up each contact by itself.
    ranked = ComputedMetric.objects.filter(computation=Computation.LIFETIME_VALUE)
    metric_id = ranked.values_list("metric_id", flat=True).first() or 0
    # Who bought is in the statistics, whose first time is that of all stored events.
    statement = """
SELECT contact_id, CASE WHEN buyers = 1 THEN 100
  ELSE trunc((place - 1) * 100::numeric / (buyers - 1), 2) END AS number
FROM (
  SELECT v.contact_id, rank() OVER (ORDER BY v.number) AS place, count(*) OVER () AS buyers
  FROM contacts_metricvalue v
  JOIN contacts_eventstatistic s ON s.contact_id = v.contact_id
    AND s.definition_id = %s AND s.first_at <= %s
  JOIN contacts_contact c ON c.id = v.contact_id AND c.erased_at IS NULL
  WHERE v.metric_id = %s AND v.number IS NOT NULL) ranked"""
    return statement, [of.event_id, as_of, metric_id]


_RECIPES: dict[str, Recipe] = {
    Computation.ORDER_COUNT_30D: Recipe(
        "Orders in 30 days",
        "How many orders the contact placed in the last 30 days; 0 without any.",
        gettext_lazy(
            "The number of “%(event)s” events of the last 30 days (30 times 24 hours). Contacts"
            " without any have 0."
        ),
        _order_count,
    ),
    Computation.LIFETIME_VALUE: Recipe(
        "Lifetime value",
        "What all orders of the contact amount to; 0 without any.",
        gettext_lazy(
            "The sum of “%(property)s” over all “%(event)s” events that are stored. An event"
            " without a number there adds nothing; contacts without orders have 0."
        ),
        _lifetime_value,
    ),
    Computation.LIFETIME_VALUE_PERCENTILE: Recipe(
        "Lifetime value, rank in per cent",
        "The share of the other buyers whose lifetime value is smaller: 90 or more is among the"
        " highest 10 %.",
        gettext_lazy(
            "Of the other contacts with at least one “%(event)s” event, the share in per cent"
            " whose lifetime value is smaller: 100 for the highest, 0 for the lowest, the same for"
            " equal values. “Among the highest 10 %%” is 90 or more. Contacts without orders have"
            " no rank."
        ),
        _percentile,
    ),
    Computation.AVERAGE_ORDER_VALUE: Recipe(
        "Average order",
        "What an order of the contact amounts to on average; missing without any.",
        gettext_lazy(
            "The average of “%(property)s” over all “%(event)s” events that are stored. An event"
            " without a number there does not count; contacts without orders have none."
        ),
        _average_order,
    ),
    Computation.AGE: Recipe(
        "Age",
        "How many years old the contact is; missing without a birth date.",
        gettext_lazy(
            "The whole years since the birth date, on the day on which it is computed. Contacts"
            " without a birth date have none."
        ),
        _age,
    ),
}


def register_recipe(key: str, recipe: Recipe) -> None:
    """Compute one more metric, under this key. For an upper floor, when it is ready."""
    _RECIPES[key] = recipe


def known_keys() -> tuple[str, ...]:
    """The keys of all metrics that are computed, in the order of computing."""
    return tuple(_RECIPES)


def define_computed_metrics() -> None:
    """Make the definitions of the computed metrics where they are missing; at every migration.

    A metric of that key that somebody defined before stays theirs, and is not computed.
    """
    # Not yet there where somebody migrates to a state long ago.
    if sql.one("SELECT to_regclass('contacts_computedmetric')") is None:
        return
    with transaction.atomic():
        for key, recipe in _RECIPES.items():
            sql.execute(
                "WITH made AS (INSERT INTO contacts_metricdefinition"
                " (key, label, type, description, is_demo) VALUES (%s, %s, 'number', %s, false)"
                " ON CONFLICT (key) DO NOTHING RETURNING id)"
                " INSERT INTO contacts_computedmetric (metric_id, computation, value_count,"
                " changed_count, milliseconds, distribution)"
                " SELECT id, %s, 0, 0, 0, '[]' FROM made",
                [key, recipe.label, recipe.description, key],
            )


def how_computed(computed: ComputedMetric, of: Orders) -> str:
    """In words, how the values of a metric come about."""
    words = {"event": of.event_name, "property": of.amount_property}
    return str(_RECIPES[computed.computation].said) % words


def compute(
    *, as_of: datetime, keys: Collection[str] | None = None, progress: Progress | None = None
) -> list[Computed]:
    """Compute the metrics named, or all, of all contacts; each in a transaction of its own.

    Running it again as of the same instant writes nothing. Raises Busy where another run is
    computing, and ValueError for a key that is not computed here.
    """
    wanted_keys = known_keys() if keys is None else keys
    if unknown := set(wanted_keys) - set(_RECIPES):
        raise ValueError(f"Not computed by Regulars: {', '.join(sorted(unknown))}.")
    with locks.held(LOCK) as is_held:
        if not is_held:
            raise Busy(_("The metrics are being computed; try again when that is over."))
        metrics = {
            found.computation: found.metric
            for found in ComputedMetric.objects.select_related("metric")
        }
        # In their own order: a rank needs what it ranks.
        wanted = [key for key in _RECIPES if key in wanted_keys and key in metrics]
        done, of = [], orders()
        for place, key in enumerate(wanted):
            if progress is not None:
                progress.advance(place, len(wanted), metrics[key].label)
            done.append(_compute(key, metrics[key], of, as_of))
        if progress is not None:
            progress.advance(len(wanted), len(wanted), "")
        return done


# What is the same already is not written again; what has no value any more goes.
_WRITE = """
WITH found AS ({computed}),
new AS MATERIALIZED (SELECT contact_id, number FROM found WHERE number IS NOT NULL),
gone AS (
  DELETE FROM contacts_metricvalue v WHERE v.metric_id = %s
    AND NOT EXISTS (SELECT FROM new n WHERE n.contact_id = v.contact_id) RETURNING 1),
written AS (
  INSERT INTO contacts_metricvalue (contact_id, metric_id, number, text, computed_at)
  SELECT n.contact_id, %s, n.number, '', %s FROM new n
  LEFT JOIN contacts_metricvalue v ON v.contact_id = n.contact_id AND v.metric_id = %s
  WHERE v.number IS DISTINCT FROM n.number
  ON CONFLICT (contact_id, metric_id) DO UPDATE
    SET number = excluded.number, computed_at = excluded.computed_at RETURNING 1)
SELECT (SELECT count(*) FROM new) AS values,
  (SELECT count(*) FROM written) + (SELECT count(*) FROM gone) AS changed
"""


def _compute(key: str, metric: MetricDefinition, of: Orders, as_of: datetime) -> Computed:
    began_at = monotonic()
    statement, params = _RECIPES[key].statement(of, as_of)
    with transaction.atomic():
        [row] = sql.rows(
            _WRITE.format(computed=statement), [*params, metric.pk, metric.pk, as_of, metric.pk]
        )
        milliseconds = int((monotonic() - began_at) * 1000)
        ComputedMetric.objects.filter(metric=metric).update(
            as_of=as_of,
            computed_at=timezone.now(),
            value_count=row["values"],
            changed_count=row["changed"],
            milliseconds=milliseconds,
            distribution=distribution_of(metric.pk),
        )
    if row["changed"] and not connection.in_atomic_block:
        # Criteria that ask for it are planned by what there is.
        sql.execute("ANALYZE contacts_metricvalue")
    return Computed(metric.key, as_of, row["values"], row["changed"], milliseconds)
