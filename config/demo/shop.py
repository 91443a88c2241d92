"""The invented company: a coffee roaster with a web shop and cafés. What it sells and asks."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Product:
    """Something on sale: its category, its price, how often it is taken."""

    name: str
    category: str
    price: Decimal
    weight: int

    @property
    def path(self) -> str:
        """Where the shop shows it."""
        return f"/{self.category}/{self.name.lower().replace(' ', '-')}"


def _products(category: str, *rows: tuple[str, str, int]) -> tuple[Product, ...]:
    return tuple(Product(name, category, Decimal(price), weight) for name, price, weight in rows)


PRODUCTS = (
    *_products(
        "coffee",
        *(("House Blend 250g", "8.90", 20), ("Ethiopia Guji 250g", "13.50", 12)),
        *(("Colombia Huila 1kg", "36.00", 8), ("Espresso Roma 1kg", "29.50", 14)),
        *(("Decaf Brazil 250g", "9.80", 6), ("Kenya Nyeri 250g", "15.90", 5)),
    ),
    *_products(
        "tea",
        *(("Sencha 100g", "11.20", 5), ("Earl Grey 100g", "7.40", 6), ("Rooibos 100g", "6.90", 4)),
    ),
    *_products(
        "equipment",
        *(("Hand Grinder", "64.00", 4), ("Espresso Machine Uno", "389.00", 1)),
        *(("Pour-over Set", "42.50", 4), ("Milk Jug", "18.90", 4), ("Scale", "34.00", 2)),
    ),
    *_products(
        "gifts",
        *(("Tasting Box", "27.00", 6), ("Two Cups", "21.00", 4), ("Gift Card 50", "50.00", 3)),
    ),
    *_products("subscription", ("Monthly Bag", "24.00", 6), ("Office Crate", "92.00", 1)),
)
SHOP = "https://shop.regulars.example"
# By this key orders name it, also where there are other websites besides.
WEBSITE = "web"
PAGES = ("/", "/sale", "/blog/how-to-brew", "/blog/meet-the-farmers", "/help/shipping", "/cafes")
CAFES = ("Warszawa Mokotów", "Berlin Mitte", "Paris Marais", "Seattle Fremont", "Online only")

CATEGORIES = {
    "coffee": "Coffee",
    "tea": "Tea",
    "equipment": "Equipment",
    "gifts": "Gifts",
    "subscription": "Subscription",
    "workshops": "Workshops",
}
TAGS = {
    "vip": "VIP",
    "churned": "Churned",
    "office": "Buys for an office",
    "barista": "Barista",
    "complaint": "Complained lately",
    "press": "Press",
    "referral": "Came by a referral",
    "win_back": "To win back",
}
CONSENTS = {
    "newsletter": ("Newsletter", "Send me the newsletter about new coffees and offers."),
    "sms": ("Text messages", "Send me text messages about my orders and offers."),
    "push": ("Push messages", "Show me messages on my devices."),
    "profiling": ("Personal offers", "Choose offers for me by what I buy and look at."),
}
ROASTS = ["light", "medium", "dark"]
METHODS = ["espresso", "filter", "french_press", "moka", "cold_brew"]
# Key: label, type, choices.
ATTRIBUTES: dict[str, tuple[str, str, list[str]]] = {
    "favorite_roast": ("Favorite roast", "text", ROASTS),
    "preferred_cafe": ("Preferred café", "text", []),
    "cups_per_day": ("Cups a day", "number", []),
    "owns_machine": ("Owns an espresso machine", "boolean", []),
    "subscriber_since": ("Subscriber since", "date", []),
    "last_survey_at": ("Answered the last survey", "datetime", []),
    "brew_methods": ("Brews with", "list", METHODS),
}
# Key: label, type.
METRICS = {
    "last_order_on": ("Last order, as the shop tells it", "date"),
    "favorite_category": ("Favorite category", "text"),
}
EVENTS = {
    "page_visit": "Visited a page",
    "add_to_cart": "Put in the cart",
    "purchase": "Bought",
    "return": "Sent back",
    "review_left": "Left a review",
    "email_open": "Opened an e-mail",
    "email_click": "Clicked in an e-mail",
    "cafe_visit": "Visited a café",
}
# What the shop tells of when something comes back.
RETURN = "return"
# Points a year from which a tier is reached, the highest first.
TIERS = ((1200, "platinum"), (500, "gold"), (180, "silver"), (0, "bronze"))
