"""How versions went from day to day, and from hour to hour."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from journeys import trends
from journeys.models import JourneyVersion, Message, Passage
from tests.chance import chance
from tests.factories import DAY, HOUR, NOW
from tests.journeys.drawings import drawing, node
from tests.journeys.workspace import make_journey, publish, put_in

START = node("start", "event_entry", event="visited")


def make_version(**terms: object) -> JourneyVersion:
    from contacts.models import EventDefinition

    EventDefinition.objects.get_or_create(name="visited")
    return publish(make_journey(drawing(START), settings=terms or None))


def went(version: JourneyVersion, hours: float, outcome: str, count: int, to: int = -1) -> None:
    hour = (NOW + timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)
    name = "" if outcome.startswith(("entered", "refused", "exit")) else "start"
    Passage.objects.create(
        version=version, hour=hour, node=name, outcome=outcome, to_place=to, count=count
    )


@pytest.mark.django_db
def test_each_day_has_who_entered_and_finished_also_where_nobody_did() -> None:
    version = make_version()
    went(version, 0, "entered", 5, to=0)
    went(version, 72, "entered", 2, to=0)
    went(version, 72, "next", 3)
    went(version, 73, "exit", 1)
    # None of these is an entrance or an end.
    went(version, 72, "refused:inside", 9)
    went(version, 72, "failed", 9)
    went(version, 72, "next", 9, to=0)
    found = trends.entrance_trend(version, as_of=NOW + 4 * DAY)
    assert found.step == "day"
    assert found.counts["entered"] == (5, 0, 0, 2, 0)
    assert found.counts["finished"] == (0, 0, 0, 4, 0)
    lately = trends.entrance_trend(version, as_of=NOW + 4 * DAY, since=NOW + 3 * DAY)
    assert (lately.step, sum(lately.counts["entered"]), len(lately.begins)) == ("hour", 2, 25)
    assert trends.message_trend(version, as_of=NOW + 4 * DAY).is_empty


@pytest.mark.django_db
def test_days_begin_when_they_do_in_the_zone_of_the_journey() -> None:
    version = make_version(time_zone="Asia/Tokyo")
    went(version, 0, "entered", 1, to=0)
    found = trends.entrance_trend(version, as_of=NOW + 3 * DAY)
    local = NOW.astimezone(ZoneInfo("Asia/Tokyo")).date()
    entered = dict(zip(found.begins, found.counts["entered"], strict=True))
    assert [at.date() for at, count in entered.items() if count] == [local]


@pytest.mark.parametrize(
    ("days", "step"),
    [(1, "hour"), (2, "hour"), (3, "day"), (62, "day"), (63, "week"), (500, "month")],
)
@pytest.mark.django_db
def test_longer_times_are_told_by_longer_steps(days: int, step: str) -> None:
    found = trends.entrance_trend(make_version(), as_of=NOW + days * DAY)
    assert found.step == step
    assert len(found.begins) <= 63
    assert found.begins == tuple(sorted(set(found.begins)))


@pytest.mark.django_db
def test_one_statement_for_each_course() -> None:
    version = make_version()
    for trend in (trends.entrance_trend, trends.message_trend):
        with CaptureQueriesContext(connection) as captured:
            trend(version, as_of=NOW + DAY)
        assert len(captured) == 1


_HOURS = st.integers(0, 200)
_MESSAGES = st.lists(
    st.tuples(_HOURS, st.none() | _HOURS, st.none() | _HOURS, st.none() | _HOURS), max_size=8
)


class TestMessagesOverTime(TestCase):
    """Beside a second opinion in plain Python."""

    @chance(seldom=8, often=25)
    @given(_MESSAGES)
    def test_each_thing_counts_on_the_day_on_which_it_happened(
        self, told: list[tuple[int, int | None, int | None, int | None]]
    ) -> None:
        version = make_version()
        one = put_in(version)
        times = [tuple(NOW + at * HOUR if at is not None else None for at in row) for row in told]
        Message.objects.bulk_create(
            Message(
                journey=version.journey,
                version=version,
                participant=one,
                node=f"n{number}",
                channel="email",
                contact_id=one.contact_id,
                state="sent",
                created_at=NOW,
                due_at=NOW,
                sent_at=sent,
                opened_at=opened,
                clicked_at=clicked,
                bounced_at=bounced,
            )
            for number, (sent, opened, clicked, bounced) in enumerate(times)
        )
        found = trends.message_trend(version, as_of=NOW + 10 * DAY)
        for place, name in enumerate(trends.MESSAGES):
            wanted = Counter(_day(row[place]) for row in times if row[place] is not None)
            counted = zip(found.begins, found.counts[name], strict=True)
            assert {at: count for at, count in counted if count} == wanted


def _day(at: datetime | None) -> datetime:
    assert at is not None
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
