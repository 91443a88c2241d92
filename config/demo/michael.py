"""Michael Scott, the customer of the walk docs/walks/reviewers.md, who left a review today.

All others are invented by chance; he is the one whom one can look for by name.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta

from . import shop
from .names import AMERICA, City
from .people import Habit, Person
from .stories import Story

EMAIL = "michael.scott@dundermifflin.example"
_KNOWN = timedelta(days=40)
_BLEND = next(product for product in shop.PRODUCTS if product.name == "House Blend 250g")


def meet(stranger: Person, *, at: datetime) -> Person:
    """Michael in the place of somebody invented, with his number."""
    known_since = at - _KNOWN
    return replace(
        stranger,
        habit=Habit.NEW,
        country=AMERICA,
        city=City("Scranton", 0, "185##", "America/New_York"),
        first_name="Michael",
        last_name="Scott",
        gender="m",
        email=EMAIL,
        phone="+1 570 555 0147",
        postal_code="18503",
        language="en",
        birth_date=date(1965, 3, 15),
        created_at=known_since,
        tags={"office"},
        categories={"coffee", "gifts"},
        consents=[
            ("newsletter", "granted", known_since + timedelta(minutes=4)),
            ("sms", "granted", known_since + timedelta(minutes=4)),
            ("sms", "withdrawn", known_since + timedelta(days=12)),
        ],
        attributes={"favorite_roast": "medium", "cups_per_day": 6, "owns_machine": True},
    )


def tell(person: Person, at: datetime) -> Story:
    """He looked around, ordered, read the letter, and left a review an hour ago."""
    story = Story(person, at)
    bought = at - timedelta(days=9, hours=2)
    blend = {"product": _BLEND.name, "category": _BLEND.category}
    story.tell("page_visit", at - timedelta(days=39), url=f"{shop.SHOP}/")
    story.tell("email_open", at - timedelta(days=11), campaign="New in autumn")
    story.tell("page_visit", bought, url=shop.SHOP + _BLEND.path)
    amount = _BLEND.price * 4
    story.tell("add_to_cart", bought + timedelta(minutes=1), **blend, quantity=4, amount=amount)
    story.tell(
        "purchase",
        bought + timedelta(minutes=4),
        order_id="MS-1",
        **blend,
        quantity=4,
        amount=amount,
        currency="EUR",
        channel="web",
        website=shop.WEBSITE,
    )
    story.tell("page_visit", at - timedelta(hours=1, minutes=3), url=shop.SHOP + _BLEND.path)
    story.tell("review_left", at - timedelta(hours=1), product=_BLEND.name, rating=5)
    return story
