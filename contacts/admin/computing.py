"""The metrics that Regulars computes: what an order is, when they were computed, their spread."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts import computed_metrics, jobs, orders
from contacts.definitions import Kind, uses_of
from contacts.models import ComputedMetric, MetricDefinition
from contacts.orders import Orders
from workspace import access
from workspace import jobs as long_work
from workspace.access import Actor, actor_of
from workspace.admin.jobs import job_context
from workspace.admin.pictures import chart, number
from workspace.errors import DomainError
from workspace.models import Job

_COMPUTE = "contacts.change_metricdefinition"
_PAGE = "admin:contacts_metricdefinition_computing"


class OrderEventForm(forms.Form):
    """Which event is an order, and where its amount is; known names are suggested."""

    event_name = forms.CharField(
        label=gettext_lazy("Event"),
        max_length=200,
        help_text=gettext_lazy("As sources send it, such as “purchase” or “Order Completed”."),
        widget=UnfoldAdminTextInputWidget(attrs={"list": "seen-events", "autocomplete": "off"}),
    )
    amount_property = forms.CharField(
        label=gettext_lazy("Property with the amount"),
        max_length=200,
        help_text=gettext_lazy("A number, such as “amount”; “total.gross” for one inside another."),
        widget=UnfoldAdminTextInputWidget(attrs={"list": "seen-amounts", "autocomplete": "off"}),
    )
    category_property = forms.CharField(
        label=gettext_lazy("Property with the category"),
        max_length=400,
        help_text=gettext_lazy(
            "Such as “products.category”, where an order lists its products; several parted by"
            " commas: the first that is there."
        ),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    website_property = forms.CharField(
        label=gettext_lazy("Property with the website"),
        max_length=200,
        help_text=gettext_lazy(
            "Its key or domain. Of orders without it the address of the page (“url”) decides."
        ),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


def computing_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """What an order is, what follows from it; administrators may choose another event.

    A question (GET) shows first what would change; then it is chosen (POST).
    """
    actor = actor_of(request)
    if request.method == "POST":
        return _answer(request, actor)
    current = orders.orders()
    asked = request.GET if actor.is_admin and "event_name" in request.GET else None
    shown = _named(current)
    # What a question does not name stays what it is.
    form = OrderEventForm(None if asked is None else {**shown, **asked.dict()}, initial=shown)
    proposal = _proposal(form, current) if asked is not None and form.is_valid() else None
    event_name = form.data.get("event_name", current.event_name) if asked else current.event_name
    running = _running(actor)
    context.update(
        form=form,
        current=current,
        proposal=proposal,
        rows=_rows(),
        segments=_uses(actor),
        seen_events=orders.seen_events(),
        seen_amounts=orders.seen_amounts(event_name),
        may_choose=actor.is_admin,
        may_compute=actor.may(_COMPUTE),
        job=job_context(running) if running is not None else None,
    )
    return TemplateResponse(request, "contacts/metric_computing.html", context)


def metric_context(metric: MetricDefinition, *, may_change: bool) -> dict[str, Any]:
    """What the page of a computed metric says of it; nothing for others."""
    if not metric.is_computed:
        return {}
    computed: ComputedMetric = metric.computed
    return {
        "computed": computed,
        "how": computed_metrics.how_computed(computed, orders.orders()),
        "value_count": number(computed.value_count),
        "changed_count": number(computed.changed_count),
        "spread": spread_context(computed.distribution, metric.type),
        "minutes": settings.METRICS_EVERY_MINUTES,
        "computing_url": reverse(_PAGE),
        "formula_url": (
            reverse("admin:contacts_metricdefinition_formula", args=[metric.pk])
            if may_change
            else ""
        ),
    }


def request_now(request: HttpRequest) -> HttpResponseRedirect:
    """Have a worker compute all of them; to the page that shows how far it is."""
    if not actor_of(request).may(_COMPUTE):
        raise PermissionDenied
    jobs.request_computation(actor=actor_of(request))
    messages.success(request, _("The metrics are being computed."))
    return HttpResponseRedirect(reverse(_PAGE))


def _answer(request: HttpRequest, actor: Actor) -> HttpResponseRedirect:
    if "event_name" not in request.POST:
        return request_now(request)
    if not actor.is_admin:
        raise PermissionDenied
    try:
        chosen = orders.choose_order_event(
            event_name=request.POST["event_name"],
            amount_property=request.POST.get("amount_property", ""),
            **{
                name: request.POST[name]
                for name in ("category_property", "website_property")
                if name in request.POST
            },
            actor=actor,
            at=timezone.now(),
        )
    except DomainError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse(_PAGE))
    jobs.request_computation(actor=actor)
    words = {"event": chosen.event_name, "property": chosen.amount_property}
    messages.success(
        request,
        _("An order is now “%(event)s” with “%(property)s”. The metrics are being computed.")
        % words,
    )
    return HttpResponseRedirect(reverse(_PAGE))


def _proposal(form: OrderEventForm, current: Orders) -> dict[str, Any] | None:
    try:
        wanted = orders.possible_orders(**form.cleaned_data)
    except DomainError as error:
        for problem in error.problems:
            name = problem.path if problem.path in form.fields else None
            form.add_error(name, problem.message)
        return None
    found = orders.count_orders(wanted)
    return {
        "orders": wanted,
        "found": found,
        "is_same": _named(wanted) == _named(current),
        "events": number(found.event_count),
        "contacts": number(found.contact_count),
        "amounts": number(found.amount_count),
        "missing": number(found.event_count - found.amount_count),
    }


def _named(of: Orders) -> dict[str, str]:
    """What the form says of an order."""
    return {
        "event_name": of.event_name,
        "amount_property": of.amount_property,
        "category_property": of.category_property,
        "website_property": of.website_property,
    }


def _running(actor: Actor) -> Job | None:
    """The work that computes them, for who may look at it."""
    running = long_work.unfinished(jobs.METRICS_SUBJECT, jobs.METRICS_JOB)
    known = access.visible_jobs(actor)
    return running if running is not None and known.filter(pk=running.pk).exists() else None


def _rows() -> list[tuple[ComputedMetric, str, str]]:
    of = orders.orders()
    return [
        (one, computed_metrics.how_computed(one, of), number(one.value_count))
        for one in computed_metrics.computed_metrics()
    ]


def _uses(actor: Actor) -> list[str]:
    """What asks for the computed metrics, of all that the actor may know."""
    keys = ComputedMetric.objects.values_list("metric__key", flat=True)
    return sorted({name for key in keys for name in uses_of(Kind.METRIC, key, actor)})


def spread_context(steps: Sequence[Mapping[str, Any]], type_: str) -> dict[str, Any]:
    """How values are spread: a `chart` of the steps, or `texts` with counts; empty without any."""
    if not steps:
        return {}
    if type_ == MetricDefinition.Type.TEXT:
        most = max(step["count"] for step in steps)
        shares = [round(100 * step["count"] / most) for step in steps]
        return {
            "texts": [
                (step["from"], number(step["count"]), share)
                for step, share in zip(steps, shares, strict=True)
            ]
        }
    steps_chart = chart(
        [_step(step["from"], step["to"], type_) for step in steps],
        [(_("Contacts"), [step["count"] for step in steps], "primary")],
        kind="bar",
        axis=_("Value"),
    )
    return {"chart": steps_chart}


def _step(low: str, high: str | None, type_: str) -> str:
    if high is None:
        return _("%(low)s and more") % {"low": _figure(low, type_)}
    return f"{_figure(low, type_)} – {_figure(high, type_)}"


def _figure(written: str, type_: str) -> str:
    if type_ == MetricDefinition.Type.DATE:
        return date_format(date.fromisoformat(written), "SHORT_DATE_FORMAT")
    return number_format(written, use_l10n=True, force_grouping=True)
