"""Redemption: cards pay an order, all of them or none, each once however often one asks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from contacts.events import share_recording
from contacts.survivors import survivor_of
from loyalty.errors import RedemptionRefused, RedemptionUnknown, SessionUsed
from loyalty.gift_cards import ledger
from loyalty.gift_cards.ledger import Movement
from loyalty.models import Campaign, Redemption, Voucher
from loyalty.redeeming import redemption_events, sessions
from loyalty.redeeming.applicability import (
    Part,
    Question,
    apply_cards,
    check_order,
    check_redeemables,
)
from loyalty.redeeming.redeemables import OrderFacts, Redeemable
from loyalty.redeeming.redemption_events import Happening
from loyalty.redeeming.validations import find_vouchers, hold_known
from loyalty.validation_rules.judging import Purpose
from workspace import access, sql
from workspace.access import Actor
from workspace.errors import Problem
from workspace.models import AuditEntry

State = Redemption.State
Consume = Callable[[Sequence[Happening], datetime], None]
_consumers: dict[str, Consume] = {}


@dataclass(frozen=True, slots=True)
class RedeemedPart:
    """A card that paid; the redemption's `voucher` is the card as it is afterwards."""

    redemption: Redemption
    voucher: Voucher
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What cards paid; `parent` where they were several. `skipped` had nothing left to pay."""

    parts: tuple[RedeemedPart, ...]
    parent: Redemption | None
    order: OrderFacts
    skipped: tuple[str, ...] = ()

    @property
    def discount_minor(self) -> int:
        """What the cards paid together."""
        return sum(part.redemption.amount_minor for part in self.parts)

    @property
    def total_minor(self) -> int | None:
        """What is left to be paid of the order; None where nobody said its amount."""
        amount = self.order.amount_minor
        return None if amount is None else amount - self.discount_minor


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is said of a redemption besides its cards."""

    order: OrderFacts
    contact_id: int | None
    session_key: str
    tracking_id: str
    metadata: Mapping[str, Any]
    is_client_side: bool
    actor: Actor
    at: datetime


def register_consumer(name: str, consume: Consume) -> None:
    """Have `consume` told what was redeemed and rolled back, in the transaction of the fact.

    May be called again.
    """
    _consumers[name] = consume


def redeem(
    *,
    redeemables: Sequence[Redeemable],
    order: OrderFacts | None = None,
    contact_id: int | None = None,
    session_key: str = "",
    tracking_id: str = "",
    metadata: Mapping[str, Any] | None = None,
    actor: Actor,
    at: datetime,
    is_client_side: bool = False,
) -> Redeemed:
    """Let the cards pay, all of them or none, in the order in which they are given.

    With the key of a session that was redeemed before, for the same order with the same cards, it
    answers what was done then. Whose the cards are is `contact_id`, else their holder.

    A refusal is recorded as a failed redemption, in a transaction of its own or, within one of the
    caller, in that: who wants to keep the record commits although this raises. Raises
    RedemptionRefused with Voucherify's key (`not_found` for an unknown code), RedeemablesInvalid,
    SessionInvalid or SessionUsed.
    """
    access.require(actor, "loyalty.add_redemption")
    order = order or OrderFacts()
    wishes = check_redeemables(redeemables)
    check_order(order)
    wanted = _Wanted(
        order=order,
        contact_id=contact_id,
        session_key=sessions.check_key(session_key),
        tracking_id=tracking_id,
        metadata=metadata or {},
        is_client_side=is_client_side,
        actor=actor,
        at=at,
    )
    try:
        with transaction.atomic():
            return _redeem(wishes, wanted)
    except _Refused as refused:
        parts = refused.parts
    with transaction.atomic():
        _record_failures(parts, wanted)
    raise _refusal(parts)


def consume(happenings: Sequence[Happening], *, at: datetime) -> None:
    """Tell all who registered."""
    for told in _consumers.values():
        told(happenings, at)


class _Refused(Exception):
    """Ends the transaction of a redemption in which some card cannot pay."""

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__()
        self.parts = parts


def _redeem(wishes: Sequence[Redeemable], wanted: _Wanted) -> Redeemed:
    found = find_vouchers(wishes, wanted.actor)
    # In this order always, or two could wait for each other: session, contacts, cards.
    if wanted.session_key:
        sessions.take_turn(wanted.session_key)
    contact_id = hold_contacts(wanted.contact_id, found.values())
    vouchers = hold_known(found)
    if wanted.session_key and (done := _done_before(vouchers, wishes, wanted)):
        return done
    question = Question(
        wishes, wanted.order, contact_id, wanted.session_key, Purpose.REDEMPTION, wanted.at
    )
    parts = apply_cards(question, vouchers)
    paying = [part for part in parts if part.is_applicable]
    if any(part.failure is not None for part in parts) or not paying:
        raise _Refused(parts)
    parent = _parent(paying, contact_id, wanted) if len(paying) > 1 else None
    done_parts = _write(paying, parent, wanted)
    sessions.use_up(wanted.session_key)
    happenings = [
        Happening("redeemed", part.redemption, part.voucher, part.redemption.amount_minor)
        for part in done_parts
    ]
    redemption_events.tell(happenings, at=wanted.at)
    consume(happenings, at=wanted.at)
    skipped = tuple(part.code for part in parts if part.is_skipped)
    return Redeemed(done_parts, parent, wanted.order, skipped)


def hold_contacts(contact_id: int | None, vouchers: Iterable[Voucher]) -> int | None:
    """Keep the contacts from being merged or erased meanwhile; the one who pays, as he is now."""
    share_recording()
    ids = {voucher.holder_id for voucher in vouchers if voucher.holder_id is not None}
    if contact_id is not None:
        ids.add(contact_id)
    if ids:
        statement = "SELECT id FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"
        sql.lists(statement, [sorted(ids)])
    return None if contact_id is None else survivor_of(contact_id)


def known_redemptions(actor: Actor) -> "QuerySet[Redemption]":
    """Those of cards that the actor may know of; of several cards where he may know of all."""
    if actor.is_admin:
        return Redemption.objects.all()
    seen = access.visible(Campaign.objects.all(), actor).values("pk")
    hidden = Redemption.objects.filter(parent__isnull=False).exclude(voucher__campaign__in=seen)
    is_whole = Q(voucher__isnull=True) & ~Q(pk__in=hidden.values("parent_id"))
    return Redemption.objects.filter(Q(voucher__campaign__in=seen) | is_whole)


def find_redemption(redemption_id: int, *, actor: Actor) -> Redemption:
    """The redemption of this number. Raises RedemptionUnknown."""
    access.require(actor, "loyalty.view_redemption")
    found = known_redemptions(actor).filter(pk=redemption_id)
    redemption = found.select_related("voucher__campaign", "contact").first()
    if redemption is None:
        message = _("There is no redemption %(id)s.") % {"id": redemption_id}
        raise RedemptionUnknown(message)
    return redemption


def _done_before(
    vouchers: Mapping[str, Voucher], wishes: Sequence[Redeemable], wanted: _Wanted
) -> Redeemed | None:
    """What the session was redeemed for, if it was. Raises SessionUsed where that is other."""
    done = Redemption.objects.filter(session_key=wanted.session_key, voucher__isnull=False)
    found = list(done.exclude(state=State.FAILED).select_related("parent").order_by("pk"))
    if not found:
        return None
    by_id = {voucher.pk: voucher for voucher in vouchers.values()}
    asked = {wish.code for wish in wishes}
    first = found[0]
    is_same = (
        all(one.state == State.SUCCEEDED and one.voucher_id in by_id for one in found)
        and asked == set(vouchers)
        and first.order_reference == wanted.order.reference
        and first.order_minor == wanted.order.amount_minor
    )
    if not is_same:
        message = _("The session %(key)s was used up by another redemption: begin a new one.")
        raise SessionUsed(message % {"key": wanted.session_key})
    parts = tuple(
        RedeemedPart(one, by_id[one.voucher_id], is_repeated=True)
        for one in found
        if one.voucher_id is not None
    )
    paid = {part.voucher.code for part in parts}
    skipped = tuple(wish.code for wish in wishes if wish.code not in paid)
    return Redeemed(parts, first.parent, wanted.order, skipped)


def _parent(paying: Sequence[Part], contact_id: int | None, wanted: _Wanted) -> Redemption:
    contact_ids = {part.contact_id for part in paying}
    if contact_id is None and len(contact_ids) == 1:
        contact_id = contact_ids.pop()
    return Redemption.objects.create(
        contact_id=contact_id, state=State.SUCCEEDED, **_common(wanted, paying[0])
    )


def _write(
    paying: Sequence[Part], parent: Redemption | None, wanted: _Wanted
) -> tuple[RedeemedPart, ...]:
    made = Redemption.objects.bulk_create(
        Redemption(
            parent=parent,
            voucher=part.voucher,
            contact_id=part.contact_id,
            amount_minor=part.credits,
            state=State.SUCCEEDED,
            **_common(wanted, part),
        )
        for part in paying
    )
    movements = [
        Movement(
            voucher_id=_id(redemption),
            kind=ledger.Kind.REDEMPTION,
            amount_minor=redemption.amount_minor,
            cause=f"redemption:{redemption.pk}",
            redemption_id=redemption.pk,
            source_id=wanted.order.reference,
        )
        for redemption in made
    ]
    posted = ledger.move(movements, actor_label=wanted.actor.label, at=wanted.at)
    done = []
    for redemption, posting in zip(made, posted, strict=True):
        voucher = redemption.voucher
        assert voucher is not None, "who pays has a card"
        voucher.balance_minor = posting.balance_minor
        voucher.redeemed_minor += redemption.amount_minor
        voucher.redeemed_count += 1
        done.append(RedeemedPart(redemption, voucher))
    return tuple(done)


def _record_failures(parts: Sequence[Part], wanted: _Wanted) -> None:
    """Write down which cards were refused and why; of an unknown code there is nothing to say."""
    made = Redemption.objects.bulk_create(
        Redemption(
            voucher=part.voucher,
            contact_id=part.contact_id,
            state=State.FAILED,
            failure_code=part.failure.key,
            failure_message=(part.failure.custom or part.failure.message)[:500],
            **_common(wanted, part),
        )
        for part in parts
        if part.failure is not None and part.voucher is not None
    )
    happenings = [Happening("failed", one, one.voucher, 0) for one in made if one.voucher]
    redemption_events.tell(happenings, at=wanted.at)


def _common(wanted: _Wanted, part: Part) -> dict[str, Any]:
    """What every row of one redemption says."""
    is_api = wanted.actor.kind == AuditEntry.ActorKind.API
    return {
        "currency": part.voucher.campaign.currency if part.voucher else "",
        "order_reference": wanted.order.reference[:200],
        "order_minor": wanted.order.amount_minor,
        "order": dict(wanted.order.raw),
        "session_key": wanted.session_key,
        "tracking_id": wanted.tracking_id[:120],
        "metadata": dict(wanted.metadata),
        "is_client_side": wanted.is_client_side,
        "api_user_id": wanted.actor.id if is_api else None,
        "actor_label": wanted.actor.label[:200],
        "at": wanted.at,
    }


def _refusal(parts: Sequence[Part]) -> RedemptionRefused:
    """The first card's no, with all of them as problems."""
    problems = [
        Problem(f"redeemables[{index}]", part.failure.key, part.failure.message)
        for index, part in enumerate(parts)
        if part.failure is not None
    ]
    first = next((part for part in parts if part.failure is not None), None)
    if first is None or first.failure is None:
        message = _("The order has nothing left to pay.")
        return RedemptionRefused(message, code="missing_amount")
    failure = first.failure
    return RedemptionRefused(
        failure.message,
        code=failure.key,
        status=failure.status,
        custom=failure.custom,
        problems=problems,
        resource_id=first.code,
        unknown_codes=[part.code for part in parts if part.voucher is None],
    )


def _id(redemption: Redemption) -> int:
    assert redemption.voucher_id is not None, "who pays has a card"
    return redemption.voucher_id
