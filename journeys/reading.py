"""Reading segments: everybody in one enters a journey, once, at a time, or again and again.

A reading goes through the members in ranges of their ids, at the rate that its journey asks for;
how far it came stands in the `Reading`, written with those who entered, so that one that is killed
goes on where it was. Who it reads is settled when it begins: those who were in the segment by the
last move that its log has then. The next reading of who is new goes on from there: nobody is left
out between two of them, and nobody read twice.

A segment that is being calculated, or is out of use, is waited for, and `waiting_for` says so.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from journeys.drawing.durations import length_of
from journeys.drawing.syntax import read
from journeys.engine.admissions import admit
from journeys.engine.portions import portion
from journeys.engine.running import CHANNEL
from journeys.engine.terms import Terms
from journeys.models import Journey, JourneyVersion, Lane, Reading
from segments.errors import CriteriaRefused
from segments.facts import nameless
from segments.models import Segment
from segments.realtime import state as segment_state
from workspace import access, checkup, rounds, sql
from workspace.access import SYSTEM, Actor
from workspace.checkup import Finding

EVERY = timedelta(seconds=5)
PORTION = 10_000
# With a rate, so much time counts at most for one portion: what was paused makes up for nothing.
LONGEST_STEP = timedelta(minutes=1)
# What was due longer ago, because it was paused or its segment was not ready, is as of now.
LATE = timedelta(hours=1)
State = Reading.State

_LAST_MOVE = """
SELECT at FROM segments_membershipchange WHERE segment_id = %s ORDER BY at DESC LIMIT 1
"""
_MEMBERS = """
SELECT contact_id FROM segments_membership
WHERE segment_id = %(segment)s AND contact_id > %(after)s AND entered_at <= %(upto)s
  AND (%(since)s::timestamptz IS NULL OR entered_at > %(since)s)
"""
_RANGE = f"""
SELECT count(*), max(contact_id)
FROM ({_MEMBERS} ORDER BY contact_id LIMIT %(limit)s) found
"""  # noqa: S608  made of our own words only
_OF_RANGE = f"{_MEMBERS} AND contact_id <= %(until)s"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the entry of a journey says of reading: which segment, how often, whom, how quickly."""

    segment: str
    every: timedelta | None
    is_by_days: bool
    only_new: bool
    rate: int | None

    @classmethod
    def of(cls, drawing: Mapping[str, Any]) -> "Entry | None":
        """That of a drawing without faults; None where contacts enter in another way."""
        entry = read(drawing).entry
        if entry.kind != "read_segment":
            return None
        config = entry.config
        every = (config.get("schedule") or {}).get("every")
        return cls(
            config["segment"],
            length_of(every) if every else None,
            every is not None and every["unit"] in {"day", "week"},
            bool(config.get("only_new")),
            int(config["rate"]) if config.get("rate") else None,
        )


def next_read_at(version: JourneyVersion, *, after: datetime) -> datetime | None:
    """When it reads again, after that instant; None where it reads once.

    Days and weeks go by the clocks of the journey's time zone, the rest by the time that passes.
    """
    entry = Entry.of(version.drawing)
    if entry is None or entry.every is None or version.read_at is None:
        return None
    steps = max(1, (after - version.read_at) // entry.every)
    zone = Terms.read(version.settings).zone
    while True:
        if entry.is_by_days:
            # Adding to a time with a zone moves the hands of its clocks.
            found = version.read_at.astimezone(zone) + steps * entry.every
        else:
            found = version.read_at + steps * entry.every
        if found > after:
            return found
        steps += 1


def read_segments(at: datetime) -> bool:
    """Begin what is due and read a portion of each; true where there is more to read at once.

    For `workspace.rounds`, and for whoever steps through time.
    """
    start_due_readings(as_of=at)
    has_more = False
    running = Reading.objects.filter(state=State.RUNNING).order_by("pk")
    for reading in running.select_related("version__journey"):
        # Where exit criteria became wrong nobody enters until they are mended; others do.
        with suppress(CriteriaRefused):
            has_more |= read_portion(reading, as_of=at)
    return has_more


def start_due_readings(*, as_of: datetime) -> list[Reading]:
    """Begin the readings that are due and whose segments are ready; those that began."""
    due = JourneyVersion.objects.filter(
        lane=Lane.LIVE,
        is_open=True,
        ended_at=None,
        read_at__lte=as_of,
        journey__state=Journey.State.LIVE,
    ).exclude(readings__state=State.RUNNING)
    # A transaction each: one that is waited for holds up no other.
    begun = (_start(pk, as_of) for pk in due.order_by("pk").values_list("pk", flat=True))
    return [reading for reading in begun if reading is not None]


def read_portion(reading: Reading, *, as_of: datetime) -> bool:
    """Let the next range of members enter; true where there is more to read at once.

    All of a portion is written, or nothing. Several may try at once: it is read one after the
    other. One whose version lets nobody in any more is cancelled; a paused one waits.
    """
    with portion(reading.version.journey_id):
        held = Reading.objects.select_for_update().filter(pk=reading.pk, state=State.RUNNING)
        found = held.first()
        if found is None:
            return False
        version = JourneyVersion.objects.select_related("journey").get(pk=found.version_id)
        if not version.is_open or version.journey.state not in _READING:
            _end(found, State.CANCELLED, as_of)
            return False
        if version.journey.state == Journey.State.PAUSED:
            return False
        return _read(found, version, as_of)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a version is with its segment: the last reading, the next one, what is waited for."""

    state: str | None
    read_count: int
    entered_count: int
    started_at: datetime | None
    finished_at: datetime | None
    next_at: datetime | None
    waiting_for: str


def standing_of(version: JourneyVersion, *, as_of: datetime, actor: Actor) -> Standing | None:
    """How far a version is with its segment; None for one that reads none.

    A segment that the actor may not know of is not named.
    """
    if Entry.of(version.drawing) is None:
        return None
    last = version.readings.order_by("-pk").first()
    return Standing(
        state=None if last is None else last.state,
        read_count=0 if last is None else last.read_count,
        entered_count=0 if last is None else last.entered_count,
        started_at=None if last is None else last.started_at,
        finished_at=None if last is None else last.finished_at,
        next_at=version.read_at if version.is_open else None,
        waiting_for=waiting_for(version, as_of=as_of, actor=actor),
    )


def waiting_for(version: JourneyVersion, *, as_of: datetime, actor: Actor = SYSTEM) -> str:
    """Why a version that should read its segment does not; empty where it does or need not."""
    if not version.is_open or version.lane != Lane.LIVE:
        return ""
    is_due = version.read_at is not None and version.read_at <= as_of
    entry = Entry.of(version.drawing)
    if entry is None:
        return ""
    if not is_due and not version.readings.filter(state=State.RUNNING).exists():
        return ""
    segment = Segment.objects.filter(key=entry.segment).first()
    if segment is None:
        return _("Its segment is not there any more.")
    name = segment.name if access.is_visible(segment, actor) else nameless()
    return _why_not(segment, as_of, is_begun=not is_due, name=name)


def examine(as_of: datetime | None = None) -> Finding:
    """Whether every journey that should read its segment can; as of now without an instant."""
    as_of = as_of or timezone.now()
    versions = JourneyVersion.objects.filter(
        lane=Lane.LIVE, is_open=True, ended_at=None, journey__state=Journey.State.LIVE
    ).select_related("journey")
    # As many as there are live journeys that read segments and are late.
    late = versions.filter(read_at__lte=as_of - LATE).order_by("pk")
    told = [
        f"{version.journey.key}: {why}"
        for version in late
        if (why := waiting_for(version, as_of=as_of))
    ]
    if told:
        message = _("Journeys wait for their segments. %(list)s")
        return Finding("readings", False, message % {"list": " ".join(told)})
    return Finding("readings", True, _("Journeys read their segments when they are to."))


def register() -> None:
    """Have the rounds read, and the checkup look after it. May be called again."""
    checkup.register("readings", examine)
    rounds.register_round("readings", read_segments, channel=CHANNEL, every=EVERY, place=59)


# In these a reading goes on, or waits.
_READING = frozenset({Journey.State.LIVE, Journey.State.PAUSED})


@transaction.atomic
def _start(version_id: int, as_of: datetime) -> Reading | None:
    held = JourneyVersion.objects.select_for_update(of=("self",), skip_locked=True)
    version = held.filter(pk=version_id, read_at__lte=as_of, is_open=True).first()
    entry = Entry.of(version.drawing) if version is not None else None
    if version is None or version.read_at is None or entry is None:
        return None
    if version.readings.filter(state=State.RUNNING).exists():
        return None
    segment = Segment.objects.filter(key=entry.segment).first()
    if segment is None or _why_not(segment, as_of, is_begun=False):
        return None
    # While nobody writes its members all moves are in the log, and later ones come after them.
    if not segment_state.try_lock_writing([segment.pk]):
        return None
    moved_at: datetime | None = sql.one(_LAST_MOVE, [segment.pk])
    upto = as_of if moved_at is None else moved_at
    due_at = version.read_at if as_of - version.read_at <= LATE else as_of
    reading = Reading.objects.create(
        version=version,
        at=due_at if moved_at is None else min(as_of, max(due_at, moved_at)),
        since=_since(version) if entry.only_new else None,
        upto=upto,
        started_at=as_of,
        portion_at=as_of,
    )
    next_at = next_read_at(version, after=as_of)
    JourneyVersion.objects.filter(pk=version.pk).update(read_at=next_at)
    return reading


def _since(version: JourneyVersion) -> datetime | None:
    """Up to where the journey has read before."""
    before = Reading.objects.filter(
        version__journey=version.journey_id, version__lane=Lane.LIVE, state=State.DONE
    )
    found: datetime | None = before.order_by("-pk").values_list("upto", flat=True).first()
    return found


def _read(reading: Reading, version: JourneyVersion, as_of: datetime) -> bool:
    entry = Entry.of(version.drawing)
    segment = Segment.objects.filter(key=entry.segment).first() if entry is not None else None
    if entry is None or segment is None or _why_not(segment, as_of, is_begun=True):
        return False
    limit, portion_at = _quota(reading, entry, as_of)
    if not limit:
        return False
    of_segment = {
        "segment": segment.pk,
        "after": reading.after_contact_id,
        "since": reading.since,
        "upto": reading.upto,
    }
    [(count, last)] = sql.lists(_RANGE, {**of_segment, "limit": limit})
    if count:
        # At a rate each enters when it is his turn; else all do at the instant of the reading.
        admitted = admit(
            version,
            _OF_RANGE,
            {**of_segment, "until": last},
            at=reading.at if entry.rate is None else as_of,
            cause=f"reading:{reading.pk}",
        )
        reading.after_contact_id = last
        reading.read_count += count
        reading.entered_count += admitted.entered_count
        reading.portion_at = portion_at
        reading.save(
            update_fields=["after_contact_id", "read_count", "entered_count", "portion_at"]
        )
        rounds.wake(CHANNEL)
    if count < limit:
        _end(reading, State.DONE, as_of)
        return False
    return entry.rate is None


def _quota(reading: Reading, entry: Entry, as_of: datetime) -> tuple[int, datetime]:
    """How many may enter now, and up to when these count: what is left of a second is kept."""
    if entry.rate is None:
        return PORTION, as_of
    # The first second's are let in at once.
    begun = reading.portion_at if reading.read_count else reading.portion_at - timedelta(seconds=1)
    begun = max(begun, as_of - LONGEST_STEP)
    count = min(PORTION, floor((as_of - begun).total_seconds() * entry.rate))
    return count, begun + timedelta(seconds=count / entry.rate)


def _why_not(segment: Segment, as_of: datetime, *, is_begun: bool, name: str = "") -> str:
    """Why a segment cannot be read now; empty where it can.

    A reading that has begun goes on while the segment is calculated: whom it reads is settled.
    """
    words, state = {"name": name or segment.name}, Segment.CalculationState
    if segment.status == Segment.Status.INACTIVE:
        return _("Segment “%(name)s” is inactive: it is read when it is active again.") % words
    if segment.status == Segment.Status.ARCHIVED and not is_begun:
        return _("Segment “%(name)s” is archived: nobody is in it any more.") % words
    if segment.calculated_at is None:
        return _("Segment “%(name)s” is not calculated yet: it is read right after that.") % words
    now = state.READY if is_begun else segment.calculation_state(at=as_of)
    if now == state.CALCULATING:
        return _("Segment “%(name)s” is being calculated: it is read right after that.") % words
    if now == state.EXPIRED:
        return _("Segment “%(name)s” was calculated too long ago: refresh it.") % words
    return ""


def _end(reading: Reading, state: str, as_of: datetime) -> None:
    Reading.objects.filter(pk=reading.pk).update(state=state, finished_at=as_of)
