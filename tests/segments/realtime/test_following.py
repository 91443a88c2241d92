"""Whoever is touched is in or out of every segment that follows, at once and with the cause."""

from datetime import timedelta
from typing import Any

import pytest

from contacts import consents, touches
from contacts.erasure import erase_contact
from contacts.events import IncomingEvent, record_events
from contacts.models import (
    AttributeDefinition,
    ConsentDefinition,
    Contact,
    ContactTag,
    EventDefinition,
    Tag,
)
from segments import lifecycle, membership, moves, schedule
from segments.models import Calculation, Following, MembershipChange, Segment
from segments.realtime import documents, following
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    has_attribute,
    is_in,
    lives_in,
    make_contacts,
    make_segment,
    member_ids,
    refresh,
)
from workspace import jobs, sql
from workspace.access import SYSTEM
from workspace.models import Job

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def live(key: str = "poles", criteria: Any = None, **given: Any) -> Segment:
    """A segment that follows its contacts since NOW, nothing requested."""
    segment = make_segment(key, criteria, refresh_mode="realtime", **given)
    refresh(segment)
    Job.objects.all().delete()
    following.follow(NOW)
    return segment


def _did(event: str) -> dict[str, Any]:
    rule = {
        "field": f"event.{event}",
        "measure": {"function": "count"},
        "operator": ">=",
        "value": 1,
    }
    return {"combinator": "and", "rules": [rule]}


def _has_tag(key: str) -> dict[str, Any]:
    return {"combinator": "and", "rules": [{"field": "tag", "operator": "in", "value": [key]}]}


def _follow(seconds: float = 1) -> None:
    while following.follow(NOW + seconds * SECOND):
        pass


def _causes(segment: Segment) -> list[tuple[int, str, str]]:
    changes = MembershipChange.objects.filter(segment=segment).exclude(cause="test")
    found = changes.order_by("at", "contact_id").values_list("contact_id", "kind", "cause")
    return list(found)


def test_a_change_of_a_contact_moves_him_with_the_log_the_count_and_the_cause() -> None:
    ania, bartek = make_contacts("Warszawa", "Paris")
    segment = live()
    Contact.objects.filter(pk=bartek).update(city="Warszawa")
    Contact.objects.filter(pk=ania).update(city="Paris")
    _follow()
    assert member_ids(segment) == {bartek}
    assert _causes(segment) == [(ania, "left", "contact"), (bartek, "entered", "contact")]
    segment.refresh_from_db()
    assert segment.member_count == 1
    assert segment.membership_set.get().entered_at == NOW + SECOND
    assert touches.waiting_count(limit=10) == 0
    (celine,) = make_contacts("Warszawa")
    _follow(2)
    assert _causes(segment)[-1] == (celine, "entered", "new")


def test_events_tags_and_consents_move_and_an_event_of_a_kind_never_seen_before() -> None:
    (ania,) = make_contacts("Warszawa")
    Tag.objects.create(key="vip", label="VIP")
    ConsentDefinition.objects.create(key="news", label="News")
    reviewers, vips = live("reviewers", _did("review_left")), live("vips", _has_tag("vip"))
    allows = {"field": "consent.news", "operator": "=", "value": "granted"}
    readers = live("readers", {"combinator": "and", "rules": [allows]})
    record_events([IncomingEvent(ania, "review_left", NOW)], received_at=NOW)
    ContactTag.objects.create(contact_id=ania, tag=Tag.objects.get())
    told = {"key": "news", "state": "granted", "source": "test"}
    consents.record(contact_id=ania, at=NOW, actor=SYSTEM, **told)
    _follow()
    assert _causes(reviewers) == [(ania, "entered", "event:review_left")]
    assert _causes(vips) == [(ania, "entered", "tag:vip")]
    assert _causes(readers) == [(ania, "entered", "consent:news")]
    assert not Job.objects.exists(), "nothing had to be refreshed in full"


def test_segments_that_name_others_follow_in_the_same_round() -> None:
    (ania,) = make_contacts("Paris")
    base = live("zz-base")
    middle = live("mm-middle", is_in("zz-base"))
    rule = {"field": "segment", "operator": "notIn", "value": ["mm-middle"]}
    top = live("aa-top", {"combinator": "and", "rules": [rule]})
    assert (member_ids(middle), member_ids(top)) == (set(), {ania})
    Contact.objects.update(city="Warszawa")
    _follow()
    assert _causes(base) == [(ania, "entered", "contact")]
    assert _causes(middle) == [(ania, "entered", "segment:zz-base")]
    assert _causes(top) == [(ania, "left", "segment:mm-middle")]


def test_a_full_refresh_of_a_segment_that_does_not_follow_moves_who_depends_on_it() -> None:
    (ania,) = make_contacts("Paris")
    base = make_segment("base")
    refresh(base)
    top = live("top", is_in("base"))
    Contact.objects.update(city="Warszawa")
    _follow()
    assert member_ids(top) == set()
    refresh(base, as_of=NOW + HOUR)
    _follow(2)
    assert _causes(top) == [(ania, "entered", "segment:base")]


def test_who_is_touched_for_one_segment_only_is_told_of_no_other() -> None:
    (ania,) = make_contacts("Paris")
    Tag.objects.create(key="vip", label="VIP")
    poles, vips = live(), live("vips", _has_tag("vip"))
    Contact.objects.update(city="Warszawa")
    ContactTag.objects.create(contact_id=ania, tag=Tag.objects.get())
    _follow()
    assert [_causes(one)[0][2] for one in (poles, vips)] == ["contact", "tag:vip"]


def test_what_does_not_follow_is_left_alone() -> None:
    make_contacts("Paris")
    once = make_segment("once")
    refresh(once)
    inactive = live("inactive")
    lifecycle.inactivate(inactive, actor=SYSTEM, at=NOW)
    Contact.objects.update(city="Warszawa")
    _follow()
    assert member_ids(once) == member_ids(inactive) == set()
    assert not Following.objects.exists()
    lifecycle.activate(inactive, actor=SYSTEM, at=NOW)
    assert Job.objects.get().arguments["cause"] == "activated"
    jobs.run(Job.objects.get().pk)
    assert len(member_ids(inactive)) == 1
    assert Following.objects.get().segment_id == inactive.pk


def test_other_criteria_ask_for_a_full_refresh_and_nothing_follows_the_old_ones() -> None:
    (ania,) = make_contacts("Paris")
    segment = live()
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=lives_in("Paris"))
    Contact.objects.update(city="Warszawa")
    _follow()
    assert member_ids(segment) == set()
    Contact.objects.update(city="Paris")
    job = Job.objects.get()
    assert job.arguments["cause"] == "criteria"
    jobs.run(job.pk)
    assert _causes(segment) == [(ania, "entered", "criteria")]
    _follow(2)
    assert len(_causes(segment)) == 1


def test_criteria_that_come_to_mean_something_else_are_refreshed_in_full() -> None:
    AttributeDefinition.objects.create(key="size", label="Size")
    Contact.objects.create(attributes={"size": "5"})
    segment = live(criteria=has_attribute("size", "5"))
    assert len(member_ids(segment)) == 1
    AttributeDefinition.objects.all().delete()
    _follow()
    sql.execute("INSERT INTO contacts_touch (contact_id, topic) VALUES (1, 'contact')")
    _follow()
    assert not Following.objects.exists()
    job = Job.objects.get()
    assert jobs.run(job.pk).state == "failed"  # type: ignore[union-attr]
    segment.refresh_from_db()
    assert "size" in segment.failure
    assert schedule.due_segments(as_of=NOW + HOUR) == []


def test_a_change_of_everyone_asks_for_one_full_refresh_and_what_is_touched_still_moves() -> None:
    (ania,) = make_contacts("Paris")
    segment, other = live(), live("others", _did("visit"))
    touches.touch_everyone(["contact"])
    _follow()
    assert not Job.objects.exists(), "an import has many statements"
    sql.execute("UPDATE contacts_touch SET at = %s WHERE contact_id = 0", [NOW])
    Contact.objects.filter(pk=ania).update(city="Warszawa")
    _follow(5)
    assert _causes(segment) == [(ania, "entered", "contact")]
    (job,) = Job.objects.all()
    assert (job.subject, job.arguments["cause"]) == (f"segment:{segment.pk}", "import")
    assert Following.objects.get(segment=segment).stale_since is not None
    assert Following.objects.get(segment=other).stale_since is None
    jobs.run(job.pk)
    assert Following.objects.get(segment=segment).stale_since is None


def test_where_very_much_waits_a_full_refresh_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    make_contacts(*["Paris"] * 20)
    segment = live()
    monkeypatch.setattr(following, "BATCH", 5)
    monkeypatch.setattr(following, "OVERFLOW_LEAST", 10)
    # How many contacts there are is what the server last counted, in whatever test that was.
    monkeypatch.setattr(following, "OVERFLOW_SHARE", 0.0)
    monkeypatch.setattr(following, "OVERFLOW_SHARE", 0)
    Contact.objects.update(city="Warszawa")
    _follow()
    assert member_ids(segment) == set()
    assert touches.waiting_count(limit=1) == 0
    jobs.run(Job.objects.get().pk)
    assert len(member_ids(segment)) == 20


def test_erased_contacts_stay_out() -> None:
    (ania,) = make_contacts("Warszawa")
    segment = live()
    Contact.objects.update(city="Paris")
    Contact.objects.update(city="Warszawa")
    erase_contact(ania, actor=SYSTEM, at=NOW)
    _follow()
    assert member_ids(segment) == set()
    assert not MembershipChange.objects.exists()


def test_history_has_a_line_a_minute_with_all_that_moved_and_the_segment_stays_ready() -> None:
    (ania,) = make_contacts("Warszawa")
    segment = live(readiness_hours=1)
    for second in range(1, 200):
        city = "Paris" if second % 2 else "Warszawa"
        Contact.objects.update(city=city)
        _follow(second)
    lines = Calculation.objects.filter(segment=segment, cause="followed").order_by("pk")
    assert [(line.entered_count, line.left_count) for line in lines] == [
        (30, 30),
        (30, 30),
        (30, 30),
    ]
    assert [line.at for line in lines] == [NOW + n * SECOND for n in (60, 120, 180)]
    assert [line.member_count for line in lines] == [1, 1, 1]
    assert MembershipChange.objects.filter(segment=segment).count() == 200
    assert ania


def test_consumers_are_told_of_every_move_in_its_transaction() -> None:
    make_contacts("Paris")
    told: list[tuple[int, str, str]] = []

    def consume(moved: Any) -> None:
        for segment_id, at in moved:
            found = MembershipChange.objects.filter(segment_id=segment_id, at=at)
            told.extend((segment_id, one.kind, one.cause) for one in found)

    moves.register_consumer("test", consume)
    try:
        segment = live()
        Contact.objects.update(city="Warszawa")
        _follow()
        Contact.objects.update(city="Paris")
        membership.refresh(segment.pk, as_of=NOW + DAY, cause="full")
        Contact.objects.update(city="Warszawa")
        _follow(2)
        lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
        lifecycle.archive(segment, actor=SYSTEM, at=NOW)
    finally:
        moves.unregister_consumer("test")
    assert told == [
        (segment.pk, "entered", "contact"),
        (segment.pk, "left", "full"),
        (segment.pk, "entered", "contact"),
        (segment.pk, "left", "archived"),
    ]


def test_an_idle_round_and_one_of_many_cost_a_constant_number_of_statements(
    django_assert_max_num_queries: Any,
) -> None:
    made = make_contacts(*["Paris"] * 30)
    for number in range(5):
        live(f"s{number}")
    with django_assert_max_num_queries(2):
        _follow()
    for among in (made[:1], made):
        Contact.objects.filter(pk__in=among).update(city="Warszawa")
        with django_assert_max_num_queries(33):
            _follow(2)
    assert EventDefinition.objects.count() == 0
    assert documents.load().trees
