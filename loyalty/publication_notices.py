"""What is told of a publication: the contact's event, and what programs outside hear."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contacts.events import IncomingEvent, record_events
from loyalty.models import Campaign

if TYPE_CHECKING:
    # It imports this module.
    from loyalty.publishing import Published, Terms

SUCCEEDED = "customer.publication.succeeded"
FAILED = "customer.publication.failed"


def tell(campaign: Campaign, given: "Sequence[Published]", terms: "Terms", *, at: datetime) -> None:
    """Record the event of each contact, and announce the publications, in this transaction."""
    events = [
        IncomingEvent(
            contact_id=one.given_to,
            name=SUCCEEDED,
            occurred_at=at,
            properties=event_properties(campaign, one, terms),
            message_id=f"publication:{one.publication_id}",
        )
        for one in given
    ]
    record_events(events, received_at=at)


def tell_failures(
    campaign: Campaign,
    failures: "Sequence[Published]",
    ids: Sequence[int],
    terms: "Terms",
    *,
    at: datetime,
) -> None:
    """Announce that contacts got no code, and why."""


def event_properties(campaign: Campaign, one: "Published", terms: "Terms") -> dict[str, Any]:
    """What the event says: enough for a message that carries the code to the contact."""
    properties: dict[str, Any] = {
        "code": one.code,
        "campaign": campaign.key,
        "campaign_name": campaign.name,
        "amount": one.amount_minor,
        "currency": campaign.currency,
        "publication_id": one.publication_id,
        "metadata": dict(one.wish.metadata),
    }
    if one.expires_at is not None:
        properties["expires_at"] = one.expires_at.isoformat()
    if terms.channel:
        properties["channel"] = terms.channel
    if one.wish.source_id:
        properties["source_id"] = one.wish.source_id
    return properties
