"""Data → External Authorizations: a section per system, a window of its connections, their pages.

The words of buttons are those of behaviours AT-05 to AT-18.
"""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.admin.authorization_forms import (
    AuthorizeAgainForm,
    AuthorizeForm,
    CredentialsForm,
    SettingsForm,
)
from integrations.admin.authorization_page import calls_context, page_of, syncs_context
from integrations.admin.authorization_pictures import connection_state, system_state
from integrations.admin.authorization_websites import WebsitesOfConnection
from integrations.admin.sent_events import SentEventPages
from integrations.admin.uploaded_records import UploadedRecordPages
from integrations.models import ConnectionWebsite, VendorConnection
from integrations.vendors import connections, credentials, registry
from integrations.vendors.registry import Vendor
from workspace.access import actor_of
from workspace.admin import EmptyState, page_context
from workspace.errors import DomainError
from workspace.models import Website

State = VendorConnection.State


@admin.register(VendorConnection)
class VendorConnectionAdmin(UploadedRecordPages, WebsitesOfConnection, SentEventPages):
    """Accounts at vendors' systems."""

    actions = None
    show_full_result_count = False
    thing_pages = (
        ("syncs", gettext_lazy("Synchronizations"), "syncs_view"),
        ("records", gettext_lazy("Records"), "records_view"),
        ("events", gettext_lazy("Events"), "events_view"),
        ("calls", gettext_lazy("Calls"), "calls_view"),
        ("settings", gettext_lazy("Settings"), "settings_view"),
    )
    first_page_label = gettext_lazy("Overview")
    empty_state = EmptyState(
        gettext_lazy(
            "Here you connect accounts at other systems. Nothing is sent to any of them before"
            " somebody has authorized it."
        ),
        icon="hub",
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        room = "integrations_vendorconnection"
        own = [
            path("kind/<slug:kind>/", view(self.kind_view), name=f"{room}_kind"),
            path("kind/<slug:kind>/add/", view(self.authorize_view), name=f"{room}_authorize"),
            path(
                "<path:object_id>/credentials/",
                view(self._page("credentials_view")),
                name=f"{room}_credentials",
            ),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A section for each system (behaviours AT-05 to AT-07)."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = page_context(self, request, title=_("External Authorizations"))
        context |= {"sections": self._sections(), "empty": self.empty_state}
        return TemplateResponse(request, "integrations/authorizations.html", context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Which system it is to be is asked first: by the same sections."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.changelist_view(request)

    def kind_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """The window of a system's connections, with the button for another (AT-08)."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        vendor = _vendor_or_404(kind)
        title = _("%(vendor)s: connections") % {"vendor": vendor.label}
        context = page_context(self, request, title=title)
        context |= {
            "vendor": vendor,
            "rows": _rows(_connections(kind)),
            "may_add": self.has_add_permission(request),
        }
        return TemplateResponse(request, "integrations/authorization_kind.html", context)

    def authorize_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Credentials, settings, websites, and the button Authorize (AT-09, AT-10)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        vendor = _vendor_or_404(kind)
        form = AuthorizeForm(request.POST if request.method == "POST" else None, vendor=vendor)
        if form.is_bound and form.is_valid():
            try:
                made = connections.authorize_connection(
                    kind=kind,
                    credentials=form.credentials(),
                    name=form.cleaned_data["name"],
                    websites=form.cleaned_data.get("websites", ()),
                    settings=form.settings(),
                    sync_hours=form.cleaned_data.get("sync_hours", 24),
                    actor=actor_of(request),
                    at=timezone.now(),
                )
            except DomainError as error:
                form.add_refusal(error)
            else:
                words = _("%(vendor)s has taken the credentials: “%(name)s” is authorized.")
                if vendor.unproven:
                    words = _("“%(name)s” is authorized. %(unproven)s")
                said = {"vendor": vendor.label, "name": made.name, "unproven": vendor.unproven}
                self.message_user(request, words % said, messages.SUCCESS)
                return HttpResponseRedirect(self.page_of(request, made))
        title = _("Add New %(vendor)s Connection") % {"vendor": vendor.label}
        context = page_context(self, request, title=title)
        context |= self._form_context(request, vendor, form)
        return _no_store(TemplateResponse(request, "integrations/authorize.html", context))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """How a connection stands, its websites, what is synchronized, what was said."""
        if request.method == "POST":
            raise Http404
        connection = self.visible_or_404(request, object_id)
        context = self.thing_context(request, connection, page="", title=connection.name)
        context |= page_of(request, connection)
        context["buttons"] = self.buttons(request, connection)
        context["links"] = self._links(request, connection)
        return TemplateResponse(request, "integrations/authorization.html", context)

    def syncs_view(self, request: HttpRequest, connection: VendorConnection) -> HttpResponse:
        """What was synchronized lately, and what came of it."""
        title = _("Synchronizations")
        context = self.thing_context(request, connection, page="syncs", title=title)
        context |= syncs_context(connection)
        return TemplateResponse(request, "integrations/authorization_syncs.html", context)

    def calls_view(self, request: HttpRequest, connection: VendorConnection) -> HttpResponse:
        """The last requests to the vendor with its answers."""
        context = self.thing_context(request, connection, page="calls", title=_("Calls"))
        context |= calls_context(request, connection)
        return TemplateResponse(request, "integrations/authorization_calls.html", context)

    def settings_view(self, request: HttpRequest, connection: VendorConnection) -> HttpResponse:
        """Its name, how often it is synchronized, and what the vendor's connector lets choose."""
        may_change = actor_of(request).may(connections.CHANGE) and connection.state not in {
            State.REVOKED,
            State.REVOKING,
        }
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        vendor = _vendor_or_404(connection.kind)
        form = SettingsForm(
            request.POST if request.method == "POST" else None,
            vendor=vendor,
            kept=connection.settings,
        )
        form.fields["name"].required = True
        form.fields["name"].initial = connection.name
        form.fields["name"].help_text = ""
        if "sync_hours" in form.fields:
            form.fields["sync_hours"].initial = connection.sync_hours
        if form.is_bound and form.is_valid():
            values = {
                "name": form.cleaned_data["name"],
                "sync_hours": form.cleaned_data.get("sync_hours", connection.sync_hours),
                "settings": form.settings(),
            }
            try:
                connections.change_connection(
                    connection.pk, values=values, actor=actor_of(request), at=timezone.now()
                )
            except DomainError as error:
                form.add_refusal(error)
            else:
                self.message_user(request, _("The settings are saved."), messages.SUCCESS)
                return HttpResponseRedirect(request.path)
        if not may_change:
            for field in form.fields.values():
                field.disabled = True
        context = self.thing_context(request, connection, page="settings", title=_("Settings"))
        context |= {"form": form, "may_change": may_change}
        return TemplateResponse(request, "integrations/authorization_settings.html", context)

    def credentials_view(self, request: HttpRequest, connection: VendorConnection) -> HttpResponse:
        """Credentials anew: renewed, or given again after access was revoked."""
        is_again = connection.revoked_at is not None
        actor, now = actor_of(request), timezone.now()
        if not actor.may(connections.ADD if is_again else connections.CHANGE):
            raise PermissionDenied
        vendor = _vendor_or_404(connection.kind)
        given = request.POST if request.method == "POST" else None
        attached = [one.website_id for one in credentials.attached_to(connection)]
        form: CredentialsForm = (
            AuthorizeAgainForm(given, vendor=vendor, attached=attached)
            if is_again
            else CredentialsForm(given, vendor=vendor)
        )
        if form.is_bound and form.is_valid():
            typed = form.credentials()
            try:
                if is_again:
                    chosen = form.cleaned_data.get("websites", ())
                    credentials.authorize_again(
                        connection.pk, credentials=typed, websites=chosen, actor=actor, at=now
                    )
                else:
                    credentials.renew_credentials(
                        connection.pk, credentials=typed, actor=actor, at=now
                    )
            except DomainError as error:
                form.add_refusal(error)
            else:
                words = _("%(vendor)s has taken the credentials.") % {"vendor": vendor.label}
                self.message_user(request, words, messages.SUCCESS)
                return HttpResponseRedirect(self.page_of(request, connection))
        title = _("Authorize again") if is_again else _("Renew credentials")
        context = self.thing_context(request, connection, page="credentials", title=title)
        context |= self._form_context(request, vendor, form)
        return _no_store(TemplateResponse(request, "integrations/authorize.html", context))

    def _form_context(
        self, request: HttpRequest, vendor: Vendor, form: CredentialsForm
    ) -> dict[str, Any]:
        has_websites = "websites" in form.fields
        return {
            "vendor": vendor,
            "form": form,
            "field_of_websites": form["websites"] if has_websites else None,
            "has_no_website": has_websites and not Website.objects.exists(),
            "may_add_website": actor_of(request).may("workspace.add_website"),
        }

    def _links(self, request: HttpRequest, connection: VendorConnection) -> list[dict[str, Any]]:
        """Buttons that lead to pages with forms."""
        is_again = connection.revoked_at is not None
        if not actor_of(request).may(connections.ADD if is_again else connections.CHANGE):
            return []
        return [
            {
                "title": _("Authorize again") if is_again else _("Renew credentials"),
                "icon": "key",
                "variant": "primary" if is_again or connection.error else "",
                "url": reverse(
                    "admin:integrations_vendorconnection_credentials", args=[connection.pk]
                ),
            }
        ]

    def _sections(self) -> list[dict[str, Any]]:
        """Each system with its connections; systems whose connector is gone as far as used."""
        by_kind: dict[str, list[VendorConnection]] = {}
        for connection in _connections():
            by_kind.setdefault(connection.kind, []).append(connection)
        sections = []
        for vendor in registry.vendors():
            found = by_kind.get(vendor.kind, [])
            sections.append(
                {
                    "vendor": vendor,
                    "badge": system_state(found),
                    "rows": _rows(found),
                    "is_connected": any(one.revoked_at is None for one in found),
                    "url": reverse("admin:integrations_vendorconnection_kind", args=[vendor.kind]),
                }
            )
        return sections


def _connections(kind: str = "") -> list[VendorConnection]:
    found = VendorConnection.objects.order_by("name", "pk")
    return list(found.filter(kind=kind) if kind else found)


def _rows(found: list[VendorConnection]) -> list[dict[str, Any]]:
    """Connections with what a line of them shows; one query for all."""
    names: dict[int, list[str]] = {}
    attached = ConnectionWebsite.objects.filter(
        connection__in=[one.pk for one in found], state=ConnectionWebsite.State.ATTACHED
    )
    for row in attached.select_related("website").order_by("website__name"):
        names.setdefault(row.connection_id, []).append(row.website.name)
    return [
        {
            "connection": one,
            "badge": connection_state(one),
            "websites": ", ".join(names.get(one.pk, [])),
            "url": reverse("admin:integrations_vendorconnection_change", args=[one.pk]),
        }
        for one in found
    ]


def _vendor_or_404(kind: str) -> Vendor:
    vendor = registry.find_vendor(kind)
    if vendor is None:
        raise Http404
    return vendor


def _no_store(answer: TemplateResponse) -> TemplateResponse:
    """What was typed here is not for caches or the browser's history."""
    answer["Cache-Control"] = "no-store"
    return answer
