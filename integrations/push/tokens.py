"""The signed word by which a device says that a message was opened.

It carries all that is to be recorded, so that nothing has to be asked of the floor that sent it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core import signing
from django.utils.translation import gettext as _

from integrations.push.errors import PushTokenInvalid

KEPT = timedelta(days=90)
LIMIT = 4000
_SALT = "integrations.push.opened"


@dataclass(frozen=True, slots=True)
class Token:
    """Which message of whom it is, what it is about, and when it was written out."""

    message_id: int
    contact_id: int
    about: Mapping[str, Any]
    issued_at: datetime


def make(*, message_id: int, contact_id: int, about: Mapping[str, Any], at: datetime) -> str:
    """The token of a message that is written out at an instant; the second counts."""
    held = {"m": message_id, "c": contact_id, "a": dict(about), "t": int(at.timestamp())}
    return signing.Signer(salt=_SALT).sign_object(held, compress=True)


def read(text: str, *, at: datetime) -> Token:
    """What a token says. Raises PushTokenInvalid where we did not make it, or long ago."""
    try:
        if len(text) > LIMIT:
            raise signing.BadSignature
        held = signing.Signer(salt=_SALT).unsign_object(text)
    except signing.BadSignature as error:
        raise PushTokenInvalid(_("It is no token of a message that we sent.")) from error
    token = Token(held["m"], held["c"], held["a"], datetime.fromtimestamp(held["t"], UTC))
    if token.issued_at < at - KEPT:
        raise PushTokenInvalid(_("The token is too old: it was good for 90 days."))
    return token
