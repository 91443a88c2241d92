"""Joining and leaving the loyalty programme, and what criteria make of it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from loyalty import members
from loyalty.errors import MemberInvalid
from segments import preview
from tests.factories import make_contact
from workspace.access import SYSTEM
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def counted(field: str, operator: str, value: object) -> int:
    document = {
        "combinator": "and",
        "rules": [{"field": field, "operator": operator, "value": value}],
    }
    return preview.preview(document, actor=SYSTEM, as_of=timezone.now()).count


def test_who_joins_is_found_by_criteria_and_who_leaves_no_more() -> None:
    contact = make_contact()
    assert counted("loyalty.is_member", "=", False) == 1
    members.save_member(contact.pk, changes={"tier": "gold", "points": 120}, actor=SYSTEM, at=NOW)
    assert counted("loyalty.is_member", "=", True) == 1
    assert counted("loyalty.points", ">=", 120) == 1
    assert counted("loyalty.tier", "=", "gold") == 1
    members.leave(contact.pk, actor=SYSTEM, at=NOW + timedelta(days=1))
    assert counted("loyalty.is_member", "=", True) == 0
    assert counted("loyalty.points", ">=", 0) == 0
    assert members.describe_member(contact.pk)["left_at"] == NOW + timedelta(days=1)


def test_joining_again_begins_anew_and_keeps_the_points() -> None:
    contact = make_contact()
    members.save_member(contact.pk, changes={"points": 5}, actor=SYSTEM, at=NOW)
    members.leave(contact.pk, actor=SYSTEM, at=NOW)
    members.leave(contact.pk, actor=SYSTEM, at=NOW + timedelta(days=1))
    back = members.save_member(contact.pk, changes={}, actor=SYSTEM, at=NOW + timedelta(days=2))
    assert (back.joined_at, back.left_at, back.points) == (NOW + timedelta(days=2), None, 5)
    actions = AuditEntry.objects.filter(action__startswith="member.").order_by("pk")
    assert [entry.action for entry in actions] == ["member.joined", "member.left", "member.joined"]


def test_saving_the_same_twice_tells_nothing_twice() -> None:
    contact = make_contact()
    for _time in range(2):
        members.save_member(contact.pk, changes={"tier": "gold"}, actor=SYSTEM, at=NOW)
    assert AuditEntry.objects.filter(action__startswith="member.").count() == 1


def test_nobody_joins_in_the_future() -> None:
    contact = make_contact()
    later = {"joined_at": NOW + timedelta(seconds=1)}
    with pytest.raises(MemberInvalid, match="future"):
        members.save_member(contact.pk, changes=later, actor=SYSTEM, at=NOW)
    assert not members.describe_member(contact.pk)["is_member"]
