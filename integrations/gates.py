"""The last moment before something is sent: whether it still may be.

The floors above and this one register gates. Who sends asks them about each batch that was claimed,
so that what a contact withdrew a second ago counts, whichever room wrote the message.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from integrations.models import Delivery


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a delivery is not sent: a word for programs, and a sentence."""

    reason: str
    message: str


# By delivery; those that may be sent are not named. One query for all, or a few.
Check = Callable[[Sequence[Delivery], datetime], Mapping[int, Stop]]
_gates: dict[str, tuple[frozenset[str], Check]] = {}


def register_gate(name: str, check: Check, *, kinds: Sequence[str]) -> None:
    """Have `check` asked about what goes over connections of these kinds. May be called again.

    The gate that was registered first gives the reason where several hold something back.
    """
    _gates[name] = (frozenset(kinds), check)


def stops(batch: Sequence[Delivery], *, at: datetime) -> dict[int, Stop]:
    """What must not be sent among deliveries of one connection, and why."""
    found: dict[int, Stop] = {}
    for kinds, check in _gates.values():
        asked = [one for one in batch if one.connection.kind in kinds and one.pk not in found]
        if asked:
            found.update(check(asked, at))
    return found
