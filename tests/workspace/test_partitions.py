"""Monthly partitions: made when needed, by any number of processes at once."""

from datetime import UTC, datetime
from threading import Thread

import pytest
from django.db import connection

from workspace import partitions

TABLE = "contacts_event"


def _names() -> list[str]:
    return [month.table for month in partitions.months(TABLE)]


@pytest.mark.django_db
def test_months_are_made_once_and_only_those_needed() -> None:
    times = [datetime(1997, 1, 31, 23, 59, tzinfo=UTC), datetime(1998, 6, 1, tzinfo=UTC)]
    made = partitions.ensure_months(TABLE, times)
    assert made == ["contacts_event_1997_01", "contacts_event_1998_06"]
    assert partitions.ensure_months(TABLE, times) == []
    assert set(made) <= set(_names())


@pytest.mark.django_db
def test_the_year_turns() -> None:
    made = partitions.ensure_ahead(TABLE, at=datetime(1990, 11, 5, tzinfo=UTC), count=2)
    assert made == [f"{TABLE}_1990_11", f"{TABLE}_1990_12", f"{TABLE}_1991_01"]


@pytest.mark.django_db
def test_a_month_holds_its_first_instant_and_not_the_next_ones() -> None:
    partitions.ensure_months(TABLE, [datetime(1990, 1, 1, tzinfo=UTC)])
    [month] = [found for found in partitions.months(TABLE) if found.table.endswith("1990_01")]
    assert month.begins_at == datetime(1990, 1, 1, tzinfo=UTC)
    assert month.ends_at == datetime(1990, 2, 1, tzinfo=UTC)


@pytest.mark.django_db
def test_times_out_of_reason_make_no_tables() -> None:
    assert partitions.ensure_months(TABLE, [datetime(1, 1, 1, tzinfo=UTC)]) == []
    assert partitions.ensure_months(TABLE, [datetime(9999, 12, 31, tzinfo=UTC)]) == []


@pytest.mark.django_db
def test_a_dropped_month_is_gone() -> None:
    partitions.ensure_months(TABLE, [datetime(1990, 1, 1, tzinfo=UTC)])
    [month] = [found for found in partitions.months(TABLE) if found.table.endswith("1990_01")]
    partitions.drop_month(TABLE, month)
    assert month.table not in _names()


@pytest.mark.django_db(transaction=True)
def test_many_may_make_the_same_month_at_once() -> None:
    failures: list[Exception] = []

    def make() -> None:
        try:
            partitions.ensure_months(TABLE, [datetime(1980, 5, 5, tzinfo=UTC)])
        except Exception as error:  # noqa: BLE001  whatever a thread meets is the test's failure
            failures.append(error)
        finally:
            connection.close()

    threads = [Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert f"{TABLE}_1980_05" in _names()
    [month] = [found for found in partitions.months(TABLE) if found.table.endswith("1980_05")]
    partitions.drop_month(TABLE, month)
