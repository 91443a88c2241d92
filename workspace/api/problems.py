"""Every refusal in one form: `application/problem+json` (RFC 9457)."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions

from workspace.errors import DomainError, Problem
from workspace.exactjson import exact_dumps

logger = logging.getLogger("django.request")

CONTENT_TYPE = "application/problem+json"
_ROOT = {"non_field_errors", ""}


class BodyTooLarge(exceptions.APIException):
    """The request's body is longer than this address takes."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class LengthRequired(exceptions.APIException):
    """The server cannot tell where a body without a length ends."""

    status_code = HTTPStatus.LENGTH_REQUIRED
    default_code = "length_required"


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    errors: Iterable[Problem] = (),
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The answer to a request that failed; `members` are what a kind of problem adds."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
        "errors": [{"path": e.path, "code": e.code, "message": e.message} for e in errors],
        **(members or {}),
    }
    return HttpResponse(
        exact_dumps(body), status=status, content_type=CONTENT_TYPE, headers=dict(headers or {})
    )


def answer_problem(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """The answer to whatever a view raised; a defect is also told to the log and surfaces there."""
    match error:
        case DomainError():
            return problem(
                status=error.status,
                code=error.code,
                detail=str(error),
                errors=error.problems,
                members=error.members,
                headers=_retry_after(error.context.get("retry_after")),
            )
        case exceptions.ValidationError():
            return _validation(error)
        case exceptions.APIException():
            return _refusal(error)
        case Http404():
            return not_found()
        case PermissionDenied():
            detail = _("You may not do this.")
            return problem(status=403, code="permission_denied", detail=detail)
        case RequestDataTooBig():
            return problem(status=413, code="too_large", detail=_("The body is too large."))
        case OperationalError() | InterfaceError():
            logger.error("The database did not do what a request needs.", exc_info=error)
            return problem(
                status=503,
                code="unavailable",
                detail=_("The database cannot do this now. Try again in a few seconds."),
                headers=_retry_after(5),
            )
    request = context["request"]
    got_request_exception.send(sender=type(context.get("view")), request=request)
    logger.error(
        "A request failed by a defect: %s %s", request.method, request.path, exc_info=error
    )
    return defect()


def not_found() -> HttpResponse:
    """There is nothing here, or nothing that the asker may know of: both read the same."""
    return problem(status=404, code="not_found", detail=_("There is nothing at this address."))


def defect() -> HttpResponse:
    """Something of ours is broken; the log says what."""
    detail = _("The request failed by a defect of the product. It has been logged.")
    return problem(status=500, code="defect", detail=detail)


@csrf_exempt
def unknown_address(request: HttpRequest, **_path: str) -> HttpResponse:
    """The answer at every address under /api/ where there is none of ours."""
    if request.path.endswith("/"):
        return not_found()
    detail = _("There is nothing at this address. Addresses here end with a slash.")
    return problem(status=404, code="not_found", detail=detail)


def _validation(error: exceptions.ValidationError) -> HttpResponse:
    faults = list(_faults(error.detail, ""))
    if len(faults) == 1:
        fault = faults[0]
        detail = f"{fault.path}: {fault.message}" if fault.path else fault.message
    else:
        detail = ngettext(
            "The request has %(count)d fault: see errors.",
            "The request has %(count)d faults: see errors.",
            len(faults),
        ) % {"count": len(faults)}
    return problem(status=400, code="invalid", detail=detail, errors=faults)


def _refusal(error: exceptions.APIException) -> HttpResponse:
    headers = _retry_after(getattr(error, "wait", None))
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    codes = error.get_codes()
    return problem(
        status=int(error.status_code),
        code=codes if isinstance(codes, str) else error.default_code,
        detail=str(error.detail),
        headers=headers,
    )


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(max(1, ceil(seconds)))}


def _faults(detail: Any, path: str) -> Iterator[Problem]:
    """The faults that serializers nest by field and index, as a flat list with paths."""
    match detail:
        case Mapping():
            for key, part in detail.items():
                if isinstance(key, int):
                    yield from _faults(part, f"{path}[{key}]")
                elif key in _ROOT:
                    yield from _faults(part, path)
                else:
                    yield from _faults(part, f"{path}.{key}" if path else str(key))
        case exceptions.ErrorDetail():
            yield Problem(path, detail.code or "invalid", str(detail))
        case list() | tuple():
            are_messages = all(isinstance(part, exceptions.ErrorDetail) for part in detail)
            for index, part in enumerate(detail):
                yield from _faults(part, path if are_messages else f"{path}[{index}]")
        case _:
            yield Problem(path, "invalid", str(detail))
