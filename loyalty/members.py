"""Who is a member of the loyalty programme: joining, leaving, and what the rooms below ask for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.profiles import get_contact, lock_contact
from loyalty.errors import MemberInvalid
from loyalty.gift_cards import card_numbers
from loyalty.models import Member
from loyalty.programme.points import hold_members, write_difference
from workspace import access, audit, sql
from workspace.access import Actor
from workspace.errors import Problem

_NO_MEMBER: dict[str, Any] = {"is_member": False, "points": 0, "tier": "", "joined_at": None}
_SHAPE = (
    *("card_number", "tier", "points", "points_earned", "points_spent"),
    *("joined_at", "left_at"),
)
_NEVER: dict[str, Any] = {
    "is_member": False,
    "card_number": "",
    "tier": "",
    "points": 0,
    "points_earned": 0,
    "points_spent": 0,
    "joined_at": None,
    "left_at": None,
}
_WRITTEN = ("card_number", "tier", "joined_at")
_CHANGEABLE = (*_WRITTEN, "points")
_SAVED = (*_WRITTEN, "left_at")


def describe_memberships(contact_ids: Sequence[int]) -> Mapping[int, dict[str, Any]]:
    """For each contact its part of the API's shape; one query. Who left is no member."""
    found: dict[int, dict[str, Any]] = {contact_id: dict(_NO_MEMBER) for contact_id in contact_ids}
    present = Member.objects.filter(contact_id__in=contact_ids, left_at=None)
    for contact_id, points, tier, joined_at in present.values_list(
        "contact_id", "points", "tier", "joined_at"
    ):
        found[contact_id] = {
            "is_member": True,
            "points": points,
            "tier": tier,
            "joined_at": joined_at,
        }
    return found


def describe_member(contact_id: int) -> dict[str, Any]:
    """Whether the contact is a member, or was one. Raises ContactUnknown."""
    contact_id = get_contact(contact_id).pk
    member = Member.objects.filter(contact_id=contact_id).first()
    return shape_of(member) if member else {**_NEVER, "contact_id": contact_id}


def shape_of(member: Member) -> dict[str, Any]:
    """A member, or who was one, in the API's shape."""
    return {
        "contact_id": member.pk,
        "is_member": member.left_at is None,
        **{name: getattr(member, name) for name in _SHAPE},
    }


@transaction.atomic
def save_member(
    contact_id: int, *, changes: Mapping[str, Any], actor: Actor, at: datetime
) -> Member:
    """Have the contact join, or change what is named of a member.

    That is `card_number`, `tier`, `points` and `joined_at`, which is `at` for who is new and was
    not given one. Who joins without a card gets one. Points become an adjustment in their ledger.
    Whoever left joins again. Raises ContactUnknown, and MemberInvalid for a `joined_at` that is
    still to come and for a card that somebody else has.
    """
    access.require(actor, "loyalty.change_member")
    contact_id = lock_contact(contact_id).pk
    known = hold_members([contact_id]).get(contact_id)
    is_back = known is not None and known.left_at is not None
    member = known or Member(contact_id=contact_id, joined_at=at)
    before = {name: getattr(member, name) for name in _CHANGEABLE} if known else {}
    if is_back:
        member.joined_at, member.left_at = at, None
    for name in _WRITTEN:
        if name in changes:
            setattr(member, name, changes[name])
    if known is None and not member.card_number:
        member.card_number = card_numbers.make_card_number()
    _require_valid(member, at)
    wanted = changes.get("points", member.points)
    after = {name: getattr(member, name) for name in _WRITTEN} | {"points": wanted}
    if is_back or before != after:
        # The points are the ledger's, which is asked last.
        member.save(force_insert=known is None, update_fields=_SAVED if known else None)
        if wanted != member.points:
            write_difference(member, wanted, actor=actor, at=at)
        action = "member.changed" if known and not is_back else "member.joined"
        told = audit.difference(before, after)
        audit.record(actor=actor, action=action, subject=member, changes=told, at=at)
    return member


def _require_valid(member: Member, at: datetime) -> None:
    problems = []
    if member.joined_at > at:
        message = _("Nobody joins in the future: “joined_at” is later than now.")
        problems.append(Problem("joined_at", "in_future", message))
    number = member.card_number
    if number and Member.objects.filter(card_number=number).exclude(pk=member.pk).exists():
        message = _("Another member has the card %(number)s.") % {"number": number}
        problems.append(Problem("card_number", "taken", message))
    if problems:
        raise MemberInvalid(problems[0].message, problems=problems)


@transaction.atomic
def leave(contact_id: int, *, actor: Actor, at: datetime) -> None:
    """Have the contact leave the programme; what is known of the membership stays.

    Nothing happens to who is no member. Raises ContactUnknown.
    """
    access.require(actor, "loyalty.change_member")
    contact_id = lock_contact(contact_id).pk
    member = Member.objects.filter(contact_id=contact_id, left_at=None).first()
    if member is None:
        return
    member.left_at = max(at, member.joined_at)
    member.save(update_fields=["left_at"])
    audit.record(actor=actor, action="member.left", subject=member, at=at)


def forget_members(contact_ids: list[int]) -> int:
    """Delete the memberships of contacts that are erased; returns how many.

    The points that they had expire, so that the ledger adds up; its lines stay, without words.
    """
    count = Member.objects.filter(contact_id__in=contact_ids).delete()[0]
    sql.execute(
        "UPDATE loyalty_pointsposting SET reason = '', cause = 'erased:' || id"
        " WHERE contact_id = ANY(%s::bigint[]) AND cause <> 'erased:' || id",
        [contact_ids],
    )
    return count
