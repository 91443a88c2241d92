"""Something done beside the test, by a thread with a connection of its own."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection

from workspace.errors import DomainError


class Apart:
    """Something done in a thread with a connection of its own."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: Exception | None = None
        self._run = run
        self._thread = threading.Thread(target=self._do)
        self._thread.start()

    def _do(self) -> None:
        try:
            self.result = self._run()
        except (DomainError, DatabaseError) as error:
            self.error = error
        finally:
            connection.close()

    def join(self, timeout: float = 10) -> "Apart":
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "it hangs"
        return self

    @property
    def is_waiting(self) -> bool:
        self._thread.join(0.2)
        return self._thread.is_alive()
