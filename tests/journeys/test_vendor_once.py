"""The update of a contact at another system is handed out once, whatever breaks in the middle."""

from collections import Counter
from contextlib import suppress
from datetime import datetime

import pytest
from django.db import transaction

from contacts.models import Contact
from integrations import outbox, sending
from integrations.models import Delivery
from integrations.sandbox.server import Fault, Response
from journeys import entrances
from journeys.engine import tick
from journeys.models import JourneyVersion, Message, Participant
from tests.factories import DAY, HOUR, MINUTE, NOW, make_contact
from tests.journeys.breaking import tick_while_it_breaks
from tests.journeys.test_vendor_act import Directory, directory, tells

__all__ = ["directory"]

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 120


class _Broken(Exception):
    """A process ends here."""


def asked(directory: Directory) -> Counter[str]:
    """How often the system was asked to change whom."""
    return Counter(one.path for one in directory.asked("/people/", "POST"))


def let_come(version: JourneyVersion, *ids: int) -> None:
    count = len(ids)
    entrances.enter_many(
        version.journey_id,
        lane=version.lane,
        contact_ids=ids,
        causes=["test:1"] * count,
        moments=[NOW] * count,
        contexts=[{"entry": {"properties": {"id": "A-7"}}}] * count,
    )


def drain(at: datetime = NOW) -> None:
    sending.drain(lambda: at)


def test_a_tick_that_is_undone_in_the_middle_hands_out_nothing(directory: Directory) -> None:
    version = tells("error")
    let_come(version, make_contact(email="anna@example.com").pk)
    with suppress(_Broken), transaction.atomic():
        tick.tick_journey(version.journey_id, as_of=NOW)
        assert Delivery.objects.count() == 1
        raise _Broken
    assert not Delivery.objects.exists()
    drain()
    assert not asked(directory)
    for _again in range(3):
        tick.tick_journey(version.journey_id, as_of=NOW + MINUTE)
        drain(NOW + HOUR)
    assert asked(directory) == {"/people/anna@example.com": 1}


def test_ticks_whose_connections_break_again_and_again_hand_out_each_once(
    directory: Directory,
) -> None:
    version = tells("error")
    Contact.objects.bulk_create(Contact(email=f"a{n}@example.com") for n in range(PEOPLE))
    let_come(version, *Contact.objects.values_list("pk", flat=True))
    tick_while_it_breaks(as_of=NOW + MINUTE, limit=10, times=15, pause=1 / 50)
    drain(NOW + HOUR)
    assert Message.objects.count() == Delivery.objects.count() == PEOPLE
    assert len(asked(directory)) == PEOPLE
    assert set(asked(directory).values()) == {1}
    tick.tick_all(as_of=NOW + DAY)
    assert {version.places[place][0] for place in _places()} == {"next"}, "nobody went by error"


def test_an_answer_that_is_lost_is_asked_for_again_and_leaves_the_same(
    directory: Directory,
) -> None:
    version = tells("error")
    let_come(version, make_contact(email="anna@example.com", first_name="Anna").pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    directory.fail_next(Fault(drop=True, is_done=True), path="/people/")
    drain()
    drain(NOW + HOUR)
    drain(NOW + DAY)
    assert asked(directory) == {"/people/anna@example.com": 2}
    bodies = {one.body for one in directory.asked("/people/", "POST")}
    assert len(bodies) == 1, "what was queued is sent again, not what holds now"
    assert directory.people == {"anna@example.com": {"FIRSTNAME": "Anna", "LASTORDER": "A-7"}}
    assert Message.objects.get().state == "sent"


def test_what_a_killed_process_had_claimed_is_sent_once_by_the_next(directory: Directory) -> None:
    version = tells()
    let_come(version, make_contact(email="anna@example.com").pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    (claimed,) = outbox.claim(due_by=NOW + HOUR, kinds=["dotdigital"], limit=5, at=NOW)
    assert claimed.key == f"message:{Message.objects.get().pk}"
    drain()
    assert not asked(directory), "its lease is not over"
    assert outbox.requeue_left(at=NOW + 2 * outbox.LEASE) == 1
    drain(NOW + HOUR)
    assert asked(directory) == {"/people/anna@example.com": 1}


def test_a_system_in_trouble_is_asked_again_and_nobody_is_handed_out_twice(
    directory: Directory,
) -> None:
    version = tells("error")
    let_come(version, *(make_contact(email=f"a{n}@example.com").pk for n in range(3)))
    tick.tick_journey(version.journey_id, as_of=NOW)
    directory.fail_next(*[Fault(Response(503, {}))] * 2, path="/people/")
    for hours in range(4):
        drain(NOW + hours * HOUR)
        tick.tick_journey(version.journey_id, as_of=NOW + hours * HOUR)
    assert Delivery.objects.count() == 3
    assert Message.objects.filter(state="sent").count() == 3
    assert len(directory.people) == 3
    assert {version.places[place][0] for place in _places()} == {"next"}


def _places() -> list[int]:
    return list(Participant.objects.values_list("place", flat=True))
