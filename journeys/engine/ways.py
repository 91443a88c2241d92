"""Ways out of places, as the engine goes them."""

from dataclasses import dataclass

from journeys.models import Participant, Transition

Cause, Outcome = Transition.Cause, Participant.Outcome


@dataclass(frozen=True, slots=True)
class Then:
    """The step that is taken at once after another: at which place, by which outcome of what."""

    place: int
    node: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Way:
    """A way out of a place, and why it is taken; without a `target` the passage ends.

    With `then` it goes on at once: `target` is where that leads.
    """

    node: str
    outcome: str
    target: int | None
    cause: str = Cause.PASSED
    ends: str = Outcome.ENDED
    is_control: bool = False
    then: Then | None = None
