"""How many requests a second a source may send."""

import logging
from threading import Lock
from time import monotonic, time

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import ngettext
from redis.exceptions import RedisError

from integrations.ingestion.refusals import RequestRefused

logger = logging.getLogger(__name__)

_BLOCKS = 20
_PATIENCE_SECONDS = 5.0
_lock = Lock()
# By source: the second, the requests that this process had in it, and those that all had had when
# it last asked.
_counts: dict[int, tuple[int, int, int]] = {}
_asks_again_at = 0.0


def count_request(source_id: int, *, now: float | None = None) -> None:
    """Count one request of a source. Raises RequestRefused, which says when to try again.

    Each process counts by itself and tells the others in blocks of a twentieth of the limit, so
    that a source far below the limit costs no question to the cache. So it may get through a
    twentieth more for each process. Where the cache cannot be reached, each process allows the
    limit by itself: losing events would be worse than taking more of them.
    """
    now = time() if now is None else now
    limit = settings.INGESTION_REQUESTS_PER_SECOND
    second, block = int(now), max(1, limit // _BLOCKS)
    with _lock:
        then, own, others = _counts.get(source_id, (second, 0, 0))
        if then != second:
            own = others = 0
        own += 1
        _counts[source_id] = (second, own, others)
    if own % block == 0:
        others = _told_others(source_id, second, block, own, others)
        with _lock:
            if _counts[source_id][0] == second:
                _counts[source_id] = (second, _counts[source_id][1], others)
    if own + others > limit:
        message = ngettext(
            "This source may send %(limit)d request a second. Wait, then try again.",
            "This source may send %(limit)d requests a second. Wait, then try again.",
            limit,
        )
        raise RequestRefused(
            429,
            "too_many_requests",
            message % {"limit": limit},
            source_id=source_id,
            headers={"Retry-After": "1", "X-RateLimit-Reset": "1"},
        )


def _told_others(source_id: int, second: int, block: int, own: int, known: int) -> int:
    """How many requests the other processes had in this second, after adding our own block."""
    global _asks_again_at
    if monotonic() < _asks_again_at:
        return known
    key = f"ingestion:{source_id}:{second}"
    try:
        cache.add(key, 0, timeout=10)
        return max(0, int(cache.incr(key, block)) - own)
    except ValueError:
        # It expired between the two calls: the second is long over.
        return known
    except RedisError as error:
        _asks_again_at = monotonic() + _PATIENCE_SECONDS
        logger.warning("Requests are not counted together: the cache cannot be reached: %s", error)
        return known
