"""What is told of a publication: the contact's event, and what programs outside hear."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from contacts.events import IncomingEvent, record_events
from contacts.identities import USER_ID, names_of
from contacts.models import Contact
from integrations import announcements
from integrations.announcements import Fact
from loyalty.models import Campaign, Distribution
from workspace.models import Job

if TYPE_CHECKING:
    # It imports this module.
    from loyalty.gift_cards.publishing import Published, Terms

SUCCEEDED = "customer.publication.succeeded"
FAILED = "customer.publication.failed"
GENERATED = "campaign.vouchers.generation.completed"


def register() -> None:
    """Let webhooks ask for what is told here."""
    announcements.register_type(SUCCEEDED, str(_("A code was given to a contact")))
    announcements.register_type(FAILED, str(_("A contact got no code")))
    announcements.register_type(
        GENERATED, str(_("The codes of a campaign were made")), is_of_contact=False
    )


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
    if announcements.is_heard(SUCCEEDED):
        told = told_of(campaign, given, terms, at=at)
        facts = [
            Fact(f"publication:{one.publication_id}", data, one.given_to)
            for one, data in zip(given, told, strict=True)
        ]
        announcements.announce(SUCCEEDED, facts, at=at, except_connection=_told_itself(terms))


def told_of(
    campaign: Campaign, given: "Sequence[Published]", terms: "Terms", *, at: datetime
) -> list[dict[str, Any]]:
    """What programs hear of each of these, in their order; two queries for all."""
    customers = _customers(given)
    return [_data(campaign, one, terms, customers, at) for one in given]


def _told_itself(terms: "Terms") -> int | None:
    """The connection over which the distribution tells of its cards: it hears of each once."""
    distribution = terms.distribution
    if distribution is None or distribution.channel != Distribution.Channel.VENDOR:
        return None
    return distribution.connection_id


def tell_failures(
    campaign: Campaign,
    failures: "Sequence[Published]",
    ids: Sequence[int],
    terms: "Terms",
    *,
    at: datetime,
) -> None:
    """Announce that contacts got no code, and why."""
    if not announcements.is_heard(FAILED):
        return
    customers = _customers(failures)
    facts = []
    for one, publication_id in zip(failures, ids, strict=True):
        data = _data(campaign, one, terms, customers, at)
        data["publication"] |= {
            "id": publication_id,
            "result": "FAILURE",
            "failure_code": one.problem,
            "failure_message": one.message,
        }
        facts.append(Fact(f"publication:{publication_id}", data, one.given_to))
    announcements.announce(FAILED, facts, at=at)


def tell_generation(campaign: Campaign, job: Job, *, at: datetime) -> None:
    """Announce that a job has made, or read, codes of a campaign."""
    data = {
        "campaign": _campaign(campaign),
        "vouchers_count": campaign.voucher_count,
        "creation_status": "DONE",
        "job": job.pk,
    }
    announcements.announce(GENERATED, [Fact(f"job:{job.pk}", data)], at=at)


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


def _data(
    campaign: Campaign,
    one: "Published",
    terms: "Terms",
    customers: dict[int, dict[str, Any]],
    at: datetime,
) -> dict[str, Any]:
    """What programs hear, with the names that Voucherify gives it."""
    publication: dict[str, Any] = {
        "id": one.publication_id,
        "object": "publication",
        "result": "SUCCESS",
        "channel": terms.channel,
        "source_id": one.wish.source_id,
        "tracking_id": one.wish.tracking_id,
        "metadata": dict(one.wish.metadata),
        "created_at": at.isoformat(),
    }
    if one.code:
        publication["voucher"] = {
            "id": one.voucher_id,
            "object": "voucher",
            "code": one.code,
            "type": "GIFT_VOUCHER",
            "gift": {"amount": one.amount_minor, "balance": one.amount_minor},
            "currency": campaign.currency,
            "holder_id": one.given_to,
            "expiration_date": one.expires_at.isoformat() if one.expires_at else None,
        }
    return {
        "customer": customers.get(one.given_to, {"id": one.given_to, "object": "customer"}),
        "campaign": _campaign(campaign),
        "publication": publication,
    }


def _campaign(campaign: Campaign) -> dict[str, Any]:
    return {
        "id": campaign.pk,
        "object": "campaign",
        "key": campaign.key,
        "name": campaign.name,
        "campaign_type": "GIFT_VOUCHERS",
        "metadata": campaign.metadata,
    }


def _customers(answers: "Iterable[Published]") -> dict[int, dict[str, Any]]:
    """Who they are, for programs; two queries."""
    ids = sorted({one.given_to for one in answers})
    names = names_of(ids)
    return {
        contact.pk: {
            "id": contact.pk,
            "object": "customer",
            "source_id": next(
                (name.value for name in names[contact.pk] if name.namespace == USER_ID), None
            ),
            "email": contact.email or None,
            "name": " ".join(filter(None, [contact.first_name, contact.last_name])) or None,
        }
        for contact in Contact.objects.filter(pk__in=ids, erased_at=None)
    }
