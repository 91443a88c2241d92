"""Two contacts that are one person become one, and nothing of either is lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts import (
    consents,
    event_statistics,
    identities,
    metrics,
    profiles,
    scores,
    timeline,
)
from contacts.erasure import erase_contact
from contacts.errors import ContactUnknown, MergeRefused
from contacts.events import IncomingEvent, record_events
from contacts.identities import Name
from contacts.merging import Merger, merge_contacts, merge_many, survivor_of
from contacts.models import (
    ConsentEntry,
    ConsentState,
    Contact,
    ContactMerge,
    Event,
    EventStatistic,
    LastSeen,
)
from contacts.timeline import Filters, Item
from loyalty.models import Member
from segments import moves
from segments.models import (
    Following,
    ListedContact,
    Membership,
    MembershipChange,
    Owed,
    Segment,
)
from segments.realtime import state
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    make_attribute,
    make_category,
    make_consent,
    make_contact,
    make_metric,
    make_tag,
)
from workspace import partitions
from workspace.access import SYSTEM

LATER = NOW + DAY


def _merge(survivor: Contact, loser: Contact, at: datetime = LATER) -> ContactMerge:
    return merge_contacts(
        survivor.pk, loser.pk, actor=SYSTEM, at=at, cause="by hand", evidence="She called."
    )


def _described(contact: Contact) -> dict[str, Any]:
    return profiles.describe_contacts([contact.pk])[0]


@pytest.mark.django_db
def test_the_survivor_has_all_and_its_own_values_win() -> None:
    make_attribute("shoe_size", "number")
    make_attribute("nickname")
    make_tag("vip"), make_tag("new"), make_category("tea"), make_metric("visits")
    shop = make_contact(
        external_id="c-17",
        email="ann@example.com",
        first_name="Ann",
        city="Berlin",
        lead_score=3,
        tags=["new"],
        attributes={"shoe_size": "38.5"},
    )
    app = make_contact(
        at=NOW - DAY,
        external_id="app-4",
        email="ann@work.example",
        phone="+48 601",
        city="Potsdam",
        birth_date="1980-05-05",
        lead_score=12,
        tags=["vip", "new"],
        categories=["tea"],
        attributes={"shoe_size": "39", "nickname": "Annie"},
    )
    metrics.set_values(app.pk, {"visits": 5}, at=NOW)
    merge = _merge(shop, app)
    found = _described(shop)
    assert (found["external_id"], found["email"], found["city"]) == (
        "c-17",
        "ann@example.com",
        "Berlin",
    )
    assert (found["phone"], str(found["birth_date"])) == ("+48 601", "1980-05-05")
    assert found["attributes"] == {"shoe_size": Decimal("38.5"), "nickname": "Annie"}
    assert (found["tags"], found["categories"]) == (["new", "vip"], ["tea"])
    assert found["lead_score"] == 12
    assert found["created_at"] == NOW - DAY
    assert [(one["namespace"], one["value"]) for one in found["identities"]] == [
        ("email", "ann@example.com"),
        ("email", "ann@work.example"),
        ("phone", "+48601"),
        ("user_id", "c-17"),
        ("user_id", "app-4"),
    ]
    assert metrics.values_of(shop.pk)["visits"] == 5
    assert [line.score for line in scores.history(shop.pk)] == [12, 3, 12]
    assert merge.dropped == {
        "city": "Potsdam",
        "attributes.shoe_size": Decimal(39),
    }
    assert merge.moved["identities"] == 3
    assert (merge.moved["tags"], merge.moved["categories"], merge.moved["metrics"]) == (2, 1, 1)


@pytest.mark.django_db
def test_the_losers_row_is_empty_and_its_number_answers_the_survivor() -> None:
    one, two, three = (make_contact(external_id=f"u{n}", first_name="Ann") for n in range(3))
    _merge(two, one)
    _merge(three, two)
    assert (survivor_of(one.pk), survivor_of(two.pk), survivor_of(three.pk)) == (three.pk,) * 3
    one.refresh_from_db()
    assert (one.first_name, one.erased_at) == ("", LATER)
    assert profiles.get_contact(one.pk).pk == three.pk
    assert identities.find_contact_id("user_id", "u0") == three.pk
    assert ContactMerge.objects.get(pk=one.pk).into_id == two.pk
    with pytest.raises(MergeRefused):
        _merge(one, three)
    with pytest.raises(ContactUnknown):
        merge_contacts(three.pk, 2**40, actor=SYSTEM, at=NOW, cause="test")
    record_events([IncomingEvent(one.pk, "visit", NOW)], received_at=NOW)
    assert Event.objects.get().contact_id == three.pk


@pytest.mark.django_db
def test_of_the_ids_of_who_was_merged_before_the_first_stays_the_first() -> None:
    early, late = make_contact(external_id="u9"), make_contact(external_id="u1")
    known_by_mail = make_contact(email="ann@example.com")
    merge_contacts(early.pk, late.pk, actor=SYSTEM, at=timezone.now(), cause="staff")
    merge_contacts(known_by_mail.pk, early.pk, actor=SYSTEM, at=timezone.now() + DAY, cause="staff")
    assert profiles.describe_contacts([known_by_mail.pk])[0]["external_id"] == "u9"


@pytest.mark.django_db
def test_the_same_message_at_the_same_time_counts_once() -> None:
    one, two = make_contact(), make_contact()
    both = [IncomingEvent(c.pk, "visit", NOW - HOUR, {}, "m1") for c in (one, two)]
    record_events([*both, IncomingEvent(two.pk, "visit", NOW, {}, "m1")], received_at=NOW)
    merge = _merge(one, two)
    assert sorted(Event.objects.values_list("contact_id", "occurred_at")) == [
        (one.pk, NOW - HOUR),
        (one.pk, NOW),
    ]
    assert EventStatistic.objects.get().event_count == 2
    assert LastSeen.objects.get().last_seen_at == NOW
    assert merge.moved["events"] == 2


@pytest.mark.django_db
def test_the_latest_word_on_a_consent_counts_whosever_it_was() -> None:
    make_consent("sms"), make_consent("mail")
    one, two = make_contact(), make_contact()
    for contact, key, word, at in [
        (one, "sms", "granted", NOW),
        (two, "sms", "withdrawn", NOW + HOUR),
        (two, "mail", "granted", NOW),
        (one, "mail", "withdrawn", NOW),
    ]:
        consents.record(
            contact_id=contact.pk, key=key, state=word, at=at, source="shop", actor=SYSTEM
        )
    _merge(one, two)
    assert consents.states_of([one.pk])[one.pk] == {"sms": "withdrawn", "mail": "withdrawn"}
    assert len(consents.history(one.pk)) == 4
    assert not ConsentEntry.objects.filter(contact_id=two.pk).exists()
    assert not ConsentState.objects.filter(contact_id=two.pk).exists()


@pytest.mark.django_db
def test_points_add_up_and_who_is_a_member_as_one_of_the_two_stays_one() -> None:
    one, two, three = make_contact(), make_contact(), make_contact()
    Member.objects.create(contact=one, card_number="A", points=10, joined_at=NOW, left_at=LATER)
    Member.objects.create(contact=two, card_number="B", points=5, joined_at=NOW - DAY, tier="gold")
    merge = _merge(one, two)
    member = Member.objects.get()
    assert (member.contact_id, member.points, member.card_number) == (one.pk, 15, "A")
    assert (member.joined_at, member.left_at, member.tier) == (NOW - DAY, None, "gold")
    assert merge.dropped == {"loyalty.card_number": "B"}
    _merge(three, one)
    assert Member.objects.get().contact_id == three.pk


@pytest.mark.django_db
def test_the_survivor_takes_the_losers_place_where_nobody_calculates_anew() -> None:
    once = Segment.objects.create(key="once", name="Once", refresh_mode="once", member_count=1)
    live = Segment.objects.create(key="live", name="Live", refresh_mode="realtime", member_count=2)
    one, two = make_contact(), make_contact()
    for segment, contact in [(once, two), (live, one), (live, two)]:
        Membership.objects.create(segment=segment, contact=contact, entered_at=NOW)
    _merge(one, two)
    assert set(Membership.objects.values_list("segment_id", "contact_id")) == {
        (once.pk, one.pk),
        (live.pk, one.pk),
    }
    assert set(
        MembershipChange.objects.values_list("segment_id", "contact_id", "kind", "cause", "at")
    ) == {
        (once.pk, two.pk, "left", "merge", LATER),
        (once.pk, one.pk, "entered", "merge", LATER),
        (live.pk, two.pk, "left", "merge", LATER),
    }
    assert list(Segment.objects.order_by("key").values_list("member_count", flat=True)) == [1, 1]


@pytest.mark.django_db
def test_lists_follow() -> None:
    segment = Segment.objects.create(key="list", name="List", source="list", member_count=1)
    found = segment.contact_lists.create(title="List", created_at=NOW)
    one, two = make_contact(), make_contact()
    ListedContact.objects.create(contact_list=found, contact=two)
    Membership.objects.create(segment=segment, contact=two, entered_at=NOW)
    _merge(one, two)
    assert ListedContact.objects.get().contact_id == one.pk
    assert Membership.objects.get().contact_id == one.pk


@pytest.mark.django_db
def test_erasing_the_survivor_forgets_what_the_merge_told_of_the_person() -> None:
    one, two = make_contact(city="Here"), make_contact(city="There")
    merge_many(
        [Merger(one.pk, two.pk, "identify of Ann", (Name("user_id", "ann"),))],
        actor=SYSTEM,
        at=LATER,
        cause="test",
    )
    merge = ContactMerge.objects.get()
    assert (merge.names, merge.dropped) == ([["user_id", "ann"]], {"city": "There"})
    # Whoever asks for the old number means the person.
    proof = erase_contact(two.pk, actor=SYSTEM, at=LATER)
    assert proof.contact_id == one.pk
    merge.refresh_from_db()
    assert (merge.evidence, merge.names, merge.dropped) == ("", [], {})
    with pytest.raises(ContactUnknown):
        profiles.get_contact(two.pk)


_HOURS = st.integers(0, 5).map(lambda n: NOW - timedelta(hours=n))
_events = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["visit", "buy"]), _HOURS, st.integers(0, 3)),
    max_size=14,
)
_consents = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["granted", "withdrawn"]), _HOURS), max_size=8
)


@pytest.mark.django_db
@given(_events, _consents, st.permutations(range(4)), st.integers(1, 3))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_is_merged_in_whatever_order_events_consents_and_counts_stay_true(
    happened: list[tuple[int, str, datetime, int]],
    said: list[tuple[int, str, datetime]],
    order: list[int],
    count: int,
) -> None:
    with transaction.atomic():
        make_consent("sms")
        people = [make_contact() for _person in range(4)]
        root = {contact.pk: contact.pk for contact in people}
        record_events(
            [
                IncomingEvent(people[who].pk, name, at, {}, f"m{message}")
                for who, name, at, message in happened
            ],
            received_at=NOW,
        )
        for who, state, at in said:
            consents.record(
                contact_id=people[who].pk,
                key="sms",
                state=state,
                at=at,
                source="shop",
                actor=SYSTEM,
            )
        lines = list(ConsentEntry.objects.values_list("id", "contact_id", "state", "at"))
        before = set(Event.objects.values_list("contact_id", "message_id", "occurred_at"))
        for loser, survivor in pairwise(order[: count + 1]):
            _merge(people[survivor], people[loser])
            gone, stays = people[loser].pk, people[survivor].pk
            root = {one: stays if now == gone else now for one, now in root.items()}
        assert {one: survivor_of(one) for one in root} == root
        assert set(Event.objects.values_list("contact_id", "message_id", "occurred_at")) == {
            (root[who], message_id, at) for who, message_id, at in before
        }
        assert event_statistics.find_mismatches() == []
        seen: dict[int, datetime] = {}
        for event in Event.objects.all():
            seen[event.contact_id] = max(
                seen.get(event.contact_id, event.occurred_at), event.occurred_at
            )
        assert dict(LastSeen.objects.values_list("contact_id", "last_seen_at")) == seen
        after = set(ConsentEntry.objects.values_list("id", "contact_id", "state", "at"))
        assert after == {(id_, root[who], state, at) for id_, who, state, at in lines}
        latest = {
            who: state
            for _at, _id, who, state in sorted((at, id_, root[w], s) for id_, w, s, at in lines)
        }
        assert dict(ConsentState.objects.values_list("contact_id", "state")) == latest
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_what_is_recorded_while_contacts_are_merged_is_the_survivors() -> None:
    survivor, *losers = (make_contact() for _person in range(9))
    start = Barrier(3)

    def record(number: int) -> int:
        start.wait()
        accepted = 0
        try:
            for turn in range(20):
                batch = [
                    IncomingEvent(loser.pk, "visit", NOW, {}, f"{number}-{turn}-{loser.pk}")
                    for loser in losers
                ]
                accepted += record_events(batch, received_at=NOW).accepted
        finally:
            connection.close()
        return accepted

    def merge() -> None:
        start.wait()
        try:
            for loser in losers:
                _merge(survivor, loser)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        recording = [pool.submit(record, number) for number in range(2)]
        pool.submit(merge).result()
        accepted = sum(one.result() for one in recording)
    assert accepted == 2 * 20 * 8
    assert Event.objects.filter(contact=survivor).count() == accepted
    assert EventStatistic.objects.get().event_count == accepted


@pytest.mark.django_db
def test_who_moves_is_announced_and_told_to_the_history() -> None:
    told: list[tuple[int, datetime]] = []
    live = Segment.objects.create(key="live", name="Live", refresh_mode="realtime", member_count=1)
    Following.objects.create(segment=live, digest="x", followed_until=NOW, recorded_at=NOW)
    one, two = make_contact(), make_contact()
    Membership.objects.create(segment=live, contact=two, entered_at=NOW)
    moves.register_consumer("test", told.extend)
    try:
        _merge(one, two)
    finally:
        moves.unregister_consumer("test")
    assert told == [(live.pk, LATER)]
    assert (Following.objects.get().left_count, Following.objects.get().moved_at) == (1, LATER)


@pytest.mark.django_db(transaction=True)
def test_whose_segment_is_being_written_is_owed_to_it() -> None:
    live = Segment.objects.create(key="live", name="Live", refresh_mode="realtime", member_count=1)
    Following.objects.create(segment=live, digest="x", followed_until=NOW, recorded_at=NOW)
    one, two = make_contact(), make_contact()
    Membership.objects.create(segment=live, contact=two, entered_at=NOW)

    def merge() -> None:
        try:
            _merge(one, two)
        finally:
            connection.close()

    with transaction.atomic():
        state.lock_writing(live.pk)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(merge).result()
    assert Owed.objects.values_list("segment_id", "contact_id", "cause").get() == (
        live.pk,
        two.pk,
        "merge",
    )


@pytest.mark.django_db
def test_the_timeline_goes_on_with_what_both_were_in() -> None:
    once = Segment.objects.create(key="once", name="Once", refresh_mode="once", member_count=2)
    one, two, three = make_contact(), make_contact(), make_contact()
    partitions.ensure_months("segments_membershipchange", [NOW])
    for contact, at in [(two, NOW - DAY), (three, NOW - HOUR)]:
        Membership.objects.create(segment=once, contact=contact, entered_at=at)
        MembershipChange.objects.create(
            segment=once, at=at, contact=contact, kind="entered", cause="refresh"
        )
    mergers = [Merger(one.pk, two.pk), Merger(one.pk, three.pk)]
    merge_many(mergers, actor=SYSTEM, at=LATER, cause="test")
    wanted = Filters(kinds=frozenset({"segment"}))
    told = timeline.page(one.pk, actor=SYSTEM, filters=wanted)
    assert [(item.at, item.data["change"]) for item in told] == [
        (LATER, "left"),
        (LATER, "left"),
        (LATER, "entered"),
        (NOW - HOUR, "entered"),
        (NOW - DAY, "entered"),
    ]
    turned: list[Item] = []
    while page := timeline.page(
        one.pk,
        actor=SYSTEM,
        limit=1,
        after=turned[-1].place if turned else None,
        filters=wanted,
    ):
        turned += page
    assert turned == told
