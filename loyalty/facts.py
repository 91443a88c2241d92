"""What criteria may ask about the loyalty programme."""

from segments.criteria.catalog import register_fact
from segments.criteria.syntax import Fact, Type

_CURRENT = "left_at IS NULL"
FACTS = (
    Fact("loyalty.is_member", "Loyalty member", Type.BOOLEAN, "loyalty_member", condition=_CURRENT),
    Fact("loyalty.points", "Points", Type.NUMBER, "loyalty_member", "points", condition=_CURRENT),
    Fact("loyalty.tier", "Tier", Type.TEXT, "loyalty_member", "tier", condition=_CURRENT),
    Fact(
        "loyalty.joined_at",
        "Joined",
        Type.DATETIME,
        "loyalty_member",
        "joined_at",
        condition=_CURRENT,
    ),
    Fact("loyalty.left_at", "Left", Type.DATETIME, "loyalty_member", "left_at"),
    Fact(
        "loyalty.card_number",
        "Card number",
        Type.TEXT,
        "loyalty_member",
        "card_number",
        condition=_CURRENT,
    ),
    Fact(
        "loyalty.points_earned",
        "Points ever earned",
        Type.NUMBER,
        "loyalty_member",
        "points_earned",
        condition=_CURRENT,
    ),
    Fact(
        "loyalty.points_spent",
        "Points ever spent",
        Type.NUMBER,
        "loyalty_member",
        "points_spent",
        condition=_CURRENT,
    ),
)


def register() -> None:
    """Make the facts known to criteria. May be called again."""
    for fact in FACTS:
        register_fact(fact)
