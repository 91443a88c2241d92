"""Events are recorded once, counted exactly, and read back newest first."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone as clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts import events, timeline, urls
from contacts.events import IncomingEvent, record_events
from contacts.models import (
    Contact,
    Event,
    EventDefinition,
    EventStatistic,
    LastSeen,
    SeenMessage,
    Url,
)
from workspace.access import SYSTEM

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
pytestmark = pytest.mark.django_db


def _contacts(count: int) -> list[int]:
    return [contact.pk for contact in Contact.objects.bulk_create(Contact() for _ in range(count))]


def _record(*incoming: IncomingEvent, **options: Any) -> tuple[int, int, list[tuple[int, str]]]:
    found = record_events(incoming, received_at=NOW, **options)
    return found.accepted, found.duplicates, [(one.index, one.code) for one in found.rejected]


def _statistics() -> dict[tuple[int, str], tuple[int, datetime, datetime]]:
    return {
        (one.contact_id, one.definition.name): (one.event_count, one.first_at, one.last_at)
        for one in EventStatistic.objects.select_related("definition")
    }


def _recomputed() -> dict[tuple[int, str], tuple[int, datetime, datetime]]:
    times: dict[tuple[int, str], list[datetime]] = {}
    for event in Event.objects.select_related("definition"):
        times.setdefault((event.contact_id, event.definition.name), []).append(event.occurred_at)
    return {key: (len(found), min(found), max(found)) for key, found in times.items()}


def test_an_event_is_stored_counted_and_seen() -> None:
    [anna] = _contacts(1)
    properties = {"amount": Decimal("12.50"), "product": "coffee", "tags": ["a"], "none": None}
    assert _record(IncomingEvent(anna, "purchase", NOW - HOUR, properties, "m1")) == (1, 0, [])
    event = Event.objects.get()
    assert (event.contact_id, event.definition.name) == (anna, "purchase")
    assert (event.occurred_at, event.received_at) == (NOW - HOUR, NOW)
    assert (event.message_id, event.amount) == ("m1", Decimal("12.50"))
    assert event.properties == properties
    assert _statistics() == {(anna, "purchase"): (1, NOW - HOUR, NOW - HOUR)}
    assert LastSeen.objects.get().last_seen_at == NOW - HOUR


def test_nobody_was_seen_in_the_future() -> None:
    [anna] = _contacts(1)
    _record(IncomingEvent(anna, "visit", NOW + 400 * DAY, {}, "of a wrong clock"))
    assert LastSeen.objects.get().last_seen_at == NOW
    assert _statistics() == {(anna, "visit"): (1, NOW + 400 * DAY, NOW + 400 * DAY)}


def test_nothing_is_nothing() -> None:
    assert _record() == (0, 0, [])


def test_the_same_event_counts_once_however_often_it_is_told() -> None:
    [anna] = _contacts(1)
    told = IncomingEvent(anna, "visit", NOW, {}, "m1")
    assert _record(told, told) == (1, 1, [])
    assert _record(told) == (0, 1, [])
    assert _statistics() == {(anna, "visit"): (1, NOW, NOW)}


def test_another_time_or_contact_is_another_event() -> None:
    anna, jan = _contacts(2)
    assert _record(
        IncomingEvent(anna, "visit", NOW, {}, "m1"),
        IncomingEvent(anna, "visit", NOW - HOUR, {}, "m1"),
        IncomingEvent(jan, "visit", NOW, {}, "m1"),
    ) == (3, 0, [])


def test_for_a_source_a_message_counts_once_whatever_the_contact_and_the_time() -> None:
    anna, jan = _contacts(2)
    first = IncomingEvent(anna, "visit", NOW, {}, "m1")
    again = IncomingEvent(jan, "visit", NOW - HOUR, {}, "m1")
    assert _record(first, again, source_id=1) == (1, 1, [])
    assert _record(again, source_id=1) == (0, 1, [])
    assert _record(again, source_id=2) == (1, 0, [])
    assert SeenMessage.objects.count() == 2


def test_a_rejected_message_may_come_again_when_it_is_mended() -> None:
    [anna] = _contacts(1)
    assert _record(IncomingEvent(0, "visit", NOW, {}, "m1"), source_id=1)[2] == [
        (0, "unknown_contact")
    ]
    assert _record(IncomingEvent(anna, "visit", NOW, {}, "m1"), source_id=1) == (1, 0, [])


def test_an_event_without_a_message_id_counts_each_time() -> None:
    [anna] = _contacts(1)
    told = IncomingEvent(anna, "visit", NOW)
    assert _record(told, told) == (2, 0, [])
    assert _record(told) == (1, 0, [])
    assert {len(event.message_id) for event in Event.objects.all()} == {36}


def test_made_message_ids_follow_time() -> None:
    made = [events.make_message_id(NOW + timedelta(seconds=second)) for second in range(5)]
    assert made == sorted(made)
    assert {(text[14], text[19] in "89ab") for text in made} == {("7", True)}


def test_each_unusable_event_is_rejected_by_itself_with_its_reason() -> None:
    [anna, gone] = _contacts(2)
    Contact.objects.filter(pk=gone).update(erased_at=NOW)
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"a": deep}
    bad = {
        "unknown_contact": IncomingEvent(10**12, "visit", NOW),
        "contact_erased": IncomingEvent(gone, "visit", NOW),
        "name_missing": IncomingEvent(anna, "  ", NOW),
        "name_too_long": IncomingEvent(anna, "x" * 201, NOW),
        "nul_character": IncomingEvent(anna, "vis\0it", NOW),
        "message_id_too_long": IncomingEvent(anna, "visit", NOW, {}, "x" * 101),
        "invalid_text": IncomingEvent(anna, "visit", NOW, {}, "\ud800"),
        "invalid_time": IncomingEvent(anna, "visit", NOW.replace(tzinfo=None)),
        "properties_not_object": IncomingEvent(anna, "visit", NOW, ["a"]),  # type: ignore[arg-type]  # as a program might send it
        "properties_too_large": IncomingEvent(anna, "visit", NOW, {"a": "ł" * 17_000}),
        "properties_too_deep": IncomingEvent(anna, "visit", NOW, deep),
        "properties_invalid": IncomingEvent(anna, "visit", NOW, {"a": float("nan")}),
        "number_too_long": IncomingEvent(anna, "visit", NOW, {"a": Decimal("1E+1000")}),
    }
    good = IncomingEvent(anna, "visit", NOW)
    accepted, duplicates, rejected = _record(*bad.values(), good)
    assert rejected == list(enumerate(bad))
    assert (accepted, duplicates, Event.objects.count()) == (1, 0, 1)
    assert not EventDefinition.objects.exclude(name="visit").exists()


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"a": "x\0y"}, "nul_character"),
        ({"a\0": 1}, "nul_character"),
        ({"a": {"b": ["\0"]}}, "nul_character"),
        ({"a": "\ud800"}, "properties_invalid"),
        ({"a": Decimal("NaN")}, "properties_invalid"),
        ({"a": NOW}, "properties_invalid"),
        ({"a": Decimal("1E-1001")}, "number_too_long"),
        ({"a": Decimal("1E+999999999")}, "number_too_long"),
        ({"a": int("9" * 1002)}, "number_too_long"),
        ({"a": 10**6000}, "number_too_long"),
        ({"a": [Decimal("1." + "1" * 1000)]}, "number_too_long"),
    ],
)
def test_properties_that_cannot_be_stored_are_rejected(
    properties: dict[str, Any], code: str
) -> None:
    [anna] = _contacts(1)
    assert _record(IncomingEvent(anna, "visit", NOW, properties)) == (0, 0, [(0, code)])


@pytest.mark.parametrize(
    "properties",
    [
        {"a": r"\u0000"},
        {"a": "9" * 2000, "b": "1e500", "c": "NaN"},
        {"a": Decimal("1E+900"), "b": 10**999, "c": 12.5, "d": Decimal("0." + "1" * 999)},
        {"amount": "1" * 1001},
        {"": {"": ""}, "a.b": 1, "a": [[1], {"b": None}], "ł": "\u2028"},
        {"a": [[] for _ in range(60)]},
    ],
)
def test_unusual_properties_are_stored_as_they_are(properties: dict[str, Any]) -> None:
    [anna] = _contacts(1)
    assert _record(IncomingEvent(anna, "visit", NOW, properties)) == (1, 0, [])
    assert Event.objects.get().properties == properties


@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, tzinfo=UTC),
        datetime(2026, 3, 1, 0, 30, tzinfo=timezone(HOUR)),
    ],
)
def test_any_time_of_the_calendar_is_recorded(at: datetime) -> None:
    [anna] = _contacts(1)
    assert _record(IncomingEvent(anna, "visit", at)) == (1, 0, [])
    told = timeline.page(anna, actor=SYSTEM, filters=timeline.Filters(kinds=frozenset({"event"})))
    assert [item.at for item in told] == [at]


@pytest.mark.parametrize("day", [datetime(1, 1, 1), datetime(9999, 12, 31, 23)])  # noqa: DTZ001
def test_a_time_that_leaves_the_calendar_in_utc_is_rejected(day: datetime) -> None:
    [anna] = _contacts(1)
    offset = 2 * HOUR if day.year == 1 else -2 * HOUR
    at = day.replace(tzinfo=timezone(offset))
    assert _record(IncomingEvent(anna, "visit", at)) == (0, 0, [(0, "invalid_time")])


def test_addresses_go_to_the_dictionary_where_they_are_short_and_without_a_query() -> None:
    [anna] = _contacts(1)
    listed, full = "https://shop.example/sale", "https://shop.example/sale?page=2"
    given: list[dict[str, Any]] = [
        *({"url": listed}, {"url": full}, {"url": "x" * 201}, {"url": 5}, {"url": True}),
        *({}, {"url": None}, {"url": ""}, {"url": ["a"]}, {"url": {"a": 1}}),
    ]
    _record(*(IncomingEvent(anna, "visit", NOW, one, f"{n}") for n, one in enumerate(given)))
    found = list(Event.objects.order_by("message_id").values_list("url_id", flat=True))
    known = Url.objects.get()
    assert known.url == listed
    assert found == [known.pk, None, None, None, None, 0, 0, 0, 0, 0]


def test_a_full_dictionary_takes_no_more_and_still_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [old] = urls.list_urls({"/old"}).values()
    monkeypatch.setattr(urls, "DICTIONARY_LIMIT", 0)
    assert urls.list_urls({"/old", "/new"}) == {"/old": old}


def test_a_definition_learns_which_properties_its_events_have() -> None:
    [anna] = _contacts(1)
    _record(
        IncomingEvent(anna, "purchase", NOW, {"amount": 5, "note": "", "none": None}),
        IncomingEvent(anna, "purchase", NOW, {"amount": "5", "items": [{"a": 1}]}),
        IncomingEvent(anna, "purchase", NOW, {"product": {"name": "tea", "maker": {"id": 1}}}),
    )
    _record(IncomingEvent(anna, "purchase", NOW, {"gift": True, "amount": 7}))
    assert EventDefinition.objects.get().schema == {
        "amount": ["number", "text"],
        "gift": ["boolean"],
        "items": ["list"],
        "product": ["object"],
        "product.name": ["text"],
        "product.maker": ["object"],
        "product.maker.id": ["number"],
    }


def test_a_schema_stays_small() -> None:
    [anna] = _contacts(1)
    _record(IncomingEvent(anna, "visit", NOW, {f"p{n}": 1 for n in range(300)} | {"x" * 101: 1}))
    assert len(EventDefinition.objects.get().schema) == 200


def test_an_event_of_a_known_kind_costs_few_statements(
    django_assert_num_queries: Any,
) -> None:
    [anna] = _contacts(1)
    _record(IncomingEvent(anna, "visit", NOW, {"url": "/a"}))
    # Savepoint twice, lock, contacts, definitions, addresses, partitions, and the event.
    with django_assert_num_queries(8):
        _record(*(IncomingEvent(anna, "visit", NOW, {"url": "/a"}) for _ in range(100)))


@pytest.mark.parametrize("limit", [0, 10_000])
def test_small_and_large_batches_give_the_same(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_STATEMENT_LIMIT", limit)
    ids = _contacts(3)
    text = "tab\t newline\n back\\slash \"quote\" 'ł'"
    batch = [
        IncomingEvent(
            ids[n % 3],
            f"kind {n % 2}",
            NOW - n * HOUR * 24,
            {"text": text, "n": n},
            f"m\t{n % 40}\\",
        )
        for n in range(60)
    ]
    assert _record(*batch, *batch) == (60, 60, [])
    assert _record(*batch) == (0, 60, [])
    assert _statistics() == _recomputed()
    assert {event.properties["text"] for event in Event.objects.all()} == {text}


_told = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["a", "b"]),
        st.sampled_from([-40, -1, 0, 3]),
        st.sampled_from(["1", "2", None]),
    ),
    max_size=12,
)


@given(batches=st.lists(_told, max_size=4), source=st.sampled_from([None, 7]), limit=st.booleans())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_statistics_are_what_counting_gives_whatever_the_order_and_the_repetitions(
    batches: list[list[tuple[int, str, int, str | None]]],
    source: int | None,
    limit: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_STATEMENT_LIMIT", 0 if limit else 1000)
    with transaction.atomic():
        ids = _contacts(3)
        stored: set[Any] = set()
        seen: set[str] = set()
        fresh = 0
        for batch in batches:
            expected = 0
            for who, _name, days, message in batch:
                if message is None:
                    expected, fresh = expected + 1, fresh + 1
                elif source is not None:
                    expected += message not in seen
                    seen.add(message)
                else:
                    expected += (who, message, days) not in stored
                    stored.add((who, message, days))
            told = (
                IncomingEvent(ids[who], name, NOW + timedelta(days=days), {}, message)
                for who, name, days, message in batch
            )
            assert _record(*told, source_id=source) == (expected, len(batch) - expected, [])
        assert Event.objects.count() == len(stored) + len(seen) + fresh
        assert _statistics() == _recomputed()
        last = {
            who: min(NOW, max(at for (c, _), (_, _, at) in _recomputed().items() if c == who))
            for who, _name in _recomputed()
        }
        assert dict(LastSeen.objects.values_list("contact_id", "last_seen_at")) == last
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_fifty_recordings_at_once_count_exactly_and_never_lock_each_other_out() -> None:
    ids = _contacts(20)
    failures: list[Exception] = []
    accepted: list[int] = []
    ready = Barrier(10)

    def work(number: int) -> None:
        try:
            ready.wait(timeout=30)
            for turn in range(5):
                batch = [
                    IncomingEvent(
                        ids[(n * (number + 1)) % 20],
                        f"kind {(n + number) % 4}",
                        NOW - timedelta(days=40 * (n % 3)),
                        {"url": f"/{(n * 7 + turn) % 30}", f"p{(n + turn) % 9}": 1},
                        f"{turn}-{n}",
                    )
                    for n in range(60)
                ]
                if number % 2:
                    batch.reverse()
                accepted.append(record_events(batch, received_at=clock.now()).accepted)
        except Exception as error:  # noqa: BLE001  whatever a thread meets is the test's failure
            failures.append(error)
        finally:
            connection.close()

    threads = [Thread(target=work, args=[number]) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(accepted) == 50
    assert sum(accepted) == Event.objects.count()
    assert _statistics() == _recomputed()


@pytest.mark.django_db(transaction=True)
def test_a_contact_erased_meanwhile_gets_no_event() -> None:
    [anna] = _contacts(1)
    results: list[Any] = []

    def late() -> None:
        try:
            results.append(_record(IncomingEvent(anna, "visit", NOW)))
        finally:
            connection.close()

    thread = Thread(target=late)
    with transaction.atomic():
        events.pause_recording()
        thread.start()
        Event.objects.filter(contact_id=anna).delete()
        Contact.objects.filter(pk=anna).update(erased_at=NOW)
        thread.join(timeout=0.3)
        assert thread.is_alive(), "recording waits for the erasure"
    thread.join()
    assert results == [(0, 0, [(0, "contact_erased")])]


def test_events_of_many_years_are_paged_from_the_newest_to_the_oldest_without_gaps() -> None:
    anna, jan = _contacts(2)
    ages = [0, 0, 0, 1, 2, 40, 41, 400, 4000, 12000]
    told = [
        IncomingEvent(anna, f"kind {n % 3}", NOW - timedelta(days=age), {"n": n}, f"m{n}")
        for n, age in enumerate(ages)
    ]
    _record(*told, IncomingEvent(jan, "kind 0", NOW))
    expected = sorted(told, key=lambda one: (one.occurred_at, one.message_id), reverse=True)
    only = timeline.Filters(kinds=frozenset({"event"}))
    for limit, newest_first in ((1, True), (2, False), (3, True), (3, False), (50, True)):
        found, after = [], None
        while page := timeline.page(
            anna, actor=SYSTEM, filters=only, after=after, limit=limit, newest_first=newest_first
        ):
            found += [item.message_id for item in page]
            after = page[-1].place
        in_order = expected if newest_first else expected[::-1]
        assert found == [one.message_id for one in in_order]
    some = timeline.page(anna, actor=SYSTEM, filters=timeline.Filters(name="kind 1"))
    assert [item.message_id for item in some] == [
        one.message_id for one in expected if one.name == "kind 1"
    ]
    assert timeline.page(anna, actor=SYSTEM, filters=timeline.Filters(name="unheard of")) == []


def test_the_last_event_of_a_kind_is_the_newest_of_all_contacts() -> None:
    anna, jan = _contacts(2)
    _record(
        IncomingEvent(anna, "visit", NOW - HOUR, {}, "old"),
        IncomingEvent(jan, "visit", NOW, {}, "new"),
        IncomingEvent(jan, "purchase", NOW + HOUR),
    )
    last = events.last_event(EventDefinition.objects.get(name="visit").pk)
    assert last is not None
    assert last.message_id == "new"
    assert events.last_event(0) is None
