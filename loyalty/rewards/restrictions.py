"""The block of restrictions that all mechanisms share, as it stands at an instant.

Whom a mechanism is for is a row of gates: its segments, its lists, and those of the category of a
reward. Each gate knows which of its segments may be acted upon: active ones whose calculation has
not expired. The members that an inactive segment had last count for nothing (AN-19 to AN-22).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.calendar import period_start
from loyalty.models import Mechanism
from segments.models import Segment
from workspace import sql

Kind, Status, Match = Mechanism.Kind, Mechanism.Status, Mechanism.Match


class Reason(StrEnum):
    """Why a contact may not have something; stable, for programs."""

    NOT_MEMBER = "not_member"
    SEGMENT_INACTIVE = "segment_inactive"
    SEGMENT_EXPIRED = "segment_expired"
    NOT_IN_SEGMENT = "not_in_segment"
    NOT_IN_LIST = "not_in_list"
    NOT_ACTIVE = "not_active"
    NOT_STARTED = "not_started"
    ENDED = "ended"
    NOT_ASSIGNED = "not_assigned"
    OUT_OF_STOCK = "out_of_stock"
    MEMBER_LIMIT = "member_limit_reached"
    PERIOD_LIMIT = "period_limit_reached"
    POINTS_MISSING = "points_missing"


# Those that say whom a mechanism is for: others may be kept from knowing of it.
ABOUT_WHOM = frozenset(
    {
        *(Reason.NOT_MEMBER, Reason.SEGMENT_INACTIVE, Reason.SEGMENT_EXPIRED),
        *(Reason.NOT_IN_SEGMENT, Reason.NOT_IN_LIST),
    }
)
WORDS: Mapping[Reason, str | Promise] = {
    Reason.NOT_MEMBER: _("It is for members of the loyalty programme."),
    Reason.SEGMENT_INACTIVE: _("A segment it is for is out of use, so that nobody may have it."),
    Reason.SEGMENT_EXPIRED: _(
        "A segment it is for waits for its calculation, so that nobody may have it."
    ),
    Reason.NOT_IN_SEGMENT: _("It is for members of certain segments."),
    Reason.NOT_IN_LIST: _("It is for members on certain lists."),
    Reason.NOT_ACTIVE: _("It is not in use."),
    Reason.NOT_STARTED: _("It has not begun yet."),
    Reason.ENDED: _("It is over."),
    Reason.NOT_ASSIGNED: _("It was not given to this member, or no longer is."),
    Reason.OUT_OF_STOCK: _("Nothing is left of it."),
    Reason.MEMBER_LIMIT: _("The member had it as often as one may."),
    Reason.PERIOD_LIMIT: _("The member had it as often as one may in this time."),
    Reason.POINTS_MISSING: _("The member has too few points for it."),
}


_LOOKED_AT = ("name", "key", "status", "calculated_at", "readiness_hours")
_LINKS = """
SELECT mechanism_id, segment_id, false FROM loyalty_mechanism_segments
WHERE mechanism_id = ANY(%s::int[])
UNION ALL
SELECT mechanism_id, segment_id, true FROM loyalty_mechanism_lists
WHERE mechanism_id = ANY(%s::int[])
"""


@dataclass(frozen=True, slots=True)
class Gate:
    """A demand on whom: to be in any or all of `usable`. Nobody passes one that is `shut`.

    `message` is what those who do not pass are told, where somebody wrote it.
    """

    usable: tuple[int, ...]
    needs_all: bool
    reason: Reason
    shut: Reason | None
    message: str
    hides: bool

    def refusal(self, segment_ids: frozenset[int]) -> Reason | None:
        """Why somebody who is in these segments does not pass."""
        if self.shut is not None:
            return self.shut
        wanted = frozenset(self.usable)
        passes = wanted <= segment_ids if self.needs_all else bool(wanted & segment_ids)
        return None if passes else self.reason


@dataclass(frozen=True, slots=True)
class Terms:
    """What a mechanism demands at an instant, of everybody and of each.

    `closed` is why nobody may have it now, `left` how many there are still, None for any number.
    """

    mechanism: Mechanism
    gates: tuple[Gate, ...]
    closed: Reason | None = None
    left: int | None = None
    period_since: datetime | None = None
    needs_assignment: bool = False

    @property
    def audience(self) -> "Terms":
        """The same as far as it says whom the mechanism is for: nothing runs out or is over."""
        return replace(self, closed=None, left=None)


def with_restrictions(mechanisms: "QuerySet[Mechanism]") -> "QuerySet[Mechanism]":
    """The same, with what `terms_of` looks at; a constant number of queries."""
    found = Segment.objects.only(*_LOOKED_AT)
    return mechanisms.select_related("category").prefetch_related(
        *(
            Prefetch(name, queryset=found)
            for name in ("segments", "lists", "category__segments", "category__lists")
        )
    )


def terms_of(mechanism: Mechanism, *, at: datetime) -> Terms:
    """What it demands now. No query for one that was read by `with_restrictions`."""
    return terms_with(mechanism, _gates(mechanism, at=at), at=at)


def terms_of_many(mechanisms: Iterable[Mechanism], *, at: datetime) -> list[Terms]:
    """What each of these demands now; two queries, if they were read with their categories."""
    every = list(mechanisms)
    blocks = {one.pk: one for one in every}
    blocks |= {one.category.pk: one.category for one in every if one.category is not None}
    links = sql.lists(_LINKS, [list(blocks), list(blocks)])
    segments = Segment.objects.only(*_LOOKED_AT).in_bulk(
        {segment_id for _b, segment_id, _l in links}
    )
    linked: dict[tuple[int, bool], list[Segment]] = {}
    for block_id, segment_id, is_list in links:
        linked.setdefault((block_id, is_list), []).append(segments[segment_id])
    gates = {
        pk: list(gates_of(block, linked.get((pk, False), ()), linked.get((pk, True), ()), at=at))
        for pk, block in blocks.items()
    }
    return [
        terms_with(one, [*gates.get(one.category_id or 0, ()), *gates[one.pk]], at=at)
        for one in every
    ]


def terms_with(mechanism: Mechanism, gates: Iterable[Gate], *, at: datetime) -> Terms:
    """The same with these gates, for one that is not saved."""
    return Terms(
        mechanism=mechanism,
        gates=tuple(gates),
        closed=_closed(mechanism, at=at),
        left=left_of(mechanism),
        period_since=period_start(mechanism.period, at) if mechanism.period else None,
        needs_assignment=bool(
            mechanism.kind == Kind.OFFER and mechanism.settings.get("assigned_only")
        ),
    )


def left_of(mechanism: Mechanism) -> int | None:
    """How many of it there are still; None for any number."""
    if mechanism.stock is None:
        return None
    return max(mechanism.stock - mechanism.claimed_count, 0)


def unusable(segments: Iterable[Segment], *, at: datetime) -> Reason | None:
    """Why the members of one of these segments, at least, may not be acted upon."""
    found = {_standing(segment, at=at) for segment in segments}
    for reason in (Reason.SEGMENT_INACTIVE, Reason.SEGMENT_EXPIRED):
        if reason in found:
            return reason
    return None


def is_usable(segment: Segment, *, at: datetime) -> bool:
    """Whether the members of a segment may be acted upon at an instant."""
    return _standing(segment, at=at) is None


def _standing(segment: Segment, *, at: datetime) -> Reason | None:
    if segment.status != Segment.Status.ACTIVE:
        return Reason.SEGMENT_INACTIVE
    until = segment.ready_until
    is_known = segment.calculated_at is not None and (until is None or at < until)
    return None if is_known else Reason.SEGMENT_EXPIRED


def gates_of(
    block: Mechanism, segments: Sequence[Segment], lists: Sequence[Segment], *, at: datetime
) -> Iterator[Gate]:
    """The gates of a mechanism with these segments and lists: any or all, and any of the lists."""
    for wanted, needs_all, reason in (
        (segments, block.segment_match == Match.ALL, Reason.NOT_IN_SEGMENT),
        (lists, False, Reason.NOT_IN_LIST),
    ):
        if wanted:
            yield _gate(block, wanted, needs_all=needs_all, reason=reason, at=at)


def _gates(mechanism: Mechanism, *, at: datetime) -> Iterator[Gate]:
    blocks = [mechanism] if mechanism.category is None else [mechanism.category, mechanism]
    for block in blocks:
        yield from gates_of(block, list(block.segments.all()), list(block.lists.all()), at=at)


def _gate(
    block: Mechanism, segments: Sequence[Segment], *, needs_all: bool, reason: Reason, at: datetime
) -> Gate:
    usable = tuple(sorted(segment.pk for segment in segments if is_usable(segment, at=at)))
    is_shut = len(usable) < len(segments) if needs_all else not usable
    return Gate(
        usable=usable,
        needs_all=needs_all,
        reason=reason,
        shut=unusable(segments, at=at) if is_shut else None,
        message=block.restricted_message,
        hides=block.hide_restricted,
    )


def _closed(mechanism: Mechanism, *, at: datetime) -> Reason | None:
    """Why nobody at all may have it at this instant, whoever it is for."""
    for block in (mechanism.category, mechanism):
        if block is None:
            continue
        if block.status != Status.ACTIVE:
            return Reason.NOT_ACTIVE
        if block.starts_at is not None and at < block.starts_at:
            return Reason.NOT_STARTED
        if block.ends_at is not None and at >= block.ends_at:
            return Reason.ENDED
    return None


def words_of(reason: Reason, terms: Terms, **words: Any) -> str:
    """What is told of a refusal: the message that somebody wrote, else a sentence of ours."""
    if reason in ABOUT_WHOM:
        written = terms.mechanism.restricted_message
        if reason != Reason.NOT_MEMBER:
            written = words.get("message") or written
        if written:
            return str(written)
    if reason == Reason.POINTS_MISSING and "points" in words:
        told = _("It costs %(cost)d points, and the member has %(points)d.")
        return str(told) % {"cost": terms.mechanism.cost_points, "points": words["points"]}
    return str(WORDS[reason])
