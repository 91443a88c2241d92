"""The life of a journey: published, paused, resumed, closed to entrances, stopped.

Here it is said what a journey is, in a few rows; the engine does what follows: the next tick lets
people in, moves them, or takes all of them out (`journeys.engine`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings as django_settings
from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from journeys import announcements, entrances, following
from journeys.checking import instant_of, latest_version, require_sound
from journeys.documents import named
from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import Drawing, read
from journeys.engine.course import lock_name
from journeys.errors import TooManyLive, WrongState
from journeys.journeys import DRAWABLE, changed_by, hold
from journeys.models import Journey, JourneyVersion, Lane, Message, Participant
from segments.lifecycle import require_usable
from segments.models import Segment
from workspace import access, audit, locks, rounds
from workspace.access import SYSTEM, Actor

PERMISSION = "journeys.publish_journey"
_LOCK = "journeys of the workspace"
# What begins before a journey is published: it may end what runs on the draft.
Prepare = Callable[[Journey, Actor, datetime], None]
_preparations: dict[str, Prepare] = {}
State = Journey.State


@dataclass(frozen=True, slots=True)
class Stopping:
    """What stopping a journey does: how many are inside, by the activities at which they stand.

    `message_count` messages are written and not sent yet; they are left out.
    """

    inside_count: int
    by_node: dict[str, int]
    message_count: int


def register_preparation(name: str, prepare: Prepare) -> None:
    """Have something done in the transaction that publishes, before. May be called again."""
    _preparations[name] = prepare


@transaction.atomic
def publish(
    journey: Journey, *, actor: Actor, at: datetime, draft_number: int | None = None
) -> JourneyVersion:
    """Make a version of the draft, into which contacts enter from now on.

    The version before is closed: who is inside goes on in it to its end. A paused journey stays
    paused. Raises DrawingInvalid with every fault, WrongState for a journey that is over,
    TooManyLive, and DraftChanged where the draft is not the one of that number any more.
    """
    access.require(actor, PERMISSION)
    locks.lock(_LOCK)
    locks.lock(lock_name(journey.pk))
    journey = hold(journey, actor=actor, permission=PERMISSION)
    if draft_number is not None and draft_number != journey.draft_number:
        raise changed_by(journey)
    if journey.state not in DRAWABLE:
        message = _("“%(name)s” is over: copy it, and publish the copy.")
        raise WrongState(message % {"name": journey.name})
    _require_room(journey)
    require_sound(journey, actor=actor, at=at)
    _hold_segments(journey)
    for prepare in _preparations.values():
        prepare(journey, actor, at)
    before = latest_version(journey)
    _close_versions(journey, at)
    drawing = read(journey.drawing)
    version = JourneyVersion.objects.create(
        journey=journey,
        number=before.number + 1 if before else 1,
        drawing=journey.drawing,
        settings=journey.settings,
        places=make_plan(drawing).as_json(),
        published_at=at,
        published_by=actor.label[:200],
        read_at=first_reading_at(drawing, journey.settings, at=at),
    )
    state = State.PAUSED if journey.state == State.PAUSED else State.LIVE
    changes = {"version": [before.number if before else None, version.number]}
    _enter(journey, state, "published", actor=actor, at=at, changes=changes)
    announcements.tell_published(version)
    return version


@transaction.atomic
def pause(journey: Journey, *, actor: Actor, at: datetime) -> Journey:
    """Hold everyone where he is: nobody enters, moves, or is sent anything. A paused one stays so.

    What becomes due meanwhile is done when the journey goes on, as of when it was due. After
    `JOURNEY_PAUSE_DAYS` it goes on by itself. Raises WrongState unless it is live.
    """
    journey = _take(journey, actor)
    if journey.state != State.PAUSED:
        _require_state(journey, State.LIVE, message=_("Only a live journey can be paused."))
        _enter(journey, State.PAUSED, "paused", actor=actor, at=at)
    return journey


@transaction.atomic
def resume(journey: Journey, *, actor: Actor, at: datetime) -> Journey:
    """Let a paused journey go on. A live one stays as it is. Raises WrongState for any other."""
    journey = _take(journey, actor)
    if journey.state != State.LIVE:
        message = _("Only a paused journey can go on.")
        _require_state(journey, State.PAUSED, message=message)
        _enter(journey, State.LIVE, "resumed", actor=actor, at=at)
    return journey


@transaction.atomic
def close(journey: Journey, *, actor: Actor, at: datetime) -> Journey:
    """Let nobody enter any more; who is inside goes on to the end. For ever: then it is copied.

    A closed one stays as it is. Raises WrongState unless it is live or paused.
    """
    journey = _take(journey, actor)
    if journey.state != State.CLOSED:
        message = _("Only a live or paused journey can be closed to new entrances.")
        _require_state(journey, State.LIVE, State.PAUSED, message=message)
        _close_versions(journey, at)
        _enter(journey, State.CLOSED, "closed", actor=actor, at=at)
    return journey


@transaction.atomic
def stop(journey: Journey, *, actor: Actor, at: datetime) -> Journey:
    """Take everyone out, at once and for ever; messages that are not sent yet are left out.

    `foresee_stop` says whom it takes out. A stopped one stays as it is. Raises WrongState unless
    it is live, paused or closed.
    """
    journey = _take(journey, actor)
    if journey.state != State.STOPPED:
        message = _("Only a live, paused or closed journey can be stopped.")
        _require_state(journey, State.LIVE, State.PAUSED, State.CLOSED, message=message)
        count = foresee_stop(journey).inside_count
        _close_versions(journey, at)
        changes = {"taken_out": [None, count]}
        _enter(journey, State.STOPPED, "stopped", actor=actor, at=at, changes=changes)
    return journey


def foresee_stop(journey: Journey) -> Stopping:
    """Whom stopping the journey would take out now. Three queries."""
    versions = journey.versions.filter(lane=Lane.LIVE, ended_at=None)
    places = dict(versions.values_list("pk", "places"))
    inside = Participant.objects.filter(version__in=list(places), finished_at=None)
    by_node: dict[str, int] = {}
    rows = inside.order_by().values_list("version_id", "place").annotate(count=Count("pk"))
    for version_id, place, count in rows:
        # Side by side they wait at one place, which is named for the first of them.
        node = places[version_id][place][0]
        by_node[node] = by_node.get(node, 0) + count
    waiting = (Message.State.PLANNED, Message.State.QUEUED)
    messages = Message.objects.filter(version__in=list(places), state__in=waiting)
    return Stopping(sum(by_node.values()), by_node, messages.count())


def resume_overdue(at: datetime) -> bool:
    """Let journeys go on that were paused for longer than they may be. A round; no more to do."""
    days = django_settings.JOURNEY_PAUSE_DAYS
    if days:
        overdue = Journey.objects.filter(
            state=State.PAUSED, state_changed_at__lte=at - timedelta(days=days)
        )
        for journey in overdue:
            # A handful at most: each is locked by itself, and in the trail by itself.
            resume(journey, actor=SYSTEM, at=at)
    return False


def first_reading_at(drawing: Drawing, settings: Any, *, at: datetime) -> datetime | None:
    """When a version that is published at `at` reads its segment first; None for other entries.

    A time that is over means at once, and none is before the journey begins.
    """
    entry = drawing.entry
    if entry.kind != "read_segment":
        return None
    schedule = entry.config.get("schedule") or {}
    times = [
        at,
        instant_of(schedule.get("at"), settings),
        instant_of(settings.get("starts_at"), settings),
    ]
    return max(time for time in times if time is not None)


def _take(journey: Journey, actor: Actor) -> Journey:
    """The journey with nobody moving in it, locked in the order of all who do."""
    access.require(actor, PERMISSION)
    locks.lock(lock_name(journey.pk))
    return hold(journey, actor=actor, permission=PERMISSION)


def _require_state(journey: Journey, *states: State, message: str) -> None:
    if journey.state not in states:
        told = _("“%(name)s” is in the state “%(state)s”. %(rule)s")
        words = {"name": journey.name, "state": journey.get_state_display(), "rule": message}
        raise WrongState(told % words)


def _require_room(journey: Journey) -> None:
    limit = django_settings.JOURNEYS_LIVE_LIMIT
    others = Journey.objects.filter(state__in=(State.LIVE, State.PAUSED)).exclude(pk=journey.pk)
    if journey.state == State.DRAFT and others.count() >= limit:
        message = _(
            "%(limit)d journeys are live, and more may not be: stop one or close it, or raise"
            " JOURNEYS_LIVE_LIMIT."
        )
        raise TooManyLive(message % {"limit": limit})


def _hold_segments(journey: Journey) -> None:
    """Keep segments in use that the journey begins to use; those that it had go on."""
    latest = latest_version(journey)
    before = named(latest.drawing, latest.settings).segments if latest else frozenset[str]()
    new = named(journey.drawing, journey.settings).segments - before
    for segment in Segment.objects.filter(key__in=new).order_by("pk"):
        # A handful, each locked so that nobody takes it out of use in this moment.
        require_usable(segment, actor=SYSTEM)


def _close_versions(journey: Journey, at: datetime) -> None:
    journey.versions.filter(lane=Lane.LIVE, is_open=True).update(is_open=False, closed_at=at)


def _enter(
    journey: Journey,
    state: State,
    verb: str,
    *,
    actor: Actor,
    at: datetime,
    changes: dict[str, Any] | None = None,
) -> None:
    """Write the state down, tell the trail, and let those know who move people."""
    changes = {**(changes or {})}
    if journey.state != state:
        changes["state"] = [journey.state, state.value]
        journey.state, journey.state_changed_at = state, at
        journey.save(update_fields=["state", "state_changed_at", "updated_at"])
    audit.record(actor=actor, action=f"journey.{verb}", subject=journey, changes=changes, at=at)
    following.rewatch(at=at)
    rounds.wake(entrances.CHANNEL)
