"""One rehearsal from beginning to end: the engine, stepped through a span that is over.

The same engine as for the living (`journeys.engine.tick`), on tables of its own
(`journeys.rehearsing.shadows`). It is stepped to the end of each stretch of time in which something
is due, and over the others. What happened and what timed out within one stretch cannot be told
apart, so it is an eighth of the shortest time that the draft waits for, within bounds.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from journeys.drawing.durations import length_of
from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import Drawing, read
from journeys.engine.tick import tick_version
from journeys.models import Journey, JourneyVersion, Lane
from journeys.rehearsing import gift_cards, shadows, stand_ins
from journeys.rehearsing.history import History
from journeys.rehearsing.results import Told, describe
from workspace import sql
from workspace.jobs import Work

STEP_LEAST, STEP_MOST = timedelta(hours=1), timedelta(hours=6)
STEPS_IN_A_WAIT = 8
_TIDIED_AFTER = 50_000
# Of more a stable sample is rehearsed, and the numbers are scaled.
CONTACT_LIMIT = 100_000

_NEXT_SIGNAL = "SELECT min(at) FROM journeys_signal WHERE journey_id = %s AND at > %s"
# Place by place, each by its index.
_NEXT_WAKING = """
SELECT min(first.wake_at) FROM generate_series(0, %s) AS place CROSS JOIN LATERAL (
  SELECT wake_at FROM journeys_participant
  WHERE version_id = %s AND place = place.place AND state = 'waiting'
  ORDER BY wake_at LIMIT 1) first
"""


def rehearse(
    journey: Journey,
    *,
    until: datetime,
    days: int,
    reactions: Mapping[str, int] | None = None,
    work: Work | None = None,
    limit: int = CONTACT_LIMIT,
) -> dict[str, Any]:
    """What the draft would have done in the `days` before `until`, as JSON can tell it.

    The draft has no faults. `reactions` says how many of a hundred react to a message, by reaction;
    nobody does where it says nothing. Writes nothing but tables of its own, which are gone
    afterwards. Raises Cancelled where the work is to stop.
    """
    since = until - timedelta(days=days)
    drawing = read(journey.drawing)
    plan = make_plan(drawing)
    stocks = gift_cards.codes_left(drawing, at=until)
    with shadows.shadowed():
        version = JourneyVersion.objects.create(
            journey=journey,
            lane=Lane.REHEARSAL,
            number=journey.draft_number,
            drawing=journey.drawing,
            settings=_settings(journey, reactions or {}),
            places=plan.as_json(),
            published_at=since,
        )
        history = History(version, plan, since=since, until=until)
        count = history.count()
        share = min(1.0, limit / count) if count else 1.0
        version.settings[stand_ins.SHARE] = share
        version.settings[gift_cards.SETTING] = gift_cards.scaled(stocks, share)
        version.save(update_fields=["settings"])
        history.take(share)
        history.prepare()
        with shadows.read_by_index():
            step_count = _go_through(version, history, since, until, step_of(drawing), work)
        told = Told(version, plan, since, until, share, count, step_count, tuple(history.notes))
        # In a transaction of its own: the settings of its statements end with it.
        with transaction.atomic():
            return describe(told)


def step_of(drawing: Drawing) -> timedelta:
    """How long one step of the engine is in a rehearsal."""
    configs = [node.config for node in drawing.nodes]
    waits = [config.get("duration") or config.get("timeout") for config in configs]
    shortest = min((length_of(one) for one in waits if one), default=STEP_MOST * STEPS_IN_A_WAIT)
    return max(STEP_LEAST, min(STEP_MOST, shortest / STEPS_IN_A_WAIT))


def _go_through(
    version: JourneyVersion,
    history: History,
    since: datetime,
    until: datetime,
    step: timedelta,
    work: Work | None,
) -> int:
    """Step the engine to the end of the span; how many steps it took."""
    after: datetime | None = None
    count, known = 0, 0
    while (due := _next_due(version, history, after)) is not None and due <= until:
        upto = min(until, _end_of_step(due, since, step))
        history.let_in(after=after, upto=upto)
        ticked = tick_version(version, as_of=upto)
        count += 1
        known += ticked.moved_count + ticked.entered_count
        if known > shadows_grew(count):
            shadows.tidy()
            known = 0
        if work is not None:
            work.advance((upto - since).days, (until - since).days)
        after = upto
        if upto == until:
            break
    return count


def shadows_grew(step: int) -> int:
    """After how many moves the shadows are tidied."""
    return 5_000 if step < 3 else _TIDIED_AFTER


def _next_due(version: JourneyVersion, history: History, after: datetime | None) -> datetime | None:
    """When somebody enters or moves next; None where nobody ever does."""
    floor = after or datetime.min.replace(tzinfo=UTC)
    found = (
        history.next_at(after),
        sql.one(_NEXT_SIGNAL, [version.journey_id, floor]),
        sql.one(_NEXT_WAKING, [len(version.places) - 1, version.pk]),
    )
    return min((at for at in found if at is not None), default=None)


def _end_of_step(at: datetime, since: datetime, step: timedelta) -> datetime:
    """The end of the step in which an instant lies; itself where it is one."""
    return since + -(-(at - since) // step) * step


def _settings(journey: Journey, reactions: Mapping[str, int]) -> dict[str, Any]:
    """Those of the draft; when it begins and ends does not matter in the past."""
    kept = {
        name: value
        for name, value in journey.settings.items()
        if name not in {"starts_at", "ends_at"}
    }
    return {**kept, stand_ins.SETTING: dict(reactions)}
