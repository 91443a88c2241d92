"""Waits until a date of the contact: who has none, who has one that is past, whose midnight."""

from datetime import datetime
from typing import Any

import pytest

from contacts.models import Contact
from journeys.engine import tick
from journeys.models import JourneyVersion, Participant
from tests.factories import DAY, HOUR, NOW, make_attribute, make_contact
from tests.journeys.engine.passages import drawing, enter, make_version, node, steps_of

pytestmark = pytest.mark.django_db


def waiting(until: dict[str, Any] | None = None, **settings: Any) -> JourneyVersion:
    nodes = [
        node("renewal", "wait", until={"attribute": "attribute.renewal", **(until or {})}),
        node("over", "end"),
    ]
    return make_version(drawing(nodes, "start > renewal", "renewal > over"), **settings)


def having(type_: str, value: Any, **given: Any) -> int:
    make_attribute("renewal", type_)
    return make_contact(attributes={"renewal": value}, **given).pk


def woken(version: JourneyVersion, contact_id: int) -> datetime | None:
    """When the time of who comes at NOW is over."""
    enter(version, contact_id)
    tick.tick_journey(version.journey_id, as_of=NOW)
    return Participant.objects.get(contact_id=contact_id).wake_at


def test_a_date_begins_with_the_midnight_of_the_journey() -> None:
    version = waiting(time_zone="America/New_York")
    wake_at = woken(version, having("date", "2026-03-10", time_zone="Asia/Tokyo"))
    # In summer time already.
    assert wake_at == datetime.fromisoformat("2026-03-10T00:00:00-04:00")


def test_or_of_the_contact_where_that_is_asked_for() -> None:
    version = waiting({"zone": "contact"}, time_zone="America/New_York")
    wake_at = woken(version, having("date", "2026-03-10", time_zone="Asia/Tokyo"))
    assert wake_at == datetime.fromisoformat("2026-03-10T00:00:00+09:00")


def test_an_instant_is_the_same_everywhere() -> None:
    version = waiting({"zone": "contact"}, time_zone="America/New_York")
    value = "2026-03-10T09:30:00+01:00"
    wake_at = woken(version, having("datetime", value, time_zone="Asia/Tokyo"))
    assert wake_at == datetime.fromisoformat(value)


@pytest.mark.parametrize(
    ("type_", "value"), [("date", "2026-03-02"), ("datetime", "2026-03-02T11:59:59Z")]
)
def test_who_has_a_date_that_is_past_does_not_wait(type_: str, value: str) -> None:
    version = waiting(time_zone="UTC")
    assert woken(version, having(type_, value)) is None
    steps = steps_of(Participant.objects.get())
    assert [(name, (after / HOUR)) for name, _outcome, after in steps[1:]] == [
        ("renewal", 0),
        ("over", 0),
    ]


def test_who_has_no_date_does_not_wait_nor_who_has_what_is_none() -> None:
    version = waiting()
    nothing, odd = make_contact().pk, make_contact().pk
    Contact.objects.filter(pk=odd).update(attributes={"renewal": "2026-02-30"})
    for contact in (nothing, odd):
        woken(version, contact)
    assert set(Participant.objects.values_list("state", flat=True)) == {"done"}


def test_a_date_that_changes_while_somebody_waits_does_not_move_his_waking() -> None:
    version = waiting(time_zone="UTC")
    contact = having("date", "2026-03-04")
    wake_at = woken(version, contact)
    Contact.objects.filter(pk=contact).update(attributes={"renewal": "2026-03-20"})
    tick.tick_journey(version.journey_id, as_of=NOW + 2 * DAY)
    passage = Participant.objects.get()
    assert passage.state == "done"
    assert passage.transitions.get(node="renewal").at == wake_at


def test_the_end_of_the_journeys_own_time_comes_first_where_it_does() -> None:
    version = waiting(time_zone="UTC", timeout={"amount": 1, "unit": "day"})
    assert woken(version, having("date", "2026-03-10")) == NOW + DAY
    tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    assert Participant.objects.get().outcome == "timed_out"
