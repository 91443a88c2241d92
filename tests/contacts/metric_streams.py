"""Random lives of a few contacts, and what their metrics are when everyone is computed anew."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from contacts import erasure
from contacts.computables import computables_of, computed_metrics
from contacts.events import IncomingEvent, record_events
from contacts.formula_statements import scope_of, select_values, sites_of
from contacts.formulas import Formula, Function
from contacts.merging import merge_contacts
from contacts.models import (
    ComputedMetric,
    Contact,
    Identity,
    MetricDefinition,
    MetricValue,
    WebsiteMetrics,
)
from contacts.orders import orders
from loyalty.models import Claim, Mechanism
from tests.factories import DAY, HOUR, NOW
from workspace import sql
from workspace.access import SYSTEM
from workspace.models import Website

_MOMENT = timedelta(microseconds=1)

# Besides those that come with the product: short windows, conditions, ranks of what moves.
FORMULAS = {
    "day_count": Formula(Function.COUNT, window_days=1),
    "day_count_rank": Formula(Function.PERCENTILE, ranked_key="day_count"),
    "month_favourite": Formula(Function.MOST_FREQUENT, "Product Viewed", "brand", 30),
    "web_share": Formula(
        Function.SHARE, window_days=30, filter_property="channel", filter_value="web"
    ),
    "days_since_view": Formula(Function.DAYS_SINCE, "Product Viewed", window_days=30),
    "days_since_view_rank": Formula(Function.PERCENTILE, ranked_key="days_since_view"),
    "age_rank": Formula(Function.PERCENTILE, ranked_key="age"),
}

Act = Callable[["Life"], None]


@dataclass
class Life:
    """What happens to whom, and what time it is."""

    clock: datetime = NOW
    people: list[int] = field(default_factory=list)
    number: int = 0

    def person(self, place: int) -> int | None:
        """One of those who live."""
        return self.people[place % len(self.people)] if self.people else None

    def next(self) -> int:
        """A number that was not there yet."""
        self.number += 1
        return self.number


def define_formulas() -> None:
    """Have the formulas computed, too."""
    for key, formula in FORMULAS.items():
        ranked = MetricDefinition.objects.filter(key=formula.ranked_key).first()
        metric = MetricDefinition.objects.create(key=key, label=key, type=formula.type)
        ComputedMetric.objects.create(
            metric=metric, ranked=ranked, upload_name=f"ss_{key}", **formula.columns()
        )


# --- What happens ----------------------------------------------------------------------------

_EDGES = st.builds(
    lambda days, slip: days * DAY + slip,
    st.sampled_from([-1, 0, 0, 1, 29, 30, 31, 90, 365]),
    st.sampled_from([-_MOMENT, timedelta(), _MOMENT, 11 * HOUR]),
)
_PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "amount": st.sampled_from([0, 1, "2.5", 10, -3, "x"]),
        "category": st.sampled_from(["tea", "cup"]),
        "brand": st.sampled_from(["a", "b"]),
        "channel": st.sampled_from(["web", "app"]),
        "website": st.sampled_from(["main", "second", "elsewhere"]),
    },
)


def _record(place: int, name: str, before: timedelta, properties: dict[str, Any]) -> Act:
    def act(life: Life) -> None:
        if (person := life.person(place)) is not None:
            event = IncomingEvent(person, name, life.clock - before, properties)
            record_events([event], received_at=life.clock + 2 * DAY)

    return act


def _come(is_registered: bool, born: date | None) -> Act:
    def act(life: Life) -> None:
        person = Contact.objects.create(birth_date=born).pk
        life.people.append(person)
        namespace = "email" if is_registered else "anonymous_id"
        Identity.objects.create(namespace=namespace, value=f"p{life.next()}", contact_id=person)

    return act


def _become_known(place: int, is_known: bool) -> Act:
    def act(life: Life) -> None:
        if (person := life.person(place)) is None:
            return
        names = Identity.objects.filter(contact_id=person)
        if is_known:
            value = f"p{life.next()}"
            Identity.objects.create(namespace="user_id", value=value, contact_id=person)
        else:
            names.exclude(namespace="anonymous_id").delete()

    return act


def _be_born(place: int, born: date | None) -> Act:
    def act(life: Life) -> None:
        if (person := life.person(place)) is not None:
            Contact.objects.filter(pk=person).update(birth_date=born)

    return act


def _merge(first: int, second: int) -> Act:
    def act(life: Life) -> None:
        one, other = life.person(first), life.person(second)
        if one is not None and other is not None and one != other:
            merge_contacts(one, other, actor=SYSTEM, at=life.clock, cause="person")
            life.people.remove(other)

    return act


def _erase(place: int) -> Act:
    def act(life: Life) -> None:
        if (person := life.person(place)) is not None:
            erasure.erase_contact(person, actor=SYSTEM, at=life.clock)
            life.people.remove(person)

    return act


def _forget_events(before: timedelta) -> Act:
    def act(life: Life) -> None:
        statement = "DELETE FROM contacts_event WHERE occurred_at < %s"
        sql.execute(statement, [life.clock - before])

    return act


def _claim(place: int, before: timedelta, is_revoked: bool) -> Act:
    def act(life: Life) -> None:
        if (person := life.person(place)) is None:
            return
        reward, _is_new = Mechanism.objects.get_or_create(
            key="mug", defaults={"kind": Mechanism.Kind.REWARD, "name": "Mug"}
        )
        if is_revoked:
            Claim.objects.filter(contact_id=person).update(
                state=Claim.State.REVOKED, revoked_at=life.clock
            )
            return
        Claim.objects.create(
            contact_id=person,
            mechanism=reward,
            state=Claim.State.CLAIMED,
            cause=f"c{life.next()}",
            at=life.clock - before,
        )

    return act


_PLACES = st.integers(0, 5)
_BIRTHS = st.sampled_from([None, date(1990, 3, 2), date(1990, 3, 3), date(2000, 4, 1)])
_NAMES = st.sampled_from(
    [*("purchase",) * 4, "Order Refunded", "Product Viewed", "Product Viewed", "other"]
)
ACTS = st.one_of(
    st.builds(_record, _PLACES, _NAMES, _EDGES, _PROPERTIES),
    st.builds(_record, _PLACES, _NAMES, _EDGES, _PROPERTIES),
    st.builds(_record, _PLACES, _NAMES, _EDGES, _PROPERTIES),
    st.builds(_come, st.booleans(), _BIRTHS),
    st.builds(_become_known, _PLACES, st.booleans()),
    st.builds(_be_born, _PLACES, _BIRTHS),
    st.builds(_merge, _PLACES, _PLACES),
    st.builds(_erase, _PLACES),
    st.builds(_forget_events, st.sampled_from([0 * DAY, 30 * DAY, 31 * DAY])),
    st.builds(_claim, _PLACES, st.sampled_from([0 * DAY, -DAY]), st.booleans()),
)
# How far the clock goes, or is set back, before the next computing.
STEPS = st.sampled_from(
    [timedelta(), _MOMENT, HOUR, 13 * HOUR, DAY, DAY, 30 * DAY, -DAY, -13 * HOUR, 400 * DAY]
)
# Those who are there from the beginning.
FIRST = [_come(True, date(1990, 3, 2)), _come(True, None), _come(False, None), _come(True, None)]


# --- What it comes to -----------------------------------------------------------------------


def anew(as_of: datetime) -> dict[str, dict[int, Any]]:
    """What everyone has of each metric, computed anew."""
    found = computed_metrics()
    of = orders()
    computables, taking_part = computables_of(found, of, as_of)
    text, params = select_values(computables, scope_of(taking_part, of=of, as_of=as_of))
    rows = sql.lists(text, params)
    return {
        one.metric.key: {row[0]: row[place + 1] for row in rows if row[place + 1] is not None}
        for place, one in enumerate(found)
    }


def stored() -> dict[str, dict[int, Any]]:
    """What is stored of each metric that is computed."""
    found: dict[str, dict[int, Any]] = {one.metric.key: {} for one in computed_metrics()}
    for value in MetricValue.objects.select_related("metric"):
        kind = value.metric.type
        found[value.metric.key][value.contact_id] = getattr(value, kind)
    return found


def websites_anew(as_of: datetime) -> dict[tuple[int, int], dict[str, Any]]:
    """The documents of all websites, computed anew."""
    found, of, known = computed_metrics(), orders(), list(Website.objects.order_by("pk"))
    computables, taking_part = computables_of(found, of, as_of)
    scope = scope_of(taking_part, of=of, as_of=as_of)
    text, params = select_values(computables, scope, sites_of(known, [one.pk for one in known]))
    return {
        (row[0], row[1]): {
            one.upload_name: value.isoformat() if isinstance(value, date) else value
            for one, value in zip(found, row[2:], strict=True)
            if value is not None
        }
        for row in sql.lists(text, params)
    }


def websites_stored() -> dict[tuple[int, int], dict[str, Any]]:
    """The documents that are stored."""
    return {(one.website_id, one.contact_id): one.values for one in WebsiteMetrics.objects.all()}
