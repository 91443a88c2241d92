"""The lead score of contacts, and how it came to be what it is."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.errors import ContactInvalid, ContactUnknown
from contacts.fields import FIELDS
from contacts.models import Contact, LeadScoreChange
from contacts.survivors import survivor_of
from contacts.values import ValueRefused
from workspace import sql
from workspace.access import Actor
from workspace.errors import Problem


@dataclass(frozen=True, slots=True)
class Line:
    """One change of the score."""

    score: Decimal
    at: datetime
    reason: str
    actor: str


@transaction.atomic
def set_score(
    contact_id: int, score: Any, *, at: datetime, reason: str = "", actor: Actor
) -> Decimal:
    """Set the lead score; the history gets a line where it changed. Returns the score.

    Raises ContactUnknown and ContactInvalid.
    """
    try:
        wanted: Decimal = FIELDS["lead_score"].read(score)
    except ValueRefused as refused:
        problem = Problem("lead_score", "wrong_value", str(refused))
        raise ContactInvalid(str(refused), problems=[problem]) from refused
    contact_id = survivor_of(contact_id)
    contact = Contact.objects.select_for_update().filter(pk=contact_id, erased_at=None).first()
    if contact is None:
        raise ContactUnknown(_("There is no contact %(id)s.") % {"id": contact_id})
    if contact.lead_score != wanted:
        contact.lead_score, contact.updated_at = wanted, at
        contact.save(update_fields=["lead_score", "updated_at"])
        write_line(contact_id, wanted, at=at, reason=reason, actor=actor)
    return wanted


def write_line(
    contact_id: int, score: Decimal, *, at: datetime, reason: str = "", actor: Actor
) -> None:
    """Write the new score into the history, in the transaction that sets it."""
    sql.execute(
        "INSERT INTO contacts_leadscorechange (contact_id, score, at, reason, actor)"
        " VALUES (%s, %s, %s, %s, %s)",
        [contact_id, score, at, reason[:300], actor.name[:200]],
    )


def history(contact_id: int, *, limit: int = 100) -> list[Line]:
    """The latest changes of the score, the last one first."""
    found = LeadScoreChange.objects.filter(contact_id=contact_id).order_by("-at", "-id")[:limit]
    return [
        Line(score=change.score, at=change.at, reason=change.reason, actor=change.actor)
        for change in found
    ]
