"""How many requests a minute an API user may send."""

from django.utils.translation import ngettext

from workspace import rates
from workspace.errors import DomainError
from workspace.models import ApiUser
from workspace.rates import Rate

_WINDOW_SECONDS = 60


class TooManyRequests(DomainError):
    """The API user has used up its requests of the minute."""

    code = "too_many_requests"
    status = 429


def count_request(api_user: ApiUser, *, now: float | None = None) -> Rate:
    """Count one request of an API user; returns what is left of the minute.

    Raises TooManyRequests, which says when to try again. Requests that are refused do not count.
    """
    limit = api_user.requests_per_minute
    rate = rates.count(
        f"requests:{api_user.pk}", limit=limit, window_seconds=_WINDOW_SECONDS, now=now
    )
    if not rate.is_exceeded:
        return rate
    raise TooManyRequests(
        ngettext(
            "This key may send %(limit)d request a minute. Wait, then try again.",
            "This key may send %(limit)d requests a minute. Wait, then try again.",
            limit,
        )
        % {"limit": limit},
        retry_after=rate.retry_after,
        limit=limit,
    )
