"""Decisions by lot and none at all: where those go who come to a split or an end. At once."""

from datetime import datetime

from journeys.drawing.kinds import NEXT
from journeys.drawing.syntax import Node
from journeys.engine import lots
from journeys.engine.course import Course
from journeys.engine.moves import Moved, Source, Way, move

_STANDING = """
SELECT p.id, p.place AS from_place, {way} AS way FROM journeys_participant p
WHERE p.version_id = %(version)s AND p.place = %(place)s AND p.state = 'ready'
ORDER BY p.contact_id LIMIT %(limit)s
"""


def split(course: Course, node: Node, place: int, *, as_of: datetime, limit: int) -> Moved:
    """Let those who stand at a split go by their lots."""
    ways = [
        Way(
            node.id,
            path["name"],
            course.target(node.id, path["name"]),
            is_control=path["name"] == lots.HOLDOUT,
        )
        for path in node.config["paths"]
    ]
    way = lots.drawn(node, range(len(ways)), lottery="lottery")
    lottery = lots.lottery_of(course.version.journey_id, node.id)
    params = {"place": place, "limit": limit, "lottery": lottery}
    return move(course, Source(_STANDING.format(way=way), params), ways, as_of=as_of)


def end(course: Course, node: Node, place: int, *, as_of: datetime, limit: int) -> Moved:
    """End the passages of those who stand at an end."""
    source = Source(_STANDING.format(way="0"), {"place": place, "limit": limit})
    return move(course, source, [Way(node.id, NEXT, None)], as_of=as_of)
