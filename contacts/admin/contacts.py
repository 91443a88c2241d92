"""Contacts on the screen: a list that stays fast over millions, and one page for each person."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin import feeding, finding, registry
from contacts.admin.erasing import ErasingContacts
from contacts.admin.importing import preview_view, upload_view
from contacts.admin.merging import MergingContacts
from contacts.admin.profile import profile_context
from contacts.models import Contact, Identity
from workspace.access import actor_of
from workspace.admin import (
    CappedPaginator,
    EmptyState,
    page_context,
)
from workspace.admin.pictures import number


@admin.register(Contact)
class ContactAdmin(MergingContacts, ErasingContacts):
    """People we know."""

    list_display = ("person", "external", "place", "language", "score", "created_at")
    list_display_links = ("person",)
    list_per_page = 50
    list_filter_submit = True
    search_fields = ("email",)
    search_help_text = gettext_lazy("E-mail, last name or external id")
    sortable_by = ("score", "created_at")
    ordering = ("-pk",)
    show_full_result_count = False
    paginator = CappedPaginator
    actions = None
    empty_state = EmptyState(
        gettext_lazy(
            "Contacts are the people you know: customers, readers, members. Import them from a"
            " file, send them through the API, or add one by hand."
        ),
        icon="group",
        steps=(
            (
                gettext_lazy("Import a file"),
                "admin:contacts_import",
                "upload_file",
                "contacts.add_contact",
            ),
        ),
    )
    change_list_template = "contacts/contact_list.html"

    def get_list_filter(self, request: HttpRequest) -> Any:
        own = (
            finding.TagFilter,
            finding.CategoryFilter,
            finding.LanguageFilter,
            finding.CountryFilter,
        )
        return (*registry.filters(), *own)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Contact]":
        contacts: QuerySet[Contact] = super().get_queryset(request)
        external = Identity.objects.filter(namespace="user_id")
        return contacts.filter(erased_at__isnull=True).prefetch_related(
            Prefetch("identities", queryset=external, to_attr="external_ids")
        )

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Contact]", search_term: str
    ) -> tuple["QuerySet[Contact]", bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=finding.found_ids(search_term)), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        actor = actor_of(request)
        may_import = actor.may("contacts.add_contact")
        own = [
            {
                "title": _("Import"),
                "icon": "upload_file",
                "url": reverse("admin:contacts_import"),
            }
        ]
        links = (own if may_import else []) + [
            {"title": link.title, "icon": link.icon, "url": reverse(link.url_name)}
            for link in registry.links()
            if actor.may(link.permission)
        ]
        answer: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), "links": links}
        )
        return answer

    @admin.display(description=gettext_lazy("contact"))
    def person(self, contact: Contact) -> SafeString:
        name = f"{contact.first_name} {contact.last_name}".strip()
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong">{}</span>'
            '<span class="rg-faint rg-small rg-break">{}</span></span>',
            name or contact.email or f"#{contact.pk}",
            contact.email if name else contact.phone,
        )

    @admin.display(description=gettext_lazy("external id"))
    def external(self, contact: Any) -> str:
        return contact.external_ids[0].value if contact.external_ids else "–"

    @admin.display(description=gettext_lazy("place"))
    def place(self, contact: Contact) -> str:
        return ", ".join(part for part in (contact.city, contact.country) if part) or "–"

    @admin.display(description=gettext_lazy("lead score"), ordering="lead_score")
    def score(self, contact: Contact) -> str:
        return number(contact.lead_score.normalize() + 0)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("import/", wrap(self.import_view), name="contacts_import"),
            path("import/<str:token>/", wrap(self.import_preview), name="contacts_import_preview"),
            path(
                "<int:contact_id>/timeline/",
                wrap(self.timeline_view),
                name="contacts_contact_timeline",
            ),
            *super().get_urls(),
        ]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """A file of contacts."""
        return upload_view(request, self._import_context(request))

    def import_preview(self, request: HttpRequest, token: str) -> HttpResponse:
        """What it says, before anything is written."""
        return preview_view(request, self._import_context(request), token)

    def _import_context(self, request: HttpRequest) -> dict[str, Any]:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return page_context(self, request, title=_("Import"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Contacts are erased, never deleted: ledgers above still have to add up.
        return False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The profile: everything known of one person on one screen."""
        contact = self.contact_or_404(request, object_id)
        if str(contact.pk) != object_id:
            # It was merged: its number leads to the one that stands for it.
            return HttpResponseRedirect(self.page_of(request, contact))
        return TemplateResponse(
            request,
            "contacts/profile.html",
            {
                **page_context(self, request, title=str(contact), thing=contact),
                **profile_context(request, contact),
                **feeding.feed_context(request, contact),
                "buttons": self.buttons(request, contact),
                "links": self.merge_links(request, contact),
                **self._may_change(request, contact),
            },
        )

    def _may_change(self, request: HttpRequest, contact: Contact) -> dict[str, Any]:
        if not self.has_change_permission(request, contact):
            return {"may_change": False}
        return {
            "may_change": True,
            "edit_url": reverse("admin:contacts_contact_edit", args=[contact.pk]),
            "consent_url": reverse("admin:contacts_contact_consent", args=[contact.pk]),
        }

    def timeline_view(self, request: HttpRequest, contact_id: int) -> HttpResponse:
        """The timeline of a person on a page of its own; the items alone for `part=items`."""
        contact = self.contact_or_404(request, contact_id)
        if request.GET.get("part") == "items":
            return feeding.items_response(request, contact)
        return TemplateResponse(
            request,
            "contacts/timeline.html",
            {
                **page_context(self, request, title=_("Timeline"), thing=contact),
                **feeding.feed_context(request, contact),
                "contact": contact,
            },
        )
