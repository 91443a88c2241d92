"""The mark of this installation on what it sends, by which it knows its own where it comes back.

We tell Segment of an event, Segment tells its destinations, and one of these may be us: without the
mark each event would go round and round.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac


def origin_mark() -> str:
    """Sixteen letters, the same for as long as the secret key of the installation is."""
    return _mark(settings.SECRET_KEY)


def is_own(context: Mapping[str, Any]) -> bool:
    """Whether the context of an event says that it went out from here."""
    ours = context.get("regulars")
    return isinstance(ours, Mapping) and ours.get("origin") == origin_mark()


@lru_cache(maxsize=4)
def _mark(secret_key: str) -> str:
    return salted_hmac("regulars.origin", "", secret=secret_key).hexdigest()[:16]
