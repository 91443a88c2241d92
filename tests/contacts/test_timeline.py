"""The timeline: one order over everything that is known of a contact, page by page."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts import consents, labels, profiles, scores
from contacts.erasure import erase_contact
from contacts.events import IncomingEvent, record_events
from contacts.merging import merge_contacts
from contacts.models import Contact, Identity
from contacts.timeline import Filters, Item, Place, counts, page
from loyalty import members
from segments.models import MembershipChange
from tests.factories import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    make_attribute,
    make_category,
    make_consent,
    make_contact,
    make_tag,
)
from tests.segments.factories import make_segment
from workspace.access import SYSTEM, actor_of_user
from workspace.models import User

pytestmark = pytest.mark.django_db


def pages(contact_id: int, size: int, **asked: Any) -> Iterator[list[Item]]:
    """All pages, one after the other."""
    after: Place | None = None
    while found := page(contact_id, actor=SYSTEM, after=after, limit=size, **asked):
        yield found
        after = found[-1].place


def furnish(contact_id: int, moments: list[tuple[str, int]]) -> set[tuple[str, Any]]:
    """Let one thing of each kind happen at its minute; returns what has to be told."""
    make_tag("vip")
    make_consent("news")
    made: set[tuple[str, Any]] = set()
    for number, (kind, minute) in enumerate(moments):
        at = NOW + minute * MINUTE
        match kind:
            case "event":
                event = IncomingEvent(contact_id, f"kind {number % 3}", at, {"n": number})
                record_events([event], received_at=at)
            case "consent":
                state = "granted" if number % 2 else "withdrawn"
                consents.record(
                    contact_id=contact_id, key="news", state=state, at=at, source="t", actor=SYSTEM
                )
            case "score":
                scores.set_score(contact_id, number + 1, at=at, actor=SYSTEM)
            case "identity":
                Identity.objects.create(
                    namespace="shop", value=str(number), contact_id=contact_id, created_at=at
                )
            case "change":
                changes = {"city": f"City {number}"}
                profiles.update_contact(contact_id, changes=changes, actor=SYSTEM, at=at)
            case "segment":
                MembershipChange.objects.create(
                    segment_id=make_segment(f"s{number}", at=at).pk,
                    at=at,
                    contact_id=contact_id,
                    kind="entered",
                    cause="refresh",
                )
        made.add((kind, at))
    return made


KINDS = ["event", "event", "consent", "score", "identity", "change", "segment"]


@settings(max_examples=10, deadline=None)
@given(
    moments=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 6)), max_size=18),
    size=st.integers(1, 7),
    kinds=st.sets(st.sampled_from(KINDS)),
    window=st.tuples(st.none() | st.integers(0, 6), st.none() | st.integers(0, 6)),
    text=st.sampled_from(["", "", "1", "CITY"]),
)
def test_pages_put_together_are_all_items_in_order(
    moments: list[tuple[str, int]],
    size: int,
    kinds: set[str],
    window: tuple[int | None, int | None],
    text: str,
) -> None:
    # Each example begins with an empty workspace.
    with transaction.atomic():
        contact_id = make_contact(at=NOW - DAY).pk
        made = furnish(contact_id, moments)
        everything = page(contact_id, actor=SYSTEM, limit=1000)
        told = [(item.kind, item.at) for item in everything]
        assert set(told) == {*made, ("change", NOW - DAY)}
        assert len(told) == len(moments) + 1
        since, until = (None if minute is None else NOW + minute * MINUTE for minute in window)
        filters = Filters(kinds=frozenset(kinds), since=since, until=until, text=text)
        wanted = [
            item.id
            for item in sorted(everything, key=lambda item: item.place)
            if (not kinds or item.kind in kinds)
            and (since is None or item.at >= since)
            and (until is None or item.at < until)
            and (not text or item.says(text))
        ]
        for newest_first in (True, False):
            walked = pages(contact_id, size, filters=filters, newest_first=newest_first)
            chunks = [[item.id for item in chunk] for chunk in walked]
            assert all(len(chunk) == size for chunk in chunks[:-1])
            found = [id_ for chunk in chunks for id_ in chunk]
            assert found == (wanted[::-1] if newest_first else wanted)
        transaction.set_rollback(True)


def test_a_place_is_read_as_it_was_written() -> None:
    place = Place(NOW, "event", "a|b|ü")
    assert Place.read(str(place)) == place
    for text in ("", "nonsense", "2026-03-02T12:00:00|event|1", f"{NOW.isoformat()}|event"):
        with pytest.raises(ValueError, match=r"(?s).*"):
            Place.read(text)


def test_it_costs_as_many_queries_for_much_as_for_little() -> None:
    def cost(count: int) -> int:
        contact_id = make_contact(at=NOW - DAY).pk
        events = [
            IncomingEvent(contact_id, f"kind {n % 20}", NOW + n * MINUTE, {"n": n})
            for n in range(count)
        ]
        record_events(events, received_at=NOW + DAY)
        for n in range(count):
            scores.set_score(contact_id, n + 1, at=NOW + n * MINUTE, actor=SYSTEM)
            changes = {"city": f"City {n}", "attributes": {"color": f"c{n}"}}
            profiles.update_contact(contact_id, changes=changes, actor=SYSTEM, at=NOW + n * MINUTE)
        after = None
        with CaptureQueriesContext(
            connection,
        ) as queries:
            after = page(contact_id, actor=SYSTEM, limit=10)[-1].place
        first = len(queries)
        with CaptureQueriesContext(connection) as queries:
            page(contact_id, actor=SYSTEM, after=after, limit=10)
        assert len(queries) <= first + 1
        return first

    make_attribute("color")
    assert cost(60) <= cost(4) <= 25


def test_a_page_visit_shows_the_page_and_an_event_its_label_and_properties() -> None:
    anna = make_contact().pk
    shop = {"url": "https://shop.example/tea?x=1", "title": "Tea"}
    record_events(
        [
            IncomingEvent(anna, "page_visit", NOW + HOUR, shop),
            IncomingEvent(anna, "review_left", NOW + 2 * HOUR, {"rating": 5, "of": 'a "tea"'}),
        ],
        received_at=NOW + DAY,
    )
    review, visit = page(anna, actor=SYSTEM, filters=Filters(kinds=frozenset({"event"})))
    assert (visit.title, visit.text) == ("Viewed Tea", shop["url"])
    assert (review.title, review.text) == ("review_left", 'of: a "tea" · rating: 5')
    for text in ('A "TEA"', "REVIEW", "rating"):
        assert page(anna, actor=SYSTEM, filters=Filters(text=text)) == [review]
    assert page(anna, actor=SYSTEM, filters=Filters(text="100%_")) == []
    assert page(anna, actor=SYSTEM, filters=Filters(name="page_visit")) == [visit]


def test_consents_and_scores_say_who_and_why() -> None:
    make_consent("news", label="Newsletter")
    ewa = User.objects.create(username="ewa", first_name="Ewa", last_name="Nowak", is_staff=True)
    actor = actor_of_user(ewa)
    anna = make_contact().pk
    said: dict[str, Any] = {"contact_id": anna, "key": "news", "source": "admin", "actor": actor}
    consents.record(state="granted", at=NOW + HOUR, reason="said so", **said)
    scores.set_score(anna, 7, at=NOW + 2 * HOUR, reason="bought", actor=actor)
    scores.set_score(anna, 3, at=NOW + 3 * HOUR, reason="", actor=SYSTEM)
    last, first, consent = page(anna, actor=SYSTEM, limit=3)
    assert (consent.title, consent.text) == ("Granted “Newsletter”", "said so")
    assert consent.actor == "Ewa Nowak"
    assert (first.title, first.text, first.actor) == ("Lead score 7", "bought", "Ewa Nowak")
    assert (last.tone, last.actor, last.data["before"]) == ("warning", "Regulars", "7")


def test_labels_tell_when_they_were_given_and_taken_whoever_did_it() -> None:
    make_tag("vip", label="VIP")
    make_tag("old", label="Old")
    make_category("media", label="Media")
    anna = make_contact().pk
    kinds = Filters(kinds=frozenset({"label"}))

    def told() -> list[tuple[str, str]]:
        return [(item.title, item.actor) for item in page(anna, actor=SYSTEM, filters=kinds)]

    labels.add("category", "media", [anna], at=NOW + HOUR)
    changes = {"tags": ["vip", "old"]}
    profiles.update_contact(anna, changes=changes, actor=SYSTEM, at=NOW + 2 * HOUR)
    profiles.update_contact(anna, changes={"tags": ["vip"]}, actor=SYSTEM, at=NOW + 3 * HOUR)
    assert told() == [
        ("Tag “Old” taken away", "Regulars"),
        ("Tag “VIP” given", "Regulars"),
        ("Tag “Old” given", "Regulars"),
        ("Category “Media” given", ""),
    ]


def test_what_staff_changed_is_told_without_the_values() -> None:
    make_attribute("color", label="Favourite colour")
    make_tag("vip")
    anna = make_contact(city="Kraków").pk
    changes = {"city": "Gdańsk", "attributes": {"color": "green"}, "tags": ["vip"]}
    profiles.update_contact(anna, changes=changes, actor=SYSTEM, at=NOW + HOUR)
    only: dict[str, Any] = {"tags": []}
    profiles.update_contact(anna, changes=only, actor=SYSTEM, at=NOW + 2 * HOUR)
    found = page(anna, actor=SYSTEM, filters=Filters(kinds=frozenset({"change"})))
    assert [item.title for item in found] == ["Profile changed", "Became known"]
    assert dict(found[0].details) == {"city": "changed", "Favourite colour": "filled in"}
    assert "Gdańsk" not in str(found)


def test_loyalty_tells_of_joining_tiers_points_and_leaving() -> None:
    anna = make_contact().pk
    members.save_member(anna, changes={"tier": "silver"}, actor=SYSTEM, at=NOW + HOUR)
    changes = {"tier": "gold", "points": 1200}
    members.save_member(anna, changes=changes, actor=SYSTEM, at=NOW + 2 * HOUR)
    members.leave(anna, actor=SYSTEM, at=NOW + 3 * HOUR)
    found = page(anna, actor=SYSTEM, filters=Filters(kinds=frozenset({"loyalty"})))
    assert [item.title for item in found] == [
        "Left the loyalty programme",
        "Membership changed",
        "Joined the loyalty programme",
    ]
    assert found[1].text == "tier: silver → gold · points: 0 → 1,200"
    assert {item.actor for item in found} == {"Regulars"}


def test_of_somebody_erased_only_the_erasure_is_left() -> None:
    make_tag("vip")
    anna = make_contact(email="anna@example.com", tags=["vip"]).pk
    record_events([IncomingEvent(anna, "visit", NOW)], received_at=NOW)
    erase_contact(anna, actor=SYSTEM, at=NOW + DAY)
    assert Contact.objects.get(pk=anna).erased_at
    titles = [item.title for item in page(anna, actor=SYSTEM)]
    assert titles[0] == "Erased"
    assert not {"visit", "Known by e-mail address"} & set(titles)


def test_counts_say_how_many_there_are_of_each_kind_up_to_a_limit() -> None:
    anna = make_contact(external_id="A-1").pk
    events = [IncomingEvent(anna, "visit", NOW + n * MINUTE) for n in range(8)]
    record_events(events, received_at=NOW + DAY)
    found = {one.source.kind: one for one in counts(anna, actor=SYSTEM, limit=5)}
    assert (found["event"].count, found["event"].is_more) == (5, True)
    assert (found["identity"].count, found["identity"].is_more) == (1, False)
    since = Filters(since=NOW + 5 * MINUTE)
    found = {one.source.kind: one for one in counts(anna, actor=SYSTEM, filters=since)}
    assert found["event"].count == 3


def test_a_merge_tells_who_became_one_and_brings_what_the_other_did() -> None:
    anna = make_contact(email="anna@example.com").pk
    other = make_contact().pk
    ewa = actor_of_user(User.objects.create(username="ewa", is_staff=True))
    record_events([IncomingEvent(other, "visit", NOW + HOUR)], received_at=NOW + HOUR)
    profiles.update_contact(other, changes={"city": "Gdynia"}, actor=ewa, at=NOW + MINUTE)
    merge_contacts(anna, other, actor=ewa, at=NOW + DAY, cause="staff", evidence="said so")
    now = Filters(until=NOW + 2 * DAY)
    found = page(anna, actor=SYSTEM, filters=now, limit=3)
    titles = [item.title for item in found]
    assert titles == [f"Became one with #{other}", "visit", "Profile changed"]
    assert found[0].actor == "ewa"
    assert ("Evidence", "said so") in found[0].details
    assert ("events", "1") in found[0].details
