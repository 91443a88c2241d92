"""Screens whose changes go into the audit trail."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Manager, Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from workspace import audit
from workspace.access import actor_of

_SECRETS = frozenset({"password", "password1", "password2", "usable_password"})


class AuditedAdmin(ModelAdmin):
    """Writes who created, changed or deleted a thing on its screen, from what to what."""

    def save_related(
        self, request: HttpRequest, form: "ModelForm[Any]", formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        changed = [name for name in form.changed_data if name not in _SECRETS]
        differences = audit.difference(
            {name: _plain(form.get_initial_for_field(form.fields[name], name)) for name in changed},
            {name: _plain(form.cleaned_data.get(name)) for name in changed},
        )
        if any(name in _SECRETS for name in form.changed_data):
            differences["password"] = ["•••", "•••"]
        for formset in formsets:
            for inline in formset.forms:
                for name in inline.changed_data:
                    before = inline.get_initial_for_field(inline.fields[name], name)
                    differences[name] = [_plain(before), _plain(inline.cleaned_data.get(name))]
        if change and not differences:
            return
        kind = self.opts.model_name
        audit.record(
            actor=actor_of(request),
            action=f"{kind}.{'changed' if change else 'created'}",
            subject=form.instance,
            changes=differences,
        )

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        audit.record(actor=actor_of(request), action=f"{self.opts.model_name}.deleted", subject=obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        for thing in queryset:
            audit.record(
                actor=actor_of(request), action=f"{self.opts.model_name}.deleted", subject=thing
            )
        super().delete_queryset(request, queryset)


def _plain(value: Any) -> Any:
    """A form's value as the trail can hold it."""
    if isinstance(value, Manager | QuerySet):
        value = list(value.all())
    if isinstance(value, Model):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | dict):
        return sorted(str(part) for part in value)
    return value
