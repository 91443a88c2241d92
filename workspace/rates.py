"""How often something may happen: counters in the shared cache, over a window that slides."""

import logging
from dataclasses import dataclass
from math import ceil
from time import time

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """What is left of a limit. `retry_after` is 0 for who is let in, else seconds to wait."""

    limit: int
    remaining: int
    retry_after: int = 0

    @property
    def is_exceeded(self) -> bool:
        """Whether this one was one too many."""
        return self.retry_after > 0


def count(name: str, *, limit: int, window_seconds: int, now: float | None = None) -> Rate:
    """Count one more of `name`, unless that is more than `limit` in the last seconds.

    Two counters make a sliding window: that of the present window of the clock, and as much of the
    one before as still lies within it. What is refused does not count. Where the counters cannot
    be reached nobody is refused.
    """
    now = time() if now is None else now
    window, elapsed = int(now // window_seconds), now % window_seconds
    try:
        present, before = (f"{name}:{window - ago}" for ago in (0, 1))
        cache.add(present, 0, timeout=2 * window_seconds)
        counted = cache.incr(present)
        earlier = int(cache.get(before, 0))
        weighed = earlier * (1 - elapsed / window_seconds) + counted
        if weighed <= limit:
            return Rate(limit, int(limit - weighed))
        cache.decr(present)
    except ValueError:
        # The counter expired between two calls: a window with so few is within limits.
        return Rate(limit, limit - 1)
    except RedisError as error:
        logger.warning("Nothing is counted: the cache cannot be reached: %s", error)
        return Rate(limit, limit)
    return Rate(limit, 0, _wait(limit, earlier, counted - 1, elapsed, window_seconds))


def _wait(limit: int, earlier: int, counted: int, elapsed: float, window: int) -> int:
    """Seconds until one more fits into the sliding window."""
    if counted < limit:
        # As the window goes on, fewer of the earlier ones count.
        needed = window * (1 - (limit - 1 - counted) / earlier) - elapsed
    else:
        needed = window - elapsed + window * (1 - (limit - 1) / counted)
    return max(1, ceil(needed))
