"""The import screen: a file is looked at, its columns are told apart, then a worker imports it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.results import Result
from unfold.widgets import UnfoldBooleanWidget

from contacts.admin import uploads
from contacts.admin.uploads import written
from contacts.imports.columns import Kind
from contacts.imports.headers import Header, read_header
from contacts.resources import REHEARSED_ROWS, ContactResource, result_counts
from workspace.access import actor_of
from workspace.admin.pictures import number
from workspace.errors import DomainError

_KINDS = {
    Kind.IDENTITY: gettext_lazy("Identities"),
    Kind.FIELD: gettext_lazy("Fields"),
    Kind.TAGS: gettext_lazy("Labels"),
    Kind.CATEGORIES: gettext_lazy("Labels"),
    Kind.ATTRIBUTE: gettext_lazy("Attributes"),
    Kind.CONSENT: gettext_lazy("Consents"),
}


class ColumnsForm(uploads.ColumnsForm):
    """Where each column goes, and what becomes of contacts that are known already."""

    update = forms.BooleanField(
        label=gettext_lazy("Change contacts that are known already"),
        required=False,
        widget=UnfoldBooleanWidget(),
        help_text=gettext_lazy("Without it they are left alone, and only new ones are added."),
    )

    def __init__(self, data: Any = None, *, header: Header) -> None:
        super().__init__(data, header=header, choices=_choices(header), guesses=header.guesses)

    def columns(self) -> dict[str, str]:
        """The target of each column by its header; as guessed until somebody chose."""
        given = self.cleaned_data if self.is_bound else self.initial_columns()
        return {
            column: given.get(f"column_{position}") or ""
            for position, column in enumerate(self.header.columns)
        }

    def initial_columns(self) -> dict[str, Any]:
        """The guesses."""
        return {name: field.initial for name, field in self.fields.items()}


def upload_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Step one: the file."""
    return uploads.upload_view(
        request,
        context,
        template="contacts/import_upload.html",
        next_address="admin:contacts_import_preview",
    )


def preview_view(request: HttpRequest, context: dict[str, Any], token: str) -> HttpResponse:
    """Step two: what the file says, what would become of it; then the job."""
    path, name = uploads.kept(request, token)
    try:
        header = read_header(path)
    except DomainError as error:
        uploads.forget(request, token, path)
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:contacts_import"))
    form = ColumnsForm(request.POST if request.method == "POST" else None, header=header)
    if not actor_of(request).may("contacts.change_contact"):
        del form.fields["update"]
    rehearsal: dict[str, Any] = {}
    if not form.is_bound or form.is_valid():
        try:
            resource = ContactResource(
                columns=form.columns(),
                update=bool(form.is_bound and form.cleaned_data.get("update")),
                actor=actor_of(request),
            )
            if "import" in request.POST:
                uploads.forget(request, token)
                job = resource.request(path, name=name)
                return HttpResponseRedirect(reverse("admin:workspace_job_change", args=[job.pk]))
            if header.row_estimate <= REHEARSED_ROWS:
                rehearsal = _told(resource.rehearse(path, at=timezone.now()))
        except DomainError as error:
            rehearsal = {"refusals": [p.message for p in error.problems] or [str(error)]}
    return TemplateResponse(
        request,
        "contacts/import_preview.html",
        {
            **context,
            "form": form,
            "file_name": name,
            "header": header,
            "row_estimate": number(header.row_estimate),
            "written": written(header),
            "is_rehearsed": header.row_estimate <= REHEARSED_ROWS,
            "rehearsed_rows": number(REHEARSED_ROWS),
            **rehearsal,
        },
    )


def _choices(header: Header) -> list[tuple[str, Any]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for target in header.choices:
        groups.setdefault(str(_KINDS[target.kind]), []).append((target.name, target.label))
    return [("", _("Leave out")), *groups.items()]


def _told(result: Result) -> dict[str, Any]:
    counts = result_counts(result)
    return {
        "counts": {name: number(count) for name, count in counts.items()},
        "useful": counts["created"] + counts["updated"],
        "faults": [
            (str(error.error), ", ".join(filter(None, row.row_values.values())))
            for row in result.rows
            for error in row.errors
        ],
        "more_faults": number(counts["rejected"] - len(result.rows))
        if counts["rejected"] > len(result.rows)
        else "",
    }
