"""One portion of work on a journey: a short transaction that nobody else works on it beside.

The order of locks is that of all who write what belongs to contacts: recording, contacts, journey.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import transaction

from contacts.events import share_recording
from journeys.engine.course import lock_name
from workspace import locks, sql

# So many participants move at a time: fewer cost more for each, more keep others waiting longer.
PORTION = 10_000

_HOLD_THESE = (
    "SELECT count(*) FROM (SELECT FROM contacts_contact WHERE id = ANY(%s::bigint[])"
    " ORDER BY id FOR KEY SHARE) held"
)
_HOLD = """
SELECT count(*) FROM (
  SELECT FROM contacts_contact c JOIN ({given}) given ON given.contact_id = c.id
  ORDER BY c.id FOR KEY SHARE OF c) held
"""


# What people change with a journey, by which a tick sees that it has to begin anew.
_MARK = """
SELECT j.state || array(
  SELECT v.id || CASE WHEN v.is_open THEN ' open' ELSE '' END FROM journeys_journeyversion v
  WHERE v.journey_id = j.id AND v.ended_at IS NULL ORDER BY v.id)::text
FROM journeys_journey j WHERE j.id = %s
"""


class Changed(Exception):
    """The journey is not what it was when its tick began: paused, stopped, published anew."""


_mark = ContextVar[str | None]("journeys_portion_mark", default=None)
_is_alone = ContextVar("journeys_portion_is_alone", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """Have portions lock nothing meanwhile: for who works on tables that nobody else sees."""
    before = _is_alone.set(True)
    try:
        yield
    finally:
        _is_alone.reset(before)


def mark_of(journey_id: int) -> str | None:
    """The state of a journey and of its versions, to see whether they change."""
    found: str | None = sql.one(_MARK, [journey_id])
    return found


@contextmanager
def unless_changed(mark: str | None) -> Iterator[None]:
    """Have portions raise Changed meanwhile where the mark of their journey is another one."""
    before = _mark.set(mark)
    try:
        yield
    finally:
        _mark.reset(before)


@contextmanager
def portion(
    journey_id: int,
    holding: Sequence[int] = (),
    *,
    holding_those: tuple[str, Mapping[str, Any]] | None = None,
) -> Iterator[None]:
    """A transaction with the journey to itself, in which nobody is erased.

    Those contacts that it is `holding` are not merged either; or those whose `contact_id` a SELECT
    gives. Raises Changed, see `unless_changed`.
    """
    with transaction.atomic():
        if _is_alone.get():
            yield
            return
        share_recording()
        if holding:
            sql.execute(_HOLD_THESE, [list(holding)])
        if holding_those is not None:
            given, params = holding_those
            sql.execute(_HOLD.format(given=given), params)
        locks.lock(lock_name(journey_id))
        mark = _mark.get()
        if mark is not None and mark != mark_of(journey_id):
            raise Changed
        yield
