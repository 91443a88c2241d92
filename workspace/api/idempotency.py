"""A POST sent twice with the same `Idempotency-Key` has its effect once.

The record is written in the transaction of the effect. So a crash leaves both or none, and a
second request that comes while the first runs waits for it, because the key is unique. A request
that was refused leaves no record, as it had no effect: its key may be used again.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import OperationalError, connection
from django.utils.translation import gettext as _
from psycopg.errors import LockNotAvailable

from workspace.errors import Busy, DomainError, InputInvalid
from workspace.models import IdempotencyRecord

KEPT_FOR = timedelta(hours=24)
# What commits by itself is longer at it only where its process was killed.
_AT_WORK_FOR = timedelta(minutes=5)
_WAIT = "10s"
_KEY_LIMIT = 255

_CLAIM = """
INSERT INTO workspace_idempotencyrecord AS known (owner, key, request_hash, body, created_at)
VALUES (%s, %s, %s, '', %s)
ON CONFLICT (owner, key) DO UPDATE
  SET request_hash = excluded.request_hash, status = NULL, body = '',
      created_at = excluded.created_at
  WHERE known.created_at <= %s OR (known.status IS NULL AND known.created_at <= %s)
RETURNING id
"""


class KeyReused(DomainError):
    """The key was used for another request within the last 24 hours."""

    code = "idempotency_key_reused"


class StillRunning(Busy):
    """The first request with this key has not been answered yet."""

    code = "idempotency_key_in_use"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to the first request with a key."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that this request is the first to use."""

    record_id: int

    def let_go(self) -> None:
        """Leave no record, for a request that was refused but whose transaction goes on."""
        IdempotencyRecord.objects.filter(pk=self.record_id).delete()

    def settle(self, *, status: int, body: bytes) -> None:
        """Keep the answer, in the transaction of the effect."""
        IdempotencyRecord.objects.filter(pk=self.record_id).update(
            status=status, body=body.decode()
        )


def request_hash(*parts: bytes | str) -> str:
    """What makes two requests the same: method, address and body."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big"))
        whole.update(data)
    return whole.hexdigest()


def claim(*, owner: str, key: str, request: str, at: datetime) -> Claim | Answer:
    """Take `key` for a request (its `request_hash`), or the answer that was given to it before.

    To be called in the transaction of the effect; a request that commits by itself claims in one
    before. Raises KeyReused where another request took the key, StillRunning where the same one
    runs for longer than one can wait.
    """
    if not key or len(key) > _KEY_LIMIT or not key.isprintable():
        message = _("An Idempotency-Key has 1 to %(limit)d printable characters.")
        raise InputInvalid(message % {"limit": _KEY_LIMIT})
    if (record_id := _insert(owner, key, request, at)) is not None:
        return Claim(record_id)
    record = IdempotencyRecord.objects.get(owner=owner, key=key)
    if record.request_hash != request:
        raise KeyReused(
            _("This Idempotency-Key was used for another request. Use a new key for a new one.")
        )
    if record.status is None:
        raise _still_running()
    return Answer(record.status, record.body)


def _insert(owner: str, key: str, request: str, at: datetime) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_WAIT])
        try:
            cursor.execute(_CLAIM, [owner, key, request, at, at - KEPT_FOR, at - _AT_WORK_FOR])
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                raise _still_running() from error
            raise
        row = cursor.fetchone()
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    return None if row is None else int(row[0])


def _still_running() -> StillRunning:
    message = _("The first request with this Idempotency-Key is still at work.")
    return StillRunning(message, retry_after=5)
