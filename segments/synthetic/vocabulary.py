"""The words and shares of the synthetic workspace: which keys exist, and how often each occurs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# --- People --------------------------------------------------------------------------------------

COUNTRIES = (
    *("US", "PL", "DE", "FR", "GB", "ES", "IT", "NL", "BE", "AT", "CH", "CZ", "SK", "HU", "RO"),
    *("BG", "GR", "PT", "IE", "DK", "SE", "NO", "FI", "EE", "LV", "LT", "HR", "SI", "CA", "MX"),
)
_NAMED_CITIES = {
    "San Francisco": ("US", 0.018),
    "Warszawa": ("PL", 0.016),
    "Atlanta": ("US", 0.015),
    "Seattle": ("US", 0.014),
}
_OTHER_CITY_COUNT = 296
CITIES = (*_NAMED_CITIES, *(f"City {number}" for number in range(1, _OTHER_CITY_COUNT + 1)))
COUNTRY_OF_CITY = (
    *(country for country, _share in _NAMED_CITIES.values()),
    *(COUNTRIES[number % len(COUNTRIES)] for number in range(_OTHER_CITY_COUNT)),
)
GENDERS = ("f", "m", "x")
GENDER_SHARES = (0.52, 0.46, 0.02)
FIRST_NAMES = (
    *("Ada", "Alma", "Bela", "Carl", "Dora", "Emil", "Ewa", "Finn", "Gaia", "Hugo", "Ida", "Jan"),
    *("Kira", "Leo", "Mila", "Nils", "Olga", "Piotr", "Rosa", "Sven", "Tara", "Ugo", "Vera", "Zoe"),
)
LAST_NAMES = (
    *("Adler", "Bauer", "Cole", "Dubois", "Evans", "Fischer", "Garnier", "Hill", "Ivers", "Jones"),
    *("Kowal", "Lis", "Moreau", "Nowak", "Olsen", "Petit", "Quinn", "Roth", "Sikora", "Tanner"),
    *("Urban", "Vogel", "Wagner", "Young", "Zima"),
)


def city_shares() -> Floats:
    """The share of each city: four are given, the others fall as rank^-0.8."""
    named = np.array([share for _country, share in _NAMED_CITIES.values()])
    others = falling(_OTHER_CITY_COUNT, 0.8)
    return np.concatenate([named, others * (1 - named.sum())])


def falling(count: int, exponent: float) -> Floats:
    """Shares of `count` things, of which the k-th is as frequent as k^-exponent; their sum is 1."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    shares: Floats = weights / weights.sum()
    return shares


# --- Attributes ----------------------------------------------------------------------------------

# How many values the texts t1 to t8 have, and below what the numbers n1 to n6 are.
TEXT_VALUE_COUNTS = (5, 50, 1000, 8, 200, 20, 10_000, 3)
NUMBER_LIMITS = (100, 10**2, 10**3, 10**4, 10**5, 10**6)
BOOLEAN_COUNT = 3
DATE_COUNT = 3
MISSING_SHARE_STEP = 0.05
BOOLEAN_MISSING_SHARE = 0.1
DATE_MISSING_SHARE = 0.2
FIRST_DATE = "2019-04-01"
LAST_DATE = "2025-12-31"

# --- Sets ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Labels:
    """The keys of one kind of label, and the share of the contacts that has each."""

    keys: tuple[str, ...]
    shares: tuple[float, ...]


def _labels(noun: str, count: int, per_contact: float, given: dict[str, float]) -> Labels:
    """`count` labels that fall as rank^-0.7, the given ones last with shares of their own."""
    plain = count - len(given)
    shares = falling(plain, 0.7) * (per_contact - sum(given.values()))
    keys = (*(f"{noun}_{number}" for number in range(1, plain + 1)), *given)
    return Labels(keys, (*shares.tolist(), *given.values()))


TAGS = _labels("tag", 200, 2.8, {"vip": 0.03, "churned": 0.06})
CATEGORIES = _labels("category", 50, 1.4, {"media": 0.05})
CONSENTS = Labels(("newsletter", "sms", "push", "profiling"), (0.60, 0.50, 0.50, 0.40))
OTHER_SEGMENT = "other"
OTHER_SEGMENT_SHARE = 0.2

# --- Events --------------------------------------------------------------------------------------

EVENT_SHARES = {
    "page_visit": 0.55,
    "email_open": 0.15,
    "purchase": 0.08,
    "add_to_cart": 0.08,
    "email_click": 0.05,
    "push_open": 0.03,
    "return": 0.025,
    "form_submit": 0.02,
    "sms_click": 0.01,
    "review_left": 0.005,
}
EVENT_NAMES = tuple(EVENT_SHARES)
VISITS = "page_visit"
TRADES = ("purchase", "add_to_cart", "return")
ACTIVITY_SIGMA = 1.2
DAYS = 365
URL_COUNT = 5000
PRODUCT_COUNT = 10_000
_URL_KINDS = {"p": 0.60, "c": 0.20, "blog": 0.10, "sale": 0.05, "help": 0.05}


def urls(rng: np.random.Generator) -> list[str]:
    """The page addresses, the most visited first."""
    kinds = rng.choice(list(_URL_KINDS), size=URL_COUNT, p=list(_URL_KINDS.values()))
    return [
        f"https://shop.example/{kind}/item-{number:05d}"
        for number, kind in enumerate(kinds.tolist())
    ]


def purchase_categories() -> list[str]:
    """The categories that a bought product can have."""
    return list(CATEGORIES.keys)
