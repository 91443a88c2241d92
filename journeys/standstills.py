"""Where a running journey stands still because criteria in it became wrong.

What was right when it was published may have become wrong since: an attribute that a condition
asks for was deleted. Nobody is set aside for that. Who comes to such a condition stands there,
ready, and goes on with the next tick after it was mended; exit criteria are asked before each step,
so where they are wrong nobody takes one. Said once for each, on the journey's page and by `doctor`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from journeys.documents import slots_of, slots_of_settings
from journeys.engine.course import RUNNING
from journeys.explaining import Words
from journeys.models import Journey, JourneyVersion, Lane
from segments.errors import CriteriaRefused
from segments.facts import catalog_for, parse_criteria
from workspace.access import SYSTEM

_PAUSED = Journey.State.PAUSED


@dataclass(frozen=True, slots=True)
class Standstill:
    """Criteria of a running version that cannot be read any more.

    `node` is the activity, empty for the settings; `path` is where in it they stand, `where` what
    people call that, `problem` the first fault.
    """

    journey: Journey
    version: int
    node: str
    path: str
    where: str
    problem: str


def standstills(journeys: Iterable[Journey] | None = None) -> list[Standstill]:
    """Those of all running journeys, or of these. A constant number of queries."""
    versions = JourneyVersion.objects.select_related("journey").filter(
        lane=Lane.LIVE, ended_at=None, journey__state__in=(*RUNNING, _PAUSED)
    )
    if journeys is not None:
        versions = versions.filter(journey__in=[journey.pk for journey in journeys])
    found: list[Standstill] = []
    catalog = None
    for version in versions.order_by("journey__name", "journey_id", "number"):
        words = None
        for slot in (*slots_of(version.drawing), *slots_of_settings(version.settings)):
            if not slot.has_criteria:
                continue
            catalog = catalog or catalog_for(SYSTEM)
            try:
                parse_criteria(slot.value, SYSTEM, catalog=catalog)
            except CriteriaRefused as refused:
                words = words or Words(version)
                where = words.label(slot.node) if slot.node else slot.path.partition(".")[0]
                one = (version.number, slot.node, slot.path, where, str(refused))
                found.append(Standstill(version.journey, *one))
    return found
