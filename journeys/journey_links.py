"""What journeys add to the rooms below: registered when Django is ready."""

from datetime import timedelta

from journeys import journeys, publishing, uses
from journeys.models import Journey
from workspace import access, rounds, user_groups
from workspace.user_groups import Entity

_CHANNEL = "regulars_journey_pauses"
_EVERY = timedelta(minutes=5)


def register() -> None:
    """Belong to user groups, be told of as a use, and go on after a pause. May be called again."""
    user_groups.register_things(Entity.JOURNEY, Journey, list_filter="group")
    access.register_subject("journey", journeys.known_journeys)
    uses.register()
    rounds.register_round(
        "resume_journeys", publishing.resume_overdue, channel=_CHANNEL, every=_EVERY, place=85
    )
