"""Answers in the form that Voucherify's clients read.

*Source:* Voucherify, "Error object" and the objects of its lists.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from workspace.errors import Busy, DomainError, InputInvalid, NotAllowed, NotFound
from workspace.exactjson import exact_dumps

# Refusals of rules that have another status than 400 there.
_STATUSES = {"duplicate_found": 409, "idempotency_key_reused": 409, "multiple_requests": 423}
# What stands in `context` of an error and goes with the answer.
_RESOURCE = ("resource_id", "resource_type")


def answer(body: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """A JSON object."""
    return answer_text(exact_dumps(body), status)


def nothing() -> HttpResponse:
    """204: it is done, and there is nothing to say."""
    return HttpResponse(status=204, headers={"Cache-Control": "no-store"})


def answer_list(name: str, rows: Sequence[Any], total: int, **more: Any) -> HttpResponse:
    """A list: its rows stand under `name`, which `data_ref` says."""
    return answer({"object": "list", "data_ref": name, name: rows, "total": total, **more})


def answer_text(text: str, status: int, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """JSON text as it is. What one may see is nothing for a cache in between."""
    return HttpResponse(
        text,
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def failure(
    status: int,
    key: str,
    details: str,
    *,
    request_id: str,
    headers: Mapping[str, str] | None = None,
    **resource: Any,
) -> HttpResponse:
    """Why a call failed: `key` may be compared, `details` is a sentence for people."""
    body = error_object(status, key, details, request_id=request_id, **resource)
    return answer_text(exact_dumps(body), status, headers)


def error_object(
    status: int, key: str, details: str, *, request_id: str, message: str = "", **resource: Any
) -> dict[str, Any]:
    """The error object; `message` is what a validation rule says to the customer."""
    found = {
        "code": status,
        "key": key,
        "message": _title(status, key),
        "details": details,
        "request_id": request_id,
        **{name: value for name, value in resource.items() if value is not None},
    }
    if message:
        found["error"] = {"message": message}
    return found


def refusal_of(error: DomainError, *, request_id: str) -> HttpResponse:
    """The answer where a rule of ours says no."""
    status, key = key_of(error)
    wait = error.context.get("retry_after")
    resource = {name: error.context[name] for name in _RESOURCE if name in error.context}
    message = getattr(error, "custom", "")
    return failure(
        status,
        key,
        _details(error),
        request_id=request_id,
        headers={"Retry-After": str(wait)} if wait else {},
        message=str(message),
        **resource,
    )


def key_of(error: DomainError) -> tuple[int, str]:
    """Status and key of an error of ours, in Voucherify's words."""
    if isinstance(error, NotFound):
        return 404, "not_found"
    if isinstance(error, InputInvalid):
        return 400, "invalid_payload"
    if isinstance(error, Busy):
        return 423, "multiple_requests"
    if isinstance(error, NotAllowed) or error.status != 409:
        return error.status, error.code
    return _STATUSES.get(error.code, 400), error.code


def instant(at: datetime | None) -> str | None:
    """A time as Voucherify writes it."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(on: date | None) -> str | None:
    """A date as Voucherify writes it."""
    return None if on is None else on.isoformat()


def _details(error: DomainError) -> str:
    """Every fault, each with its place."""
    faults = [f"{one.path}: {one.message}" for one in error.problems if one.path]
    return " ".join(faults) or str(error)


def _title(status: int, key: str) -> str:
    """What kind of failure it is, in a few words."""
    if key == "invalid_payload":
        return _("Invalid payload")
    if key == "not_found":
        return _("Resource not found")
    if status == 400:
        return key.replace("_", " ").capitalize()
    return HTTPStatus(status).phrase
