"""Answers in the form that Voucherify's clients read."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from workspace.exactjson import exact_dumps


def answer(body: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """A JSON object."""
    return answer_text(exact_dumps(body), status)


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
) -> HttpResponse:
    """Why a call failed: `key` may be compared, `details` is a sentence for people."""
    body = {
        "code": status,
        "key": key,
        "message": _message(status, key),
        "details": details,
        "request_id": request_id,
    }
    return answer_text(exact_dumps(body), status, headers)


def _message(status: int, key: str) -> str:
    """What kind of failure it is, in a few words."""
    if key == "invalid_payload":
        return _("Invalid payload")
    if key == "not_found":
        return _("Resource not found")
    return HTTPStatus(status).phrase
