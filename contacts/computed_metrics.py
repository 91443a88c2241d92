"""The metrics that Regulars computes by itself, most of them from the orders of all contacts.

Each is a formula over events, which is data (contacts.formulas), or a recipe, which is code
(contacts.metric_recipes): the age, and what upper floors register. Only stored events count, none
later than the instant T as of which is computed, and none of erased contacts. docs/metrics.md says
what each is.

Where they were computed before, only those contacts are computed who can have changed since; else
everyone is (contacts.computing). What the same metrics are on each website,
`contacts.website_metrics` computes.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts import computing, formulas, metric_marks
from contacts.computables import (
    computed_metrics,
    known_keys,
    ranked_of,
    ready_keys,
    select_formula,
)
from contacts.computing import Changes, Plan, TooMany
from contacts.distributions import distribution_of
from contacts.formulas import Formula, formula_of
from contacts.metric_bases import kinds_of, measured_formula
from contacts.metric_recipes import AGE, Recipe, register_recipe, registered_recipes
from contacts.models import ComputedMetric, ComputedWebsite, MetricDefinition
from contacts.orders import Orders, orders
from contacts.ready_metrics import READY_METRICS
from workspace import locks, sql
from workspace.console import Progress
from workspace.errors import Busy

__all__ = [
    "AGE",
    "LOCK",
    "Computed",
    "Recipe",
    "are_due",
    "busy_sentence",
    "compute",
    "compute_recent",
    "computed_metrics",
    "default_upload_name",
    "define_computed_metrics",
    "how_computed",
    "known_keys",
    "ranked_of",
    "ready_keys",
    "register_recipe",
    "say_formula",
    "select_formula",
    "watch_kinds",
]

LOCK = "computed metrics"
# What share of the values has to change before their spread is drawn again.
_REDRAWN_FROM = 0.02


@dataclass(frozen=True, slots=True)
class Computed:
    """What computing one metric did; `milliseconds` are of all that were computed together."""

    key: str
    as_of: datetime
    value_count: int
    changed_count: int
    milliseconds: int
    is_anew: bool


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
        for key, recipe in registered_recipes().items():
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
        recipe = registered_recipes().get(computed.computation)
        words = {"event": of.event_name, "property": of.amount_property}
        return "" if recipe is None else str(recipe.said) % words
    return say_formula(formula, computed.ranked, of)


def say_formula(formula: Formula, ranked: MetricDefinition | None, of: Orders) -> str:
    """The same of a formula that is not kept yet."""
    by = formula_of(ranked.computed) if ranked is not None and ranked.is_computed else None
    labels = {} if ranked is None else {ranked.key: ranked.label}
    return formulas.say(formula, of, ranked=by, labels=labels)


def compute(
    *,
    as_of: datetime,
    keys: Collection[str] | None = None,
    is_anew: bool = False,
    progress: Progress | None = None,
) -> list[Computed]:
    """Compute the metrics named, or all, of all contacts.

    All of them are computed of those who can have changed since they were computed last; of
    everyone where that is cheaper, where a definition is another one, or with `is_anew`. Those
    that are named are computed of everyone. Running it again as of the same instant writes
    nothing. Raises Busy where another run is computing, and ValueError for a key that is not
    computed here.
    """
    known = computed_metrics()
    wanted = [one for one in known if keys is None or one.metric.key in keys]
    if unknown := set(keys or ()) - {one.metric.key for one in known}:
        raise ValueError(f"Not computed by Regulars: {', '.join(sorted(unknown))}.")
    with locks.held(LOCK) as is_held:
        if not is_held:
            raise Busy(busy_sentence())
        of = orders()
        watch_kinds(known, of, as_of)
        given = computing.plan(wanted, of=of, as_of=as_of)
        return _compute(
            given, follows=keys is None and not is_anew, is_all=keys is None, progress=progress
        )


def are_due(*, as_of: datetime) -> bool:
    """Whether it is time to compute those who did something: METRICS_EVERY_MINUTES since."""
    if not settings.METRICS_EVERY_MINUTES:
        return False
    limit = as_of - timedelta(minutes=settings.METRICS_EVERY_MINUTES)
    late = Q(as_of__isnull=True) | Q(basis="") | Q(as_of__lte=limit)
    return ComputedMetric.objects.filter(late).exists()


def compute_recent(*, as_of: datetime) -> list[Computed] | None:
    """Compute all metrics of those who can have changed since; None where that does not do.

    Then everyone has to be computed, which is `compute`. Raises Busy where another run is
    computing.
    """
    with locks.held(LOCK) as is_held:
        if not is_held:
            raise Busy(busy_sentence())
        began_at = monotonic()
        given = computing.plan(computed_metrics(), of=orders(), as_of=as_of)
        if len(given.those_that_follow()) < len(given.metrics):
            return None
        try:
            with transaction.atomic():
                changes = computing.follow(given, others=_websites())
                return _note(given, changes, began_at, is_anew=False, is_exact=False)
        except TooMany:
            return None


def watch_kinds(known: Collection[ComputedMetric], of: Orders, as_of: datetime) -> None:
    """Have the events marked that any of these looks at, and the orders."""
    scope = computing.plan(list(known), of=of, as_of=as_of).scope
    measured = [formula for one in known if (formula := measured_formula(one)) is not None]
    kinds = {kind for formula in measured for kind in kinds_of(formula, scope)}
    metric_marks.watch(kinds | ({of.event_id} - {0}))


def busy_sentence() -> str:
    """What is said to who wants them computed while they are."""
    return _("The metrics are being computed; try again when that is over.")


def _compute(
    given: Plan, *, follows: bool, is_all: bool, progress: Progress | None
) -> list[Computed]:
    began_at = monotonic()
    done: list[Computed] = []
    following = given.those_that_follow() if follows else []
    if following:
        some = given.of_these(following)
        try:
            with transaction.atomic():
                changes = computing.follow(some, others=_websites())
                done = _note(some, changes, began_at, is_anew=False, is_exact=True)
        except TooMany:
            following = []
    if is_all and not following:
        with transaction.atomic():
            metric_marks.forget([metric_marks.EVERYONE], _websites())
            ComputedMetric.objects.filter(pk__in=given.ids).update(basis="")
    followed = {one.pk for one in following}
    rest = given.of_these([one for one in given.metrics if one.pk not in followed])
    if rest.metrics:
        began_at = monotonic()
        changes = computing.compute_anew(rest, progress=progress)
        done += _note(rest, changes, began_at, is_anew=True, is_exact=True)
    if progress is not None:
        progress.advance(1, 1, "")
    places = {one.metric.key: place for place, one in enumerate(given.metrics)}
    return sorted(done, key=lambda one: places[one.key])


def _websites() -> list[int]:
    """The websites that follow, and so are owed what the metrics of everyone take."""
    return list(ComputedWebsite.objects.exclude(basis="").values_list("pk", flat=True))


@transaction.atomic
def _note(
    given: Plan, changes: dict[int, Changes], began_at: float, *, is_anew: bool, is_exact: bool
) -> list[Computed]:
    """Write down how it went: with `is_exact` the values are counted, else only what came."""
    counted = _counted(given.ids) if is_exact else {}
    milliseconds, done = int((monotonic() - began_at) * 1000), []
    for one in given.metrics:
        found = changes[one.pk]
        count = counted.get(one.pk, 0) if is_exact else max(0, one.value_count + found.added)
        if found.changed and (is_anew or found.changed > _REDRAWN_FROM * count):
            one.distribution = distribution_of(one.metric)
        one.as_of, one.computed_at = given.as_of, timezone.now()
        one.value_count, one.changed_count = count, found.changed
        one.milliseconds, one.basis = milliseconds, given.basis_of(one)
        done.append(
            Computed(one.metric.key, given.as_of, count, found.changed, milliseconds, is_anew)
        )
    ComputedMetric.objects.bulk_update(
        given.metrics,
        [
            *("as_of", "computed_at", "value_count", "changed_count", "milliseconds"),
            *("distribution", "basis"),
        ],
    )
    written = sum(one.changed for one in changes.values())
    if written > _REDRAWN_FROM * sum(one.value_count for one in done):
        # Criteria that ask for it are planned by what there is.
        transaction.on_commit(_analyze)
    return done


def _analyze() -> None:
    if not connection.in_atomic_block:
        sql.execute("ANALYZE contacts_metricvalue")


def _counted(ids: list[int]) -> dict[int, int]:
    rows = sql.lists(
        "SELECT metric_id, count(*) FROM contacts_metricvalue WHERE metric_id = ANY(%s::int[])"
        " GROUP BY metric_id",
        [ids],
    )
    return dict(rows)
