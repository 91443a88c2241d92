"""Criteria know who is on a journey, who went to its end and who reached its goal."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from contacts.erasure import erase_contact
from contacts.merging import merge_contacts
from contacts.models import Contact
from journeys import journeys, models
from journeys.engine import acting, goals, tick
from journeys.engine.course import Course
from journeys.errors import JourneyInUse
from journeys.models import ContactJourney, Journey, JourneyVersion, Lane, Participant
from journeys.uses import uses_of
from segments import lifecycle, saved_criteria
from segments.causes import Causes
from segments.criteria import describe
from segments.errors import CriteriaRefused
from segments.explanation import explain_contact
from segments.facts import catalog_for, check_criteria
from segments.masks import mask_criteria
from segments.models import MembershipChange, Segment
from segments.realtime import audit, following
from segments.suggestions import suggest_values
from tests.factories import HOUR, MINUTE, NOW, make_contact
from tests.journeys.engine.passages import (
    after,
    drawing,
    enter,
    make_version,
    node,
    signal,
    standings_astray,
)
from tests.journeys.workspace import make_journey
from tests.segments.factories import make_segment, member_ids, refresh
from workspace import sql
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.models import Job, User

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def asking(name: str, *keys: str, operator: str = "in") -> dict[str, Any]:
    rule = {"field": f"journey.{name}", "operator": operator, "value": list(keys)}
    return {"combinator": "and", "rules": [rule]}


def an_hour(key: str = "welcome", **given: Any) -> JourneyVersion:
    nodes = [node("pause", "wait", duration=after(1, "hour"))]
    return make_version(drawing(nodes, "start > pause"), key=key, **given)


def let_in(
    version: JourneyVersion, *contact_ids: int, at: Any = NOW, cause: str = "event:1"
) -> None:
    enter(version, *contact_ids, at=at, cause=cause)
    tick.tick_journey(version.journey_id, as_of=at)


def who(name: str, key: str = "welcome", *, at: Any = NOW) -> set[int]:
    segment = Segment.objects.filter(key=f"{name}-{key}").first()
    if segment is None:
        segment = make_segment(f"{name}-{key}", asking(name, key))
    refresh(segment, as_of=at)
    return member_ids(segment)


def test_somebody_is_on_a_journey_from_entering_to_the_end() -> None:
    version, ania = an_hour(), make_contact().pk
    assert who("inside") == set()
    let_in(version, ania)
    assert (who("inside"), who("finished")) == ({ania}, set())
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    assert (who("inside"), who("finished"), who("goal")) == (set(), {ania}, set())
    let_in(version, ania, at=NOW + 2 * HOUR, cause="event:2")
    # Once somebody went to the end, that stays so.
    assert (who("inside"), who("finished")) == ({ania}, {ania})
    one = ContactJourney.objects.get()
    assert (one.entered_at, one.finished_at) == (NOW + 2 * HOUR, NOW + HOUR)
    assert standings_astray() == []


def test_who_left_otherwise_did_not_go_to_the_end() -> None:
    version = an_hour(timeout=after(30, "minute"), exit={"event": "unsubscribed"})
    late, left, failed, stopped = (make_contact().pk for _one in range(4))
    let_in(version, late, left, failed, stopped)
    ids = dict(Participant.objects.values_list("contact_id", "pk"))
    signal(Participant.objects.get(pk=ids[left]), "", kind="exit", at=NOW + MINUTE)
    # As an activity would do it for which it cannot be done.
    Participant.objects.filter(pk=ids[failed]).update(state="ready", wake_at=None)
    course = Course.of(version)
    acting.fail(course, course.plan.places[0], {ids[failed]: "No."}, as_of=NOW)
    Participant.objects.filter(pk=ids[stopped]).update(wake_at=NOW + HOUR)
    tick.tick_journey(version.journey_id, as_of=NOW + 30 * MINUTE)
    Journey.objects.update(state="stopped", state_changed_at=NOW + 31 * MINUTE)
    tick.tick_journey(version.journey_id, as_of=NOW + 31 * MINUTE)
    states = set(Participant.objects.values_list("outcome", flat=True))
    assert states == {"timed_out", "exited", "", "stopped"}
    assert (who("inside"), who("finished")) == (set(), set())


def test_a_journey_without_activities_is_over_at_once() -> None:
    ania = make_contact().pk
    let_in(make_version(drawing([])), ania)
    assert (who("inside"), who("finished")) == (set(), {ania})


def test_a_goal_counts_when_it_is_noted_by_an_event_or_by_criteria() -> None:
    bought = an_hour("bought", goal={"event": "purchase"}, timeout=after(1, "day"))
    moved = an_hour(
        "moved",
        goal={
            "criteria": {
                "combinator": "and",
                "rules": [{"field": "contact.city", "operator": "=", "value": "Oslo"}],
            }
        },
        timeout=after(1, "day"),
    )
    ania, bartek = make_contact().pk, make_contact(city="Oslo").pk
    let_in(bought, ania, bartek)
    let_in(moved, ania, bartek)
    signal(Participant.objects.get(contact=ania, version=bought), "", kind="goal", at=NOW + MINUTE)
    tick.tick_journey(bought.journey_id, as_of=NOW + 2 * MINUTE)
    goals.ask_all(NOW + 2 * MINUTE)
    assert (who("goal", "bought"), who("goal", "moved")) == ({ania}, {bartek})
    assert standings_astray() == []


def test_tests_count_for_nothing() -> None:
    version, ania = an_hour(lane=Lane.TEST), make_contact()
    models.TestProfile.objects.create(contact=ania)
    let_in(version, ania.pk)
    assert Participant.objects.count() == 1
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    assert not ContactJourney.objects.exists()


def test_who_is_merged_stands_as_both_did_and_who_is_erased_nowhere() -> None:
    done, running = an_hour("done"), an_hour("running")
    ania, twin = make_contact().pk, make_contact().pk
    let_in(done, twin, at=NOW - 2 * HOUR)
    tick.tick_journey(done.journey_id, as_of=NOW - HOUR)
    let_in(running, ania, twin)
    merge_contacts(ania, twin, actor=SYSTEM, at=NOW + MINUTE, cause="test")
    assert set(ContactJourney.objects.values_list("contact_id", "is_inside")) == {
        (ania, False),
        (ania, True),
    }
    assert (who("inside", "running"), who("finished", "done")) == ({ania}, {ania})
    assert standings_astray() == []
    erase_contact(ania, actor=SYSTEM, at=NOW + HOUR)
    assert not ContactJourney.objects.exists()


def test_the_migration_fills_in_what_was_before() -> None:
    version = an_hour(goal={"event": "purchase"})
    ania, bartek, erased = (make_contact().pk for _one in range(3))
    let_in(version, ania, erased)
    signal(Participant.objects.get(contact=ania), "", kind="goal", at=NOW + MINUTE)
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    let_in(version, bartek, at=NOW + HOUR)
    let_in(version, ania, at=NOW + 2 * HOUR, cause="event:2")
    Contact.objects.filter(pk=erased).update(erased_at=NOW)
    ContactJourney.objects.all().delete()
    sql.execute(import_module("journeys.migrations.0010_contact_journeys").FILL)
    assert ContactJourney.objects.count() == 2
    assert standings_astray() == []


# In real time


def live(name: str) -> Segment:
    segment = make_segment(name, asking(name, "welcome"), refresh_mode="realtime")
    refresh(segment)
    Job.objects.all().delete()
    following.follow(NOW)
    return segment


def test_segments_that_follow_move_when_somebody_enters_and_ends() -> None:
    version, other = an_hour(), an_hour("other")
    ania = make_contact().pk
    inside, finished = live("inside"), live("finished")
    let_in(version, ania)
    let_in(other, make_contact().pk)
    while following.follow(NOW + SECOND):
        pass
    assert (member_ids(inside), member_ids(finished)) == ({ania}, set())
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    while following.follow(NOW + HOUR):
        pass
    assert (member_ids(inside), member_ids(finished)) == (set(), {ania})
    causes = MembershipChange.objects.exclude(cause="test").values_list("cause", flat=True)
    assert set(causes) == {"journey:welcome"}
    assert not Job.objects.exists(), "nothing had to be refreshed in full"
    found = [one.is_wrong for one in audit.audit_all(at=NOW + HOUR + SECOND)]
    assert found == [False, False]


def test_a_step_on_the_way_touches_nobody() -> None:
    nodes = [node(name, "wait", duration=after(1, "hour")) for name in ("first", "second")]
    version = make_version(drawing(nodes, "start > first", "first > second"))
    let_in(version, make_contact().pk)
    sql.execute("DELETE FROM contacts_touch")
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    assert Participant.objects.get().place == 1
    assert sql.one("SELECT count(*) FROM contacts_touch") == 0
    tick.tick_journey(version.journey_id, as_of=NOW + 2 * HOUR)
    assert sql.lists("SELECT topic FROM contacts_touch") == [(f"journey:{version.journey_id}",)]


def test_a_journey_that_is_made_later_is_known_then() -> None:
    inside = live_refused()
    version, ania = an_hour(), make_contact().pk
    following.follow(NOW + SECOND)
    refresh(inside, as_of=NOW + SECOND)
    Job.objects.all().delete()
    following.follow(NOW + SECOND)
    let_in(version, ania, at=NOW + MINUTE)
    while following.follow(NOW + MINUTE):
        pass
    assert member_ids(inside) == {ania}


def live_refused() -> Segment:
    """A segment that asks for a journey that there is not any more."""
    segment = make_segment("inside", refresh_mode="realtime")
    Segment.objects.filter(pk=segment.pk).update(criteria=asking("inside", "welcome"))
    segment.refresh_from_db()
    following.follow(NOW)
    return segment


# For whom it is not


@pytest.fixture
def pierre() -> Actor:
    """Somebody who may do everything with segments and journeys, and is in the group France."""
    user = User.objects.create_user("pierre")
    user.groups.add(Group.objects.create(name="France"))
    wanted = ("segments", "journeys", "contacts")
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=wanted))
    return actor_of_user(user)


@pytest.fixture
def secret() -> JourneyVersion:
    version = an_hour("secret")
    version.journey.groups.add(Group.objects.create(name="Poland"))
    an_hour("open")
    return version


def choices(actor: Actor) -> list[str]:
    fields = describe(catalog_for(actor))["fields"]
    (field,) = (one for one in fields if one["field"] == "journey.goal")
    return [choice["key"] for choice in field["choices"]]


def codes(document: Any, actor: Actor) -> list[tuple[str, str]]:
    return [(fault.path, fault.code) for fault in check_criteria(document, actor)]


def test_a_journey_of_another_group_is_not_there(secret: JourneyVersion, pierre: Actor) -> None:
    assert choices(SYSTEM) == ["open", "secret"]
    assert choices(pierre) == ["open"]
    assert [one.value for one in suggest_values("journey.inside", actor=pierre, at=NOW)] == ["open"]
    unknown = [("rules[0].value[0]", "unknown_key")]
    assert codes(asking("inside", "secret"), pierre) == unknown
    assert codes(asking("inside", "nothing"), pierre) == unknown
    told = [
        check_criteria(asking("inside", key), pierre)[0].message for key in ("secret", "nothin")
    ]
    assert told[0].replace("secret", "nothin") == told[1]
    assert codes(asking("inside", "open"), pierre) == []


def test_who_may_see_no_journeys_at_all_is_offered_none(secret: JourneyVersion) -> None:
    user = User.objects.create_user("anna")
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="segments"))
    anna = actor_of_user(user)
    assert choices(anna) == []
    assert codes(asking("inside", "open"), anna) == [("rules[0].value[0]", "unknown_key")]


def test_shared_criteria_give_nothing_away(secret: JourneyVersion, pierre: Actor) -> None:
    ania = make_contact().pk
    let_in(secret, ania)
    document = asking("inside", "secret", "open")
    shared = make_segment("shared", document)
    refresh(shared)
    read = mask_criteria(shared.criteria, pierre)
    assert read["rules"][0]["value"] == ["hidden:1", "open"]
    saved = lifecycle.update_segment(shared, actor=pierre, at=NOW, criteria=read, name="Ours")
    assert saved.criteria == document
    only = asking("inside", "hidden:1")
    with pytest.raises(CriteriaRefused) as refused:
        lifecycle.update_segment(shared, actor=pierre, at=NOW, criteria=only)
    assert [fault.code for fault in refused.value.criteria_problems] == ["not_allowed"]
    (clause,) = explain_contact(shared, ania, as_of=NOW, actor=pierre).clauses
    assert (clause.holds, clause.value, clause.since) == (None, None, None)
    assert "Secret" not in clause.sentence
    assert "a journey of another group" in clause.sentence
    (clause,) = explain_contact(shared, ania, as_of=NOW).clauses
    assert (clause.holds, clause.value, clause.since) == (True, ["secret"], NOW)


def test_a_cause_does_not_name_it_either(secret: JourneyVersion, pierre: Actor) -> None:
    named = ["journey:secret", "journey:open"]
    causes = Causes(named, pierre)
    assert [causes.masked(cause) for cause in named] == ["journey", "journey:open"]
    assert [causes.words(cause) for cause in named] == [
        "because of a journey",
        "because of the journey “Open”",
    ]
    assert Causes(named, SYSTEM).words("journey:secret") == "because of the journey “Secret”"


# What names it


def test_what_asks_about_a_journey_is_told_beside_it(pierre: Actor) -> None:
    Group.objects.create(name="Poland")
    journey = make_journey(name="Welcome", key="welcome")
    make_segment("open", asking("goal", "welcome"), name="Open")
    make_segment("polish", asking("finished", "welcome"), groups=["Poland"])
    make_segment("archived", asking("inside", "welcome"))
    Segment.objects.filter(key="archived").update(status="archived")
    saved_criteria.create_saved_criteria(
        actor=SYSTEM, at=NOW, name="Kept", criteria=asking("inside", "welcome")
    )
    following_on = make_journey(
        name="Next",
        drawing=drawing(
            [
                node(
                    "where",
                    "condition",
                    paths=[{"name": "a", "criteria": asking("goal", "welcome")}],
                )
            ]
        ),
    )
    found = uses_of(journey, actor=SYSTEM)
    assert [(use.kind, use.name) for use in found] == [
        ("segment", "Open"),
        ("segment", "Polish"),
        ("saved_criteria", "Kept"),
        ("journey", "Next"),
    ]
    told = uses_of(journey, actor=pierre)
    assert [(use.name, use.is_hidden) for use in told if use.kind == "segment"] == [
        ("Open", False),
        ("1 that you may not see", True),
    ]
    with pytest.raises(JourneyInUse, match="“Open”"):
        journeys.delete_journey(journey, actor=SYSTEM, at=NOW)
    journeys.delete_journey(following_on, actor=SYSTEM, at=NOW)


def test_that_it_asks_about_itself_does_not_hold_a_draft() -> None:
    journey = make_journey(name="Welcome", key="welcome")
    Journey.objects.update(settings={"exit": {"criteria": asking("finished", "welcome")}})
    journey.refresh_from_db()
    assert uses_of(journey, actor=SYSTEM) == []
    journeys.delete_journey(journey, actor=SYSTEM, at=NOW)
    assert not Journey.objects.exists()
