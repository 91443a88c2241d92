"""Tells what the people did in the last year: visits, carts, orders, letters read. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from . import shop
from .people import Habit, Person

DAYS = 365
_HOURS = (*range(7, 24), 19, 20, 21, 20, 12)
POINTS_FOR_JOINING = 50


@dataclass(frozen=True, slots=True)
class Happening:
    """Something a person did; `serial` is its place in that person's story."""

    person: Person
    serial: int
    name: str
    occurred_at: datetime
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Membership:
    """Somebody's place in the loyalty programme."""

    card_number: str
    tier: str
    points: int
    joined_at: datetime
    left_at: datetime | None


@dataclass(slots=True)
class Story:
    """What one person did in the year before `at`, in no order of time."""

    person: Person
    at: datetime
    happenings: list[Happening] = field(default_factory=list)

    def tell(self, name: str, occurred_at: datetime, **properties: Any) -> None:
        """Add something, unless it would be later than the present or before we met."""
        if self.person.created_at <= occurred_at <= self.at:
            serial = len(self.happenings)
            self.happenings.append(Happening(self.person, serial, name, occurred_at, properties))

    def orders(self, within: timedelta) -> list[Decimal]:
        """The amounts of the orders since `within` ago."""
        since = self.at - within
        return [
            happening.properties["amount"]
            for happening in self.happenings
            if happening.name == "purchase" and happening.occurred_at > since
        ]


def tell_stories(rng: Random, people: list[Person], *, at: datetime) -> list[Story]:
    """The story of each person."""
    return [_story(rng, person, at) for person in people]


def _story(rng: Random, person: Person, at: datetime) -> Story:
    story = Story(person, at)
    for day in _order_days(rng, person):
        _order(rng, story, _moment(rng, person, at - timedelta(days=day)))
    visits = {Habit.BROWSER: 9, Habit.LAPSED: 2, Habit.NEW: 3}.get(person.habit, 4)
    for _ in range(rng.randrange(visits + 1)):
        _browse(rng, story, _moment(rng, person, at - timedelta(days=_some_day(rng, person))))
    granted_at = person.granted("newsletter")
    if granted_at is not None:
        _read_letters(rng, story, granted_at)
    return story


def _order_days(rng: Random, person: Person) -> list[float]:
    """How many days ago the person ordered."""
    match person.habit:
        case Habit.LOYAL:
            return _every(rng, rng.uniform(17, 34), 0)
        case Habit.REGULAR:
            return _every(rng, rng.uniform(45, 100), 0)
        case Habit.LAPSED:
            return _every(rng, rng.uniform(35, 90), rng.uniform(110, 300))
        case Habit.OCCASIONAL:
            return [DAYS * rng.random() for _ in range(rng.choice([1, 1, 2, 3]))]
        case Habit.NEW:
            return [28 * rng.random() for _ in range(rng.choice([0, 1, 1, 2]))]
        case Habit.BROWSER:
            return []


def _every(rng: Random, days: float, until: float) -> list[float]:
    """Once in about so many days, from a year ago to `until` days ago."""
    found = []
    day = until + days * rng.random()
    while day < DAYS:
        found.append(day)
        day += max(1.5, rng.gauss(days, days / 3))
    return found


def _some_day(rng: Random, person: Person) -> float:
    if person.habit is Habit.NEW:
        return 28 * rng.random()
    if person.habit is Habit.LAPSED:
        return rng.uniform(100, DAYS)
    return DAYS * rng.random()


def _moment(rng: Random, person: Person, day: datetime) -> datetime:
    """A waking moment of that day where the person lives, in UTC."""
    local = day.astimezone(person.zone)
    hour = time(rng.choice(_HOURS), rng.randrange(60), rng.randrange(60))
    return datetime.combine(local.date(), hour, person.zone).astimezone(day.tzinfo)


def _browse(rng: Random, story: Story, when: datetime) -> None:
    """Look around, and sometimes put something in the cart without buying it."""
    for _ in range(rng.choice([1, 1, 2])):
        page = rng.choice(shop.PAGES)
        story.tell("page_visit", when, url=shop.SHOP + page)
        when += timedelta(seconds=rng.randrange(20, 400))
    if rng.random() < 0.3:
        product = _product(rng)
        story.tell("page_visit", when, url=shop.SHOP + product.path)
        _put_in_cart(story, product, 1, when + timedelta(seconds=rng.randrange(10, 120)))


def _order(rng: Random, story: Story, when: datetime) -> None:
    product = _product(rng)
    quantity = rng.choice([1, 1, 1, 2, 2, 3])
    story.tell("page_visit", when, url=shop.SHOP + product.path)
    when += timedelta(seconds=rng.randrange(10, 240))
    _put_in_cart(story, product, quantity, when)
    when += timedelta(seconds=rng.randrange(60, 1500))
    amount = product.price * quantity
    channel = rng.choices(["web", "app", "cafe"], weights=[6, 3, 2])[0]
    story.tell(
        "purchase",
        when,
        order_id=f"{story.person.external_id}-{len(story.happenings)}",
        product=product.name,
        category=product.category,
        quantity=quantity,
        amount=amount,
        currency="EUR",
        channel=channel,
        website=shop.WEBSITE,
    )
    if channel == "cafe":
        story.tell("cafe_visit", when + timedelta(seconds=30), cafe=rng.choice(shop.CAFES[:-1]))
    later = when + timedelta(days=rng.uniform(2, 13))
    if rng.random() < 0.05:
        sent_back = {"product": product.name, "amount": amount, "website": shop.WEBSITE}
        story.tell("return", later, **sent_back)
    elif rng.random() < 0.08:
        rating = rng.choices([1, 2, 3, 4, 5], weights=[1, 1, 2, 6, 9])[0]
        story.tell("review_left", later, product=product.name, rating=rating)


def _put_in_cart(story: Story, product: shop.Product, quantity: int, when: datetime) -> None:
    story.tell(
        "add_to_cart",
        when,
        product=product.name,
        category=product.category,
        quantity=quantity,
        amount=product.price * quantity,
    )


def _product(rng: Random) -> shop.Product:
    return rng.choices(shop.PRODUCTS, weights=[product.weight for product in shop.PRODUCTS])[0]


def _read_letters(rng: Random, story: Story, granted_at: datetime) -> None:
    """A newsletter came out on the first of each month at noon; a third read it."""
    eagerness = {Habit.LOYAL: 0.6, Habit.REGULAR: 0.4, Habit.LAPSED: 0.1}
    share = eagerness.get(story.person.habit, 0.28)
    for month in range(13):
        issue = story.at.replace(day=1, hour=12, minute=0, second=0, microsecond=0)
        issue -= timedelta(days=30.4 * month)
        issue = issue.replace(day=1)
        if issue < granted_at or rng.random() >= share:
            continue
        opened_at = issue + timedelta(hours=rng.expovariate(1 / 9))
        campaign = f"news-{issue:%Y-%m}"
        story.tell("email_open", opened_at, campaign=campaign)
        if rng.random() < 0.22:
            clicked_at = opened_at + timedelta(seconds=rng.randrange(5, 300))
            link = f"{shop.SHOP}{rng.choice(shop.PAGES)}"
            story.tell("email_click", clicked_at, campaign=campaign, url=link)
            story.tell("page_visit", clicked_at + timedelta(seconds=2), url=link)


def measure(story: Story) -> dict[str, Any]:
    """The metrics of the person that another program writes, those that are known."""
    found: dict[str, Any] = {}
    if story.orders(timedelta(days=DAYS)):
        bought = [event for event in story.happenings if event.name == "purchase"]
        found["last_order_on"] = max(event.occurred_at for event in bought).date()
        categories = [str(event.properties["category"]) for event in bought]
        found["favorite_category"] = max(sorted(set(categories)), key=categories.count)
    return found


def enroll(rng: Random, story: Story) -> Membership | None:
    """The person's place in the loyalty programme; None for who never joined."""
    person = story.person
    shares = {Habit.LOYAL: 0.85, Habit.REGULAR: 0.55, Habit.LAPSED: 0.3, Habit.NEW: 0.2}
    if rng.random() >= shares.get(person.habit, 0.12):
        return None
    known = story.at - person.created_at
    joined_at = person.created_at + known * rng.random() ** 2
    left_at = None
    if rng.random() < (0.25 if person.habit is Habit.LAPSED else 0.03):
        left_at = joined_at + (story.at - joined_at) * rng.uniform(0.3, 0.95)
    earned = int(sum(story.orders(story.at - joined_at), Decimal(0)))
    tier = next(name for least, name in shop.TIERS if earned >= least)
    spent = int(earned * rng.random() * 0.7) // 50 * 50
    points = 0 if left_at else POINTS_FOR_JOINING + earned - spent
    card_number = f"RG{person.number * 7919 % 10**8:08d}"
    return Membership(card_number, tier, points, joined_at, left_at)


def lead_score(story: Story) -> int:
    """How warm the person is, 0 to 100: what was done lately counts."""
    weights = {"purchase": 12, "add_to_cart": 4, "email_click": 5, "email_open": 2}
    since = story.at - timedelta(days=90)
    recent = [event for event in story.happenings if event.occurred_at > since]
    return min(100, sum(weights.get(event.name, 1) for event in recent))
