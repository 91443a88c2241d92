"""One portion of work on a journey: a short transaction that nobody else works on it beside.

The order of locks is that of all who write what belongs to contacts: recording, contacts, journey.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import transaction

from contacts.events import share_recording
from journeys.engine.course import lock_name
from workspace import locks, sql

# So many participants move at a time: fewer cost more for each, more keep others waiting longer.
PORTION = 10_000

_HOLD = "SELECT FROM contacts_contact WHERE id = ANY(%s::bigint[]) ORDER BY id FOR KEY SHARE"


@contextmanager
def portion(journey_id: int, holding: Sequence[int] = ()) -> Iterator[None]:
    """A transaction with the journey to itself, in which nobody is erased.

    Those contacts that it is `holding` are not merged either.
    """
    with transaction.atomic():
        share_recording()
        if holding:
            sql.execute(_HOLD, [sorted(set(holding))])
        locks.lock(lock_name(journey_id))
        yield
