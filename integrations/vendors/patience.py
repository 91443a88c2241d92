"""Patience with vendors: what fails for a while is asked again, within the same synchronization."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from integrations.errors import TemporaryError
from integrations.vendors.registry import SyncRun

Found = TypeVar("Found")
# Trouble of a few minutes is waited for; what lasts longer is left to the next run.
_PAUSES = (2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
# A limit that is lifted later than this is left to the next run, too.
_LONGEST = timedelta(minutes=15)
# So many times in a row a vendor may name a time at which to ask again.
_REQUESTED_LIMIT = 60


def patiently(run: SyncRun, call: Callable[[], Found]) -> Found:
    """What `call` gives, asked again after a pause where it raises TemporaryError.

    The pause is what the vendor asks for, else from 2 s to a minute. Raises the last
    TemporaryError where that does not help, Cancelled where somebody cancelled meanwhile; all other
    errors at once. Not for calls that must not be made twice.
    """
    pauses = list(_PAUSES)
    requested = 0
    while True:
        try:
            return call()
        except TemporaryError as error:
            wait = error.retry_after
            if wait is not None:
                requested += 1
                if wait > _LONGEST or requested > _REQUESTED_LIMIT:
                    raise
                pause = wait.total_seconds()
            elif pauses:
                pause = pauses.pop(0)
            else:
                raise
        pause_for(run, pause)


def pause_for(run: SyncRun, seconds: float) -> None:
    """Wait so long, in pieces, so that a cancellation is noticed within a second or two."""
    while seconds > 0:
        run.check()
        piece = min(seconds, 1.0)
        run.sleep(piece)
        seconds -= piece
    run.check()
