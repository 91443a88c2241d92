"""What receivers open without a log-in: pictures, links, the e-mail itself, their preferences.

No answer depends on a cookie: whoever has the link is its owner.
"""

from collections.abc import Callable
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from contacts.models import Contact
from journeys.errors import MessageUnknown
from journeys.messages import preferences, rendered, tracking
from journeys.messages.links import read_click, read_opened
from journeys.messages.machines import Visitor
from workspace import rates
from workspace.addresses import address_of

# One point that cannot be seen.
_PICTURE = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
_PER_MINUTE = 60
_POLICY = {
    "default-src": [NONE],
    "script-src": [NONE],
    "connect-src": [NONE],
    "style-src": [SELF],
    "img-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}
# An e-mail as its receiver's mail program shows it: pictures from anywhere, and no script.
_MAIL_POLICY = {
    "default-src": [NONE],
    "script-src": [NONE],
    "connect-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "img-src": ["https:", "http:", "data:"],
    "font-src": ["https:", "data:"],
    "form-action": [NONE],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox", "allow-top-navigation"],
}
# How browsers and mail programs say that nobody has looked yet.
_AHEAD = ("prefetch", "preview", "prerender")


@require_safe
def opened(request: HttpRequest, token: str) -> HttpResponse:
    """The picture by which an opened e-mail tells of itself; the same one whatever the link is."""
    try:
        message_id = read_opened(token)
    except (BadSignature, ValueError):
        message_id = None
    if message_id is not None and _is_looked_at(request):
        tracking.note_open(message_id, at=timezone.now(), visitor=_visitor(request))
    return _unkept(HttpResponse(_PICTURE, content_type="image/gif"))


@require_safe
def clicked(request: HttpRequest, token: str) -> HttpResponse:
    """Lead on to where a link of an e-mail leads, and count that."""
    try:
        message_id, url = read_click(token)
    except (BadSignature, ValueError):
        return _closed(request)
    if _is_looked_at(request):
        tracking.note_click(message_id, url, at=timezone.now(), visitor=_visitor(request))
    answer = HttpResponseRedirect(url)
    answer["Referrer-Policy"] = "no-referrer"
    return _unkept(answer)


@require_safe
@csp_replace(_MAIL_POLICY)  # type: ignore[arg-type]  # It is said of views without arguments.
def view(request: HttpRequest, token: str) -> HttpResponse:
    """The e-mail in the browser, for as long as it is kept."""
    try:
        html = rendered.html_for_receiver(token)
    except MessageUnknown:
        return _closed(request)
    return _unkept(HttpResponse(html))


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@csp_replace(_POLICY)  # type: ignore[arg-type]  # The same.
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether to unsubscribe, and do it: by the button, or by a mail program (RFC 8058).

    Looking at it changes nothing, as programs follow links that nobody clicked.
    """
    if request.method != "POST":
        return _page(request, token, "journeys/messages/unsubscribe.html")
    # Not counted: a mail provider does it for all of its people from a few addresses.
    try:
        done = preferences.unsubscribe(token, at=timezone.now())
    except MessageUnknown:
        return _closed(request)
    context = {"preferences": done, "token": token, "is_done": True}
    return _in_language(request, done.contact, "journeys/messages/unsubscribe.html", context)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@csp_replace(_POLICY)  # type: ignore[arg-type]  # The same.
def preference_page(request: HttpRequest, token: str) -> HttpResponse:
    """What the receiver allows, by purpose, and whether he wants e-mail at all."""
    if request.method != "POST":
        return _page(request, token, "journeys/messages/preferences.html")
    if _is_busy(request):
        return _closed(request, is_busy=True)
    try:
        done = preferences.change(
            token,
            granted=frozenset(request.POST.getlist("purpose")),
            gets_mail="no_mail" not in request.POST,
            at=timezone.now(),
        )
    except MessageUnknown:
        return _closed(request)
    context = {"preferences": done, "token": token, "is_done": True}
    return _in_language(request, done.contact, "journeys/messages/preferences.html", context)


def _page(request: HttpRequest, token: str, template: str) -> HttpResponse:
    if _is_busy(request):
        return _closed(request, is_busy=True)
    try:
        _holder, found = preferences.open_preferences(token)
    except MessageUnknown:
        return _closed(request)
    context = {"preferences": found, "token": token, "is_done": False}
    return _in_language(request, found.contact, template, context)


def _in_language(
    request: HttpRequest, contact: Contact, template: str, context: dict[str, Any]
) -> HttpResponse:
    """In the contact's language where the product speaks it, else in that of the browser."""
    wanted = (contact.language or "").lower()
    known: Callable[[str], bool] = dict(settings.LANGUAGES).__contains__
    spoken = next((one for one in (wanted, wanted.split("-")[0]) if known(one)), None)
    with translation.override(spoken or translation.get_language()):
        return _answer(request, template, context)


def _closed(request: HttpRequest, *, is_busy: bool = False) -> HttpResponse:
    template, status = "journeys/messages/closed.html", 429 if is_busy else 404
    answer = _answer(request, template, {"is_busy": is_busy})
    answer.status_code = status
    if is_busy:
        answer["Retry-After"] = "60"
    return answer


def _answer(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    answer = render(request, template, {**context, "language": translation.get_language()})
    answer["Referrer-Policy"] = "no-referrer"
    return _unkept(answer)


def _unkept(answer: HttpResponse) -> HttpResponse:
    answer["Cache-Control"] = "no-store, no-cache, max-age=0, must-revalidate, private"
    answer["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    return answer


def _is_busy(request: HttpRequest) -> bool:
    name = f"preferences:{address_of(request)}"
    return rates.count(name, limit=_PER_MINUTE, window_seconds=60).is_exceeded


def _visitor(request: HttpRequest) -> Visitor:
    return Visitor(address_of(request), request.headers.get("User-Agent", ""))


def _is_looked_at(request: HttpRequest) -> bool:
    """Whether somebody looks: not for HEAD, nor for a program that fetches ahead."""
    purposes = (
        request.headers.get(name, "").lower()
        for name in ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
    )
    is_ahead = any(word in purpose for purpose in purposes for word in _AHEAD)
    return request.method == "GET" and not is_ahead
