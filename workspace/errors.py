"""The root of everything we raise on purpose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a document: where it is, its stable code, and a sentence for people."""

    path: str
    code: str
    message: str


class DomainError(Exception):
    """A rule of the product says no.

    The message may be shown to people; `code` is stable and may be compared. `status` is the
    HTTP answer that the API gives for it. `problems` name each fault where there are several.
    `is_recorded` where the refusal itself was written down, after what it is about was undone: a
    request that fails so keeps what was written.
    """

    code = "refused"
    status = 409
    is_recorded = False

    def __init__(self, message: str, *, problems: Sequence[Problem] = (), **context: Any) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        self.context = context

    @property
    def members(self) -> Mapping[str, Any]:
        """What this kind of error adds to the answer of the API, by name; nothing by default."""
        return {}


class InputInvalid(DomainError):
    """What was given cannot be used as it is; `problems` name each fault."""

    code = "invalid"
    status = 400


class NotFound(DomainError):
    """There is no such thing, or the person asking may not know of it."""

    code = "not_found"
    status = 404


class NotAllowed(DomainError):
    """The person asking lacks the permission or scope."""

    code = "not_allowed"
    status = 403


class Busy(DomainError):
    """Another run holds what is needed; trying again later may succeed."""

    code = "busy"
    status = 409
