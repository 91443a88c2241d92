"""The ledger of points: earned, spent, adjusted and taken back; the only room that writes it.

A line moves points between the member's account and one of the programme's, and its `cause`
counts once for a contact: said again, the same answers with the line that is there. The database
keeps `Member.points` as the sum of the lines and refuses all else (migration
`points_of_members`). Members are locked in the order of their ids before anything is written.

Who may do it has been decided by whoever calls `earn_many` and `spend_points`; people and programs
that post by hand go through `adjust_points` and `reverse_posting`, which ask for the permission.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.profiles import lock_contact
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
from loyalty.programme import tiers
from workspace import access, audit, sql
from workspace.access import Actor
from workspace.errors import Problem

Account = PointsPosting.Account
PERMISSION = "loyalty.add_pointsposting"
# Sums of it still fit the column, and JSON holds it exactly.
POINTS_LIMIT = 2**53
CAUSE_LIMIT = 200
_PORTION = 10_000

_COLUMNS = {
    "contact_id": "bigint",
    "debit": "text",
    "credit": "text",
    "points": "bigint",
    "cause": "text",
    "reason": "text",
    "at": "timestamptz",
    "expires_at": "timestamptz",
    "rule_id": "integer",
    "reverses_id": "bigint",
}
_WRITE = f"""
INSERT INTO loyalty_pointsposting ({", ".join(_COLUMNS)}, actor_label)
SELECT {", ".join(f"line.{name}" for name in _COLUMNS)}, %s
FROM unnest({", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values())}) WITH ORDINALITY
  AS line ({", ".join(_COLUMNS)}, place)
ORDER BY line.contact_id, line.place
ON CONFLICT (contact_id, cause) DO NOTHING
RETURNING contact_id, id, cause
"""  # noqa: S608  made of our own words only


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be written; `at` is that of the whole batch where it has none of its own."""

    contact_id: int
    debit: str
    credit: str
    points: int
    cause: str
    reason: str = ""
    at: datetime | None = None
    expires_at: datetime | None = None
    rule_id: int | None = None
    reverses_id: int | None = None


@dataclass(frozen=True, slots=True)
class Earning:
    """Points that a member is to get."""

    contact_id: int
    points: int
    cause: str
    reason: str = ""
    at: datetime | None = None
    expires_at: datetime | None = None
    rule_id: int | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """Points that a member wants to spend."""

    contact_id: int
    points: int
    cause: str
    reason: str = ""


def balance(contact_id: int) -> int:
    """The points that the contact has; 0 for who is no member."""
    return Member.objects.filter(pk=contact_id).values_list("points", flat=True).first() or 0


def hold_members(contact_ids: Collection[int]) -> dict[int, Member]:
    """These contacts' memberships, locked in the order of their ids; also of those who left."""
    found = Member.objects.select_for_update().filter(pk__in=contact_ids).order_by("pk")
    return {member.pk: member for member in found}


@transaction.atomic
def earn_points(
    *,
    contact_id: int,
    points: int,
    cause: str,
    reason: str,
    actor: Actor,
    at: datetime,
    expires_at: datetime | None = None,
) -> PointsPosting:
    """Give a member points. Raises ContactUnknown, MemberMissing, PointsInvalid, CauseTaken."""
    contact_id = lock_contact(contact_id).pk
    earning = Earning(contact_id, points, cause, reason, expires_at=expires_at)
    line = _earned(earning)
    if known := _known(line):
        return known
    _require_member(contact_id)
    earn_many([earning], actor=actor, at=at)
    return _found(line)


@transaction.atomic
def earn_many(earnings: Sequence[Earning], *, actor: Actor, at: datetime) -> list[PointsPosting]:
    """Give many members points; the lines that are new, without those whose cause counted before.

    Who has no membership gets nothing; who left still gets what he earned before. Whoever reaches
    a tier is in it at once. Whoever calls holds the contacts.
    """
    members = hold_members({earning.contact_id for earning in earnings})
    lines = [_earned(one) for one in earnings if one.contact_id in members]
    written = write_lines(lines, actor=actor, at=at)
    if written:
        tiers.lift({posting.contact_id for posting in written}, at=at)
    return written


@transaction.atomic
def spend_points(
    *, contact_id: int, points: int, cause: str, reason: str, actor: Actor, at: datetime
) -> PointsPosting:
    """Take points from a member for something.

    Raises PointsMissing, which says how many there are, where he has less; ContactUnknown,
    MemberMissing for who is no member (any more), PointsInvalid, CauseTaken.
    """
    contact_id = lock_contact(contact_id).pk
    line = _spent(Spending(contact_id, points, cause, reason))
    if known := _known(line):
        return known
    member = _require_member(contact_id)
    if member.points < points:
        raise PointsMissing.of(points, member.points)
    write_lines([line], actor=actor, at=at)
    return _found(line)


@transaction.atomic
def spend_many(
    spendings: Sequence[Spending], *, actor: Actor, at: datetime
) -> list[PointsPosting | None]:
    """Take points from many members; for each its line, or None for who has not as many.

    In the order given, so that of two for one member the first comes first; a cause that counted
    before answers with its line. None also for who is no member. Whoever calls holds the contacts.
    """
    members = hold_members({one.contact_id for one in spendings})
    lines = [_spent(one) for one in spendings]
    known = _known_lines(lines)
    left = {pk: member.points for pk, member in members.items() if member.left_at is None}
    fitting: list[Line] = []
    for line in lines:
        key = (line.contact_id, line.cause)
        if key not in known and left.get(line.contact_id, 0) >= line.points:
            left[line.contact_id] -= line.points
            fitting.append(line)
    written = {(one.contact_id, one.cause): one for one in write_lines(fitting, actor=actor, at=at)}
    return [(known | written).get((line.contact_id, line.cause)) for line in lines]


@transaction.atomic
def adjust_points(
    *,
    contact_id: int,
    points: int,
    reason: str,
    actor: Actor,
    at: datetime,
    cause: str = "",
    expires_at: datetime | None = None,
) -> PointsPosting:
    """Give a member points or, where `points` is negative, take some, by hand and for a reason.

    More may be taken than there is: he owes it then. Without a cause each call counts. Raises
    NotAllowed, ContactUnknown, MemberMissing, PointsInvalid, CauseTaken.
    """
    access.require(actor, PERMISSION)
    contact_id = lock_contact(contact_id).pk
    _check(points, reason, cause or "by hand", expires_at=expires_at, at=at)
    member = _require_member(contact_id)
    line = _adjusted(contact_id, points, cause, reason, expires_at)
    if known := _known(line):
        return known
    write_lines([line], actor=actor, at=at)
    posting = _found(line)
    _record("points.adjusted", posting, member.points, points, actor, at)
    return posting


@transaction.atomic
def post_points(
    *,
    contact_id: int,
    points: int,
    kind: str,
    reason: str,
    actor: Actor,
    at: datetime,
    cause: str = "",
    expires_at: datetime | None = None,
) -> PointsPosting:
    """Post by hand what a member earned, spent, or what is adjusted, as `kind` says.

    Raises NotAllowed, and what the verb of the kind raises.
    """
    access.require(actor, PERMISSION)
    if kind == "adjusted":
        return adjust_points(
            contact_id=contact_id,
            points=points,
            reason=reason,
            actor=actor,
            at=at,
            cause=cause,
            expires_at=expires_at,
        )
    contact_id = lock_contact(contact_id).pk
    _check(points, reason, cause or "by hand", is_signed=False, expires_at=expires_at, at=at)
    if kind == "spent" and expires_at is not None:
        message = _("Only points that are given can expire: leave “expires_at” out.")
        raise PointsInvalid(message, problems=[Problem("expires_at", "invalid", message)])
    cause = cause or f"{kind}:{_line_count(contact_id)}"
    before = balance(contact_id)
    if kind == "spent":
        posting = spend_points(
            contact_id=contact_id, points=points, cause=cause, reason=reason, actor=actor, at=at
        )
    else:
        posting = earn_points(
            contact_id=contact_id,
            points=points,
            cause=cause,
            reason=reason,
            actor=actor,
            at=at,
            expires_at=expires_at,
        )
    if balance(contact_id) != before:
        _record(f"points.{kind}", posting, before, posting.step, actor, at)
    return posting


def owner_of(posting_id: int) -> int:
    """Whose line this is. Raises PostingUnknown."""
    found = PointsPosting.objects.filter(id=posting_id).values_list("contact_id", flat=True).first()
    if found is None:
        raise PostingUnknown(_("There is no posting %(id)d.") % {"id": posting_id})
    return found


def write_difference(member: Member, wanted: int, *, actor: Actor, at: datetime) -> None:
    """Adjust the points of a member who is held to a number, for verbs that say so themselves."""
    step = wanted - member.points
    _check(step, "", "by hand")
    write_lines([_adjusted(member.pk, step)], actor=actor, at=at)
    member.points = wanted


@transaction.atomic
def reverse_posting(
    *,
    contact_id: int,
    posting_id: int,
    reason: str,
    actor: Actor,
    at: datetime,
    cause: str = "",
) -> PointsPosting:
    """Undo a line by its opposite, once. Both then count no more, for what expires and for tiers.

    Points that were spent come back with the time that they had; points that were earned go, also
    where they are spent already. With a cause that reversed it before, it answers with that line.
    Raises NotAllowed, PostingUnknown, PostingReversed, and PostingKept for a reversal, for points
    that expired and for those whose time is over.
    """
    access.require(actor, PERMISSION)
    return take_back(
        contact_id=contact_id,
        posting_id=posting_id,
        reason=reason,
        actor=actor,
        at=at,
        cause=cause,
    )


@transaction.atomic
def take_back(
    *,
    contact_id: int,
    posting_id: int,
    reason: str,
    actor: Actor,
    at: datetime,
    cause: str = "",
) -> PointsPosting:
    """The same for other verbs, which have decided who may: a claim that is revoked."""
    contact_id = lock_contact(contact_id).pk
    _check(1, reason, cause or "by hand", at=at)
    member = hold_members([contact_id]).get(contact_id)
    original = PointsPosting.objects.filter(contact_id=contact_id, id=posting_id).first()
    if original is None or member is None:
        message = _("Contact #%(contact)d has no posting %(id)d.")
        raise PostingUnknown(message % {"contact": contact_id, "id": posting_id})
    done = PointsPosting.objects.filter(contact_id=contact_id, reverses_id=posting_id).first()
    if done is not None:
        if cause and done.cause == cause:
            return done
        message = _("Posting %(id)d was reversed already, by posting %(by)d.")
        raise PostingReversed(message % {"id": posting_id, "by": done.id})
    _require_reversible(original, at)
    line = Line(
        contact_id,
        original.credit,
        original.debit,
        original.points,
        cause or f"reversal:{posting_id}",
        reason,
        reverses_id=posting_id,
    )
    if _known_lines([line]):
        raise _taken(line)
    write_lines([line], actor=actor, at=at)
    posting = _found(line)
    _record("points.reversed", posting, member.points, posting.step, actor, at)
    return posting


def write_lines(lines: Sequence[Line], *, actor: Actor, at: datetime) -> list[PointsPosting]:
    """Write these lines, each cause once; those that are new.

    Their members are held and known to have what is taken.
    """
    wanted = {(line.contact_id, line.cause): line for line in reversed(lines)}
    written = []
    for start in range(0, len(lines), _PORTION):
        portion = lines[start : start + _PORTION]
        columns = [[getattr(line, name) for line in portion] for name in _COLUMNS]
        columns[list(_COLUMNS).index("at")] = [line.at or at for line in portion]
        for contact_id, posting_id, cause in sql.lists(_WRITE, [actor.label[:200], *columns]):
            line = wanted[contact_id, cause]
            written.append(_posting(line, posting_id, actor, at))
    return written


def _posting(line: Line, posting_id: int, actor: Actor, at: datetime) -> PointsPosting:
    return PointsPosting(
        contact_id=line.contact_id,
        id=posting_id,
        debit=line.debit,
        credit=line.credit,
        points=line.points,
        cause=line.cause,
        reason=line.reason,
        at=line.at or at,
        expires_at=line.expires_at,
        rule_id=line.rule_id,
        reverses_id=line.reverses_id,
        actor_label=actor.label[:200],
    )


def _earned(one: Earning) -> Line:
    _check(one.points, one.reason, one.cause, is_signed=False)
    return Line(
        one.contact_id,
        Account.ISSUED,
        Account.MEMBER,
        one.points,
        one.cause,
        one.reason,
        one.at,
        one.expires_at,
        one.rule_id,
    )


def _spent(one: Spending) -> Line:
    _check(one.points, one.reason, one.cause, is_signed=False)
    return Line(one.contact_id, Account.MEMBER, Account.SPENT, one.points, one.cause, one.reason)


def _adjusted(
    contact_id: int,
    points: int,
    cause: str = "",
    reason: str = "",
    expires_at: datetime | None = None,
) -> Line:
    debit, credit = (
        (Account.ADJUSTED, Account.MEMBER) if points > 0 else (Account.MEMBER, Account.ADJUSTED)
    )
    cause = cause or f"adjustment:{_line_count(contact_id)}"
    return Line(contact_id, debit, credit, abs(points), cause, reason, expires_at=expires_at)


def _line_count(contact_id: int) -> int:
    """How many lines the contact has: a number that no line before has in its cause."""
    return PointsPosting.objects.filter(contact_id=contact_id).count()


def _check(
    points: int,
    reason: str,
    cause: str,
    *,
    is_signed: bool = True,
    expires_at: datetime | None = None,
    at: datetime | None = None,
) -> None:
    """Raise PointsInvalid with every fault of what is to be posted."""
    problems = []
    if points == 0 or (points < 0 and not is_signed):
        message = _("“points” must not be 0.") if is_signed else _("“points” must be above 0.")
        problems.append(Problem("points", "out_of_range", message))
    if abs(points) > POINTS_LIMIT:
        message = _("“points” has 16 digits at most.")
        problems.append(Problem("points", "out_of_range", message))
    if not 0 < len(cause) <= CAUSE_LIMIT or "\0" in cause:
        message = _("“cause” has 1 to %(limit)d characters.") % {"limit": CAUSE_LIMIT}
        problems.append(Problem("cause", "invalid", message))
    if len(reason) > 300 or "\0" in reason:
        problems.append(Problem("reason", "invalid", _("“reason” has 300 characters at most.")))
    if expires_at is not None and points < 0:
        message = _("Only points that are given can expire: leave “expires_at” out.")
        problems.append(Problem("expires_at", "invalid", message))
    elif expires_at is not None and at is not None and expires_at <= at:
        problems.append(Problem("expires_at", "past", _("“expires_at” is over already.")))
    if problems:
        raise PointsInvalid(problems[0].message, problems=problems)


def _require_member(contact_id: int) -> Member:
    member = hold_members([contact_id]).get(contact_id)
    if member is None or member.left_at is not None:
        message = _("Contact #%(id)d is no member of the loyalty programme: let him join first.")
        raise MemberMissing(message % {"id": contact_id})
    return member


def _require_reversible(original: PointsPosting, at: datetime) -> None:
    message = ""
    if original.reverses_id is not None:
        message = _("Posting %(id)d is a reversal itself: adjust the points instead.")
    elif original.credit == Account.EXPIRED:
        message = _(
            "Points that expired do not come back by a reversal: adjust the points instead."
        )
    elif original.expires_at is not None and original.expires_at <= at:
        message = _("The points of posting %(id)d have expired: adjust the points instead.")
    if message:
        raise PostingKept(message % {"id": original.id})


def _known(line: Line) -> PointsPosting | None:
    """The line that its cause has already. Raises CauseTaken where that is another one."""
    return _known_lines([line]).get((line.contact_id, line.cause))


def _known_lines(lines: Iterable[Line]) -> dict[tuple[int, str], PointsPosting]:
    by_key = {(line.contact_id, line.cause): line for line in lines}
    found = PointsPosting.objects.filter(
        contact_id__in={contact_id for contact_id, _cause in by_key},
        cause__in={cause for _contact_id, cause in by_key},
    )
    known = {}
    for posting in found:
        line = by_key.get((posting.contact_id, posting.cause))
        if line is None:
            continue
        if (posting.debit, posting.credit, posting.points, posting.reverses_id) != (
            line.debit,
            line.credit,
            line.points,
            line.reverses_id,
        ):
            raise _taken(line)
        known[posting.contact_id, posting.cause] = posting
    return known


def _taken(line: Line) -> CauseTaken:
    message = _("The cause “%(cause)s” has counted already, for something else.")
    return CauseTaken(message % {"cause": line.cause})


def _found(line: Line) -> PointsPosting:
    return PointsPosting.objects.get(contact_id=line.contact_id, cause=line.cause)


def _record(
    action: str, posting: PointsPosting, before: int, step: int, actor: Actor, at: datetime
) -> None:
    # Without the reason, which may tell of the person: it stands in the ledger.
    audit.record(
        actor=actor,
        action=action,
        object_type=PointsPosting._meta.label_lower,
        object_id=f"{posting.contact_id}:{posting.id}",
        label=f"#{posting.contact_id}",
        changes={"points": [before, before + step]},
        at=at,
    )
