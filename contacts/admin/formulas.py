"""The page on which a computed metric is defined or changed: what it gives is shown before."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from contacts import computed_metrics, metric_definitions, orders
from contacts.admin.computing import spread_context
from contacts.admin.metric_forms import MetricForm
from contacts.definitions import Kind, uses_of
from contacts.formulas import Formula
from contacts.models import MetricDefinition
from contacts.values import Type
from workspace.access import actor_of
from workspace.admin.pictures import number
from workspace.errors import DomainError


def formula_view(
    request: HttpRequest, context: dict[str, Any], metric: MetricDefinition | None
) -> HttpResponse:
    """The form; sent with `look` it shows what the formula gives, sent without it is saved."""
    is_sent = request.method == "POST"
    form = MetricForm(request.POST if is_sent else None, metric=metric)
    given = None
    if is_sent and form.is_valid():
        if "look" in request.POST:
            given = _look(form)
        elif (saved := _save(request, form)) is not None:
            messages.success(request, _said(saved, form))
            page = reverse("admin:contacts_metricdefinition_change", args=[saved.pk])
            return HttpResponseRedirect(page)
    current = orders.orders()
    event_name = (form["event_name"].value() if form.has_formula else "") or current.event_name
    context.update(
        form=form,
        metric=metric,
        given=given,
        current=current,
        uses=[] if metric is None else sorted(uses_of(Kind.METRIC, metric.key, actor_of(request))),
        how=computed_metrics.how_computed(metric.computed, current) if metric else "",
        seen_events=orders.seen_events(),
        seen_properties=orders.seen_amounts(event_name),
    )
    return TemplateResponse(request, "contacts/metric_formula.html", context)


def _save(request: HttpRequest, form: MetricForm) -> MetricDefinition | None:
    said, formula = form.cleaned_data, form.formula()
    given: dict[str, Any] = {"actor": actor_of(request), "at": timezone.now()}
    words = {"label": said["label"], "description": said["description"]}
    try:
        if form.metric is None:
            assert formula is not None
            return metric_definitions.define_metric(
                key=said["key"],
                formula=formula,
                upload_name=said["upload_name"],
                **words,
                **given,
            )
        named = said["upload_name"] or computed_metrics.default_upload_name(form.metric.key)
        return metric_definitions.change_metric(
            form.metric.key, values=words, formula=formula, upload_name=named, **given
        )
    except DomainError as error:
        form.add_problems(error)
        return None


def _look(form: MetricForm) -> dict[str, Any] | None:
    """What the formula says in words and gives in figures; None where it cannot be."""
    formula = form.formula()
    if formula is None:
        return None
    try:
        found = metric_definitions.preview(formula, as_of=timezone.now())
    except DomainError as error:
        form.add_problems(error)
        return None
    return {
        "how": _in_words(formula),
        "count": number(found.value_count),
        "low": _shown(found.low),
        "high": _shown(found.high),
        "mean": "" if found.mean is None else _shown(round(found.mean, 2)),
        "is_text": found.type == Type.TEXT,
        "spread": spread_context(found.steps, found.type),
    }


def _in_words(formula: Formula) -> str:
    ranked = computed_metrics.ranked_of(formula)
    return computed_metrics.say_formula(formula, ranked, orders.orders())


def _shown(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if hasattr(value, "normalize"):
        return number(value.normalize() + 0)
    return date_format(value, "DATE_FORMAT")


def _said(saved: MetricDefinition, form: MetricForm) -> str:
    if form.metric is None:
        text = _("“%(name)s” is being computed for all contacts. Segments can ask for it now.")
    else:
        text = _("“%(name)s” was changed. What is computed otherwise follows in a moment.")
    return text % {"name": saved.label}
