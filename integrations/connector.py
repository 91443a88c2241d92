"""What every way out fulfils: one message goes to the other side, and what came of it comes back.

Knows neither the database nor the clock, so that a connector can be tried by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from integrations.errors import ConnectorError


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery as it is handed over for one attempt.

    `key` is the same at every attempt: where the other side has a key of idempotency, it is that.
    `settings` and `secret` (decrypted, "" where there is none) are those of the connection,
    `recipient` is what is looked up of whom it goes to, `sent_at` is the instant of this attempt.
    """

    key: str
    kind: str
    payload: Mapping[str, Any]
    sent_at: datetime
    subject: str = ""
    contact_id: int | None = None
    connection_id: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
    recipient: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the other side said when it took a message: its own name for it, status, words."""

    reference: str = ""
    status: int | None = None
    answer: str = ""


class Connector(Protocol):
    """Speaks to one kind of other side. Used by several threads at a time."""

    def send(self, message: Message) -> Receipt:
        """Hand one message over.

        Raises TemporaryError where it may succeed later, PermanentError where it never will.
        """


@runtime_checkable
class BatchConnector(Connector, Protocol):
    """Speaks to another side that takes many messages in one call."""

    def send_many(self, messages: Sequence[Message]) -> Sequence[Receipt | ConnectorError]:
        """Hand messages of one connection over; what came of each, in their order.

        Raises TemporaryError or PermanentError where the same came of all.
        """


@runtime_checkable
class LegibleConnector(Protocol):
    """Can show people a message as the other side gets it."""

    def document_of(self, message: Message) -> Mapping[str, Any] | ConnectorError:
        """The document that is sent, without secrets; why there is none where it cannot be sent."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a vendor's system answered. `headers` by their names in lower case."""

    status: int
    text: str
    headers: Mapping[str, str]
    at: datetime


class Http(Protocol):
    """One account at a vendor's system, as its client sees it: base address, log, limits of time.

    A client writes the requests and reads the answers; what it is given here sends them, writes
    them down with secrets blanked, and knows the clock.
    """

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        seconds: float = 30.0,
        limit: int = 64_000_000,
    ) -> HttpAnswer:
        """Call `path` below the base address, or a whole address, and give any answer.

        Raises TemporaryError where nothing answered in time, or the answer breaks off or is longer
        than `limit` bytes; PermanentError for an address that we do not call.
        """

    def note_limit(
        self, scope: str, *, limit: int | None, remaining: int | None, reset_at: datetime | None
    ) -> None:
        """Write down what the vendor said of one of its limits."""

    def now(self) -> datetime:
        """The present."""
