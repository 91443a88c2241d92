"""What push refuses."""

from workspace.errors import DomainError, InputInvalid, NotFound


class PushInvalid(InputInvalid):
    """A push message is empty or larger than push services take; `problems` name the fault."""

    code = "push_invalid"


class PushTokenInvalid(DomainError):
    """The token with which a device says that a message was opened is not ours, or too old."""

    code = "push_token_invalid"
    status = 400


class PushUnavailable(DomainError):
    """Nothing is sent to devices of this kind: the connection is missing or disabled."""

    code = "push_unavailable"


class PushKeyOutdated(DomainError):
    """The browser subscribed with a key that was changed meanwhile."""

    code = "push_key_outdated"


class PushConnectionUnknown(NotFound):
    """There is no such connection."""

    code = "push_connection_unknown"


class PushConnectionExists(DomainError):
    """There is one for this kind of device already."""

    code = "push_connection_exists"


class PushConnectionInvalid(InputInvalid):
    """What was said of a connection cannot be used; `problems` name each fault."""

    code = "push_connection_invalid"


class SubscriptionInvalid(InputInvalid):
    """What a browser or app says of itself cannot be used; `problems` name each fault."""

    code = "subscription_invalid"


class SubscriptionUnknown(NotFound):
    """There is no such subscription."""

    code = "subscription_unknown"
