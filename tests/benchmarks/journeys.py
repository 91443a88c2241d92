"""How fast journeys move people: entering, waiting, going on; against the row-by-row form.

In a database of its own, which is gone afterwards; no other engine takes part.
"""

from datetime import datetime, timedelta

import django
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import read
from journeys.engine import admissions, tick
from journeys.models import (
    Entrance,
    Journey,
    JourneyVersion,
    Participant,
    Passage,
    Signal,
    Transition,
)
from workspace import sql

from .bench_workspace import empty_workspace
from .clock import seconds
from .report import Ratio, Report, milliseconds

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_RANGE = 10_000
_ONE_BY_ONE = 2_000
_DRAWING = {
    "nodes": [
        {"id": "start", "kind": "event_entry", "config": {"event": "x"}},
        {"id": "pause", "kind": "wait", "config": {"duration": {"amount": 1, "unit": "day"}}},
        {
            "id": "dice",
            "kind": "split",
            "config": {"paths": [{"name": "a", "percent": 50}, {"name": "b", "percent": 50}]},
        },
        {"id": "later", "kind": "wait", "config": {"duration": {"amount": 1, "unit": "day"}}},
        {
            "id": "bought",
            "kind": "event",
            "config": {"event": "y", "timeout": {"amount": 1, "unit": "day"}},
        },
        {"id": "over", "kind": "end", "config": {}},
    ],
    "edges": [
        {"from": "start", "to": "pause"},
        {"from": "pause", "to": "dice"},
        {"from": "dice", "outcome": "a", "to": "later"},
        {"from": "dice", "outcome": "b", "to": "bought"},
        {"from": "later", "to": "over"},
        {"from": "bought", "to": "over"},
    ],
}
_WRONG = """
SELECT count(*) FROM journeys_participant p WHERE p.steps <> (
  SELECT count(*) FROM journeys_transition t WHERE t.participant_id = p.id)
"""


def run(*, participant_count: int, writes: bool) -> int:
    """Measure with so many; returns 1 where somebody's steps are not all written."""
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    report = Report("Journeys", versions, has_targets=True)
    at = timezone.now().replace(minute=0, second=0, microsecond=0)
    with empty_workspace():
        _make_contacts(participant_count)
        one_by_one = _measure_one_by_one(report, at)
        _measure_entrances(report, _make_version("rows", at), participant_count // 10, at)
        version = _make_version("many", at)
        _measure_reading(report, version, participant_count, at)
        _tidy()
        by_sets = _measure_ticks(report, version, participant_count, at)
        report.ratios.append(
            Ratio("–", "by sets, times row by row", by_sets / one_by_one, 60, is_ceiling=False)
        )
        is_wrong = bool(sql.one(_WRONG))
        is_wrong |= Participant.objects.filter(version=version).exclude(state="done").exists()
    report.finish()
    if writes and not is_wrong:
        report.write()
    return int(is_wrong)


def _make_contacts(count: int) -> None:
    sql.execute(
        "INSERT INTO contacts_contact (email) SELECT 'c' || n || '@example.com'"
        " FROM generate_series(1, %s) n",
        [count],
    )
    _tidy()


def _make_version(key: str, at: datetime) -> JourneyVersion:
    journey = Journey.objects.create(key=key, name=key, state="live", drawing=_DRAWING)
    return JourneyVersion.objects.create(
        journey=journey,
        number=1,
        drawing=_DRAWING,
        places=make_plan(read(_DRAWING)).as_json(),
        published_at=at,
    )


def _tidy() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "VACUUM (ANALYZE) contacts_contact, journeys_participant, journeys_transition,"
            " journeys_entrance, journeys_signal"
        )


def _measure_entrances(report: Report, version: JourneyVersion, count: int, at: datetime) -> None:
    """Those who wait to enter, by events."""
    sql.execute(
        "INSERT INTO journeys_entrance (journey_id, lane, contact_id, cause, at)"
        " SELECT %s, 0, id, 'event:' || id, %s FROM contacts_contact ORDER BY id LIMIT %s",
        [version.journey_id, at, count],
    )
    taken = seconds(lambda: tick.tick_journey(version.journey_id, as_of=at))
    entered = Participant.objects.filter(version=version).count()
    assert entered == count
    assert not Entrance.objects.exists()
    happened_at = at + _HOUR
    sql.execute(
        "INSERT INTO journeys_signal (journey_id, participant_id, kind, node, at)"
        " SELECT journey_id, id, 'exit', '', %s FROM journeys_participant WHERE version_id = %s",
        [happened_at, version.pk],
    )
    signalled = seconds(lambda: tick.tick_journey(version.journey_id, as_of=happened_at))
    assert not Signal.objects.exists()
    report.add_table(
        "Entering and leaving by what happens",
        ("what", "count", "seconds", "a second"),
        [
            ("entrances", f"{count:,}", f"{taken:.1f}", f"{count / taken:,.0f}"),
            ("signals", f"{count:,}", f"{signalled:.1f}", f"{count / signalled:,.0f}"),
        ],
    )


def _measure_reading(report: Report, version: JourneyVersion, count: int, at: datetime) -> None:
    """A segment that enters, range by range of contacts."""
    bounds = sql.lists(
        "SELECT min(id), max(id) FROM ("
        "SELECT id, (row_number() OVER (ORDER BY id) - 1) / %s AS part FROM contacts_contact) c"
        " GROUP BY part ORDER BY part",
        [_RANGE],
    )

    def enter() -> None:
        for first, last in bounds:
            admissions.admit(
                version,
                "SELECT id AS contact_id FROM contacts_contact WHERE id BETWEEN %s AND %s",
                [first, last],
                at=at,
                cause="reading:1",
            )

    taken = seconds(enter)
    assert Participant.objects.filter(version=version).count() == count
    report.add_table(
        "A segment that enters, by ranges of 10,000",
        ("contacts", "seconds", "a second"),
        [(f"{count:,}", f"{taken:.1f}", f"{count / taken:,.0f}")],
    )


def _measure_ticks(report: Report, version: JourneyVersion, count: int, at: datetime) -> float:
    """Ticks while all wait; returns transitions a second when all are due."""
    rows = []

    def measure(name: str, as_of: datetime) -> float:
        moved = tick.Ticked(has_more=True)

        def go() -> None:
            nonlocal moved
            while moved.has_more:
                moved.has_more = False
                moved += tick.tick_all(as_of=as_of)

        taken = seconds(go)
        speed = moved.moved_count / taken
        rows.append(
            (
                name,
                f"{moved.moved_count:,}",
                milliseconds(taken),
                f"{speed:,.0f}" if moved.moved_count else "–",
            )
        )
        return speed

    measure(f"{count:,} wait, nobody is due", at)
    sql.execute(
        "UPDATE journeys_participant SET wake_at = %s"
        " WHERE version_id = %s AND contact_id %% 100 = 0",
        [at + _HOUR, version.pk],
    )
    measure(f"{count:,} wait, 1 % are due", at + _HOUR)
    speed = measure("all others are due", at + _DAY)
    measure("the second half of their way", at + 2 * _DAY)
    report.add_table("Ticks", ("what", "transitions", "ms", "a second"), rows)
    report.ratios.append(Ratio("–", "transitions a second", speed, 60_000, is_ceiling=False))
    return speed


def _measure_one_by_one(report: Report, at: datetime) -> float:
    """The form that is written first: each participant loaded, moved and saved by itself."""
    version = _make_version("one-by-one", at)
    sql.execute(
        "INSERT INTO journeys_participant (journey_id, version_id, lane, contact_id, place, state,"
        " steps, arrived_at, wake_at, entered_at, entrance)"
        " SELECT %s, %s, 0, id, 0, 'waiting', 0, %s, %s, %s, 'bench' FROM contacts_contact"
        " ORDER BY id LIMIT %s",
        [version.journey_id, version.pk, at, at + _DAY, at, _ONE_BY_ONE],
    )
    ids = list(Participant.objects.filter(version=version).values_list("pk", flat=True))
    plan = make_plan(read(version.drawing), version.places)

    def move_each() -> None:
        for pk in ids:
            with transaction.atomic():
                one = Participant.objects.select_for_update().get(pk=pk)
                one.arrived_at, one.place = one.wake_at or at, plan.way("pause", "next") or 0
                one.state, one.wake_at, one.steps = "ready", None, one.steps + 1
                one.save()
                Transition.objects.create(
                    participant=one,
                    step=one.steps,
                    from_place=0,
                    node="pause",
                    outcome="next",
                    to_place=one.place,
                    cause="timeout",
                    at=one.arrived_at,
                    noticed_at=at,
                )
                key = {"version": version, "hour": one.arrived_at, "node": "pause"}
                key |= {"outcome": "next", "to_place": one.place}
                passage, _is_new = Passage.objects.get_or_create(**key, defaults={"count": 0})
                Passage.objects.filter(pk=passage.pk).update(count=F("count") + 1)

    taken = seconds(move_each)
    speed = _ONE_BY_ONE / taken
    report.add_table(
        "Row by row, with the ORM",
        ("transitions", "seconds", "a second"),
        [(f"{_ONE_BY_ONE:,}", f"{taken:.1f}", f"{speed:,.0f}")],
    )
    Journey.objects.filter(pk=version.journey_id).delete()
    return speed
