"""Who would have entered a draft in a span that is over: from events, moves and past members.

Those whom an event or a move would have brought in are found at once and wait for their time; a
segment is read when its turn comes, as it was then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from journeys import hearing
from journeys.drawing.durations import length_of
from journeys.drawing.plan import Plan
from journeys.drawing.syntax import Node
from journeys.engine.admissions import admit
from journeys.engine.portions import PORTION
from journeys.engine.terms import Terms
from journeys.models import JourneyVersion
from journeys.rehearsing.shadows import COMING
from segments import past
from segments.errors import PastForgotten
from segments.models import Calculation, Segment
from workspace import sql

# Contacts are drawn by lots of their own numbers: the same ones each time.
LOTS = 2**32
_LOT = "('x' || left(md5('rehearsal:' || {contact_id}), 8))::bit(32)::bigint < %s"

_EVENTS = """
FROM (
  SELECT e.contact_id, d.name, e.occurred_at, e.message_id, e.url_id, e.properties, e.amount
  FROM contacts_event e JOIN contacts_eventdefinition d ON d.id = e.definition_id
  JOIN contacts_contact c ON c.id = e.contact_id
  WHERE d.name = %s AND e.occurred_at >= %s AND e.occurred_at < %s AND c.erased_at IS NULL) e
"""
_MOVES = """
FROM segments_membershipchange m JOIN segments_segment s ON s.id = m.segment_id
JOIN contacts_contact c ON c.id = m.contact_id
WHERE s.key = %s AND m.kind = %s AND m.at >= %s AND m.at < %s
  AND m.cause NOT IN ('merge', 'archived') AND c.erased_at IS NULL
"""
_OF_EVENT = f"""
INSERT INTO {COMING} (contact_id, cause, at, context)
SELECT e.contact_id, 'event:' || e.message_id, e.occurred_at,
  jsonb_build_object('entry', {hearing.described()})
{_EVENTS} WHERE {{fits}} AND {_LOT.format(contact_id="e.contact_id")}
"""
_OF_MOVE = f"""
INSERT INTO {COMING} (contact_id, cause, at, context)
SELECT m.contact_id, 'segment:' || s.id || ':' || (extract(epoch FROM m.at) * 1000000)::bigint,
  m.at, jsonb_build_object('entry', jsonb_build_object(
    'segment', s.key, 'name', m.kind, 'occurred_at', m.at))
{_MOVES} AND {_LOT.format(contact_id="m.contact_id")}
"""  # noqa: S608
_SINCE = """
SELECT contact_id FROM segments_membershipchange
WHERE segment_id = %s AND at > %s AND at <= %s AND kind = 'entered' AND cause <> 'merge'
GROUP BY contact_id
"""
_TODAY = "SELECT contact_id FROM segments_membership WHERE segment_id = %s"
_LET_IN = f"""
INSERT INTO journeys_entrance (journey_id, lane, contact_id, cause, at, context)
SELECT %s, %s, contact_id, cause, at, context FROM {COMING} WHERE at > %s AND at <= %s
ORDER BY contact_id, cause, at ON CONFLICT DO NOTHING
"""  # noqa: S608
_READ_LIMIT = 400
# One after the other by their numbers, so many in a second; the first second's at once.
_IN_TURN = f"""
INSERT INTO {COMING} (contact_id, cause, at, context)
SELECT q.contact_id, %s, %s + floor((row_number() OVER (ORDER BY q.contact_id) - 1) / %s)
  * interval '1 second', '{{{{}}}}'::jsonb
FROM ({{members}}) q WHERE {_LOT.format(contact_id="q.contact_id")}
"""  # noqa: S608
# Who is in a segment is read from whole tables, whatever the engine's own questions are told.
_WHOLE_TABLES = {"work_mem": "128MB", "enable_seqscan": "on"}


@dataclass(frozen=True, slots=True)
class ReadingThen:
    """A reading of the segment that would have been due; `since`: only who is new after it."""

    at: datetime
    since: datetime | None


class History:
    """The entrances of one span into one version."""

    def __init__(
        self, version: JourneyVersion, plan: Plan, *, since: datetime, until: datetime
    ) -> None:
        self.version = version
        self.since, self.until = since, until
        self.entry: Node = plan.drawing.entry
        self.threshold = LOTS
        self.rate: float | None = self.entry.config.get("rate")
        self.notes: list[str] = []
        self.readings: list[ReadingThen] = []
        self._segment: Segment | None = None
        if self.entry.kind == "read_segment":
            self._segment = Segment.objects.get(key=self.entry.config["segment"])
            self.readings = self._due_readings()

    def take(self, share: float) -> None:
        """Let in so large a share of all only, at so large a share of the rate."""
        self.threshold = int(share * LOTS)
        if self.rate is not None:
            self.rate *= share

    def count(self) -> int:
        """How many contacts could enter, at the most."""
        if self.entry.kind == "read_segment":
            text, params = self._members(self.readings[0])
            return int(sql.one(f"SELECT count(*) FROM ({text}) q", params))  # noqa: S608
        source, params = self._source()
        column = "e.contact_id" if self.entry.kind == "event_entry" else "m.contact_id"
        return int(sql.one(f"SELECT count(DISTINCT {column}) {source}", params))

    def prepare(self) -> None:
        """Find those whom events or moves bring in; whoever has drawn a lot above stays out."""
        _source, params = self._source()
        if self.entry.kind == "event_entry":
            fits, values = hearing.event_fits(
                self.entry.config["event"], self.entry.config.get("where"), at=self.until
            )
            sql.execute(_OF_EVENT.format(fits=fits), [*params, *values, self.threshold])
        elif self.entry.kind == "segment_entry":
            sql.execute(_OF_MOVE, [*params, self.threshold])

    def next_at(self, after: datetime | None) -> datetime | None:
        """The instant after `after` at which somebody would enter; from the beginning without."""
        floor = after if after is not None else self.since - timedelta(seconds=1)
        readings = [one.at for one in self.readings if one.at > floor]
        found: datetime | None = sql.one(f"SELECT min(at) FROM {COMING} WHERE at > %s", [floor])  # noqa: S608
        return min([*readings, *([found] if found else [])], default=None)

    def let_in(self, *, after: datetime | None, upto: datetime) -> None:
        """Bring those to the door whose time is after `after` and not after `upto`."""
        floor = after if after is not None else self.since - timedelta(seconds=1)
        while due := [one for one in self.readings if floor < one.at <= upto]:
            self.readings.remove(due[0])
            if self.rate is None:
                self._read(due[0])
            else:
                self._read_slowly(due[0], self.rate)
        if self.entry.kind != "read_segment" or self.rate is not None:
            row = [self.version.journey_id, self.version.lane, floor, upto]
            sql.execute(_LET_IN, row)

    def _read_slowly(self, reading: ReadingThen, rate: float) -> None:
        """Have each of a segment enter in its turn; what is due meanwhile waits for that."""
        text, params = self._members(reading)
        with sql.local_settings(_WHOLE_TABLES):
            cause = f"reading:{int(reading.at.timestamp())}"
            given = [cause, reading.at, rate, *params, self.threshold]
            count = sql.execute(_IN_TURN.format(members=text), given)
        over_at = reading.at + timedelta(seconds=count / rate)
        missed = [one for one in self.readings if one.at < over_at]
        later = self.readings[len(missed) :]
        since = reading.at if self.entry.config.get("only_new") else None
        # As the real one: of what was due while it read, it reads once, when it is done.
        is_in_time = bool(missed) and over_at < self.until
        self.readings = [ReadingThen(over_at, since)] if is_in_time else []
        if later and is_in_time and since is not None:
            later[0] = ReadingThen(later[0].at, over_at)
        self.readings += later

    def _read(self, reading: ReadingThen) -> None:
        text, params = self._members(reading)
        lot = _LOT.format(contact_id="q.contact_id")
        drawn = f"SELECT q.contact_id FROM ({text}) q WHERE {lot}"  # noqa: S608
        with sql.local_settings(_WHOLE_TABLES):
            rows = sql.lists(f"{drawn} ORDER BY 1", [*params, self.threshold])
        ids = [row[0] for row in rows]
        for begin in range(0, len(ids), PORTION):
            # A portion after the other, as a real reading goes.
            admit(
                self.version,
                "SELECT contact_id FROM unnest(%s::bigint[]) AS c (contact_id)",
                [ids[begin : begin + PORTION]],
                at=reading.at,
                cause=f"reading:{int(reading.at.timestamp())}",
            )

    def _members(self, reading: ReadingThen) -> tuple[str, Sequence[Any]]:
        assert self._segment is not None
        if reading.since is not None:
            return _SINCE, [self._segment.pk, reading.since, reading.at]
        if self._is_forgotten(reading.at):
            return _TODAY, [self._segment.pk]
        query = past.members_query(self._segment, at=reading.at)
        return query.text, list(query.params)

    def _is_forgotten(self, at: datetime) -> bool:
        """Whether the log does not say who was in then: those of today stand for them."""
        assert self._segment is not None
        is_forgotten = not _has_calculated(self._segment, at)
        try:
            past.check_moment(self._segment, at=at, now=self.until)
        except PastForgotten:
            is_forgotten = True
        if is_forgotten and not self.notes:
            # Without its name: not everybody who reads this may know of it.
            message = _(
                "Who was in the segment on %(day)s is not known any more: its members of today"
                " stand for them."
            )
            self.notes.append(message % {"day": at.date().isoformat()})
        return is_forgotten

    def _due_readings(self) -> list[ReadingThen]:
        config = self.entry.config
        schedule = config.get("schedule") or {}
        only_new = bool(config.get("only_new"))
        first = self._scheduled(schedule.get("at"))
        found = [ReadingThen(first, None)]
        if every := schedule.get("every"):
            step, at = length_of(every), first
            while (at := at + step) < self.until and len(found) < _READ_LIMIT:
                found.append(ReadingThen(at, at - step if only_new else None))
        return found

    def _scheduled(self, text: str | None) -> datetime:
        """When it reads first: as the draft says if that is in the span, else when that begins."""
        if not text:
            return self.since
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=Terms.read(self.version.settings).zone)
        return at if self.since <= at < self.until else self.since

    def _source(self) -> tuple[str, list[Any]]:
        config = self.entry.config
        if self.entry.kind == "event_entry":
            return _EVENTS, [config["event"], self.since, self.until]
        if self.entry.kind == "segment_entry":
            return _MOVES, [config["segment"], config["on"], self.since, self.until]
        return "", []


def _has_calculated(segment: Segment, at: datetime) -> bool:
    """Whether the log of a segment begins before an instant."""
    logged = Q(logged_at__lte=at) | Q(logged_at=None, at__lte=at)
    return Calculation.objects.filter(logged, segment=segment).exists()
