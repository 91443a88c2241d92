"""Conditions, splits, ends; and what acts."""

from collections import Counter

import pytest

from contacts.models import AttributeDefinition, Contact
from journeys.engine import cohort, goals, tick
from journeys.engine.cohort import Acted, Cohort, register_act
from journeys.models import Journey, JourneyVersion, Participant, Transition
from journeys.standstills import standstills
from tests.factories import DAY, HOUR, MINUTE, NOW, make_contact
from tests.journeys.engine.passages import (
    after,
    drawing,
    enter,
    make_version,
    node,
    signal,
    steps_of,
)

pytestmark = pytest.mark.django_db


def lives_in(city: str) -> dict[str, object]:
    return {
        "combinator": "and",
        "rules": [{"field": "contact.city", "operator": "=", "value": city}],
    }


def choosing(*edges: str, otherwise: bool = True) -> JourneyVersion:
    paths = [
        {"name": "north", "criteria": lives_in("Oslo")},
        {
            "name": "cold",
            "criteria": {
                "combinator": "or",
                "rules": [
                    *lives_in("Oslo")["rules"],
                    *lives_in("Bern")["rules"],  # type: ignore[misc]
                ],
            },
        },
    ]
    nodes = [
        node("where", "condition", paths=paths, **({"else": True} if otherwise else {})),
        *(node(name, "end") for name in ("one", "two", "three")),
    ]
    return make_version(drawing(nodes, "start > where", *edges))


def outcomes(node_id: str) -> dict[int, str]:
    found = Transition.objects.filter(node=node_id)
    return dict(found.values_list("participant__contact_id", "outcome"))


def test_the_first_path_that_holds_is_taken_and_others_go_by_else() -> None:
    version = choosing("where north > one", "where cold > two", "where else > three")
    oslo, bern, rome = (make_contact(city=city).pk for city in ("Oslo", "Bern", "Rome"))
    enter(version, oslo, bern, rome)
    tick.tick_journey(version.journey_id, as_of=NOW)
    assert outcomes("where") == {oslo: "north", bern: "cold", rome: "else"}
    assert outcomes("one").keys() == {oslo}


def test_without_a_path_for_others_the_journey_is_over_for_them() -> None:
    version = choosing("where north > one", otherwise=False)
    enter(version, make_contact(city="Rome").pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    one = Participant.objects.get()
    assert (one.state, one.outcome) == ("done", "ended")
    assert steps_of(one)[-1][:2] == ("where", "next")


def test_where_criteria_became_wrong_people_wait_until_they_are_mended() -> None:
    rule = {"field": "attribute.gone", "operator": "=", "value": "x"}
    paths = [{"name": "a", "criteria": {"combinator": "and", "rules": [rule]}}]
    version = make_version(drawing([node("where", "condition", paths=paths)], "start > where"))
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    one = Participant.objects.get()
    assert (one.state, one.steps) == ("ready", 1)
    (still,) = standstills()
    assert (still.node, still.where, still.version) == ("where", "Condition", 1)
    assert "attribute.gone" in still.problem
    AttributeDefinition.objects.create(key="gone", label="Gone", type="text")
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    one.refresh_from_db()
    assert (one.state, one.outcome) == ("done", "ended")
    assert standstills() == []


def test_exit_criteria_that_became_wrong_hold_everyone_and_others_go_on() -> None:
    rule = {"field": "attribute.gone", "operator": "=", "value": "x"}
    exits = {"criteria": {"combinator": "and", "rules": [rule]}}
    nodes = [node("pause", "wait", duration=after(1, "hour"))]
    version = make_version(drawing(nodes, "start > pause"), exit=exits, goal=exits)
    other = make_version(drawing(nodes, "start > pause"), key="other")
    enter(version, make_contact().pk)
    enter(other, make_contact().pk)
    tick.tick_all(as_of=NOW)
    goals.ask_all(NOW)
    assert Participant.objects.get().version == other
    assert [still.path for still in standstills()] == ["exit.criteria", "goal.criteria"]
    AttributeDefinition.objects.create(key="gone", label="Gone", type="text")
    tick.tick_all(as_of=NOW + HOUR)
    one = Participant.objects.get(version=version)
    # As of when it was due.
    assert (one.entered_at, one.finished_at) == (NOW, NOW + HOUR)


def splitting() -> JourneyVersion:
    paths = [{"name": "a", "percent": 70}, {"name": "holdout", "percent": 30}]
    return make_version(drawing([node("dice", "split", paths=paths)], "start > dice"))


def test_a_split_parts_people_by_its_percents_and_knows_the_control_group() -> None:
    version = splitting()
    enter(version, *(make_contact().pk for _one in range(200)))
    tick.tick_journey(version.journey_id, as_of=NOW)
    counted = Counter(outcomes("dice").values())
    assert 120 <= counted["a"] <= 160
    assert Participant.objects.filter(is_control=True).count() == counted["holdout"]


def test_a_split_is_the_same_for_a_contact_each_time_and_in_each_version() -> None:
    version = splitting()
    contacts = [make_contact().pk for _one in range(20)]
    enter(version, *contacts)
    tick.tick_journey(version.journey_id, as_of=NOW)
    before = outcomes("dice")
    Transition.objects.all().delete()
    again = splitting()
    enter(again, *contacts, at=NOW + HOUR, cause="event:2")
    tick.tick_journey(again.journey_id, as_of=NOW + HOUR)
    assert outcomes("dice") == before
    assert len(set(before.values())) == 2


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered by a test is forgotten after it."""
    monkeypatch.setattr(cohort, "_acts", dict(cohort._acts))


def calling(*edges: str) -> JourneyVersion:
    nodes = [node("call", "webhook"), node("good", "end"), node("bad", "end")]
    return make_version(drawing(nodes, "start > call", "call > good", *edges))


@pytest.mark.usefixtures("acting")
def test_who_waits_for_a_result_goes_where_it_says_when_it_comes() -> None:
    register_act("webhook", lambda one: Acted([None] * len(one.ids)))
    version = calling("call error > bad")
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    one = Participant.objects.get()
    assert one.state == "waiting"
    signal(one, "call", kind="result", outcome="error", at=NOW + MINUTE, status=500)
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    assert [step[:2] for step in steps_of(one)[1:]] == [("call", "error"), ("bad", "next")]
    assert one.transitions.get(node="call").data == {"status": 500}


@pytest.mark.usefixtures("acting")
@pytest.mark.parametrize(
    ("edges", "outcome", "then"),
    [
        (["call timeout > bad"], "timeout", "bad"),
        ([], "next", "good"),
    ],
)
def test_who_waits_for_a_result_in_vain_goes_on(edges: list[str], outcome: str, then: str) -> None:
    register_act("webhook", lambda one: Acted([None], wake_at=[NOW + MINUTE]))
    version = calling(*edges)
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    steps = steps_of(Participant.objects.get())
    assert [step[:2] for step in steps[1:]] == [("call", outcome), (then, "next")]
    assert steps[-1][2] == MINUTE


@pytest.mark.usefixtures("acting")
def test_an_error_without_a_way_goes_on_and_is_still_told() -> None:
    register_act("webhook", lambda one: Acted(["error"], data=[{"why": "no"}]))
    version = calling()
    enter(version, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    steps = steps_of(Participant.objects.get())
    assert [step[:2] for step in steps[1:]] == [("call", "error"), ("good", "next")]


@pytest.mark.usefixtures("acting")
def test_what_came_with_an_activity_stands_beside_what_came_before() -> None:
    register_act(
        "voucher", lambda one: Acted(["next"], context=[{"voucher": {one.node.id: {"code": "A"}}}])
    )
    nodes = [node("first", "voucher"), node("second", "voucher")]
    version = make_version(drawing(nodes, "start > first", "first > second"))
    enter(version, make_contact().pk, entry={"name": "signed_up"})
    tick.tick_journey(version.journey_id, as_of=NOW)
    assert Participant.objects.get().context == {
        "entry": {"name": "signed_up"},
        "voucher": {"first": {"code": "A"}, "second": {"code": "A"}},
    }


@pytest.mark.usefixtures("acting")
def test_one_with_whom_it_comes_to_grief_holds_up_nobody() -> None:
    contacts = [make_contact().pk for _one in range(12)]
    poison = contacts[5]

    def act(given: Cohort) -> Acted:
        if poison in given.contact_ids:
            raise ValueError("This one is poison.")
        return Acted(["next"] * len(given.ids))

    register_act("webhook", act)
    version = calling()
    enter(version, *contacts)
    tick.tick_journey(version.journey_id, as_of=NOW)
    failed = Participant.objects.get(state="failed")
    assert (failed.contact_id, failed.problem) == (poison, "This one is poison.")
    assert Participant.objects.filter(state="done").count() == 11


@pytest.mark.usefixtures("acting")
def test_a_tick_that_runs_ends_when_its_journey_is_stopped() -> None:
    acted: list[int] = []

    def act(given: Cohort) -> Acted:
        acted.extend(given.ids)
        Journey.objects.update(state="stopped", state_changed_at=NOW)
        return Acted(["next"])

    register_act("webhook", act)
    version = calling()
    enter(version, *(make_contact().pk for _one in range(3)))
    assert tick.tick_journey(version.journey_id, as_of=NOW, limit=1).has_more
    assert len(acted) == 1
    tick.tick_all(as_of=NOW)
    outcomes = Counter(Participant.objects.values_list("outcome", flat=True))
    assert outcomes == {"ended": 1, "stopped": 2}, "who acted had come to the end"
    assert len(acted) == 1


@pytest.mark.usefixtures("acting")
def test_those_for_whom_it_cannot_be_done_are_set_aside() -> None:
    register_act("webhook", lambda one: Acted([None, "next"], failed={0: "No such thing."}))
    version = calling()
    enter(version, make_contact().pk, make_contact().pk)
    tick.tick_journey(version.journey_id, as_of=NOW)
    assert sorted(Participant.objects.values_list("state", "problem")) == [
        ("done", ""),
        ("failed", "No such thing."),
    ]


def test_a_wait_for_a_time_of_day_is_in_the_contacts_zone() -> None:
    until = {"time": "09:00", "zone": "contact"}
    version = make_version(
        drawing([node("morning", "wait", until=until)], "start > morning"), time_zone="Asia/Tokyo"
    )
    zones = ("Europe/Warsaw", "America/New_York", "Nowhere/Land", "")
    contacts = [make_contact(time_zone=zone).pk for zone in zones[:2]]
    odd = [make_contact().pk for _zone in zones[2:]]
    Contact.objects.filter(pk=odd[0]).update(time_zone="Nowhere/Land")
    enter(version, *contacts, *odd)  # NOW is 12:00 UTC: 13:00, 07:00, and 21:00 in Tokyo.
    tick.tick_journey(version.journey_id, as_of=NOW)
    found = Participant.objects.order_by("contact_id").values_list("wake_at", flat=True)
    assert [(at - NOW) / HOUR for at in found if at] == [20, 2, 12, 12]
    tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    assert set(Participant.objects.values_list("state", flat=True)) == {"done"}
