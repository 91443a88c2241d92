"""Why here, and why not: each step in words, each reason with its time."""

from datetime import timedelta
from typing import Any

import pytest

from contacts.models import Contact
from journeys.absence import explain_absence
from journeys.engine.tick import tick_journey
from journeys.entrances import enter_many
from journeys.explaining import explain_participant
from journeys.models import Journey, Lane, Participant, Reading, Refusal
from tests.factories import DAY, HOUR, NOW, make_contact
from tests.journeys.drawn import happens, make_version, node
from tests.segments.factories import make_contacts, make_segment, refresh

pytestmark = pytest.mark.django_db
WEEK: dict[str, Any] = {"amount": 1, "unit": "week"}


def codes(journey: Journey, contact_id: int, at: Any = NOW + DAY) -> list[str]:
    return [one.code for one in explain_absence(journey, contact_id, at=at).reasons]


def test_each_step_says_what_happened_where_it_led_and_when_it_was_noticed() -> None:
    version = make_version(
        node("rest", "wait", duration={"amount": 1, "unit": "day"}),
        node("bought", "event", event="purchase", timeout=WEEK),
        node("who", "split", paths=[{"name": "a", "percent": 100}]),
        node("end", "end"),
        edges=[
            ("start", "rest"),
            ("rest", "bought"),
            ("bought", "who"),
            ("who", "a", "end"),
        ],
    )
    contact = make_contact()
    happens("enter", contact.pk, at=NOW + HOUR)
    tick_journey(version.journey_id, as_of=NOW + HOUR)
    tick_journey(version.journey_id, as_of=NOW + 2 * DAY)
    (passage,) = Participant.objects.all()
    waiting = explain_participant(passage)
    assert "It waits for the event “purchase” (“bought”" not in waiting.standing.sentence
    assert "“purchase”" in waiting.standing.sentence
    assert waiting.standing.until == NOW + HOUR + 8 * DAY
    happens("purchase", contact.pk, at=NOW + 3 * DAY, order=7)
    tick_journey(version.journey_id, as_of=NOW + 3 * DAY)
    passage.refresh_from_db()
    told = explain_participant(passage)
    entered, rested, bought, split, ended = told.steps
    assert entered.sentence == "Entered by an event. Then on to “Wait”."
    assert entered.data is not None
    assert entered.data["entry"]["name"] == "enter"
    assert (rested.at, rested.is_late) == (NOW + HOUR + DAY, True)
    assert "was over. Then on to" in rested.sentence
    assert bought.sentence.startswith("What “")
    assert bought.data is not None
    assert bought.data["properties"] == {"order": 7}
    assert "decided for “a”" in split.sentence
    assert "There the journey ended." in ended.sentence
    assert told.standing.sentence.startswith("It is over since")


def test_who_came_to_grief_is_told_with_the_problem() -> None:
    version = make_version(node("rest", "wait", duration=WEEK), node("end", "end"))
    contact = make_contact()
    passage = Participant.objects.create(
        journey=version.journey,
        version=version,
        contact=contact,
        place=0,
        state="failed",
        arrived_at=NOW,
        entered_at=NOW,
        entrance="jump:7:x",
        finished_at=NOW,
        problem="100% wrong",
    )
    assert explain_participant(passage).standing.sentence == (
        "It came to grief at “Wait”: 100% wrong"
    )


def test_of_an_event_it_is_told_whether_it_never_came_came_before_or_was_refused() -> None:
    where = {
        "combinator": "and",
        "rules": [{"field": "properties.plan", "operator": "=", "value": "gold"}],
    }
    never, before, refused = (make_contact().pk for _number in range(3))
    happens("signup", before, at=NOW - HOUR, plan="gold")
    version = make_version(
        node("start", "event_entry", event="signup", where=where), node("end", "end"), at=NOW
    )
    happens("signup", refused, at=NOW + HOUR, plan="silver")
    journey = version.journey
    assert codes(journey, never) == ["no_event"]
    assert codes(journey, before) == ["event_before"]
    (reason,) = explain_absence(journey, refused, at=NOW + DAY).reasons
    assert (reason.code, reason.at) == ("event_refused", NOW + HOUR)
    assert reason.data["properties"] == {"plan": "silver"}


def test_of_a_segment_it_is_told_whether_the_contact_was_in_it_when_it_was_read() -> None:
    inside, outside = make_contacts("Warszawa", "Paris")
    segment = make_segment()
    refresh(segment, as_of=NOW - DAY)
    version = make_version(
        node("start", "read_segment", segment="poles"), node("end", "end"), read_at=NOW + HOUR
    )
    journey = version.journey
    assert "not_read_yet" in codes(journey, outside, NOW)
    Reading.objects.create(
        version=version, at=NOW, started_at=NOW, upto=NOW, portion_at=NOW, state="done"
    )
    found = explain_absence(journey, outside, at=NOW)
    assert found.reasons[0].code == "not_in_segment"
    assert found.segment is not None
    assert not found.segment.member
    assert found.segment.would_change
    # Who came into it later was not in it then.
    Contact.objects.filter(pk=outside).update(city="Warszawa")
    refresh(segment, as_of=NOW + 2 * HOUR)
    assert "not_in_segment" in codes(journey, outside)
    assert "not_in_segment" not in codes(journey, inside)


def test_of_moves_it_is_told_whether_they_were_before_the_version() -> None:
    member, stranger = make_contacts("Warszawa", "Paris")
    segment = make_segment()
    refresh(segment, as_of=NOW - DAY)
    version = make_version(
        node("start", "segment_entry", segment="poles", on="entered"), node("end", "end"), at=NOW
    )
    assert codes(version.journey, member) == ["moved_before"]
    assert codes(version.journey, stranger) == ["never_moved"]


def test_the_life_of_the_journey_refusals_and_the_door_are_told() -> None:
    version = make_version(node("end", "end"), settings={"starts_at": (NOW + 3 * DAY).isoformat()})
    journey, contact = version.journey, make_contact()
    assert codes(journey, contact.pk)[0] == "not_begun"
    enter_many(
        journey.pk,
        lane=Lane.LIVE,
        contact_ids=[contact.pk],
        causes=["event:1"],
        moments=[NOW],
        contexts=[{}],
    )
    assert "coming" in codes(journey, contact.pk)
    Refusal.objects.create(
        journey=journey, contact=contact, cause="event:1", reason="too_soon", at=NOW
    )
    assert "too_soon" in codes(journey, contact.pk)
    journey.state = Journey.State.PAUSED
    assert codes(journey, contact.pk)[0] == "paused"
    journey.state = Journey.State.STOPPED
    assert codes(journey, contact.pk)[0] == "closed"


def test_who_is_on_the_journey_is_told_so_and_that_of_others_is_not_named() -> None:
    version = make_version(node("rest", "wait", duration=WEEK), node("end", "end"))
    contact = make_contact()
    happens("enter", contact.pk, at=NOW + timedelta(minutes=1))
    tick_journey(version.journey_id, as_of=NOW + HOUR)
    found = explain_absence(version.journey, contact.pk, at=NOW + HOUR)
    assert found.is_inside
    assert found.reasons == ()


def test_of_a_condition_it_is_told_which_path_was_open_and_why() -> None:
    rome = {"field": "contact.city", "operator": "=", "value": "Rome"}
    paths = [
        {"name": "romans", "criteria": {"combinator": "and", "rules": [rome]}},
        {"name": "first", "cap": {"limit": 1}},
        {"name": "noon", "time": {"from": "12:00", "to": "12:30", "zone": "Europe/London"}},
    ]
    version = make_version(node("which", "condition", paths=paths, **{"else": True}))
    contacts = [make_contact(city=city).pk for city in ("Rome", "Oslo", "Oslo", "Oslo")]
    for contact, at in zip(contacts, (NOW, NOW, NOW, NOW + HOUR), strict=True):
        happens("enter", contact, at=at)
    tick_journey(version.journey_id, as_of=NOW + HOUR)
    told = [
        explain_participant(passage).steps[1].sentence
        for passage in Participant.objects.order_by("contact_id")
    ]
    over = " There the journey ended."
    assert told == [
        f"“Condition” decided for “romans”: its criteria held.{over}",
        f"“Condition” decided for “first”: number 1 of at most 1.{over}",
        "“Condition” decided for “noon”: it was Monday, 2 Mar 2026, 12:00 (Europe/London),"
        f" and it is open 12:00–12:30, Europe/London; “first” was full.{over}",
        f"“Condition” decided for “all others”: no path was open; “first” was full.{over}",
    ]
