"""Whatever is killed: nobody is stuck, and each step is taken once. Real processes."""

import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from contacts.models import Contact
from journeys import following
from journeys.engine import tick
from journeys.models import Entrance, JourneyVersion, Participant, Passage, Transition
from tests.commands import command
from tests.factories import DAY, HOUR, NOW
from tests.house.test_make_run import wait_until
from tests.journeys.breaking import tick_while_it_breaks
from tests.journeys.engine.passages import after, drawing, make_version, node, standings_astray
from workspace import sql

_BROKEN = """
SELECT count(*) FROM journeys_participant p CROSS JOIN LATERAL (
  SELECT count(*) AS count, max(step) AS last FROM journeys_transition t
  WHERE t.participant_id = p.id) t
WHERE p.state <> 'done' OR t.count <> p.steps OR t.last <> p.steps
"""


def many_ways(unit: str) -> JourneyVersion:
    """Waits, a split, and an event that may be in time."""
    paths = [{"name": "a", "percent": 50}, {"name": "b", "percent": 50}]
    nodes = [
        node("first", "wait", duration=after(1, unit)),
        node("dice", "split", paths=paths),
        node("bought", "event", event="bought", timeout=after(2, unit), timeout_path=True),
        node("called", "event", event="called", timeout=after(1, unit)),
        node("over", "end"),
    ]
    edges = (
        "start > first",
        "first > dice",
        "dice a > bought",
        "dice b > called",
        "bought > called",
        "bought timeout > over",
        "called > over",
    )
    return make_version(drawing(nodes, *edges), at=timezone.now() - HOUR)


def let_come(version: JourneyVersion, count: int, *, at: datetime) -> list[int]:
    Contact.objects.bulk_create(Contact(city="Oslo") for _one in range(count))
    ids = list(Contact.objects.order_by("id").values_list("id", flat=True))
    Entrance.objects.bulk_create(
        Entrance(journey=version.journey, contact_id=pk, cause="event:1", at=at) for pk in ids
    )
    return ids


def assert_each_step_was_taken_once(count: int) -> None:
    assert Participant.objects.count() == count
    assert sql.one(_BROKEN) == 0
    assert standings_astray() == []
    counted = sum(Passage.objects.values_list("count", flat=True))
    assert counted == Transition.objects.count()


def test_a_tick_whose_connection_breaks_again_and_again_gets_done(transactional_db: None) -> None:
    version = many_ways("hour")
    let_come(version, 400, at=NOW)
    tick_while_it_breaks(as_of=NOW + DAY, limit=30, times=25, pause=1 / 30)
    assert_each_step_was_taken_once(400)


def steps() -> int:
    return Transition.objects.count()


def more_than(before: int) -> Callable[[], bool]:
    return lambda: steps() > before


@pytest.mark.long
def test_ten_kills_among_thousands_lose_nobody_and_no_step(transactional_db: None) -> None:
    version = many_ways("second")
    following.rewatch(at=timezone.now() - HOUR)
    ids = let_come(version, 20_000, at=timezone.now())
    dice = random.Random(7)
    for _kill in range(10):
        with command("run_rounds"):
            wait_until(more_than(steps()), seconds=60)
            some = dice.sample(ids, 500)
            at = timezone.now()
            record_events(
                [IncomingEvent(pk, dice.choice(["bought", "called"]), at) for pk in some],
                received_at=at,
            )
            time.sleep(dice.random())
            if dice.random() < 0.5:
                sql.lists(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
    with command("run_rounds"):
        assert wait_until(
            lambda: (
                Participant.objects.filter(state="done").count() == 20_000
                and not Entrance.objects.exists()
            ),
            seconds=300,
        )
    assert_each_step_was_taken_once(20_000)
    assert not tick.due_journeys(as_of=timezone.now() + timedelta(days=1))
