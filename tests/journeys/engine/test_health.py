"""What the checkup says of journeys."""

import pytest
from django.utils import timezone

from journeys.engine import health, tick
from journeys.models import Participant
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
    version = make_version(
        drawing([node("pause", "wait", duration=after(1, "hour"))], "start > pause")
    )
    begun = timezone.now()
    enter(version, *(make_contact().pk for _one in range(3)), at=begun)
    tick.tick_all(as_of=begun)
    failed = Participant.objects.all()
    failed.update(state="failed", wake_at=None, finished_at=begun - 23 * HOUR)
    assert health.examine().sentence.startswith("3 participants of running journeys")
    failed.update(finished_at=begun - 25 * HOUR)
    assert health.examine().is_well


def test_a_journey_that_stands_still_is_told_with_the_reason() -> None:
    rule = {"field": "attribute.gone", "operator": "=", "value": "x"}
    paths = [{"name": "a", "criteria": {"combinator": "and", "rules": [rule]}}]
    version = make_version(drawing([node("where", "condition", paths=paths)], "start > where"))
    begun = timezone.now() - HOUR
    enter(version, make_contact().pk, at=begun)
    tick.tick_all(as_of=begun)
    found = health.examine()
    assert not found.is_well
    assert "“Welcome” stands still at “Condition”" in found.sentence
    assert "attribute.gone" in found.sentence
