"""The segments of the demo workspace: what they ask, and how they are kept."""

from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]


def every(amount: int, unit: str) -> dict[str, Any]:
    """Settings of a segment that is refreshed so often."""
    return {"refresh_mode": "interval", "refresh_amount": amount, "refresh_unit": unit}


def _rule(field_name: str, operator: str, value: Any = None, **more: Any) -> Document:
    return {"field": field_name, "operator": operator, "value": value, **more}


def _all(*rules: Document) -> Document:
    return {"combinator": "and", "rules": list(rules)}


def _days(amount: int) -> Document:
    return {"amount": amount, "unit": "day"}


def _lately(days: int) -> Document:
    return _all(_rule("occurred_at", "inLast", _days(days)))


def _total(property_name: str) -> Document:
    return {"function": "sum", "property": property_name}


@dataclass(frozen=True, slots=True)
class Invented:
    """One segment: how many weeks ago it was made, and for which weeks it was calculated.

    Weeks are counted back from the present; 0 is the present. `end` is what became of it:
    "inactive" or "archived", or "failed" at its first calculation; else it is active.
    """

    key: str
    name: str
    description: str
    criteria: Document
    settings: dict[str, Any] = field(default_factory=dict)
    weeks: tuple[int, ...] = (0,)
    end: str = ""


_HISTORY = tuple(range(12, -1, -1))

SEGMENTS = (
    Invented(
        "loyal_customers",
        "Loyal customers",
        "Six orders or more in half a year.",
        _all(_rule("event.purchase", ">=", 6, where=_lately(180))),
        every(1, "day"),
        _HISTORY,
    ),
    Invented(
        "big_spenders",
        "Big spenders of the quarter",
        "Ordered for 250 or more in 90 days.",
        _all(_rule("event.purchase", ">=", 250, measure=_total("amount"), where=_lately(90))),
        {**every(6, "hour"), "readiness_hours": 24},
        _HISTORY,
    ),
    Invented(
        "reviewers",
        "Reviewers",
        "Left a review: in it the moment the event arrives.",
        _all(_rule("event.review_left", ">=", 1)),
        {"refresh_mode": "realtime"},
        _HISTORY,
    ),
    Invented(
        "slipping_away",
        "Slipping away",
        "Ordered twice or more, but not for 60 days.",
        _all(
            _rule("event.purchase", ">=", 2),
            _rule("event.purchase", "notInLast", _days(60), measure={"function": "last"}),
        ),
        every(1, "day"),
        _HISTORY,
    ),
    Invented(
        "abandoned_carts",
        "Abandoned carts",
        "Put something in the cart in the last week and did not order within a day.",
        _all(
            {
                "field": "sequence",
                "steps": [
                    {"event": "add_to_cart", "where": _lately(7)},
                    {"event": "purchase", "within": _days(1), "not": True},
                ],
            }
        ),
        every(1, "hour"),
        _HISTORY,
    ),
    Invented(
        "newsletter_readers",
        "Newsletter readers",
        "Allow the newsletter and opened two or more in 90 days.",
        _all(
            _rule("consent.newsletter", "=", "granted"),
            _rule("event.email_open", ">=", 2, where=_lately(90)),
        ),
        every(1, "day"),
        _HISTORY,
    ),
    Invented(
        "newcomers",
        "Newcomers",
        "Known for less than 30 days.",
        _all(_rule("contact.created_at", "inLast", _days(30))),
        every(1, "day"),
        _HISTORY,
    ),
    Invented(
        "save_the_best",
        "Save the best",
        "Loyal customers and big spenders who did not order for 30 days.",
        _all(
            _rule("segment", "in", ["loyal_customers", "big_spenders"]),
            _rule("event.purchase", "notInLast", _days(30), measure={"function": "last"}),
            {"combinator": "or", "not": True, "rules": [_rule("tag", "in", ["churned", "press"])]},
        ),
        every(1, "day"),
        _HISTORY,
    ),
    Invented(
        "gold_and_platinum",
        "Gold and platinum members",
        "Members of the upper tiers with points to spend.",
        _all(
            _rule("loyalty.tier", "in", ["gold", "platinum"]),
            _rule("loyalty.points", ">=", 100),
        ),
        {**every(1, "day"), "members_only": True},
        (2, 1, 0),
    ),
    Invented(
        "birthday_next_week",
        "Birthday next week",
        "Celebrate within seven days, and allow the newsletter.",
        _all(
            _rule("contact.birth_date", "anniversaryInNext", _days(7)),
            _rule("consent.newsletter", "=", "granted"),
        ),
        every(1, "day"),
        _HISTORY,
    ),
    Invented(
        "espresso_in_warsaw",
        "Espresso lovers in Warszawa",
        "For the opening of the new café. Calculated once.",
        _all(
            _rule("contact.city", "=", "Warszawa"),
            _rule("attribute.brew_methods", "in", ["espresso", "moka"]),
        ),
        weeks=(1,),
    ),
    Invented(
        "autumn_tasting",
        "Invitations to the autumn tasting",
        "Was ready for three days, and has expired since.",
        _all(
            _rule("category", "in", ["workshops", "coffee"]),
            _rule("event.purchase", ">=", 1, where=_lately(120)),
            _rule("metric.lifetime_value", ">=", 100),
        ),
        {"readiness_hours": 72},
        (5,),
    ),
    Invented(
        "summer_sale",
        "Bought in the summer sale",
        "Inactive: keeps the members of its last calculation.",
        _all(
            _rule(
                "event.page_visit",
                ">=",
                1,
                where=_all(_rule("properties.url", "contains", "/sale")),
            )
        ),
        weeks=(10, 9),
        end="inactive",
    ),
    Invented(
        "first_test",
        "First test",
        "Archived: nobody is in it any more.",
        _all(_rule("contact.country", "=", "DE")),
        weeks=(11,),
        end="archived",
    ),
    Invented(
        "spring_tasting",
        "Invitations to the spring tasting",
        "A draft: not calculated yet.",
        _all(_rule("category", "in", ["workshops"])),
        weeks=(),
        end="inactive",
    ),
    Invented(
        "everything_at_once",
        "Everybody who ever did anything",
        "Its only calculation failed.",
        _all(_rule("event.page_visit", "notNull", measure={"function": "last"})),
        weeks=(),
        end="failed",
    ),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Criteria kept by name, to begin segments with."""

    key: str
    name: str
    description: str
    criteria: Document


SAVED_CRITERIA = (
    Kept(
        "may_write",
        "May be written to",
        "Gave the newsletter consent and has an e-mail address.",
        _all(
            _rule("consent.newsletter", "=", "granted"),
            {"field": "contact.email", "operator": "notNull"},
        ),
    ),
    Kept(
        "bought_lately",
        "Bought in the last 90 days",
        "At least one order.",
        _all(_rule("event.purchase", ">=", 1, where=_lately(90))),
    ),
)
