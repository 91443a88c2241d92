"""Who may enter, who is refused, and why."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from journeys import models
from journeys.engine import tick
from journeys.engine.admissions import admit
from journeys.models import (
    Entrance,
    JourneyVersion,
    Lane,
    Participant,
    Passage,
    Refusal,
)
from tests.factories import DAY, HOUR, MINUTE, NOW, make_contact
from tests.journeys.engine.passages import after, drawing, enter, make_version, node

pytestmark = pytest.mark.django_db

IN_OSLO = {
    "combinator": "and",
    "rules": [{"field": "contact.city", "operator": "=", "value": "Oslo"}],
}


def hour_long(**settings: object) -> JourneyVersion:
    """A journey on which everyone is for an hour."""
    document = drawing([node("pause", "wait", duration=after(1, "hour"))], "start > pause")
    return make_version(document, **settings)  # type: ignore[arg-type]


def reasons() -> list[str]:
    return list(Refusal.objects.order_by("id").values_list("reason", flat=True))


def test_nobody_is_inside_twice_at_the_same_time() -> None:
    version, one = hour_long(), make_contact()
    enter(version, one.pk)
    enter(version, one.pk, at=NOW + 59 * MINUTE, cause="event:2")
    tick.tick_journey(version.journey_id, as_of=NOW + 59 * MINUTE)
    assert Participant.objects.count() == 1
    assert reasons() == ["inside"]
    assert not Entrance.objects.exists()


def test_who_was_inside_at_the_instant_is_refused_however_late_the_tick() -> None:
    version, one = hour_long(), make_contact()
    for number, minutes in enumerate((0, 59, 60, 61)):
        enter(version, one.pk, at=NOW + minutes * MINUTE, cause=f"event:{number}")
    tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    entered = Participant.objects.order_by("id").values_list("entered_at", flat=True)
    assert list(entered) == [NOW, NOW + HOUR]
    assert reasons() == ["inside", "inside"]


def test_who_may_never_come_again_does_not() -> None:
    version, one = hour_long(re_entry="never"), make_contact()
    enter(version, one.pk)
    enter(version, one.pk, at=NOW + DAY, cause="event:2")
    tick.tick_journey(version.journey_id, as_of=NOW + 2 * DAY)
    assert reasons() == ["was_inside"]


@pytest.mark.parametrize(("hours", "enters"), [(2.99, False), (3, True)])
def test_who_may_come_again_after_two_hours_may_from_then_on(hours: float, enters: bool) -> None:
    version, one = hour_long(re_entry={"after": after(2, "hour")}), make_contact()
    enter(version, one.pk)
    enter(version, one.pk, at=NOW + timedelta(hours=hours), cause="event:2")
    tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    assert Participant.objects.count() == 1 + enters
    assert reasons() == ([] if enters else ["too_soon"])


def test_a_new_version_knows_who_is_inside_the_old_one() -> None:
    one = make_contact()
    old = hour_long()
    enter(old, one.pk)
    tick.tick_journey(old.journey_id, as_of=NOW)
    new = hour_long()
    enter(new, one.pk, make_contact().pk, cause="event:2")
    tick.tick_journey(new.journey_id, as_of=NOW)
    assert reasons() == ["inside"]
    assert Participant.objects.filter(version=new).count() == 1


def test_a_journey_has_a_beginning_and_an_end() -> None:
    version = hour_long(starts_at=NOW.isoformat(), ends_at=(NOW + DAY).isoformat())
    for seconds in (-1, 0, 86_399, 86_400):
        enter(version, make_contact().pk, at=NOW + timedelta(seconds=seconds))
    tick.tick_journey(version.journey_id, as_of=NOW + 2 * DAY)
    assert sorted(reasons()) == ["not_begun", "over"]
    assert Participant.objects.count() == 2


def test_nobody_enters_what_is_closed() -> None:
    version = hour_long()
    version.is_open = False
    version.save()
    enter(version, make_contact().pk)
    assert tick.tick_all(as_of=NOW).refused_count == 1
    assert reasons() == ["closed"]


def test_only_test_profiles_enter_a_test() -> None:
    version, one, other = hour_long(lane=Lane.TEST, state="draft"), make_contact(), make_contact()
    models.TestProfile.objects.create(contact=one)
    enter(version, one.pk, other.pk)
    tick.tick_all(as_of=NOW)
    assert Participant.objects.get().contact_id == one.pk
    assert reasons() == ["no_test_profile"]


def test_who_meets_the_exit_criteria_does_not_even_enter() -> None:
    version = hour_long(exit={"criteria": IN_OSLO})
    enter(version, make_contact(city="Oslo").pk, make_contact(city="Rome").pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    assert Participant.objects.get().contact.city == "Rome"
    assert reasons() == ["exit"]


def test_one_cause_brings_a_contact_in_once() -> None:
    version, one = hour_long(), make_contact()
    for _time in range(2):
        enter(version, one.pk)
        tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    assert Participant.objects.count() == 1
    assert reasons() == []


def test_refusals_are_counted_beside_the_entries() -> None:
    version, one = hour_long(re_entry="never"), make_contact()
    enter(version, one.pk)
    enter(version, one.pk, at=NOW + DAY, cause="event:2")
    tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    found = Passage.objects.filter(node="").values_list("outcome", "to_place", "count")
    assert sorted(found) == [("entered", 0, 1), ("refused:was_inside", -1, 1)]


def test_what_waits_for_nothing_is_over_at_once() -> None:
    version = make_version(drawing([]))
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    one = Participant.objects.get()
    assert (one.state, one.outcome, one.finished_at) == ("done", "ended", NOW)


def test_a_segment_is_read_by_a_statement_and_again_without_effect() -> None:
    version = hour_long(exit={"criteria": IN_OSLO})
    ids = [make_contact(city=city).pk for city in ("Oslo", "Rome", "Bern")]
    text = "SELECT unnest(%s::bigint[]) AS contact_id"
    for _time in range(2):
        admitted = admit(version, text, [ids], at=NOW, cause="reading:1")
    assert admitted.asked_count == 3
    assert admitted.entered_count == 0
    assert Participant.objects.count() == 2
    assert set(reasons()) == {"exit"}


def test_a_thousand_enter_in_as_many_queries_as_one() -> None:
    counts = []
    for number in (1, 300):
        version = hour_long(key=f"journey-{number}")
        enter(version, *(make_contact().pk for _one in range(number)))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            tick.tick_journey(version.journey_id, as_of=NOW + DAY)
        counts.append(len(queries))
    assert counts[0] == counts[1]
