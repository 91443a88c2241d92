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
from integrations.templates import create_template
from loyalty.distribution import distributions
from loyalty.gift_cards import campaigns, codes, ledger, publications
from loyalty.gift_cards.publications import Published, Wish
from loyalty.models import Campaign, CodeBatch, Distribution, DistributionTask
from loyalty.redeeming import redemptions, rollbacks
from loyalty.redeeming.redeemables import OrderFacts, Redeemable
from loyalty.validation_rules import rules
from workspace.access import SYSTEM

from .stories import Happening, Story

KEY, RULE = "review_gift_cards", "reviewers_only"
_VALUE, _CURRENCY = 2500, "EUR"
_SINCE = timedelta(days=60)
_CODES = 1000
# Of those who have a card and order again, so many pay with it; some orders are cancelled.
_REDEEMING, _CANCELLED = 0.7, 0.04
_ANSWER = timedelta(seconds=2)
_LETTER = """Dear {{ contact.first_name | default: "customer" }},

thank you for your review. Here is a card worth {{ voucher.amount }} {{ voucher.currency }} for you:

    {{ voucher.code }}

It is good for your next orders. All your cards: {{ wallet_url }}

Your roastery
"""
_LETTER_IN_HTML = """<p>Dear {{ contact.first_name | default: "customer" }},</p>
<p>thank you for your review. Here is a card worth
<b>{{ voucher.amount }} {{ voucher.currency }}</b> for you:</p>
<p style="font-size:1.5em;letter-spacing:.1em"><code>{{ voucher.code }}</code></p>
<p>It is good for your next orders. <a href="{{ wallet_url }}">All your cards</a></p>
<p>Your roastery</p>
"""


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
    distribution = _make_distribution(campaign, at=began_at)
    given = list(_thank(distribution, stories, ids, at))
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


def _make_distribution(campaign: Campaign, *, at: datetime) -> Distribution:
    """Who enters the segment Reviewers gets a card by e-mail."""
    template = create_template(
        actor=SYSTEM,
        at=at,
        key="review_thanks",
        name="Thanks for the review",
        subject="Thank you, {{ contact.first_name | default: 'dear customer' }}: a card for you",
        text=_LETTER,
        html=_LETTER_IN_HTML,
        is_demo=True,
    )
    distribution = distributions.create_distribution(
        actor=SYSTEM,
        at=at,
        key="thanks_for_the_review",
        name="Thanks for the review",
        trigger={"kind": "segment_entered", "key": "reviewers"},
        campaign=campaign.key,
        channel="email",
        template=template.key,
        is_demo=True,
    )
    return distributions.activate(distribution, actor=SYSTEM, at=at)


def _thank(
    distribution: Distribution, stories: Iterable[Story], ids: Mapping[int, int], at: datetime
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
        answers = publications.publish_many(
            distribution.campaign,
            wishes,
            distribution=distribution,
            channel=distribution.channel,
            at=moment,
        )
        DistributionTask.objects.bulk_create(_task(distribution, one, moment) for one in answers)
        yield from ((published, moment) for published in answers if published.code)


def _task(distribution: Distribution, published: Published, at: datetime) -> DistributionTask:
    """What the distribution remembers of it."""
    state = DistributionTask.State
    return DistributionTask(
        distribution=distribution,
        contact_id=published.contact_id,
        cause=f"entered:{at.isoformat()}",
        state=state.DONE if published.code else state.HELD_OUT,
        attempts=1,
        due_at=at,
        publication_id=published.publication_id,
        created_at=at,
        finished_at=at,
    )


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
