"""What senders are answered: JSON, which pages of other websites may read."""

import json
from collections.abc import Mapping

from django.http import HttpResponse
from django.utils.translation import gettext as _

from integrations.ingestion.refusals import RequestRefused

# To any website: what counts is the write key, and no cookie is looked at.
_FOR_PAGES = {"Access-Control-Allow-Origin": "*"}
_PREFLIGHT = {
    **_FOR_PAGES,
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding",
    "Access-Control-Max-Age": "86400",
}
_EXPOSED = {"Access-Control-Expose-Headers": "Retry-After, X-RateLimit-Reset"}


def taken(*, is_web: bool = False) -> HttpResponse:
    """The events are safe on disk. Only pages for which the source is meant may read it."""
    return _answer(b'{"success": true}', 200, _FOR_PAGES if is_web else {})


def refused(error: RequestRefused) -> HttpResponse:
    """Why a request was not taken."""
    return _failure(error.status, error.code, str(error), error.headers)


def unavailable() -> HttpResponse:
    """Nothing was kept, because the database is away."""
    message = _("The events could not be kept just now. Send them again in a few seconds.")
    return _failure(503, "unavailable", message, {"Retry-After": "5"})


def wrong_method(method: str | None) -> HttpResponse:
    """The answer to another method than POST; to OPTIONS what a browser asks before a POST."""
    if method == "OPTIONS":
        return HttpResponse(status=204, headers=_PREFLIGHT)
    message = _("Send it by POST.")
    return _failure(405, "method_not_allowed", message, {"Allow": "POST, OPTIONS"})


def _failure(status: int, code: str, message: str, headers: Mapping[str, str]) -> HttpResponse:
    body = {"success": False, "code": code, "message": message}
    text = json.dumps(body, ensure_ascii=False).encode()
    return _answer(text, status, {**_FOR_PAGES, **_EXPOSED, **headers})


def _answer(body: bytes, status: int, headers: Mapping[str, str]) -> HttpResponse:
    # The middleware that would add the length is among those that are left out.
    length = {"Content-Length": str(len(body))}
    return HttpResponse(
        body, status=status, content_type="application/json", headers={**headers, **length}
    )
