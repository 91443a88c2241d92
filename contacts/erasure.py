"""Forgetting a person everywhere, with a proof.

What tells of the person goes: identities, events, labels, consents, scores, metrics, and what the
floors above keep. The emptied row of the contact stays, so that ledgers above still add up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import models, transaction
from django.utils.translation import gettext as _

from contacts.errors import ContactUnknown
from contacts.events import pause_recording
from contacts.extensions import registered_erasers
from contacts.models import (
    ConsentEntry,
    ConsentState,
    Contact,
    ContactCategory,
    ContactMerge,
    ContactTag,
    Event,
    EventStatistic,
    Identity,
    LastSeen,
    LeadScoreChange,
    MetricValue,
    WebsiteMetrics,
)
from contacts.survivors import merged_into, survivor_of
from workspace import audit
from workspace.access import Actor

_FORGOTTEN: tuple[type[models.Model], ...] = (
    Identity,
    Event,
    EventStatistic,
    LastSeen,
    ContactTag,
    ContactCategory,
    ConsentState,
    ConsentEntry,
    LeadScoreChange,
    MetricValue,
    WebsiteMetrics,
)
_KEPT = frozenset({"id", "created_at", "updated_at", "erased_at", "is_demo"})


@dataclass(frozen=True, slots=True)
class Proof:
    """What was deleted of a contact, by table, and how many rows still point to the empty row."""

    contact_id: int
    erased_at: datetime
    deleted: dict[str, int]
    remaining: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """As the API answers it."""
        return {
            "contact_id": self.contact_id,
            "erased_at": self.erased_at.isoformat(),
            "deleted": self.deleted,
            "remaining": self.remaining,
        }


@transaction.atomic
def erase_contact(contact_id: int, *, actor: Actor, at: datetime) -> Proof:
    """Forget a person everywhere. Safe to repeat: then there is nothing left to delete.

    With the contact go those that were merged into it; of one that was merged the survivor is
    forgotten. Waits for the imports and recordings of events that run. Raises ContactUnknown.
    """
    pause_recording()
    contact_id = survivor_of(contact_id)
    contact = Contact.objects.select_for_update().filter(pk=contact_id).first()
    if contact is None:
        raise ContactUnknown(_("There is no contact %(id)s.") % {"id": contact_id})
    ids = [contact_id, *merged_into([contact_id])]
    # First the floors above, which may still have to look at what is here.
    deleted = {name: erase(ids) for name, erase in registered_erasers().items()}
    for model in _FORGOTTEN:
        rows = model._default_manager.filter(contact_id__in=ids)
        deleted[model._meta.db_table] = rows.delete()[0]
    deleted[ContactMerge._meta.db_table] = _forget_evidence(contact_id)
    if contact.erased_at is None:
        _empty(contact, at)
        audit.record(
            actor=actor,
            action="contact.erased",
            object_type=Contact._meta.label_lower,
            object_id=str(contact_id),
            label=f"#{contact_id}",
            changes={name: [count, 0] for name, count in deleted.items() if count},
            at=at,
        )
    return Proof(
        contact_id=contact_id,
        erased_at=contact.erased_at or at,
        deleted=deleted,
        remaining=dict(_remaining(contact_id)),
    )


def empty_values() -> dict[str, Any]:
    """What stands in the emptied row of a contact, by column."""
    return {
        field.attname: field.get_default()
        for field in Contact._meta.concrete_fields
        if field.name not in _KEPT
    }


def _empty(contact: Contact, at: datetime) -> None:
    for name, value in empty_values().items():
        setattr(contact, name, value)
    contact.erased_at = contact.updated_at = at
    contact.save()


def _forget_evidence(contact_id: int) -> int:
    """Empty what records of merges tell of the person; how many there are. The rows stay."""
    merges = ContactMerge.objects.filter(survivor_id=contact_id)
    return merges.exclude(evidence="", names=[], dropped={}).update(
        evidence="", names=[], dropped={}
    )


def _remaining(contact_id: int) -> Iterator[tuple[str, int]]:
    """How many rows of each table, on every floor, still point to the contact."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.related_model is Contact:
                rows = model._default_manager.filter(**{field.attname: contact_id})
                yield f"{model._meta.db_table}.{field.column}", rows.count()
