"""Time zones that the database does not know, or nobody: another one counts, and it is told."""

from typing import Any

import pytest

from journeys import explaining
from journeys.checking import faults_of
from journeys.engine import tick, zones
from journeys.engine.terms import Terms
from journeys.models import Journey, Participant, Transition
from tests.factories import DAY, NOW, make_contact
from tests.journeys.engine.passages import drawing, enter, make_version, node
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
# Known to Python; the database of these tests is told to have never heard of it.
NEW = "America/Coyhaique"


@pytest.fixture(autouse=True)
def _older_database(monkeypatch: pytest.MonkeyPatch) -> None:
    known = zones.known_zones() - {NEW}
    monkeypatch.setattr(zones, "known_zones", lambda: known)


def at_nine(zone: str | None, **settings: Any) -> Any:
    until = {"time": "09:00", **({"zone": zone} if zone else {})}
    nodes = [node("morning", "wait", until=until), node("over", "end")]
    return make_version(drawing(nodes, "start > morning", "morning > over"), **settings)


def run(version: Any, contact_id: int) -> Transition:
    """The step by which the wait was over."""
    enter(version, contact_id)
    tick.tick_journey(version.journey_id, as_of=NOW)
    tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    participant = Participant.objects.get()
    assert participant.state == "done"
    return Transition.objects.get(node="morning")


def test_the_list_is_what_both_know() -> None:
    assert zones.is_known("Europe/Warsaw")
    assert not zones.is_known("posix/Europe/Warsaw")
    assert not zones.is_known(None)


def test_the_zone_of_the_workspace_counts_in_the_place_of_the_journeys(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    step = run(at_nine(None, time_zone=NEW), make_contact().pk)
    assert step.at.isoformat() == "2026-03-03T00:00:00+00:00", "nine in Tokyo"
    assert step.data == {"unknown_zone": NEW}


def test_that_of_the_journey_counts_in_the_place_of_the_contacts() -> None:
    contact = make_contact(time_zone=NEW)
    step = run(at_nine("contact", time_zone="Asia/Tokyo"), contact.pk)
    assert step.at.isoformat() == "2026-03-03T00:00:00+00:00"
    assert step.data == {"unknown_zone": NEW}
    passage = explaining.explain_participant(Participant.objects.get(), actor=SYSTEM)
    assert f"Nobody knows the time zone “{NEW}”" in passage.steps[1].sentence


@pytest.mark.parametrize("zone", ["", "Europe/Warsaw"])
def test_who_has_none_or_a_known_one_is_told_nothing(zone: str) -> None:
    step = run(at_nine("contact"), make_contact(time_zone=zone).pk)
    assert step.data is None


def test_a_condition_goes_by_another_clock_and_says_so() -> None:
    paths = [{"name": "day", "time": {"from": "00:00", "to": "", "zone": NEW}}]
    nodes = [node("hour", "condition", paths=paths), node("over", "end")]
    version = make_version(
        drawing(nodes, "start > hour", "hour day > over"), time_zone="Asia/Tokyo"
    )
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    data = Transition.objects.get(node="hour").data
    assert data is not None
    assert (data["zone"], data["unknown_zone"]) == ("Asia/Tokyo", NEW)


def test_a_zone_that_the_database_does_not_know_cannot_be_published() -> None:
    journey = Journey.objects.create(key="new", name="New", settings={"time_zone": NEW})
    faults = faults_of(journey, actor=SYSTEM, at=NOW)
    assert ("time_zone", "unknown_key") in {(one.path, one.code) for one in faults}


def test_the_terms_of_a_version_tell_which_zone_is_not_gone_by(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Warsaw"
    terms = Terms.read({"time_zone": NEW})
    assert (terms.zone.key, terms.unknown_zone) == ("Europe/Warsaw", NEW)
    assert Terms.read({}).unknown_zone == ""
