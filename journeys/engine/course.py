"""A running version as the engine needs it: its plan, its terms, and where each way leads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Q

from integrations import announcements
from journeys.drawing.kinds import ERROR, NEXT, TIMEOUT
from journeys.drawing.plan import Place, Plan, make_plan
from journeys.drawing.syntax import Node, read
from journeys.engine.terms import Terms
from journeys.models import Journey, JourneyVersion, Lane
from segments.criteria import Catalog, Criteria
from segments.facts import catalog_for, parse_criteria
from workspace.access import SYSTEM

# What webhooks are told when a passage is over.
FINISHED = "journey.participant.finished"
# Which of a live journey's state lets its versions move.
RUNNING = (Journey.State.LIVE, Journey.State.CLOSED)


@dataclass(frozen=True)
class Course:
    """One version. Made anew for each tick: what it asks of criteria may change meanwhile."""

    version: JourneyVersion
    plan: Plan
    terms: Terms

    @classmethod
    def of(cls, version: JourneyVersion) -> "Course":
        """That of a version, which was checked when it was published."""
        plan = make_plan(read(version.drawing), version.places)
        return cls(version, plan, Terms.read(version.settings))

    def target(self, node_id: str, outcome: str) -> int | None:
        """The place to which an outcome leads; None where the passage ends.

        An error or a timeout for which no way was drawn goes on by the next one.
        """
        found = self.plan.way(node_id, outcome)
        if found is None and outcome in (ERROR, TIMEOUT) and not self._has_way(node_id, outcome):
            return self.plan.way(node_id, NEXT)
        return found

    def place(self, number: int | None) -> Place | None:
        """The place of this number."""
        return None if number is None else self.plan.places[number]

    def nodes_of(self, place: Place) -> Sequence[Node]:
        """The activities of a place in the order in which they were drawn."""
        return [node for node in self.plan.drawing.nodes if node in place.nodes]

    @cached_property
    def listening(self) -> Sequence[int]:
        """The places at which somebody waits for something to happen, not for time alone."""
        return [
            place.number
            for place in self.plan.places
            if any(node.kind in ("event", "reaction") for node in place.nodes)
        ]

    @property
    def asks_exit_criteria(self) -> bool:
        """Whether there are exit criteria that have to be asked before each step."""
        return self.terms.exit is not None and self.terms.exit.criteria is not None

    @cached_property
    def hears_ends(self) -> bool:
        """Whether some webhook wants to be told whose passage is over."""
        return announcements.is_heard(FINISHED)

    def criteria(self, document: Mapping[str, Any]) -> Criteria:
        """The tree of criteria in the drawing or the settings. Raises CriteriaRefused.

        What was right when it was published may have become wrong since.
        """
        return parse_criteria(document, SYSTEM, catalog=self._catalog)

    @cached_property
    def _catalog(self) -> Catalog:
        return catalog_for(SYSTEM)

    def _has_way(self, node_id: str, outcome: str) -> bool:
        """Whether that this outcome ends the passage is what was meant."""
        config = self.plan.drawing.node(node_id).config
        return outcome == TIMEOUT and bool(config.get("timeout_path"))


def running_courses(journey_id: int, lane: int | None = None) -> list[Course]:
    """The versions of a journey whose participants move now, live and tested, the oldest first.

    Those of a paused journey stand still, unless it is only tested.
    """
    versions = JourneyVersion.objects.select_related("journey").filter(
        Q(lane=Lane.LIVE, journey__state__in=RUNNING) | Q(lane=Lane.TEST),
        journey=journey_id,
        ended_at=None,
    )
    if lane is not None:
        versions = versions.filter(lane=lane)
    return [Course.of(version) for version in versions.order_by("lane", "pk")]


def lock_name(journey_id: int) -> str:
    """The lock under which participants of a journey, and signals to them, are written."""
    return f"journeys {journey_id}"
