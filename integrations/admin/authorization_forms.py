"""The forms of external authorizations: credentials, settings, websites, the end of access."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from integrations import announcements
from integrations.vendors import connections, registry
from integrations.vendors.registry import CredentialField, SettingField, Vendor
from workspace.errors import DomainError
from workspace.models import Website

CREDENTIALS, SETTINGS = "credentials.", "settings."


class _RefusableForm(forms.Form):
    """Shows beside its fields what a verb refused."""

    asked: frozenset[str] = frozenset()

    def add_refusal(self, error: DomainError) -> None:
        """Show each fault at its field, others over the form."""
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            name = problem.path
            self.add_error(name if name in self.fields else None, problem.message)

    def settings(self) -> dict[str, Any]:
        """What was chosen of the settings, by the vendor's names."""
        return self._part(SETTINGS)

    def setting_fields(self) -> list[Any]:
        """All fields but the credentials and the websites, for the template."""
        own = (name for name in self.fields if not name.startswith(CREDENTIALS))
        return [self[name] for name in own if name != "websites"]

    def asked_fields(self) -> list[Any]:
        """The settings that are asked for beside the credentials, for the template."""
        return [one for one in self.setting_fields() if one.name in self.asked]

    def further_fields(self) -> list[Any]:
        """Those that may as well be chosen later."""
        return [one for one in self.setting_fields() if one.name not in self.asked]

    def is_further_faulty(self) -> bool:
        """Whether something is wrong with one of these: then they are shown open."""
        return any(field.errors for field in self.further_fields())

    def _part(self, prefix: str) -> dict[str, Any]:
        given = self.cleaned_data.items()
        return {name.removeprefix(prefix): v for name, v in given if name.startswith(prefix)}


class CredentialsForm(_RefusableForm):
    """What a vendor asks for. Secrets are not written back: they are typed again."""

    def __init__(self, data: Any = None, *, vendor: Vendor) -> None:
        super().__init__(data)
        self.fields |= _credential_fields(vendor)

    def credentials(self) -> dict[str, str]:
        """What was typed, by the vendor's names."""
        return self._part(CREDENTIALS)

    def credential_fields(self) -> list[Any]:
        """The fields of the credentials, for the template."""
        return [self[name] for name in self.fields if name.startswith(CREDENTIALS)]


class SettingsForm(_RefusableForm):
    """What one may choose about a connection."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("As people call it here; without one, as the vendor calls it."),
    )
    sync_hours = forms.IntegerField(
        label=gettext_lazy("Synchronized every … hours"),
        initial=24,
        min_value=1,
        max_value=744,
        widget=UnfoldAdminIntegerFieldWidget(),
    )

    def __init__(
        self, data: Any = None, *, vendor: Vendor, kept: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data)
        if not connections.is_periodic(vendor.kind):
            del self.fields["sync_hours"]
        for one in vendor.settings:
            field = _setting(one)
            field.initial = (kept or {}).get(one.name, one.default)
            self.fields[f"{SETTINGS}{one.name}"] = field


class WebsitesForm(_RefusableForm):
    """Which websites; one or several."""

    websites: Any = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Website(s)"),
        queryset=Website.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, data: Any = None, *, offered: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        field: Any = self.fields["websites"]
        field.queryset = Website.objects.all() if offered is None else offered
        # One that is the only one is meant.
        if field.queryset.count() == 1:
            field.initial = [one.pk for one in field.queryset]


class AuthorizeForm(CredentialsForm):
    """A new connection: credentials, settings, and at its end the websites (behaviour AT-09)."""

    def __init__(self, data: Any = None, *, vendor: Vendor) -> None:
        super().__init__(data, vendor=vendor)
        self.fields |= SettingsForm(data, vendor=vendor).fields
        self.asked = frozenset(f"{SETTINGS}{one.name}" for one in vendor.settings if one.is_asked)
        if vendor.has_websites:
            self.fields["websites"] = WebsitesForm(data).fields["websites"]


class AuthorizeAgainForm(CredentialsForm):
    """Credentials for a connection whose access was revoked, and its websites."""

    def __init__(self, data: Any = None, *, vendor: Vendor, attached: list[int]) -> None:
        super().__init__(data, vendor=vendor)
        if vendor.has_websites:
            self.fields["websites"] = WebsitesForm(data).fields["websites"]
            self.fields["websites"].initial = attached


class RevokeForm(forms.Form):
    """What becomes of what was uploaded."""

    delete_data = forms.BooleanField(
        label=gettext_lazy("First delete at the vendor what was uploaded, where that can be done"),
        required=False,
        widget=UnfoldBooleanWidget(),
    )


def _credential_fields(vendor: Vendor) -> dict[str, forms.Field]:
    return {f"{CREDENTIALS}{one.name}": _credential(one) for one in vendor.credentials}


def _credential(one: CredentialField) -> forms.CharField:
    # Browsers offer what they know of our own login where a field is named as theirs.
    attrs = {"autocomplete": "new-password" if one.is_secret else "off", "spellcheck": "false"}
    widget: Any = (
        UnfoldAdminPasswordWidget(attrs=attrs, render_value=False)
        if one.is_secret
        else UnfoldAdminTextInputWidget(attrs=attrs)
    )
    said: dict[str, Any] = {"label": one.label, "help_text": one.help}
    return forms.CharField(
        **said,
        required=one.is_required,
        widget=widget,
        # A password may begin or end with a blank; the verb strips what may not.
        strip=not one.is_secret,
    )


def _setting(one: SettingField) -> forms.Field:
    said: dict[str, Any] = {"label": one.label, "help_text": one.help, "required": False}
    if one.kind == "flag":
        return forms.BooleanField(widget=UnfoldBooleanWidget(), **said)
    if one.kind == "number":
        said["required"] = True
        return forms.IntegerField(widget=UnfoldAdminIntegerFieldWidget(), **said)
    if one.kind == "choice":
        choices = registry.choices_of(one)
        return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget(), **said)
    if one.kind in {"choices", "types"}:
        several = _types() if one.kind == "types" else registry.choices_of(one)
        return forms.MultipleChoiceField(
            choices=several, widget=UnfoldAdminCheckboxSelectMultipleWidget, **said
        )
    return forms.CharField(widget=UnfoldAdminTextInputWidget(), **said)


def _types() -> list[tuple[str, Any]]:
    """The types of facts of contacts that one can hear of."""
    return [
        (one.name, format_html("{} <code>{}</code>", one.label, one.name))
        for one in announcements.registered_types()
        if one.is_of_contact
    ]
