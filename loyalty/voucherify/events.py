"""Custom events of customers, who are made where the source_id is new."""

from collections.abc import Mapping

from django.http import HttpResponse
from django.utils.translation import gettext as _

from integrations.voucherify import sending
from integrations.voucherify.answers import answer
from integrations.voucherify.customers import id_of, text_of, traits_of
from integrations.voucherify.entry import Call, Way, invalid, view
from loyalty.voucherify.customers import known, refusal

PERMISSION = "contacts.change_contact"


def take(call: Call) -> HttpResponse:
    """Record what happened."""
    event, given = call.body.get("event"), call.body.get("customer")
    metadata = call.body.get("metadata")
    if not isinstance(event, str) or not event.strip():
        raise invalid(_("“event” is missing: the name of what happened."))
    if not isinstance(given, Mapping):
        raise invalid(_("“customer” is missing: an object with “id” or “source_id”."))
    if metadata is not None and not isinstance(metadata, Mapping):
        raise invalid(_("“metadata” has to be an object, as {“rating”: 5}."))
    said = _said(given, call)
    sent = call.send(said, event=event.strip(), metadata=metadata)
    if refused := refusal(sent, call):
        return refused
    customer = {
        "id": id_of(sent.contact_id),
        "source_id": said.source_id or None,
        "object": "customer",
    }
    return answer(
        {
            "object": "event",
            "type": event.strip(),
            "customer": customer,
            "referral": None,
            "loyalty": None,
        }
    )


def _said(given: Mapping[str, object], call: Call) -> sending.Said:
    """Whose event it is. Of a page's customer only the event is kept: anybody can call it so."""
    reference, source_id = text_of(given.get("id")), text_of(given.get("source_id"))
    is_client_side = call.caller.is_client_side
    if reference and not is_client_side:
        return known(reference, given)
    if source_id:
        return sending.Said(source_id, {} if is_client_side else traits_of(given))
    raise invalid(_("“customer” has neither an “id” nor a “source_id”."))


EVENTS = view("events", {"POST": Way(take, PERMISSION, sends=True)})
