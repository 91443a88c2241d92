"""The entry that all addresses of Voucherify's clients share: who may, what is said, what became.

An address is served by ways, one for each method. A call that writes runs in one transaction, and
every refusal has Voucherify's form.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.core.signals import got_request_exception
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from integrations.digestion import passes
from integrations.ingestion import bodies, refusals
from integrations.ingestion.refusals import Attempt, RequestRefused
from integrations.models import Source
from integrations.voucherify import sending
from integrations.voucherify.answers import answer_text, failure, refusal_of
from integrations.voucherify.callers import Caller, Door, ServerSide, Visit, source_of
from workspace.api import idempotency
from workspace.errors import DomainError
from workspace.exactjson import exact_loads

logger = logging.getLogger(__name__)

# What is logged with its source keeps to the limit of one call; orders may have many items.
LOGGED_LIMIT = bodies.CALL_LIMIT
BODY_LIMIT = 2**20
PAGE_LIMIT, PAGE_SIZE, LAST_PAGE = 100, 10, 10_000
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let in: what it names in its address, and what it says.

    `afterwards` is done whatever becomes of the transaction.
    """

    request_id: str
    at: datetime
    caller: Caller
    query: QueryDict
    source: Source | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    is_for_python: bool = False
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    def send(
        self, said: sending.Said, *, event: str = "", metadata: Mapping[str, Any] | None = None
    ) -> sending.Sent:
        """Use what the body says of a customer, and the event."""
        source = self.source or source_of(self.caller, at=self.at)
        return sending.send(
            source, said, event=event, metadata=metadata, receipt=self.request_id, at=self.at
        )

    def page(self) -> tuple[int, int]:
        """How many rows to leave out, and how many to give. Raises RequestRefused."""
        limit = self._number("limit", PAGE_SIZE, PAGE_LIMIT)
        page = self._number("page", 1, LAST_PAGE)
        return (page - 1) * limit, limit

    def _number(self, name: str, default: int, most: int) -> int:
        text = self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= 6 and 1 <= int(text) <= most):
            message = _("“%(name)s” has to be a whole number from 1 to %(most)d.")
            raise invalid(message % {"name": name, "most": most})
        return int(text)


Handle = Callable[[Call], HttpResponse]


@dataclass(frozen=True, slots=True)
class Way:
    """What an address does for a method, and the permission that it takes.

    One that `sends` is logged with the source of its program.
    """

    handle: Handle
    permission: str
    sends: bool = False


def view(
    name: str, ways: Mapping[str, Way], door: Door | None = None
) -> Callable[..., HttpResponse]:
    """What Django calls for an address; `name` stands in logs."""

    def serve_it(request: HttpRequest, **parts: str) -> HttpResponse:
        return serve(request, name, ways, door or _SERVER_SIDE, parts)

    return csrf_exempt(serve_it)


def serve(
    request: HttpRequest, name: str, ways: Mapping[str, Way], door: Door, parts: Mapping[str, str]
) -> HttpResponse:
    """Let the caller in and answer it; every refusal in Voucherify's form.

    What was refused leaves nothing but a line in the source's log.
    """
    visit = Visit(request, timezone.now())
    response = door.preflight(visit) or _answer(visit, name, ways, door, parts)
    for header, value in {**_rate_headers(visit), **visit.headers}.items():
        response[header] = value
    return response


@csrf_exempt
def unknown(request: HttpRequest) -> HttpResponse:
    """404 for all that is not served."""
    message = _("There is nothing at %(path)s: it is not served here.")
    return failure(
        404, "not_found", message % {"path": request.path[:200]}, request_id=_request_id()
    )


def _answer(
    visit: Visit, name: str, ways: Mapping[str, Way], door: Door, parts: Mapping[str, str]
) -> HttpResponse:
    request, request_id = visit.request, _request_id()
    source, body = None, b""
    afterwards: list[Callable[[], None]] = []
    try:
        way = _way(request, ways)
        caller = door.admit(visit, way.permission)
        channel = request.headers.get("X-Voucherify-Channel", "")
        call = Call(
            request_id,
            visit.at,
            caller,
            request.GET,
            parts=parts,
            is_for_python=channel.startswith("Python"),
            afterwards=afterwards,
        )
        if request.method == "GET":
            return way.handle(call)
        if way.sends:
            source = source_of(caller, at=visit.at)
        body = bodies.read_body(request, limit=LOGGED_LIMIT if way.sends else BODY_LIMIT)
        said = exact_loads(bodies.read_call(body).text) if body.strip() or way.sends else {}
        return _once(request, body, way.handle, replace(call, source=source, body=said))
    except RequestRefused as refused:
        _note(refused, source, Attempt(name, visit.at, refusals.readable(body) if source else ""))
        key = "invalid_payload" if refused.code in {"invalid_json", "too_large"} else refused.code
        return failure(
            refused.status,
            key,
            str(refused),
            request_id=request_id,
            headers=refused.headers,
            **refused.context,
        )
    except (DatabaseError, InterfaceError, DomainError) as error:
        return _unable(request, error, request_id)
    except Exception:
        got_request_exception.send(sender=serve, request=request)
        logger.exception("A call failed by a defect: %s", request.path)
        return _defect(request_id)
    finally:
        for do in afterwards:
            do()


def _way(request: HttpRequest, ways: Mapping[str, Way]) -> Way:
    way = ways.get(request.method or "")
    if way is None:
        allowed = {"Allow": ", ".join(ways)}
        message = _("This address takes %(methods)s.") % {"methods": allowed["Allow"]}
        raise RequestRefused(405, "method_not_allowed", message, headers=allowed)
    return way


def _note(refused: RequestRefused, source: Source | None, attempt: Attempt) -> None:
    if source is not None:
        refused.source_id = source.pk
    if refused.source_id is not None or refused.status in {401, 403}:
        # Who asks for something that is not there does nothing wrong.
        refusals.note(refused, attempt)


def _unable(request: HttpRequest, error: Exception, request_id: str) -> HttpResponse:
    """The answer where a rule says no, or the database cannot do it."""
    if isinstance(error, DomainError) and not passes(error):
        return refusal_of(error, request_id=request_id)
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
        call.afterwards.clear()
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
        request=idempotency.request_hash("POST", request.get_full_path(), body),
        at=call.at,
    )
    if isinstance(claim, idempotency.Answer):
        return answer_text(claim.body, claim.status, {"Idempotency-Replayed": "true"})
    response = handle(call)
    claim.settle(status=response.status_code, body=response.content)
    return response


def _rate_headers(visit: Visit) -> dict[str, str]:
    """What is left of the caller's limit, as `apiLimitsHandler` of the Node library reads it."""
    if visit.rate is None:
        return {}
    return {
        "X-Rate-Limit-Limit": str(visit.rate.limit),
        "X-Rate-Limit-Remaining": str(visit.rate.remaining),
        "X-Rate-Limit-Retry": str(visit.rate.retry_after),
        "X-Rate-Limit-Type": visit.rate_type,
    }


def _request_id() -> str:
    return f"v-{uuid4().hex}"


def invalid(message: str, **resource: Any) -> RequestRefused:
    """400: what is said cannot be used."""
    refused = RequestRefused(400, "invalid_payload", message)
    refused.context.update(resource)
    return refused


def not_found(kind: str, reference: str) -> RequestRefused:
    """404: there is no such thing, or the caller may not know of it."""
    message = _("There is no %(kind)s “%(id)s”.") % {"kind": kind, "id": reference[:120]}
    refused = RequestRefused(404, "not_found", message)
    refused.context.update(resource_id=reference[:120], resource_type=kind)
    return refused


_SERVER_SIDE = ServerSide()
