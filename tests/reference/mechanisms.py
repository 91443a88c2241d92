"""Who may have a mechanism, said a second time in plain Python over plain values."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Rules:
    """A mechanism; each set of segments is a list of (members, usable: "", inactive, expired)."""

    segments: list[tuple[Collection[int], str]] = field(default_factory=list)
    lists: list[tuple[Collection[int], str]] = field(default_factory=list)
    needs_all: bool = False
    is_active: bool = True
    starts_in: int = 0
    ends_in: int = 1
    left: int | None = None
    member_limit: int | None = None
    period_limit: int | None = None
    cost: int = 0


def why_not(rules: Rules, who: int, points: int | None, had: int, had_lately: int) -> str:
    """The reason, empty where he may. Times count from now: it starts at 0 or before."""
    if points is None:
        return "not_member"
    for asked, needs_all, reason in (
        (rules.segments, rules.needs_all, "not_in_segment"),
        (rules.lists, False, "not_in_list"),
    ):
        if not asked:
            continue
        inside = [who in members and not state for members, state in asked]
        if all(inside) if needs_all else any(inside):
            continue
        states = [state for _members, state in asked]
        is_shut = any(states) if needs_all else all(states)
        if not is_shut:
            return reason
        return "segment_inactive" if "inactive" in states else "segment_expired"
    for holds, reason in (
        (not rules.is_active, "not_active"),
        (rules.starts_in > 0, "not_started"),
        (rules.ends_in <= 0, "ended"),
        (rules.left == 0, "out_of_stock"),
        (_reached(had, rules.member_limit), "member_limit_reached"),
        (_reached(had_lately, rules.period_limit), "period_limit_reached"),
        (points < rules.cost, "points_missing"),
    ):
        if holds:
            return reason
    return ""


def _reached(count: int, limit: Any) -> bool:
    return limit is not None and count >= limit
