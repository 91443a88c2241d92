"""The form of a computed metric: what it is called, what it is computed from, and how."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from contacts.definitions import is_ready
from contacts.formulas import Formula, Function, formula_of
from contacts.metric_definitions import UPLOAD_NAME_LIMIT
from contacts.models import MetricDefinition
from workspace.errors import DomainError, Problem

_PLAIN = {"autocomplete": "off"}
FUNCTIONS = (
    (
        gettext_lazy("Of events"),
        (
            (Function.COUNT, gettext_lazy("how many there are")),
            (Function.FIRST_DATE, gettext_lazy("the day of the first")),
            (Function.LAST_DATE, gettext_lazy("the day of the last")),
            (Function.DAYS_SINCE, gettext_lazy("the days since the last")),
            (Function.SHARE, gettext_lazy("the share of some among them, in per cent")),
        ),
    ),
    (
        gettext_lazy("Of a property of events"),
        (
            (Function.SUM, gettext_lazy("the sum")),
            (Function.AVERAGE, gettext_lazy("the average")),
            (Function.MINIMUM, gettext_lazy("the smallest number")),
            (Function.MAXIMUM, gettext_lazy("the greatest number")),
            (Function.MOST_FREQUENT, gettext_lazy("the most frequent value")),
        ),
    ),
    (
        gettext_lazy("Of another metric"),
        ((Function.PERCENTILE, gettext_lazy("the rank among all contacts, in per cent")),),
    ),
)


class MetricForm(forms.Form):
    """What may be said of a computed metric."""

    label = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        widget=UnfoldAdminTextInputWidget(attrs=_PLAIN),
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        max_length=63,
        help_text=gettext_lazy("Segments ask for “metric.” and the key. It never changes."),
        widget=UnfoldAdminTextInputWidget(attrs=_PLAIN),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    function = forms.ChoiceField(
        label=gettext_lazy("What is computed"),
        choices=FUNCTIONS,
        widget=UnfoldAdminSelectWidget(),
    )
    event_name = forms.CharField(
        label=gettext_lazy("Event"),
        required=False,
        help_text=gettext_lazy("Empty: what the workspace calls an order."),
        widget=UnfoldAdminTextInputWidget(attrs={**_PLAIN, "list": "seen-events"}),
    )
    value_property = forms.CharField(
        label=gettext_lazy("Property"),
        required=False,
        help_text=gettext_lazy(
            "Empty: that of the order. “total.gross” for one inside another; of the most frequent"
            " value also several, parted by commas: the first that is there."
        ),
        widget=UnfoldAdminTextInputWidget(attrs={**_PLAIN, "list": "seen-properties"}),
    )
    other_event_name = forms.CharField(
        label=gettext_lazy("Event that is counted"),
        required=False,
        help_text=gettext_lazy("Such as “Order Refunded”. Empty: those that meet the condition."),
        widget=UnfoldAdminTextInputWidget(attrs={**_PLAIN, "list": "seen-events"}),
    )
    window_days = forms.IntegerField(
        label=gettext_lazy("Of the last days"),
        required=False,
        help_text=gettext_lazy("Empty: of all events that are stored."),
        widget=UnfoldAdminIntegerFieldWidget(attrs={"min": 1, "inputmode": "numeric"}),
    )
    filter_property = forms.CharField(
        label=gettext_lazy("Only where the property"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={**_PLAIN, "list": "seen-properties"}),
    )
    filter_value = forms.CharField(
        label=gettext_lazy("is"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs=_PLAIN),
    )
    ranked_key = forms.ChoiceField(
        label=gettext_lazy("Metric that ranks"),
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    upload_name = forms.CharField(
        label=gettext_lazy("Name in uploads"),
        required=False,
        max_length=UPLOAD_NAME_LIMIT,
        help_text=gettext_lazy("What other systems call it. Empty: “ss_” and the key."),
        widget=UnfoldAdminTextInputWidget(attrs=_PLAIN),
    )

    def __init__(self, data: Any = None, *, metric: MetricDefinition | None = None) -> None:
        super().__init__(data, initial=_initial(metric))
        self.metric = metric
        ranked: Any = self.fields["ranked_key"]
        ranked.choices = [("", "–"), *_rankable(metric)]
        if metric is None:
            return
        del self.fields["key"]
        if metric.computed.computation:
            for name in Formula.__dataclass_fields__:
                del self.fields[name]

    @property
    def has_formula(self) -> bool:
        """Whether it may be said how it is computed."""
        return "function" in self.fields

    @property
    def is_ready(self) -> bool:
        """Whether the metric came with the product."""
        return self.metric is not None and is_ready(self.metric)

    def formula(self) -> Formula | None:
        """What a valid form says of how it is computed; parts of other functions are left out."""
        if not self.has_formula:
            return None
        given = self.cleaned_data
        function = given["function"]
        said = {name: given[name] for name in Formula.__dataclass_fields__}
        if function not in {Function.SUM, Function.AVERAGE, Function.MINIMUM, Function.MAXIMUM}:
            said["value_property"] *= function == Function.MOST_FREQUENT
        if function == Function.PERCENTILE:
            return Formula(function, ranked_key=given["ranked_key"])
        said["ranked_key"] = ""
        said["other_event_name"] *= function == Function.SHARE
        return Formula(**said)

    def add_problems(self, error: DomainError) -> None:
        """Show what the verb refused beside the fields."""
        for problem in error.problems or [Problem("", "", str(error))]:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)


def _initial(metric: MetricDefinition | None) -> dict[str, Any]:
    if metric is None:
        return {"function": Function.COUNT}
    found = {
        "label": metric.label,
        "description": metric.description,
        "upload_name": metric.computed.upload_name,
    }
    formula = formula_of(metric.computed)
    if formula is None:
        return found
    return found | {name: getattr(formula, name) for name in Formula.__dataclass_fields__}


def _rankable(metric: MetricDefinition | None) -> list[tuple[str, str]]:
    known = MetricDefinition.objects.filter(
        type=MetricDefinition.Type.NUMBER, computed__isnull=False
    ).exclude(computed__function=Function.PERCENTILE)
    if metric is not None:
        known = known.exclude(pk=metric.pk)
    return [
        (key, _("%(label)s (%(key)s)") % {"label": label, "key": key})
        for key, label in known.order_by("label", "key").values_list("key", "label")
    ]
