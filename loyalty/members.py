"""Who is a member of the loyalty programme, as the rooms below ask for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from loyalty.models import Member

_NO_MEMBER: dict[str, Any] = {"is_member": False, "points": 0, "tier": "", "joined_at": None}


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


def forget_members(contact_ids: list[int]) -> int:
    """Delete the memberships of contacts that are erased; returns how many."""
    return Member.objects.filter(contact_id__in=contact_ids).delete()[0]
