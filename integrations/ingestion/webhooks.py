"""The address at which Segment itself delivers events, as a webhook destination."""

import logging
from datetime import datetime

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from integrations import inbox, sources
from integrations.ingestion import answers, bodies, limits, refusals
from integrations.ingestion.refusals import Attempt, RequestRefused
from integrations.ingestion.signatures import is_signed
from integrations.models import Source

logger = logging.getLogger(__name__)

BODY_LIMIT = 10_000 * 1024
CALL = "webhook"


@csrf_exempt
def receive_from_segment(request: HttpRequest, key: str) -> HttpResponse:
    """Keep what Segment sends to a source of the kind webhook: one event, or a list of them.

    401 without a signature that fits, 404 where there is no such source, 400 for what is no JSON,
    413 for more than 10 MB, 503 where the database is away. Segment tries again after the last.
    """
    if request.method != "POST":
        return answers.wrong_method(request.method)
    at, source, body = timezone.now(), None, b""
    try:
        source = _source(key)
        limits.count_request(source.pk)
        body = _body(request)
        _check_signature(source, request, body, at)
        text, value = bodies.read_json(body)
        if not isinstance(value, dict | list):
            raise bodies.invalid(_("The body has to be an event or a list of events."))
        event_count = len(value) if isinstance(value, list) else 1
        if event_count:
            inbox.receive(
                source_id=source.pk,
                call=CALL,
                body=text,
                event_count=event_count,
                received_at=at,
            )
    except RequestRefused as refused:
        refused.source_id = None if source is None else source.pk
        # Who cannot sign may be anybody: what he sends is not kept.
        is_known = refused.status not in {401, 404}
        refusals.note(refused, Attempt(CALL, at, refusals.readable(body) if is_known else ""))
        return answers.refused(refused)
    except (DatabaseError, InterfaceError):
        logger.exception("Events could not be kept.")
        return answers.unavailable()
    return answers.taken()


def _source(key: str) -> Source:
    source = Source.objects.filter(key=key, kind=Source.Kind.WEBHOOK).first()
    if source is None:
        message = _("There is no webhook “%(key)s”.") % {"key": key}
        raise RequestRefused(404, "source_unknown", message)
    return source


def _body(request: HttpRequest) -> bytes:
    try:
        return bodies.read_body(request, limit=BODY_LIMIT)
    except RequestRefused as refused:
        if refused.code == "too_large":
            refused.status = 413
        raise


def _check_signature(source: Source, request: HttpRequest, body: bytes, at: datetime) -> None:
    """Raise RequestRefused unless the body is signed and the source takes events."""
    secrets = sources.signing_secrets(source, at=at)
    if not secrets:
        message = _("“%(name)s” has no signing secret yet. Set it here and in Segment.")
        raise _unsigned("signing_secret_missing", message % {"name": source.name})
    signature = request.META.get("HTTP_X_SIGNATURE", "")
    if not signature:
        message = _("The header X-Signature is missing: set the shared secret in Segment.")
        raise _unsigned("signature_missing", message)
    if not is_signed(signature, body, secrets):
        message = _("The signature does not fit: the secret in Segment is another one than here.")
        raise _unsigned("signature_wrong", message)
    if not source.is_enabled:
        raise _unsigned("source_disabled", _("The source of this webhook is disabled."))


def _unsigned(code: str, message: str) -> RequestRefused:
    return RequestRefused(401, code, message)
