"""Decisions by lot and none at all: where those go who come to a split or an end. At once."""

from datetime import datetime
from decimal import Decimal

from journeys.drawing.kinds import NEXT
from journeys.drawing.syntax import Node
from journeys.engine.course import Course
from journeys.engine.moves import Moved, Source, Way, move

HOLDOUT = "holdout"
# Of so many lots; a hundredth of a percent is one.
LOTS = 10_000
_STANDING = """
SELECT p.id, p.place AS from_place, {way} AS way FROM journeys_participant p
WHERE p.version_id = %(version)s AND p.place = %(place)s AND p.state = 'ready'
ORDER BY p.contact_id LIMIT %(limit)s
"""
# The same for a contact whatever the version: who was in the control group stays there.
_LOT = f"('x' || left(md5(%(lottery)s || p.contact_id), 8))::bit(32)::bigint %% {LOTS}"


def lottery_of(journey_id: int, node_id: str) -> str:
    """What the lot of a contact is drawn from, before its number."""
    return f"{journey_id}:{node_id}:"


def split(course: Course, node: Node, place: int, *, as_of: datetime, limit: int) -> Moved:
    """Let those who stand at a split go by their lots."""
    cases, ways, upto = [], [], Decimal(0)
    for number, path in enumerate(node.config["paths"]):
        upto += Decimal(str(path["percent"])) * LOTS / 100
        cases.append(f"WHEN {_LOT} < {int(upto)} THEN {number}")
        target = course.target(node.id, path["name"])
        ways.append(Way(node.id, path["name"], target, is_control=path["name"] == HOLDOUT))
    way = f"CASE {' '.join(cases)} ELSE {len(ways) - 1} END"
    lottery = lottery_of(course.version.journey_id, node.id)
    params = {"place": place, "limit": limit, "lottery": lottery}
    return move(course, Source(_STANDING.format(way=way), params), ways, as_of=as_of)


def end(course: Course, node: Node, place: int, *, as_of: datetime, limit: int) -> Moved:
    """End the passages of those who stand at an end."""
    source = Source(_STANDING.format(way="0"), {"place": place, "limit": limit})
    return move(course, source, [Way(node.id, NEXT, None)], as_of=as_of)
