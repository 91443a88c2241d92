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
from journeys.models import JourneyVersion, Lane


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


@dataclass(frozen=True, slots=True)
class _Registered:
    act: Act
    holds_contacts: bool


_acts: dict[tuple[str, int | None], _Registered] = {}


def register_act(
    kind: str, act: Act, *, lane: Lane | None = None, holds_contacts: bool = True
) -> None:
    """Let `act` do the activities of a kind; for one lane only, where it is another there.

    With `holds_contacts` nobody is merged while it works: what it writes of the contacts themselves
    is safe. May be called again.
    """
    _acts[kind, lane] = _Registered(act, holds_contacts)


def act_of(kind: str, lane: int | None = None) -> Act:
    """What does the activities of a kind in a lane. Raises KeyError."""
    return _registered(kind, lane).act


def holds_contacts(kind: str, lane: int | None = None) -> bool:
    """Whether the contacts have to be held before it acts. Raises KeyError."""
    return _registered(kind, lane).holds_contacts


def _registered(kind: str, lane: int | None) -> _Registered:
    return _acts.get((kind, lane)) or _acts[kind, None]
