"""Claims: each cause once, points and stock never overdrawn, taken back once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts import timeline
from contacts.erasure import erase_contact
from contacts.merging import merge_contacts
from contacts.models import Contact
from loyalty.errors import (
    ClaimExpired,
    ClaimRevoked,
    ClaimUnknown,
    MechanismUnknown,
    NotClaimable,
    NotEligible,
    OutOfStock,
)
from loyalty.models import Claim, Mechanism, PointsPosting
from loyalty.programme.points import balance
from loyalty.rewards import claims, mechanisms
from loyalty.rewards.claims import claim, revoke, use
from tests.loyalty.mechanisms import (
    filled_segment,
    give_points,
    make_challenge,
    make_mechanism,
    make_members,
)
from tests.segments.apart import Apart
from tests.segments.factories import DAY, HOUR, NOW
from workspace.access import SYSTEM, Actor
from workspace.errors import InputInvalid, NotAllowed
from workspace.models import AuditEntry, UserGroup

pytestmark = pytest.mark.django_db


def _claim(mechanism: Mechanism, contact_id: int, cause: str = "order:1", **given: Any) -> Claim:
    given.setdefault("actor", SYSTEM)
    given.setdefault("at", NOW)
    return claim(mechanism, contact_id=contact_id, cause=cause, **given)


def _revoke(found: Claim, **given: Any) -> Claim:
    return revoke(found, **{"reason": "", "actor": SYSTEM, "at": NOW, **given})


def _left(mechanism: Mechanism) -> int:
    mechanism.refresh_from_db()
    return (mechanism.stock or 0) - mechanism.claimed_count


def test_a_claim_spends_points_and_takes_one_of_the_stock() -> None:
    (member,) = make_members()
    give_points(member, 150)
    mug = make_mechanism(stock=2, cost_points=100)
    made = _claim(mug, member)
    assert (made.state, made.cost_points, balance(member), _left(mug)) == ("claimed", 100, 50, 1)
    posting = PointsPosting.objects.get(contact_id=member, cause=f"claim:{made.pk}")
    assert (posting.debit, posting.credit, posting.reason) == ("member", "spent", "Mug")
    entry = AuditEntry.objects.get(action="claim.claimed")
    assert (entry.object_label, entry.changes["claim"]) == ("Mug", [None, made.pk])


def test_one_cause_counts_once() -> None:
    (member,) = make_members()
    give_points(member, 300)
    mug = make_mechanism(stock=2, cost_points=100)
    first = _claim(mug, member)
    assert _claim(mug, member) == first
    assert (balance(member), _left(mug)) == (200, 1)
    assert _claim(mug, member, "order:2") != first


def test_who_may_not_have_it_is_told_the_reason_and_keeps_his_points() -> None:
    (member,) = make_members()
    give_points(member, 50)
    filled_segment("vip", [])
    refused: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("dear", {"cost_points": 51}, "points_missing"),
        ("vips", {"segments": ["vip"], "restricted_message": "VIPs."}, "not_in_segment"),
        ("none", {"stock": 0}, "out_of_stock"),
        ("late", {"ends_at": NOW}, "ended"),
        ("draft", {"is_draft": True}, "not_active"),
    )
    for key, settings_, reason in refused:
        made = make_mechanism(key, **settings_)
        with pytest.raises(NotEligible) as caught:
            _claim(made, member)
        assert caught.value.code == reason
    assert (balance(member), Claim.objects.count()) == (50, 0)


def test_limits_hold_over_claims_and_revocations() -> None:
    (member,) = make_members()
    mug = make_mechanism(member_limit=2, period_limit=1, period="day")
    first = _claim(mug, member, "1")
    with pytest.raises(NotEligible, match="in this time"):
        _claim(mug, member, "2")
    _revoke(first)
    _claim(mug, member, "2")
    _claim(mug, member, "3", at=NOW + DAY)
    with pytest.raises(NotEligible, match="as often as one may"):
        _claim(mug, member, "4", at=NOW + 2 * DAY)


@pytest.mark.parametrize("kind", ["tier", "reward_category", "challenge"])
def test_some_kinds_are_not_claimed(kind: str) -> None:
    (member,) = make_members()
    made = (
        make_challenge()
        if kind == "challenge"
        else make_mechanism(kind=kind, settings={"threshold": 1} if kind == "tier" else {})
    )
    with pytest.raises(NotClaimable):
        _claim(made, member)


def test_a_revocation_gives_points_and_stock_back_once() -> None:
    (member,) = make_members()
    give_points(member, 100)
    mug = make_mechanism(stock=1, cost_points=100)
    made = _claim(mug, member)
    taken = _revoke(made, reason="broken")
    assert (taken.state, taken.revoked_at, taken.reason) == ("revoked", NOW, "broken")
    assert _revoke(made, reason="again").reason == "broken"
    assert (balance(member), _left(mug)) == (100, 1)
    assert _claim(mug, member).state == "revoked", "the cause was counted"
    assert _claim(mug, member, "order:2").state == "claimed"


def test_what_was_taken_back_or_is_over_cannot_be_used() -> None:
    (member,) = make_members()
    offer = make_mechanism("sale", "offer", settings={"valid_days": 2})
    used, over, taken = (_claim(offer, member, cause) for cause in "abc")
    assert used.expires_at == NOW + 2 * DAY
    done = use(used, actor=SYSTEM, at=NOW + HOUR)
    assert (done.state, done.used_at) == ("used", NOW + HOUR)
    assert use(used, actor=SYSTEM, at=NOW + DAY).used_at == NOW + HOUR
    with pytest.raises(ClaimExpired):
        use(over, actor=SYSTEM, at=NOW + 2 * DAY)
    _revoke(taken)
    with pytest.raises(ClaimRevoked):
        use(taken, actor=SYSTEM, at=NOW)
    assert _revoke(used).state == "revoked"


def test_an_offer_lasts_no_longer_than_it_is_made_for() -> None:
    (member,) = make_members()
    offer = make_mechanism(
        "sale", "offer", ends_at=NOW + DAY, settings={"assigned_only": True, "valid_days": 9}
    )
    made = _claim(offer, member)
    assert made.expires_at == NOW + DAY
    assert list(claims.holdings_of(member, actor=SYSTEM, at=NOW)) == [made]
    assert not claims.holdings_of(member, actor=SYSTEM, at=NOW + DAY)
    assert _claim(offer, member, "b", expires_at=NOW + HOUR).expires_at == NOW + HOUR
    with pytest.raises(InputInvalid):
        _claim(offer, member, "c", expires_at=NOW)


def test_other_groups_and_people_without_the_right_claim_nothing() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    (member,) = make_members()
    mug = make_mechanism(groups=["Poland"])
    made = _claim(mug, member)
    may = frozenset({"loyalty.claim_mechanism", "loyalty.view_mechanism"})
    outsider = Actor(AuditEntry.ActorKind.USER, 4711, "Ann", permissions=may)
    with pytest.raises(MechanismUnknown):
        _claim(mug, member, "2", actor=outsider)
    with pytest.raises(ClaimUnknown):
        _revoke(made, actor=outsider)
    assert not claims.known_claims(outsider)
    with pytest.raises(NotAllowed):
        _claim(mug, member, "2", actor=Actor(AuditEntry.ActorKind.USER, 1, "Bob"))


def test_a_merged_contact_keeps_what_both_had() -> None:
    survivor, loser = make_members(2)
    give_points(loser, 100)
    mug = make_mechanism(stock=5, cost_points=50, member_limit=2)
    own = _claim(make_mechanism("free"), survivor, "same")
    theirs, other = (
        _claim(mug, loser, "same"),
        _claim(Mechanism.objects.get(key="free"), loser, "same"),
    )
    merge_contacts(survivor, loser, cause="test", actor=SYSTEM, at=NOW)
    kept = Claim.objects.filter(contact_id=survivor).order_by("pk")
    assert [(one.pk, one.cause) for one in kept] == [
        (own.pk, "same"),
        (theirs.pk, "same"),
        (other.pk, f"same#{loser}"),
    ]
    assert balance(survivor) == 50
    _revoke(theirs)
    assert (balance(survivor), _left(mug)) == (100, 5)


def test_an_erased_contact_leaves_the_count_and_no_words() -> None:
    (member,) = make_members()
    mug = make_mechanism(stock=5)
    _revoke(_claim(mug, member, "a"), reason="Anna asked")
    _claim(mug, member, "b")
    erase_contact(member, actor=SYSTEM, at=NOW)
    assert set(Claim.objects.values_list("reason", flat=True)) == {""}
    assert _left(mug) == 4


def test_the_timeline_tells_what_was_claimed_used_and_taken_back() -> None:
    (member,) = make_members()
    give_points(member, 10)
    mug = make_mechanism(cost_points=10)
    made = _claim(mug, member)
    use(made, actor=SYSTEM, at=NOW + HOUR)
    _revoke(made, at=NOW + 2 * HOUR, reason="broken")
    filters = timeline.Filters(kinds=frozenset({"claim"}))
    items = timeline.page(member, actor=SYSTEM, filters=filters, limit=10)
    assert [(item.title, item.text) for item in items] == [
        ("“Mug” was taken back", "broken"),
        ("Used “Mug”", ""),
        ("Claimed “Mug”", "for 10 points"),
    ]


def test_a_mechanism_that_goes_out_of_use_meanwhile_gives_nothing(monkeypatch: Any) -> None:
    (member,) = make_members()
    give_points(member, 10)
    mug = make_mechanism(cost_points=10)
    read = claims._read

    def read_and_lose(*given: Any) -> Mechanism:
        found = read(*given)
        mechanisms.inactivate(mug, actor=SYSTEM, at=NOW)
        return found

    monkeypatch.setattr(claims, "_read", read_and_lose)
    with pytest.raises(OutOfStock):
        _claim(mug, member)
    assert (balance(member), Claim.objects.count()) == (10, 0)


_STEP = st.tuples(st.sampled_from(["claim", "again", "revoke", "next_day"]), st.integers(0, 2))


def _play(steps: list[tuple[str, int]]) -> None:
    """Any order of steps leaves what counting by hand leaves."""
    people = make_members(3)
    for one in people:
        give_points(one, 25)
    count = Mechanism.objects.count()
    mug = make_mechanism(
        f"mug{count}", stock=3, cost_points=10, member_limit=2, period_limit=1, period="day"
    )
    at, made = NOW, list[Claim]()
    kept: list[tuple[int, Any]] = []  # who, and on which day
    points = dict.fromkeys(people, 25)
    for number, (step, who) in enumerate(steps):
        member = people[who]
        if step == "next_day":
            at += timedelta(days=1)
        elif step == "again" and made:
            known = made[who % len(made)]
            assert _claim(mug, known.contact_id, known.cause, at=at) == known
        elif step == "revoke" and made:
            found = made[who % len(made)]
            found.refresh_from_db()
            if found.state != "revoked":
                kept.remove((found.contact_id, found.at.date()))
                points[found.contact_id] += 10
            _revoke(found, at=at)
        elif step == "claim":
            mine = [day for one, day in kept if one == member]
            may = len(kept) < 3 and len(mine) < 2 and at.date() not in mine
            if may and points[member] >= 10:
                made.append(_claim(mug, member, str(number), at=at))
                kept.append((member, at.date()))
                points[member] -= 10
            else:
                with pytest.raises(NotEligible):
                    _claim(mug, member, str(number), at=at)
    assert _left(mug) == 3 - len(kept)
    assert {one: balance(one) for one in people} == points
    living = Claim.objects.filter(mechanism=mug).exclude(state="revoked")
    assert sorted((one.contact_id, one.at.date()) for one in living) == sorted(kept)


_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=8, deadline=None, suppress_health_check=_CHECKS)
@given(st.lists(_STEP, max_size=14))
def test_any_order_of_claims_and_revocations_adds_up(steps: list[tuple[str, int]]) -> None:
    _play(steps)


@pytest.mark.long
@settings(max_examples=200, deadline=None, suppress_health_check=_CHECKS)
@given(st.lists(_STEP, max_size=40))
def test_any_order_of_claims_and_revocations_adds_up_for_long(
    steps: list[tuple[str, int]],
) -> None:
    _play(steps)


@pytest.mark.django_db(transaction=True)
def test_fifty_claims_of_the_last_one_are_one_success_and_clean_refusals() -> None:
    people = make_members(50)
    for one in people:
        give_points(one, 10)
    mug = make_mechanism(stock=1, cost_points=10)
    runs = [Apart(lambda one=one: _claim(mug, one)) for one in people]  # type: ignore[misc]
    done = [run.join(30) for run in runs]
    refused = [run.error for run in done if run.error is not None]
    assert len(refused) == 49
    assert all(isinstance(error, NotEligible | OutOfStock) for error in refused), refused
    assert {getattr(error, "code", "") for error in refused} == {"out_of_stock"}
    assert (Claim.objects.count(), _left(mug)) == (1, 0)
    assert sum(balance(one) for one in people) == 490


@pytest.mark.django_db(transaction=True)
def test_a_member_who_claims_many_times_at_once_never_gets_more_than_he_may() -> None:
    (member,) = make_members()
    give_points(member, 25)
    mug = make_mechanism(cost_points=10, member_limit=3)
    runs = [Apart(lambda n=n: _claim(mug, member, str(n))) for n in range(12)]  # type: ignore[misc]
    errors = [run.join(30).error for run in runs]
    assert sum(error is None for error in errors) == 2
    assert {getattr(error, "code", "") for error in errors if error} == {"points_missing"}
    assert (balance(member), Contact.objects.count()) == (5, 1)
