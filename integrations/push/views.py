"""The addresses under /push/: browsers and apps subscribe, and say what was opened.

As events are, subscriptions are taken from any website with the write key of a source. Whose they
are is found out as for events: by userId, anonymousId, or both.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_safe

from contacts.identities import USER_ID, Name
from contacts.identity_rules import ANONYMOUS_ID
from integrations.ingestion import answers, bodies, refusals
from integrations.ingestion.refusals import Attempt, RequestRefused
from integrations.ingestion.senders import Sender, admit, basic_key, body_key
from integrations.models import PushSubscription, Source
from integrations.push import connections, subscriptions
from integrations.push.errors import PushKeyOutdated, PushUnavailable
from integrations.push.opened import record_opened
from integrations.push.user_agents import device_of
from integrations.user_hashes import require_user_hash
from workspace import rates
from workspace.addresses import address_of
from workspace.errors import DomainError

logger = logging.getLogger(__name__)

Kind = PushSubscription.Kind
Take = Callable[[Mapping[str, Any], Sender, str, datetime], None]
_FOR_PAGES = {"Access-Control-Allow-Origin": "*"}
_SCRIPTS = Path(__file__).parent.parent / "static" / "integrations" / "push"
SCRIPTS = ("regulars-push.js", "regulars-sw.js")
# From one address of the network, a minute: whole offices share one.
_OPENED_LIMIT = 600


@csrf_exempt
def subscribe(request: HttpRequest) -> HttpResponse:
    """Send to a browser or app from now on; 200 once that is safe on disk.

    `{"writeKey", "userId" and/or "anonymousId", "subscription": {"endpoint", "keys"}}`, of an app
    `{"token", "platform"}` instead; `previous` is the address or token that it had before. A source
    with a user secret asks for the `userHash` of the `userId`, too. 400 for what cannot be used,
    401 for an unknown sender or a wrong hash, 409 where our key was changed or nothing is
    sent to such devices, 429 for one that sends too much, 503 where the database is away.
    """
    return _take(request, _subscribe)


@csrf_exempt
def unsubscribe(request: HttpRequest) -> HttpResponse:
    """Send nothing more to the browser with this `endpoint`, or to the app with this `token`."""
    return _take(request, _unsubscribe)


@csrf_exempt
def opened(request: HttpRequest) -> HttpResponse:
    """A device says that a message was opened: `{"token"}`. 204, also where it was known."""
    if request.method != "POST":
        return answers.wrong_method(request.method)
    try:
        rate = rates.count(
            f"push:opened:{address_of(request)}", limit=_OPENED_LIMIT, window_seconds=60
        )
        if rate.is_exceeded:
            words = _("That is too much from one address. Try again in a minute.")
            wait = {"Retry-After": str(rate.retry_after)}
            raise RequestRefused(429, "too_many_requests", words, headers=wait)
        received = bodies.read_call(bodies.read_body(request, limit=bodies.CALL_LIMIT))
        record_opened(_text(received.value, "token"), at=timezone.now())
    except DomainError as error:
        return answers.refused(_as_refusal(error, None))
    except (DatabaseError, InterfaceError):
        logger.exception("That a push message was opened could not be recorded.")
        return answers.unavailable()
    return HttpResponse(status=204, headers=_FOR_PAGES)


@require_safe
def key(request: HttpRequest) -> HttpResponse:
    """The key with which browsers subscribe: `{"key"}`."""
    try:
        found = connections.public_key(at=timezone.now())
    except PushUnavailable as error:
        return answers.refused(_as_refusal(error, None))
    # Not kept: who subscribes with one that was changed gets nothing.
    return JsonResponse({"key": found}, headers={**_FOR_PAGES, "Cache-Control": "no-store"})


@lru_cache(maxsize=len(SCRIPTS))
def _script(name: str) -> tuple[bytes, str]:
    """A script and what stands for it in the ETag."""
    text = (_SCRIPTS / name).read_bytes()
    return text, sha256(text).hexdigest()[:24]


@require_safe
@condition(etag_func=lambda request, name: f'"{_script(name)[1]}"')
def script(request: HttpRequest, name: str) -> HttpResponse:
    """A script for the shop's pages, or the service worker. Any website may load it."""
    return HttpResponse(
        _script(name)[0],
        content_type="text/javascript; charset=utf-8",
        headers={
            **_FOR_PAGES,
            "Cache-Control": "public, max-age=3600",
            "Cross-Origin-Resource-Policy": "cross-origin",
        },
    )


def _take(request: HttpRequest, take: Take) -> HttpResponse:
    if request.method != "POST":
        return answers.wrong_method(request.method)
    at, body, sender = timezone.now(), b"", None
    try:
        if write_key := basic_key(request.META.get("HTTP_AUTHORIZATION", "")):
            sender = admit(write_key, at=at)
        body = bodies.read_body(request, limit=bodies.CALL_LIMIT)
        said = bodies.read_call(body).value
        sender = sender or admit(body_key(said), at=at)
        take(said, sender, request.META.get("HTTP_USER_AGENT", ""), at)
    except DomainError as error:
        refused = _as_refusal(error, sender)
        # What somebody sends who is not let in is not kept.
        kept = "" if sender is None else refusals.readable(body)
        refusals.note(refused, Attempt("push", at, kept))
        return answers.refused(refused)
    except (DatabaseError, InterfaceError):
        logger.exception("A push subscription could not be kept.")
        return answers.unavailable()
    return answers.taken(is_web=sender.is_web)


def _subscribe(said: Mapping[str, Any], sender: Sender, agent: str, at: datetime) -> None:
    source = Source.objects.get(pk=sender.source_id)
    names = [
        Name(namespace, value)
        for namespace, field in ((USER_ID, "userId"), (ANONYMOUS_ID, "anonymousId"))
        if (value := _text(said, field))
    ]
    if names:
        # Without names it stays whose it is.
        require_user_hash(source, _text(said, "userId"), _text(said, "userHash"), at=at)
    given: dict[str, Any] = {
        "names": names,
        "at": at,
        "cause": f"source:{source.key}",
        "previous": _text(said, "previous"),
    }
    if "token" in said:
        connection = connections.app_connection()
        if connection is None or not connection.is_enabled:
            raise PushUnavailable(_("There is no connection to apps that is in use."))
        device = _text(said, "device") or _text(said, "platform")
        subscriptions.subscribe_app(token=_text(said, "token"), device=device, **given)
        return
    ours = connections.public_key(at=at)
    if (theirs := _text(said, "key")) and theirs != ours:
        raise PushKeyOutdated(_("Our key was changed: subscribe again with the present one."))
    found = said.get("subscription")
    found = found if isinstance(found, Mapping) else {}
    subscriptions.subscribe_browser(
        endpoint=_text(found, "endpoint"),
        keys=found.get("keys"),
        device=device_of(agent),
        **given,
    )


def _unsubscribe(said: Mapping[str, Any], sender: Sender, agent: str, at: datetime) -> None:
    field, kind = ("token", Kind.FCM) if "token" in said else ("endpoint", Kind.WEB_PUSH)
    subscriptions.end(kind, _text(said, field), reason=_("It was ended there."), at=at)


def _as_refusal(error: DomainError, sender: Sender | None) -> RequestRefused:
    source_id = None if sender is None else sender.source_id
    if isinstance(error, RequestRefused):
        error.source_id = error.source_id or source_id
        return error
    return RequestRefused(error.status, error.code, str(error), source_id=source_id)


def _text(said: Mapping[str, Any], field: str) -> str:
    """A text or whole number as text; empty where it is missing or something else."""
    value = said.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip().replace("\x00", "") if isinstance(value, str) else ""
