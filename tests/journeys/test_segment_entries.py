"""Who enters a journey because he entered or left a segment."""

from datetime import datetime
from typing import Any

import pytest

from contacts import merging
from contacts.models import Contact
from journeys.models import Entrance, Lane
from segments import lifecycle
from segments.models import Segment
from tests.factories import DAY, HOUR, NOW, make_contact
from tests.journeys.drawn import entrances, make_version, node
from tests.segments.factories import lives_in, make_segment, refresh
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
LATER = NOW + HOUR


def make_northerners() -> Segment:
    segment = make_segment("northerners", lives_in("Oslo"))
    refresh(segment)
    return segment


def moves_to(city: str, *people: Contact, segment: Segment, at: datetime = LATER) -> None:
    Contact.objects.filter(pk__in=[one.pk for one in people]).update(city=city)
    refresh(segment, as_of=at)


def enters(on: str = "entered", **given: Any) -> Any:
    start = node("start", "segment_entry", segment="northerners", on=on)
    return make_version(start, node("end", "end"), **given)


def test_who_enters_the_segment_enters_with_the_instant_at_which_he_did() -> None:
    segment, anna = make_northerners(), make_contact()
    enters()
    moves_to("Oslo", anna, segment=segment)
    micros = int(LATER.timestamp()) * 1_000_000
    assert entrances() == [(anna.pk, f"segment:{segment.pk}:{micros}", LATER)]
    told = Entrance.objects.get().context["entry"]
    assert (told["segment"], told["name"]) == ("northerners", "entered")


def test_who_was_in_it_before_and_who_leaves_it_does_not_enter() -> None:
    _anna, ola = make_contact(city="Oslo"), make_contact(city="Oslo")
    segment = make_northerners()
    enters()
    moves_to("Bergen", ola, segment=segment)
    assert entrances() == []


def test_where_leaving_is_the_cause_who_leaves_enters() -> None:
    anna = make_contact(city="Oslo")
    segment = make_northerners()
    enters("left")
    moves_to("Bergen", anna, segment=segment)
    assert [one[0] for one in entrances()] == [anna.pk]


def test_each_time_that_he_comes_back_is_a_cause_of_its_own() -> None:
    segment, anna = make_northerners(), make_contact()
    enters()
    for hour, city in enumerate(("Oslo", "Bergen", "Oslo"), start=1):
        moves_to(city, anna, segment=segment, at=NOW + hour * HOUR)
    assert [one[2] for one in entrances()] == [NOW + HOUR, NOW + 3 * HOUR]


def test_archiving_and_merging_move_nobody_into_a_journey() -> None:
    anna, twin = make_contact(city="Oslo"), make_contact(city="Oslo")
    segment = make_northerners()
    enters("left", key="leaving")
    enters("entered", key="entering")
    merging.merge_contacts(anna.pk, twin.pk, cause="test", actor=SYSTEM, at=LATER)
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW + DAY)
    lifecycle.archive(segment, actor=SYSTEM, at=NOW + DAY)
    assert entrances() == []


def test_closed_versions_tests_and_other_segments_let_nobody_in() -> None:
    segment, anna = make_northerners(), make_contact()
    enters(is_open=False)
    enters(key="tried", lane=Lane.TEST)
    start = node("start", "segment_entry", segment="others", on="entered")
    make_version(start, node("end", "end"), key="others")
    moves_to("Oslo", anna, segment=segment)
    assert entrances() == []
