"""The page on which people declare what events of a kind carry, try it, and say what follows."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from contacts import event_declarations
from contacts.event_declarations import DESCRIPTION_LIMIT, SAMPLE, Suggestion, Trial
from contacts.event_properties import SCHEMA_LIMIT, SCHEMA_NAME_LIMIT
from contacts.event_schemas import MISSING, Declared, Enforcement, Type, schema_of
from contacts.models import EventDefinition
from workspace.access import actor_of
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

_BLANK_ROWS = 3
_SUGGESTED = 60
TONES = {Enforcement.ACCEPT: "neutral", Enforcement.MARK: "warning", Enforcement.REFUSE: "bad"}
_CONSEQUENCES = {
    Enforcement.ACCEPT: (
        gettext_lazy("Accepted"),
        gettext_lazy("The schema only describes. Nothing is checked."),
    ),
    Enforcement.MARK: (
        gettext_lazy("Accepted and marked"),
        gettext_lazy(
            "Every event is stored. Those that break the schema are counted here, and carry a"
            " remark where their source lists them."
        ),
    ),
    Enforcement.REFUSE: (
        gettext_lazy("Refused"),
        gettext_lazy(
            "Events that break the schema are not stored: the API names them in its answer, an"
            " import hands their rows back, and a source keeps them until somebody repairs them."
        ),
    ),
}


class PropertyForm(forms.Form):
    """One declared property; an empty name is none."""

    name = forms.CharField(
        label=gettext_lazy("Property"),
        required=False,
        max_length=SCHEMA_NAME_LIMIT,
        widget=UnfoldAdminTextInputWidget(
            attrs={"list": "seen-properties", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    type = forms.ChoiceField(
        label=gettext_lazy("Type"),
        choices=Type.choices,
        initial=Type.TEXT,
        widget=UnfoldAdminSelectWidget(),
    )
    is_required = forms.BooleanField(label=gettext_lazy("Required"), required=False)
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        max_length=DESCRIPTION_LIMIT,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    remove = forms.BooleanField(label=gettext_lazy("Remove"), required=False)

    def declared(self) -> Declared | None:
        """What the row says; None of a row that is empty or goes."""
        given = self.cleaned_data
        name = given.get("name", "")
        if not name or given["remove"]:
            return None
        return Declared(name, given["type"], given["is_required"], given["description"])


class EnforcementForm(forms.Form):
    """What becomes of events that break the schema."""

    enforcement = forms.ChoiceField(choices=Enforcement.choices, widget=forms.RadioSelect())


Rows = forms.formset_factory(
    PropertyForm,
    extra=_BLANK_ROWS,
    max_num=SCHEMA_LIMIT,
    absolute_max=SCHEMA_LIMIT + _BLANK_ROWS,
    validate_max=False,
)


def schema_view(
    request: HttpRequest, definition: EventDefinition, context: dict[str, Any], *, may_write: bool
) -> HttpResponse:
    """The editor; a button takes over what was seen, another tries before anything is saved."""
    if request.method == "POST" and not may_write:
        raise PermissionDenied
    if request.method == "POST" and "_take" in request.POST:
        return _take(request, definition)
    schema = schema_of(definition)
    posted = request.POST if request.method == "POST" else None
    rows = Rows(
        posted,
        prefix="properties",
        initial=[
            {
                "name": one.name,
                "type": one.type,
                "is_required": one.is_required,
                "description": one.description,
            }
            for one in schema.properties
        ],
    )
    form = EnforcementForm(posted, initial={"enforcement": definition.enforcement})
    declared = list(schema.properties)
    if posted is not None and rows.is_valid() and form.is_valid():
        declared = [one for row in rows.forms if (one := row.declared()) is not None]
        is_trial = "_try" in request.POST
        if not is_trial and _save(request, definition, rows, form, declared):
            return HttpResponseRedirect(request.path)
    now = timezone.now()
    suggestions = event_declarations.suggest_properties(definition, at=now)
    trial = event_declarations.try_schema(definition.pk, declared, at=now)
    context.update(
        rows=rows,
        form=form,
        faults=rows.non_form_errors(),
        declared=schema.properties,
        may_write=may_write,
        enforcement=enforcement_badge(definition.enforcement),
        choices=[
            {"radio": radio, "title": title, "text": text}
            for radio, (title, text) in zip(
                form["enforcement"], _CONSEQUENCES.values(), strict=True
            )
        ],
        suggestions=[_shown(one) for one in suggestions[:_SUGGESTED]],
        seen_names=sorted({one.name for one in suggestions}),
        trial=_trial_context(trial, is_unsaved=posted is not None),
    )
    return TemplateResponse(request, "contacts/event_schema.html", context)


def enforcement_badge(enforcement: str) -> Any:
    """In a word what becomes of events that break the schema."""
    title, _text = _CONSEQUENCES[Enforcement(enforcement)]
    return badge(str(title).lower(), TONES[Enforcement(enforcement)])


def _take(request: HttpRequest, definition: EventDefinition) -> HttpResponse:
    asked = request.POST["_take"]
    names = None if asked == "*" else [asked]
    arguments: dict[str, Any] = {"actor": actor_of(request), "at": timezone.now()}
    try:
        taken = event_declarations.take_over(definition.pk, names, **arguments)
    except DomainError as error:
        messages.error(request, str(error))
    else:
        message = ngettext(
            "%(count)d property is declared now.",
            "%(count)d properties are declared now.",
            len(taken),
        )
        messages.success(request, message % {"count": len(taken)})
    return HttpResponseRedirect(request.path)


def _save(
    request: HttpRequest,
    definition: EventDefinition,
    rows: Any,
    form: EnforcementForm,
    declared: list[Declared],
) -> bool:
    try:
        event_declarations.declare_schema(
            definition.pk,
            properties=declared,
            enforcement=form.cleaned_data["enforcement"],
            actor=actor_of(request),
            at=timezone.now(),
        )
    except DomainError as error:
        _add_problems(error, rows)
        return False
    messages.success(request, _("The schema of “%(name)s” was saved.") % {"name": definition})
    return True


def _add_problems(error: DomainError, rows: Any) -> None:
    """Show each fault in the row that it is about, those of the whole above all rows."""
    kept = [row for row in rows.forms if row.declared() is not None]
    for problem in error.problems:
        place, dot, name = problem.path.removeprefix("properties[").partition("].")
        if dot:
            kept[int(place)].add_error(name, problem.message)
        else:
            rows.non_form_errors().append(problem.message)


def _shown(suggestion: Suggestion) -> dict[str, Any]:
    share = suggestion.share
    return {
        "name": suggestion.name,
        "kinds": ", ".join(str(Type(kind).label) for kind in suggestion.kinds),
        "type": Type(suggestion.type).label,
        "share": _("not lately") if share is None else f"{share:.0%}",
        "percent": 0 if share is None else round(share * 100),
    }


def _trial_context(trial: Trial, *, is_unsaved: bool) -> dict[str, Any]:
    words = {
        "broken": number(trial.broken_count),
        "count": number(trial.event_count),
    }
    if not trial.event_count:
        sentence = _("No event of this kind is stored yet: there is nothing to try the schema on.")
    elif trial.event_count < SAMPLE:
        message = ngettext(
            "Of the %(count)s event that is stored, %(broken)s would have been refused.",
            "Of the %(count)s events that are stored, %(broken)s would have been refused.",
            trial.event_count,
        )
        sentence = message % words
    else:
        sentence = _("Of the last %(count)s events, %(broken)s would have been refused.") % words
    return {
        "sentence": sentence,
        "tone": "bad" if trial.broken_count else "good",
        "is_empty": not trial.event_count,
        "is_unsaved": is_unsaved,
        "faults": [
            (name, _("missing") if code == MISSING else _("of another type"), number(count))
            for name, code, count in trial.faults
        ],
    }
