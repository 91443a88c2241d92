"""Forgetting a person, from the profile."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.erasure import erase_contact
from contacts.models import Contact
from workspace.access import actor_of
from workspace.admin import ObjectActionsAdmin, object_action
from workspace.admin.pictures import number


class ErasingContacts(ObjectActionsAdmin):
    """A button that destroys everything known of a contact."""

    @object_action(
        gettext_lazy("Erase"),
        permission="contacts.delete_contact",
        icon="person_remove",
        variant="danger",
        consequence=lambda contact: (
            _(
                "Everything that tells of “%(name)s” is destroyed: name, addresses, identities,"
                " attributes, tags, categories, consents, scores, metrics, all events, and every"
                " membership in segments, now and in their history. An empty row stays, so that"
                " ledgers still add up. This cannot be undone."
            )
            % {"name": contact}
        ),
        confirm=gettext_lazy("Erase for ever"),
    )
    def erase(self, request: HttpRequest, contact: Contact) -> HttpResponse:
        proof: Any = erase_contact(contact.pk, actor=actor_of(request), at=timezone.now())
        words = {"id": contact.pk, "count": number(sum(proof.deleted.values()))}
        self.message_user(
            request,
            _("Contact #%(id)d was erased: %(count)s rows were deleted.") % words,
            messages.SUCCESS,
        )
        return HttpResponseRedirect(reverse("admin:contacts_contact_changelist"))
