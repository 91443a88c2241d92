"""The import screen of events: one file, one kind of event; a worker imports it."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts.admin import uploads
from contacts.event_definitions import NAME_LIMIT
from contacts.imports.headers import Header, read_header
from contacts.jobs import request_event_import
from contacts.models import EventDefinition
from workspace.access import actor_of
from workspace.admin.pictures import number
from workspace.errors import DomainError

_CONTACT, _TIME, _PROPERTY = "contact", "time", "property"
_ROLES = (
    ("", gettext_lazy("Leave out")),
    (_CONTACT, gettext_lazy("Who: external id or e-mail")),
    (_TIME, gettext_lazy("When")),
    (_PROPERTY, gettext_lazy("A property")),
)
# Headers by which people name who and when, lower-case and without blanks and signs.
_WHO = ("externalid", "email", "userid", "customerid", "customer", "contact")
_WHEN = ("occurredat", "at", "time", "timestamp", "datetime", "date", "day")


class EventColumnsForm(uploads.ColumnsForm):
    """What happened, and what each column of the file says of it."""

    event = forms.CharField(
        label=gettext_lazy("Event"),
        max_length=NAME_LIMIT,
        help_text=gettext_lazy("The name of what happened, as in criteria: for example purchase."),
    )

    def __init__(self, data: Any = None, *, header: Header) -> None:
        guesses = _guessed(header.columns)
        super().__init__(data, header=header, choices=_ROLES, guesses=guesses)
        self.fields["event"].widget = UnfoldAdminTextInputWidget(
            attrs={"list": "known-events", "autocomplete": "off"}
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for role, missing in (
            (_CONTACT, _("Choose the one column that says whose events these are.")),
            (_TIME, _("Choose the one column that says when they happened.")),
        ):
            if len(self.columns(role)) != 1:
                self.add_error(None, missing)
        return cleaned

    def columns(self, role: str) -> list[str]:
        """The headers of the columns with that role."""
        return [
            column
            for position, column in enumerate(self.header.columns)
            if self.cleaned_data.get(f"column_{position}") == role
        ]


def upload_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Step one: the file."""
    return uploads.upload_view(
        request,
        context,
        template="contacts/event_import_upload.html",
        next_address="admin:contacts_event_import_columns",
    )


def columns_view(request: HttpRequest, context: dict[str, Any], token: str) -> HttpResponse:
    """Step two: what the columns are; then the job."""
    path, name = uploads.kept(request, token)
    try:
        header = read_header(path)
    except DomainError as error:
        uploads.forget(request, token, path)
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:contacts_event_import"))
    form = EventColumnsForm(request.POST if request.method == "POST" else None, header=header)
    if form.is_bound and form.is_valid():
        chosen: Mapping[str, Any] = {
            "contact_column": form.columns(_CONTACT)[0],
            "at_column": form.columns(_TIME)[0],
            "property_columns": {column: column for column in form.columns(_PROPERTY)},
        }
        event = form.cleaned_data["event"]
        uploads.forget(request, token)
        job = request_event_import(path, name=name, event=event, actor=actor_of(request), **chosen)
        return HttpResponseRedirect(reverse("admin:workspace_job_change", args=[job.pk]))
    return TemplateResponse(
        request,
        "contacts/event_import_columns.html",
        {
            **context,
            "form": form,
            "file_name": name,
            "header": header,
            "row_estimate": number(header.row_estimate),
            "written": uploads.written(header),
            "known_events": EventDefinition.objects.values_list("name", flat=True)[:200],
        },
    )


def _guessed(columns: tuple[str, ...]) -> dict[str, str]:
    """What each column seems to be: the first likely one is who, the first likely one when."""
    plain = {
        column: "".join(letter for letter in column.lower() if letter.isalnum())
        for column in columns
    }
    guesses = dict.fromkeys(columns, _PROPERTY)
    for role, words in ((_CONTACT, _WHO), (_TIME, _WHEN)):
        likely = [column for word in words for column in columns if plain[column] == word]
        if likely:
            guesses[likely[0]] = role
    return guesses
