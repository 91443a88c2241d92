"""A journey on which n people are, which is tested with n, and was rehearsed with n."""

from datetime import timedelta

from django.utils import timezone

from contacts.models import Contact, EventDefinition
from journeys import journeys, publishing
from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import read
from journeys.models import (
    Journey,
    JourneyVersion,
    Lane,
    Message,
    Participant,
    Passage,
    Rehearsal,
    Transition,
)
from loyalty.models import Campaign
from tests.journeys.drawings import drawing, edge, node
from tests.loyalty.gift_cards import make_campaign
from workspace.access import SYSTEM

_PATHS = [{"name": "all", "percent": 90}, {"name": "holdout", "percent": 10}]


def furnish_journey(people: list[Contact]) -> Journey:
    """Put these people on the journey, into its test, and into a rehearsal of its draft."""
    journey = Journey.objects.filter(key="counted").first() or _make_journey()
    live = journey.versions.get(lane=Lane.LIVE)
    tested = journey.versions.get(lane=Lane.TEST)
    for place, contact in enumerate(people):
        for version in (live, tested):
            _put_in(version, contact)
        campaign = make_campaign(f"Campaign of {contact.pk}", count=1)
        put_rehearsal(journey, people[: place + 1], campaign)
    return journey


def _make_journey() -> Journey:
    EventDefinition.objects.create(name="counted")
    drawn = drawing(
        node("start", "event_entry", event="counted"),
        node("dice", "split", paths=_PATHS),
        node("rest", "wait", duration={"amount": 1, "unit": "week"}),
        *(edge("start", "dice"), edge("dice", "rest", "all")),
    )
    at = timezone.now() - timedelta(days=5)
    goal = {"event": "counted"}
    journey = journeys.create_journey(
        actor=SYSTEM, at=at, name="Counted", key="counted", drawing=drawn, settings={"goal": goal}
    )
    live = publishing.publish(journey, actor=SYSTEM, at=at)
    JourneyVersion.objects.create(
        journey=journey,
        lane=Lane.TEST,
        number=live.number + 1,
        drawing=drawn,
        settings=live.settings,
        places=make_plan(read(drawn)).as_json(),
        published_at=at,
        wait_seconds=10,
    )
    return journey


def _put_in(version: JourneyVersion, contact: Contact) -> None:
    at = timezone.now() - timedelta(hours=3)
    one = Participant.objects.create(
        journey=version.journey,
        version=version,
        lane=version.lane,
        contact=contact,
        place=1,
        state="waiting",
        steps=1,
        wake_at=at + timedelta(days=7),
        arrived_at=at,
        entered_at=at,
        entrance=f"event:{contact.pk}",
        goal_at=at,
        is_control=contact.pk % 2 == 0,
    )
    Transition.objects.create(
        participant=one,
        step=1,
        outcome="entered",
        to_place=1,
        cause="entered",
        at=at,
        noticed_at=at,
    )
    Message.objects.create(
        journey=version.journey,
        version=version,
        lane=version.lane,
        participant=one,
        node="dice",
        channel="email",
        contact=contact,
        state="sent",
        created_at=at,
        due_at=at,
        sent_at=at,
        opened_at=at,
    )
    hour = at.replace(minute=0, second=0, microsecond=0) - timedelta(hours=contact.pk % 50)
    passage = {"version": version, "hour": hour, "node": "", "outcome": "entered", "to_place": 1}
    Passage.objects.get_or_create(**passage, defaults={"count": 1})


def put_rehearsal(journey: Journey, people: list[Contact], campaign: Campaign) -> Rehearsal:
    """A rehearsal of the draft as it is, which found something of everything at each activity."""
    ids = [node["id"] for node in journey.drawing["nodes"]]
    now = timezone.now()
    card = {"campaign": campaign.key, "count": 1, "currency": "USD", "amount_minor": 100}
    passed = {"waiting": 0, "failed": 0, "passed": {"next": 1}}
    result = {
        "since": (now - timedelta(days=30)).isoformat(),
        "until": now.isoformat(),
        "contacts": len(people),
        "entered": len(people),
        "refused": {},
        "ended": {},
        "inside": 0,
        "nodes": dict.fromkeys(ids, passed),
        "messages": {
            "total": len(people),
            "left_out": {"cap": len(people)},
            "nodes": {ids[1]: {"email": len(people)}},
            "days": [{"day": now.date().isoformat(), "email": 1}],
        },
        "gift_cards": {
            "nodes": [{**card, "node": ids[1]}],
            "campaigns": [{**card, "left": 1, "failed": {"none_left": 2}}],
            "cost": {"USD": 100},
        },
        "cap": {
            "messages": 1,
            "is_of_workspace": True,
            "most": 2,
            "over": len(people),
            "people": [{"contact_id": one.pk, "messages": 1, "left_out": 1} for one in people],
        },
        "notes": ["A note."],
    }
    return Rehearsal.objects.create(
        journey=journey,
        draft_number=journey.draft_number,
        drawing=journey.drawing,
        settings=journey.settings,
        days=30,
        result=result,
        created_at=now,
        finished_at=now,
    )
