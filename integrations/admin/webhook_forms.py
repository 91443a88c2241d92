"""The forms of webhooks: where, of what, how long a former secret is good."""

from datetime import timedelta
from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from integrations import announcements, webhooks
from workspace.errors import DomainError

_GRACES = (
    (str(7 * 86_400), gettext_lazy("for 7 days more")),
    (str(86_400), gettext_lazy("for 24 hours more")),
    (str(3_600), gettext_lazy("for an hour more")),
    ("0", gettext_lazy("not any more")),
)


class WebhookForm(forms.Form):
    """What people say of a webhook."""

    url = forms.CharField(
        label=gettext_lazy("Address"),
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "off", "inputmode": "url", "placeholder": "https://"}
        ),
        help_text=gettext_lazy(
            "Where we post to. It has to be reachable from the internet, and answers 2xx within 10"
            " seconds; redirects are not followed."
        ),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("As people call it here; without one, as its host."),
    )
    types = forms.MultipleChoiceField(
        label=gettext_lazy("Hears of"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("Only what is ticked is sent, from now on."),
        error_messages={"required": gettext_lazy("Tick at least one type.")},
    )

    def __init__(self, *args: Any, known: Any = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        types: Any = self.fields["types"]
        choices = [
            (one.name, format_html("{} <code>{}</code>", one.label, one.name))
            for one in announcements.registered_types()
        ]
        # What it heard of before stays, also where nothing tells of it any more.
        names = {name for name, _label in choices}
        types.choices = [*choices, *((name, name) for name in known if name not in names)]

    def add_refusal(self, error: DomainError) -> None:
        """Show what the verb refused beside the fields."""
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)


class SecretForm(forms.Form):
    """How long we sign with the former secret, too."""

    grace = forms.ChoiceField(
        label=gettext_lazy("Sign with the former one, too,"),
        choices=_GRACES,
        initial=str(86_400),
        widget=UnfoldAdminSelectWidget(),
    )

    def grace_time(self) -> timedelta:
        """The time that was chosen."""
        return timedelta(seconds=int(self.cleaned_data["grace"]))


class EnablingForm(forms.Form):
    """What becomes of what waits."""

    waiting = forms.ChoiceField(
        label=gettext_lazy("What waits"),
        choices=(
            (webhooks.RESUME, gettext_lazy("is sent now, the oldest first")),
            (webhooks.DROP, gettext_lazy("is cancelled")),
        ),
        widget=UnfoldAdminSelectWidget(),
    )
