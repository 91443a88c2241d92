"""Those who could not go on: who they are and why, and how people bring them back.

Who is brought back stands again where he failed, and the next tick does what is to be done there.
What was handed out to him before is not handed out twice: each activity knows what it did by the
participant and itself.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from journeys.engine import standings, stopping
from journeys.engine.course import Course
from journeys.engine.lookback import signal_past_ends
from journeys.engine.portions import portion
from journeys.engine.running import wake
from journeys.errors import JourneyInvalid, ParticipantUnknown, WrongState
from journeys.journeys import hold
from journeys.models import Journey, JourneyVersion, Lane, Participant
from journeys.participants import find_version
from journeys.publishing import PERMISSION as PERMISSION
from workspace import access, audit, sql
from workspace.access import Actor
from workspace.errors import Problem

OUTCOME = "brought_back"
SELECTED_LIMIT = 10_000
_STATES = (Journey.State.LIVE, Journey.State.PAUSED)
_TOLD = 20

# `left_out` says why somebody stays where he is. Of several passages of a contact the newest one
# of a version that runs comes back: nobody is inside twice.
_CHOSEN = """
SELECT p.id, p.contact_id, p.version_id, p.place, p.problem, v.number,
  v.places -> p.place::integer ->> 0 AS node,
  CASE WHEN c.id IS NULL OR c.erased_at IS NOT NULL THEN 'erased'
    WHEN v.ended_at IS NOT NULL THEN 'version_over'
    WHEN EXISTS (SELECT FROM journeys_participant o WHERE o.contact_id = p.contact_id
      AND o.journey_id = p.journey_id AND o.lane = p.lane AND o.finished_at IS NULL) THEN 'inside'
    WHEN row_number() OVER (
      PARTITION BY p.contact_id ORDER BY v.ended_at IS NOT NULL, p.id DESC) > 1 THEN 'inside'
    ELSE '' END AS left_out
FROM journeys_participant p JOIN journeys_journeyversion v ON v.id = p.version_id
LEFT JOIN contacts_contact c ON c.id = p.contact_id
WHERE p.version_id = ANY(%(versions)s::integer[]) AND p.state = 'failed'
  AND (%(ids)s::bigint[] IS NULL OR p.id = ANY(%(ids)s::bigint[]))
  AND (%(node)s = '' OR jsonb_exists(v.places -> p.place::integer, %(node)s))
"""
_GROUPED = f"""
SELECT number, node, problem, left_out, count(*) AS count FROM ({_CHOSEN}) g
GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1 DESC, 2, 3
"""  # noqa: S608  made of our own words only
_BRING_BACK = f"""
WITH chosen AS MATERIALIZED ({_CHOSEN}),
back AS (
  UPDATE journeys_participant p SET state = 'ready', finished_at = NULL, problem = '',
    steps = p.steps + 1, arrived_at = %(at)s
  FROM chosen g WHERE p.id = g.id AND p.state = 'failed' AND g.left_out = ''
  RETURNING p.id, p.contact_id, p.journey_id, p.version_id, p.place, p.steps, p.entered_at,
    g.node, g.problem),
logged AS (
  INSERT INTO journeys_transition
    (participant_id, step, from_place, node, outcome, to_place, cause, at, noticed_at, data)
  SELECT id, steps, place, node, %(outcome)s, place, 'back', %(at)s, %(at)s,
    jsonb_build_object('problem', problem) FROM back),
counted AS (
  INSERT INTO journeys_passage AS known (version_id, hour, node, outcome, to_place, count)
  SELECT version_id, date_trunc('hour', %(at)s::timestamptz, 'UTC'), node, %(outcome)s, place,
    count(*)
  FROM back GROUP BY 1, 3, 5 ORDER BY 1, 3, 5
  ON CONFLICT (version_id, hour, node, outcome, to_place)
    DO UPDATE SET count = known.count + excluded.count){standings.RETURNED}
SELECT g.left_out, count(*), array_agg(g.id) FILTER (WHERE g.left_out = ''
  AND g.version_id = ANY(%(watched)s::integer[]))
FROM chosen g GROUP BY 1
"""  # noqa: S608  made of our own words only


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some failed: the activity of a version, and what was told of it; how many come back.

    Without a problem where nothing was told.
    """

    version: int
    node: str
    problem: str
    count: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Whom bringing back would concern: how many come back, why they had failed, who stays.

    `reasons` are the commonest twenty. `left` says how many stay where they are, and why: "inside"
    (the contact is on the journey again), "version_over" (nobody goes on in that version any more)
    and "erased".
    """

    count: int
    reasons: tuple[Reason, ...]
    left: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Returned:
    """How many were brought back, and how many stay where they are, by the reason as there."""

    count: int
    left: Mapping[str, int]


def foresee_return(
    journey: Journey,
    *,
    version: int | None = None,
    node: str = "",
    participants: Collection[int] | None = None,
) -> Foreseen:
    """Whom `bring_back` would bring back now. Raises VersionUnknown. One query."""
    rows = sql.rows(_GROUPED, _wanted(journey, version, node, participants))
    coming = [row for row in rows if not row["left_out"]]
    left: dict[str, int] = {}
    for row in rows:
        if row["left_out"]:
            left[row["left_out"]] = left.get(row["left_out"], 0) + row["count"]
    reasons = [
        Reason(row["number"], row["node"] or "", row["problem"], row["count"])
        for row in coming[:_TOLD]
    ]
    return Foreseen(sum(row["count"] for row in coming), tuple(reasons), left)


def bring_back(
    journey: Journey,
    *,
    actor: Actor,
    at: datetime,
    version: int | None = None,
    node: str = "",
    participants: Collection[int] | None = None,
) -> Returned:
    """Let those who failed go on from where they did, as of `at`: all, or those who are named.

    With a `version` those of it, with a `node` those at that activity, with `participants` those
    of these numbers, ten thousand at most. Nobody is brought back into a version in which nobody
    goes on any more, nor while the contact is inside. In one transaction; the next tick moves
    them, of a paused journey once it goes on.

    Raises WrongState unless the journey is live or paused, VersionUnknown, JourneyInvalid where
    too many are named, and ParticipantUnknown where none of those who are named failed.
    """
    access.require(actor, PERMISSION)
    if participants is not None and len(set(participants)) > SELECTED_LIMIT:
        message = _("At most %(limit)d participants can be named at a time.")
        problem = Problem("participants", "too_many", message % {"limit": SELECTED_LIMIT})
        raise JourneyInvalid(problem.message, problems=[problem])
    with portion(journey.pk):
        # Before the row of the journey: as those who note that versions are over.
        stopping.hold_endings()
        journey = hold(journey, actor=actor, permission=PERMISSION)
        _require_running(journey)
        courses = _watched(journey)
        rows = sql.lists(
            _BRING_BACK,
            {
                **_wanted(journey, version, node, participants),
                "at": at,
                "outcome": OUTCOME,
                "watched": list(courses),
            },
        )
        counts = {left_out: count for left_out, count, _ids in rows}
        count = counts.pop("", 0)
        if participants is not None and not count and not counts:
            raise ParticipantUnknown(_("None of these participants has failed."))
        _look_back(courses, [pk for _left, _count, ids in rows for pk in ids or ()], at)
        if count:
            changes: dict[str, Any] = {"participants": [0, count]}
            told = {"version": version, "node": node or None}
            changes |= {name: [None, value] for name, value in told.items() if value is not None}
            action = "journey.brought_back"
            audit.record(actor=actor, action=action, subject=journey, changes=changes, at=at)
            wake()
    return Returned(count, counts)


def left_sentence(left: Mapping[str, int]) -> str:
    """Who is not brought back, in sentences; nothing where nobody is left."""
    texts = {
        "inside": ngettext(
            "%(count)d contact is on the journey again and stays there.",
            "%(count)d contacts are on the journey again and stay there.",
            left.get("inside", 0),
        ),
        "version_over": ngettext(
            "%(count)d was on a version in which nobody goes on any more.",
            "%(count)d were on a version in which nobody goes on any more.",
            left.get("version_over", 0),
        ),
        "erased": ngettext(
            "%(count)d contact was erased.",
            "%(count)d contacts were erased.",
            left.get("erased", 0),
        ),
    }
    return " ".join(texts[why] % {"count": count} for why, count in left.items() if why in texts)


def may_return(journey: Journey) -> bool:
    """Whether anybody can be brought back in the state in which the journey is."""
    return journey.state in _STATES


def failed_count(version: JourneyVersion) -> int:
    """How many of a version failed and were not brought back."""
    return version.participants.filter(state=Participant.State.FAILED).count()


def _wanted(
    journey: Journey, version: int | None, node: str, participants: Collection[int] | None
) -> dict[str, Any]:
    if version is None:
        versions = journey.versions.filter(lane=Lane.LIVE).values_list("pk", flat=True)
        found = list(versions)
    else:
        found = [find_version(journey, version).pk]
    ids = None if participants is None else sorted(set(participants))
    return {"versions": found, "node": node, "ids": ids}


def _require_running(journey: Journey) -> None:
    if not may_return(journey):
        message = _("“%(name)s” is in the state “%(state)s”: nobody can be brought back into it.")
        words = {"name": journey.name, "state": journey.get_state_display()}
        raise WrongState(message % words)


def _watched(journey: Journey) -> dict[int, Course]:
    """The versions that run and end passages by an event, or have one as their goal."""
    running = journey.versions.filter(lane=Lane.LIVE, ended_at=None)
    courses = {version.pk: Course.of(version) for version in running}
    return {
        pk: course
        for pk, course in courses.items()
        if any(one and one.event for one in (course.terms.exit, course.terms.goal))
    }


def _look_back(courses: Mapping[int, Course], ids: Sequence[int], at: datetime) -> None:
    """Note what ended their passages while they were set aside."""
    for course in courses.values() if ids else ():
        # One or two versions; each says for itself what it listens to.
        signal_past_ends(course.version, ids, as_of=at)
