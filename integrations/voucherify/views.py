"""The addresses /v1/events and /v1/customers, as Voucherify has them."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.core.signals import got_request_exception
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from integrations.digestion import passes
from integrations.ingestion import bodies, refusals
from integrations.ingestion.refusals import Attempt, RequestRefused
from integrations.models import Outcome, Source
from integrations.voucherify import sending
from integrations.voucherify.answers import answer, answer_text, failure
from integrations.voucherify.callers import Caller, admit, source_of
from integrations.voucherify.customers import (
    describe_customer,
    find_customer,
    id_of,
    text_of,
    traits_of,
)
from workspace.api import idempotency
from workspace.errors import DomainError
from workspace.exactjson import exact_loads
from workspace.keys import note_use

logger = logging.getLogger(__name__)

BODY_LIMIT = bodies.CALL_LIMIT
_VIEW, _CHANGE = "contacts.view_contact", "contacts.change_contact"
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let in; without a body where it reads."""

    request_id: str
    at: datetime
    caller: Caller
    source: Source | None = None
    body: Mapping[str, Any] | None = None
    reference: str = ""

    def send(
        self, said: sending.Said, *, event: str = "", metadata: Mapping[str, Any] | None = None
    ) -> sending.Sent:
        """Use what the body says of a customer, and the event."""
        assert self.source is not None, "a call that writes has a source"
        return sending.send(
            self.source, said, event=event, metadata=metadata, receipt=self.request_id, at=self.at
        )


Handle = Callable[[Call], HttpResponse]


@csrf_exempt
def events(request: HttpRequest) -> HttpResponse:
    """A custom event of a customer, who is made where the source_id is new."""
    return _serve(request, "events", {"POST": _take_event})


@csrf_exempt
def customers(request: HttpRequest) -> HttpResponse:
    """Make a customer, or change the one of the source_id."""
    return _serve(request, "customers", {"POST": _save_customer})


@csrf_exempt
def customer(request: HttpRequest, reference: str) -> HttpResponse:
    """One customer, by its id or source_id."""
    handles = {"GET": _show_customer, "PUT": _change_customer}
    return _serve(request, "customers", handles, reference)


def _serve(
    request: HttpRequest, call: str, handles: Mapping[str, Handle], reference: str = ""
) -> HttpResponse:
    """Let the caller in and answer it; every refusal in Voucherify's form.

    What was refused leaves nothing but a line in the source's log.
    """
    at, request_id = timezone.now(), f"v-{uuid4().hex}"
    source, body = None, b""
    try:
        handle = handles.get(request.method or "")
        if handle is None:
            allowed = {"Allow": ", ".join(handles)}
            message = _("This address takes %(methods)s.") % {"methods": allowed["Allow"]}
            raise RequestRefused(405, "method_not_allowed", message, headers=allowed)
        reads = request.method == "GET"
        caller = admit(request, _VIEW if reads else _CHANGE)
        note_use(caller.api_user, at=at)
        if reads:
            return handle(Call(request_id, at, caller, reference=reference))
        source = source_of(caller)
        body = bodies.read_body(request, limit=BODY_LIMIT)
        said = exact_loads(bodies.read_call(body).text)
        return _once(request, body, handle, Call(request_id, at, caller, source, said, reference))
    except RequestRefused as refused:
        if source is not None:
            refused.source_id = source.pk
        if refused.source_id is not None or refused.status != 404:
            # Who asks for somebody whom we do not know does nothing wrong.
            refusals.note(refused, Attempt(call, at, refusals.readable(body) if source else ""))
        key = "invalid_payload" if refused.code in {"invalid_json", "too_large"} else refused.code
        return failure(
            refused.status, key, str(refused), request_id=request_id, headers=refused.headers
        )
    except (DatabaseError, InterfaceError, DomainError) as error:
        return _unable(request, error, request_id)
    except Exception:
        got_request_exception.send(sender=_serve, request=request)
        logger.exception("A call failed by a defect: %s", request.path)
        return _defect(request_id)


def _unable(request: HttpRequest, error: Exception, request_id: str) -> HttpResponse:
    """The answer where a rule says no, or the database cannot do it."""
    if isinstance(error, DomainError) and not passes(error):
        wait = error.context.get("retry_after")
        headers = {"Retry-After": str(wait)} if wait else {}
        return failure(error.status, error.code, str(error), request_id=request_id, headers=headers)
    logger.error("A call could not be used: %s", request.path, exc_info=error)
    if not passes(error):
        return _defect(request_id)
    message = _("It cannot be done just now. Try again in a few seconds.")
    headers = {"Retry-After": "5"}
    return failure(503, "unavailable", message, request_id=request_id, headers=headers)


def _defect(request_id: str) -> HttpResponse:
    message = _("The request failed by a defect of the product. It has been logged.")
    return failure(500, "internal_error", message, request_id=request_id)


def _once(request: HttpRequest, body: bytes, handle: Handle, call: Call) -> HttpResponse:
    """Answer in one transaction, again where others were in the way.

    A POST with an `Idempotency-Key` that was answered before has the same answer.
    """
    for attempt in range(_TRIES):
        try:
            with transaction.atomic():
                return _claimed(request, body, handle, call)
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", None) or ""
            if not state.startswith("40") or attempt == _TRIES - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _claimed(request: HttpRequest, body: bytes, handle: Handle, call: Call) -> HttpResponse:
    key = request.headers.get("Idempotency-Key")
    if key is None or request.method != "POST":
        return handle(call)
    claim = idempotency.claim(
        owner=call.caller.actor.name,
        key=key,
        request=idempotency.request_hash("POST", request.path, body),
        at=call.at,
    )
    if isinstance(claim, idempotency.Answer):
        return answer_text(claim.body, claim.status, {"Idempotency-Replayed": "true"})
    response = handle(call)
    claim.settle(status=response.status_code, body=response.content)
    return response


def _take_event(call: Call) -> HttpResponse:
    body = call.body or {}
    event, given, metadata = body.get("event"), body.get("customer"), body.get("metadata")
    if not isinstance(event, str) or not event.strip():
        raise _invalid(_("“event” is missing: the name of what happened."))
    if not isinstance(given, Mapping):
        raise _invalid(_("“customer” is missing: an object with “id” or “source_id”."))
    if metadata is not None and not isinstance(metadata, Mapping):
        raise _invalid(_("“metadata” has to be an object, as {“rating”: 5}."))
    reference, source_id = text_of(given.get("id")), text_of(given.get("source_id"))
    if reference:
        said = _known(reference, given)
    elif source_id:
        said = sending.Said(source_id, traits_of(given))
    else:
        raise _invalid(_("“customer” has neither an “id” nor a “source_id”."))
    sent = call.send(said, event=event.strip(), metadata=metadata)
    if refusal := _refusal(sent, call):
        return refusal
    return answer(
        {
            "object": "event",
            "type": event.strip(),
            "customer": {
                "id": id_of(sent.contact_id),
                "source_id": said.source_id or None,
                "object": "customer",
            },
            "referral": None,
            "loyalty": None,
        }
    )


def _save_customer(call: Call) -> HttpResponse:
    body = call.body or {}
    source_id = text_of(body.get("source_id"))
    if not source_id:
        raise _invalid(_("“source_id” is missing: by it a customer is known in your system."))
    return _told(call, sending.Said(source_id, traits_of(body)))


def _change_customer(call: Call) -> HttpResponse:
    body = call.body or {}
    said = _known(call.reference, body)
    source_id = text_of(body.get("source_id"))
    if source_id and source_id != said.source_id:
        raise _invalid(_("The “source_id” of a customer stays as it is."))
    if not said.traits:
        assert said.contact_id is not None
        return answer(describe_customer(said.contact_id))
    return _told(call, said)


def _show_customer(call: Call) -> HttpResponse:
    return answer(describe_customer(_contact_of(call.reference)))


def _told(call: Call, said: sending.Said) -> HttpResponse:
    sent = call.send(said)
    return _refusal(sent, call) or answer(describe_customer(sent.contact_id))


def _contact_of(reference: str) -> int:
    contact_id = find_customer(reference)
    if contact_id is None:
        message = _("There is no customer “%(id)s”.") % {"id": reference[:120]}
        raise RequestRefused(404, "not_found", message)
    return contact_id


def _known(reference: str, body: Mapping[str, Any]) -> sending.Said:
    """What is said of a customer that there has to be. Raises RequestRefused."""
    contact_id = _contact_of(reference)
    source_id = str(describe_customer(contact_id)["source_id"] or "")
    traits = traits_of(body)
    if traits and not source_id:
        message = _(
            "The customer %(id)s has no source_id, by which its profile could be changed here. Give"
            " the contact an external_id first."
        )
        raise _invalid(message % {"id": id_of(contact_id)})
    return sending.Said(source_id, traits, contact_id)


def _refusal(sent: sending.Sent, call: Call) -> HttpResponse | None:
    """The answer where something was not used; what it was is held."""
    if sent.outcome == Outcome.REFUSED:
        return failure(400, "invalid_payload", sent.reason, request_id=call.request_id)
    if sent.outcome == Outcome.FAILED:
        return failure(500, "internal_error", sent.reason, request_id=call.request_id)
    return None


def _invalid(message: str) -> RequestRefused:
    return RequestRefused(400, "invalid_payload", message)
