"""Outcomes of one thread, kept for a moment so that many are settled by one statement."""

import logging
import threading
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from integrations import outbox
from integrations.outcomes import Outcome

logger = logging.getLogger(__name__)

# A process that is killed repeats what it sent within this time, or so many.
SECONDS = 0.5
AT_ONCE = 100


@dataclass
class Settler:
    """Keeps outcomes for half a second at most, and settles them together.

    Also while its thread waits for the next answer. Used as a context: at its end all is settled.
    """

    _kept: list[Outcome] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)
    # Nobody waits to add something while others are settled.
    _settling: Any = field(default_factory=threading.Lock)
    _timer: threading.Timer | None = None

    def __enter__(self) -> "Settler":
        return self

    def __exit__(self, *_error: object) -> None:
        self.settle()

    def add(self, *outcomes: Outcome) -> None:
        """Settle these soon."""
        with self._lock:
            self._kept += outcomes
            is_full = len(self._kept) >= AT_ONCE
            # What runs in a transaction of a caller cannot be written by another thread.
            may_wait = not is_full and self._timer is None and not connection.in_atomic_block
            if self._kept and may_wait:
                self._timer = threading.Timer(SECONDS, self._settle_late)
                self._timer.daemon = True
                self._timer.start()
        if is_full:
            self.settle()

    def settle(self) -> None:
        """Settle all of them now. What could not be is kept, and tried again at the end."""
        with self._settling:
            with self._lock:
                timer, self._timer = self._timer, None
                taken, self._kept = self._kept, []
            if timer is not None:
                timer.cancel()
            try:
                if taken:
                    outbox.settle_all(taken)
            except BaseException:
                with self._lock:
                    self._kept = taken + self._kept
                raise

    def _settle_late(self) -> None:
        try:
            self.settle()
        except Exception:
            logger.exception("Deliveries could not be settled.")
        finally:
            connection.close()
