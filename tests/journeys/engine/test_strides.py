"""Two steps in one are told, counted and ended as two that are taken one by one."""

from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from journeys.engine import tick
from journeys.models import ContactJourney, JourneyVersion, Participant, Passage, Transition
from tests.factories import DAY, HOUR, NOW, make_contact
from tests.journeys.engine.passages import after, drawing, enter, make_version, node

pytestmark = pytest.mark.django_db

_NOBODY = {
    "combinator": "and",
    "rules": [{"field": "contact.city", "operator": "=", "value": "Atlantis"}],
}
_PATHS = [
    {"name": "a", "percent": 40},
    {"name": "b", "percent": 30},
    {"name": "holdout", "percent": 30},
]


def run(key: str, **settings: Any) -> JourneyVersion:
    """Thirty contacts who wait, draw their lots, end at once, wait again or come to another lot."""
    document = drawing(
        [
            node("pause", "wait", duration=after(1, "day")),
            node("dice", "split", paths=_PATHS),
            node("over", "end"),
            node("later", "wait", duration=after(1, "hour")),
        ],
        "start > pause",
        "pause > dice",
        "dice a > over",
        "dice b > later",
        "later > over",
    )
    version = make_version(document, key=key, **settings)
    contacts = [make_contact(first_name=str(number)) for number in range(30)]
    for contact in contacts:
        enter(version, contact.pk, at=NOW)
    for moment in (NOW, NOW + DAY, NOW + DAY + HOUR):
        tick.tick_all(as_of=moment)
    return version


def told(version: JourneyVersion) -> Counter[Any]:
    names = ("step", "from_place", "node", "outcome", "to_place", "cause", "at", "noticed_at")
    return Counter(Transition.objects.filter(participant__version=version).values_list(*names))


def test_all_steps_are_told_and_counted() -> None:
    version = run("quick")
    steps = told(version)
    assert sum(steps.values()) == sum(version.participants.values_list("steps", flat=True))
    counted = Counter[Any]()
    for one in Passage.objects.filter(version=version):
        counted[one.node, one.outcome, one.to_place] += one.count
    ways = Counter[Any]()
    for (_step, _from, name, outcome, to_place, *_more), count in steps.items():
        ways[name, outcome, -1 if to_place is None else to_place] += count
    assert counted == ways
    drawn = {outcome: count for (name, outcome, _to), count in counted.items() if name == "dice"}
    assert sum(drawn.values()) == 30
    assert len(drawn) == 3


def test_passages_end_where_they_would_have_ended_step_by_step() -> None:
    version = run("quick")
    ended = Participant.objects.filter(version=version, state="done", outcome="ended")
    assert ended.count() == 30
    controls = ended.filter(is_control=True).values_list("pk", flat=True)
    held_out = Transition.objects.filter(outcome="holdout").values_list("participant", flat=True)
    assert set(controls) == set(held_out) != set()
    assert ContactJourney.objects.filter(is_inside=False, finished_at__isnull=False).count() == 30
    over = Transition.objects.get(node="over", participant=ended.exclude(is_control=True)[0])
    assert over.participant.place == over.from_place, "at the end"


def test_both_steps_are_of_the_instant_that_was_due() -> None:
    version = run("quick")
    for participant in version.participants.all()[:5]:
        instants = dict(participant.transitions.values_list("node", "at"))
        assert instants["pause"] == instants["dice"] == NOW + DAY


def test_with_exit_criteria_each_step_is_asked_for_and_told_alike() -> None:
    # The lots of a contact differ by the journey: what is compared are the sorts of steps.
    quick, slow = (run(key, **more) for key, more in (("quick", {}), ("slow", _exits())))
    assert {step[:5] for step in told(quick)} == {step[:5] for step in told(slow)}


def _exits() -> dict[str, Any]:
    return {"exit": {"criteria": _NOBODY}}


def test_who_comes_to_an_end_is_written_once() -> None:
    version = make_version(
        drawing(
            [node("pause", "wait", duration=after(1, "day")), node("over", "end")],
            "start > pause",
            "pause > over",
        )
    )
    enter(version, make_contact().pk, at=NOW)
    tick.tick_all(as_of=NOW)
    with CaptureQueriesContext(connection) as asked:
        ticked = tick.tick_all(as_of=NOW + DAY)
    writing = [one for one in asked.captured_queries if "UPDATE journeys_participant" in one["sql"]]
    assert (len(writing), ticked.moved_count, ticked.ended_count) == (1, 2, 1)
