"""What acting activities are given, and what they say: participants, many at a time.

An activity of a kind is one function. It writes what it does for all of the cohort in a few
statements, inside the transaction that then moves them by what it says, so that both happen or
neither does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from journeys.drawing.plan import Plan
from journeys.drawing.syntax import Node
from journeys.models import JourneyVersion


@dataclass(frozen=True, slots=True)
class Cohort:
    """Participants who stand at one acting activity, in the order of their contacts.

    `ids`, `contact_ids` and `arrived` (when each came there) belong together by position. `at` is
    the instant of the tick.
    """

    version: JourneyVersion
    plan: Plan
    node: Node
    ids: Sequence[int]
    contact_ids: Sequence[int]
    arrived: Sequence[datetime]
    at: datetime


@dataclass(frozen=True, slots=True)
class Acted:
    """What came of each, by position.

    `outcomes` are ways out; None: it stays and waits for its result (a `Signal`), until `wake_at`,
    when it leaves by "timeout" or, without such a way, "next". `data` is for the transition, and
    `context` is merged into the participant's; either may be left empty for all.
    """

    outcomes: Sequence[str | None]
    wake_at: Sequence[datetime | None] = ()
    data: Sequence[Mapping[str, Any] | None] = ()
    context: Sequence[Mapping[str, Any] | None] = ()
    failed: Mapping[int, str] = field(default_factory=dict)
    """Why those could not go on who failed, by position; people look at them."""


Act = Callable[[Cohort], Acted]
_acts: dict[str, Act] = {}


def register_act(kind: str, act: Act) -> None:
    """Let `act` do the activities of a kind. May be called again."""
    _acts[kind] = act


def act_of(kind: str) -> Act:
    """What does the activities of a kind. Raises KeyError."""
    return _acts[kind]
