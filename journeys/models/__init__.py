"""The tables of this room, one file for each noun."""

from journeys.models.journeys import DRAWABLE, Journey, JourneyVersion, Lane, TestProfile
from journeys.models.messages import Message
from journeys.models.participants import (
    CapCount,
    Entrance,
    Participant,
    Passage,
    Reading,
    Refusal,
    Signal,
    Transition,
)
from journeys.models.rehearsals import Rehearsal
from journeys.models.standings import ContactJourney

__all__ = [
    "DRAWABLE",
    "CapCount",
    "ContactJourney",
    "Entrance",
    "Journey",
    "JourneyVersion",
    "Lane",
    "Message",
    "Participant",
    "Passage",
    "Reading",
    "Refusal",
    "Rehearsal",
    "Signal",
    "TestProfile",
    "Transition",
]
