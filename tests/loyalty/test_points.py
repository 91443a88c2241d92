"""The ledger of points: what members have is what its lines say, whatever anybody does."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.erasure import erase_contact
from contacts.merging import merge_contacts
from contacts.models import Contact
from loyalty import members
from loyalty.errors import (
    CauseTaken,
    MemberMissing,
    PointsInvalid,
    PointsMissing,
    PostingKept,
    PostingReversed,
    PostingUnknown,
)
from loyalty.models import Member, PointsPosting
from loyalty.programme import points, points_expiry
from loyalty.programme.points import Earning, Spending
from tests.factories import DAY, NOW, make_contact
from tests.loyalty.factories import make_member
from tests.reference.points import Account, Came
from workspace import sql
from workspace.access import SYSTEM, Actor
from workspace.errors import NotAllowed
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
NOBODY = Actor(AuditEntry.ActorKind.USER, 1, "Nobody")


def earn(contact_id: int, count: int, cause: str = "c", **given: Any) -> PointsPosting:
    told = {"reason": "", "actor": SYSTEM, "at": NOW, **given}
    return points.earn_points(contact_id=contact_id, points=count, cause=cause, **told)


def spend(contact_id: int, count: int, cause: str = "s", at: datetime = NOW) -> PointsPosting:
    return points.spend_points(
        contact_id=contact_id, points=count, cause=cause, reason="", actor=SYSTEM, at=at
    )


def adjust(contact_id: int, count: int, at: datetime = NOW, **given: Any) -> PointsPosting:
    told = {"reason": "sorry", "actor": SYSTEM, **given}
    return points.adjust_points(contact_id=contact_id, points=count, at=at, **told)


def reverse(posting: PointsPosting, at: datetime = NOW, **given: Any) -> PointsPosting:
    return points.reverse_posting(
        contact_id=posting.contact_id,
        posting_id=posting.id,
        reason="wrong",
        actor=SYSTEM,
        at=at,
        **given,
    )


def ledger_sum(contact_id: int) -> int:
    return int(
        sql.one(
            "SELECT coalesce(sum(CASE WHEN credit = 'member' THEN points ELSE -points END), 0)"
            " FROM loyalty_pointsposting WHERE contact_id = %s",
            [contact_id],
        )
    )


def totals(contact_id: int) -> tuple[int, int, int]:
    member = Member.objects.get(pk=contact_id)
    assert member.points == ledger_sum(contact_id)
    return member.points, member.points_earned, member.points_spent


def test_points_are_what_the_lines_say() -> None:
    anna = make_member()
    earn(anna, 100)
    spend(anna, 30)
    adjust(anna, 5)
    adjust(anna, -10)
    assert totals(anna) == (65, 100, 30)
    assert points.balance(anna) == 65
    assert points.balance(make_contact().pk) == 0


def test_the_points_of_a_membership_that_is_made_are_a_line_and_so_are_those_it_ends_with() -> None:
    anna, ben = make_member(7), make_member(-3)
    assert (ledger_sum(anna), ledger_sum(ben)) == (7, -3)
    Member.objects.all().delete()
    assert (ledger_sum(anna), ledger_sum(ben)) == (0, 0)
    Member.objects.create(contact_id=anna, joined_at=NOW, points=2)
    assert totals(anna) == (2, 0, 0)
    causes = PointsPosting.objects.filter(contact_id=anna).order_by("id").values_list("cause")
    assert [cause for (cause,) in causes] == ["opening:0", "closing:1", "opening:2"]


def test_a_cause_counts_once_and_answers_with_its_line() -> None:
    anna = make_member()
    assert earn(anna, 100).id == earn(anna, 100).id
    assert spend(anna, 60).id == spend(anna, 60).id
    assert adjust(anna, 5, cause="a").id == adjust(anna, 5, cause="a").id
    with pytest.raises(CauseTaken, match="“s” has counted"):
        spend(anna, 61)
    assert totals(anna) == (45, 100, 60)


def test_nobody_spends_what_he_does_not_have() -> None:
    anna = make_member(50)
    with pytest.raises(PointsMissing, match="51 points are needed, and there are 50") as refused:
        spend(anna, 51)
    assert refused.value.context["balance"] == 50
    spend(anna, 50)
    with pytest.raises(IntegrityError, match="has not as many points"), transaction.atomic():
        sql.execute(
            "INSERT INTO loyalty_pointsposting (contact_id, debit, credit, points, cause, at)"
            " VALUES (%s, 'member', 'spent', 1, 'x', now())",
            [anna],
        )


def test_of_many_who_spend_those_do_who_have_enough_in_their_order() -> None:
    anna, ben, carl = make_member(10), make_member(4), make_contact().pk
    wishes = [
        Spending(anna, 6, "one"),
        Spending(anna, 6, "two"),
        Spending(ben, 5, "one"),
        Spending(anna, 4, "three"),
        Spending(carl, 1, "one"),
    ]
    for _time in range(2):
        done = points.spend_many(wishes, actor=SYSTEM, at=NOW)
        assert [one.points if one else None for one in done] == [6, None, None, 4, None]
    assert (points.balance(anna), points.balance(ben)) == (0, 4)


def test_only_members_have_points() -> None:
    stranger, left = make_contact().pk, make_member(5, left_at=NOW)
    for contact_id in (stranger, left):
        with pytest.raises(MemberMissing):
            earn(contact_id, 1)
        with pytest.raises(MemberMissing):
            spend(contact_id, 1)
        with pytest.raises(MemberMissing):
            adjust(contact_id, 1)
    assert points.earn_many([Earning(stranger, 1, "x")], actor=SYSTEM, at=NOW) == []
    with pytest.raises(IntegrityError, match="is no member"), transaction.atomic():
        points.write_lines(
            [points.Line(stranger, "issued", "member", 1, "x")], actor=SYSTEM, at=NOW
        )


@pytest.mark.parametrize(
    ("given_points", "given", "path"),
    [
        (0, {}, "points"),
        (2**53 + 1, {}, "points"),
        (1, {"reason": "x" * 301}, "reason"),
        (1, {"reason": "\0"}, "reason"),
        (1, {"cause": "x" * 201}, "cause"),
        (-1, {"expires_at": NOW + DAY}, "expires_at"),
        (1, {"expires_at": NOW}, "expires_at"),
    ],
)
def test_what_cannot_be_posted_is_refused_by_name(
    given_points: int, given: dict[str, Any], path: str
) -> None:
    anna = make_member()
    with pytest.raises(PointsInvalid) as refused:
        adjust(anna, given_points, **given)
    assert [problem.path for problem in refused.value.problems] == [path]
    with pytest.raises(PointsInvalid):
        spend(anna, -1)


def test_posting_by_hand_needs_the_permission_and_is_in_the_trail() -> None:
    anna = make_member()
    with pytest.raises(NotAllowed):
        adjust(anna, 1, actor=NOBODY)
    posting = adjust(anna, 5)
    reverse(posting)
    entries = AuditEntry.objects.filter(object_type="loyalty.pointsposting").order_by("pk")
    assert [(entry.action, entry.changes["points"]) for entry in entries] == [
        ("points.adjusted", [0, 5]),
        ("points.reversed", [5, 0]),
    ]


def test_a_line_is_reversed_once() -> None:
    anna = make_member()
    earned = earn(anna, 100)
    spent = spend(anna, 80)
    back = reverse(earned, cause="return")
    assert reverse(earned, cause="return").id == back.id
    with pytest.raises(PostingReversed, match=f"by posting {back.id}"):
        reverse(earned)
    assert totals(anna) == (-80, 0, 80)
    reverse(spent)
    assert totals(anna) == (0, 0, 0)
    with pytest.raises(PostingKept, match="reversal itself"):
        reverse(back)
    with pytest.raises(PostingUnknown):
        points.reverse_posting(contact_id=anna, posting_id=0, reason="", actor=SYSTEM, at=NOW)
    with pytest.raises(CauseTaken):
        reverse(adjust(anna, 1), cause="return")


def test_points_whose_time_is_over_are_not_taken_back_again() -> None:
    anna = make_member()
    earned = earn(anna, 10, expires_at=NOW + DAY)
    with pytest.raises(PostingKept, match="have expired"):
        reverse(earned, at=NOW + DAY)
    points_expiry.expire_points(as_of=NOW + DAY)
    gone = PointsPosting.objects.get(contact_id=anna, credit="expired")
    with pytest.raises(PostingKept, match="do not come back"):
        reverse(gone, at=NOW + DAY)


def test_what_is_spent_is_of_the_points_that_expire_first() -> None:
    anna = make_member(10)
    earn(anna, 10, "late", expires_at=NOW + 3 * DAY)
    earn(anna, 10, "early", expires_at=NOW + DAY)
    earn(anna, 10, "early too", expires_at=NOW + DAY)
    spend(anna, 12)
    left = [(lot.cause, lot.remaining) for lot in points_expiry.lots_of([anna])]
    assert left == [("early too", 8), ("late", 10), ("opening:0", 10)]


def test_points_expire_at_their_time_once() -> None:
    anna, ben = make_member(), make_member()
    earn(anna, 10, expires_at=NOW + DAY)
    earn(ben, 10, expires_at=NOW + DAY)
    spend(anna, 4)
    spend(ben, 10)
    assert points_expiry.expire_points(as_of=NOW + DAY - timedelta(seconds=1)).points == 0
    done = points_expiry.expire_points(as_of=NOW + DAY)
    assert (done.member_count, done.points) == (1, 6)
    for later in (NOW, NOW + DAY, NOW + 2 * DAY):
        assert points_expiry.expire_points(as_of=later).points == 0
    assert totals(anna) == (0, 10, 4)


def test_points_that_come_back_have_the_time_that_they_had() -> None:
    anna = make_member()
    earn(anna, 10, expires_at=NOW + DAY)
    spent = spend(anna, 10)
    points_expiry.expire_points(as_of=NOW + DAY)
    reverse(spent, at=NOW + 2 * DAY)
    assert points.balance(anna) == 10
    assert points_expiry.expire_points(as_of=NOW + 2 * DAY).points == 10


def test_members_expire_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyalty.programme.points_expiry.PORTION", 2)
    everyone = [make_member() for _number in range(5)]
    for contact_id in everyone:
        earn(contact_id, 3, expires_at=NOW + DAY)
    done = points_expiry.expire_points(as_of=NOW + DAY)
    assert (done.member_count, done.points) == (5, 15)


def test_lines_are_never_changed_or_deleted_and_points_written_by_nobody_else() -> None:
    anna, ben = make_member(), make_member()
    earn(anna, 5)
    attempts = (
        "UPDATE loyalty_pointsposting SET points = 6",
        "UPDATE loyalty_pointsposting SET reason = ''",
        f"UPDATE loyalty_pointsposting SET contact_id = {ben}",
        "DELETE FROM loyalty_pointsposting",
        "UPDATE loyalty_member SET points = 6",
        "UPDATE loyalty_member SET points_earned = 6",
        "UPDATE loyalty_member SET points_spent = 6",
    )
    for attempt in attempts:
        with pytest.raises(IntegrityError), transaction.atomic():
            sql.execute(attempt)
    assert totals(anna) == (5, 5, 0)


def test_lines_of_demo_contacts_may_be_removed() -> None:
    anna = make_member(5)
    Contact.objects.filter(pk=anna).update(is_demo=True)
    sql.execute("DELETE FROM loyalty_pointsposting")
    assert totals(anna) == (0, 0, 0)


def test_the_members_api_adjusts() -> None:
    anna = make_contact().pk
    for wanted in (5, 3, 3):
        members.save_member(anna, changes={"points": wanted}, actor=SYSTEM, at=NOW)
        assert totals(anna)[0] == wanted
    lines = PointsPosting.objects.filter(contact_id=anna).order_by("id")
    assert [(one.debit, one.credit, one.points) for one in lines] == [
        ("adjusted", "member", 5),
        ("member", "adjusted", 2),
    ]


def test_two_who_become_one_have_one_ledger_and_all_times() -> None:
    anna, ben = make_member(), make_member()
    earn(anna, 10, "same", expires_at=NOW + DAY)
    earn(ben, 20, "same")
    earn(ben, 30, "own", expires_at=NOW + 2 * DAY)
    spent = spend(ben, 5)
    merge_contacts(anna, ben, actor=SYSTEM, at=NOW, cause="test")
    assert totals(anna) == (55, 60, 5)
    assert not Member.objects.filter(pk=ben).exists()
    assert ledger_sum(ben) == 0
    left = [(lot.cause, lot.remaining) for lot in points_expiry.lots_of([anna])]
    assert left == [("same", 5), ("own", 30), (f"same#{ben}", 20)]
    spent.contact_id = anna
    reverse(spent)
    assert points_expiry.expire_points(as_of=NOW + 2 * DAY).points == 40


def test_several_who_become_one_with_one_who_is_no_member() -> None:
    anna, ben, carl = make_contact().pk, make_member(1), make_member(2)
    merge_contacts(carl, ben, actor=SYSTEM, at=NOW, cause="test")
    merge_contacts(anna, carl, actor=SYSTEM, at=NOW, cause="test")
    assert totals(anna) == (3, 0, 0)


def test_an_erased_contact_leaves_a_ledger_that_adds_up_and_says_nothing() -> None:
    anna = make_member(5)
    earn(anna, 10, "mail:anna@example.com", reason="for Anna")
    for _time in range(2):
        erase_contact(anna, actor=SYSTEM, at=NOW)
    assert ledger_sum(anna) == 0
    lines = PointsPosting.objects.filter(contact_id=anna)
    assert [(one.reason, one.cause) for one in lines] == [("", f"erased:{x.id}") for x in lines]
    assert lines.count() == 3


@pytest.mark.django_db(transaction=True)
def test_who_spends_in_many_places_at_once_spends_what_there_is() -> None:
    anna = make_member(30)
    outcomes: list[str] = []

    def work(number: int) -> None:
        try:
            spend(anna, 10, f"s{number}")
            outcomes.append("spent")
        except PointsMissing:
            outcomes.append("missing")
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["missing"] * 5 + ["spent"] * 3
    assert totals(anna) == (0, 0, 30)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("earn", "earn", "spend", "adjust", "reverse", "expire", "merge", "wait")),
        st.integers(0, 3),
        st.integers(-3, 5),
        st.sampled_from((None, 1, 2)),
    ),
    max_size=25,
)


def check_any_order(steps: list[tuple[str, int, int, int | None]]) -> None:
    """Do these steps to the database and to the oracle, which agree after each one."""
    ids = [make_member() for _number in range(3)]
    oracle = {contact_id: Account() for contact_id in ids}
    lines: list[PointsPosting] = []
    now = NOW
    for number, (verb, who, count, days) in enumerate(steps):
        contact_id = ids[who % len(ids)]
        account = oracle[contact_id]
        match verb:
            case "earn" if count > 0:
                expires_at = now + days * DAY if days else None
                line = earn(contact_id, count, f"e{number}", at=now, expires_at=expires_at)
                account.came[line.id] = Came(line.id, count, expires_at, is_earned=True)
                lines.append(line)
            case "spend" if count > 0:
                if account.balance >= count:
                    line = spend(contact_id, count, f"s{number}", now)
                    account.went[line.id] = count
                    lines.append(line)
                else:
                    with pytest.raises(PointsMissing):
                        spend(contact_id, count, f"s{number}", now)
            case "adjust" if count:
                line = adjust(contact_id, count, now)
                if count > 0:
                    account.came[line.id] = Came(line.id, count, None, is_earned=False)
                else:
                    account.went[line.id] = -count
                lines.append(line)
            case "reverse" if lines:
                _reverse(lines[count % len(lines)], ids, oracle, now)
            case "expire":
                expected = {pk: one.expire(10**9 + number, now) for pk, one in oracle.items()}
                assert points_expiry.expire_points(as_of=now).points == sum(expected.values())
            case "merge" if len(ids) > 1:
                loser = ids.pop(who % len(ids))
                survivor = ids[0]
                merge_contacts(survivor, loser, actor=SYSTEM, at=now, cause="test")
                oracle[survivor].absorb(oracle.pop(loser))
            case _:
                now += DAY
        for pk, one in oracle.items():
            member = Member.objects.get(pk=pk)
            assert member.points == one.balance == ledger_sum(pk)
            assert member.points_earned == one.earned
    left = {pk: [order for order, _at in one.left()] for pk, one in oracle.items()}
    found: dict[int, list[int]] = {pk: [] for pk in oracle}
    for lot in points_expiry.lots_of(list(oracle)):
        found[lot.contact_id] += [lot.posting_id] * lot.remaining
    assert found == left


def _reverse(
    line: PointsPosting, ids: list[int], oracle: dict[int, Account], now: datetime
) -> None:
    owner = next(
        pk
        for pk in ids
        if line.id in oracle[pk].came or line.id in oracle[pk].went or line.id in oracle[pk].final
    )
    line.contact_id, account = owner, oracle[owner]
    came = account.came.get(line.id)
    is_over = came is not None and came.expires_at is not None and came.expires_at <= now
    if line.id in account.final or is_over:
        with pytest.raises((PostingReversed, PostingKept)):
            reverse(line, now)
        return
    reverse(line, now)
    account.came.pop(line.id, None)
    account.went.pop(line.id, None)
    account.final.add(line.id)


_quick: Callable[..., Any] = settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck)
)


@_quick
@given(STEPS)
def test_any_order_keeps_points_and_ledger_and_oracle_the_same(
    steps: list[tuple[str, int, int, int | None]],
) -> None:
    with transaction.atomic():
        check_any_order(steps)
        transaction.set_rollback(True)


@pytest.mark.long
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_any_order_of_many_keeps_points_and_ledger_and_oracle_the_same(
    steps: list[tuple[str, int, int, int | None]],
) -> None:
    with transaction.atomic():
        check_any_order(steps)
        transaction.set_rollback(True)
