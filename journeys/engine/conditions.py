"""Conditions: the first path that is open for each who comes, from the top.

Criteria are asked as of the tick. A time, a date and the day of a cap are of the instant at which
somebody came, as all that time alone decides: a worker that is late sends nobody another way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from journeys.drawing.forms import CAP, CRITERIA, form_of, is_open, zone_of
from journeys.drawing.kinds import ELSE, NEXT
from journeys.engine import capped, zones
from journeys.engine.cohort import Acted, Cohort
from journeys.engine.terms import Terms
from segments.criteria import compile_vector
from segments.facts import catalog_for, parse_criteria
from workspace import sql
from workspace.access import SYSTEM

# By position in the cohort; who is not there any more has the clocks of the journey.
_LOCAL = """
SELECT {columns} FROM unnest(%(contacts)s::bigint[], %(arrived)s::timestamptz[])
  WITH ORDINALITY AS g (contact_id, at, place)
LEFT JOIN contacts_contact c ON c.id = g.contact_id
ORDER BY g.place
"""


def decide(cohort: Cohort, *, share: float = 1) -> Acted:
    """The way of each: the first path of the condition that is open for it, with why.

    Who finds none open goes by "else" where the condition has that way; without it his passage
    ends. One statement for all criteria, one for all clocks, one for each cap, of which only
    `share` counts. Raises CriteriaRefused where criteria became wrong.
    """
    deciding = _Deciding(cohort, share)
    other = ELSE if cohort.node.config.get("else") else NEXT
    taken: dict[int, str] = {}
    left: Sequence[int] = range(len(cohort.ids))
    for number, path in enumerate(cohort.node.config["paths"]):
        # Not one statement for all caps: whoever found one full asks for the next.
        going = set(deciding.going(number, path, left))
        taken |= dict.fromkeys(going, path["name"])
        left = [position for position in left if position not in going]
    outcomes = [taken.get(position, other) for position in range(len(cohort.ids))]
    told = [deciding.told.get(position) for position in range(len(cohort.ids))]
    return Acted(outcomes, data=told)


@dataclass
class _Deciding:
    """One cohort at one condition; `told` is what is to be known later of a decision."""

    cohort: Cohort
    share: float
    told: dict[int, dict[str, Any]] = field(default_factory=dict)

    def going(self, number: int, path: Mapping[str, Any], left: Sequence[int]) -> Sequence[int]:
        """Those of who is left for whom a path is open."""
        form = form_of(path)
        if form == CRITERIA:
            ids = self.cohort.contact_ids
            return [position for position in left if number in self._holding.get(ids[position], ())]
        if form == CAP:
            return self._let_through(path, left)
        clocks = self._clocks[zone_of(path)]
        going = [position for position in left if is_open(path, clocks[position][1])]
        for position in going:
            zone, local, unknown = clocks[position]
            self._tell(position, zone=zone, local=local.isoformat())
            if unknown:
                self._tell(position, **{zones.UNKNOWN: unknown})
        return going

    def _let_through(self, path: Mapping[str, Any], left: Sequence[int]) -> Sequence[int]:
        limit = int(path[CAP]["limit"])
        counted = limit if self.share >= 1 else round(limit * self.share)
        numbers = capped.take(self.cohort, path, left, counted, zone=self._zone)
        for position in left:
            if position in numbers:
                self._tell(position, number=numbers[position], limit=limit)
            else:
                self.told.setdefault(position, {}).setdefault("full", []).append(path["name"])
        return list(numbers)

    def _tell(self, position: int, **words: Any) -> None:
        self.told.setdefault(position, {}).update(words)

    @cached_property
    def _terms(self) -> Terms:
        return Terms.read(self.cohort.version.settings)

    @property
    def _zone(self) -> ZoneInfo:
        return self._terms.zone

    @cached_property
    def _holding(self) -> Mapping[int, Sequence[int]]:
        """By contact the numbers of the paths whose criteria hold; of the others nothing."""
        catalog = catalog_for(SYSTEM)
        trees = {
            number: parse_criteria(path[CRITERIA], SYSTEM, catalog=catalog)
            for number, path in enumerate(self.cohort.node.config["paths"])
            if form_of(path) == CRITERIA
        }
        query = compile_vector(trees, now=self.cohort.at, among=self.cohort.contact_ids)
        with sql.local_settings(query.settings):
            return dict(sql.lists(query.text, query.params))

    @cached_property
    def _clocks(self) -> Mapping[str, Sequence[tuple[str, datetime, str | None]]]:
        """What clocks showed when each came, for each zone that a path names.

        With the zone by which they went, and the one that nobody knows.
        """
        paths = self.cohort.node.config["paths"]
        named = {zone_of(path) for path in paths if form_of(path) not in (CRITERIA, CAP)}
        said, columns = sorted(named), list[str]()
        params: dict[str, Any] = {
            "contacts": list(self.cohort.contact_ids),
            "arrived": list(self.cohort.arrived),
        }
        for number, zone in enumerate(said):
            found = zones.zone_of(
                zone, self._zone, f"clock{number}_", unknown=self._terms.unknown_zone
            )
            columns += [found.text, f"g.at AT TIME ZONE {found.text}", found.unknown]
            params |= found.params
        rows = sql.lists(_LOCAL.format(columns=", ".join(columns)), params)
        return {
            zone: [(row[3 * number], row[3 * number + 1], row[3 * number + 2]) for row in rows]
            for number, zone in enumerate(said)
        }
