"""What journeys are about, in a workspace: a segment, templates, events, and journeys that fit."""

from typing import Any

from contacts.models import EventDefinition
from integrations.models import Template
from journeys import journeys, publishing
from journeys.models import Journey, JourneyVersion, Lane, Participant
from segments.models import Segment
from tests.factories import NOW, make_consent, make_contact
from tests.journeys.drawings import french
from tests.segments.factories import lives_in, make_segment
from workspace.access import SYSTEM, Actor


def furnish(segment: str = "south") -> Segment:
    """The segment of the use case, its templates, its event and its consent."""
    make_consent("newsletter")
    EventDefinition.objects.create(name="purchase_thank_you")
    EventDefinition.objects.create(name="visited")
    for key, channel in (
        ("first-message", "email"),
        ("follow-up", "email"),
        ("first-push", "push"),
        ("thank-you", "push"),
    ):
        Template.objects.create(
            key=key, name=key.capitalize(), channel=channel, subject="Hi", text="Hi"
        )
    return make_segment(segment, lives_in("Atlanta"))


def make_journey(drawing: Any = None, *, actor: Actor = SYSTEM, **given: Any) -> Journey:
    """A draft, of the use case where nothing else is said."""
    given.setdefault("name", "Use case")
    return journeys.create_journey(
        actor=actor,
        at=given.pop("at", NOW),
        drawing=french() if drawing is None else drawing,
        **given,
    )


def put_in(version: JourneyVersion, place: int = 0, **given: Any) -> Participant:
    """Somebody who stands at a place of a version, written past the engine."""
    contact = given.pop("contact", None) or make_contact()
    told = {"state": "waiting", "wake_at": NOW, **given}
    if told["state"] != "waiting":
        told["wake_at"] = None
    return Participant.objects.create(
        journey=version.journey,
        version=version,
        lane=Lane.LIVE,
        contact=contact,
        place=place,
        arrived_at=NOW,
        entered_at=NOW,
        entrance=f"test:{contact.pk}",
        **told,
    )


def publish(journey: Journey, **given: Any) -> JourneyVersion:
    """Published by the system."""
    return publishing.publish(journey, actor=SYSTEM, at=given.pop("at", NOW), **given)
