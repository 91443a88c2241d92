"""Metrics that people define as formulas: defining and changing them, and looking before.

They are deleted as other definitions are (`contacts.definitions`); what Regulars computed of them
goes with them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from contacts import jobs
from contacts.computed_metrics import default_upload_name, ranked_of, select_formula
from contacts.definitions import Kind, change_definition, create_definition
from contacts.distributions import spread_of
from contacts.errors import DefinitionInvalid, DefinitionUnknown
from contacts.formulas import Formula, formula_of, problems_of
from contacts.models import ComputedMetric, MetricDefinition
from contacts.values import Type
from workspace import audit, sql
from workspace.access import Actor
from workspace.errors import Busy, Problem

# What other systems take as the name of a field: Dotdigital's pattern of collections, as the
# strictest that is documented (external_apis 2.1.6), and short.
UPLOAD_NAME_LIMIT = 100
_UPLOAD_NAME = re.compile(r"[-A-Za-z_][-A-Za-z0-9_]{1,99}")
_PREVIEW_SECONDS = 20
_PREVIEWED = "metric_preview"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a formula would give: of how many contacts, between which ends, how spread.

    `mean` is there for numbers only; `steps` are those of `ComputedMetric.distribution`.
    """

    type: Type
    value_count: int
    low: Any
    high: Any
    mean: Decimal | None
    steps: Sequence[Mapping[str, Any]]


def define_metric(
    *,
    key: str,
    label: str,
    formula: Formula,
    description: str = "",
    upload_name: str = "",
    actor: Actor,
    at: datetime,
) -> MetricDefinition:
    """Have a metric computed by a formula from now on; a worker computes it at once.

    Without a name in uploads it is “ss_” and the key. Raises DefinitionInvalid with every fault,
    those of the formula by the names of its parts.
    """
    formula, named = _trimmed(formula), upload_name.strip() or default_upload_name(key)
    problems = [*problems_of(formula), *_upload_problems(named)]
    values = {"key": key, "label": label, "description": description}
    with transaction.atomic():
        try:
            with transaction.atomic():
                type_ = Type.NUMBER if problems else formula.type
                metric = create_definition(
                    Kind.METRIC, values=values | {"type": type_}, actor=actor, at=at
                )
        except DefinitionInvalid as refused:
            problems = [*refused.problems, *problems]
        if problems:
            raise DefinitionInvalid(problems[0].message, problems=problems)
        assert isinstance(metric, MetricDefinition)
        computed = ComputedMetric(
            metric=metric,
            ranked=ranked_of(formula),
            upload_name=named,
            **formula.columns(),
        )
        _save(computed, force_insert=True)
        changes = audit.difference({}, _said(formula, named))
        audit.record(
            actor=actor, action="metric.formula_defined", subject=metric, changes=changes, at=at
        )
        jobs.request_computation(actor=actor, keys=[key])
    return metric


@transaction.atomic
def change_metric(
    key: str,
    *,
    values: Mapping[str, Any],
    formula: Formula | None = None,
    upload_name: str | None = None,
    actor: Actor,
    at: datetime,
) -> MetricDefinition:
    """Change label and description in `values`, the formula, and the name in uploads.

    What is None stays. Where the formula is another one, a worker computes the metric and those
    that rank by it. Raises DefinitionUnknown, and DefinitionInvalid with every fault: also for
    a formula that gives values of another type, and for one of a metric that has none.
    """
    known = MetricDefinition.objects.select_for_update(of=("self",)).filter(key=key).first()
    if known is None:
        message = _("There is no %(kind)s “%(key)s”.") % {"kind": _("metric"), "key": key[:63]}
        raise DefinitionUnknown(message)
    if formula is None and upload_name is None:
        return _labelled(key, values, actor, at)
    if not known.is_computed:
        message = _("The metric “%(key)s” is written by others, and not computed.") % {"key": key}
        raise _invalid([Problem("function", "not_computed", message)])
    computed = known.computed
    before = formula_of(computed)
    wanted = before if formula is None else _trimmed(formula)
    named = computed.upload_name if upload_name is None else upload_name.strip()
    if problems := [*_change_problems(known, before, wanted), *_upload_problems(named, key)]:
        raise _invalid(problems)
    metric = _labelled(key, values, actor, at)
    changes = audit.difference(_said(before, computed.upload_name), _said(wanted, named))
    if not changes:
        return metric
    if wanted is not None:
        for name, value in wanted.columns().items():
            setattr(computed, name, value)
        computed.ranked = ranked_of(wanted)
    computed.upload_name = named
    _save(computed)
    audit.record(
        actor=actor, action="metric.formula_changed", subject=metric, changes=changes, at=at
    )
    if wanted != before:
        ranks = known.ranks.values_list("metric__key", flat=True)
        jobs.request_computation(actor=actor, keys=[key, *ranks])
    return metric


def preview(formula: Formula, *, as_of: datetime) -> Preview:
    """What a formula gives as of an instant, for all contacts; nothing is kept.

    Raises DefinitionInvalid with every fault of the formula, and Busy where it takes too long.
    """
    formula = _trimmed(formula)
    if problems := problems_of(formula):
        raise _invalid(problems)
    text, params = select_formula(formula, as_of)
    try:
        with sql.local_settings({"statement_timeout": f"{_PREVIEW_SECONDS}s"}):
            # Computed once, looked at several times.
            sql.execute(
                f"CREATE TEMP TABLE {_PREVIEWED} ON COMMIT DROP AS"  # noqa: S608 - our own text
                f" SELECT v0 AS value FROM ({text}) found WHERE v0 IS NOT NULL",
                params,
            )
            found = _look(formula.type)
            sql.execute(f"DROP TABLE {_PREVIEWED}")
            return found
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        message = _("This takes longer than %(seconds)d seconds to try: save it to compute it.")
        raise Busy(message % {"seconds": _PREVIEW_SECONDS}) from error


def _look(type_: Type) -> Preview:
    mean = "avg(value)" if type_ == Type.NUMBER else "NULL"
    order = ' COLLATE "C"' if type_ == Type.TEXT else ""
    [row] = sql.rows(
        f"SELECT count(*) AS count, min(value{order}) AS low,"  # noqa: S608 - our own text
        f" max(value{order}) AS high,"
        f" {mean} AS mean FROM {_PREVIEWED}"
    )
    steps = spread_of(type_, "value", f"FROM {_PREVIEWED} WHERE true", [])
    return Preview(type_, row["count"], row["low"], row["high"], row["mean"], steps)


def _change_problems(
    known: MetricDefinition, before: Formula | None, wanted: Formula | None
) -> list[Problem]:
    if wanted is None or wanted == before:
        return []
    if before is None:
        message = _("“%(label)s” is computed by a rule of its own, which cannot be changed.")
        return [Problem("function", "not_applicable", message % {"label": known.label})]
    if problems := problems_of(wanted):
        return problems
    if wanted.ranked_key == known.key:
        return [Problem("ranked_key", "invalid", _("A metric cannot be ranked by itself."))]
    if wanted.type != known.type:
        words = {"type": known.get_type_display()}
        message = _("The values of this metric are of the type “%(type)s”, and stay so.") % words
        return [Problem("function", "wrong_type", message)]
    if wanted.ranked_key and known.ranks.exists():
        message = _("Another metric ranks by this one, which therefore cannot be a rank itself.")
        return [Problem("function", "invalid", message)]
    return []


def _upload_problems(name: str, key: str = "") -> list[Problem]:
    path = "upload_name"
    if not _UPLOAD_NAME.fullmatch(name):
        message = _(
            "A name in uploads is 2 to %(limit)d letters, digits, _ and -, and does not begin with"
            " a digit."
        )
        return [Problem(path, "invalid", message % {"limit": UPLOAD_NAME_LIMIT})]
    other = ComputedMetric.objects.filter(upload_name=name).exclude(metric__key=key)
    if (found := other.select_related("metric").first()) is not None:
        words = {"name": name, "metric": found.metric.label}
        message = _("“%(metric)s” is uploaded under the name “%(name)s” already.") % words
        return [Problem(path, "unique", message)]
    return []


def _save(computed: ComputedMetric, *, force_insert: bool = False) -> None:
    try:
        with transaction.atomic():
            computed.save(force_insert=force_insert)
    except IntegrityError as error:
        # Somebody else took the name this moment.
        message = _("The name “%(name)s” is taken.") % {"name": computed.upload_name}
        raise _invalid([Problem("upload_name", "unique", message)]) from error


def _labelled(key: str, values: Mapping[str, Any], actor: Actor, at: datetime) -> MetricDefinition:
    metric = change_definition(Kind.METRIC, key, values=values, actor=actor, at=at)
    assert isinstance(metric, MetricDefinition)
    return metric


def _trimmed(formula: Formula) -> Formula:
    ways = ", ".join(one.strip() for one in formula.value_property.split(","))
    return replace(
        formula,
        event_name=formula.event_name.strip(),
        value_property=ways,
        filter_property=formula.filter_property.strip(),
        other_event_name=formula.other_event_name.strip(),
    )


def _said(formula: Formula | None, upload_name: str) -> dict[str, Any]:
    said = {} if formula is None else {**formula.columns(), "ranked": formula.ranked_key}
    shown = {name: value for name, value in said.items() if value not in ("", None)}
    return shown | {"upload_name": upload_name}


def _invalid(problems: list[Problem]) -> DefinitionInvalid:
    return DefinitionInvalid(problems[0].message, problems=problems)
