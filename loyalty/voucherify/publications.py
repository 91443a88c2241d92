"""Publications: codes given to customers, once for each source id; listed."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from integrations.voucherify.answers import answer, answer_list, instant, refusal_of
from integrations.voucherify.customers import find_customer
from integrations.voucherify.entry import Call, Way, invalid, view
from loyalty.errors import PublicationRefused
from loyalty.gift_cards import codes, publications
from loyalty.guarding import suspicions
from loyalty.models import Publication
from loyalty.voucherify import said
from loyalty.voucherify.finding import find_campaign, find_voucher
from loyalty.voucherify.people import customer_of, describe_people
from loyalty.voucherify.vouchers import describe_many as describe_vouchers

_CHANNEL = "API"


def create(call: Call) -> HttpResponse:
    """Give a customer a code of a campaign, or the code that is named."""
    body = call.body
    campaign, code = _campaign(body, call), said.text(body, "voucher")
    if campaign is None and not code:
        raise invalid(_("Name a campaign, as {“name”: “Gift cards”}, or the code of a voucher."))
    if code:
        # So that a code that is none counts.
        code = find_voucher(code, call).code
    contact_id = customer_of(call, makes=True)
    if contact_id is None:
        raise invalid(_("“customer” is missing: to whom the code is given."))
    suspicions.require_unblocked(
        [*call.caller.subjects, suspicions.subject_of_contact(contact_id)], at=call.at
    )
    try:
        publication = publications.publish(
            campaign=campaign,
            contact_id=contact_id,
            voucher_code=code or None,
            source_id=said.text(body, "source_id") or None,
            channel=said.text(body, "channel") or _CHANNEL,
            metadata=said.mapping(body, "metadata"),
            tracking_id=said.text(body, "tracking_id"),
            join_once=_join_once(call),
            actor=call.caller.actor,
            at=call.at,
        )
    except PublicationRefused as refused:
        # Answered, not raised: the record of the failure stays.
        return refusal_of(refused, request_id=call.request_id)
    return answer(_describe_many([publication], call)[0])


def show_list(call: Call) -> HttpResponse:
    """Publications, the newest first; those of a campaign, customer, code or source id."""
    found = publications.known_publications(call.caller.actor)
    query = call.query
    if name := query.get("campaign", ""):
        found = found.filter(campaign=find_campaign(name, call))
    if customer := query.get("customer", ""):
        contact_id = find_customer(customer)
        found = found.none() if contact_id is None else found.filter(contact_id=contact_id)
    if code := query.get("voucher", ""):
        found = found.filter(voucher__code=codes.normal_code(code.replace("\0", "")))
    if source_id := query.get("source_id", ""):
        found = found.filter(source_id=source_id.replace("\0", ""))
    if result := query.get("result", ""):
        found = found.filter(state=result.lower())
    start, limit = call.page()
    rows = found.select_related("voucher__campaign").order_by("-pk")[start : start + limit]
    return answer_list("publications", _describe_many(list(rows), call), found.count())


def _describe_many(found: Sequence[Publication], call: Call) -> list[dict[str, Any]]:
    people = describe_people([one.contact_id for one in found])
    cards = [one.voucher for one in found if one.voucher is not None]
    shapes = dict(zip([one.pk for one in cards], describe_vouchers(cards), strict=True))
    return [_describe(one, people, shapes.get(one.voucher_id or 0), call) for one in found]


def _describe(
    publication: Publication,
    people: Mapping[int, Mapping[str, Any]],
    voucher: Mapping[str, Any] | None,
    call: Call,
) -> dict[str, Any]:
    found = {
        "id": f"pub_{publication.pk}",
        "object": "publication",
        "created_at": instant(publication.at),
        "customer_id": f"cust_{publication.contact_id}",
        "tracking_id": publication.tracking_id or None,
        "metadata": publication.metadata,
        # The library for Python reads no other one.
        "channel": _CHANNEL if call.is_for_python else publication.channel or None,
        "source_id": publication.source_id,
        "result": "SUCCESS" if publication.state == Publication.State.SUCCESS else "FAILURE",
        "customer": people.get(publication.contact_id),
        "vouchers_id": [] if voucher is None else [voucher["id"]],
    }
    if voucher is not None:
        return {**found, "voucher": voucher}
    return {
        **found,
        "failure_code": publication.failure_code,
        "failure_message": publication.failure_message,
    }


def _campaign(body: Mapping[str, Any], call: Call) -> Any:
    """The campaign of the body: its name, or an object with its name or id."""
    given = body.get("campaign")
    if isinstance(given, str):
        given = {"name": given}
    elif given is not None and not isinstance(given, Mapping):
        raise invalid(_("“campaign” has to be an object, as {“name”: “Gift cards”}."))
    if not given:
        return None
    if (said.integer(given, "count", "campaign.count") or 1) != 1:
        raise invalid(_("“campaign.count” has to be 1: a publication gives one code."))
    reference = said.text(given, "id", "campaign.id") or said.text(given, "name", "campaign.name")
    if not reference:
        raise invalid(_("“campaign” has neither a “name” nor an “id”."))
    return find_campaign(reference, call)


def _join_once(call: Call) -> bool | None:
    """Whether the customer may have one code only; as the campaign has it where nobody says so."""
    return {"true": True, "false": False}.get(call.query.get("join_once", "").lower())


PUBLICATIONS = view(
    "publications",
    {
        "POST": Way(create, "loyalty.publish_campaign"),
        "GET": Way(show_list, "loyalty.view_campaign"),
    },
)
