"""Tiers follow what members earned lately: up at once, down when all are recalculated."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from loyalty import tasks
from loyalty.errors import ProgrammeInvalid
from loyalty.models import Mechanism, Member
from loyalty.programme import points, programmes, tiers
from loyalty.programme.points import Earning
from loyalty.programme.tiers import TierChange
from tests.factories import DAY, NOW
from tests.loyalty.factories import make_member, make_tier
from workspace.access import SYSTEM
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
YEAR = timedelta(days=365)


def earn(contact_id: int, count: int, cause: str = "c", at: object = NOW) -> None:
    points.earn_many([Earning(contact_id, count, cause)], actor=SYSTEM, at=at)  # type: ignore[arg-type]


def tier_of(contact_id: int) -> str:
    return Member.objects.get(pk=contact_id).tier


def test_one_goes_up_at_once_and_down_when_all_are_recalculated() -> None:
    make_tier("silver", 10)
    make_tier("gold", 20)
    anna, ben = make_member(), make_member()
    earn(anna, 10)
    assert tier_of(anna) == "silver"
    earn(anna, 10, "more", NOW + DAY)
    assert tier_of(anna) == "gold"
    # The instant that is a window ago counts no more.
    assert tiers.recalculate(None, at=NOW + YEAR - timedelta(seconds=1)) == []
    assert tiers.recalculate(None, at=NOW + YEAR) == [TierChange(anna, "gold", "silver")]
    assert tiers.recalculate(None, at=NOW + YEAR) == []
    assert tiers.recalculate(None, at=NOW + YEAR + DAY) == [TierChange(anna, "silver", "")]
    assert tier_of(ben) == ""


def test_a_lowest_tier_of_nothing_is_everybodys() -> None:
    make_tier("bronze", 0)
    anna = make_member()
    assert tiers.recalculate([anna], at=NOW) == [TierChange(anna, "", "bronze")]
    assert tiers.recalculate([], at=NOW) == []


def test_points_that_were_taken_back_do_not_count_and_only_earned_ones_do() -> None:
    make_tier("silver", 10)
    anna = make_member(50)
    points.adjust_points(contact_id=anna, points=50, reason="", actor=SYSTEM, at=NOW)
    assert tiers.recalculate([anna], at=NOW) == []
    posting = points.earn_points(
        contact_id=anna, points=10, cause="c", reason="", actor=SYSTEM, at=NOW
    )
    points.spend_points(contact_id=anna, points=100, cause="s", reason="", actor=SYSTEM, at=NOW)
    assert tier_of(anna) == "silver"
    assert tiers.recalculate([anna], at=NOW) == []
    points.reverse_posting(contact_id=anna, posting_id=posting.id, reason="", actor=SYSTEM, at=NOW)
    assert tiers.recalculate([anna], at=NOW) == [TierChange(anna, "silver", "")]


def test_earning_takes_nobody_down() -> None:
    make_tier("silver", 10)
    make_tier("gold", 100)
    anna = make_member(tier="gold")
    earn(anna, 10)
    assert tier_of(anna) == "gold"


def test_tiers_that_no_mechanism_is_called_and_those_of_who_left_stay() -> None:
    make_tier("silver", 0)
    make_tier("old", 0, status=Mechanism.Status.ARCHIVED)
    vip, left, old = (
        make_member(tier="vip"),
        make_member(tier="silver", left_at=NOW),
        make_member(tier="old"),
    )
    assert tiers.recalculate(None, at=NOW) == [TierChange(old, "old", "silver")]
    assert (tier_of(vip), tier_of(left)) == ("vip", "silver")


def test_without_a_level_in_force_nobody_loses_his() -> None:
    make_tier("silver", 10, status=Mechanism.Status.INACTIVE)
    anna = make_member(tier="silver")
    assert tiers.recalculate(None, at=NOW) == []
    assert tier_of(anna) == "silver"


def test_changes_are_in_the_trail_and_consumers_hear_of_them() -> None:
    heard: list[TierChange] = []
    tiers.register_consumer("test", lambda changes, at: heard.extend(changes))
    make_tier("silver", 10)
    anna = make_member()
    earn(anna, 10)
    tiers.register_consumer("test", lambda changes, at: None)
    entry = AuditEntry.objects.get(action="member.tier_changed")
    assert (entry.object_id, entry.changes) == (str(anna), {"tier": ["", "silver"]})
    assert heard == [TierChange(anna, "", "silver")]


def test_all_are_done_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loyalty.programme.tiers.PORTION", 2)
    make_tier("bronze", 0)
    everyone = [make_member() for _number in range(5)]
    assert len(tiers.recalculate(None, at=NOW)) == len(everyone)


def test_a_standing_says_how_far_the_next_level_is() -> None:
    make_tier("silver", 10)
    gold = make_tier("gold", 40)
    anna = make_member()
    earn(anna, 20)
    standing = tiers.standing_of(anna, at=NOW)
    assert standing.points == 20
    assert standing.level is not None
    assert standing.following is not None
    assert (standing.level.key, standing.following.key) == ("silver", "gold")
    assert standing.share == 0.5
    gold.delete()
    assert tiers.standing_of(anna, at=NOW).share == 1.0


def test_the_window_is_the_programmes() -> None:
    make_tier("silver", 10)
    anna = make_member()
    earn(anna, 10, at=NOW - 10 * DAY)
    assert tier_of(anna) == "silver"
    programmes.change_programme(changes={"tier_window_days": 9}, actor=SYSTEM, at=NOW)
    assert tiers.recalculate(None, at=NOW) == [TierChange(anna, "silver", "")]
    with pytest.raises(ProgrammeInvalid) as refused:
        programmes.change_programme(
            changes={"tier_window_days": 0, "card_prefix": "x"}, actor=SYSTEM, at=NOW
        )
    assert {one.path for one in refused.value.problems} == {"tier_window_days", "card_prefix"}


def test_every_night_and_by_commands_points_expire_and_tiers_follow() -> None:
    make_tier("silver", 10)
    programmes.change_programme(changes={"tier_window_days": 1}, actor=SYSTEM, at=NOW)
    anna = make_member()
    points.earn_many([Earning(anna, 10, "c", expires_at=NOW + DAY)], actor=SYSTEM, at=NOW)
    told = StringIO()
    call_command("expire_points", "--as-of", (NOW + DAY).isoformat(), "--json", stdout=told)
    call_command("recalculate_tiers", "--as-of", (NOW + DAY).isoformat(), "--json", stdout=told)
    assert told.getvalue().splitlines() == ['{"members": 1, "points": 10}', '{"changed": 1}']
    assert tasks.close_points_day() == {"members": 0, "points": 0, "tier_changes": 0}
