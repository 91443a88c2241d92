"""What has outlived its time is forgotten, and what is left is counted exactly."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contacts import events, rejections
from contacts import retention as contacts_retention
from contacts.event_statistics import Counted, find_mismatches
from contacts.events import TABLE, IncomingEvent, record_events
from contacts.models import Contact, Event, EventStatistic, LastSeen, SeenMessage
from contacts.tasks import make_partitions, purge_expired
from workspace import partitions, retention
from workspace.errors import Busy
from workspace.models import IdempotencyRecord, Job

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
pytestmark = pytest.mark.django_db


def _contacts(count: int) -> list[int]:
    return [contact.pk for contact in Contact.objects.bulk_create(Contact() for _ in range(count))]


def _record(contact_id: int, *ages: float, name: str = "visit") -> None:
    told = [IncomingEvent(contact_id, name, NOW - age * DAY) for age in ages]
    assert record_events(told, received_at=NOW).accepted == len(ages)


def _ages() -> list[float]:
    return sorted((NOW - event.occurred_at) / DAY for event in Event.objects.all())


def test_events_are_kept_for_ever_where_nothing_is_said(settings: LazySettings) -> None:
    settings.EVENT_RETENTION_DAYS = None
    [anna] = _contacts(1)
    _record(anna, 5000)
    assert contacts_retention.purge_events(NOW) == {"events": 0, "months": 0}
    assert _ages() == [5000]


def test_whole_months_are_dropped_and_the_rest_of_the_oldest_one_is_deleted(
    settings: LazySettings,
) -> None:
    settings.EVENT_RETENTION_DAYS = 30
    [anna] = _contacts(1)
    # The limit is 8 February, noon.
    _record(anna, 1, 29.9, 30, 30.1, 35, 40, 100)
    before = {month.table for month in partitions.months(TABLE)}
    purged = contacts_retention.purge_events(NOW)
    assert _ages() == [1, 29.9, 30]
    [statistic] = EventStatistic.objects.all()
    assert statistic.event_count == 3
    assert (statistic.first_at, statistic.last_at) == (NOW - 30 * DAY, NOW - DAY)
    left = {month.table for month in partitions.months(TABLE)}
    assert "contacts_event_2026_02" in left
    assert {"contacts_event_2026_01", "contacts_event_2025_11"} <= before - left
    assert purged == {"events": 4, "months": len(before - left)}
    assert contacts_retention.purge_events(NOW) == {"events": 0, "months": 0}


def test_what_lies_in_no_month_is_forgotten_too(settings: LazySettings) -> None:
    settings.EVENT_RETENTION_DAYS = 30
    [anna] = _contacts(1)
    record_events([IncomingEvent(anna, "visit", datetime(1950, 1, 1, tzinfo=UTC))], received_at=NOW)
    assert contacts_retention.purge_events(NOW)["events"] == 1
    assert not EventStatistic.objects.exists()


def test_who_has_no_event_left_has_no_statistic_and_was_still_seen(settings: LazySettings) -> None:
    settings.EVENT_RETENTION_DAYS = 30
    [anna] = _contacts(1)
    _record(anna, 100)
    contacts_retention.purge_events(NOW)
    assert not EventStatistic.objects.exists()
    assert LastSeen.objects.get().last_seen_at == NOW - 100 * DAY


def test_a_month_that_was_dropped_takes_late_events_again(settings: LazySettings) -> None:
    settings.EVENT_RETENTION_DAYS = 30
    [anna] = _contacts(1)
    _record(anna, 100)
    contacts_retention.purge_events(NOW)
    _record(anna, 100, 1)
    assert _ages() == [1, 100]
    assert contacts_retention.purge_events(NOW)["events"] == 1
    assert find_mismatches() == []


@given(
    told=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["a", "b"]),
            st.sampled_from([0, 29, 30, 31, 37, 38, 39, 70, 400, 28000]),
        ),
        max_size=15,
    ),
    kept=st.sampled_from([1, 30, 31, 365]),
)
@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_after_a_purge_the_statistics_are_those_of_the_events_left(
    settings: LazySettings, told: list[tuple[int, str, int]], kept: int
) -> None:
    settings.EVENT_RETENTION_DAYS = kept
    with transaction.atomic():
        ids = _contacts(3)
        for who, name, age in told:
            _record(ids[who], age, name=name)
        purged = contacts_retention.purge_events(NOW)
        assert _ages() == sorted(age for _who, _name, age in told if age <= kept)
        assert purged["events"] == sum(age > kept for _who, _name, age in told)
        assert find_mismatches() == []
        transaction.set_rollback(True)


def test_a_retention_longer_than_the_calendar_forgets_nothing(settings: LazySettings) -> None:
    settings.EVENT_RETENTION_DAYS = 36_500
    nothing = {"events": 0, "months": 0}
    assert contacts_retention.purge_events(datetime(50, 1, 1, tzinfo=UTC)) == nothing


def test_wrong_statistics_are_found() -> None:
    anna, jan, eva = _contacts(3)
    for contact_id in (anna, jan, eva):
        _record(contact_id, 1, 2)
    assert find_mismatches() == []
    EventStatistic.objects.filter(contact_id=anna).update(event_count=3)
    EventStatistic.objects.filter(contact_id=jan).delete()
    Event.objects.filter(contact_id=eva).delete()
    right = Counted(2, NOW - 2 * DAY, NOW - DAY)
    found = {one.contact_id: (one.stated, one.counted) for one in find_mismatches()}
    assert found == {
        anna: (Counted(3, NOW - 2 * DAY, NOW - DAY), right),
        jan: (None, right),
        eva: (right, None),
    }


def test_message_ids_are_known_for_eight_days() -> None:
    [anna] = _contacts(1)
    told = IncomingEvent(anna, "visit", NOW, {}, "m1")
    record_events([told], received_at=NOW, source_id=1)
    assert contacts_retention.purge_messages(NOW + 8 * DAY) == {"messages": 0}
    assert contacts_retention.purge_messages(NOW + 8.1 * DAY) == {"messages": 1}
    assert not SeenMessage.objects.exists()


def test_files_of_rejected_rows_are_removed_after_a_month(
    tmp_path: Path, settings: LazySettings
) -> None:
    settings.VAR = tmp_path
    file = rejections.RejectionFile(Path("people.csv"), ["a"])
    file.write(["1"], "no")
    file.close()
    assert file.path is not None
    os.utime(file.path, (NOW.timestamp(), NOW.timestamp()))
    assert contacts_retention.purge_rejections(NOW + 30 * DAY) == {"rejected_files": 0}
    assert contacts_retention.purge_rejections(NOW + 31 * DAY) == {"rejected_files": 1}
    assert not file.path.exists()


def test_answers_and_finished_jobs_are_forgotten_unfinished_ones_never() -> None:
    for age in (0.5, 1.5):
        IdempotencyRecord.objects.create(
            owner="api:1", key=f"{age}", request_hash="", created_at=NOW - age * DAY
        )
    ages: tuple[int | None, ...] = (89, 91, None)
    for finished in ages:
        Job.objects.create(
            kind="x",
            title=f"{finished}",
            created_at=NOW - 99 * DAY,
            finished_at=None if finished is None else NOW - finished * DAY,
            state=Job.State.QUEUED if finished is None else Job.State.SUCCEEDED,
        )
    counts = {one.kind: one.counts for one in retention.purge_expired(as_of=NOW)}
    assert counts["idempotency"] == {"answers": 1}
    assert counts["jobs"] == {"jobs": 1}
    assert set(Job.objects.values_list("title", flat=True)) == {"89", "None"}


@pytest.fixture
def _failing() -> Iterator[None]:
    known = dict(retention._purges)

    def fail(as_of: datetime) -> Mapping[str, int]:
        raise Busy("Come back later.")

    retention.register("a failing kind", fail)
    yield
    retention._purges.clear()
    retention._purges.update(known)


def _purge(*arguments: str) -> list[Any]:
    output = StringIO()
    call_command("purge_expired", "--as-of", NOW.isoformat(), *arguments, stdout=output)
    return output.getvalue().splitlines()


def test_the_command_tells_what_was_forgotten(settings: LazySettings) -> None:
    settings.EVENT_RETENTION_DAYS = 30
    [anna] = _contacts(1)
    _record(anna, 1, 31, 100)
    told = {line["kind"]: line for line in map(json.loads, _purge("--json"))}
    assert told["events"]["events"] == 2
    assert told["messages"] == {"kind": "messages", "messages": 0}
    assert "events: 0" in _purge()


@pytest.mark.usefixtures("_failing")
def test_one_kind_that_fails_does_not_stop_the_others_and_exits_1() -> None:
    IdempotencyRecord.objects.create(
        owner="api:1", key="old", request_hash="", created_at=NOW - 9 * DAY
    )
    with pytest.raises(CommandError, match="a failing kind"):
        _purge()
    assert not IdempotencyRecord.objects.exists()
    assert purge_expired() == ["a failing kind"]


@pytest.mark.django_db(transaction=True)
def test_a_purge_waits_for_recordings_and_gives_up_after_a_while(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EVENT_RETENTION_DAYS = 30
    monkeypatch.setattr(contacts_retention, "_LOCK_TIMEOUT", "50ms")
    is_recording, may_end = Signal(), Signal()

    def record() -> None:
        try:
            with transaction.atomic():
                events.share_recording()
                is_recording.set()
                may_end.wait(10)
        finally:
            connection.close()

    thread = Thread(target=record)
    thread.start()
    assert is_recording.wait(10)
    try:
        with pytest.raises(Busy):
            contacts_retention.purge_events(NOW)
    finally:
        may_end.set()
        thread.join()
    assert contacts_retention.purge_events(NOW)["events"] == 0


def test_the_months_ahead_are_made_for_every_partitioned_table() -> None:
    make_partitions()
    assert make_partitions() == []
    now = datetime.now(UTC)
    for table in (TABLE, "segments_membershipchange"):
        ahead = [month for month in partitions.months(table) if month.begins_at > now]
        assert len(ahead) >= 3
