"""What is said of a message where not all of it could be used."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Remark:
    """What of a message could not be used: where it stands, its code, a sentence, the value.

    Without `is_lost` nothing is missing in what we know: the event itself was recorded whole.
    """

    path: str
    code: str
    message: str
    value: Any = None
    is_lost: bool = True
