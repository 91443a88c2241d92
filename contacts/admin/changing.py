"""The forms of a contact: a new one, its fields, and what is changed from the profile itself."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from contacts import consents, labels, profiles
from contacts.admin.forms import ContactForm
from contacts.labels import Kind
from contacts.models import AttributeDefinition, Category, Contact, Identity, Tag
from contacts.survivors import survivor_of
from workspace.access import actor_of
from workspace.admin import ObjectActionsAdmin, page_context
from workspace.errors import DomainError

_KINDS: dict[str, Kind] = {"tags": "tag", "categories": "category"}


class ChangingContacts(ObjectActionsAdmin):
    """What is written of contacts; each request calls one verb."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        label_view = wrap(require_POST(self.label_view))
        consent_view = wrap(require_POST(self.consent_view))
        return [
            path("<int:contact_id>/edit/", wrap(self.edit_view), name="contacts_contact_edit"),
            path(
                "<int:contact_id>/labels/<str:kind>/<str:verb>/",
                label_view,
                name="contacts_contact_label",
            ),
            path("<int:contact_id>/consent/", consent_view, name="contacts_contact_consent"),
            *super().get_urls(),
        ]

    def contact_or_404(self, request: HttpRequest, contact_id: int | str) -> Contact:
        """The contact, for who may look at it."""
        contact = self.get_object(request, str(contact_id))
        if contact is None:
            raise Http404
        if not self.has_view_permission(request, contact):
            raise PermissionDenied
        return contact

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Contact | None:
        """The contact; of one that was merged the one that stands for it."""
        found: Contact | None = super().get_object(request, object_id, from_field)
        if found is None and object_id.isdecimal() and len(object_id) < 19:
            survivor_id = survivor_of(int(object_id))
            found = super().get_object(request, str(survivor_id), from_field)
        return found

    def _changeable(self, request: HttpRequest, contact_id: int) -> Contact:
        contact = self.contact_or_404(request, contact_id)
        if not self.has_change_permission(request, contact):
            raise PermissionDenied
        return contact

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new contact."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._form_view(request, None)

    def edit_view(self, request: HttpRequest, contact_id: int) -> HttpResponse:
        """The fields and attributes of a contact."""
        return self._form_view(request, self._changeable(request, contact_id))

    def _form_view(self, request: HttpRequest, contact: Contact | None) -> HttpResponse:
        form = ContactForm(
            request.POST if request.method == "POST" else None,
            definitions=list(AttributeDefinition.objects.order_by("label")),
            contact=contact,
            **(_known_of(contact) if contact else {}),
        )
        if request.method == "POST" and form.is_valid():
            saved = self._save(request, form, contact)
            if saved is not None:
                return HttpResponseRedirect(self.page_of(request, saved))
        title = _("Edit") if contact else _("New contact")
        return TemplateResponse(
            request,
            "contacts/contact_form.html",
            {
                **page_context(self, request, title=title, thing=contact),
                "form": form,
                "media": self.media + form.media,
                "contact": contact,
            },
        )

    def _save(
        self, request: HttpRequest, form: ContactForm, contact: Contact | None
    ) -> Contact | None:
        changes, actor, at = form.changes(), actor_of(request), timezone.now()
        try:
            if contact is None:
                saved = profiles.create_contact(changes=changes, actor=actor, at=at)
            else:
                saved = profiles.update_contact(contact.pk, changes=changes, actor=actor, at=at)
        except DomainError as error:
            form.add_problems(error)
            return None
        self.message_user(request, _("“%(name)s” was saved.") % {"name": saved}, messages.SUCCESS)
        return saved

    def label_view(
        self, request: HttpRequest, contact_id: int, kind: str, verb: str
    ) -> HttpResponse:
        """Give a contact a tag or category, or take it away."""
        if kind not in _KINDS or verb not in {"add", "remove"}:
            raise Http404
        contact = self._changeable(request, contact_id)
        key = request.POST.get("key", "")
        present = _keys_of(contact, kind)
        wanted = [*present, key] if verb == "add" else [one for one in present if one != key]
        try:
            labels.definition_id(_KINDS[kind], key)
            profiles.update_contact(
                contact.pk,
                changes={kind: list(dict.fromkeys(wanted))},
                actor=actor_of(request),
                at=timezone.now(),
            )
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(self.page_of(request, contact))

    def consent_view(self, request: HttpRequest, contact_id: int) -> HttpResponse:
        """Write a line into the ledger of consents."""
        contact = self._changeable(request, contact_id)
        try:
            consents.record(
                contact_id=contact.pk,
                key=request.POST.get("key", ""),
                state=request.POST.get("state", ""),
                at=timezone.now(),
                source="admin",
                reason=request.POST.get("reason", ""),
                actor=actor_of(request),
            )
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, _("The consent was written down."), messages.SUCCESS)
        return HttpResponseRedirect(self.page_of(request, contact))


def _known_of(contact: Contact) -> dict[str, Any]:
    external = Identity.objects.filter(contact_id=contact.pk, namespace="user_id")
    return {
        "external_id": external.order_by("created_at").values_list("value", flat=True).first()
        or "",
        "tags": _keys_of(contact, "tags"),
        "categories": _keys_of(contact, "categories"),
    }


def _keys_of(contact: Model, kind: str) -> Sequence[str]:
    if kind == "tags":
        found = Tag.objects.filter(contacttag__contact_id=contact.pk)
        return list(found.values_list("key", flat=True))
    categories = Category.objects.filter(contactcategory__contact_id=contact.pk)
    return list(categories.values_list("key", flat=True))
