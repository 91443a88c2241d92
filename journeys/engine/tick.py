"""The tick: everyone on a journey who has a reason to move goes as far as it takes him.

See README.md in the room for the order. Each portion is a transaction of its own, so a tick that
is killed leaves nothing half done, and the next one takes up what it left.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from integrations.digestion import passes
from journeys.drawing.plan import Place
from journeys.engine import acting, goals, portions, signals, stopping, timeouts
from journeys.engine.admissions import Admitted, admit_waiting
from journeys.engine.course import RUNNING, Course, running_courses
from journeys.engine.moves import Moved
from journeys.engine.portions import PORTION, Changed, portion
from journeys.models import Journey, JourneyVersion, Lane, Signal
from segments.errors import CriteriaRefused
from workspace import sql

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=10)
# So many portions of one kind, then it is the turn of the others; what is left comes next.
_TURNS = 20
_FIRST = (Signal.Kind.EXIT, Signal.Kind.GOAL)
_THEN = (Signal.Kind.EVENT, Signal.Kind.RESULT)

# Looked up in the partial indexes, place by place: nothing is read where nobody is due.
_DUE = """
SELECT j.id FROM journeys_journey j WHERE
  j.state <> 'paused' AND (
    EXISTS (SELECT FROM journeys_entrance e WHERE e.journey_id = j.id AND e.at <= %(as_of)s)
    OR EXISTS (SELECT FROM journeys_signal s WHERE s.journey_id = j.id AND s.at <= %(as_of)s))
  OR EXISTS (
    SELECT FROM journeys_journeyversion v
    WHERE v.journey_id = j.id AND v.ended_at IS NULL
      AND (v.lane = 1 OR v.lane = 0 AND j.state = ANY(%(states)s::text[]))
      AND (j.state = 'stopped' AND v.lane = 0
          AND coalesce(j.state_changed_at, '-infinity') <= %(as_of)s
        OR v.lane = 1 AND (
          EXISTS (SELECT FROM journeys_entrance e
            WHERE e.journey_id = j.id AND e.lane = 1 AND e.at <= %(as_of)s)
          OR EXISTS (SELECT FROM journeys_signal s
            WHERE s.journey_id = j.id AND s.at <= %(as_of)s))
        OR EXISTS (
          SELECT FROM generate_series(0, jsonb_array_length(v.places) - 1) AS place
          WHERE EXISTS (SELECT FROM journeys_participant p
              WHERE p.version_id = v.id AND p.place = place AND p.state = 'waiting'
                AND p.wake_at <= %(as_of)s)
            OR EXISTS (SELECT FROM journeys_participant p
              WHERE p.version_id = v.id AND p.place = place AND p.state = 'ready'
                AND p.arrived_at <= %(as_of)s))))
ORDER BY j.id
"""


@dataclass(slots=True)
class Ticked:
    """What a tick did; `has_more` where it stopped before all was done."""

    entered_count: int = 0
    refused_count: int = 0
    moved_count: int = 0
    ended_count: int = 0
    has_more: bool = False

    def __add__(self, other: "Ticked") -> "Ticked":
        return Ticked(
            self.entered_count + other.entered_count,
            self.refused_count + other.refused_count,
            self.moved_count + other.moved_count,
            self.ended_count + other.ended_count,
            self.has_more or other.has_more,
        )

    def note(self, moved: Moved) -> None:
        """Count these moves."""
        self.moved_count += moved.step_count
        self.ended_count += moved.ended_count


def due_journeys(*, as_of: datetime) -> list[int]:
    """The ids of the journeys in which somebody has a reason to move. One quick query."""
    states = [*RUNNING, Journey.State.STOPPED]
    return [row[0] for row in sql.lists(_DUE, {"as_of": as_of, "states": states})]


def tick_all(*, as_of: datetime, limit: int = PORTION) -> Ticked:
    """Tick each journey in which somebody is due, in turn; then end what is over.

    One that fails is logged and holds up no other. Raises what will pass by itself, such as a
    database that is not there.
    """
    total = Ticked()
    for journey_id in due_journeys(as_of=as_of):
        try:
            total += tick_journey(journey_id, as_of=as_of, limit=limit)
        except Exception as error:
            if passes(error):
                raise
            logger.exception("The journey %s could not be moved.", journey_id)
    stopping.finish_ended(as_of=as_of)
    return total


def tick_journey(journey_id: int, *, as_of: datetime, limit: int = PORTION) -> Ticked:
    """Move everyone on a journey, live and tested, who has a reason to move as of that instant.

    Again, for the same instant, it changes nothing. Of a paused journey only what is tested moves.
    Several may run at once: each portion, of `limit` participants, has the journey to itself.
    Who comes to criteria that became wrong stands still (`journeys.standstills`).
    """
    mark = portions.mark_of(journey_id)
    journey = Journey.objects.get(pk=journey_id)
    courses = running_courses(journey_id)
    lanes = [Lane.TEST] if journey.state == Journey.State.PAUSED else [Lane.LIVE, Lane.TEST]
    tick = _Tick(journey_id, courses, lanes, as_of, limit)
    try:
        with portions.unless_changed(mark):
            # Where exit criteria became wrong nobody can be asked, so nobody takes a step.
            with suppress(CriteriaRefused):
                tick.run()
            if journey.state == Journey.State.STOPPED:
                stopped = stopping.take_out(journey, as_of=as_of, turns=_TURNS, limit=limit)
                tick.ticked.note(stopped)
                tick.ticked.has_more |= stopped.has_more
    except Changed:
        # Somebody paused or stopped it, or published another version: the next tick goes by that.
        tick.ticked.has_more = True
    return tick.ticked


def tick_version(version: JourneyVersion, *, as_of: datetime) -> Ticked:
    """The same for one version alone, whatever the state of its journey: for rehearsals."""
    total = Ticked(has_more=True)
    while total.has_more:
        total.has_more = False
        tick = _Tick(version.journey_id, [Course.of(version)], [Lane(version.lane)], as_of, PORTION)
        tick.run()
        total += tick.ticked
    return total


@dataclass(slots=True)
class _Tick:
    """One tick of a journey: its versions, the lanes whose entrances are looked at, the instant."""

    journey_id: int
    courses: Sequence[Course]
    lanes: Sequence[Lane]
    as_of: datetime
    limit: int
    ticked: Ticked = field(default_factory=Ticked)

    def run(self) -> None:
        """Let in who waits, act upon what happened, move everyone; once, or while some come in."""
        while True:
            admitted = self._admit()
            # First all that happened: nobody times out whom a signal waits for.
            if not self._act_upon_signals():
                return
            for course in self.courses:
                self._pass(course)
            # Whoever waits to enter a second time enters when the first passage is over.
            if not admitted.asked_count or self.ticked.has_more:
                return

    def _admit(self) -> Admitted:
        total = Admitted()
        for lane in self.lanes:
            course = self._open_courses().get(lane)
            after: int | None = 0
            for _turn in range(_TURNS):
                assert after is not None
                admitted, after = admit_waiting(
                    self.journey_id, lane, course, as_of=self.as_of, limit=self.limit, after=after
                )
                total += admitted
                if after is None:
                    break
            self.ticked.has_more |= after is not None
        self.ticked.entered_count += total.entered_count
        self.ticked.refused_count += total.refused_count
        return total

    def _open_courses(self) -> Mapping[int, Course]:
        return {course.version.lane: course for course in self.courses if course.version.is_open}

    def _act_upon_signals(self) -> bool:
        """Act upon what happened; false where that was so much that some is left."""
        is_paused = Lane.LIVE not in self.lanes
        versions = [course.version.pk for course in self.courses] if is_paused else None
        for kinds in (_FIRST, _THEN):
            for _turn in range(_TURNS):
                with portion(self.journey_id):
                    ids = signals.due_signals(
                        self.journey_id,
                        kinds,
                        as_of=self.as_of,
                        limit=self.limit,
                        versions=versions,
                    )
                    if ids and kinds is _FIRST:
                        goals.note(ids)
                    for course in self.courses if ids else ():
                        act = signals.let_out if kinds is _FIRST else signals.act_upon
                        self.ticked.note(act(course, ids, as_of=self.as_of))
                    signals.forget(ids)
                if len(ids) < self.limit:
                    break
            else:
                self.ticked.has_more = True
                return False
        return True

    def _pass(self, course: Course) -> None:
        """One pass over the places in their order: every way leads to a later one."""
        for place in course.plan.places:
            # Who has come meanwhile may have missed what he waits for.
            may_have_missed = place.number in course.listening and (
                self.ticked.moved_count or self.ticked.entered_count
            )
            if may_have_missed and not self._act_upon_signals():
                return
            self._time_out(course, place)
            if not place.waits:
                self._let_act(course, place)

    def _time_out(self, course: Course, place: Place) -> None:
        if not timeouts.is_due(course, place, as_of=self.as_of):
            return
        for _turn in range(_TURNS):
            with portion(self.journey_id):
                moved = timeouts.let_go(course, place, as_of=self.as_of, limit=self.limit)
            self.ticked.note(moved)
            if moved.count < self.limit:
                return
        self.ticked.has_more = True

    def _let_act(self, course: Course, place: Place) -> None:
        for _turn in range(_TURNS):
            if not acting.is_anybody_ready(course, place):
                return
            try:
                moved = acting.act(course, place, as_of=self.as_of, limit=self.limit)
            except CriteriaRefused:
                # They stand there until it is mended; `standstills` tells of it.
                return
            self.ticked.note(moved)
        self.ticked.has_more = True
