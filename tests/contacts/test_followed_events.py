"""Those who follow events are handed each one once, in the transaction in which they act on it."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection, transaction

from contacts import event_notes, followed_events
from contacts.erasure import erase_contact
from contacts.events import IncomingEvent, record_events
from contacts.followed_events import FollowedEvent, follow_events, register_follower, watch
from contacts.merging import merge_contacts
from contacts.models import Event, EventDefinition, Tag
from tests.factories import make_contact
from workspace import rounds
from workspace.access import SYSTEM

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.django_db


class Follower:
    """Remembers what it was handed; stumbles over the message ids of `poison`."""

    def __init__(self) -> None:
        self.handed: list[FollowedEvent] = []
        self.poison: set[str] = set()
        self.error: Exception = ValueError("no such thing")

    def __call__(self, events: Sequence[FollowedEvent], at: datetime) -> None:
        if any(event.message_id in self.poison for event in events):
            raise self.error
        self.handed += events
        # What it writes is undone where the transaction fails.
        Tag.objects.bulk_create(
            [Tag(key=f"t_{event.message_id}", label="t") for event in events],
            ignore_conflicts=True,
        )

    @property
    def told(self) -> list[tuple[int, str]]:
        return [(event.contact_id, event.message_id) for event in self.handed]


@pytest.fixture
def follower(monkeypatch: pytest.MonkeyPatch) -> Follower:
    made = Follower()
    monkeypatch.setattr("contacts.followed_events._followers", {})
    monkeypatch.setattr("workspace.rounds._rounds", {})
    register_follower("test", made)
    watch("test", ["purchase"])
    return made


def buy(contact_id: int, *message_ids: str, name: str = "purchase", at: datetime = NOW) -> None:
    told = [IncomingEvent(contact_id, name, at, {"amount": 7}, one) for one in message_ids]
    assert not record_events(told, received_at=NOW).rejected


def follow(name: str = "test") -> None:
    while follow_events(name, NOW):
        pass


def test_events_are_handed_over_in_their_order_once_and_with_what_they_say(
    follower: Follower,
) -> None:
    anna = make_contact().pk
    buy(anna, "m2", "m1")
    buy(anna, "m1")
    buy(anna, "v1", name="visit")
    follow()
    follow()
    assert sorted(follower.told) == [(anna, "m1"), (anna, "m2")]
    first = follower.handed[0]
    definition = EventDefinition.objects.get(name="purchase")
    assert (first.name, first.occurred_at) == ("purchase", NOW)
    assert (first.properties, first.definition_id) == ({"amount": 7}, definition.pk)


def test_what_came_before_it_was_wanted_or_after_is_not_handed_over(follower: Follower) -> None:
    anna = make_contact().pk
    buy(anna, "v1", name="visit")
    watch("test", ["visit"])
    buy(anna, "m1")
    buy(anna, "v2", name="visit")
    watch("test", [])
    buy(anna, "v3", name="visit")
    follow()
    assert follower.told == [(anna, "v2")]


def test_each_follower_has_a_round_and_is_handed_its_own(follower: Follower) -> None:
    other = Follower()
    register_follower("other", other)
    watch("other", ["purchase", "visit"])
    names = [one.name for one in rounds.registered_rounds()]
    assert names == ["follower:other", "follower:test"]
    anna = make_contact().pk
    other.poison = {"m1"}
    buy(anna, "m1")
    follow("other")
    follow("test")
    assert (follower.told, other.told) == ([(anna, "m1")], [])


def test_a_portion_is_handed_over_at_a_time(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contacts.followed_events.PORTION", 2)
    buy(make_contact().pk, "m1", "m2", "m3")
    assert [follow_events("test", NOW) for _ in range(3)] == [True, True, False]
    assert len(follower.handed) == 3


def test_an_event_over_which_a_follower_stumbles_is_set_aside_alone(follower: Follower) -> None:
    anna = make_contact().pk
    follower.poison = {"m3"}
    buy(anna, *(f"m{number}" for number in range(9)))
    follow()
    assert len(set(follower.told)) == len(follower.told) == 8
    assert Tag.objects.filter(key__startswith="t_").count() == 8
    (aside,) = followed_events.set_aside_events()
    assert (aside.message_id, aside.reason) == ("m3", "ValueError: no such thing")
    finding = followed_events.examine_followers()
    assert not finding.is_well
    assert "test" in finding.sentence


def test_what_was_set_aside_can_be_brought_back(follower: Follower) -> None:
    anna = make_contact().pk
    follower.poison = {"m1"}
    buy(anna, "m1")
    follow()
    told = StringIO()
    call_command("retry_followed_events", "--list", stdout=told)
    assert "no such thing" in told.getvalue()
    follower.poison.clear()
    call_command("retry_followed_events", "test", stdout=StringIO())
    follow()
    assert follower.told == [(anna, "m1")]
    assert followed_events.examine_followers().is_well
    with pytest.raises(CommandError, match="Nobody follows events as tset"):
        call_command("retry_followed_events", "tset")


def test_what_passes_by_itself_sets_nothing_aside(follower: Follower) -> None:
    buy(make_contact().pk, "m1")
    follower.poison, follower.error = {"m1"}, OperationalError("the server is gone")
    with pytest.raises(OperationalError):
        follow_events("test", NOW)
    follower.poison = set()
    follow()
    assert len(follower.handed) == 1
    assert not followed_events.set_aside_events()


def test_events_that_are_no_more_are_not_handed_over(follower: Follower) -> None:
    anna, ben = make_contact().pk, make_contact().pk
    buy(anna, "m1")
    buy(ben, "m2", "m3")
    erase_contact(anna, actor=SYSTEM, at=NOW)
    Event.objects.filter(message_id="m2").delete()
    follow()
    assert follower.told == [(ben, "m3")]


def test_an_erased_contact_leaves_nothing_that_was_set_aside(follower: Follower) -> None:
    anna = make_contact().pk
    follower.poison = {"m1"}
    buy(anna, "m1")
    follow()
    erase_contact(anna, actor=SYSTEM, at=NOW)
    assert followed_events.set_aside_events() == []


def test_what_two_did_who_became_one_is_told_of_the_survivor_once(follower: Follower) -> None:
    anna, ben = make_contact().pk, make_contact().pk
    buy(ben, "told")
    follow()
    watch("test", [])
    buy(ben, "before")
    watch("test", ["purchase"])
    buy(anna, "both")
    buy(ben, "both", "queued")
    follower.poison = {"aside"}
    buy(ben, "aside")
    with transaction.atomic():
        merge_contacts(anna, ben, actor=SYSTEM, at=NOW, cause="test")
    follow()
    assert sorted(follower.told) == [(anna, "both"), (anna, "queued"), (ben, "told")]
    assert [one.contact_id for one in followed_events.set_aside_events()] == [anna]


@pytest.mark.django_db(transaction=True)
def test_two_rounds_at_once_hand_each_event_over_once(follower: Follower) -> None:
    anna = make_contact().pk
    buy(anna, *(f"m{number}" for number in range(50)))
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for _ in range(20):
            follow_events("test", NOW)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    follow()
    assert sorted(follower.told) == sorted({(anna, f"m{number}") for number in range(50)})
    assert event_notes.waiting_count("test", limit=1) == 0
