"""The loyalty programme of the demo: tiers, what members earned, and what they may have."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from loyalty.models import EarnRule, Mechanism, Member
from loyalty.programme import earn_rules, points, tiers
from loyalty.programme.points import Earning
from loyalty.rewards import claims, mechanisms
from workspace.access import SYSTEM

from . import shop
from .stories import POINTS_FOR_JOINING, Story

_EXPIRES = timedelta(days=730)
_CLAIMING, _LATELY_DAYS = 90, 30

# Kind, key, name and the rest, in the order in which they are made.
_MECHANISMS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    (
        "reward_category",
        "in_the_cafe",
        "In the café",
        {"description": "To be had at the counter of any café."},
    ),
    (
        "reward",
        "free_coffee",
        "A free coffee",
        {
            "category": "in_the_cafe",
            "cost_points": 60,
            "period_limit": 2,
            "period": "week",
            "settings": {"type": "physical", "instructions": "Show the code at the counter."},
        },
    ),
    (
        "reward",
        "cupping_workshop",
        "Cupping workshop",
        {
            "category": "in_the_cafe",
            "description": "Two hours with our head roaster.",
            "cost_points": 400,
            "stock": 24,
            "member_limit": 1,
            "settings": {"type": "custom", "instructions": "We write to you with the dates."},
        },
    ),
    (
        "reward",
        "tasting_box",
        "Tasting box",
        {
            "cost_points": 250,
            "segments": ["gold_and_platinum"],
            "restricted_message": "For gold and platinum members: 500 points in a year.",
            "settings": {"type": "physical", "instructions": "Comes with the next order."},
        },
    ),
    (
        "offer",
        "we_miss_you",
        "We miss you: free shipping",
        {
            "segments": ["slipping_away"],
            "hide_restricted": True,
            "settings": {"valid_days": 14},
        },
    ),
    (
        "challenge",
        "three_in_a_month",
        "Three orders in a month",
        {
            "settings": {
                "event": "purchase",
                "measure": "count",
                "threshold": "3",
                "period": "month",
                "bonus_points": 50,
            }
        },
    ),
    (
        "contest",
        "latte_art",
        "Latte art contest",
        {"description": "Send us your best picture.", "member_limit": 1},
    ),
)


def make_tiers(*, at: datetime) -> None:
    """Make the levels that members reach by what they earn."""
    for threshold, key in shop.TIERS:
        mechanisms.create_mechanism(
            actor=SYSTEM,
            at=at,
            kind="tier",
            key=key,
            name=key.capitalize(),
            settings={"threshold": threshold},
            is_demo=True,
        )


def make_rewards(*, at: datetime) -> None:
    """Make what members may have. The segments that it names are there."""
    for kind, key, name, settings in _MECHANISMS:
        mechanisms.create_mechanism(
            actor=SYSTEM, at=at, kind=kind, key=key, name=name, is_demo=True, **settings
        )


def make_earn_rules(*, at: datetime) -> None:
    """Make what members earn by from now on; what they earned before is written by `earn`."""
    for values in (
        {
            "key": "orders",
            "name": "A point for each euro",
            "event_name": "purchase",
            "points_per_unit": 1,
            "amount_property": "amount",
            "expires_after_days": _EXPIRES.days,
        },
        {
            "key": "reviews",
            "name": "Thank you for your review",
            "event_name": "review_left",
            "points_per_event": 15,
            "daily_limit": 30,
            "expires_after_days": _EXPIRES.days,
        },
    ):
        rule = earn_rules.create_rule(values=values, actor=SYSTEM, at=at)
        EarnRule.objects.filter(pk=rule.pk).update(is_demo=True)


def earn(stories: Sequence[Story], ids: Mapping[int, int], *, at: datetime) -> int:
    """Write what members earned since they joined: a point for each whole euro of their orders.

    Returns how many lines the ledger has. The tiers follow from it.
    """
    joined = dict(
        Member.objects.filter(is_demo=True, left_at=None).values_list("contact_id", "joined_at")
    )
    earnings: list[Earning] = []
    for story in stories:
        contact_id = ids[story.person.number]
        if (since := joined.get(contact_id)) is None:
            continue
        bonus = Earning(contact_id, POINTS_FOR_JOINING, "joined", "Joined the programme", at=since)
        earnings.append(bonus)
        for order in story.happenings:
            if order.name == "purchase" and order.occurred_at > since:
                number = str(order.properties["order_id"])
                earnings.append(
                    Earning(
                        contact_id,
                        max(1, int(order.properties["amount"])),
                        f"order:{number}",
                        f"Order {number}",
                        at=order.occurred_at,
                        expires_at=order.occurred_at + _EXPIRES,
                    )
                )
    written = points.earn_many(earnings, actor=SYSTEM, at=at)
    tiers.recalculate(None, at=at)
    return len(written)


def claim(rng: Random, *, at: datetime) -> None:
    """Have some members drink a coffee for their points."""
    coffee = Mechanism.objects.get(key="free_coffee")
    rich = Member.objects.filter(is_demo=True, left_at=None, points__gte=3 * coffee.cost_points)
    found = list(rich.order_by("contact_id").values_list("contact_id", flat=True))
    # One by one: each at another time, and there are few.
    for contact_id in rng.sample(found, min(_CLAIMING, len(found))):
        moment = at - timedelta(days=_LATELY_DAYS * rng.random())
        claims.claim(coffee, contact_id=contact_id, cause="demo", actor=SYSTEM, at=moment)
