"""What the rules of this room refuse."""

from typing import Any

from workspace.errors import DomainError, InputInvalid, NotFound


class SourceUnknown(NotFound):
    """There is no source of that key."""

    code = "source_unknown"


class SourceInvalid(InputInvalid):
    """What was said of a source cannot be used; `problems` name each fault."""

    code = "source_invalid"


class SourceExists(DomainError):
    """Another source has the name or the key."""

    code = "source_exists"


class LastWriteKey(DomainError):
    """Without this write key the source would have none that works."""

    code = "last_write_key"


class NoWebhookSource(DomainError):
    """Only what comes to a webhook is signed."""

    code = "no_webhook_source"


class HeldEventUnknown(NotFound):
    """There is no such held event."""

    code = "held_event_unknown"


class ReplayInvalid(InputInvalid):
    """The corrections of a held event cannot be used; `problems` name each fault."""

    code = "replay_invalid"


class NothingToReplay(DomainError):
    """All of the event was used that can be; there is nothing in it to be used again."""

    code = "nothing_to_replay"


class ConnectorError(DomainError):
    """A message could not be handed over.

    `http_status` and `answer` are what the other side said, where it said anything.
    """

    code = "delivery_failed"

    def __init__(
        self, message: str, *, http_status: int | None = None, answer: str = "", **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.http_status = http_status
        self.answer = answer


class TemporaryError(ConnectorError):
    """The other side does not take it now, and may later: it is tried again."""

    code = "temporarily_unavailable"
    status = 503


class PermanentError(ConnectorError):
    """The other side will never take it: it is not tried again by itself."""

    code = "refused_by_receiver"
    status = 502
