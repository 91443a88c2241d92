"""What is computed: the metrics in their order, and what a statement has to know of each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from contacts.formula_statements import Computable, Ranked, Ready, scope_of, select_values
from contacts.formulas import Formula, formula_of
from contacts.metric_recipes import registered_recipes
from contacts.models import ComputedMetric, MetricDefinition
from contacts.orders import Orders, orders
from contacts.ready_metrics import READY_METRICS


def ready_keys() -> tuple[str, ...]:
    """The keys of the metrics that come with the product, in the order of computing."""
    return (*READY_METRICS, *registered_recipes())


def known_keys() -> tuple[str, ...]:
    """The keys of all metrics that are computed, in the order of computing."""
    return tuple(found.metric.key for found in computed_metrics())


def computed_metrics() -> list[ComputedMetric]:
    """All that are computed, with their definitions: the ready ones first."""
    known = ComputedMetric.objects.select_related("metric", "ranked", "ranked__computed")
    places = {key: place for place, key in enumerate(ready_keys())}
    # A recipe of a floor that is gone stays as it was computed last.
    recipes = {"", *registered_recipes()}
    found = [
        one
        for one in known
        if one.computation in recipes
        and (one.ranked is None or one.ranked.computed.computation in recipes)
    ]
    return sorted(found, key=lambda one: (places.get(one.metric.key, len(places)), one.metric.key))


def computables_of(
    found: Sequence[ComputedMetric], of: Orders, as_of: datetime
) -> tuple[list[Computable], list[Formula]]:
    """What is to be computed for each, and all formulas that take part."""
    computables, taking_part = [], []
    for one in found:
        made = computable_of(one, of, as_of)
        computables.append(made)
        inner = made.by if isinstance(made, Ranked) else made
        if isinstance(inner, Formula):
            taking_part.append(inner)
    return computables, taking_part


def computable_of(computed: ComputedMetric, of: Orders, as_of: datetime) -> Computable:
    """What is to be computed for a metric, by its formula or its recipe."""
    measured = computed if computed.ranked is None else computed.ranked.computed
    formula = formula_of(measured)
    recipe = registered_recipes().get(measured.computation)
    if formula is None:
        assert recipe is not None
        inner: Formula | Ready = Ready(*recipe.statement(of, as_of))
    else:
        inner = formula
    return inner if computed.ranked is None else Ranked(inner)


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
