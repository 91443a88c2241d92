"""The forms of a journey: how a new one begins, and its draft."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from journeys.journeys import DESCRIPTION_LIMIT, NAME_LIMIT
from journeys.models import Journey
from workspace import access
from workspace.access import Actor
from workspace.errors import DomainError
from workspace.exactjson import exact_loads
from workspace.models import UserGroup

_NO_JSON = gettext_lazy("This is no JSON.")


class NewJourneyForm(forms.Form):
    """What a new journey is called, and whose it is."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=NAME_LIMIT,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    groups = forms.MultipleChoiceField(
        label=gettext_lazy("User groups"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )

    def __init__(self, data: Any = None, *, actor: Actor, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        arrange_groups(self, actor, [])

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field."""
        add_problems(self, error)


class DraftForm(forms.Form):
    """The draft: its name, the drawing and the settings as texts of JSON."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=NAME_LIMIT, widget=UnfoldAdminTextInputWidget()
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        max_length=DESCRIPTION_LIMIT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    groups = forms.MultipleChoiceField(
        label=gettext_lazy("User groups"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    drawing = forms.CharField(widget=forms.HiddenInput(), required=False)
    settings = forms.CharField(widget=forms.HiddenInput(), required=False)
    draft_number = forms.IntegerField(widget=forms.HiddenInput(), required=False)

    def __init__(
        self, data: Any = None, *, journey: Journey, actor: Actor, initial: Any = None
    ) -> None:
        super().__init__(data, initial=initial)
        arrange_groups(self, actor, [group.name for group in journey.groups.all()])

    def clean_drawing(self) -> Any:
        """The drawing as a document."""
        return _document(self.cleaned_data["drawing"])

    def clean_settings(self) -> Any:
        """The settings as a document."""
        return _document(self.cleaned_data["settings"])

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field."""
        add_problems(self, error)


def arrange_groups(form: forms.Form, actor: Actor, kept: list[str]) -> None:
    """Let `groups` be those that the actor may choose, and those that are kept."""
    choosable = [group.name for group in access.choosable_groups(actor)]
    names = [*choosable, *(name for name in kept if name not in choosable)]
    groups: Any = form.fields["groups"]
    groups.choices = [(name, name) for name in names]
    if not names:
        del form.fields["groups"]
    elif access.group_required(UserGroup.Entity.JOURNEY):
        groups.required = not kept
        groups.help_text = _("Only people of these groups will see it.")


def add_problems(form: forms.Form, error: DomainError) -> None:
    """Show each fault of an error beside its field, or over the form where it has none."""
    if not error.problems:
        form.add_error(None, str(error))
    for problem in error.problems:
        name = problem.path.split(".")[0]
        form.add_error(name if name in form.fields else None, problem.message)


def _document(text: str) -> Any:
    try:
        return exact_loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise forms.ValidationError(_NO_JSON) from error
