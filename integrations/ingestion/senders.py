"""Who sends: the source to which a write key belongs, and whether it may send now."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.utils.translation import gettext as _

from integrations.ingestion import limits
from integrations.ingestion.refusals import RequestRefused
from integrations.models import Source
from integrations.sources import digest_of, hint_of
from workspace import sql

_NOTED_EVERY = timedelta(minutes=1)
_KEY_LIMIT = 200
_noted: dict[int, float] = {}

_FIND = """
SELECT key.id, key.hint, key.retires_at, key.last_used_at, source.id, source.kind, source.is_enabled
FROM integrations_writekey key JOIN integrations_source source ON source.id = key.source_id
WHERE key.digest = %s
"""
# Who finds the row held leaves it: another is noting the same.
_NOTE = """
UPDATE integrations_writekey SET last_used_at = %s
WHERE id = (SELECT id FROM integrations_writekey
            WHERE id = %s AND (last_used_at IS NULL OR last_used_at < %s)
            FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Sender:
    """A source that may send now."""

    source_id: int
    is_web: bool


def basic_key(header: str) -> str:
    """The write key of an `Authorization: Basic` header; nothing for any other header."""
    scheme, _space, value = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return text.partition(":")[0]


def body_key(value: Any) -> str:
    """The write key that a body names; nothing where it names none."""
    key = value.get("writeKey") if isinstance(value, Mapping) else None
    return key if isinstance(key, str) else ""


def admit(write_key: str, *, at: datetime) -> Sender:
    """The source of a write key, which counts as one request of it. Raises RequestRefused.

    Asked of the database each time, so a source that was disabled is refused at once.
    """
    if not write_key:
        raise _unknown("write_key_missing", _("The write key is missing: send it as user name."))
    row = None
    if len(write_key) <= _KEY_LIMIT:
        row = next(iter(sql.lists(_FIND, [digest_of(write_key)])), None)
    if row is None:
        message = _("There is no source with the write key %(hint)s….")
        raise _unknown("write_key_unknown", message % {"hint": _printable(write_key)})
    key_id, hint, retires_at, last_used_at, source_id, kind, is_enabled = row
    if retires_at is not None and retires_at <= at:
        message = _("The write key %(hint)s… was retired. Use the new one of the source.")
        raise _refused("write_key_retired", message % {"hint": hint}, source_id)
    if not is_enabled:
        raise _refused("source_disabled", _("The source of this write key is disabled."), source_id)
    limits.count_request(source_id)
    _note_use(key_id, last_used_at, at=at)
    return Sender(source_id, kind == Source.Kind.WEB)


def _note_use(key_id: int, last_used_at: datetime | None, *, at: datetime) -> None:
    """Remember that a write key was used, at most once a minute."""
    stale = at - _NOTED_EVERY
    if last_used_at is not None and last_used_at >= stale:
        return
    now = monotonic()
    if now - _noted.get(key_id, -1e9) < 1:
        return
    _noted[key_id] = now
    sql.execute(_NOTE, [at, key_id, stale])


def _unknown(code: str, message: str) -> RequestRefused:
    return RequestRefused(401, code, message, headers=_CHALLENGE)


def _refused(code: str, message: str, source_id: int) -> RequestRefused:
    return RequestRefused(401, code, message, source_id=source_id, headers=_CHALLENGE)


def _printable(write_key: str) -> str:
    return "".join(letter for letter in hint_of(write_key) if letter.isprintable())


_CHALLENGE: Mapping[str, str] = {"WWW-Authenticate": 'Basic realm="write key"'}
