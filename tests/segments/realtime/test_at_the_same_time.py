"""Rounds beside full refreshes, erasures, changes of segments, and processes that die."""

import time
from random import Random
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from contacts import touches
from contacts.erasure import erase_contact
from contacts.models import Contact
from segments import lifecycle, membership, moves
from segments.models import Following, MembershipChange, Segment
from segments.realtime import audit, clock, following, state
from tests.segments.apart import Apart
from tests.segments.conftest import Gate
from tests.segments.factories import (
    NOW,
    holds,
    is_in,
    lives_in,
    make_contacts,
    make_segment,
    member_ids,
    refresh,
)
from workspace import locks, sql
from workspace.access import SYSTEM
from workspace.models import Job

pytestmark = pytest.mark.django_db(transaction=True)
_PARIS, _WARSAW = {"city": "Paris"}, {"city": "Warszawa"}


def _gated(gate: Gate, key: str = "poles") -> Segment:
    """A segment in real time whose full refresh stands before the gate."""
    return make_segment(key, holds(gate.field, lives_in("Warszawa")), refresh_mode="realtime")


def _follow() -> None:
    while following.follow(timezone.now()):
        pass


@pytest.mark.parametrize("is_first", [True, False])
def test_who_is_touched_while_a_full_refresh_computes_is_asked_after_it(
    gate: Gate, is_first: bool
) -> None:
    ania, bartek = make_contacts("Warszawa", "Paris")
    segment = _gated(gate)
    if not is_first:
        refresh(segment)
    _follow()
    with gate.closed():
        run = Apart(lambda: refresh(segment))
        gate.wait_until_reached()
        Contact.objects.filter(pk=ania).update(**_PARIS)
        Contact.objects.filter(pk=bartek).update(**_WARSAW)
        _follow()
        assert touches.waiting_count(limit=1) == 0
        assert state.owing_segments() == {segment.pk}
        assert member_ids(segment) == (set() if is_first else {ania})
    assert run.join().error is None
    # As it was when the refresh began to read.
    assert member_ids(segment) == {ania}
    _follow()
    assert member_ids(segment) == {bartek}
    assert state.owing_segments() == set()
    causes = MembershipChange.objects.filter(segment=segment).exclude(cause="test")
    assert set(causes.values_list("contact_id", "cause")) == {
        (ania, "contact"),
        (bartek, "contact"),
    }


def test_who_depends_on_a_segment_that_is_being_written_is_asked_when_it_is_not(gate: Gate) -> None:
    ania, bartek = make_contacts("Paris", "Warszawa")
    base = make_segment("base", refresh_mode="realtime")
    top = make_segment("top", holds(gate.field, is_in("base")), refresh_mode="realtime")
    refresh(base)
    refresh(top)
    _follow()
    with gate.closed():
        run = Apart(lambda: refresh(top))
        gate.wait_until_reached()
        Contact.objects.filter(pk=ania).update(**_WARSAW)
        _follow()
        assert (member_ids(base), member_ids(top)) == ({ania, bartek}, {bartek})
    assert run.join().error is None
    _follow()
    assert member_ids(top) == {ania, bartek}
    assert MembershipChange.objects.get(segment=top, contact=ania).cause == "segment:base"


def test_a_change_of_everyone_while_a_full_refresh_computes_asks_for_another(gate: Gate) -> None:
    make_contacts("Warszawa")
    segment = _gated(gate)
    with gate.closed():
        run = Apart(lambda: refresh(segment))
        gate.wait_until_reached()
        touches.touch_everyone(["contact"])
        sql.execute("UPDATE contacts_touch SET at = %s", [NOW])
        _follow()
    assert run.join().error is None
    assert Following.objects.get().stale_since is not None
    segment.refresh_from_db()
    assert segment.refresh_requested_at is not None
    refresh(segment)
    assert Following.objects.get().stale_since is None


def test_other_criteria_while_a_full_refresh_computes_are_not_followed_by_the_old_ones(
    gate: Gate,
) -> None:
    ania, _bartek = make_contacts("Paris", "Warszawa")
    segment = _gated(gate)
    with gate.closed():
        run = Apart(lambda: refresh(segment))
        gate.wait_until_reached()
        lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=lives_in("Paris"))
    assert run.join().error is None
    assert not Following.objects.exists()
    refresh(segment)
    assert member_ids(segment) == {ania}
    assert Following.objects.exists()


def test_a_segment_that_is_archived_while_somebody_is_touched_stays_empty(gate: Gate) -> None:
    make_contacts("Paris")
    segment = make_segment(refresh_mode="realtime")
    refresh(segment)
    Contact.objects.update(**_WARSAW)
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    with transaction.atomic():
        lifecycle.archive(segment, actor=SYSTEM, at=NOW)
        # Before it is committed: whoever follows does not wait for it.
        assert Apart(_follow).join().error is None
    _follow()
    assert member_ids(segment) == set()


def test_only_one_follows_at_a_time() -> None:
    make_contacts("Paris")
    segment = make_segment(refresh_mode="realtime")
    refresh(segment)
    Contact.objects.update(**_WARSAW)
    with transaction.atomic():
        locks.lock(state.LOCK)
        assert Apart(_follow).join().error is None
        assert Apart(lambda: clock.tick(timezone.now())).join().error is None
    assert member_ids(segment) == set()
    _follow()
    assert len(member_ids(segment)) == 1


def test_a_process_that_dies_in_the_middle_leaves_all_as_it_was() -> None:
    make_contacts("Paris")
    segment = make_segment(refresh_mode="realtime")
    refresh(segment)
    _follow()
    Contact.objects.update(**_WARSAW)

    def die(moved: Any) -> None:
        # At the last moment: what was written is gone with the connection.
        sql.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    moves.register_consumer("test", die)
    try:
        assert Apart(_follow).join().error is not None
    finally:
        moves.unregister_consumer("test")
    assert (member_ids(segment), touches.waiting_count(limit=9)) == (set(), 1)
    _follow()
    segment.refresh_from_db()
    assert segment.member_count == len(member_ids(segment)) == 1


def test_nobody_is_erased_into_a_segment() -> None:
    (ania,) = make_contacts("Paris")
    segment = make_segment(refresh_mode="realtime")
    refresh(segment)
    Contact.objects.update(**_WARSAW)
    held, go_on = Event(), Event()

    def erase() -> None:
        with transaction.atomic():
            erase_contact(ania, actor=SYSTEM, at=timezone.now())
            held.set()
            assert go_on.wait(5)

    eraser = Apart(erase)
    assert held.wait(5)
    follower = Apart(_follow)
    assert follower.is_waiting
    go_on.set()
    assert (eraser.join().error, follower.join().error) == (None, None)
    _follow()
    assert member_ids(segment) == set()
    assert not MembershipChange.objects.exists()


def test_full_refreshes_rounds_and_changes_side_by_side_end_right() -> None:
    people = make_contacts(*["Paris"] * 12)
    base = make_segment("base", refresh_mode="realtime")
    top = make_segment("top", is_in("base"), refresh_mode="realtime")
    once = make_segment("once")
    over = make_segment("over", is_in("once"), refresh_mode="realtime")
    for segment in (base, top, once, over):
        refresh(segment)
    Job.objects.all().delete()
    until = time.monotonic() + 1.5

    def change(seed: int) -> None:
        rng = Random(seed)
        while time.monotonic() < until:
            among = rng.sample(people, 3)
            with transaction.atomic():
                found = Contact.objects.filter(pk__in=among).order_by("pk").select_for_update()
                held = [contact.pk for contact in found]
                Contact.objects.filter(pk__in=held).update(city=rng.choice(("Paris", "Warszawa")))

    def recompute() -> None:
        while time.monotonic() < until:
            for segment in (base, top, once):
                membership.refresh(segment.pk, as_of=timezone.now(), cause="full", wait=True)

    def look() -> None:
        while time.monotonic() < until:
            following.follow(timezone.now())
            clock.tick(timezone.now())

    runs = [Apart(lambda seed=seed: change(seed)) for seed in (1, 2)]  # type: ignore[misc]
    runs += [Apart(recompute), Apart(look), Apart(look)]
    assert [run.join(30).error for run in runs] == [None] * 5
    refresh(once, as_of=timezone.now())
    _follow()
    right = set(Contact.objects.filter(city="Warszawa").values_list("pk", flat=True))
    for segment in Segment.objects.all():
        assert member_ids(segment) == right, segment.key
        assert segment.member_count == len(right), segment.key
    assert not [one for one in audit.audit_all(at=timezone.now()) if one.is_wrong]
    assert connection.is_usable()
