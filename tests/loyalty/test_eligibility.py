"""Who may have a mechanism: one by one with the reason, and all in one statement, as they are."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.errors import ContactUnknown
from contacts.models import Contact
from loyalty.models import Claim, Mechanism, Member
from loyalty.rewards import mechanisms
from loyalty.rewards.eligibility import count_by_reason, eligibility, eligible_ids, judge
from loyalty.rewards.restrictions import terms_of, with_restrictions
from segments import lifecycle
from segments.models import Membership, Segment
from tests.loyalty.mechanisms import filled_segment, make_mechanism, make_members
from tests.reference.mechanisms import Rules, why_not
from tests.segments.factories import DAY, HOUR, NOW
from workspace.access import SYSTEM, Actor
from workspace.models import AuditEntry, UserGroup

pytestmark = pytest.mark.django_db


def _reason(mechanism: Mechanism, contact_id: int, *, at: datetime = NOW) -> str:
    """Why not, which both ways of asking agree about."""
    read = with_restrictions(Mechanism.objects.filter(pk=mechanism.pk)).get()
    (one,) = judge(contact_id, [read], at=at)
    assert one.eligible == (one.reason == "")
    is_found = contact_id in eligible_ids(terms_of(read, at=at), at=at, among=[contact_id])
    assert is_found == one.eligible
    return one.reason


def _claimed(mechanism: Mechanism, contact_id: int, *, at: datetime, **given: Any) -> Claim:
    return Claim.objects.create(
        mechanism=mechanism,
        contact_id=contact_id,
        cause=given.pop("cause", str(Claim.objects.count())),
        at=at,
        **given,
    )


def test_only_members_may_have_something() -> None:
    made = make_mechanism()
    member, left = make_members(2)
    Member.objects.filter(pk=left).update(left_at=NOW)
    stranger = Contact.objects.create().pk
    assert [_reason(made, one) for one in (member, left, stranger)] == [
        *("", "not_member", "not_member")
    ]


def test_any_of_two_segments_is_enough_and_all_means_all() -> None:
    in_none, in_a, in_both = make_members(3)
    filled_segment("a", [in_a, in_both])
    filled_segment("b", [in_both])
    any_of = make_mechanism("any", segments=["a", "b"])
    all_of = make_mechanism("all", segments=["a", "b"], segment_match="all")
    people = (in_none, in_a, in_both)
    no = "not_in_segment"
    assert [_reason(any_of, one) for one in people] == [no, "", ""]
    assert [_reason(all_of, one) for one in people] == [no, no, ""]


def test_lists_are_asked_for_besides_segments() -> None:
    in_segment, in_list, in_both = make_members(3)
    filled_segment("a", [in_segment, in_both])
    filled_segment("l", [in_list, in_both], source="list")
    made = make_mechanism(segments=["a"], lists=["l"])
    assert [_reason(made, one) for one in (in_segment, in_list, in_both)] == [
        *("not_in_list", "not_in_segment", "")
    ]


def test_the_last_members_of_an_inactive_segment_do_not_count() -> None:
    (member,) = make_members()
    a, _b = filled_segment("a", [member]), filled_segment("b", [])
    only = make_mechanism("only", segments=["a"])
    any_of = make_mechanism("any", segments=["a", "b"])
    all_of = make_mechanism("all", segments=["a", "b"], segment_match="all")
    lifecycle.inactivate(a, actor=SYSTEM, at=NOW)
    assert Membership.objects.filter(segment=a, contact_id=member).exists()
    assert [_reason(one, member) for one in (only, any_of, all_of)] == [
        *("segment_inactive", "not_in_segment", "segment_inactive")
    ]
    lifecycle.archive(a, actor=SYSTEM, at=NOW)
    assert _reason(only, member) == "segment_inactive"


def test_an_expired_calculation_is_not_acted_upon() -> None:
    (member,) = make_members()
    filled_segment("a", [member], readiness_hours=2)
    made = make_mechanism(segments=["a"])
    assert _reason(made, member, at=NOW + 2 * HOUR - timedelta(microseconds=1)) == ""
    assert _reason(made, member, at=NOW + 2 * HOUR) == "segment_expired"
    Segment.objects.update(calculated_at=None)
    assert _reason(made, member) == "segment_expired", "it waits for its first calculation"


def test_a_reward_minds_the_block_of_its_category() -> None:
    vip, other = make_members(2)
    filled_segment("vip", [vip])
    category = make_mechanism(
        "kitchen", "reward_category", segments=["vip"], restricted_message="Kitchens are for VIPs."
    )
    made = make_mechanism(category="kitchen", restricted_message="No mug.")
    assert (_reason(made, vip), _reason(made, other)) == ("", "not_in_segment")
    told = {one.mechanism.key: one.message for one in _told(other)}
    assert told["mug"] == "Kitchens are for VIPs."
    mechanisms.update_mechanism(category, actor=SYSTEM, at=NOW, ends_at=NOW)
    assert _reason(made, vip) == "ended"
    mechanisms.inactivate(category, actor=SYSTEM, at=NOW)
    assert _reason(made, vip) == "not_active"


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (NOW - timedelta(microseconds=1), "not_started"),
        (NOW, ""),
        (NOW + DAY - timedelta(microseconds=1), ""),
        (NOW + DAY, "ended"),
    ],
)
def test_it_begins_and_ends_at_its_instants(at: datetime, reason: str) -> None:
    made = make_mechanism(starts_at=NOW, ends_at=NOW + DAY)
    assert _reason(made, make_members()[0], at=at) == reason


def test_limits_count_what_was_not_taken_back_by_the_calendar(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Warsaw"
    (member,) = make_members()
    made = make_mechanism(member_limit=3, period_limit=1, period="day")
    midnight = datetime.fromisoformat("2026-03-02T00:00:00+01:00")
    _claimed(made, member, at=midnight - timedelta(seconds=1))
    _claimed(made, member, at=midnight, state="revoked", revoked_at=midnight)
    assert _reason(made, member, at=midnight) == ""
    _claimed(made, member, at=midnight)
    assert _reason(made, member, at=midnight + HOUR) == "period_limit_reached"
    assert _reason(made, member, at=midnight + DAY) == ""
    _claimed(made, member, at=midnight + DAY)
    assert _reason(made, member, at=midnight + 2 * DAY) == "member_limit_reached"


def test_stock_and_points_are_minded() -> None:
    (member,) = make_members()
    made = make_mechanism(stock=1, cost_points=10)
    assert _reason(made, member) == "points_missing"
    Mechanism.objects.filter(pk=made.pk).update(claimed_count=1)
    assert _reason(made, member) == "out_of_stock"


def test_an_offer_that_is_only_given_is_for_who_holds_it() -> None:
    holder, other, late, used = make_members(4)
    made = make_mechanism(kind="offer", settings={"assigned_only": True})
    _claimed(made, holder, at=NOW - DAY, expires_at=NOW + DAY)
    _claimed(made, late, at=NOW - DAY, expires_at=NOW)
    _claimed(made, used, at=NOW - DAY, state="used", used_at=NOW)
    assert [_reason(made, one) for one in (holder, other, late, used)] == [
        *("", "not_assigned", "not_assigned", "not_assigned")
    ]


def _told(contact_id: int, *, actor: Actor = SYSTEM, **given: Any) -> list[Any]:
    return eligibility(contact_id, actor=actor, at=NOW, **given)


def test_the_answer_names_the_mechanisms_in_use_with_message_and_reason() -> None:
    (member,) = make_members()
    filled_segment("vip", [])
    make_mechanism("open")
    make_mechanism("vips", segments=["vip"], restricted_message="For VIPs.")
    make_mechanism("plain", segments=["vip"])
    make_mechanism("secret", segments=["vip"], hide_restricted=True)
    make_mechanism("draft", is_draft=True)
    told = {one.mechanism.key: (one.eligible, one.reason, one.message) for one in _told(member)}
    assert told == {
        "open": (True, "", ""),
        "vips": (False, "not_in_segment", "For VIPs."),
        "plain": (False, "not_in_segment", "It is for members of certain segments."),
    }
    assert {one.mechanism.key for one in _told(member, with_hidden=True)} == {*told, "secret"}


def test_only_whom_it_is_for_hides_it() -> None:
    (member,) = make_members()
    make_mechanism("dear", hide_restricted=True, cost_points=5)
    make_mechanism("in-hidden", category=make_mechanism("c", "reward_category").key)
    (dear,) = (one for one in _told(member) if one.mechanism.key == "dear")
    assert (dear.reason, dear.message) == (
        "points_missing",
        "It costs 5 points, and the member has 0.",
    )
    stranger = Contact.objects.create().pk
    assert "dear" not in {one.mechanism.key for one in _told(stranger)}


def test_mechanisms_of_other_groups_are_left_out() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    make_mechanism(groups=["Poland"])
    (member,) = make_members()
    may = frozenset({"loyalty.view_mechanism"})
    ann = Actor(AuditEntry.ActorKind.USER, 4711, "Ann", permissions=may)
    assert _told(member, actor=ann) == []
    assert len(_told(member)) == 1


def test_nobody_is_not_a_contact() -> None:
    with pytest.raises(ContactUnknown):
        _told(4711)


def test_it_costs_the_same_however_many_mechanisms_there_are() -> None:
    (member,) = make_members()
    filled_segment("vip", [member])

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            _told(member)
        return len(captured)

    def make(prefix: str) -> None:
        category = make_mechanism(f"{prefix}c", "reward_category", segments=["vip"])
        periods = ("day", "week", "month")
        for n, period in enumerate(periods):
            make_mechanism(
                f"{prefix}{n}",
                segments=["vip"],
                category=category.key,
                period_limit=1,
                period=period,
            )

    make("a")
    few = queries()
    for prefix in "bcdef":
        make(prefix)
    assert queries() == few <= 10


_STATES = ("", "inactive", "expired")
_POINTS = st.sampled_from([None, 0, 9, 10])
_SETS = st.lists(
    st.tuples(st.frozensets(st.integers(0, 2), max_size=3), st.sampled_from(_STATES)), max_size=2
)


@st.composite
def _rules(draw: Any) -> Rules:
    return Rules(
        segments=draw(_SETS),
        lists=draw(_SETS),
        needs_all=draw(st.booleans()),
        is_active=draw(st.sampled_from([True, True, True, False])),
        starts_in=draw(st.sampled_from([0, 0, 1])),
        ends_in=draw(st.sampled_from([2, 2, 0])),
        left=draw(st.sampled_from([None, 1, 0])),
        member_limit=draw(st.sampled_from([None, 1, 2])),
        period_limit=draw(st.sampled_from([None, 1])),
        cost=draw(st.sampled_from([0, 10])),
    )


def _segments(asked: Any, source: str, people: list[int]) -> list[Segment]:
    found = []
    for members, state in asked:
        segment = Segment.objects.create(
            key=f"s{Segment.objects.count()}",
            name="S",
            source=source,
            status="inactive" if state == "inactive" else "active",
            calculated_at=NOW - HOUR,
            readiness_hours=1 if state == "expired" else None,
        )
        Membership.objects.bulk_create(
            Membership(segment=segment, contact_id=people[who], entered_at=NOW) for who in members
        )
        found.append(segment)
    return found


def _check_against_oracle(rules: Rules, points: Any, had: Any) -> None:
    people = [one.pk for one in Contact.objects.bulk_create(Contact() for _ in range(3))]
    Member.objects.bulk_create(
        Member(contact_id=who, joined_at=NOW - DAY, points=have)
        for who, have in zip(people, points, strict=True)
        if have is not None
    )
    made = Mechanism.objects.create(
        key=f"m{Mechanism.objects.count()}",
        name="M",
        kind="reward",
        status="active" if rules.is_active else "inactive",
        segment_match="all" if rules.needs_all else "any",
        starts_at=NOW + rules.starts_in * HOUR,
        ends_at=NOW + rules.ends_in * HOUR if rules.ends_in > rules.starts_in else None,
        stock=None if rules.left is None else rules.left + 2,
        claimed_count=2,
        member_limit=rules.member_limit,
        period_limit=rules.period_limit,
        period="day",
        cost_points=rules.cost,
    )
    if rules.ends_in <= 0:
        Mechanism.objects.filter(pk=made.pk).update(starts_at=NOW - DAY, ends_at=NOW)
        rules.starts_in = 0
    made.segments.set(_segments(rules.segments, "criteria", people))
    made.lists.set(_segments(rules.lists, "list", people))
    for who, (before, today) in zip(people, had, strict=True):
        for n in range(before + today):
            at = NOW if n < today else NOW - 2 * DAY
            _claimed(made, who, at=at, cause=f"{who}:{n}")
    read = with_restrictions(Mechanism.objects.filter(pk=made.pk)).get()
    wanted = [why_not(rules, n, points[n], sum(had[n]), had[n][1]) for n in range(len(people))]
    found = [judge(who, [read], at=NOW)[0].reason for who in people]
    assert found == wanted
    terms = terms_of(read, at=NOW)
    may = [who for who, reason in zip(people, wanted, strict=True) if not reason]
    assert eligible_ids(terms, at=NOW, among=people) == may
    counted = Counter(reason for reason in wanted if reason != "not_member")
    assert count_by_reason(terms, at=NOW) == counted
    Member.objects.all().delete()


_HAD = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=3, max_size=3)
_THREE = st.lists(_POINTS, min_size=3, max_size=3)
_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=25, deadline=None, suppress_health_check=_CHECKS)
@given(rules=_rules(), points=_THREE, had=_HAD)
def test_one_by_one_and_all_at_once_agree_with_the_oracle(
    rules: Rules, points: Any, had: Any
) -> None:
    _check_against_oracle(rules, points, had)


@pytest.mark.long
@settings(max_examples=600, deadline=None, suppress_health_check=_CHECKS)
@given(rules=_rules(), points=_THREE, had=_HAD)
def test_one_by_one_and_all_at_once_agree_with_the_oracle_for_long(
    rules: Rules, points: Any, had: Any
) -> None:
    _check_against_oracle(rules, points, had)
