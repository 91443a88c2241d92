"""The form of a contact: factory fields and custom attributes, as the verbs take them."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from contacts.models import AttributeDefinition, Category, Contact, Tag
from workspace.errors import DomainError

Type = AttributeDefinition.Type
_TEXTS = (
    *("email", "phone", "first_name", "last_name", "gender"),
    *("country", "city", "postal_code", "language", "time_zone"),
)
_ATTRIBUTE = "attribute__"
_YES_NO = [("", "–"), ("true", _("yes")), ("false", _("no"))]


class ContactForm(forms.Form):
    """What may be written of a contact; only what was changed goes into `changes`."""

    def __init__(
        self,
        data: Any = None,
        *,
        definitions: Sequence[AttributeDefinition],
        contact: Contact | None = None,
        external_id: str = "",
        tags: Sequence[str] = (),
        categories: Sequence[str] = (),
    ) -> None:
        self.definitions = definitions
        initial = _initial(contact, definitions)
        initial.update(external_id=external_id, tags=list(tags), categories=list(categories))
        super().__init__(data, initial=initial)
        self.fields["external_id"] = _text(_("External id"))
        self.fields["external_id"].help_text = _("The number or name that your shop gives them.")
        for name in _TEXTS:
            self.fields[name] = _text(field_label(name))
        self.fields["birth_date"] = forms.DateField(
            label=_("Birth date"),
            required=False,
            widget=_date_widget(),
        )
        self.fields["lead_score"] = forms.DecimalField(
            label=_("Lead score"),
            required=False,
            max_digits=14,
            decimal_places=4,
            widget=UnfoldAdminDecimalFieldWidget(),
        )
        self.fields["tags"] = _several(_("Tags"), Tag.objects.values_list("key", "label"))
        self.fields["categories"] = _several(
            _("Categories"), Category.objects.values_list("key", "label")
        )
        for definition in definitions:
            self.fields[_ATTRIBUTE + definition.key] = _attribute_field(definition)

    def identity_fields(self) -> Iterator[forms.BoundField]:
        """By what the contact is known."""
        return (self[name] for name in ("external_id", "email", "phone"))

    def person_fields(self) -> Iterator[forms.BoundField]:
        """The other factory fields."""
        return (self[name] for name in (*_TEXTS[2:], "birth_date", "lead_score"))

    def label_fields(self) -> Iterator[forms.BoundField]:
        """Tags and categories."""
        return (self[name] for name in ("tags", "categories"))

    def attribute_fields(self) -> list[forms.BoundField]:
        """The custom attributes."""
        return [self[_ATTRIBUTE + definition.key] for definition in self.definitions]

    def changes(self) -> dict[str, Any]:
        """What was changed, in the shape of the API."""
        found: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        types = {definition.key: definition.type for definition in self.definitions}
        for name in self.changed_data:
            value = self.cleaned_data.get(name)
            if name.startswith(_ATTRIBUTE):
                key = name.removeprefix(_ATTRIBUTE)
                attributes[key] = _written(value, types[key])
            elif isinstance(value, date):
                found[name] = value.isoformat()
            elif name == "lead_score":
                found[name] = Decimal(0) if value is None else value
            elif name == "birth_date" or name == "external_id":
                found[name] = value or None
            else:
                found[name] = value
        return {**found, "attributes": attributes} if attributes else found

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field, and those of no field above the form."""
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            name = problem.path.replace("attributes.", _ATTRIBUTE).split("[")[0]
            self.add_error(name if name in self.fields else None, problem.message)


def field_label(name: str) -> Any:
    """What a factory field is called."""
    field: Any = Contact._meta.get_field(name)
    return field.verbose_name


def _initial(contact: Contact | None, definitions: Sequence[AttributeDefinition]) -> dict[str, Any]:
    if contact is None:
        return {}
    initial: dict[str, Any] = {name: getattr(contact, name) for name in (*_TEXTS, "birth_date")}
    initial["lead_score"] = contact.lead_score.normalize() + 0
    for definition in definitions:
        value = contact.attributes.get(definition.key)
        initial[_ATTRIBUTE + definition.key] = _shown(value, definition.type)
    return initial


def _shown(value: Any, type_: str) -> Any:
    if value is None:
        return None
    if type_ == Type.BOOLEAN:
        return "true" if value else "false"
    if type_ == Type.DATE:
        return date.fromisoformat(value)
    if type_ == Type.DATETIME:
        return datetime.fromisoformat(value)
    return value


def _written(value: Any, type_: str) -> Any:
    """A form's value as the API writes it; null takes the attribute away."""
    if value in (None, "", []):
        return None
    if type_ == Type.BOOLEAN:
        return value == "true"
    if isinstance(value, date | datetime):
        return value.isoformat()
    if type_ == Type.LIST and isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip()]
    return value


def _attribute_field(definition: AttributeDefinition) -> forms.Field:
    field = _typed_field(definition)
    field.label = definition.label
    field.help_text = definition.description
    return field


def _typed_field(definition: AttributeDefinition) -> forms.Field:
    choices = [(choice, choice) for choice in definition.choices]
    match definition.type:
        case Type.NUMBER:
            return forms.DecimalField(required=False, widget=UnfoldAdminDecimalFieldWidget())
        case Type.BOOLEAN:
            return forms.ChoiceField(
                required=False, choices=_YES_NO, widget=UnfoldAdminSelectWidget()
            )
        case Type.DATE:
            return forms.DateField(required=False, widget=_date_widget())
        case Type.DATETIME:
            return forms.DateTimeField(
                required=False,
                widget=forms.DateTimeInput(
                    attrs={"type": "datetime-local", "step": "1", **_classes()},
                    format="%Y-%m-%dT%H:%M:%S",
                ),
            )
        case Type.LIST if choices:
            return _several("", choices)
        case Type.LIST:
            return _LinesField(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))
        case _ if choices:
            return forms.ChoiceField(
                required=False, choices=[("", "–"), *choices], widget=UnfoldAdminSelectWidget()
            )
        case _:
            return _text("")


class _LinesField(forms.CharField):
    """A list of texts, one on each line."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(super().has_changed(self.prepare_value(initial), self.clean(data)))


def _text(label: Any) -> forms.CharField:
    return forms.CharField(label=label, required=False, widget=UnfoldAdminTextInputWidget())


def _several(label: Any, choices: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        required=False,
        choices=list(choices),
        widget=UnfoldAdminSelect2MultipleWidget(),
    )


def _date_widget() -> forms.DateInput:
    # The browser's own calendar: it works by keyboard and on a phone.
    return forms.DateInput(attrs={"type": "date", **_classes()}, format="%Y-%m-%d")


def _classes() -> dict[str, Any]:
    return {"class": UnfoldAdminTextInputWidget().attrs.get("class", "")}
