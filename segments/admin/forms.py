"""The form of a segment, and its criteria as text."""

from collections.abc import Mapping, Sequence
from typing import Any

import simplejson
from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from segments.definitions import EVERY_LIMIT, NAME_LIMIT, READINESS_LIMIT
from segments.errors import CriteriaRefused
from segments.masks import mask_criteria
from segments.models import Segment, everyone
from segments.widgets import CriteriaWidget
from workspace import access
from workspace.access import Actor
from workspace.errors import DomainError, Problem
from workspace.exactjson import exact_loads
from workspace.models import UserGroup

# A document of 200 rules is far smaller.
_LONGEST = 1_000_000
_ORDER = (
    *("combinator", "not", "disabled", "field", "event", "measure", "function", "property"),
    *("operator", "value", "amount", "unit", "where", "steps", "within", "rules"),
)
_FIELD_OF = {"refresh": "refresh_mode", "refresh.every": "refresh_amount"}


def written(criteria: Any) -> str:
    """A document as text for people: keys in the order of reading, numbers with all digits."""
    return str(
        simplejson.dumps(
            _in_order(criteria), use_decimal=True, ensure_ascii=False, indent=2, allow_nan=False
        )
    )


def _in_order(node: Any) -> Any:
    # The database keeps the keys of an object in an order of its own.
    if isinstance(node, list):
        return [_in_order(part) for part in node]
    if not isinstance(node, dict):
        return node
    known = [key for key in _ORDER if key in node]
    return {key: _in_order(node[key]) for key in [*known, *(k for k in node if k not in known)]}


def read_document(text: str) -> tuple[Any, Problem | None]:
    """The document that a person wrote, or why the text is no JSON."""
    if len(text) > _LONGEST:
        return None, Problem("", "too_long", _("The criteria are too long."))
    try:
        return exact_loads(text), None
    except simplejson.JSONDecodeError as error:
        message = _("This is not JSON: line %(line)d, column %(column)d: %(reason)s.") % {
            "line": error.lineno,
            "column": error.colno,
            "reason": error.msg.split(": line")[0].rstrip("."),
        }
        return None, Problem("", "not_json", message)
    except (ValueError, RecursionError):
        return None, Problem("", "not_json", _("This is not JSON."))


class SegmentForm(forms.Form):
    """What may be written of a segment; `settings` and `document` are what the verbs take."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=NAME_LIMIT, widget=UnfoldAdminTextInputWidget()
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        required=False,
        max_length=63,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("For files and programs. Empty: made of the name. It stays."),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    groups = forms.MultipleChoiceField(
        label=gettext_lazy("User groups"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    refresh_mode = forms.ChoiceField(
        label=gettext_lazy("Refresh"),
        choices=Segment.RefreshMode.choices,
        initial=Segment.RefreshMode.REALTIME,
        widget=UnfoldAdminSelectWidget(),
    )
    refresh_amount = forms.IntegerField(
        label=gettext_lazy("Every"),
        required=False,
        min_value=1,
        max_value=EVERY_LIMIT,
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    refresh_unit = forms.ChoiceField(
        label=gettext_lazy("Unit"),
        required=False,
        choices=Segment.Unit.choices,
        initial=Segment.Unit.DAY,
        widget=UnfoldAdminSelectWidget(),
    )
    readiness_hours = forms.IntegerField(
        label=gettext_lazy("Ready for, in hours"),
        required=False,
        min_value=1,
        max_value=READINESS_LIMIT,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=gettext_lazy("How long a calculation may be used. Empty: until the next one."),
    )
    members_only = forms.BooleanField(
        label=gettext_lazy("Loyalty members only"), required=False, widget=UnfoldBooleanWidget()
    )
    mail_findings = forms.BooleanField(
        label=gettext_lazy("Mail findings to the owner"),
        required=False,
        widget=UnfoldBooleanWidget(),
        help_text=gettext_lazy("When something is found wrong with it, its owner gets one mail."),
    )
    criteria = forms.CharField(label=gettext_lazy("Criteria"))

    def __init__(
        self,
        data: Any = None,
        *,
        actor: Actor,
        segment: Segment | None = None,
        start: Mapping[str, Any] | None = None,
    ) -> None:
        self.segment = segment
        super().__init__(data, initial={**_initial(segment, actor), **(start or {})})
        self.builder = CriteriaWidget(actor=actor, segment=segment)
        self.fields["criteria"].widget = self.builder
        arrange_groups(self, actor, [] if segment is None else _group_names(segment))
        if segment is not None:
            del self.fields["key"]
        if segment is not None and segment.source != Segment.Source.CRITERIA:
            del self.fields["criteria"]

    def clean_criteria(self) -> Any:
        document, problem = read_document(self.cleaned_data["criteria"])
        if problem is not None:
            self.builder.problems = (problem,)
            raise forms.ValidationError(problem.message)
        return document

    def settings(self) -> dict[str, Any]:
        """What the verbs take, without the criteria."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "criteria"}
        given["refresh_unit"] = given.get("refresh_unit") or ""
        return given

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field; those of the criteria beside their paths."""
        if isinstance(error, CriteriaRefused):
            self.builder.problems = error.criteria_problems
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            self.add_error(self._field_of(problem.path), problem.message)

    def _field_of(self, path: str) -> str | None:
        name = path.split("[")[0]
        name = _FIELD_OF.get(name.removesuffix(".amount").removesuffix(".mode"), name)
        name = "refresh_unit" if path == "refresh.every.unit" else name
        return name if name in self.fields else None


def arrange_groups(form: forms.Form, actor: Actor, kept: Sequence[str] = ()) -> None:
    """Let the form's `groups` be those that the actor may choose, and those that are kept.

    Where there are none the field goes; where one is required it says so (AN-11).
    """
    choosable = [group.name for group in access.choosable_groups(actor)]
    names = [*choosable, *(name for name in kept if name not in choosable)]
    groups: Any = form.fields["groups"]
    groups.choices = [(name, name) for name in names]
    if not names:
        del form.fields["groups"]
    elif access.group_required(UserGroup.Entity.SEGMENT):
        groups.required = not kept
        groups.help_text = _("Only people of these groups will see it.")


def _group_names(thing: Segment) -> list[str]:
    return [group.name for group in thing.groups.all()]


def _initial(segment: Segment | None, actor: Actor) -> dict[str, Any]:
    if segment is None:
        return {"criteria": written(everyone())}
    names = ("name", "description", "refresh_mode", "refresh_amount", "readiness_hours")
    return {
        **{name: getattr(segment, name) for name in (*names, "members_only", "mail_findings")},
        "refresh_unit": segment.refresh_unit or Segment.Unit.DAY,
        "groups": _group_names(segment),
        "criteria": written(mask_criteria(segment.criteria, actor)),
    }
