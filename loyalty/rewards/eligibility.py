"""Who may have which mechanism: for one contact with the reason, and for many in one statement.

There is one order of reasons: whom it is for, whether it is in use and its time has come, then what
is left, how often the member had it, and what it costs. The first that says no is the answer.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from contacts.profiles import get_contact
from loyalty.models import Claim, Mechanism, Member
from loyalty.rewards.mechanisms import known_mechanisms
from loyalty.rewards.restrictions import (
    ABOUT_WHOM,
    Gate,
    Reason,
    Terms,
    terms_of_many,
    words_of,
)
from segments.models import Membership
from workspace import access, sql
from workspace.access import Actor

State = Claim.State


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whether a contact may have a mechanism, and why not.

    `reason` is empty where he may. `is_hidden` where he is not to know of it.
    """

    mechanism: Mechanism
    kind: str
    eligible: bool
    reason: str = ""
    message: str = ""
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Had:
    """How often a contact had a mechanism, and in its period; whether he holds it to be used."""

    total: int = 0
    in_period: int = 0
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one contact: points are None where he is no member."""

    points: int | None
    segment_ids: frozenset[int] = frozenset()
    had: Mapping[int, Had] = field(default_factory=dict)


def eligibility(
    contact_id: int, *, actor: Actor, at: datetime, with_hidden: bool = False
) -> list[Eligibility]:
    """For each active mechanism that the actor may know of, whether the contact may have it.

    What is to be hidden from the contact is left out, unless `with_hidden`. A constant number of
    queries. Raises ContactUnknown.
    """
    access.require(actor, "loyalty.view_mechanism")
    contact_id = get_contact(contact_id).pk
    active = known_mechanisms(actor).filter(status=Mechanism.Status.ACTIVE)
    found = judge(contact_id, active.select_related("category"), at=at)
    return [one for one in found if with_hidden or not one.is_hidden]


def judge(contact_id: int, mechanisms: Iterable[Mechanism], *, at: datetime) -> list[Eligibility]:
    """Whether a contact may have these, each with the reason; a constant number of queries."""
    every = terms_of_many(mechanisms, at=at)
    facts = facts_of(contact_id, every, at=at)
    return [judged(terms, facts) for terms in every]


def facts_of(contact_id: int, every: Sequence[Terms], *, at: datetime) -> Facts:
    """What one has to know of a contact to judge these; three queries."""
    points = (
        Member.objects.filter(contact_id=contact_id, left_at=None)
        .values_list("points", flat=True)
        .first()
    )
    wanted = {segment_id for terms in every for gate in terms.gates for segment_id in gate.usable}
    inside = Membership.objects.filter(contact_id=contact_id, segment_id__in=wanted)
    return Facts(
        points, frozenset(inside.values_list("segment_id", flat=True)), _had(contact_id, every, at)
    )


def refusal(terms: Terms, facts: Facts) -> tuple[Reason, Gate | None] | None:
    """Why not, and at which gate; None where the contact may."""
    if facts.points is None:
        return Reason.NOT_MEMBER, None
    for gate in terms.gates:
        if (reason := gate.refusal(facts.segment_ids)) is not None:
            return reason, gate
    if terms.closed is not None:
        return terms.closed, None
    had, mechanism = facts.had.get(terms.mechanism.pk, Had()), terms.mechanism
    if terms.needs_assignment:
        return None if had.is_held else (Reason.NOT_ASSIGNED, None)
    if terms.left == 0:
        return Reason.OUT_OF_STOCK, None
    if mechanism.member_limit is not None and had.total >= mechanism.member_limit:
        return Reason.MEMBER_LIMIT, None
    if mechanism.period_limit is not None and had.in_period >= mechanism.period_limit:
        return Reason.PERIOD_LIMIT, None
    if facts.points < mechanism.cost_points:
        return Reason.POINTS_MISSING, None
    return None


def judged(terms: Terms, facts: Facts) -> Eligibility:
    """The answer about one mechanism."""
    mechanism, found = terms.mechanism, refusal(terms, facts)
    if found is None:
        return Eligibility(mechanism, mechanism.kind, True)
    reason, gate = found
    message = words_of(reason, terms, message=gate.message if gate else "", points=facts.points)
    hides = mechanism.hide_restricted or (gate.hides if gate else False)
    is_hidden = reason in ABOUT_WHOM and hides
    return Eligibility(mechanism, mechanism.kind, False, reason.value, message, is_hidden)


def _had(contact_id: int, every: Sequence[Terms], at: datetime) -> dict[int, Had]:
    """By mechanism, what the contact had of it and what was not taken back."""
    counting = {
        terms.mechanism.pk: terms
        for terms in every
        if terms.needs_assignment
        or terms.mechanism.member_limit is not None
        or terms.mechanism.period_limit is not None
    }
    if not counting:
        return {}
    of_contact = Claim.objects.filter(contact_id=contact_id, mechanism_id__in=counting)
    in_period = Q(pk__in=[])
    # A handful of different periods, however many mechanisms.
    for since in {terms.period_since for terms in counting.values()} - {None}:
        ids = [pk for pk, terms in counting.items() if terms.period_since == since]
        in_period |= Q(mechanism_id__in=ids, at__gte=since)
    held = Q(state=State.CLAIMED) & (Q(expires_at=None) | Q(expires_at__gt=at))
    rows = (
        of_contact.exclude(state=State.REVOKED)
        .order_by()
        .values("mechanism_id")
        .annotate(
            total=Count("pk"),
            in_period=Count("pk", filter=in_period),
            held=Count("pk", filter=held),
        )
    )
    return {
        row["mechanism_id"]: Had(row["total"], row["in_period"], row["held"] > 0) for row in rows
    }


def eligible_ids(terms: Terms, *, at: datetime, among: Sequence[int] | None = None) -> list[int]:
    """All contacts that may have a mechanism, of those in `among` where it is given; by id.

    One statement, which says what `refusal` says of each.
    """
    reason, params = _reason_sql(terms)
    only, values = ("", []) if among is None else (" AND m.contact_id = ANY(%s)", [list(among)])
    statement = (
        f"SELECT m.contact_id FROM {_MEMBERS}{only} AND ({reason}) IS NULL"  # noqa: S608  our own
        " ORDER BY m.contact_id"
    )
    rows = sql.lists(statement, [*_members_params(terms, at=at), *values, *params])
    return [row[0] for row in rows]


def count_by_reason(terms: Terms, *, at: datetime) -> Counter[str]:
    """How many members may have a mechanism (under the empty text), and the others by reason."""
    reason, params = _reason_sql(terms)
    statement = f"SELECT coalesce({reason}, ''), count(*) FROM {_MEMBERS} GROUP BY 1"  # noqa: S608  our own
    rows = sql.lists(statement, [*params, *_members_params(terms, at=at)])
    return Counter(dict(rows))


# The members, each with what he had of a mechanism.
_MEMBERS = """loyalty_member m
LEFT JOIN (
  SELECT contact_id, count(*) AS total, count(*) FILTER (WHERE at >= %s) AS in_period,
    bool_or(state = 'claimed' AND (expires_at IS NULL OR expires_at > %s)) AS is_held
  FROM loyalty_claim WHERE mechanism_id = %s AND state <> 'revoked' GROUP BY contact_id
) had ON had.contact_id = m.contact_id
WHERE m.left_at IS NULL"""


def _members_params(terms: Terms, *, at: datetime) -> list[Any]:
    # Of a mechanism that is only being written nobody had anything.
    return [terms.period_since or at, at, terms.mechanism.pk or 0]


def _reason_sql(terms: Terms) -> tuple[str, list[Any]]:
    """SQL of what `refusal` says of the member `m`: a reason, or NULL."""
    mechanism = terms.mechanism
    whens: list[tuple[str, Reason, list[Any]]] = []
    for gate in terms.gates:
        condition, params = _gate_sql(gate)
        whens.append((condition, gate.shut or gate.reason, params))
    if terms.closed is not None:
        whens.append(("true", terms.closed, []))
    if terms.needs_assignment:
        whens.append(("had.is_held IS NOT TRUE", Reason.NOT_ASSIGNED, []))
    else:
        if terms.left == 0:
            whens.append(("true", Reason.OUT_OF_STOCK, []))
        for limit, column, reason in (
            (mechanism.member_limit, "had.total", Reason.MEMBER_LIMIT),
            (mechanism.period_limit, "had.in_period", Reason.PERIOD_LIMIT),
        ):
            if limit is not None:
                whens.append((f"coalesce({column}, 0) >= %s", reason, [limit]))
        if mechanism.cost_points:
            whens.append(("m.points < %s", Reason.POINTS_MISSING, [mechanism.cost_points]))
    if not whens:
        return "NULL::text", []
    text = " ".join(f"WHEN {condition} THEN '{reason}'" for condition, reason, _p in whens)
    return f"CASE {text} END", [value for _c, _r, params in whens for value in params]


_INSIDE = (
    "EXISTS (SELECT FROM segments_membership s"
    " WHERE s.contact_id = m.contact_id AND s.segment_id = {})"
)


def _gate_sql(gate: Gate) -> tuple[str, list[Any]]:
    """SQL of whether the member `m` is stopped at a gate."""
    if gate.shut is not None:
        return "true", []
    if gate.needs_all:
        inside = " AND ".join([_INSIDE.format("%s")] * len(gate.usable))
        return f"NOT ({inside})", list(gate.usable)
    return f"NOT {_INSIDE.format('ANY(%s)')}", [list(gate.usable)]
