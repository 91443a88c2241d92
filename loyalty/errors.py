"""What the rules of this room refuse."""

from workspace.errors import DomainError, InputInvalid, NotFound


class MemberInvalid(InputInvalid):
    """What was said of a member cannot be used; `problems` name each fault."""

    code = "member_invalid"


class LockedOut(DomainError):
    """Too many unknown codes came from here; `retry_after` seconds later it is let in again."""

    code = "too_many_unknown_codes"
    status = 429


class Blocked(DomainError):
    """Somebody was blocked for suspicious activity: he gets no cards and pays with none."""

    code = "blocked"
    status = 403


class SuspicionUnknown(NotFound):
    """There is no such suspicion."""

    code = "suspicion_unknown"


class SubjectInvalid(InputInvalid):
    """It is not said who is to be blocked, or nobody is called so."""

    code = "subject_invalid"
