"""Whom time alone turned is among those who are looked for, or the document asks for everyone."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments.criteria import prepare_clock, turns_by_time
from tests.reference.criteria import holds
from tests.segments.criteria.asking import rolled_back
from tests.segments.criteria.people import add_people, make_world, read, run
from tests.segments.criteria.strategies import TICK, Case, cases

pytestmark = pytest.mark.usefixtures("definitions")

STRETCHES = [
    TICK,
    timedelta(seconds=1),
    timedelta(minutes=31),
    timedelta(hours=3),
    timedelta(days=1),
    timedelta(days=4),
    timedelta(days=33),
    timedelta(days=400),
]
# The stretch ends, begins, or lies around the instant at which the edges of the cases are.
SHARES = [0, 1, 2]


def add_members(ids: dict[int, list[int]]) -> None:
    """Write who is a member of which segment; whether there is such a segment is not asked."""
    rows = [(segment_id, number) for segment_id, found in ids.items() for number in found]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO segments_membership (segment_id, contact_id, entered_at)"
            " VALUES (%s, %s, now())",
            rows,
        )


def compare(case: Case, stretch: timedelta, share: int, meanwhile: int) -> None:
    """Hold the candidates of a stretch of time against those who turned by the reference.

    Members were written at an instant in the stretch: at its beginning, or a third or two later.
    """
    since = case.now - stretch * share / 2
    until = since + stretch
    asked_at = since + stretch * meanwhile / 3
    trees = {
        place: read(document, make_world(since, case.zone))
        for place, document in enumerate(case.documents, 100)
    }
    with rolled_back():
        ids = add_people(case.people)
        held = {
            at: {
                place: [
                    number
                    for number, person in zip(ids, case.people, strict=True)
                    if holds(document, person, make_world(at, case.zone))
                ]
                for place, document in enumerate(case.documents, 100)
            }
            for at in (asked_at, until)
        }
        add_members(held[asked_at])
        turned = prepare_clock(trees).between(since, until)
        rows = [] if turned.query is None else run(turned.query)
    assert len(set(rows)) == len(rows)
    for place, document in enumerate(case.documents, 100):
        for number in set(held[asked_at][place]) ^ set(held[until][place]):
            shown = json.dumps(document, default=str)
            assert turns_by_time(trees[place]), shown
            full = turned.needs_full.get(place)
            is_due = full is not None and full.next_at <= until
            assert (place, number) in rows or is_due, (shown, number, since, until)


_stretches = {
    "stretch": st.sampled_from(STRETCHES),
    "share": st.sampled_from(SHARES),
    "meanwhile": st.sampled_from([0, 0, 1, 2]),
}


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[*HealthCheck],
)
@given(case=cases(), **_stretches)
def test_who_turned_is_looked_for(
    case: Case, stretch: timedelta, share: int, meanwhile: int
) -> None:
    compare(case, stretch, share, meanwhile)


@pytest.mark.long
@settings(max_examples=5000, deadline=None, suppress_health_check=[*HealthCheck])
@given(case=cases(), **_stretches)
def test_who_turned_is_looked_for_whatever_chance_asks(
    case: Case, stretch: timedelta, share: int, meanwhile: int
) -> None:
    compare(case, stretch, share, meanwhile)
