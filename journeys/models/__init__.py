"""The tables of this room, one file for each noun."""

from journeys.models.journeys import Journey, JourneyVersion, Lane, TestProfile
from journeys.models.messages import Message
from journeys.models.participants import (
    Entrance,
    Participant,
    Passage,
    Reading,
    Refusal,
    Signal,
    Transition,
)

__all__ = [
    "Entrance",
    "Journey",
    "JourneyVersion",
    "Lane",
    "Message",
    "Participant",
    "Passage",
    "Reading",
    "Refusal",
    "Signal",
    "TestProfile",
    "Transition",
]
