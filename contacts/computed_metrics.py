"""The metrics that Regulars computes by itself, most of them from the orders of all contacts.

Each is a formula over events, which is data (contacts.formulas), or a recipe, which is code: the
age, and what upper floors add by `register_recipe`. Only stored events count, none later than the
instant T as of which is computed, and none of erased contacts. docs/metrics.md says what each is.

Each is one statement over all contacts, and writes only what changed. What the same metrics are on
each website, `contacts.website_metrics` computes.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts import formulas
from contacts.distributions import distribution_of
from contacts.formula_statements import Computable, Ranked, Ready, scope_of, select_values
from contacts.formulas import Formula, formula_of
from contacts.models import ComputedMetric, MetricDefinition
from contacts.orders import Orders, orders
from contacts.ready_metrics import READY_METRICS
from workspace import locks, sql
from workspace.console import Progress
from workspace.errors import Busy

LOCK = "computed metrics"
# Windows up to here are looked at every hour, all others every night.
HOURLY_DAYS = 31
AGE = "age"
# In which column of the table of values a type is kept.
_COLUMN = {kind: kind.value for kind in MetricDefinition.Type}


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
    """How a metric is computed by code: `statement` gives rows of contact_id and number."""

    label: str
    description: str
    said: str | Promise
    statement: Callable[[Orders, datetime], tuple[str, list[Any]]]


def _age(of: Orders, as_of: datetime) -> tuple[str, list[Any]]:
    statement = """
SELECT id AS contact_id, extract(year FROM age(%s::date, birth_date))::numeric AS number
FROM contacts_contact WHERE birth_date <= %s AND erased_at IS NULL"""
    day = as_of.astimezone(ZoneInfo(settings.TIME_ZONE)).date()
    return statement, [day, day]


_RECIPES: dict[str, Recipe] = {
    AGE: Recipe(
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


def ready_keys() -> tuple[str, ...]:
    """The keys of the metrics that come with the product, in the order of computing."""
    return (*READY_METRICS, *_RECIPES)


def known_keys() -> tuple[str, ...]:
    """The keys of all metrics that are computed, in the order of computing."""
    return tuple(found.metric.key for found in computed_metrics())


def is_hourly(computed: ComputedMetric) -> bool:
    """Whether it is computed every hour: what looks back a month or less."""
    return computed.window_days is not None and computed.window_days <= HOURLY_DAYS


def hourly_keys() -> tuple[str, ...]:
    """The keys of those."""
    return tuple(found.metric.key for found in computed_metrics() if is_hourly(found))


def computed_metrics() -> list[ComputedMetric]:
    """All that are computed, with their definitions: the ready ones first."""
    known = ComputedMetric.objects.select_related("metric", "ranked", "ranked__computed")
    places = {key: place for place, key in enumerate(ready_keys())}
    # A recipe of a floor that is gone stays as it was computed last.
    found = [one for one in known if one.function or one.computation in _RECIPES]
    return sorted(found, key=lambda one: (places.get(one.metric.key, len(places)), one.metric.key))


def default_upload_name(key: str) -> str:
    """What other systems call a metric of this key where nobody said otherwise."""
    return "ss_" + re.sub(r"[^a-z0-9]", "", key.lower())


def define_computed_metrics() -> None:
    """Make the definitions of the ready metrics where they are missing; at every migration.

    A metric of that key that somebody defined before stays theirs, and is not computed.
    """
    # Not yet there where somebody migrates to a state long ago.
    is_there = sql.one(
        "SELECT EXISTS (SELECT FROM information_schema.columns WHERE table_name = %s"
        " AND column_name = %s)",
        ["contacts_computedmetric", "upload_name"],
    )
    if not is_there:
        return
    with transaction.atomic():
        # One by one, because a rank needs the metric that it ranks: a dozen rows.
        for key, ready in READY_METRICS.items():
            ranked = MetricDefinition.objects.filter(
                key=ready.formula.ranked_key, computed__isnull=False
            ).first()
            if ready.formula.ranked_key and ranked is None:
                continue
            columns = ready.formula.columns() | {"upload_name": ready.upload_name}
            _define(key, ready.label, ready.description, ready.formula.type, ranked, columns)
        for key, recipe in _RECIPES.items():
            columns = {"computation": key, "upload_name": default_upload_name(key)}
            _define(key, recipe.label, recipe.description, "number", None, columns)


def _define(
    key: str,
    label: str,
    description: str,
    type_: str,
    ranked: MetricDefinition | None,
    columns: dict[str, Any],
) -> None:
    if MetricDefinition.objects.filter(key=key).exists():
        return
    if ComputedMetric.objects.filter(upload_name=columns["upload_name"]).exists():
        columns = columns | {"upload_name": _free_upload_name(columns["upload_name"])}
    metric = MetricDefinition.objects.create(
        key=key, label=label, type=type_, description=description
    )
    ComputedMetric.objects.create(metric=metric, ranked=ranked, **columns)


def _free_upload_name(wanted: str) -> str:
    """The same with a number behind it, where somebody gave the name to a metric of theirs."""
    taken = set(ComputedMetric.objects.values_list("upload_name", flat=True))
    return next(
        name for number in range(2, len(taken) + 3) if (name := f"{wanted}_{number}") not in taken
    )


def how_computed(computed: ComputedMetric, of: Orders) -> str:
    """In words, how the values of a metric come about."""
    formula = formula_of(computed)
    if formula is None:
        recipe = _RECIPES.get(computed.computation)
        words = {"event": of.event_name, "property": of.amount_property}
        return "" if recipe is None else str(recipe.said) % words
    return say_formula(formula, computed.ranked, of)


def say_formula(formula: Formula, ranked: MetricDefinition | None, of: Orders) -> str:
    """The same of a formula that is not kept yet."""
    by = formula_of(ranked.computed) if ranked is not None and ranked.is_computed else None
    labels = {} if ranked is None else {ranked.key: ranked.label}
    return formulas.say(formula, of, ranked=by, labels=labels)


def computables_of(
    found: Sequence[ComputedMetric], of: Orders, as_of: datetime
) -> tuple[list[Computable], list[Formula]]:
    """What is to be computed for each, and all formulas that take part."""
    computables, taking_part = [], []
    for one in found:
        made = computable_of(formula_of(one), one, of, as_of)
        computables.append(made)
        inner = made.by if isinstance(made, Ranked) else made
        if isinstance(inner, Formula):
            taking_part.append(inner)
    return computables, taking_part


def ranked_of(formula: Formula) -> MetricDefinition | None:
    """The metric by which a formula ranks; None for one that ranks by none."""
    if not formula.ranked_key:
        return None
    return MetricDefinition.objects.select_related("computed").get(key=formula.ranked_key)


def select_formula(formula: Formula, as_of: datetime) -> tuple[str, dict[str, Any]]:
    """The statement of a formula that no metric has yet, as `select_values` gives it."""
    of, ranked = orders(), ranked_of(formula)
    trial = ComputedMetric(ranked=ranked, **formula.columns())
    computables, taking_part = computables_of([trial], of, as_of)
    return select_values(computables, scope_of(taking_part, of=of, as_of=as_of))


def computable_of(
    formula: Formula | None, computed: ComputedMetric, of: Orders, as_of: datetime
) -> Computable:
    """What is to be computed for a metric; `formula` is its own, or None for a recipe."""
    if formula is None:
        return Ready(*_RECIPES[computed.computation].statement(of, as_of))
    if computed.ranked is None:
        return formula
    ranked = computed.ranked.computed
    by = formula_of(ranked)
    return Ranked(Ready(*_RECIPES[ranked.computation].statement(of, as_of)) if by is None else by)


def compute(
    *, as_of: datetime, keys: Collection[str] | None = None, progress: Progress | None = None
) -> list[Computed]:
    """Compute the metrics named, or all, of all contacts; each in a transaction of its own.

    Running it again as of the same instant writes nothing. Raises Busy where another run is
    computing, and ValueError for a key that is not computed here.
    """
    known = computed_metrics()
    wanted = [one for one in known if keys is None or one.metric.key in keys]
    if unknown := set(keys or ()) - {one.metric.key for one in known}:
        raise ValueError(f"Not computed by Regulars: {', '.join(sorted(unknown))}.")
    with locks.held(LOCK) as is_held:
        if not is_held:
            raise Busy(busy_sentence())
        done, of = [], orders()
        for place, one in enumerate(wanted):
            if progress is not None:
                progress.advance(place, len(wanted), one.metric.label)
            done.append(_compute(one, of, as_of))
        if progress is not None:
            progress.advance(len(wanted), len(wanted), "")
        return done


def busy_sentence() -> str:
    """What is said to who wants them computed while they are."""
    return _("The metrics are being computed; try again when that is over.")


# What is the same already is not written again; what has no value any more goes.
_WRITE = """
WITH found AS ({computed}),
new AS MATERIALIZED (SELECT contact_id, v0 AS value FROM found WHERE v0 IS NOT NULL),
gone AS (
  DELETE FROM contacts_metricvalue v WHERE v.metric_id = %(metric)s
    AND NOT EXISTS (SELECT FROM new n WHERE n.contact_id = v.contact_id) RETURNING 1),
written AS (
  INSERT INTO contacts_metricvalue (contact_id, metric_id, {column}, computed_at)
  SELECT n.contact_id, %(metric)s, n.value, %(as_of)s FROM new n
  LEFT JOIN contacts_metricvalue v ON v.contact_id = n.contact_id AND v.metric_id = %(metric)s
  WHERE v.{column} IS DISTINCT FROM n.value
  ON CONFLICT (contact_id, metric_id) DO UPDATE
    SET {column} = excluded.{column}, computed_at = excluded.computed_at RETURNING 1)
SELECT (SELECT count(*) FROM new) AS values,
  (SELECT count(*) FROM written) + (SELECT count(*) FROM gone) AS changed
"""


def _compute(computed: ComputedMetric, of: Orders, as_of: datetime) -> Computed:
    began_at, metric = monotonic(), computed.metric
    computables, taking_part = computables_of([computed], of, as_of)
    scope = scope_of(taking_part, of=of, as_of=as_of)
    statement, params = select_values(computables, scope)
    text = _WRITE.format(computed=statement, column=_COLUMN[MetricDefinition.Type(metric.type)])
    with transaction.atomic():
        [row] = sql.rows(text, {**params, "metric": metric.pk, "as_of": as_of})
        milliseconds = int((monotonic() - began_at) * 1000)
        ComputedMetric.objects.filter(metric=metric).update(
            as_of=as_of,
            computed_at=timezone.now(),
            value_count=row["values"],
            changed_count=row["changed"],
            milliseconds=milliseconds,
            distribution=distribution_of(metric),
        )
    if row["changed"] and not connection.in_atomic_block:
        # Criteria that ask for it are planned by what there is.
        sql.execute("ANALYZE contacts_metricvalue")
    return Computed(metric.key, as_of, row["values"], row["changed"], milliseconds)
