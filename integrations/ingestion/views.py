"""The addresses under /v1/ to which Segment's libraries send."""

import logging
from collections.abc import Callable
from functools import partial

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from integrations import inbox
from integrations.ingestion import answers, bodies, refusals
from integrations.ingestion.refusals import Attempt, RequestRefused
from integrations.ingestion.senders import Sender, admit, basic_key, body_key

logger = logging.getLogger(__name__)

View = Callable[[HttpRequest], HttpResponse]

CALLS = ("identify", "track", "page", "screen", "group", "alias")
BATCHES = ("batch", "import")
# As the library for browsers abbreviates them.
SHORT = {
    "i": "identify",
    "t": "track",
    "p": "page",
    "s": "screen",
    "g": "group",
    "a": "alias",
    "b": "batch",
}


def take(request: HttpRequest, call: str) -> HttpResponse:
    """Keep the events of one request; 200 once they are safe on disk.

    400 for what is no JSON or too large, 401 for an unknown sender, 429 for one that sends too
    much, 503 where the database is away.
    """
    if request.method != "POST":
        return answers.wrong_method(request.method)
    at, body, sender = timezone.now(), b"", None
    is_batch = call in BATCHES
    try:
        if write_key := basic_key(request.META.get("HTTP_AUTHORIZATION", "")):
            sender = admit(write_key, at=at)
        body = bodies.read_body(
            request, limit=bodies.BATCH_LIMIT if is_batch else bodies.CALL_LIMIT
        )
        received = bodies.read_batch(body) if is_batch else bodies.read_call(body)
        sender = sender or admit(body_key(received.value), at=at)
        if received.event_count:
            inbox.receive(
                source_id=sender.source_id,
                call=call,
                body=received.text,
                event_count=received.event_count,
                received_at=at,
            )
    except RequestRefused as refused:
        return _refuse(refused, sender, Attempt(call, at, refusals.readable(body)))
    except (DatabaseError, InterfaceError):
        logger.exception("Events could not be kept.")
        return answers.unavailable()
    return answers.taken(is_web=sender.is_web)


def _refuse(refused: RequestRefused, sender: Sender | None, attempt: Attempt) -> HttpResponse:
    if sender is None:
        # What somebody sends who is not let in is not kept.
        attempt = Attempt(attempt.call, attempt.at)
    else:
        refused.source_id = sender.source_id
    refusals.note(refused, attempt)
    return answers.refused(refused)


def _view(call: str) -> View:
    return csrf_exempt(partial(take, call=call))


def _named(name: str, call: str) -> dict[str, View]:
    view = _view(call)
    return {f"v1/{name}": view, f"v1/{name}/": view}


# By address, without the slash it begins with.
VIEWS: dict[str, View] = {
    address: view
    for name, call in {**{call: call for call in (*CALLS, *BATCHES)}, **SHORT}.items()
    for address, view in _named(name, call).items()
}
