"""What Segment is told of a fact: names, ids, sizes; and how many go together."""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.connectors.segment import payloads

FACT: dict[str, Any] = {
    "id": "customer.publication.succeeded:7:3",
    "type": "customer.publication.succeeded",
    "created_at": "2026-03-02T13:00:00+01:00",
    "user_id": "A-17",
    "data": {
        "code": "GIFT-1",
        "customer": {"id": 4, "email": "michael@example.com"},
        "campaign": {"name": "Thanks", "metadata": {"season": "spring"}},
        "items": [{"sku": "a"}, {"sku": "b"}],
    },
}


def event_of(fact: Any = FACT, key: str = "k", **settings: Any) -> dict[str, Any]:
    return payloads.event_of(fact, key=key, settings=settings, origin="mark")


def test_a_fact_is_a_track_call_of_its_contact() -> None:
    assert event_of() == {
        "type": "track",
        "event": "customer.publication.succeeded",
        "userId": "A-17",
        "messageId": "k",
        "timestamp": "2026-03-02T12:00:00.000Z",
        "properties": {
            "code": "GIFT-1",
            "customer_id": 4,
            "customer_email": "michael@example.com",
            "campaign_name": "Thanks",
            "campaign_metadata_season": "spring",
            "items": [{"sku": "a"}, {"sku": "b"}],
        },
        "integrations": {"All": True},
        "context": {
            "library": {"name": "Regulars"},
            "regulars": {"origin": "mark"},
            "traits": {"email": "michael@example.com"},
        },
    }


@pytest.mark.parametrize(
    ("type_", "title"),
    [
        ("customer.publication.succeeded", "Customer Publication Succeeded"),
        ("redemption.succeeded", "Customer Redemption Succeeded"),
        ("redemption.rollback.succeeded", "Customer Redemption Rollback Succeeded"),
        ("message.opened", "Message Opened"),
    ],
)
def test_events_have_the_titles_of_voucherifys_source(type_: str, title: str) -> None:
    assert payloads.event_name(type_, payloads.TITLES) == title
    assert payloads.event_name(type_, payloads.DOTTED) == type_


@pytest.mark.parametrize(
    ("type_", "is_in"), [("customer.segment.entered", True), ("customer.segment.left", False)]
)
def test_who_is_in_a_segment_has_a_trait(type_: str, is_in: bool) -> None:
    fact = {**FACT, "type": type_, "data": {"segment": {"id": "reviewers", "name": "R"}}}
    event = event_of(fact, memberships="traits")
    assert (event["type"], event["traits"]) == ("identify", {"reviewers": is_in})
    assert "properties" not in event
    assert event_of(fact, memberships="events")["event"] == type_


def test_destinations_are_excluded_by_name() -> None:
    assert event_of(exclude="Voucherify, Regulars ,")["integrations"] == {
        "All": True,
        "Regulars": False,
        "Voucherify": False,
    }


@given(st.text(min_size=1, max_size=200))
def test_a_message_id_is_short_and_always_the_same(key: str) -> None:
    message_id = payloads.message_id_of(key)
    assert 0 < len(message_id) <= 100
    assert message_id == payloads.message_id_of(key)
    assert (message_id == key) == (len(key) <= 100)


def test_long_keys_that_begin_alike_have_different_ids() -> None:
    assert payloads.message_id_of("x" * 150) != payloads.message_id_of("x" * 149 + "y")


@given(st.lists(st.integers(2, 32_000), max_size=60))
def test_batches_keep_order_and_fit(sizes: list[int]) -> None:
    events = [b"1" * size for size in sizes]
    parts = list(payloads.batches(events))
    assert [place for part in parts for place in part] == list(range(len(events)))
    sent_at = datetime(2026, 3, 2, tzinfo=UTC)
    for part in parts:
        body = payloads.batch_body([events[place] for place in part], sent_at=sent_at)
        assert len(body) <= payloads.BATCH_LIMIT
    for before, after in itertools.pairwise(parts):
        # None could have taken the next one, too.
        size = sum(len(events[place]) + 1 for place in [*before, after[0]])
        assert size + 64 > payloads.BATCH_LIMIT


def test_no_batch_has_too_many_events() -> None:
    parts = list(payloads.batches([b"{}"] * 5001))
    assert [len(part) for part in parts] == [2500, 2500, 1]


def test_the_body_is_one_document() -> None:
    sent_at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    events = [payloads.encoded(event_of(key=key)) for key in ("a", "ü")]
    document = json.loads(payloads.batch_body(events, sent_at=sent_at))
    assert [one["messageId"] for one in document["batch"]] == ["a", "ü"]
    assert document["sentAt"] == "2026-03-02T12:00:00.000Z"
