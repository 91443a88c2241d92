"""Who is told when contacts move between segments, in the transaction that moves them.

Every way to move contacts announces it here: full refreshes, archiving, merges and the rounds that
follow contacts. What moved stands in the log under the segment and the instant.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

# A segment's id and the instant at which the log has its moves.
Moved = tuple[int, datetime]
# Reads `segments_membershipchange` at these and writes what follows from it, set by set.
Consume = Callable[[Sequence[Moved]], None]
_consumers: dict[str, Consume] = {}


def register_consumer(name: str, consume: Consume) -> None:
    """Have `consume` called inside each transaction that moves contacts. May be called again.

    What it raises undoes the move, so it only leaves work for others.
    """
    _consumers[name] = consume


def unregister_consumer(name: str) -> None:
    """Tell `name` no more."""
    _consumers.pop(name, None)


def announce(moved: Sequence[Moved]) -> None:
    """Tell all consumers what has just been written into the log."""
    if not moved:
        return
    for consume in _consumers.values():
        consume(moved)
