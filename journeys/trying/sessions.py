"""Tests of drafts: started, filled with test profiles, ended, and then all of it is gone.

A test is a version in a lane of its own (`Lane.TEST`), made of the draft as it stands. The engine
moves those in it as it moves all others, and messages are sent; but every wait lasts
`wait_seconds`, only test profiles enter, and nothing counts in any statistics. While a test runs
the draft is not changed. One runs of a journey at a time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations import deliveries
from integrations.models import Delivery
from journeys import entrances, following
from journeys.checking import require_sound
from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import Drawing, read
from journeys.engine.course import lock_name
from journeys.errors import (
    JourneyInvalid,
    NotATestProfile,
    NoTestRunning,
    TooManyProfiles,
    WrongState,
)
from journeys.journeys import DRAWABLE, hold
from journeys.messages.permits import message_id_of
from journeys.models import (
    Entrance,
    Journey,
    JourneyVersion,
    Lane,
    Message,
    Participant,
    Refusal,
)
from journeys.publishing import register_preparation
from journeys.trying.profiles import are_profiles, known_profiles
from journeys.trying.running import running_test
from segments.models import Membership
from workspace import audit, locks, rounds, sql
from workspace.access import SYSTEM, Actor
from workspace.errors import Problem

PERMISSION = "journeys.test_journey"
PROFILE_LIMIT = 100
# The shortest that a wait can last, what it lasts where nobody says otherwise, and what it lasts
# then where somebody has to open a message meanwhile.
WAIT_LEAST, WAIT_USUAL, WAIT_FOR_REACTION, WAIT_MOST = 10, 10, 40, 3600

_LOOK_EVERY = timedelta(minutes=10)
# In this order: what refers to others goes before them.
_EMPTIED = (
    "DELETE FROM journeys_signal s USING journeys_participant p"
    " WHERE p.id = s.participant_id AND p.version_id = %s",
    "DELETE FROM journeys_message WHERE version_id = %s",
    "DELETE FROM journeys_transition t USING journeys_participant p"
    " WHERE p.id = t.participant_id AND p.version_id = %s",
    "DELETE FROM journeys_participant WHERE version_id = %s",
    "DELETE FROM journeys_passage WHERE version_id = %s",
    "DELETE FROM journeys_reading WHERE version_id = %s",
    "DELETE FROM journeys_capcount c USING journeys_journeyversion v"
    " WHERE v.id = %s AND c.journey_id = v.journey_id AND c.lane = v.lane",
)


def usual_wait(drawing: Drawing) -> int:
    """How many seconds a wait lasts in a test where nobody says otherwise."""
    reacts = any(node.kind == "reaction" for node in drawing.nodes)
    return WAIT_FOR_REACTION if reacts else WAIT_USUAL


@transaction.atomic
def start_test(
    journey: Journey, *, actor: Actor, at: datetime, wait_seconds: int | None = None
) -> JourneyVersion:
    """Test the draft as it stands. A test that runs ends first, and all of it is gone.

    Raises DrawingInvalid with every fault that stands against it, JourneyInvalid for a
    `wait_seconds` out of its bounds, WrongState for a journey that is over.
    """
    journey = _hold(journey, actor)
    if journey.state not in DRAWABLE:
        message = _("“%(name)s” is over, and has no draft to test. Copy it.")
        raise WrongState(message % {"name": journey.name})
    if wait_seconds is not None and not WAIT_LEAST <= wait_seconds <= WAIT_MOST:
        message = _("A wait lasts from %(least)d to %(most)d seconds in a test.")
        told = message % {"least": WAIT_LEAST, "most": WAIT_MOST}
        problem = Problem("wait_seconds", "out_of_bounds", told)
        raise JourneyInvalid(told, problems=[problem])
    require_sound(journey, actor=actor, at=at)
    if (running := running_test(journey)) is not None:
        _end(running, actor=actor, at=at)
    drawing = read(journey.drawing)
    version = JourneyVersion.objects.create(
        journey=journey,
        lane=Lane.TEST,
        number=journey.draft_number,
        drawing=journey.drawing,
        settings=_shortened(journey.settings),
        places=make_plan(drawing).as_json(),
        published_at=at,
        published_by=actor.label[:200],
        wait_seconds=wait_seconds or usual_wait(drawing),
    )
    following.rewatch(at=at)
    changes = {"wait_seconds": [None, version.wait_seconds]}
    audit.record(
        actor=actor, action="journey.test_started", subject=journey, changes=changes, at=at
    )
    return version


@transaction.atomic
def add_profiles(
    journey: Journey, contact_ids: Sequence[int], *, actor: Actor, at: datetime
) -> list[int]:
    """Let test profiles enter the test, as if its segment had been read with them in it.

    Their ids, each once. Whether they are in the segment is not asked. Raises NoTestRunning,
    NotATestProfile, TooManyProfiles where more than `PROFILE_LIMIT` would have been in the test,
    and WrongState where contacts enter the journey by an event: then it is triggered.
    """
    version = _hold_running(journey, actor)
    wanted = sorted(set(contact_ids))
    _require_no_event(version)
    check_profiles(version, wanted)
    _enter(version, wanted, at=at, actor=actor)
    return wanted


@transaction.atomic
def add_random_profiles(
    journey: Journey, *, actor: Actor, at: datetime, limit: int = PROFILE_LIMIT
) -> list[int]:
    """Let up to `limit` test profiles in, drawn by lot of those in the segment that is read.

    Where contacts enter otherwise, of all test profiles. Those who are in the test already are
    not drawn again, and never more than the session still takes. Raises what `add_profiles`
    raises, and NotATestProfile where there is none left to draw.
    """
    version = _hold_running(journey, actor)
    _require_no_event(version)
    entry = read(version.drawing).entry
    inside = _known_ids(version)
    room = max(0, min(limit, PROFILE_LIMIT - len(inside)))
    if not room:
        raise _too_many(PROFILE_LIMIT)
    offered = known_profiles().exclude(contact_id__in=inside)
    if entry.kind == "read_segment":
        members = Membership.objects.filter(segment__key=entry.config["segment"])
        offered = offered.filter(contact_id__in=members.values("contact_id"))
    drawn = sorted(offered.order_by("?").values_list("contact_id", flat=True)[:room])
    if not drawn:
        message = _("There is no test profile left to draw: mark some contacts of the segment.")
        raise NotATestProfile(message)
    _enter(version, drawn, at=at, actor=actor)
    return drawn


@transaction.atomic
def end_test(journey: Journey, *, actor: Actor, at: datetime) -> None:
    """End the test: everyone in it is out, and steps, messages and counts of it are gone.

    What was sent was sent; what waits to be sent is not. Raises NoTestRunning.
    """
    _end(_hold_running(journey, actor), actor=actor, at=at)


def end_for_publishing(journey: Journey, actor: Actor, at: datetime) -> None:
    """End the test, if one runs, because its draft is being published."""
    if (running := running_test(journey)) is not None:
        _end(running, actor=actor, at=at)


def end_old_tests(*, at: datetime) -> int:
    """End tests that began longer ago than `JOURNEY_TEST_DAYS`; how many."""
    old = JourneyVersion.objects.filter(
        lane=Lane.TEST,
        ended_at=None,
        published_at__lte=at - timedelta(days=settings.JOURNEY_TEST_DAYS),
    )
    count = 0
    # One after the other, each in a transaction of its own: there are a handful.
    for version in old.select_related("journey"):
        with transaction.atomic():
            journey = _hold(version.journey, SYSTEM)
            if (running := running_test(journey)) is not None and running.pk == version.pk:
                _end(running, actor=SYSTEM, at=at)
                count += 1
    return count


def register() -> None:
    """Have tests end when their drafts are published, or when nobody does. May be called again."""
    register_preparation("test", end_for_publishing)
    rounds.register_round(
        "old tests", _end_old, channel="regulars_journey_tests", every=_LOOK_EVERY, place=68
    )


def foresee_end(version: JourneyVersion) -> dict[str, int]:
    """How many of each go when the test ends: for the dialog that asks."""
    return {
        "profiles": Participant.objects.filter(version=version).count(),
        "messages": Message.objects.filter(version=version).count(),
        "waiting_messages": Message.objects.filter(
            version=version, state__in=[Message.State.PLANNED, Message.State.QUEUED]
        ).count(),
    }


def check_profiles(version: JourneyVersion, contact_ids: Sequence[int]) -> None:
    """Raise where some of the contacts are no test profiles, or are too many for the test."""
    profiles = are_profiles(contact_ids)
    if others := [one for one in contact_ids if one not in profiles]:
        message = ngettext(
            "Contact %(first)d is no test profile: mark it on its page.",
            "%(count)d contacts are no test profiles, contact %(first)d among them.",
            len(others),
        )
        raise NotATestProfile(message % {"first": others[0], "count": len(others)})
    if len(_known_ids(version) | set(contact_ids)) > PROFILE_LIMIT:
        raise _too_many(PROFILE_LIMIT)


def hold_running(journey: Journey, *, actor: Actor) -> JourneyVersion:
    """The version that is tested, its journey locked. Raises NoTestRunning, NotAllowed."""
    return _hold_running(journey, actor)


def _end_old(at: datetime) -> bool:
    end_old_tests(at=at)
    return False


def _enter(
    version: JourneyVersion, contact_ids: Sequence[int], *, at: datetime, actor: Actor
) -> None:
    count = len(contact_ids)
    entrances.enter_many(
        version.journey_id,
        lane=Lane.TEST,
        contact_ids=contact_ids,
        # Each addition is a cause of its own: who was through may be sent through again.
        causes=[f"test:{version.pk}:{int(at.timestamp() * 1_000_000)}"] * count,
        moments=[at] * count,
        contexts=[{}] * count,
    )
    changes = {"profiles": [None, count]}
    audit.record(
        actor=actor,
        action="journey.test_profiles_added",
        subject=version.journey,
        changes=changes,
        at=at,
    )


def _known_ids(version: JourneyVersion) -> set[int]:
    """The contacts who are or were in the test, or are about to enter it."""
    inside = Participant.objects.filter(version=version).values_list("contact_id", flat=True)
    coming = Entrance.objects.filter(journey=version.journey_id, lane=Lane.TEST)
    return {*inside, *coming.values_list("contact_id", flat=True)}


def _require_no_event(version: JourneyVersion) -> None:
    entry = read(version.drawing).entry
    if entry.kind == "event_entry":
        message = _("Contacts enter this journey by the event “%(event)s”: trigger it.")
        raise WrongState(message % {"event": entry.config["event"]})


def _too_many(limit: int) -> TooManyProfiles:
    message = _("A test takes %(limit)d profiles at most. End it, and start another one.")
    return TooManyProfiles(message % {"limit": limit})


def _hold(journey: Journey, actor: Actor) -> Journey:
    """The journey as it is now, locked until the transaction ends."""
    # A tick of the journey ends before, or begins after: it takes this lock before any row.
    locks.lock(lock_name(journey.pk))
    return hold(journey, actor=actor, permission=PERMISSION)


def _hold_running(journey: Journey, actor: Actor) -> JourneyVersion:
    held = _hold(journey, actor)
    running = running_test(held)
    if running is None:
        message = _("“%(name)s” is not being tested: start a test first.") % {"name": held.name}
        raise NoTestRunning(message)
    return running


def _end(version: JourneyVersion, *, actor: Actor, at: datetime) -> None:
    told = foresee_end(version)
    _cancel_deliveries(version, at)
    for statement in _EMPTIED:
        sql.execute(statement, [version.pk])
    for model in (Entrance, Refusal):
        model.objects.filter(journey=version.journey_id, lane=Lane.TEST).delete()
    version.is_open, version.closed_at, version.ended_at = False, at, at
    version.save(update_fields=["is_open", "closed_at", "ended_at"])
    following.rewatch(at=at)
    audit.record(
        actor=actor,
        action="journey.test_ended",
        subject=version.journey,
        changes={name: [count, 0] for name, count in told.items() if count},
        at=at,
    )


def _cancel_deliveries(version: JourneyVersion, at: datetime) -> None:
    """Send nothing of the test that still waits: what else goes to the same people is not meant."""
    found = Message.objects.filter(version=version).values_list("pk", "contact_id")
    messages = dict(found)
    about = Delivery.objects.filter(
        subject=f"journey:{version.journey_id}",
        contact_id__in=set(messages.values()),
        state=Delivery.State.QUEUED,
    )
    ids = [pk for pk, key in about.values_list("pk", "key") if message_id_of(key) in messages]
    why = _("The test of the journey ended.")
    deliveries.cancel(Delivery.objects.filter(pk__in=ids), at=at, why=why)


def _shortened(given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a test: it may begin at once, whatever the day on which the journey does."""
    return {name: value for name, value in given.items() if name not in {"starts_at", "ends_at"}}
