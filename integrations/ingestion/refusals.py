"""Why a request is not taken, and how people learn of it."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from django.db import DatabaseError, InterfaceError, transaction

from integrations.models import Outcome, ReceivedEvent
from workspace import sql
from workspace.errors import DomainError

logger = logging.getLogger(__name__)

BODY_KEPT = 2000
_NOTED_EVERY_SECONDS = 1.0
_TOLD_LIMIT = 1000
_WRITE_KEY = re.compile(r"\b(wk_\w{5})\w+")
_told: dict[tuple[int, str], float] = {}


class RequestRefused(DomainError):
    """A request is not taken: its form, its sender, or its number is wrong.

    `source_id` is set where the sender is known, `headers` go with the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        source_id: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.source_id = source_id
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that was refused, and the beginning of its body where that may be kept."""

    call: str
    at: datetime
    body: str = ""


def readable(body: bytes) -> str:
    """The beginning of a body, as a text that can be kept; without the whole of a write key."""
    text = body[:BODY_KEPT].decode("utf-8", "replace").replace("\x00", "\ufffd")
    return _WRITE_KEY.sub(r"\1…", text)


def note(refused: RequestRefused, attempt: Attempt) -> None:
    """Put the refusal where people look: the source's log, or the server's for unknown senders.

    At most once a second for each source and reason, so that a broken sender does not fill it.
    The sender knows that it failed and has the events still.
    """
    if not _is_due(refused.source_id or 0, refused.code):
        return
    if refused.source_id is None:
        logger.warning("A request of the kind %s was refused: %s", attempt.call, refused)
        return
    try:
        _write(refused.source_id, refused, attempt)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("A refusal could not be noted: %s (%s)", refused, error)


@transaction.atomic
def _write(source_id: int, refused: RequestRefused, attempt: Attempt) -> None:
    ReceivedEvent.objects.create(
        source_id=source_id,
        received_at=attempt.at,
        type=attempt.call,
        outcome=Outcome.REFUSED,
        code=refused.code,
        reason=str(refused),
        body=attempt.body,
    )
    sql.execute(
        "INSERT INTO integrations_sourcecount AS known (source_id, day, outcome, event_count)"
        " VALUES (%s, (%s AT TIME ZONE 'UTC')::date, %s, 1)"
        " ON CONFLICT (source_id, day, outcome)"
        " DO UPDATE SET event_count = known.event_count + 1",
        [source_id, attempt.at, Outcome.REFUSED],
    )


def _is_due(source_id: int, code: str) -> bool:
    now = monotonic()
    last = _told.get((source_id, code))
    if last is not None and now - last < _NOTED_EVERY_SECONDS:
        return False
    if len(_told) >= _TOLD_LIMIT:
        _told.clear()
    _told[source_id, code] = now
    return True
