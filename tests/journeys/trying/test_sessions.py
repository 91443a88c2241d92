"""Tests of drafts: started, filled, triggered, ended; nothing of them counts, nothing is left."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from contacts.models import Contact, Event, EventDefinition
from integrations.models import Delivery
from integrations.templates import create_template
from journeys import models
from journeys.engine.tick import tick_journey
from journeys.errors import (
    DrawingInvalid,
    JourneyInvalid,
    NotATestProfile,
    NoTestRunning,
    TooManyProfiles,
    TriggerMissed,
    WrongState,
)
from journeys.journeys import create_journey, update_draft
from journeys.messages.composing import compose_due
from journeys.models import Journey, Lane, Message, Participant
from journeys.publishing import publish
from journeys.trying import profiles, running, sessions
from journeys.trying.log import read_log
from journeys.trying.triggers import offered_events, trigger
from segments.models import Segment
from tests.factories import DAY, NOW
from tests.journeys.drawn import follow_events, happens, node
from tests.segments.factories import make_segment, refresh
from workspace.access import SYSTEM, actor_of_user
from workspace.errors import NotAllowed
from workspace.models import AuditEntry, User

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
WEEK: dict[str, Any] = {"amount": 1, "unit": "week"}
COUNTED = (
    *(models.Participant, models.Transition, models.Passage, models.Entrance, models.Refusal),
    *(models.Signal, models.Message, models.Reading),
)


def people(count: int, *, are_profiles: bool = True) -> list[int]:
    made = Contact.objects.bulk_create(
        Contact(email=f"colleague{n}@example.com", city="Warszawa") for n in range(count)
    )
    ids = [one.pk for one in made]
    if are_profiles:
        profiles.mark(ids, actor=SYSTEM, at=NOW)
    return ids


def draw(*nodes: dict[str, Any], edges: Any = None, **given: Any) -> Journey:
    if edges is None:
        edges = [(one["id"], other["id"]) for one, other in itertools.pairwise(nodes)]
    ways = [
        {"from": edge[0], "to": edge[-1], **({"outcome": edge[1]} if len(edge) == 3 else {})}
        for edge in edges
    ]
    drawing = {"nodes": list(nodes), "edges": ways}
    name = given.pop("name", "Welcome")
    return create_journey(actor=SYSTEM, at=NOW, name=name, drawing=drawing, **given)


def read_poles() -> dict[str, Any]:
    return node("start", "read_segment", segment="poles")


@pytest.fixture
def poles(db: None) -> None:
    refresh(make_segment())


@pytest.fixture
def greeting(poles: None) -> Journey:
    """Reads the segment, says hello, waits for an opening, and says hello again."""
    for name in ("hello", "again"):
        create_template(name=name, key=name, subject="Hi", html="<p>Hi</p>", actor=SYSTEM, at=NOW)
    return draw(
        read_poles(),
        node("hello", "message", email="hello"),
        node(
            "opened",
            "reaction",
            to="hello",
            reaction="email_opened",
            timeout=WEEK,
            timeout_path=True,
        ),
        node("thanks", "end"),
        node("again", "message", email="again"),
        edges=[
            ("start", "hello"),
            ("hello", "opened"),
            ("opened", "thanks"),
            ("opened", "timeout", "again"),
        ],
    )


def shopping(**entry: Any) -> Journey:
    """Begins with a signup, and waits for the purchase of the same order."""
    for name in ("signup", "purchase"):
        EventDefinition.objects.get_or_create(name=name)
    return draw(
        node("start", "event_entry", event="signup", **entry),
        node(
            "bought",
            "event",
            event="purchase",
            same={"properties.order": "entry.properties.order"},
            timeout=WEEK,
            timeout_path=True,
        ),
        node("thanks", "end"),
        node("sorry", "end"),
        edges=[("start", "bought"), ("bought", "thanks"), ("bought", "timeout", "sorry")],
    )


def test_a_draft_with_faults_is_not_tested_and_all_of_them_are_named() -> None:
    journey = draw(node("start", "read_segment"), node("wait", "wait"))
    with pytest.raises(DrawingInvalid) as refused:
        sessions.start_test(journey, actor=SYSTEM, at=NOW)
    paths = {problem.path for problem in refused.value.problems}
    assert len(paths) >= 2
    assert not running.is_testing(journey)


def test_a_test_goes_through_a_week_in_seconds_and_sends_with_a_mark(greeting: Journey) -> None:
    version = sessions.start_test(greeting, actor=SYSTEM, at=NOW)
    # Somebody has to open a message meanwhile.
    assert version.wait_seconds == sessions.WAIT_FOR_REACTION
    one, two = people(2)
    assert sessions.add_profiles(greeting, [two, one, two], actor=SYSTEM, at=NOW) == [one, two]
    tick_journey(greeting.pk, as_of=NOW)
    compose_due(NOW)
    assert {one["phase"] for one in read_log(version)["profiles"]} == {"running"}
    subjects = list(Delivery.objects.values_list("payload__subject", flat=True))
    assert len(subjects) == 2
    assert all("[Test]" in subject for subject in subjects)
    told = trigger(
        greeting, [one], event="email_opened", properties={}, actor=SYSTEM, at=NOW + 5 * SECOND
    )
    assert (told.entered_count, told.signalled_count) == (0, 1)
    tick_journey(greeting.pk, as_of=NOW + 6 * SECOND)
    tick_journey(greeting.pk, as_of=NOW + 41 * SECOND)
    log = read_log(version)
    steps = {
        row["contact_id"]: [step["outcome"] for step in row["steps"]] for row in log["profiles"]
    }
    assert steps[one] == ["entered", "next", "next", "next"]
    assert steps[two] == ["entered", "next", "timeout", "next"]
    assert {row["phase"] for row in log["profiles"]} == {"finished"}
    assert log["counts"]["hello"]["passed"] == 2


def test_ending_a_test_empties_it_and_what_waits_is_not_sent(greeting: Journey) -> None:
    before = [model.objects.count() for model in COUNTED]
    sessions.start_test(greeting, actor=SYSTEM, at=NOW)
    sessions.add_profiles(greeting, people(3), actor=SYSTEM, at=NOW)
    tick_journey(greeting.pk, as_of=NOW)
    compose_due(NOW)
    with pytest.raises(WrongState):
        update_draft(greeting, actor=SYSTEM, at=NOW, settings={"re_entry": "never"})
    version = running.running_test(greeting)
    assert version is not None
    assert sessions.foresee_end(version)["waiting_messages"] == 3
    sessions.end_test(greeting, actor=SYSTEM, at=NOW + SECOND)
    assert [model.objects.count() for model in COUNTED] == before
    assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
    assert not running.is_testing(greeting)
    version.refresh_from_db()
    assert (version.is_open, version.ended_at) == (False, NOW + SECOND)
    update_draft(greeting, actor=SYSTEM, at=NOW, settings={"re_entry": "never"})
    with pytest.raises(NoTestRunning):
        sessions.end_test(greeting, actor=SYSTEM, at=NOW)
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"journey.test_started", "journey.test_profiles_added", "journey.test_ended"} <= actions


def test_each_test_begins_to_count_who_goes_through_a_cap_anew(poles: None) -> None:
    paths = [{"name": "first", "cap": {"limit": 1}}]
    journey = draw(read_poles(), node("which", "condition", paths=paths, **{"else": True}))
    profiles_ = people(2)
    for _time in range(2):
        version = sessions.start_test(journey, actor=SYSTEM, at=NOW)
        sessions.add_profiles(journey, profiles_, actor=SYSTEM, at=NOW)
        tick_journey(journey.pk, as_of=NOW)
        steps = [row["steps"][1]["outcome"] for row in read_log(version)["profiles"]]
        assert sorted(steps) == ["else", "first"]
        sessions.end_test(journey, actor=SYSTEM, at=NOW + SECOND)
        assert not models.CapCount.objects.exists()


def test_only_test_profiles_enter_and_a_hundred_at_most(greeting: Journey) -> None:
    sessions.start_test(greeting, actor=SYSTEM, at=NOW)
    stranger = people(1, are_profiles=False)
    with pytest.raises(NotATestProfile):
        sessions.add_profiles(greeting, stranger, actor=SYSTEM, at=NOW)
    many = people(101)
    with pytest.raises(TooManyProfiles, match="100"):
        sessions.add_profiles(greeting, many, actor=SYSTEM, at=NOW)
    sessions.add_profiles(greeting, many[:60], actor=SYSTEM, at=NOW)
    tick_journey(greeting.pk, as_of=NOW)
    with pytest.raises(TooManyProfiles):
        sessions.add_profiles(greeting, many[50:], actor=SYSTEM, at=NOW)
    sessions.add_profiles(greeting, many[60:100], actor=SYSTEM, at=NOW)


def test_up_to_a_hundred_are_drawn_of_the_test_profiles_in_the_segment(greeting: Journey) -> None:
    inside = people(5)
    outside = Contact.objects.create(email="x@example.com", city="Paris").pk
    profiles.mark([outside], actor=SYSTEM, at=NOW)
    people(3, are_profiles=False)
    refresh(Segment.objects.get(key="poles"), as_of=NOW + SECOND)
    sessions.start_test(greeting, actor=SYSTEM, at=NOW)
    some = sessions.add_random_profiles(greeting, actor=SYSTEM, at=NOW, limit=2)
    assert len(some) == 2
    rest = sessions.add_random_profiles(greeting, actor=SYSTEM, at=NOW)
    assert sorted([*some, *rest]) == inside
    with pytest.raises(NotATestProfile):
        sessions.add_random_profiles(greeting, actor=SYSTEM, at=NOW)


def test_a_trigger_lets_in_and_moves_by_its_conditions_and_nobody_else_hears_of_it() -> None:
    where = {
        "combinator": "and",
        "rules": [{"field": "properties.plan", "operator": "=", "value": "gold"}],
    }
    journey = shopping(where=where)
    version = sessions.start_test(journey, actor=SYSTEM, at=NOW)
    assert version.wait_seconds == sessions.WAIT_USUAL
    (one,) = people(1)
    with pytest.raises(WrongState, match="signup"):
        sessions.add_profiles(journey, [one], actor=SYSTEM, at=NOW)

    def tell(event: str, seconds: int, **properties: Any) -> Any:
        at = NOW + seconds * SECOND
        return trigger(journey, [one], event=event, properties=properties, actor=SYSTEM, at=at)

    with pytest.raises(TriggerMissed, match="conditions"):
        tell("signup", 0, plan="silver", order="7")
    with pytest.raises(TriggerMissed, match="signup, purchase"):
        tell("greeted", 0)
    assert tell("signup", 0, plan="gold", order="7").entered_count == 1
    tick_journey(journey.pk, as_of=NOW)
    with pytest.raises(TriggerMissed, match="bought"):
        tell("purchase", 1, order="8")
    assert tell("purchase", 2, order="7").signalled_count == 1
    tick_journey(journey.pk, as_of=NOW + 3 * SECOND)
    row = read_log(version)["profiles"][0]
    assert [step["to"] for step in row["steps"]] == [["bought"], ["thanks"], []]
    assert row["steps"][1]["data"]["properties"] == {"order": "7"}
    assert row["context"]["entry"]["properties"]["plan"] == "gold"
    assert not Event.objects.exists()


def test_the_form_offers_what_the_draft_waits_for_with_the_properties_declared() -> None:
    definition = EventDefinition.objects.create(name="signup")
    definition.properties.create(name="order.id", type="number", is_required=True)
    definition.properties.create(name="plan", type="text")
    version = sessions.start_test(shopping(), actor=SYSTEM, at=NOW)
    signup, purchase = offered_events(version)
    assert (signup.name, signup.enters, purchase.name, purchase.enters) == (
        "signup",
        True,
        "purchase",
        False,
    )
    assert signup.example == {"order": {"id": 1}, "plan": ""}


def test_what_profiles_really_do_counts_for_those_inside_and_brings_nobody_in() -> None:
    journey = shopping()
    sessions.start_test(journey, actor=SYSTEM, at=NOW)
    one, two = people(2)
    trigger(journey, [one], event="signup", properties={"order": 1}, actor=SYSTEM, at=NOW)
    tick_journey(journey.pk, as_of=NOW)
    happens("signup", two, at=NOW + SECOND, order=1)
    happens("purchase", one, at=NOW + 2 * SECOND, order=1)
    follow_events(NOW + 3 * SECOND)
    tick_journey(journey.pk, as_of=NOW + 3 * SECOND)
    passage = Participant.objects.get()
    assert (passage.contact_id, passage.outcome) == (one, "ended")


def test_a_second_test_ends_the_first_and_publishing_ends_both(greeting: Journey) -> None:
    first = sessions.start_test(greeting, actor=SYSTEM, at=NOW)
    sessions.add_profiles(greeting, people(1), actor=SYSTEM, at=NOW)
    tick_journey(greeting.pk, as_of=NOW)
    second = sessions.start_test(greeting, actor=SYSTEM, at=NOW + SECOND, wait_seconds=15)
    first.refresh_from_db()
    assert first.ended_at == NOW + SECOND
    assert not Participant.objects.exists()
    assert running.tested_ids([greeting.pk]) == {greeting.pk}
    live = publish(greeting, actor=SYSTEM, at=NOW + 2 * SECOND)
    second.refresh_from_db()
    assert second.ended_at == NOW + 2 * SECOND
    assert (live.lane, live.number, live.is_open) == (Lane.LIVE, 1, True)
    # A live journey's next draft can be tested beside it.
    greeting.refresh_from_db()
    assert sessions.start_test(greeting, actor=SYSTEM, at=NOW + 3 * SECOND).lane == Lane.TEST
    assert not Message.objects.exists()


def test_waits_have_bounds_and_tests_a_permission(greeting: Journey) -> None:
    for seconds in (9, 3601):
        with pytest.raises(JourneyInvalid):
            sessions.start_test(greeting, actor=SYSTEM, at=NOW, wait_seconds=seconds)
    someone = actor_of_user(User.objects.create_user("reader", is_staff=True))
    with pytest.raises(NotAllowed):
        sessions.start_test(greeting, actor=someone, at=NOW)


def test_a_test_that_nobody_ended_ends_after_a_week(greeting: Journey, settings: Any) -> None:
    sessions.start_test(greeting, actor=SYSTEM, at=NOW)
    assert sessions.end_old_tests(at=NOW + 7 * DAY - SECOND) == 0
    assert sessions.end_old_tests(at=NOW + 7 * DAY) == 1
    assert not running.is_testing(greeting)
    assert sessions.end_old_tests(at=NOW + 8 * DAY) == 0
