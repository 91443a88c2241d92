"""A count and ten contacts, without saving anything."""

import threading
import time

import pytest
from django.db import connection

from segments import preview as previews
from segments.errors import CriteriaRefused, PreviewOutdated
from segments.models import Segment
from segments.preview import preview
from tests.segments.factories import (
    NOW,
    holds,
    is_in,
    lives_in,
    make_contacts,
    make_segment,
    refresh,
)
from workspace.access import SYSTEM


def _preview(document: object, **given: object) -> previews.Preview:
    return preview(document, actor=SYSTEM, as_of=NOW, **given)  # type: ignore[arg-type]


@pytest.mark.django_db
def test_a_preview_counts_and_shows_ten() -> None:
    ids = make_contacts(*["Warszawa"] * 12, "Paris")
    found = _preview(lives_in("Warszawa"))
    assert (found.count, found.exact) == (12, True)
    assert len(set(found.sample_ids)) == 10
    assert set(found.sample_ids) <= set(ids[:12])
    assert list(found.sample_ids) == sorted(found.sample_ids)
    assert found.as_of == NOW
    assert found.milliseconds > 0
    assert "Warszawa" in found.sentence
    assert not Segment.objects.exists()


@pytest.mark.django_db
def test_a_faulty_document_is_refused_with_every_fault() -> None:
    rules = [{"field": "contact.shoe", "operator": "null"}, {"field": "tag", "operator": "is"}]
    with pytest.raises(CriteriaRefused) as refused:
        _preview({"combinator": "and", "rules": rules})
    assert len(refused.value.criteria_problems) >= 2


@pytest.mark.django_db
def test_a_preview_may_be_for_loyalty_members_only_and_of_other_segments() -> None:
    make_contacts("Warszawa", "Warszawa")
    refresh(make_segment("base"))
    assert _preview(is_in("base")).count == 2
    assert _preview(is_in("base"), members_only=True).count == 0


@pytest.mark.django_db
def test_settings_of_a_preview_end_with_it() -> None:
    make_contacts("Warszawa")
    _preview(lives_in("Warszawa"), timeout_seconds=2, ticket="builder")
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


@pytest.mark.django_db
def test_what_could_not_be_counted_in_time_is_a_lower_bound(
    monkeypatch: pytest.MonkeyPatch, slow_fact: str
) -> None:
    make_contacts("a", "b", "c", "Slough", "d")
    monkeypatch.setattr(previews, "_AFTERTHOUGHT_SECONDS", 0.1)
    monkeypatch.setattr(previews, "SAMPLE_SIZE", 2)
    monkeypatch.setattr(previews, "_STRIDE", 1)
    found = _preview(holds(slow_fact), timeout_seconds=0.1)
    assert (found.count, found.exact) == (3, False)
    assert len(found.sample_ids) == 2
    assert found.milliseconds < 2000


@pytest.mark.django_db(transaction=True)
def test_a_newer_preview_of_the_same_place_ends_the_older(slow_fact: str) -> None:
    make_contacts("Slough")
    ended: list[object] = []

    def older() -> None:
        try:
            _preview(holds(slow_fact), timeout_seconds=30, ticket="builder 7")
        except PreviewOutdated as error:
            ended.append(error.code)
        finally:
            connection.close()

    thread = threading.Thread(target=older)
    thread.start()
    _wait_until_it_sleeps()
    assert _preview(lives_in("Warszawa"), ticket="another place").exact
    assert thread.is_alive()
    assert _preview(lives_in("Warszawa"), ticket="builder 7").count == 0
    thread.join(timeout=5)
    assert ended == ["preview_outdated"]


def _wait_until_it_sleeps() -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE wait_event = 'PgSleep' AND datname = current_database()"
            )
            row = cursor.fetchone()
        if row and row[0]:
            return
        time.sleep(0.02)
    raise AssertionError("The older preview did not start.")
