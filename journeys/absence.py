"""Why a contact did not enter a journey: each reason that is known, the deciding one first."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from contacts.profiles import get_contact
from journeys import hearing
from journeys.checking import latest_version
from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import Node, read
from journeys.engine.terms import Terms
from journeys.explaining import entered_by
from journeys.models import Entrance, Journey, JourneyVersion, Lane, Participant, Reading, Refusal
from segments.explanation import Explanation, explain_contact
from segments.lifecycle import known_segments
from segments.models import Membership, MembershipChange, Segment
from workspace import sql
from workspace.access import SYSTEM, Actor
from workspace.errors import DomainError
from workspace.exactjson import exact_loads

_REFUSALS_TOLD = 20
_EVENTS_TOLD = 3
State = Journey.State

# The newest events of the kind that the entry waits for, and whether each meets its conditions.
_EVENTS = """
SELECT e.occurred_at, e.properties::text AS properties, {fits} AS fits
FROM (
  SELECT e.contact_id, d.name, e.occurred_at, e.message_id, e.url_id, e.properties, e.amount
  FROM contacts_event e JOIN contacts_eventdefinition d ON d.id = e.definition_id
  WHERE e.contact_id = %s AND d.name = %s AND e.occurred_at <= %s) e
ORDER BY e.occurred_at DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: its stable code, a sentence, when, and what more is known of it."""

    code: str
    sentence: str
    at: datetime | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a contact is not on a journey; `passages` where it was, or is, on it after all.

    `segment` is the explanation of the segment that brings contacts in, where there is one.
    """

    contact_id: int
    journey: Journey
    reasons: tuple[Reason, ...]
    passages: tuple[Participant, ...] = ()
    segment: Explanation | None = None

    @property
    def is_inside(self) -> bool:
        """Whether the contact is on the journey now."""
        return any(one.finished_at is None for one in self.passages)


def explain_absence(
    journey: Journey, contact_id: int, *, at: datetime, actor: Actor = SYSTEM
) -> Absence:
    """Why a contact did not enter by `at`, as far as `actor` may know. Raises ContactUnknown."""
    contact = get_contact(contact_id)
    passages = Participant.objects.filter(journey=journey, contact_id=contact.pk, lane=Lane.LIVE)
    inside = tuple(passages.select_related("version").order_by("-entered_at"))
    version = latest_version(journey)
    if version is None:
        message = _("“%(name)s” was never published, so nobody could enter.")
        reason = Reason("never_published", message % {"name": journey.name})
        return Absence(contact.pk, journey, (reason,), inside)
    segment, of_entry = _of_entry(version, contact.pk, at=at, actor=actor)
    reasons = [
        *_of_time(journey, version, at),
        *_waiting(journey, contact.pk),
        *_refusals(journey, contact.pk),
        *of_entry,
    ]
    if not reasons and not inside:
        message = _("Nothing is known that keeps the contact out: it enters when its time comes.")
        reasons.append(Reason("nothing_known", message))
    return Absence(contact.pk, journey, tuple(reasons), inside, segment)


def _of_time(journey: Journey, version: JourneyVersion, at: datetime) -> Iterator[Reason]:
    terms = Terms.read(version.settings)
    changed_at = journey.state_changed_at
    if journey.state == State.PAUSED:
        yield Reason("paused", _("The journey is paused: nobody enters meanwhile."), changed_at)
    if journey.state in (State.CLOSED, State.STOPPED, State.FINISHED):
        message = _("The journey is %(state)s: nobody enters any more.")
        words = {"state": journey.get_state_display()}
        yield Reason("closed", message % words, version.closed_at or changed_at)
    if terms.starts_at is not None and at < terms.starts_at:
        message = _("The journey begins on %(at)s.") % {"at": _time(terms.starts_at)}
        yield Reason("not_begun", message, terms.starts_at)
    if terms.ends_at is not None and at >= terms.ends_at:
        message = _("The journey's time was over on %(at)s.") % {"at": _time(terms.ends_at)}
        yield Reason("over", message, terms.ends_at)


def _waiting(journey: Journey, contact_id: int) -> Iterator[Reason]:
    coming = Entrance.objects.filter(journey=journey, contact_id=contact_id, lane=Lane.LIVE)
    for one in coming.order_by("at")[:1]:
        message = _("It stands at the door since %(at)s, and enters with the next tick.")
        yield Reason("coming", message % {"at": _time(one.at)}, one.at, {"cause": one.cause})


def _refusals(journey: Journey, contact_id: int) -> Iterator[Reason]:
    refused = Refusal.objects.filter(journey=journey, contact_id=contact_id, lane=Lane.LIVE)
    for one in refused.order_by("-at")[:_REFUSALS_TOLD]:
        words = {
            "at": _time(one.at),
            "why": one.get_reason_display(),
            "cause": entered_by(one.cause).rstrip("."),
        }
        message = _("It was refused on %(at)s: %(why)s. (%(cause)s)")
        yield Reason(one.reason, message % words, one.at, {"cause": one.cause})


def _of_entry(
    version: JourneyVersion, contact_id: int, *, at: datetime, actor: Actor
) -> tuple[Explanation | None, list[Reason]]:
    entry = make_plan(read(version.drawing), version.places).drawing.entry
    if entry.kind == "event_entry":
        return None, list(_of_event(version, entry, contact_id, at))
    segment = known_segments(actor).filter(key=entry.config["segment"]).first()
    if segment is None:
        message = _("It enters by a segment of which you may not know.")
        return None, [Reason("segment_hidden", message)]
    reasons = list(
        _of_reading(version, segment, contact_id, at)
        if entry.kind == "read_segment"
        else _of_move(version, segment, entry, contact_id)
    )
    try:
        explained = explain_contact(segment, contact_id, as_of=at, actor=actor)
    except DomainError as refused:
        reasons.append(Reason(refused.code, str(refused)))
        return None, reasons
    return explained, reasons


def _of_event(
    version: JourneyVersion, entry: Node, contact_id: int, at: datetime
) -> Iterator[Reason]:
    """Whether the event came at all, and what it lacked."""
    name = entry.config["event"]
    fits, params = hearing.event_fits(name, entry.config.get("where"), at=at)
    text = _EVENTS.format(fits=f"({fits})")
    rows = sql.rows(text, [*params, contact_id, name, at, _EVENTS_TOLD])
    since = version.published_at
    later = [row for row in rows if row["occurred_at"] >= since]
    words: dict[str, Any] = {"event": name, "since": _time(since)}
    if not rows:
        yield Reason("no_event", _("The event “%(event)s” never happened to it.") % words)
    elif not later:
        last_at = rows[0]["occurred_at"]
        message = _(
            "The last “%(event)s” was on %(at)s, before this version was published on %(since)s."
        )
        yield Reason("event_before", message % {**words, "at": _time(last_at)}, last_at)
    for row in later:
        if not row["fits"]:
            message = _("“%(event)s” of %(at)s does not meet the conditions of the entry.")
            told = message % {**words, "at": _time(row["occurred_at"])}
            data = {
                "properties": exact_loads(row["properties"]),
                "where": entry.config.get("where"),
            }
            yield Reason("event_refused", told, row["occurred_at"], data)


def _of_reading(
    version: JourneyVersion, segment: Segment, contact_id: int, at: datetime
) -> Iterator[Reason]:
    """Whether the segment was read, and whether the contact was in it then."""
    words = {"segment": segment.name}
    reading = Reading.objects.filter(version=version).order_by("-at").first()
    if reading is None:
        if version.read_at is not None:
            message = _("“%(segment)s” is read for the first time on %(at)s.")
            told = message % {**words, "at": _time(version.read_at)}
            yield Reason("not_read_yet", told, version.read_at)
        else:
            yield Reason("never_read", _("“%(segment)s” was not read.") % words)
        return
    is_running = reading.state == Reading.State.RUNNING
    if is_running and reading.after_contact_id < contact_id:
        message = _("“%(segment)s” is being read, and it is not the contact's turn yet.")
        yield Reason("being_read", message % words, reading.started_at)
    if not _was_in(segment, contact_id, reading.at):
        message = _("It was not in “%(segment)s” when that was read on %(at)s.")
        told = message % {**words, "at": _time(reading.at)}
        yield Reason("not_in_segment", told, reading.at)
    elif reading.since is not None and _was_in(segment, contact_id, reading.since):
        message = _(
            "Only who came after %(since)s was read on %(at)s, and it was in “%(segment)s” before."
        )
        told = message % {**words, "since": _time(reading.since), "at": _time(reading.at)}
        yield Reason("not_new", told, reading.at)
    if version.read_at is not None and version.read_at > at:
        message = _("It is read again on %(at)s.") % {"at": _time(version.read_at)}
        yield Reason("read_again", message, version.read_at)


def _of_move(
    version: JourneyVersion, segment: Segment, entry: Node, contact_id: int
) -> Iterator[Reason]:
    """Whether the contact moved as the entry wants it since the version was published."""
    kind = entry.config["on"]
    moves = MembershipChange.objects.filter(segment=segment, contact_id=contact_id, kind=kind)
    last_at = moves.order_by("-at").values_list("at", flat=True).first()
    words = {"segment": segment.name, "since": _time(version.published_at)}
    if last_at is not None and last_at >= version.published_at:
        return
    if last_at is not None:
        words["at"] = _time(last_at)
        message = (
            _("It entered “%(segment)s” on %(at)s, before the version of %(since)s.")
            if kind == "entered"
            else _("It left “%(segment)s” on %(at)s, before the version of %(since)s.")
        )
        yield Reason("moved_before", message % words, last_at)
        return
    is_in = Membership.objects.filter(segment=segment, contact_id=contact_id).exists()
    if kind == "entered":
        message = _("It has never entered “%(segment)s”.")
    elif is_in:
        message = _("It is still in “%(segment)s”.")
    else:
        message = _("It was never in “%(segment)s”, and so did not leave it.")
    yield Reason("never_moved", message % words)


def _was_in(segment: Segment, contact_id: int, at: datetime) -> bool:
    """Whether a contact was in a segment at an instant, by its last move until then."""
    moves = MembershipChange.objects.filter(segment=segment, contact_id=contact_id, at__lte=at)
    last = moves.order_by("-at").values_list("kind", flat=True).first()
    if last is None:
        # Moves that the log has no more are of those who are in still.
        inside = Membership.objects.filter(segment=segment, contact_id=contact_id)
        return inside.filter(entered_at__lte=at).exists()
    return last == MembershipChange.Kind.ENTERED


def _time(at: datetime) -> str:
    return date_format(localtime(at), "DATETIME_FORMAT")
