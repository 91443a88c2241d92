"""Rollback: a redemption is undone, once, and its cards have their money and their use again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from loyalty.errors import (
    AlreadyRolledBack,
    InvalidRedemptionParent,
    RedemptionFailed,
    RollbackTooLate,
)
from loyalty.gift_cards import ledger
from loyalty.gift_cards.ledger import Movement
from loyalty.gift_cards.validity import months_later
from loyalty.models import CardPosting, Redemption, Rollback, Voucher
from loyalty.redeeming import redemption_events
from loyalty.redeeming.redemption_events import Happening
from loyalty.redeeming.redemptions import consume, find_redemption, hold_contacts
from workspace import access, audit
from workspace.access import Actor
from workspace.errors import DomainError

MONTHS = 3
_REASON_LIMIT = 300
State = Redemption.State


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What was undone: a rollback for each card, and one for their parent where they were several.

    The `redemption` of each has the card as it is afterwards.
    """

    redemption: Redemption
    parts: tuple[Rollback, ...]
    parent: Rollback | None

    @property
    def amount_minor(self) -> int:
        """How much money the cards have again."""
        return sum(part.amount_minor for part in self.parts)


def roll_back(
    redemption_id: int, *, reason: str = "", tracking_id: str = "", actor: Actor, at: datetime
) -> RolledBack:
    """Undo a redemption of one card, or by its parent that of several, up to three months later.

    The months are those of the calendar. A card that is disabled has its money again all the same;
    one that has expired has it until expiry is booked next. A refusal is recorded as a failed
    rollback, in a transaction of its own or, within one of the caller, in that. Raises
    RedemptionUnknown, AlreadyRolledBack, RedemptionFailed, RollbackTooLate, and
    InvalidRedemptionParent for one of several cards alone.
    """
    access.require(actor, "loyalty.rollback_redemption")
    redemption = find_redemption(redemption_id, actor=actor)
    try:
        with transaction.atomic():
            return _roll_back(redemption, reason[:_REASON_LIMIT], tracking_id[:120], actor, at)
    except (
        AlreadyRolledBack,
        RedemptionFailed,
        RollbackTooLate,
        InvalidRedemptionParent,
    ) as refused:
        refusal = refused
    with transaction.atomic():
        _record_failure(redemption, refusal, reason[:_REASON_LIMIT], tracking_id[:120], actor, at)
    raise refusal


def _roll_back(
    redemption: Redemption, reason: str, tracking_id: str, actor: Actor, at: datetime
) -> RolledBack:
    parts = list(Redemption.objects.filter(parent=redemption).order_by("pk")) or [redemption]
    voucher_ids = [part.voucher_id for part in parts if part.voucher_id is not None]
    found = Voucher.objects.filter(pk__in=voucher_ids)
    hold_contacts(redemption.contact_id, found)
    vouchers = ledger.hold_vouchers(voucher_ids)
    ids = {redemption.pk, *(part.pk for part in parts)}
    locked = Redemption.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    held = {one.pk: one for one in locked}
    _refuse(held[redemption.pk], at)
    undone = _undo([held[part.pk] for part in parts], vouchers, reason, tracking_id, actor, at)
    parent = None
    if redemption.voucher_id is None:
        parent = Rollback.objects.create(
            redemption=held[redemption.pk],
            amount_minor=sum(part.amount_minor for part in undone),
            reason=reason,
            tracking_id=tracking_id,
            state=Rollback.State.SUCCEEDED,
            actor_label=actor.label[:200],
            at=at,
        )
    Redemption.objects.filter(pk__in=ids).update(state=State.ROLLED_BACK)
    for one in held.values():
        one.state = State.ROLLED_BACK
    changes = {"state": [State.SUCCEEDED.value, State.ROLLED_BACK.value], "reason": ["", reason]}
    audit.record(
        actor=actor, action="redemption.rolled_back", subject=redemption, changes=changes, at=at
    )
    happenings = [
        _happening("rolled_back", part, held[part.redemption_id], vouchers) for part in undone
    ]
    redemption_events.tell(happenings, at=at)
    consume(happenings, at=at)
    return RolledBack(held[redemption.pk], tuple(undone), parent)


def _refuse(redemption: Redemption, at: datetime) -> None:
    words = {"id": redemption.pk}
    if redemption.parent_id is not None:
        words |= {"parent": redemption.parent_id}
        message = _(
            "Redemption %(id)s is one of several cards that paid together: roll back redemption"
            " %(parent)s, which has all of them."
        )
        raise InvalidRedemptionParent(message % words, parent_id=redemption.parent_id)
    if redemption.state == State.ROLLED_BACK:
        message = _("Redemption %(id)s was rolled back before.") % words
        raise AlreadyRolledBack(message)
    if redemption.state == State.FAILED:
        message = _("Redemption %(id)s failed: there is nothing to roll back.") % words
        raise RedemptionFailed(message)
    if at > months_later(redemption.at, MONTHS):
        message = _("Redemption %(id)s is more than three months old: add to the balance instead.")
        raise RollbackTooLate(message % words)


def _undo(
    parts: Sequence[Redemption],
    vouchers: dict[int, Voucher],
    reason: str,
    tracking_id: str,
    actor: Actor,
    at: datetime,
) -> list[Rollback]:
    """Write the rollbacks of these parts and move the money back."""
    made = Rollback.objects.bulk_create(
        Rollback(
            redemption=part,
            amount_minor=part.amount_minor,
            reason=reason,
            tracking_id=tracking_id,
            state=Rollback.State.SUCCEEDED,
            actor_label=actor.label[:200],
            at=at,
        )
        for part in parts
    )
    paid = CardPosting.objects.filter(redemption__in=parts, kind=ledger.Kind.REDEMPTION)
    posting_ids = dict(paid.values_list("redemption_id", "pk"))
    movements = [
        Movement(
            voucher_id=_voucher_id(rollback.redemption),
            kind=ledger.Kind.ROLLBACK,
            amount_minor=rollback.amount_minor,
            cause=f"rollback:{rollback.pk}",
            redemption_id=rollback.redemption_id,
            reverses_id=posting_ids[rollback.redemption_id],
            source_id=rollback.redemption.order_reference,
            reason=reason,
        )
        for rollback in made
    ]
    for posted in ledger.move(movements, actor_label=actor.label, at=at):
        voucher = vouchers[posted.voucher_id]
        voucher.balance_minor = posted.balance_minor
        voucher.redeemed_minor -= posted.amount_minor
        voucher.redeemed_count -= 1
    for rollback in made:
        rollback.redemption.voucher = vouchers[_voucher_id(rollback.redemption)]
    return made


def _record_failure(
    redemption: Redemption,
    refusal: DomainError,
    reason: str,
    tracking_id: str,
    actor: Actor,
    at: datetime,
) -> None:
    rollback = Rollback.objects.create(
        redemption=redemption,
        reason=reason,
        tracking_id=tracking_id,
        state=Rollback.State.FAILED,
        failure_code=refusal.code,
        failure_message=str(refusal)[:500],
        actor_label=actor.label[:200],
        at=at,
    )
    if redemption.voucher is not None:
        vouchers = {redemption.voucher.pk: redemption.voucher}
        happening = _happening("not_rolled_back", rollback, redemption, vouchers)
        redemption_events.tell([happening], at=at)


def _happening(
    kind: str, rollback: Rollback, redemption: Redemption, vouchers: dict[int, Voucher]
) -> Happening:
    return Happening(
        kind,
        redemption,
        vouchers[_voucher_id(redemption)],
        rollback.amount_minor,
        number=rollback.pk,
        reason=rollback.reason,
        failure_code=rollback.failure_code,
        failure_message=rollback.failure_message,
    )


def _voucher_id(redemption: Redemption) -> int:
    assert redemption.voucher_id is not None, "a part is of a card"
    return redemption.voucher_id
