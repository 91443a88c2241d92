"""Cards, postings and orders as rows, for tests of what reads them."""

from datetime import datetime
from itertools import count

from django.db import transaction

from contacts.events import IncomingEvent, record_events
from loyalty.models import Campaign, CardPosting, CodeBatch, Publication, Redemption, Voucher
from tests.factories import DAY, NOW

_serial = count(1)
_SIDES = {
    "redemption": ("cards", "redeemed"),
    "rollback": ("redeemed", "cards"),
    "addition": ("adjusted", "cards"),
    "removal": ("cards", "adjusted"),
    "expiry": ("cards", "expired"),
}


def make_campaign(key: str = "reviews", currency: str = "USD", **given: object) -> Campaign:
    return Campaign.objects.create(
        key=key, name=key.capitalize(), amount_minor=2500, currency=currency, **given
    )


@transaction.atomic
def make_cards(
    campaign: Campaign, number: int = 1, *, value: int = 2500, prefix: str = "CODE"
) -> list[Voucher]:
    batch = CodeBatch.objects.create(
        campaign=campaign,
        kind="generated",
        code_count=number,
        amount_minor=number * value,
        created_at=NOW - 400 * DAY,
    )
    made = [
        Voucher.objects.create(
            campaign=campaign,
            batch=batch,
            code=f"{prefix}{next(_serial)}",
            initial_minor=value,
            balance_minor=value,
        )
        for _ in range(number)
    ]
    CardPosting.objects.create(
        campaign=campaign,
        batch=batch,
        kind="issue",
        debit="issued",
        credit="cards",
        amount_minor=number * value,
        currency=campaign.currency,
        cause=f"batch:{batch.pk}",
        at=batch.created_at,
    )
    return made


def publish_card(card: Voucher, contact_id: int, at: datetime, **given: object) -> None:
    Voucher.objects.filter(pk=card.pk).update(holder=contact_id, published_at=at, **given)
    Publication.objects.create(
        campaign_id=card.campaign_id, voucher=card, contact_id=contact_id, at=at
    )


def post(card: Voucher, kind: str, amount: int, at: datetime) -> None:
    debit, credit = _SIDES[kind]
    redemption = None
    if kind == "redemption":
        redemption = Redemption.objects.create(
            voucher=card,
            contact_id=Voucher.objects.get(pk=card.pk).holder_id,
            amount_minor=amount,
            currency="USD",
            order_minor=2 * amount,
            state="succeeded",
            at=at,
        )
        Voucher.objects.filter(pk=card.pk).update(redeemed_count=1, redeemed_minor=amount)
    CardPosting.objects.create(
        campaign_id=card.campaign_id,
        voucher=card,
        kind=kind,
        debit=debit,
        credit=credit,
        amount_minor=amount,
        currency="USD",
        cause=f"{kind}:{next(_serial)}",
        redemption=redemption,
        at=at,
    )


def record_order(contact_id: int, at: datetime, amount: int = 40) -> None:
    event = IncomingEvent(contact_id, "purchase", at, {"amount": amount})
    record_events([event], received_at=NOW)
