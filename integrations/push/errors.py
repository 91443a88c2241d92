"""What push refuses."""

from workspace.errors import DomainError, InputInvalid


class PushInvalid(InputInvalid):
    """A push message is empty or larger than push services take; `problems` name the fault."""

    code = "push_invalid"


class PushTokenInvalid(DomainError):
    """The token with which a device says that a message was opened is not ours, or too old."""

    code = "push_token_invalid"
    status = 400
