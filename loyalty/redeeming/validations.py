"""Validation: can these cards pay this order, and how much; a session may hold them meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from loyalty.gift_cards import ledger
from loyalty.models import Voucher
from loyalty.redeeming import sessions
from loyalty.redeeming.applicability import (
    Part,
    Question,
    apply_cards,
    check_order,
    check_redeemables,
    known_vouchers,
)
from loyalty.redeeming.redeemables import OrderFacts, Redeemable
from loyalty.redeeming.sessions import Hold, Session, SessionWish
from loyalty.validation_rules.judging import Purpose
from workspace import access
from workspace.access import Actor


@dataclass(frozen=True, slots=True)
class Validation:
    """What each card can pay. Valid where none is refused and at least one pays."""

    valid: bool
    parts: tuple[Part, ...]
    order: OrderFacts
    session: Session | None

    @property
    def discount_minor(self) -> int:
        """What the cards pay together."""
        return sum(part.credits for part in self.parts if part.is_applicable)

    @property
    def total_minor(self) -> int | None:
        """What is left to be paid of the order; None where nobody said its amount."""
        amount = self.order.amount_minor
        return None if amount is None else amount - self.discount_minor


def validate(
    *,
    redeemables: Sequence[Redeemable],
    order: OrderFacts | None = None,
    contact_id: int | None = None,
    session: SessionWish | None = None,
    actor: Actor,
    at: datetime,
) -> Validation:
    """Say of each card whether it pays and how much, in the order in which they are given.

    With a session, cards that can pay are held for it: validating again with the same key holds
    what can pay then instead, and where the cards cannot pay what was held stays. Without one
    nothing is written. Raises RedeemablesInvalid, RedemptionRefused (`duplicated_redeemables`)
    and SessionInvalid; what is wrong with a card is said of its part.
    """
    access.require(actor, "loyalty.view_voucher")
    order = order or OrderFacts()
    wishes = check_redeemables(redeemables)
    check_order(order)
    if session is None:
        question = Question(wishes, order, contact_id, "", Purpose.VALIDATION, at)
        return _answer(question, find_vouchers(wishes, actor), None)
    access.require(actor, "loyalty.add_redemption")
    begun = sessions.begin(session, at=at)
    with transaction.atomic():
        sessions.take_turn(begun.key)
        question = Question(wishes, order, contact_id, begun.key, Purpose.VALIDATION, at)
        answer = _answer(question, hold_known(find_vouchers(wishes, actor)), begun)
        if answer.valid:
            holds = [
                Hold(part.voucher.pk, part.contact_id, part.credits)
                for part in answer.parts
                if part.voucher is not None and part.is_applicable
            ]
            sessions.hold(begun, holds, at=at)
    return answer


def find_vouchers(wishes: Sequence[Redeemable], actor: Actor) -> dict[str, Voucher]:
    """The cards of these codes that the actor may know of, by code."""
    found = known_vouchers(actor).filter(code__in=[wish.code for wish in wishes])
    return {voucher.code: voucher for voucher in found}


def hold_known(vouchers: dict[str, Voucher]) -> dict[str, Voucher]:
    """The same cards as they are now, locked in the order of their ids."""
    held = ledger.hold_vouchers([voucher.pk for voucher in vouchers.values()])
    return {voucher.code: voucher for voucher in held.values()}


def _answer(
    question: Question, vouchers: dict[str, Voucher], session: Session | None
) -> Validation:
    parts = tuple(apply_cards(question, vouchers))
    is_refused = any(part.failure is not None for part in parts)
    valid = not is_refused and any(part.is_applicable for part in parts)
    return Validation(valid, parts, question.order, session if valid else None)
