"""How often cards are asked about from one address, by pages with a publishable key."""

from datetime import datetime, timedelta

from celery import current_app
from django.core.cache import cache
from kombu.exceptions import OperationalError as BrokerUnreachable
from redis.exceptions import RedisError

from workspace import rates

WINDOW = timedelta(minutes=10)
# So many within the window are more than a customer at the checkout needs.
LIMITS = {"validation": 60, "redemption": 20}


def note_visit(address: str, what: str, *, at: datetime) -> bool:
    """Count a “validation” or “redemption” from an address; one that does too many is noted.

    Returns whether it did. It is noted once in the window.
    """
    seconds = int(WINDOW.total_seconds())
    rate = rates.count(f"visits:{what}:{address}", limit=LIMITS[what], window_seconds=seconds)
    if not rate.is_exceeded:
        return False
    try:
        if cache.add(f"visits-told:{what}:{address}", 1, timeout=seconds):
            # By a task: the transaction around the call may be rolled back.
            said = [f"ip:{address}", what, LIMITS[what], at.isoformat()]
            current_app.send_task("loyalty.tasks.note_visits", said)
    except (RedisError, BrokerUnreachable):
        # The address goes on, and is told of the next time.
        return True
    return True
