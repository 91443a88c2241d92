"""Customers: made, changed, found, listed, forgotten; what they did, and what they have."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from contacts import erasure
from contacts.event_pages import events_page
from contacts.models import Contact
from integrations.models import Outcome
from integrations.voucherify import sending
from integrations.voucherify.answers import answer, answer_list, failure, instant, nothing
from integrations.voucherify.customers import find_customer, id_of, text_of, traits_of
from integrations.voucherify.entry import Call, Way, invalid, not_found, view
from loyalty.voucherify import vouchers
from loyalty.voucherify.finding import known_vouchers
from loyalty.voucherify.people import describe_people, describe_person
from loyalty.voucherify.segments import find_segment, members_of
from segments.members import segments_of_contact

_VIEW, _CHANGE = "contacts.view_contact", "contacts.change_contact"
_ACTIVITY_LIMIT = 100
# Events of ours that have another name there; all others are custom events.
_TYPES = {
    "redemption.succeeded": "customer.redemption.succeeded",
    "redemption.failed": "customer.redemption.failed",
    "redemption.rollback.succeeded": "customer.redemption.rollback.succeeded",
    "redemption.rollback.failed": "customer.redemption.rollback.failed",
    "customer.publication.succeeded": "customer.publication.succeeded",
    "customer.publication.failed": "customer.publication.failed",
}


def save(call: Call) -> HttpResponse:
    """Make a customer, or change the one of the source_id."""
    source_id = text_of(call.body.get("source_id"))
    if not source_id:
        raise invalid(_("“source_id” is missing: by it a customer is known in your system."))
    return _told(call, sending.Said(source_id, traits_of(call.body)))


def change(call: Call) -> HttpResponse:
    """Change what is named of a customer."""
    said = known(call.parts["reference"], call.body)
    source_id = text_of(call.body.get("source_id"))
    if source_id and source_id != said.source_id:
        raise invalid(_("The “source_id” of a customer stays as it is."))
    if not said.traits:
        assert said.contact_id is not None
        return answer(describe_person(said.contact_id))
    return _told(call, said)


def show(call: Call) -> HttpResponse:
    """One customer."""
    return answer(describe_person(_contact_of(call)))


def forget(call: Call) -> HttpResponse:
    """Erase a customer everywhere; what his cards did stays on record without him."""
    erasure.erase_contact(_contact_of(call), actor=call.caller.actor, at=call.at)
    return nothing()


def show_list(call: Call) -> HttpResponse:
    """Customers, the newest first; those of an e-mail address, a city, or a segment."""
    found = Contact.objects.filter(erased_at=None)
    if email := call.query.get("email", ""):
        found = found.filter(email__iexact=email)
    if city := call.query.get("city", ""):
        found = found.filter(city__iexact=city)
    if segment := call.query.get("segment_id", ""):
        found = found & members_of(find_segment(segment, call))
    start, limit = call.page()
    ids = list(found.order_by("-pk").values_list("pk", flat=True)[start : start + limit])
    people = describe_people(ids)
    rows = [people[one] for one in ids if one in people]
    return answer_list("customers", rows, found.count())


def show_activity(call: Call) -> HttpResponse:
    """What the customer did, the last first."""
    contact_id = _contact_of(call)
    limit = min(call.page()[1], _ACTIVITY_LIMIT)
    found = events_page(contact_id=contact_id, limit=limit + 1)
    rows = [
        {
            "id": f"act_{one.message_id}",
            "type": _TYPES.get(one.name, "customer.custom_event"),
            "data": {"custom_event": {"type": one.name}, "metadata": one.properties},
            "created_at": instant(one.occurred_at),
            "object": "activity",
        }
        for one in found[:limit]
    ]
    return answer(
        {"object": "list", "data_ref": "data", "data": rows, "has_more": len(found) > limit}
    )


def show_redeemables(call: Call) -> HttpResponse:
    """The cards that the customer holds: his wallet."""
    contact_id = _contact_of(call)
    start, limit = call.page()
    found = known_vouchers(call).filter(holder_id=contact_id).order_by("-pk")
    page = list(found[start : start + limit])
    rows = [_holding(one, contact_id) for one in vouchers.describe_many(page)]
    total = found.count()
    return answer_list("data", rows, total, has_more=total > start + limit)


def show_segments(call: Call) -> HttpResponse:
    """The segments in which the customer is, of those that the caller may know of."""
    found = segments_of_contact(_contact_of(call), actor=call.caller.actor)
    rows = [
        {"id": f"seg_{segment.pk}", "name": segment.name, "object": "segment"}
        for segment, _entered_at in found
    ]
    return answer_list("data", rows, len(rows))


def known(reference: str, body: Mapping[str, Any]) -> sending.Said:
    """What is said of a customer that there has to be. Raises RequestRefused."""
    contact_id = find_customer(reference)
    if contact_id is None:
        raise not_found("customer", reference)
    source_id = str(describe_person(contact_id)["source_id"] or "")
    traits = traits_of(body)
    if traits and not source_id:
        message = _(
            "The customer %(id)s has no source_id, by which its profile could be changed here. Give"
            " the contact an external_id first."
        )
        raise invalid(message % {"id": id_of(contact_id)})
    return sending.Said(source_id, traits, contact_id)


def refusal(sent: sending.Sent, call: Call) -> HttpResponse | None:
    """The answer where something was not used; what it was is held."""
    if sent.outcome == Outcome.REFUSED:
        return failure(400, "invalid_payload", sent.reason, request_id=call.request_id)
    if sent.outcome == Outcome.FAILED:
        return failure(500, "internal_error", sent.reason, request_id=call.request_id)
    return None


def _told(call: Call, said: sending.Said) -> HttpResponse:
    sent = call.send(said)
    return refusal(sent, call) or answer(describe_person(sent.contact_id))


def _contact_of(call: Call) -> int:
    contact_id = find_customer(call.parts["reference"])
    if contact_id is None:
        raise not_found("customer", call.parts["reference"])
    return contact_id


def _holding(shape: Mapping[str, Any], contact_id: int) -> dict[str, Any]:
    return {
        "id": shape["code"],
        "created_at": shape["created_at"],
        "redeemable": {
            "type": "voucher",
            "id": shape["id"],
            "voucher_code": shape["code"],
            "campaign_id": shape["campaign_id"],
            "status": "AVAILABLE" if shape["active"] else "DISABLED",
            "voucher": shape,
        },
        "customer_id": id_of(contact_id),
        "campaign_id": shape["campaign_id"],
        "object": "holder",
    }


CUSTOMERS = view(
    "customers", {"POST": Way(save, _CHANGE, sends=True), "GET": Way(show_list, _VIEW)}
)
CUSTOMER = view(
    "customers",
    {
        "GET": Way(show, _VIEW),
        "PUT": Way(change, _CHANGE, sends=True),
        "DELETE": Way(forget, "contacts.delete_contact"),
    },
)
ACTIVITY = view("customers/activity", {"GET": Way(show_activity, _VIEW)})
REDEEMABLES = view("customers/redeemables", {"GET": Way(show_redeemables, "loyalty.view_voucher")})
SEGMENTS = view("customers/segments", {"GET": Way(show_segments, "segments.view_segment")})
