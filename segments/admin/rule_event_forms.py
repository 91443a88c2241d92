"""What may be written of a rule-based event, and how its test is shown."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from contacts.event_definitions import NAME_LIMIT as EVENT_NAME_LIMIT
from contacts.models import EventDefinition
from segments import rule_events
from segments.admin.forms import read_document, written
from segments.errors import CriteriaRefused
from segments.models import RuleEvent, everyone
from segments.rule_events import DESCRIPTION_LIMIT, NAME_LIMIT, PROPERTY_LIMIT
from segments.widgets import CriteriaWidget
from workspace.access import Actor
from workspace.errors import DomainError

_LISTED = 500
ALL, CHOSEN = "all", "chosen"
_OF = {"payload": "chosen"}


class BaseForm(forms.Form):
    """The first step: on which events."""

    base = forms.CharField(
        label=gettext_lazy("Base event"),
        max_length=EVENT_NAME_LIMIT,
        widget=UnfoldAdminTextInputWidget(
            attrs={"list": "base-events", "autocomplete": "off", "autofocus": True}
        ),
        help_text=gettext_lazy(
            "As sources send it, such as “purchase”. It need not have come yet."
        ),
    )


class RuleEventForm(forms.Form):
    """A rule on the events of one kind; `settings` are what the verbs take."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=NAME_LIMIT,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("Up to 30 letters, digits and underscores. It stays."),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        max_length=DESCRIPTION_LIMIT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    where = forms.CharField(label=gettext_lazy("Condition"))
    takes = forms.ChoiceField(
        label=gettext_lazy("Payload"),
        choices=[
            (ALL, gettext_lazy("All properties of the base event")),
            (CHOSEN, gettext_lazy("These only")),
        ],
        widget=forms.RadioSelect(),
    )
    chosen = forms.MultipleChoiceField(
        label=gettext_lazy("Properties"), required=False, widget=forms.CheckboxSelectMultiple()
    )
    others = forms.CharField(
        label=gettext_lazy("Others, not seen yet"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Names with commas between them."),
    )
    namespace = forms.CharField(
        label=gettext_lazy("Namespace"),
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "namespaces", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "Empty: it happens to the contact of the base event. Else the kind of identity, such as"
            " “email” or “user_id”."
        ),
    )
    identifier = forms.CharField(
        label=gettext_lazy("Profile identifier"),
        required=False,
        max_length=PROPERTY_LIMIT,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "properties", "autocomplete": "off"}),
        help_text=gettext_lazy("The property whose value is that identity, such as “buyer.email”."),
    )
    enabled = forms.BooleanField(
        label=gettext_lazy("Enabled"), required=False, widget=UnfoldBooleanWidget()
    )

    def __init__(
        self,
        data: Any = None,
        *,
        actor: Actor,
        base: str,
        known: Iterable[str],
        rule: RuleEvent | None = None,
    ) -> None:
        known = sorted(known)
        super().__init__(data, initial=_initial(rule, known))
        self.builder = CriteriaWidget(actor=actor, event=base)
        self.fields["where"].widget = self.builder
        chosen: Any = self.fields["chosen"]
        chosen.choices = [(name, name) for name in known]
        if rule is not None:
            # The name is for ever, and buttons with a dialog switch it on and off.
            del self.fields["name"], self.fields["enabled"]

    def clean_where(self) -> Any:
        document, problem = read_document(self.cleaned_data["where"])
        if problem is not None:
            self.builder.problems = (problem,)
            raise forms.ValidationError(problem.message)
        return document

    def settings(self) -> dict[str, Any]:
        """What the verbs take."""
        names = ("name", "description", "where", "namespace", "identifier", "enabled")
        given = {name: self.cleaned_data[name] for name in names if name in self.fields}
        return {**given, "payload": self._payload()}

    def _payload(self) -> list[str] | None:
        if self.cleaned_data["takes"] == ALL:
            return None
        others = (name.strip() for name in self.cleaned_data["others"].split(","))
        return [*self.cleaned_data["chosen"], *(name for name in others if name)]

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field; those of the condition beside their paths."""
        if isinstance(error, CriteriaRefused):
            self.builder.problems = error.criteria_problems
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            name = problem.path.split("[")[0]
            name = _OF.get(name, name)
            self.add_error(name if name in self.fields else None, problem.message)


def base_names() -> list[str]:
    """The events that a rule can be on, those of rules not."""
    made = RuleEvent.objects.values("definition_id")
    found = EventDefinition.objects.exclude(pk__in=made).order_by("name")
    return list(found.values_list("name", flat=True)[:_LISTED])


def known_properties(base: EventDefinition | None) -> list[str]:
    """The properties that were seen or declared of the base, those inside others too."""
    if base is None:
        return []
    declared = base.properties.values_list("name", flat=True)
    return sorted({*base.schema, *declared})


def known_namespaces() -> list[str]:
    """The namespaces to suggest."""
    return rule_events.known_namespaces()


def outermost(names: Iterable[str]) -> list[str]:
    """The properties that a payload can take over: whole ones, with what is inside."""
    return sorted({name.split(".")[0] for name in names})


def _initial(rule: RuleEvent | None, known: Iterable[str]) -> dict[str, Any]:
    if rule is None:
        return {"where": written(everyone()), "takes": ALL, "enabled": True}
    payload = rule.payload or []
    return {
        "description": rule.description,
        "where": written(rule.where),
        "takes": ALL if rule.payload is None else CHOSEN,
        "chosen": [name for name in payload if name in known],
        "others": ", ".join(name for name in payload if name not in known),
        "namespace": rule.namespace,
        "identifier": rule.identifier,
    }


def payload_in_words(rule: RuleEvent) -> str:
    """What a rule takes over, for who may only look."""
    if rule.payload is None:
        return _("all properties of the base event")
    return ", ".join(rule.payload) or _("no properties")
