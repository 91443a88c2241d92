"""Which cards can pay an order, and how much each: the one decision of validation and redemption.

The cards pay in the order in which they are given, each of what the ones before left. Nothing is
written and nothing locked here; who redeems has locked the cards before.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from loyalty.errors import RedeemablesInvalid, RedemptionRefused
from loyalty.gift_cards import states, validity
from loyalty.guarding import suspicions
from loyalty.models import Campaign, RuleAssignment, ValidationRule, Voucher
from loyalty.money import money
from loyalty.redeeming import sessions
from loyalty.redeeming.redeemables import OrderFacts, Redeemable
from loyalty.validation_rules import rules
from workspace import access
from workspace.access import Actor
from workspace.errors import Problem

REDEEMABLES_LIMIT = 30
AMOUNT_LIMIT = 2**53


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a card cannot pay: Voucherify's key, and a sentence. `custom` is a rule's own message."""

    key: str
    message: str
    custom: str = ""
    status: int = 400


@dataclass(frozen=True, slots=True)
class Part:
    """What one of the cards does: pay `credits`, be refused for a `failure`, or be skipped.

    It is skipped where the cards before it pay all of the order. `order_minor` is what was left of
    the order for it; None where nobody said an amount.
    """

    code: str
    voucher: Voucher | None
    contact_id: int | None
    credits: int
    order_minor: int | None
    failure: Failure | None = None
    is_skipped: bool = False

    @property
    def is_applicable(self) -> bool:
        """Whether the card pays."""
        return self.failure is None and not self.is_skipped


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of all cards together."""

    redeemables: Sequence[Redeemable]
    order: OrderFacts
    contact_id: int | None
    session_key: str
    purpose: rules.Purpose
    at: datetime

    def payer_of(self, voucher: Voucher) -> int | None:
        """Whose redemption it would be: the contact that is named, else the holder."""
        return self.contact_id if self.contact_id is not None else voucher.holder_id


def check_redeemables(redeemables: Sequence[Redeemable]) -> list[Redeemable]:
    """Them with their codes as they are kept. Raises RedeemablesInvalid for what makes no sense.

    And RedemptionRefused (`duplicated_redeemables`) where a card is named twice.
    """
    problems = []
    if not redeemables:
        message = _("Name at least one card.")
        problems.append(Problem("redeemables", "required", message))
    if len(redeemables) > REDEEMABLES_LIMIT:
        words = {"limit": REDEEMABLES_LIMIT}
        message = _("At most %(limit)d cards pay one order.") % words
        problems.append(Problem("redeemables", "too_many", message))
    for index, wish in enumerate(redeemables[:REDEEMABLES_LIMIT]):
        if not wish.code.strip() or "\0" in wish.code:
            message = _("This is the code of no card.")
            problems.append(Problem(f"redeemables[{index}].id", "invalid", message))
        if wish.credits is not None and not 0 < wish.credits <= AMOUNT_LIMIT:
            message = _("The credits are a whole number of minor units, one or more.")
            problems.append(Problem(f"redeemables[{index}].gift.credits", "invalid", message))
    if problems:
        raise RedeemablesInvalid(problems[0].message, problems=problems)
    kept = [Redeemable(clean_code(wish.code), wish.credits) for wish in redeemables]
    seen: set[str] = set()
    for wish in kept:
        if wish.code in seen:
            message = _("Card %(code)s is named more than once.") % {"code": wish.code}
            raise RedemptionRefused(message, code="duplicated_redeemables")
        seen.add(wish.code)
    return kept


def check_order(order: OrderFacts) -> None:
    """Raise RedeemablesInvalid for an amount that no order has."""
    if order.amount_minor is not None and not 0 <= order.amount_minor <= AMOUNT_LIMIT:
        message = _("The amount of an order is a whole number of minor units, zero or more.")
        problem = Problem("order.amount", "invalid", message)
        raise RedeemablesInvalid(message, problems=[problem])


def clean_code(code: str) -> str:
    """A code as it is kept: in upper case, without spaces around it."""
    return code.strip().upper()


def known_vouchers(actor: Actor) -> "QuerySet[Voucher]":
    """The cards that the actor may know of: those of campaigns that he may know of."""
    found = Voucher.objects.select_related("campaign")
    if actor.is_admin:
        return found
    return found.filter(campaign__in=access.visible(Campaign.objects.all(), actor).values("pk"))


def apply_cards(question: Question, vouchers: Mapping[str, Voucher]) -> list[Part]:
    """What each card does, in the order in which they are given; `vouchers` by code.

    For a redemption the rules that have budgets are locked until the transaction ends.
    """
    ids = [voucher.pk for voucher in vouchers.values()]
    others = sessions.held_by_others(ids, session_key=question.session_key, at=question.at)
    own = sessions.held_by(question.session_key, at=question.at)
    judges = _Judges(question, vouchers.values())
    currency, left = question.order.currency, question.order.amount_minor
    parts = []
    for wish in question.redeemables:
        voucher = vouchers.get(wish.code)
        if voucher is None:
            parts.append(_unknown(wish, left))
            continue
        held = others.get(voucher.pk, sessions.Held())
        part = Part(wish.code, voucher, question.payer_of(voucher), 0, left)
        if failure := _refusal(voucher, held, currency, at=question.at):
            part = replace(part, failure=failure)
        else:
            part = judges.judge(_pay(wish, part, held, own.get(voucher.pk)))
        if part.is_applicable:
            currency = voucher.campaign.currency
            left = None if left is None else left - part.credits
        parts.append(part)
    return parts


class _Judges:
    """The validation rules of some cards and their campaigns, and who is blocked."""

    def __init__(self, question: Question, vouchers: Collection[Voucher]) -> None:
        self._question = question
        self._decided: list[rules.Use] = []
        payers = {question.payer_of(voucher) for voucher in vouchers} - {None}
        self._blocked = suspicions.blocked_contacts(
            [payer for payer in payers if payer is not None], at=question.at
        )
        self._by_campaign: dict[int, list[ValidationRule]] = {}
        self._by_voucher: dict[int, list[ValidationRule]] = {}
        asked = Q(campaign__in={voucher.campaign_id for voucher in vouchers})
        asked |= Q(voucher__in={voucher.pk for voucher in vouchers})
        for one in RuleAssignment.objects.filter(asked).select_related("rule").order_by("rule_id"):
            if one.campaign_id is not None:
                self._by_campaign.setdefault(one.campaign_id, []).append(one.rule)
            elif one.voucher_id is not None:
                self._by_voucher.setdefault(one.voucher_id, []).append(one.rule)
        if question.purpose is rules.Purpose.REDEMPTION:
            named = [*self._by_campaign.values(), *self._by_voucher.values()]
            rules.lock_budgets(rule for found in named for rule in found)

    def judge(self, part: Part) -> Part:
        """The part, refused where it is blocked or a rule says no."""
        voucher, question = part.voucher, self._question
        if voucher is None or not part.is_applicable:
            return part
        if part.contact_id in self._blocked:
            message = _("This is not possible at present. Ask the shop.")
            return replace(part, credits=0, failure=Failure("customer_rules_violated", message))
        own = self._by_voucher.get(voucher.pk, ())
        asked = {rule.pk: rule for rule in (*self._by_campaign.get(voucher.campaign_id, ()), *own)}
        refusal = rules.judge(
            [asked[pk] for pk in sorted(asked)],
            contact_id=part.contact_id,
            order=question.order,
            voucher=voucher,
            at=question.at,
            purpose=question.purpose,
            amount_minor=part.credits,
            others=self._decided,
        )
        if refusal is not None:
            failure = Failure(refusal.key, refusal.message, refusal.custom)
            return replace(part, credits=0, failure=failure)
        self._decided.append(
            rules.Use(voucher.campaign_id, voucher.pk, part.contact_id, part.credits)
        )
        return part


def _unknown(wish: Redeemable, left: int | None) -> Part:
    message = _("There is no card with the code %(code)s.") % {"code": wish.code}
    return Part(wish.code, None, None, 0, left, Failure("not_found", message, status=404))


def _refusal(
    voucher: Voucher, held: sessions.Held, currency: str, *, at: datetime
) -> Failure | None:
    """Why the card itself cannot be used now, whoever asks and whatever he buys."""
    words = {"code": voucher.code}
    campaign = voucher.campaign
    if not voucher.is_enabled or campaign.status == Campaign.Status.DISABLED:
        return Failure("voucher_disabled", _("Card %(code)s is disabled.") % words)
    end = states.expires_at(voucher)
    if end is not None and end <= at:
        return Failure("voucher_expired", _("Card %(code)s has expired.") % words)
    begins = [begin for begin in (voucher.starts_at, campaign.starts_at) if begin is not None]
    if any(begin > at for begin in begins) or campaign.status == Campaign.Status.DRAFT:
        return Failure("voucher_not_active", _("Card %(code)s is not valid yet.") % words)
    since = voucher.published_at or voucher.created_at
    if not validity.is_usable_now(campaign, since=since, at=at):
        message = _("Card %(code)s cannot be used on this day or at this time.") % words
        return Failure("voucher_not_active", message)
    limit = states.limit_of(voucher)
    if limit is not None and voucher.redeemed_count + held.uses >= limit:
        message = _("Card %(code)s was used as often as it may be.") % words
        if voucher.redeemed_count < limit:
            message = _("Card %(code)s is held by another session.") % words
        return Failure("quantity_exceeded", message)
    if currency and currency != campaign.currency:
        words |= {"currency": campaign.currency, "other": currency}
        message = _("Card %(code)s is worth %(currency)s; what is to be paid is in %(other)s.")
        return Failure("currency_mismatch", message % words)
    return None


def _pay(wish: Redeemable, part: Part, held: sessions.Held, own: int | None) -> Part:
    """How much the card pays of what is left of the order; `own` is what its session holds."""
    voucher, left = part.voucher, part.order_minor
    assert voucher is not None, "an unknown card pays nothing"
    available = voucher.balance_minor - held.amount_minor
    wanted = wish.credits if wish.credits is not None else _most(available, left, own)
    if wanted is None:
        message = _("Say the amount of the order, or how much the card shall pay.")
        return replace(part, failure=Failure("missing_amount", message))
    if available < max(wanted, 1):
        return replace(part, failure=_too_little(voucher, available, held))
    paid = wanted if left is None else min(wanted, left)
    return replace(part, credits=paid, is_skipped=paid == 0)


def _most(available: int, left: int | None, own: int | None) -> int | None:
    """What the card shall pay where nobody said it: all it can, or what its session holds."""
    if left is not None:
        return min(available, left)
    return own


def _too_little(voucher: Voucher, available: int, held: sessions.Held) -> Failure:
    left = money(max(available, 0), voucher.campaign.currency)
    words = {"code": voucher.code, "available": left}
    message = _("Card %(code)s can pay %(available)s at most.")
    if held.amount_minor:
        message = _("Card %(code)s can pay %(available)s at most: other sessions hold the rest.")
    return Failure("gift_amount_exceeded", message % words)
