"""Formulas: what SQL computes is what a person would count, of everyone and of each website."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.events import IncomingEvent, record_events
from contacts.formula_statements import Computable, Ranked, scope_of, select_values
from contacts.formulas import Formula, Function
from contacts.models import Contact, Identity, WebsiteMetrics
from contacts.orders import orders
from contacts.website_metrics import compute_website_metrics
from tests.factories import DAY, NOW
from tests.reference.metrics import Asked, Happening, measure, ranks, site_of, took_part
from workspace import sql
from workspace.models import Website

_ZONE = ZoneInfo("Europe/Prague")
_MOMENT = timedelta(microseconds=1)
_CATEGORY = "products.category, category"

# Edges of windows, and of days in the workspace's time zone.
_TIMES = st.builds(
    lambda days, slip: NOW - days * DAY + slip,
    st.sampled_from([0, 1, 29, 30, 31, 90, 365, 366, 1000]),
    st.sampled_from([-_MOMENT, timedelta(), _MOMENT, timedelta(hours=11), timedelta(hours=-13)]),
)
_AMOUNTS = st.sampled_from(
    [None, "x", True, 0, 1, "1.0", 2, Decimal("0.1"), -1, Decimal("33.33"), 10**22, [1], {"a": 1}]
)
_NAMES = st.sampled_from(["tea", "Tea", "coffee", "", "ä", 7, Decimal("1.50"), True, None])
_CATEGORIES = st.one_of(_NAMES, st.lists(_NAMES, max_size=3), st.just({"category": "tea"}))
_PRODUCTS = st.one_of(
    st.lists(st.fixed_dictionaries({}, optional={"category": _CATEGORIES}), max_size=3),
    st.fixed_dictionaries({"category": _CATEGORIES}),
    st.just("tea"),
)
_SITES = st.sampled_from(
    [
        *("main", "MAIN", "shop.test", "https://www.shop.test:80/sale?x=1", "second.test"),
        *("elsewhere.test", "", " ", None, 5, {"key": "main"}),
    ]
)
_PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "amount": _AMOUNTS,
        "total": st.one_of(_AMOUNTS, st.fixed_dictionaries({"gross": _AMOUNTS})),
        "category": _CATEGORIES,
        "products": _PRODUCTS,
        "brand": _NAMES,
        "channel": st.sampled_from(["web", "app", 5]),
        "website": _SITES,
        "url": _SITES,
    },
)
_EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.builds(Happening, st.sampled_from(["purchase", "back", "view"]), _TIMES, _PROPERTIES),
    ),
    max_size=14,
)
_NUMBERS = ("sum", "average", "minimum", "maximum")


@st.composite
def _formulas(draw: st.DrawFn) -> Formula:
    function = draw(st.sampled_from([one for one in Function if one != Function.PERCENTILE]))
    name = draw(st.sampled_from(["", "", "purchase", "view", "never"]))
    way, other = "", ""
    if function in _NUMBERS and (name or draw(st.booleans())):
        way = draw(st.sampled_from(["amount", "total.gross", "total"]))
    if function == Function.MOST_FREQUENT and (name or draw(st.booleans())):
        way = draw(st.sampled_from(["brand", "category", "products.category", _CATEGORY]))
    where = draw(st.sampled_from([("", ""), ("", ""), ("channel", "web"), ("channel", "5")]))
    if function == Function.SHARE:
        other = draw(st.sampled_from(["back", "view"]) if not where[0] else st.just(""))
    days = draw(st.sampled_from([None, 1, 30, 365]))
    return Formula(function, name, way, days, where[0], where[1], other)


def _asked(formula: Formula) -> Asked:
    is_text = formula.function == Function.MOST_FREQUENT
    return Asked(
        formula.function,
        formula.event_name or "purchase",
        formula.value_property or (_CATEGORY if is_text else "amount"),
        formula.window_days,
        (formula.filter_property, formula.filter_value) if formula.filter_property else None,
        formula.other_event_name,
    )


def _store(given: list[tuple[int, Happening]], people: list[int]) -> list[list[Happening]]:
    record_events(
        [IncomingEvent(people[who], one.name, one.at, one.properties) for who, one in given],
        received_at=NOW + 2 * DAY,
    )
    return [[one for who, one in given if who == place] for place in range(len(people))]


def _empty() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM contacts_event; DELETE FROM contacts_websitemetrics")
    Identity.objects.all().delete()
    Contact.objects.all().delete()
    return [contact.pk for contact in Contact.objects.bulk_create(Contact() for _ in range(4))]


def _count_by_hand(formula: Formula, story: list[Happening], *, is_ranked: bool) -> Any:
    asked = _asked(formula)
    if is_ranked and asked.function in {"count", "sum"} and not took_part(asked, story, NOW):
        return None
    return measure(asked, story, NOW, _ZONE)


@pytest.mark.django_db
@settings(max_examples=30, deadline=None)
@given(_EVENTS, st.lists(_formulas(), min_size=1, max_size=3))
def test_a_formula_gives_what_counting_by_hand_gives(given: Any, formulas: list[Formula]) -> None:
    people = _empty()
    stories = dict(zip(people, _store(given, people), strict=True))
    ranked = [one for one in formulas if one.type == "number"]
    with override_settings(TIME_ZONE=str(_ZONE)):
        scope = scope_of(formulas, of=orders(), as_of=NOW)
        wanted: list[Computable] = [*formulas, *map(Ranked, ranked)]
        text, params = select_values(wanted, scope)
        found = {row.pop("contact_id"): list(row.values()) for row in sql.rows(text, params)}
    expected = {
        person: [_count_by_hand(one, story, is_ranked=False) for one in formulas]
        for person, story in stories.items()
    }
    for one in ranked:
        values = {
            person: value
            for person, story in stories.items()
            if (value := _count_by_hand(one, story, is_ranked=True)) is not None
        }
        placed = ranks(values)
        for person in people:
            expected[person].append(placed.get(person))
    assert found == expected


# --- Of each website -----------------------------------------------------------------------------

_READY = {
    "ss_ordercountlast30days": Asked("count", "purchase", days=30),
    "ss_ordercountlast90days": Asked("count", "purchase", days=90),
    "ss_ordercountlast365days": Asked("count", "purchase", days=365),
    "ss_ordercount": Asked("count", "purchase"),
    "ss_lifetimepurchasevalue": Asked("sum", "purchase", "amount"),
    "ss_averageordervalue": Asked("average", "purchase", "amount"),
    "ss_firstorderdate": Asked("first_date", "purchase"),
    "ss_lastorderdate": Asked("last_date", "purchase"),
    "ss_dayssincelastorder": Asked("days_since", "purchase"),
    "ss_mostboughtcategory": Asked("most_frequent", "purchase", _CATEGORY),
    "ss_mostviewedbrand": Asked("most_frequent", "Product Viewed", "brand"),
    "ss_returnrate": Asked("share", "purchase", other="Order Refunded"),
}
_RANK = "ss_lifetimepurchasevaluepercentile"


def _expected(
    stories: dict[int, list[Happening]], registered: set[int], names: dict[str, str]
) -> dict[tuple[str, int], dict[str, Any]]:
    keys = set(names.values())
    only = next(iter(keys)) if len(keys) == 1 else None
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for key in keys:
        spent: dict[int, Decimal] = {}
        for person in registered:
            here = [one for one in stories[person] if site_of(one, "website", names, only) == key]
            ordered = took_part(_READY["ss_ordercount"], here, NOW)
            if not ordered and only is None:
                continue
            values = {name: measure(asked, here, NOW, _ZONE) for name, asked in _READY.items()}
            shown = {name: value for name, value in values.items() if value is not None}
            found[key, person] = {
                name: str(value) if isinstance(value, date) else value
                for name, value in shown.items()
            } | {"ss_rewardsredeemed": 0}
            if ordered and values["ss_lifetimepurchasevalue"] is not None:
                spent[person] = values["ss_lifetimepurchasevalue"]
        for person, rank in ranks(spent).items():
            found[key, person][_RANK] = rank
    return found


@pytest.mark.django_db
@settings(max_examples=15, deadline=None)
@given(_EVENTS, st.sets(st.integers(0, 3)), st.booleans())
def test_websites_have_what_counting_by_hand_gives(
    given: Any, registered: set[int], are_two: bool
) -> None:
    people = _empty()
    Website.objects.all().delete()
    Website.objects.create(key="main", name="Main", domain="www.Shop.test")
    names = {"main": "main", "shop.test": "main"}
    if are_two:
        Website.objects.create(key="second", name="Second", domain="second.test")
        names |= {"second": "second", "second.test": "second"}
    renamed = {"back": "Order Refunded", "view": "Product Viewed"}
    given = [
        (who, Happening(renamed.get(one.name, one.name), one.at, one.properties))
        for who, one in given
    ]
    stories = dict(zip(people, _store(given, people), strict=True))
    for place, person in enumerate(people):
        namespace = "email" if place in registered else "anonymous_id"
        Identity.objects.create(namespace=namespace, value=f"p{person}", contact_id=person)
    with override_settings(TIME_ZONE=str(_ZONE)):
        done = compute_website_metrics(as_of=NOW)
        again = compute_website_metrics(as_of=NOW)
    found = {
        (one.website.key, one.contact_id): one.values
        for one in WebsiteMetrics.objects.select_related("website")
    }
    assert found == _expected(stories, {people[place] for place in registered}, names)
    assert sum(one.contact_count for one in done) == len(found)
    assert sum(one.changed_count for one in done) == len(found)
    assert sum(one.changed_count for one in again) == 0, "what is the same is not written again"
