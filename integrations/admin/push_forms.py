"""The forms of connections for push messages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from workspace.errors import DomainError

_HOUR = 3600
_TIMES = (
    ("0", gettext_lazy("not at all: only to devices that are on")),
    (str(_HOUR), gettext_lazy("for an hour")),
    (str(4 * _HOUR), gettext_lazy("for 4 hours")),
    (str(24 * _HOUR), gettext_lazy("for a day")),
    (str(7 * 24 * _HOUR), gettext_lazy("for a week")),
    (str(28 * 24 * _HOUR), gettext_lazy("for four weeks")),
)
_URGENCIES = (
    ("very-low", gettext_lazy("very low: on power and Wi-Fi")),
    ("low", gettext_lazy("low: on power or Wi-Fi")),
    ("normal", gettext_lazy("normal: unless the battery is low")),
    ("high", gettext_lazy("high: always")),
)


class PushForm(forms.Form):
    """What all these forms have."""

    def add_refusal(self, error: DomainError) -> None:
        """Show what the verb refused beside the fields."""
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)


class NewAppConnectionForm(PushForm):
    """A connection to apps."""

    account = forms.CharField(
        label=gettext_lazy("Service account"),
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 8, "autocomplete": "off", "spellcheck": "false", "class": "rg-mono"}
        ),
        help_text=gettext_lazy(
            "The whole JSON file that Firebase gives: Project settings, Service accounts, Generate"
            " new private key. It is kept encrypted, and shown to nobody."
        ),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("As people call it here; without one, “Apps”."),
    )


class ConnectionForm(PushForm):
    """What can be changed of a connection."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    ttl_seconds = forms.ChoiceField(
        label=gettext_lazy("Kept for devices that are off"),
        choices=_TIMES,
        widget=UnfoldAdminSelectWidget(),
        help_text=gettext_lazy("After that a message is dropped by the push service."),
    )
    urgency = forms.ChoiceField(
        label=gettext_lazy("Urgency"),
        choices=_URGENCIES,
        widget=UnfoldAdminSelectWidget(),
        help_text=gettext_lazy("Whether a device that saves its battery is woken for it."),
    )
    account = forms.CharField(
        label=gettext_lazy("Another service account"),
        required=False,
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false", "class": "rg-mono"}
        ),
        help_text=gettext_lazy(
            "The JSON file of Firebase. Leave it empty to keep the present one."
        ),
    )

    def __init__(self, *args: Any, is_for_apps: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        times: Any = self.fields["ttl_seconds"]
        given = str(self.initial.get("ttl_seconds", ""))
        if given and given not in dict(_TIMES):
            seconds = gettext_lazy("for %(n)s seconds") % {"n": given}
            times.choices = [*_TIMES, (given, seconds)]
        del self.fields["urgency" if is_for_apps else "account"]

    def clean_ttl_seconds(self) -> int:
        """The time as a number."""
        return int(self.cleaned_data["ttl_seconds"])


class AppTrialForm(forms.Form):
    """Which app gets a test."""

    token = forms.CharField(
        label=gettext_lazy("Token of the app"),
        max_length=2000,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("What Firebase's library gives in the app, on your own device."),
    )
