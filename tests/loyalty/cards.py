"""Cards, with what a test is about, made as the product makes them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from loyalty.gift_cards import ledger
from loyalty.models import Campaign, CodeBatch, Voucher
from loyalty.redeeming import redemptions, validations
from loyalty.redeeming.redeemables import OrderFacts, Redeemable
from loyalty.redeeming.redemptions import Redeemed
from loyalty.redeeming.sessions import SessionWish
from loyalty.redeeming.validations import Validation
from tests.factories import NOW
from workspace.access import SYSTEM, Actor


def make_campaign(key: str = "reviews", **given: Any) -> Campaign:
    """A campaign of cards worth 25.00."""
    given = {"name": key.capitalize(), "amount_minor": 2500, "created_at": NOW, **given}
    return Campaign.objects.create(key=key, **given)


@transaction.atomic
def make_card(
    code: str = "REV-1", campaign: Campaign | None = None, *, at: datetime = NOW, **given: Any
) -> Voucher:
    """A card in a batch of its own, worth what its campaign says."""
    campaign = campaign or Campaign.objects.filter(key="reviews").first() or make_campaign()
    value = given.pop("initial_minor", campaign.amount_minor)
    batch = CodeBatch.objects.create(
        campaign=campaign, kind="single", code_count=1, amount_minor=value, created_at=at
    )
    card = Voucher.objects.create(
        campaign=campaign,
        batch=batch,
        code=code,
        initial_minor=value,
        balance_minor=value,
        created_at=at,
        **given,
    )
    ledger.issue_batch(batch, at=at)
    return card


def pay(
    *codes: str,
    each: int | None = None,
    amount: int | None = None,
    reference: str = "",
    at: datetime = NOW,
    actor: Actor = SYSTEM,
    **given: Any,
) -> Redeemed:
    """Redeem cards, each with `each` for its credits."""
    wishes = [Redeemable(code, each) for code in codes]
    order = OrderFacts(reference=reference, amount_minor=amount)
    return redemptions.redeem(redeemables=wishes, order=order, actor=actor, at=at, **given)


def redeem_wishes(
    wishes: Mapping[str, int | None], *, amount: int | None = None, at: datetime = NOW, **given: Any
) -> Redeemed:
    """Redeem cards, each with credits of its own."""
    return redemptions.redeem(
        redeemables=[Redeemable(code, each) for code, each in wishes.items()],
        order=OrderFacts(amount_minor=amount),
        actor=SYSTEM,
        at=at,
        **given,
    )


def ask(
    *codes: str,
    wishes: Mapping[str, int | None] | None = None,
    each: int | None = None,
    amount: int | None = None,
    at: datetime = NOW,
    session: str | SessionWish = "",
    actor: Actor = SYSTEM,
    **given: Any,
) -> Validation:
    """Validate cards, each with `each` for its credits."""
    given_wishes = wishes if wishes is not None else dict.fromkeys(codes, each)
    wish = SessionWish(session) if isinstance(session, str) and session else session or None
    return validations.validate(
        redeemables=[Redeemable(code, minor) for code, minor in given_wishes.items()],
        order=OrderFacts(amount_minor=amount),
        session=wish if isinstance(wish, SessionWish) else None,
        actor=actor,
        at=at,
        **given,
    )


def balance(code: str = "REV-1") -> int:
    """What is left on a card."""
    return Voucher.objects.get(code=code).balance_minor
