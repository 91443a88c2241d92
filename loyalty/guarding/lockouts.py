"""Guessing codes must not pay: whoever names many unknown ones is locked out for a while.

Counted in the shared cache, so that it costs a request nothing but that. The limit depends on who
it is: one address of shoppers has few attempts, a program of the shop, which asks for all of them,
has many. Each further lock-out takes twice as long as the one before. A publishable key is never
locked out, for it is everybody's: what looks like a storm is noted.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from celery import current_app
from django.core.cache import cache
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError as BrokerUnreachable
from redis.exceptions import RedisError

from loyalty.errors import LockedOut

logger = logging.getLogger(__name__)

WINDOW = timedelta(minutes=10)
FIRST_LOCK = timedelta(minutes=15)
LONGEST_LOCK = timedelta(hours=24)
# After so long without a lock-out the next one is a first one again.
_MEMORY = timedelta(hours=48)
LIMITS = {"ip": 10, "contact": 10, "api_user": 300, "client_key": 100}
_NEVER_LOCKED = frozenset({"client_key"})


def require_unlocked(subjects: Iterable[str], *, at: datetime) -> None:
    """Raise LockedOut, which says when to try again, where one of the subjects is locked out."""
    try:
        locks = cache.get_many([_lock(subject) for subject in subjects])
    except RedisError as error:
        logger.warning("Lock-outs are not known: the cache cannot be reached: %s", error)
        return
    until = max((float(stamp) for stamp in locks.values()), default=0.0)
    wait = until - at.timestamp()
    if wait > 0:
        message = _("Too many codes that do not exist were tried from here. Try again later.")
        raise LockedOut(message, retry_after=max(1, round(wait)))


def note_unknown_code(subjects: Iterable[str], *, at: datetime, count: int = 1) -> None:
    """Count codes that do not exist; at the limit of a subject it is locked out, and noted.

    What is noted stays also where the transaction of the caller is rolled back.
    """
    try:
        for subject in subjects:
            _count(subject, at, count)
    except (RedisError, ValueError) as error:
        # ValueError: the counter expired between two calls.
        logger.warning("Unknown codes are not counted: %s", error)


def unlock(subject: str) -> None:
    """Let a subject in again, as if it had never been locked out."""
    cache.delete_many([_lock(subject), _counter(subject), _level(subject)])


def _count(subject: str, at: datetime, count: int) -> None:
    limit = LIMITS.get(subject.partition(":")[0])
    if limit is None:
        return
    counter = _counter(subject)
    cache.add(counter, 0, timeout=WINDOW.total_seconds())
    counted = cache.incr(counter, count)
    if counted < limit:
        return
    until = None
    if subject.partition(":")[0] not in _NEVER_LOCKED:
        until = _lock_out(subject, at)
        if until is None:
            # Another request of this moment did it.
            return
    cache.delete(counter)
    _tell(subject, counted, at, until)


def _lock_out(subject: str, at: datetime) -> datetime | None:
    level = _level(subject)
    cache.add(level, 0, timeout=_MEMORY.total_seconds())
    doublings: int = min(int(cache.get(level, 0)), 10)
    lasts = min(FIRST_LOCK * (1 << doublings), LONGEST_LOCK)
    until = at + lasts
    if not cache.add(_lock(subject), until.timestamp(), timeout=lasts.total_seconds()):
        return None
    cache.incr(level)
    cache.touch(level, timeout=_MEMORY.total_seconds())
    return until.astimezone(UTC)


def _tell(subject: str, counted: int, at: datetime, until: datetime | None) -> None:
    """Have it noted by a task: the transaction around a request that is refused is rolled back."""
    said = [subject, counted, at.isoformat(), None if until is None else until.isoformat()]
    try:
        # By name: the task imports the tables.
        current_app.send_task("loyalty.tasks.note_unknown_codes", said)
    except BrokerUnreachable as error:
        logger.warning("%s tried many unknown codes, which could not be noted: %s", subject, error)


def _lock(subject: str) -> str:
    return f"lockout:{subject}"


def _counter(subject: str) -> str:
    return f"unknown-codes:{subject}"


def _level(subject: str) -> str:
    return f"lockouts:{subject}"
