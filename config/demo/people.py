"""Invents the people: who they are and how they live as customers. The same for the same seed."""

import unicodedata
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from . import shop
from .names import COUNTRIES, City, Country

PERSON_COUNT = 5000


class Habit(StrEnum):
    """How somebody is a customer."""

    LOYAL = "loyal"
    REGULAR = "regular"
    OCCASIONAL = "occasional"
    LAPSED = "lapsed"
    BROWSER = "browser"
    NEW = "new"


_HABITS = {
    Habit.LOYAL: 12,
    Habit.REGULAR: 30,
    Habit.OCCASIONAL: 28,
    Habit.LAPSED: 15,
    Habit.BROWSER: 12,
    Habit.NEW: 3,
}


@dataclass(slots=True)
class Person:
    """An invented customer."""

    number: int
    habit: Habit
    country: Country
    city: City
    first_name: str
    last_name: str
    gender: str
    email: str
    phone: str
    postal_code: str
    language: str
    birth_date: date | None
    created_at: datetime
    tags: set[str] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    # Key: state and instant, in order of time.
    consents: list[tuple[str, str, datetime]] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def external_id(self) -> str:
        """By which the shop knows the customer."""
        return f"D{self.number:05d}"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which the customer lives."""
        return ZoneInfo(self.city.time_zone)

    def granted(self, consent: str) -> datetime | None:
        """Since when the consent is granted; None where it is not."""
        for key, state, at in reversed(self.consents):
            if key == consent:
                return at if state == "granted" else None
        return None


def invent_people(rng: Random, *, at: datetime) -> list[Person]:
    """All people as they are known at `at`, in the order in which we met them."""
    taken: dict[str, int] = {}
    habits = rng.choices(list(_HABITS), weights=list(_HABITS.values()), k=PERSON_COUNT)
    met = sorted((_met_at(rng, habit, at), position) for position, habit in enumerate(habits))
    return [
        _invent(rng, number, habits[position], created_at, taken, at)
        for number, (created_at, position) in enumerate(met, start=1)
    ]


def _met_at(rng: Random, habit: Habit, at: datetime) -> datetime:
    if habit is Habit.NEW:
        days = rng.uniform(0.05, 29)
    elif habit is Habit.LAPSED:
        days = rng.uniform(240, 1100)
    else:
        days = rng.uniform(20, 1100)
    return at - timedelta(days=days)


def _invent(
    rng: Random,
    number: int,
    habit: Habit,
    created_at: datetime,
    taken: dict[str, int],
    at: datetime,
) -> Person:
    country = rng.choices(COUNTRIES, weights=[c.share for c in COUNTRIES])[0]
    city = rng.choices(country.cities, weights=[c.weight for c in country.cities])[0]
    is_woman = rng.random() < 0.54
    first_name = rng.choice(country.women if is_woman else country.men)
    last_name = rng.choice(country.last_names)
    if is_woman:
        last_name = _feminine(last_name, country)
    gender = ("f" if is_woman else "m") if rng.random() > 0.06 else rng.choice(["x", ""])
    person = Person(
        number=number,
        habit=habit,
        country=country,
        city=city,
        first_name=first_name,
        last_name=last_name,
        gender=gender,
        email=_email(first_name, last_name, taken),
        phone=_digits(rng, country.phone) if rng.random() < 0.7 else "",
        postal_code=_digits(rng, city.postal_code) if rng.random() < 0.85 else "",
        language=country.language if rng.random() < 0.93 else "en",
        birth_date=_birth_date(rng, at.date()) if rng.random() < 0.82 else None,
        created_at=created_at,
    )
    _add_labels(rng, person)
    _add_consents(rng, person, at)
    _add_attributes(rng, person, at)
    return person


def _feminine(last_name: str, country: Country) -> str:
    for ending, changed in country.feminine:
        if last_name.endswith(ending):
            return last_name.removesuffix(ending) + changed
    return last_name


def _email(first_name: str, last_name: str, taken: dict[str, int]) -> str:
    """An address in a domain that nobody can have (RFC 2606), unlike all given before."""
    plain = _ascii(f"{first_name}.{last_name}")
    taken[plain] = taken.get(plain, 0) + 1
    suffix = "" if taken[plain] == 1 else str(taken[plain])
    return f"{plain}{suffix}@example.com"


def _ascii(text: str) -> str:
    for letter, written in (("ł", "l"), ("Ł", "l"), ("ß", "ss"), ("ä", "ae"), ("ö", "oe")):
        text = text.replace(letter, written)
    text = text.replace("ü", "ue")
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(letter for letter in bare.lower() if letter.isalnum() or letter == ".")


def _digits(rng: Random, pattern: str) -> str:
    return "".join(str(rng.randrange(10)) if letter == "#" else letter for letter in pattern)


def _birth_date(rng: Random, today: date) -> date:
    years = rng.triangular(18, 82, 36)
    return today - timedelta(days=int(years * 365.25) + rng.randrange(365))


def _add_labels(rng: Random, person: Person) -> None:
    habit = person.habit
    if habit is Habit.LOYAL and rng.random() < 0.35:
        person.tags.add("vip")
    if habit is Habit.LAPSED and rng.random() < 0.6:
        person.tags.add("churned")
    for tag, share in (("office", 0.05), ("barista", 0.04), ("complaint", 0.03)):
        if rng.random() < share:
            person.tags.add(tag)
    for tag, share in (("press", 0.01), ("referral", 0.12)):
        if rng.random() < share:
            person.tags.add(tag)
    shares = {"coffee": 0.7, "tea": 0.22, "equipment": 0.2, "gifts": 0.15, "workshops": 0.06}
    for category, share in shares.items():
        if rng.random() < share:
            person.categories.add(category)
    if habit in {Habit.LOYAL, Habit.REGULAR} and rng.random() < 0.25:
        person.categories.add("subscription")


def _add_consents(rng: Random, person: Person, at: datetime) -> None:
    shares = {"newsletter": 0.62, "sms": 0.3, "push": 0.24, "profiling": 0.41}
    for key, share in shares.items():
        if rng.random() >= share:
            continue
        known = (at - person.created_at).total_seconds()
        granted_at = person.created_at + timedelta(seconds=known * rng.random() ** 4)
        person.consents.append((key, "granted", granted_at))
        if rng.random() < (0.35 if person.habit is Habit.LAPSED else 0.08):
            left = (at - granted_at).total_seconds()
            withdrawn_at = granted_at + timedelta(seconds=left * rng.uniform(0.1, 0.95))
            person.consents.append((key, "withdrawn", withdrawn_at))


def _add_attributes(rng: Random, person: Person, at: datetime) -> None:
    """Values in their canonical form (see contacts.models.AttributeDefinition)."""
    values = person.attributes
    if rng.random() < 0.55:
        values["favorite_roast"] = rng.choices(shop.ROASTS, weights=[2, 5, 4])[0]
    if rng.random() < 0.5:
        values["preferred_cafe"] = rng.choice(shop.CAFES)
    if rng.random() < 0.45:
        values["cups_per_day"] = min(9, max(1, round(rng.gauss(2.6, 1.3))))
    if rng.random() < 0.6:
        values["owns_machine"] = rng.random() < 0.38
    if "subscription" in person.categories:
        days = (at - person.created_at).days
        values["subscriber_since"] = (at - timedelta(days=int(days * rng.random()))).date()
    if rng.random() < 0.2:
        hours = min((at - person.created_at).total_seconds() / 3600, 200 * 24)
        values["last_survey_at"] = at - timedelta(hours=hours * rng.random())
    if rng.random() < 0.5:
        values["brew_methods"] = sorted(rng.sample(shop.METHODS, k=rng.choice([1, 1, 2, 3])))
