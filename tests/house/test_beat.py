"""Any number of beats may run: one sends, and another one takes over where it stopped."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config.beat import SoloScheduler
from config.celery import app

TASK = "nowhere.defined"


class Beat(SoloScheduler):
    """A beat that notes what it would send."""

    producer = None

    def __init__(self) -> None:
        self.sent: list[str] = []
        super().__init__(app)

    def send_task(self, name: str, *args: Any, **kwargs: Any) -> SimpleNamespace:
        self.sent.append(name)
        return SimpleNamespace(id="1")


def run(beat: Beat) -> int:
    """Let the beat send all that is due now; return how often it sent ours."""
    beat.sent.clear()
    while beat.tick() == 0:
        pass
    return beat.sent.count(TASK)


@pytest.fixture
def beats() -> Iterator[tuple[Beat, Beat]]:
    beats = Beat(), Beat()
    yield beats
    for beat in beats:
        beat.close()


def fall_due() -> None:
    PeriodicTask.objects.filter(task=TASK).update(last_run_at=timezone.now() - timedelta(hours=2))


@pytest.mark.django_db(transaction=True)
def test_one_of_two_beats_sends_and_the_other_takes_over(beats: tuple[Beat, Beat]) -> None:
    hourly = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.create(name="hourly", task=TASK, interval=hourly)
    fall_due()
    first, second = beats

    assert [run(first), run(second)] == [1, 0]
    first.close()
    assert run(second) == 0, "what the first one sent is not sent again"

    fall_due()
    second.close()
    assert [run(first), run(second)] == [1, 0]


@pytest.mark.django_db(transaction=True)
def test_a_beat_that_loses_its_lock_stands_by_until_it_has_it_again(
    beats: tuple[Beat, Beat],
) -> None:
    beat, _ = beats
    assert run(beat) == 0
    with connection.cursor() as cursor:
        # Of this database only: beside it other tests use the same server.
        cursor.execute(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d"
            " ON d.oid = l.database"
            " WHERE l.locktype = 'advisory' AND d.datname = current_database()"
        )
    hourly = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.create(name="hourly", task=TASK, interval=hourly)
    fall_due()
    assert [run(beat), run(beat), run(beat)] == [0, 1, 0]
