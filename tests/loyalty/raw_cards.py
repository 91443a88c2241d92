"""Cards, postings and orders as rows, for tests of what reads them."""

from datetime import datetime
from itertools import count

from django.db import transaction

from contacts.events import IncomingEvent, record_events
from loyalty.gift_cards import ledger
from loyalty.models import Campaign, CardPosting, CodeBatch, Publication, Redemption, Voucher
from tests.factories import DAY, NOW

# Far from the numbers that the product writes into causes of its own.
_serial = count(1_000_000)


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
    ledger.issue_batch(batch, at=batch.created_at)
    return made


def publish_card(card: Voucher, contact_id: int, at: datetime, **given: object) -> None:
    Voucher.objects.filter(pk=card.pk).update(holder=contact_id, published_at=at, **given)
    Publication.objects.create(
        campaign_id=card.campaign_id, voucher=card, contact_id=contact_id, at=at
    )


def post(card: Voucher, kind: str, amount: int, at: datetime) -> None:
    redemption_id = None
    if kind == "redemption":
        redemption_id = Redemption.objects.create(
            voucher=card,
            contact_id=Voucher.objects.get(pk=card.pk).holder_id,
            amount_minor=amount,
            currency="USD",
            order_minor=2 * amount,
            state="succeeded",
            at=at,
        ).pk
    cause = f"{kind}:{next(_serial)}"
    movement = ledger.Movement(card.pk, kind, amount, cause, redemption_id=redemption_id)
    ledger.move([movement], actor_label="", at=at)


def record_order(contact_id: int, at: datetime, amount: int = 40) -> None:
    event = IncomingEvent(contact_id, "purchase", at, {"amount": amount})
    record_events([event], received_at=NOW)


def sums_of_accounts(campaign: Campaign) -> dict[str, int]:
    """What each account of the campaign has, and what is on its cards by their balances."""
    sums: dict[str, int] = {}
    for posting in CardPosting.objects.filter(campaign=campaign):
        sums[posting.debit] = sums.get(posting.debit, 0) - posting.amount_minor
        sums[posting.credit] = sums.get(posting.credit, 0) + posting.amount_minor
    assert sum(sums.values()) == 0
    balances = Voucher.objects.filter(campaign=campaign).values_list("balance_minor", flat=True)
    assert sums.get("cards", 0) == sum(balances)
    return sums
