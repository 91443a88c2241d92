"""Who is on a journey: looked at, by version, place and activity."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from journeys.errors import ParticipantUnknown, VersionUnknown
from journeys.models import Journey, JourneyVersion, Lane, Participant, Transition


@dataclass(frozen=True, slots=True)
class Passed:
    """A participant with the activities at which it stands, and its steps, the first one first."""

    participant: Participant
    steps: tuple[Transition, ...]


def find_version(journey: Journey, number: int | None = None) -> JourneyVersion:
    """The version of this number, the latest where none is said. Raises VersionUnknown."""
    versions = journey.versions.filter(lane=Lane.LIVE).order_by("-number")
    found = versions.first() if number is None else versions.filter(number=number).first()
    if found is None:
        message = _("“%(name)s” was not published yet.")
        if number is not None:
            message = _("“%(name)s” has no version %(number)d.")
        raise VersionUnknown(message % {"name": journey.name, "number": number or 0})
    return found


def participants_of(
    journey: Journey, *, version: int | None = None, node: str = ""
) -> "QuerySet[Participant]":
    """Who is or was on the journey, those of tests not; at an activity, who stands there now.

    An activity is one of the version of that number, or of the latest. Raises VersionUnknown.
    """
    found = Participant.objects.select_related("version")
    if version is None and not node:
        return found.filter(version__in=journey.versions.filter(lane=Lane.LIVE))
    asked = find_version(journey, version)
    found = found.filter(version=asked)
    if node:
        places = [number for number, ids in enumerate(asked.places) if node in ids]
        # Who went to the end stands nowhere; who came to grief stands where it was.
        found = found.filter(place__in=places).exclude(state=Participant.State.DONE)
    return found


def find_participant(journey: Journey, participant_id: int) -> Passed:
    """One passage with all its steps. Raises ParticipantUnknown."""
    found = participants_of(journey).filter(pk=participant_id).first()
    if found is None:
        message = _("There is no participant %(id)d of “%(name)s”.")
        raise ParticipantUnknown(message % {"id": participant_id, "name": journey.name})
    return Passed(found, tuple(found.transitions.order_by("step")))


def nodes_at(version: JourneyVersion, place: int | None) -> list[str]:
    """The activities that stand at a place; none where the passage is over."""
    ids: list[Any] = version.places[place] if place is not None else []
    return list(ids)
