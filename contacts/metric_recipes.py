"""Metrics that are no formula over events but code: the age, and what upper floors register."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from contacts.orders import Orders

AGE = "age"

Statement = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a metric is computed by code: `statement` gives rows of contact_id and number.

    `turned` gives rows of contact_id: those whose number may be another one as of the second
    instant than as of the first, because time went by (or back) and nothing else changed. What
    else the number hangs on is marked by the database: see `contacts_mark_metrics_of` in the
    migrations, and contacts.metric_marks.
    """

    label: str
    description: str
    said: str | Promise
    statement: Callable[[Orders, datetime], Statement]
    turned: Callable[[datetime, datetime], Statement]


def local_day(at: datetime) -> date:
    """The workspace's day of an instant."""
    return at.astimezone(ZoneInfo(settings.TIME_ZONE)).date()


def _age(of: Orders, as_of: datetime) -> Statement:
    statement = """
SELECT id AS contact_id, extract(year FROM age(%s::date, birth_date))::numeric AS number
FROM contacts_contact WHERE birth_date <= %s AND erased_at IS NULL"""
    day = local_day(as_of)
    return statement, [day, day]


def _birthdays(since: datetime, until: datetime) -> Statement:
    before, after = sorted((local_day(since), local_day(until)))
    if before == after:
        return "SELECT NULL::bigint AS contact_id WHERE false", []
    # Those who were born in between have an age only on the later day.
    statement = """
SELECT id AS contact_id FROM contacts_contact
WHERE birth_date <= %s AND (birth_date > %s
  OR extract(year FROM age(%s::date, birth_date)) <> extract(year FROM age(%s::date, birth_date)))
"""
    return statement, [after, before, before, after]


_RECIPES: dict[str, Recipe] = {
    AGE: Recipe(
        "Age",
        "How many years old the contact is; missing without a birth date.",
        gettext_lazy(
            "The whole years since the birth date, on the day on which it is computed. Contacts"
            " without a birth date have none."
        ),
        _age,
        _birthdays,
    ),
}


def register_recipe(key: str, recipe: Recipe) -> None:
    """Compute one more metric, under this key. For an upper floor, when it is ready."""
    _RECIPES[key] = recipe


def registered_recipes() -> Mapping[str, Recipe]:
    """All of them by key, in the order of registration."""
    return _RECIPES
