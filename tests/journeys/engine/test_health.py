"""What the checkup says of journeys."""

import pytest
from django.utils import timezone

from journeys.engine import health, tick
from journeys.models import Passage
from tests.factories import HOUR, MINUTE, make_contact
from tests.journeys.engine.passages import after, drawing, enter, make_version, node

pytestmark = pytest.mark.django_db


def test_who_is_kept_waiting_is_told_by_his_journey() -> None:
    version = make_version(
        drawing([node("pause", "wait", duration=after(1, "hour"))], "start > pause")
    )
    begun = timezone.now() - HOUR - 9 * MINUTE
    enter(version, make_contact().pk, at=begun)
    tick.tick_all(as_of=begun)
    assert health.examine().is_well
    enter(version, make_contact().pk, at=begun - 2 * MINUTE)
    found = health.examine()
    assert not found.is_well
    assert "Welcome" in found.sentence
    tick.tick_all(as_of=timezone.now())
    assert health.examine().is_well


def test_who_could_not_go_on_is_told_for_a_day() -> None:
    version = make_version(drawing([node("over", "end")], "start > over"))
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    Passage.objects.create(
        version=version, hour=hour, node="over", outcome="failed", to_place=-1, count=3
    )
    assert health.examine().sentence.startswith("3 participants of running journeys")
    Passage.objects.update(hour=hour - 25 * HOUR)
    assert health.examine().is_well
