"""Whom events are about, for those who may see contacts."""

from collections.abc import Iterable

from django.http import HttpRequest

from contacts.models import Contact
from workspace.access import actor_of


def contacts_named(request: HttpRequest, ids: Iterable[int | None]) -> dict[int, Contact]:
    """The contacts with these ids that one may see and that were not erased; one query."""
    wanted = {contact_id for contact_id in ids if contact_id}
    if not wanted or not actor_of(request).may("contacts.view_contact"):
        return {}
    found = Contact.objects.filter(pk__in=wanted, erased_at__isnull=True)
    return {contact.pk: contact for contact in found}
