"""What follows when participants come to a place, or to the end of their passage.

Who comes to wait for events later than was due may have missed some: they are signalled. That a
passage is over is announced to webhooks that hear of it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from integrations import announcements
from journeys.engine.course import FINISHED, Course
from journeys.engine.lookback import signal_past_ends, signal_past_events
from journeys.models import Lane

# As in `Passage.to_place`: where the passage is over.
END = -1

# By the step: who was brought back comes to an end again.
_FACTS = """
SELECT p.id || ':' || p.steps AS key, p.contact_id, 'journey:' || p.journey_id AS subject,
  p.finished_at AS at, jsonb_build_object(
    'journey', %s::text, 'version', %s::integer, 'participant', p.id, 'contact_id', p.contact_id,
    'entered_at', p.entered_at, 'finished_at', p.finished_at,
    'outcome', CASE p.state WHEN 'failed' THEN 'failed' ELSE p.outcome END) AS data
FROM journeys_participant p WHERE p.id = ANY(%s::bigint[])
"""


def register() -> None:
    """Let webhooks ask for passages that are over. May be called again."""
    announcements.register_type(FINISHED, _("A contact's passage through a journey is over"))


def followed(course: Course, targets: Collection[int | None]) -> list[int]:
    """Those of these places, and END, at which something follows from coming there."""
    found = [place for place in course.listening if place in targets]
    if None in targets and course.version.lane == Lane.LIVE and course.hears_ends:
        found.append(END)
    return found


def follow(course: Course, place: int | None, ids: Sequence[int], *, as_of: datetime) -> None:
    """Do what follows from the coming of these participants to a place that is `followed`."""
    if place is None:
        facts: list[Any] = [course.version.journey.key, course.version.number, list(ids)]
        announcements.announce_rows(FINISHED, _FACTS, facts, at=as_of)
    else:
        signal_past_events(course.version, course.plan.places[place], ids, as_of=as_of)


def follows_entering(course: Course) -> bool:
    """Whether something follows from the entering of participants."""
    ends_by_event = any(
        wanted and wanted.event for wanted in (course.terms.exit, course.terms.goal)
    )
    return ends_by_event or bool(followed(course, {course.plan.first}))


def enter(course: Course, ids: Sequence[int], *, as_of: datetime) -> None:
    """Do what follows from the entering of these participants, who stand at the first place."""
    first = course.plan.first
    for place in followed(course, {first}):
        follow(course, None if place == END else place, ids, as_of=as_of)
    if first is not None:
        signal_past_ends(course.version, ids, as_of=as_of)
