"""What people and programs do to a card besides paying: its money, whether and until when it works.

Each says who did it and why, in the ledger and in the audit trail.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, Sum
from django.utils.translation import gettext as _

from loyalty.errors import BalanceInvalid, VoucherUnknown
from loyalty.gift_cards import ledger, states
from loyalty.gift_cards.ledger import Movement
from loyalty.models import CardPosting, Voucher
from loyalty.money import money
from loyalty.redeeming.applicability import AMOUNT_LIMIT, clean_code, known_vouchers
from workspace import access, audit
from workspace.access import Actor
from workspace.errors import Problem

_REASON_LIMIT, _SOURCE_LIMIT = 300, 150
CHANGEABLE = ("starts_at", "expires_at", "redemption_limit", "metadata")


@dataclass(frozen=True, slots=True)
class Totals:
    """Money of a card over its life: what ever came onto it, and what was taken away by hand."""

    income_minor: int
    removed_minor: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What was given (or, negative, taken), and what the card has afterwards.

    `is_repeated` where the same had been done before, under the same source id.
    """

    posting_id: int
    amount_minor: int
    voucher: Voucher
    is_repeated: bool = False


def find_voucher(code: str, *, actor: Actor) -> Voucher:
    """The card of this code, in capital or small letters. Raises VoucherUnknown."""
    access.require(actor, "loyalty.view_voucher")
    found = known_vouchers(actor).select_related("holder").filter(code=clean_code(code)).first()
    if found is None:
        raise VoucherUnknown(code)
    return found


@transaction.atomic
def enable(voucher: Voucher, *, reason: str = "", actor: Actor, at: datetime) -> Voucher:
    """Let a card pay again. Raises VoucherUnknown."""
    return _switch(voucher, True, "voucher.enabled", reason, actor, at)


@transaction.atomic
def disable(voucher: Voucher, *, reason: str = "", actor: Actor, at: datetime) -> Voucher:
    """Let a card pay no more, until it is enabled; its money stays. Raises VoucherUnknown."""
    return _switch(voucher, False, "voucher.disabled", reason, actor, at)


@transaction.atomic
def add_balance(
    voucher: Voucher,
    amount_minor: int,
    *,
    source_id: str = "",
    reason: str = "",
    actor: Actor,
    at: datetime,
) -> Moved:
    """Give a card money or, with a negative amount, take some of it away.

    Once for each `source_id`: again with the same amount answers what was done. Raises
    VoucherUnknown, and BalanceInvalid for more than there is, nothing, another amount under a
    source id that was used, and a card whose time is over.
    """
    access.require(actor, "loyalty.change_balance_voucher")
    _check_texts(source_id)
    held = hold(voucher, actor=actor)
    cause = f"balance:{held.pk}:{source_id or secrets.token_hex(8)}"
    if source_id and (known := CardPosting.objects.filter(cause=cause).first()) is not None:
        return _repeated(known, amount_minor, held, source_id)
    _check_amount(held, amount_minor, at=at)
    is_given = amount_minor > 0
    movement = Movement(
        voucher_id=held.pk,
        kind=ledger.Kind.ADDITION if is_given else ledger.Kind.REMOVAL,
        amount_minor=abs(amount_minor),
        cause=cause,
        source_id=source_id,
        reason=reason[:_REASON_LIMIT],
    )
    return _move(held, movement, amount_minor, reason=reason, actor=actor, at=at)


@transaction.atomic
def reverse_addition(posting_id: int, *, reason: str = "", actor: Actor, at: datetime) -> Moved:
    """Take back what was added to a card, once and as a whole.

    Raises VoucherUnknown, and BalanceInvalid for what was no addition, was reversed before, or
    was spent meanwhile.
    """
    access.require(actor, "loyalty.change_balance_voucher")
    posting = CardPosting.objects.filter(pk=posting_id).select_related("voucher").first()
    if posting is None or posting.voucher is None:
        raise VoucherUnknown(posting_id)
    held = hold(posting.voucher, actor=actor)
    if posting.kind != ledger.Kind.ADDITION:
        raise _invalid(_("Only what was added to a balance is reversed here."))
    if CardPosting.objects.filter(reverses=posting).exists():
        raise _invalid(_("It was reversed before."))
    _check_amount(held, -posting.amount_minor, at=at)
    movement = Movement(
        voucher_id=held.pk,
        kind=ledger.Kind.REMOVAL,
        amount_minor=posting.amount_minor,
        cause=f"reversal:{posting.pk}",
        reverses_id=posting.pk,
        reason=reason[:_REASON_LIMIT],
    )
    return _move(held, movement, -posting.amount_minor, reason=reason, actor=actor, at=at)


@transaction.atomic
def update_voucher(
    voucher: Voucher,
    *,
    changes: Mapping[str, Any],
    reason: str = "",
    actor: Actor,
    at: datetime,
) -> Voucher:
    """Change what is named of a card: `starts_at`, `expires_at`, `redemption_limit`, `metadata`.

    One that had expired and has time again gets back what was booked as expired. Raises
    VoucherUnknown, and BalanceInvalid with what is wrong.
    """
    access.require(actor, "loyalty.change_voucher")
    if unknown := changes.keys() - set(CHANGEABLE):
        raise TypeError(f"A card's {', '.join(sorted(unknown))} cannot be changed.")
    held = hold(voucher, actor=actor)
    before = {name: getattr(held, name) for name in CHANGEABLE}
    for name, value in changes.items():
        setattr(held, name, value)
    _check_dates(held)
    difference = audit.difference(before, {name: getattr(held, name) for name in CHANGEABLE})
    if not difference:
        return held
    held.save(update_fields=list(changes))
    end = states.expires_at(held)
    if held.expired_at is not None and (end is None or end > at):
        ledger.reinstate([held.pk], actor_label=actor.label, at=at)
        held.refresh_from_db(fields=["balance_minor", "expired_at"])
    if reason:
        difference["reason"] = ["", reason[:_REASON_LIMIT]]
    audit.record(actor=actor, action="voucher.updated", subject=held, changes=difference, at=at)
    return held


def totals_of(voucher: Voucher) -> Totals:
    """What ever came onto a card, with its value, and what was removed by hand. One query."""
    sums = CardPosting.objects.filter(voucher=voucher).aggregate(
        added=Sum("amount_minor", filter=Q(kind=ledger.Kind.ADDITION)),
        removed=Sum("amount_minor", filter=Q(kind=ledger.Kind.REMOVAL)),
    )
    return Totals(voucher.initial_minor + (sums["added"] or 0), sums["removed"] or 0)


def hold(voucher: Voucher, *, actor: Actor) -> Voucher:
    """The card as it is now, locked until the transaction ends. Raises VoucherUnknown."""
    held = ledger.hold_vouchers([voucher.pk]).get(voucher.pk)
    if held is None or not access.is_visible(held.campaign, actor):
        raise VoucherUnknown(voucher.code)
    return held


def _switch(
    voucher: Voucher, is_enabled: bool, action: str, reason: str, actor: Actor, at: datetime
) -> Voucher:
    access.require(actor, "loyalty.change_voucher")
    held = hold(voucher, actor=actor)
    if held.is_enabled != is_enabled:
        held.is_enabled = is_enabled
        held.save(update_fields=["is_enabled"])
        changes: dict[str, Any] = {"enabled": [not is_enabled, is_enabled]}
        if reason:
            changes["reason"] = ["", reason[:_REASON_LIMIT]]
        audit.record(actor=actor, action=action, subject=held, changes=changes, at=at)
    return held


def _move(
    held: Voucher,
    movement: Movement,
    amount_minor: int,
    *,
    reason: str,
    actor: Actor,
    at: datetime,
) -> Moved:
    before = held.balance_minor
    [posted] = ledger.move([movement], actor_label=actor.label, at=at)
    held.balance_minor = posted.balance_minor
    changes: dict[str, Any] = {"balance_minor": [before, posted.balance_minor]}
    if reason:
        changes["reason"] = ["", reason[:_REASON_LIMIT]]
    audit.record(
        actor=actor, action="voucher.balance_changed", subject=held, changes=changes, at=at
    )
    return Moved(posted.id, amount_minor, held)


def _repeated(known: CardPosting, amount_minor: int, held: Voucher, source_id: str) -> Moved:
    done = known.amount_minor if known.kind == ledger.Kind.ADDITION else -known.amount_minor
    if done != amount_minor:
        words = {"source": source_id, "amount": money(done, known.currency)}
        message = _("Under the source id “%(source)s” the balance was changed by %(amount)s.")
        raise _invalid(message % words, "source_id")
    return Moved(known.pk, done, held, is_repeated=True)


def _check_amount(held: Voucher, amount_minor: int, *, at: datetime) -> None:
    currency = held.campaign.currency
    if amount_minor == 0 or abs(amount_minor) > AMOUNT_LIMIT:
        raise _invalid(_("The amount is a whole number of minor units, and not zero."))
    if held.balance_minor + amount_minor > AMOUNT_LIMIT:
        raise _invalid(_("No card has so much."))
    end = states.expires_at(held)
    if amount_minor > 0 and end is not None and end <= at:
        words = {"code": held.code}
        message = _("Card %(code)s has expired: give it more time first.") % words
        raise _invalid(message)
    if held.balance_minor + amount_minor < 0:
        words = {"code": held.code, "balance": money(held.balance_minor, currency)}
        message = _("Card %(code)s has %(balance)s: more cannot be taken from it.")
        raise _invalid(message % words)


def _check_dates(held: Voucher) -> None:
    if held.starts_at and held.expires_at and held.starts_at >= held.expires_at:
        raise _invalid(_("A card begins before it ends."), "expires_at")
    limit = held.redemption_limit
    if limit is not None and not max(held.redeemed_count, 1) <= limit < 2**31:
        message = _("The card was used %(count)d times: the limit is at least that, and one.")
        raise _invalid(message % {"count": held.redeemed_count}, "redemption_limit")


def _check_texts(source_id: str) -> None:
    if len(source_id) > _SOURCE_LIMIT or "\0" in source_id:
        words = {"limit": _SOURCE_LIMIT}
        message = _("A source id has up to %(limit)d characters.") % words
        raise _invalid(message, "source_id")


def _invalid(message: str, path: str = "amount") -> BalanceInvalid:
    problem = Problem(path, BalanceInvalid.code, message)
    return BalanceInvalid(message, problems=[problem])
