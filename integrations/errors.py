"""What the rules of this room refuse."""

from datetime import timedelta
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


class NoWebsiteSource(DomainError):
    """Only the users of a website or app are signed."""

    code = "no_website_source"


class UserHashWrong(DomainError):
    """A page says who somebody is, and what the shop's server would sign is missing or wrong."""

    code = "user_hash_wrong"
    status = 401


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

    `http_status` and `answer` are what the other side said, where it said anything, and
    `retry_after` when it wants to be asked again. With `is_perhaps_taken` the connection broke when
    the other side had it all: nobody knows whether it took the message. With `is_of_message` the
    other side works, and it is this one message, or whom it goes to, that it does not take.
    """

    code = "delivery_failed"

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        answer: str = "",
        retry_after: timedelta | None = None,
        is_perhaps_taken: bool = False,
        is_of_message: bool = False,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.http_status = http_status
        self.answer = answer
        self.retry_after = retry_after
        self.is_perhaps_taken = is_perhaps_taken
        self.is_of_message = is_of_message


class TemporaryError(ConnectorError):
    """The other side does not take it now, and may later: it is tried again."""

    code = "temporarily_unavailable"
    status = 503


class PermanentError(ConnectorError):
    """The other side will never take it: it is not tried again by itself."""

    code = "refused_by_receiver"
    status = 502


class AddressUnknown(PermanentError):
    """There is no such mailbox: nothing is written to it any more."""

    code = "address_unknown"


class AddressRefused(PermanentError):
    """It is an address that we do not call, as one of a private network."""

    code = "address_refused"


class CredentialsRejected(PermanentError):
    """The other side does not accept our credentials: nothing is tried until somebody renews them.

    It stops the connection.
    """

    code = "credentials_rejected"


class MalformedAnswer(TemporaryError):
    """The other side answered something that its documentation does not know."""

    code = "malformed_answer"


class NameTaken(PermanentError):
    """The vendor has something of that name already."""

    code = "name_taken"


class ThingMissing(PermanentError):
    """What we asked the other side about is not there (any more)."""

    code = "missing_there"


class RecipientGone(PermanentError):
    """Nobody is there any more: neither this nor anything else is sent to this address."""

    code = "recipient_gone"


class WebhookUnknown(NotFound):
    """There is no such webhook."""

    code = "webhook_unknown"


class WebhookInvalid(InputInvalid):
    """What was said of a webhook cannot be used; `problems` name each fault."""

    code = "webhook_invalid"


class WebhookDisabled(DomainError):
    """Nothing is sent to a webhook that is disabled."""

    code = "webhook_disabled"


class ConnectionUnknown(NotFound):
    """There is no such connection."""

    code = "connection_unknown"


class DeliveryUnknown(NotFound):
    """There is no such delivery."""

    code = "delivery_unknown"


class DeliveryNotFailed(DomainError):
    """Only what has failed or was cancelled is sent again by hand."""

    code = "delivery_not_failed"


class DeliveryEmpty(DomainError):
    """What it said was forgotten with the contact: there is nothing left to send."""

    code = "delivery_empty"


class TemplateUnknown(NotFound):
    """There is no template of that key."""

    code = "template_unknown"


class TemplateInvalid(InputInvalid):
    """What was said of a template cannot be used; `problems` name each fault."""

    code = "template_invalid"


class TemplateFailed(DomainError):
    """The gaps of a template could not be filled for this contact."""

    code = "template_failed"


class TemplateInUse(DomainError):
    """Something still sends the template, so that it cannot be deleted."""

    code = "template_in_use"


class WebhookInUse(DomainError):
    """Something still calls the webhook, so that it cannot be deleted."""

    code = "webhook_in_use"


class SuppressionUnknown(NotFound):
    """There is no such suppressed address."""

    code = "suppression_unknown"


class SuppressionInvalid(InputInvalid):
    """What was said of suppressed addresses cannot be used; `problems` name each fault."""

    code = "suppression_invalid"


class ProviderUnknown(NotFound):
    """There is no e-mail provider of that name."""

    code = "provider_unknown"


class MailboxUnreadable(TemporaryError):
    """The mailbox of mails that came back could not be read."""

    code = "mailbox_unreadable"


class ConnectionInvalid(InputInvalid):
    """What was said of a connection cannot be used; `problems` name each fault."""

    code = "connection_invalid"


class ConnectionStill(DomainError):
    """The connection is paused, revoked, or its credentials were refused."""

    code = "connection_not_active"


class ConnectionInUse(DomainError):
    """Something still names the connection, so that it cannot be deleted."""

    code = "connection_in_use"


class SyncRunning(DomainError):
    """Another process is at the same synchronization."""

    code = "sync_running"
