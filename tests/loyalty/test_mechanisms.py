"""Mechanisms are made, changed, turned on and off; what is wrong with one is told at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from contacts.models import EventDefinition
from loyalty.errors import (
    MechanismArchived,
    MechanismInUse,
    MechanismInvalid,
    MechanismNotInactive,
    MechanismUnknown,
)
from loyalty.models import Mechanism
from loyalty.rewards import mechanisms
from segments import lifecycle
from tests.loyalty.mechanisms import make_challenge, make_mechanism
from tests.segments.factories import DAY, NOW, make_segment
from workspace import sql
from workspace.access import SYSTEM, Actor
from workspace.errors import NotAllowed
from workspace.models import AuditEntry, UserGroup

pytestmark = pytest.mark.django_db


def _person(*groups: Group, may: str = "loyalty.change_mechanism") -> Actor:
    known = frozenset({may, "loyalty.add_mechanism", "loyalty.view_mechanism"})
    ids = frozenset(group.pk for group in groups)
    return Actor(AuditEntry.ActorKind.USER, 4711, "Ann", group_ids=ids, permissions=known)


@pytest.fixture
def poland() -> Group:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    return group


def _update(mechanism: Mechanism, actor: Actor = SYSTEM, **changes: Any) -> Mechanism:
    return mechanisms.update_mechanism(mechanism, actor=actor, at=NOW, **changes)


def _faults(caught: Any) -> dict[str, str]:
    return {problem.path: problem.code for problem in caught.value.problems}


def test_a_mechanism_is_made_active_with_all_it_was_given() -> None:
    vip, staff = make_segment("vip"), make_segment("staff", source="list")
    category = make_mechanism("kitchen", "reward_category")
    made = make_mechanism(
        name=" Mug ",
        segments=["vip"],
        lists=["staff"],
        segment_match="all",
        category="kitchen",
        hide_restricted=True,
        restricted_message="For VIPs.",
        stock=10,
        member_limit=2,
        period_limit=1,
        period="month",
        starts_at=NOW,
        ends_at=NOW + DAY,
        cost_points=100,
        settings={"type": "physical"},
    )
    made.refresh_from_db()
    assert (made.name, made.status, made.category) == ("Mug", "active", category)
    assert [*made.segments.all(), *made.lists.all()] == [vip, staff]
    assert made.settings == {"type": "physical", "instructions": ""}
    entry = AuditEntry.objects.get(action="mechanism.created", object_id=str(made.pk))
    assert entry.changes["segments"] == [None, ["vip"]]


def test_every_fault_is_told_at_once() -> None:
    make_segment("calculated")
    with pytest.raises(MechanismInvalid) as caught:
        make_mechanism(
            "Not a key",
            name=" ",
            segments=["nowhere"],
            lists=["calculated"],
            category="nowhere",
            restricted_message="x" * 301,
            stock=-1,
            member_limit=0,
            period_limit=1,
            starts_at=NOW,
            ends_at=NOW,
            settings={"type": "spaceship", "color": "red"},
        )
    assert _faults(caught) == {
        "key": "invalid",
        "name": "required",
        "segments[0]": "segment_unknown",
        "lists[0]": "not_a_list",
        "category": "unknown_category",
        "restricted_message": "too_long",
        "stock": "out_of_range",
        "member_limit": "out_of_range",
        "period": "required",
        "ends_at": "too_early",
        "settings.type": "invalid_choice",
        "settings.color": "unknown_field",
    }
    assert not Mechanism.objects.exists()


@pytest.mark.parametrize(
    ("kind", "settings", "faults"),
    [
        ("tier", {}, {"settings.threshold": "required"}),
        ("tier", {"threshold": True}, {"settings.threshold": "out_of_range"}),
        ("offer", {"valid_days": 0}, {"settings.valid_days": "out_of_range"}),
        ("offer", {"assigned_only": 1}, {"settings.assigned_only": "invalid"}),
        ("contest", {"color": "red"}, {"settings.color": "unknown_field"}),
        ("quiz", [], {"settings": "invalid"}),
        ("spaceship", {}, {"kind": "invalid_choice"}),
        ("challenge", {}, {"settings.event": "required", "settings.threshold": "required"}),
        (
            "challenge",
            {"event": "purchase", "measure": "sum", "threshold": "1.23456"},
            {"settings.property": "required", "settings.threshold": "invalid"},
        ),
        (
            "challenge",
            {"event": "purchase", "threshold": 1.5, "period": "decade", "bonus_points": -1},
            {
                "settings.threshold": "invalid",
                "settings.period": "invalid_choice",
                "settings.bonus_points": "out_of_range",
            },
        ),
        (
            "challenge",
            {"event": "purchase", "threshold": 1, "where": {"combinator": "xor", "rules": []}},
            {"settings.where.combinator": "malformed"},
        ),
    ],
)
def test_settings_are_those_of_the_kind(kind: str, settings: Any, faults: dict[str, str]) -> None:
    with pytest.raises(MechanismInvalid) as caught:
        make_mechanism(kind=kind, settings=settings)
    assert _faults(caught) == faults


@pytest.mark.parametrize("name", ["stock", "member_limit", "cost_points"])
def test_a_tier_cannot_be_bought(name: str) -> None:
    given: dict[str, Any] = {"settings": {"threshold": 1}, name: 5}
    with pytest.raises(MechanismInvalid) as caught:
        make_mechanism(kind="tier", **given)
    assert _faults(caught) == {name: "not_for_kind"}


def test_two_tiers_never_begin_with_the_same_points() -> None:
    silver = make_mechanism("silver", "tier", settings={"threshold": 100})
    gold = make_mechanism("gold", "tier", settings={"threshold": 500})
    with pytest.raises(MechanismInvalid) as caught:
        _update(gold, settings={"threshold": 100})
    assert _faults(caught) == {"settings.threshold": "not_unique"}
    _update(gold, settings={"threshold": 500}, name="Gold!")
    mechanisms.inactivate(silver, actor=SYSTEM, at=NOW)
    mechanisms.archive(silver, actor=SYSTEM, at=NOW)
    assert _update(gold, settings={"threshold": 100}).settings == {"threshold": 100}


def test_a_draft_becomes_active_inactive_and_archived_for_good() -> None:
    made = make_mechanism(is_draft=True)
    assert made.status == "draft"
    assert mechanisms.inactivate(made, actor=SYSTEM, at=NOW).status == "draft"
    assert mechanisms.activate(made, actor=SYSTEM, at=NOW).status == "active"
    with pytest.raises(MechanismNotInactive):
        mechanisms.archive(made, actor=SYSTEM, at=NOW)
    assert mechanisms.inactivate(made, actor=SYSTEM, at=NOW).status == "inactive"
    assert mechanisms.archive(made, actor=SYSTEM, at=NOW).status == "archived"
    for verb in (mechanisms.activate, mechanisms.inactivate, mechanisms.archive):
        with pytest.raises(MechanismArchived):
            verb(made, actor=SYSTEM, at=NOW)
    with pytest.raises(MechanismArchived):
        _update(made, name="Other")
    told = AuditEntry.objects.filter(object_id=str(made.pk)).order_by("pk")
    assert [entry.action.partition(".")[2] for entry in told] == [
        *("created", "activated", "inactivated", "archived")
    ]


def test_a_category_with_rewards_is_not_archived() -> None:
    category = make_mechanism("kitchen", "reward_category", is_draft=True)
    mug = make_mechanism(category="kitchen")
    with pytest.raises(MechanismInUse):
        mechanisms.archive(category, actor=SYSTEM, at=NOW)
    _update(mug, category=None)
    assert mechanisms.archive(category, actor=SYSTEM, at=NOW).status == "archived"


def test_a_change_of_nothing_is_no_change() -> None:
    made = make_mechanism(stock=3)
    _update(made, name="Mug", stock=3, settings={"type": "custom"}, segments=[])
    assert not AuditEntry.objects.filter(action="mechanism.updated").exists()


def test_an_inactive_segment_cannot_be_chosen_but_may_stay() -> None:
    segment = make_segment("vip")
    made = make_mechanism(segments=["vip"])
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    with pytest.raises(MechanismInvalid) as caught:
        make_mechanism("other", segments=["vip"])
    assert _faults(caught) == {"segments[0]": "segment_inactive"}
    _update(made, segments=["vip"], name="Cup")
    assert [one.key for one in made.segments.all()] == ["vip"]
    _update(made, segments=[])
    with pytest.raises(MechanismInvalid):
        _update(made, segments=["vip"])


def test_what_one_may_not_know_of_stays_in_its_place(poland: Group) -> None:
    make_segment("theirs", groups=["Poland"])
    make_segment("ours")
    made = make_mechanism(segments=["theirs", "ours"])
    ann = _person()
    with pytest.raises(MechanismInvalid) as caught:
        make_mechanism("other", segments=["theirs"], actor=ann)
    assert _faults(caught) == {"segments[0]": "segment_unknown"}
    _update(made, ann, segments=[])
    assert [one.key for one in made.segments.all()] == ["theirs"]
    _update(made, ann, segments=["hidden:1", "ours"])
    assert {one.key for one in made.segments.all()} == {"theirs", "ours"}
    with pytest.raises(MechanismInvalid) as caught:
        _update(made, ann, segments=["hidden:2"])
    assert _faults(caught) == {"segments[0]": "segment_unknown"}


def test_people_of_other_groups_do_not_learn_of_it(poland: Group) -> None:
    made = make_mechanism(groups=["Poland"])
    assert mechanisms.find_mechanism("mug", actor=_person(poland)) == made
    with pytest.raises(MechanismUnknown):
        mechanisms.find_mechanism("mug", actor=_person())
    with pytest.raises(MechanismUnknown):
        _update(made, _person(), name="Cup")
    with pytest.raises(NotAllowed):
        _update(made, _person(poland, may="loyalty.view_member"), name="Cup")


def test_a_group_is_required_where_the_settings_of_one_say_so(poland: Group) -> None:
    UserGroup.objects.filter(group=poland).update(entities=["mechanism"])
    with pytest.raises(MechanismInvalid) as caught:
        make_mechanism()
    assert _faults(caught) == {"groups": "required"}
    assert [*make_mechanism(groups=["Poland"]).groups.all()] == [poland]


def test_the_stock_is_never_less_than_what_is_gone() -> None:
    made = make_mechanism(stock=5)
    Mechanism.objects.filter(pk=made.pk).update(claimed_count=3)
    with pytest.raises(MechanismInvalid) as caught:
        _update(made, stock=2)
    assert _faults(caught) == {"stock": "too_small"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Mechanism.objects.filter(pk=made.pk).update(claimed_count=6)


def test_the_events_of_challenges_in_use_are_followed() -> None:
    made = make_challenge(event="purchase")
    make_challenge("reviewer", event="review_left")

    def watched() -> set[str]:
        ids = sql.lists(
            "SELECT definition_id FROM contacts_eventwatch WHERE watcher = %s", ["challenges"]
        )
        names = EventDefinition.objects.filter(pk__in=[pk for (pk,) in ids])
        return set(names.values_list("name", flat=True))

    assert watched() == {"purchase", "review_left"}
    mechanisms.inactivate(made, actor=SYSTEM, at=NOW)
    assert watched() == {"review_left"}


def test_a_mechanism_ends_after_it_starts_in_the_database_too() -> None:
    made = make_mechanism(starts_at=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Mechanism.objects.filter(pk=made.pk).update(ends_at=NOW - timedelta(seconds=1))
