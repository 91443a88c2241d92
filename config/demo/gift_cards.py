"""The gift cards of the demo workspace: who leaves a review gets one, once, and comes back with it.

The campaign began two months ago, so that its reports have something to tell: each review since
then was thanked for the same day, a tenth of the reviewers were set aside, and most cards paid at
the next order.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from contacts.models import EventDefinition
from loyalty import campaigns, codes, ledger, publications, redemptions, rollbacks, rules
from loyalty.models import Campaign, CodeBatch
from loyalty.publications import Published, Wish
from loyalty.redeemables import OrderFacts, Redeemable
from workspace.access import SYSTEM

from .stories import Happening, Story

KEY, RULE = "review_gift_cards", "reviewers_only"
_VALUE, _CURRENCY = 2500, "EUR"
_SINCE = timedelta(days=60)
_CODES = 1000
# Of those who have a card and order again, so many pay with it; some orders are cancelled.
_REDEEMING, _CANCELLED = 0.7, 0.04
_ANSWER = timedelta(seconds=2)


def make_gift_cards(
    rng: Random, stories: Sequence[Story], ids: Mapping[int, int], *, at: datetime
) -> Campaign:
    """Make the campaign with its codes, its rule and its two months."""
    began_at = at - _SINCE
    campaign = campaigns.create_campaign(
        actor=SYSTEM,
        at=began_at,
        key=KEY,
        name="Review gift cards",
        description="25 euros for who tells others about our coffee. Once for each customer.",
        amount_minor=_VALUE,
        currency=_CURRENCY,
        code_config={"pattern": "REV-########"},
        valid_after_publication="P40D",
        join_once=True,
        holdout_percent=10,
        refill=True,
        is_demo=True,
    )
    kind = CodeBatch.Kind.GENERATED
    codes.make_codes(campaign, _CODES, kind=kind, actor=SYSTEM, at=began_at)
    given = list(_thank(campaign, stories, ids, at))
    _pay(rng, given, stories, ids)
    ledger.expire_due(limit=_CODES, actor_label=SYSTEM.label, at=at)
    rule = rules.create_rule(
        actor=SYSTEM,
        at=began_at,
        key=RULE,
        name="Reviewers only",
        description="A card is given to who is in the segment Reviewers.",
        document={
            "combinator": "and",
            "rules": [
                {
                    "field": "segment",
                    "operator": "in",
                    "value": ["reviewers"],
                    "message": "Write a review first.",
                }
            ],
        },
        is_demo=True,
    )
    rules.assign_rule(rule, campaign=campaign, actor=SYSTEM, at=began_at)
    EventDefinition.objects.filter(name__contains=".", is_demo=False).update(is_demo=True)
    return campaign


def _thank(
    campaign: Campaign, stories: Iterable[Story], ids: Mapping[int, int], at: datetime
) -> Iterable[tuple[Published, datetime]]:
    """Give a card for the first review of each since the campaign began, day by day."""
    by_day: dict[object, list[Happening]] = defaultdict(list)
    for story in stories:
        reviews = [
            event
            for event in story.happenings
            if event.name == "review_left" and at - _SINCE < event.occurred_at <= at - _ANSWER
        ]
        if reviews:
            first = min(reviews, key=lambda event: event.occurred_at)
            by_day[first.occurred_at.date()].append(first)
    for _day, reviews in sorted(by_day.items(), key=lambda item: str(item[0])):
        moment = max(event.occurred_at for event in reviews) + _ANSWER
        wishes = [
            Wish(
                ids[event.person.number],
                f"review-{event.person.number}-{event.serial}",
                {"product": str(event.properties["product"])},
            )
            for event in reviews
        ]
        for published in publications.publish_many(campaign, wishes, channel="email", at=moment):
            if published.code:
                yield published, moment


def _pay(
    rng: Random,
    given: Sequence[tuple[Published, datetime]],
    stories: Iterable[Story],
    ids: Mapping[int, int],
) -> None:
    """Most of those who order again pay with their card."""
    orders = {
        ids[story.person.number]: [event for event in story.happenings if event.name == "purchase"]
        for story in stories
    }
    for published, since in given:
        later = [order for order in orders[published.contact_id] if order.occurred_at > since]
        order = min(later, key=lambda event: event.occurred_at, default=None)
        if order is None or rng.random() >= _REDEEMING:
            continue
        if published.expires_at is not None and order.occurred_at >= published.expires_at:
            continue
        # Each order by itself: it was paid at another instant than the others.
        done = redemptions.redeem(
            redeemables=[Redeemable(published.code)],
            order=OrderFacts(
                reference=str(order.properties["order_id"]),
                amount_minor=int(Decimal(order.properties["amount"]) * 100),
                currency=_CURRENCY,
            ),
            contact_id=published.contact_id,
            actor=SYSTEM,
            at=order.occurred_at,
        )
        if rng.random() < _CANCELLED:
            rollbacks.roll_back(
                done.parts[0].redemption.pk,
                reason="Order cancelled",
                actor=SYSTEM,
                at=order.occurred_at + timedelta(hours=3),
            )
