"""How many requests a minute an API user may send."""

import logging
from math import ceil
from time import time

from django.core.cache import cache
from django.utils.translation import ngettext
from redis.exceptions import RedisError

from workspace.errors import DomainError
from workspace.models import ApiUser

logger = logging.getLogger(__name__)

_WINDOW = 60


class TooManyRequests(DomainError):
    """The API user has used up its requests of the minute."""

    code = "too_many_requests"
    status = 429


def count_request(api_user: ApiUser, *, now: float | None = None) -> None:
    """Count one request of an API user. Raises TooManyRequests, which says when to try again.

    Two counters make a sliding minute: that of the present clock minute, and as much of the one
    before as still lies within the last sixty seconds. Requests that are refused do not count.
    Where the counters cannot be reached nobody is refused.
    """
    now = time() if now is None else now
    limit = api_user.requests_per_minute
    minute, elapsed = int(now // _WINDOW), now % _WINDOW
    try:
        present, before = (f"requests:{api_user.pk}:{minute - ago}" for ago in (0, 1))
        cache.add(present, 0, timeout=2 * _WINDOW)
        count = cache.incr(present)
        earlier = int(cache.get(before, 0))
        if earlier * (1 - elapsed / _WINDOW) + count <= limit:
            return
        cache.decr(present)
    except ValueError:
        # The counter expired between two calls: a minute with so few requests is within limits.
        return
    except RedisError as error:
        logger.warning("Requests are not counted: the cache cannot be reached: %s", error)
        return
    raise TooManyRequests(
        ngettext(
            "This key may send %(limit)d request a minute. Wait, then try again.",
            "This key may send %(limit)d requests a minute. Wait, then try again.",
            limit,
        )
        % {"limit": limit},
        retry_after=_wait(limit, earlier, count - 1, elapsed),
    )


def _wait(limit: int, earlier: int, count: int, elapsed: float) -> int:
    """Seconds until one more request fits into the sliding minute."""
    if count < limit:
        # As the minute goes on, fewer of the earlier requests count.
        needed = _WINDOW * (1 - (limit - 1 - count) / earlier) - elapsed
    else:
        needed = _WINDOW - elapsed + _WINDOW * (1 - (limit - 1) / count)
    return max(1, ceil(needed))
