"""The client side: pages and apps of customers, with publishable keys, from allowed origins.

They validate, redeem and send events, as far as the key is ticked for it, and learn less than
programs of the shop.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from integrations.ingestion.refusals import RequestRefused
from integrations.voucherify.callers import Caller, Visit, unauthorized
from integrations.voucherify.entry import Call, Handle, Way, invalid, view
from loyalty.guarding import client_keys
from loyalty.guarding.visits import note_visit
from loyalty.models import ClientKey
from loyalty.voucherify import events, redemptions, validations
from workspace import rates
from workspace.access import actor_of_api_user
from workspace.addresses import address_of
from workspace.api.limits import TooManyRequests
from workspace.api.permissions import check

REQUESTS, SECONDS = 5, 5
_HEADERS = (
    "content-type, x-client-application-id, x-client-token, x-voucherify-channel,"
    " x-voucherify-api-version, idempotency-key"
)
_EXPOSED = (
    "Retry-After, X-Rate-Limit-Limit, X-Rate-Limit-Remaining, X-Rate-Limit-Retry, X-Rate-Limit-Type"
)


@dataclass(frozen=True, slots=True)
class ClientSide:
    """The door for publishable keys that are ticked for `may`."""

    may: str

    def admit(self, visit: Visit, permission: str) -> Caller:
        request, address = visit.request, address_of(visit.request)
        visit.rate_type = "client"
        visit.rate = rates.count(f"client:{address}", limit=REQUESTS, window_seconds=SECONDS)
        key = _key_of(request)
        visit.headers |= _allowed(_origin_of(request, key))
        if visit.rate.is_exceeded:
            message = _("Too many requests. Wait a few seconds, then try again.")
            raise TooManyRequests(message, retry_after=visit.rate.retry_after)
        if not getattr(key, self.may):
            message = _("This key is not allowed to do that.")
            raise RequestRefused(403, "not_allowed", message)
        actor = actor_of_api_user(key.api_user)
        check(actor, permission)
        client_keys.note_use(key, at=visit.at)
        subjects = (f"ip:{address}", f"client_key:{key.pk}")
        return Caller(key.api_user, actor, address, subjects, key.pk)

    def preflight(self, visit: Visit) -> HttpResponse | None:
        request = visit.request
        if request.method != "OPTIONS":
            return None
        origin = request.headers.get("Origin", "")
        asked = ClientKey.objects.filter(
            is_enabled=True, api_user__enabled=True, origins__contains=[origin]
        )
        if not origin or not asked.exists():
            return HttpResponse(status=403, headers={"Vary": "Origin"})
        visit.headers |= {
            **_allowed(origin),
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": "600",
        }
        return HttpResponse(status=204)


def _key_of(request: HttpRequest) -> ClientKey:
    application_id = request.headers.get("X-Client-Application-Id", "").strip()
    token = request.headers.get("X-Client-Token", "").strip()
    if not application_id or not token:
        raise unauthorized(_("The headers X-Client-Application-Id and X-Client-Token are missing."))
    key = None
    if "\0" not in application_id:
        found = ClientKey.objects.select_related("api_user")
        key = found.filter(application_id=application_id).first()
    if key is None or not hmac.compare_digest(key.token.encode(), token.encode()):
        raise unauthorized(_("There is no such publishable key."))
    if not key.is_enabled or not key.api_user.enabled:
        raise unauthorized(_("This publishable key is disabled."))
    return key


def _origin_of(request: HttpRequest, key: ClientKey) -> str:
    origin = request.headers.get("Origin", "")
    if origin not in key.origins:
        message = _("This key does not work from %(origin)s.")
        raise RequestRefused(
            403, "origin_not_allowed", message % {"origin": origin[:200] or _("no origin")}
        )
    return origin


def _allowed(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
    }


def _counted(what: str, handle: Handle) -> Handle:
    """The same, counted for the address: too many look suspicious."""

    def do(call: Call) -> HttpResponse:
        note_visit(call.caller.address, what, at=call.at)
        return handle(call)

    return do


def _by_query(call: Call) -> HttpResponse:
    """Validate the card of the address, as older libraries ask: all is in the query."""
    query = call.query
    body: dict[str, Any] = {"tracking_id": query.get("tracking_id", "")}
    if query.get("amount"):
        body["order"] = {"amount": _amount(query.get("amount", ""))}
    if source_id := query.get("customer[source_id]"):
        body["customer"] = {"source_id": source_id}
    if query.get("session_type"):
        ttl = query.get("session_ttl")
        body["session"] = {
            "type": query.get("session_type"),
            "key": query.get("session_key"),
            "ttl": None if not ttl else _amount(ttl),
            "ttl_unit": query.get("session_ttl_unit"),
        }
    return validations.take_one(replace(call, body=body, parts={"code": _code(call)}))


def _redeem_by_query(call: Call) -> HttpResponse:
    """Redeem the card of the address; the order is in the body."""
    return redemptions.take_one(replace(call, parts={"code": _code(call)}))


def _code(call: Call) -> str:
    code: str = call.query.get("code", "")
    if not code.strip():
        raise invalid(_("“code” is missing: which card it is about."))
    return code


def _amount(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise invalid(_("“amount” has to be a whole number of cents."))
    return int(text)


def _view(name: str, method: str, way: Way, may: str) -> Callable[..., HttpResponse]:
    return view(f"client/{name}", {method: way}, ClientSide(may))


VALIDATIONS = _view(
    "validations",
    "POST",
    Way(_counted("validation", validations.take), validations.PERMISSION),
    "may_validate",
)
VALIDATE = _view(
    "validate",
    "GET",
    Way(_counted("validation", _by_query), validations.PERMISSION),
    "may_validate",
)
REDEMPTIONS = _view(
    "redemptions",
    "POST",
    Way(_counted("redemption", redemptions.take), redemptions.PERMISSION),
    "may_redeem",
)
REDEEM = _view(
    "redeem",
    "POST",
    Way(_counted("redemption", _redeem_by_query), redemptions.PERMISSION),
    "may_redeem",
)
EVENTS = _view("events", "POST", Way(events.take, events.PERMISSION, sends=True), "may_send_events")
