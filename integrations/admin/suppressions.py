"""Suppressed addresses, and what was told of mails, on the screen."""

import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from contacts.admin import uploads
from integrations import suppression_files, suppressions
from integrations.admin.contact_names import contacts_named
from integrations.admin.delivery_pictures import moment
from integrations.models import MailReport, Suppression
from workspace.access import actor_of
from workspace.admin import (
    EmptyState,
    ObjectActionsAdmin,
    ReadOnlyAdmin,
    object_action,
    page_context,
)
from workspace.admin.lists import CappedPaginator
from workspace.admin.pictures import badge
from workspace.errors import DomainError

Reason, Kind = Suppression.Reason, MailReport.Kind
_REASONS = {
    Reason.BOUNCE: ("warning", "undo"),
    Reason.UNSUBSCRIBE: ("neutral", "unsubscribe"),
    Reason.COMPLAINT: ("bad", "report"),
    Reason.MANUAL: ("info", "block"),
}
_KINDS = {
    Kind.HARD_BOUNCE: ("bad", "undo"),
    Kind.SOFT_BOUNCE: ("warning", "schedule"),
    Kind.COMPLAINT: ("bad", "report"),
    Kind.UNSUBSCRIBE: ("neutral", "unsubscribe"),
}
_SEPARATORS = re.compile(r"[\s,;]+")


class AdditionForm(forms.Form):
    """Addresses, written or in a file, and why."""

    addresses = forms.CharField(
        label=gettext_lazy("Addresses"),
        required=False,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 6, "placeholder": "anna@example.com", "spellcheck": "false"}
        ),
        help_text=gettext_lazy("One in each line, up to a thousand."),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a file"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx", "class": "rg-input"}),
        help_text=gettext_lazy("CSV or XLSX: the column “email”, or the first one with addresses."),
    )
    detail = forms.CharField(
        label=gettext_lazy("Why"),
        required=False,
        max_length=suppressions.DETAIL_LIMIT,
        widget=UnfoldAdminTextInputWidget(),
    )


class LiftForm(forms.Form):
    """Why an address may be written to again."""

    why = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=suppressions.DETAIL_LIMIT,
        widget=UnfoldAdminTextInputWidget(),
    )


class _OfAddresses(ReadOnlyAdmin):
    """A list of addresses, with the contacts that have them."""

    list_display_links = None
    search_help_text = gettext_lazy("By the beginning of an address")
    search_fields = ("address",)
    sortable_by = ()
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        if not search_term.strip():
            return queryset, False
        address, digest = suppressions.forms_of(search_term)
        begun = queryset.filter(address__startswith=address)
        return begun | queryset.filter(address=digest), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        answer: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            shown = answer.context_data.get("cl")
            if shown is not None:
                rows = list(shown.result_list)
                contacts = contacts_named(request, [one.contact_id for one in rows])
                for one in rows:
                    one.known = contacts.get(one.contact_id or 0)
        return answer

    @admin.display(description=gettext_lazy("contact"))
    def whose(self, row: Any) -> SafeString:
        if row.known is None:
            return format_html('<span class="rg-faint">{}</span>', "–")
        page = reverse("admin:contacts_contact_change", args=[row.contact_id])
        return format_html('<a class="rg-link rg-break" href="{}">{}</a>', page, row.known)

    @admin.display(description=gettext_lazy("said"))
    def said(self, row: Any) -> SafeString:
        text = Truncator(row.detail).chars(140)
        return format_html('<span class="rg-small rg-break">{}</span>', text)


@admin.register(Suppression)
class SuppressionAdmin(_OfAddresses, ObjectActionsAdmin):
    """Addresses are added and lifted, each with a reason; nothing else changes them."""

    list_display: Any = ("address_link", "why", "whose", "said", "since")
    list_filter = ("reason", ("at", RangeDateTimeFilter))
    list_filter_submit = True
    rows_name = gettext_lazy("suppressed addresses")
    add_label = gettext_lazy("Add addresses")
    empty_state = EmptyState(
        gettext_lazy(
            "Nothing is sent to an address on this list, whoever has it. Addresses that are no more"
            " and people who complain come here by themselves; others are added by hand or from a"
            " file."
        ),
        icon="block",
        steps=(
            (
                gettext_lazy("Add addresses"),
                "admin:integrations_suppression_add",
                "block",
                "integrations.add_suppression",
            ),
        ),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).may("integrations.add_suppression")

    @admin.display(description=gettext_lazy("address"))
    def address_link(self, row: Suppression) -> SafeString:
        page = reverse("admin:integrations_suppression_change", args=[row.pk])
        return format_html('<a class="rg-strong rg-break" href="{}">{}</a>', page, shown(row))

    @admin.display(description=gettext_lazy("reason"))
    def why(self, row: Suppression) -> SafeString:
        return reason_badge(row)

    @admin.display(description=gettext_lazy("since"))
    def since(self, row: Suppression) -> SafeString:
        return moment(row.at)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Addresses written down, or those of a file."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        is_post = request.method == "POST"
        form = AdditionForm(request.POST if is_post else None, request.FILES if is_post else None)
        if form.is_bound and form.is_valid():
            try:
                if form.cleaned_data["file"]:
                    return self._import(request, form)
                return self._add(request, form)
            except DomainError as error:
                for problem in error.problems[:10] or [error]:
                    form.add_error(None, str(getattr(problem, "message", problem)))
        context = page_context(self, request, title=_("Suppress addresses"))
        return TemplateResponse(
            request, "integrations/suppression_add.html", {**context, "form": form}
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One address, and what was told of mails to it."""
        row = self.get_object(request, object_id)
        if row is None or request.method == "POST":
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        known = contacts_named(request, [row.contact_id])
        context = page_context(self, request, title=shown(row))
        context |= {
            "suppression": row,
            "buttons": self.buttons(request, row),
            "badge": reason_badge(row),
            "since": moment(row.at),
            "contact": known.get(row.contact_id or 0),
            "reports": [
                {"report": one, "badge": kind_badge(one), "at": moment(one.at)}
                for one in MailReport.objects.filter(address=row.address)[:50]
            ],
        }
        return TemplateResponse(request, "integrations/suppression.html", context)

    @object_action(
        gettext_lazy("Lift"),
        permission="integrations.delete_suppression",
        icon="lock_open",
        variant="danger",
        consequence=gettext_lazy(
            "The address may be written to again, at once. Your reason is kept in the audit trail."
        ),
        form_class=LiftForm,
    )
    def lift(self, request: HttpRequest, row: Suppression, form: LiftForm) -> HttpResponse:
        why = form.cleaned_data["why"]
        suppressions.lift(row.pk, why=why, actor=actor_of(request), at=timezone.now())
        words = _("%(address)s may be written to again.") % {"address": shown(row)}
        self.message_user(request, words, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:integrations_suppression_changelist"))

    def _add(self, request: HttpRequest, form: AdditionForm) -> HttpResponse:
        written = _SEPARATORS.split(form.cleaned_data["addresses"].strip())
        count = suppressions.add(
            [address for address in written if address],
            detail=form.cleaned_data["detail"],
            actor=actor_of(request),
            at=timezone.now(),
        )
        words = ngettext(
            "%(count)d address is suppressed now.", "%(count)d addresses are suppressed now.", count
        )
        self.message_user(request, words % {"count": count}, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:integrations_suppression_changelist"))

    def _import(self, request: HttpRequest, form: AdditionForm) -> HttpResponse:
        token = uploads.keep(request, form.cleaned_data["file"])
        path, name = uploads.kept(request, token)
        try:
            job = suppression_files.request_import(
                path,
                name=name,
                detail=form.cleaned_data["detail"],
                actor=actor_of(request),
                at=timezone.now(),
            )
        except DomainError:
            uploads.forget(request, token, path)
            raise
        uploads.forget(request, token)
        return HttpResponseRedirect(reverse("admin:workspace_job_change", args=[job.pk]))


@admin.register(MailReport)
class MailReportAdmin(_OfAddresses):
    """What providers and mail servers told; nobody edits it."""

    list_display: Any = ("what", "address_text", "whose", "said", "source", "when")
    list_filter = ("kind", "source", ("at", RangeDateTimeFilter))
    list_filter_submit = True
    rows_name = gettext_lazy("bounces and complaints")
    empty_state = EmptyState(
        gettext_lazy(
            "Mails that came back, and complaints about them, stand here: as the e-mail provider"
            " tells them, or from the mailbox to which mails come back."
        ),
        icon="undo",
    )

    @admin.display(description=gettext_lazy("what"))
    def what(self, row: MailReport) -> SafeString:
        return kind_badge(row)

    @admin.display(description=gettext_lazy("address"))
    def address_text(self, row: MailReport) -> SafeString:
        return format_html('<span class="rg-strong rg-break">{}</span>', row.address)

    @admin.display(description=gettext_lazy("at"))
    def when(self, row: MailReport) -> SafeString:
        return moment(row.at)


def shown(row: Suppression) -> str:
    """The address; of an erased contact only that there is one."""
    if row.address.startswith("sha256:"):
        return _("erased contact (%(digest)s…)") % {"digest": row.address[7:15]}
    return row.address


def reason_badge(row: Suppression) -> SafeString:
    """Why it is on the list."""
    reason = Reason(row.reason)
    return badge(reason.label, *_REASONS[reason])


def kind_badge(row: MailReport) -> SafeString:
    """What was told."""
    kind = Kind(row.kind)
    return badge(kind.label, *_KINDS[kind])
