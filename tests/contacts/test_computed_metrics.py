"""Metrics from orders: against counting by hand, and that only what changed is written."""

import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts import computed_metrics, erasure, jobs, orders
from contacts.definitions import Kind, delete_definition
from contacts.distributions import distribution_of, round_width
from contacts.errors import ContactInvalid, DefinitionInUse, OrderEventInvalid
from contacts.events import IncomingEvent, record_events
from contacts.metrics import set_values, values_of
from contacts.models import ComputedMetric, Contact, MetricDefinition, MetricValue
from tests.factories import DAY, HOUR, NOW, make_contact, make_metric
from workspace import locks
from workspace.access import SYSTEM, Actor
from workspace.errors import Busy, NotAllowed
from workspace.models import AuditEntry

_MOMENT = timedelta(microseconds=1)
# What who did nothing has.
_NOTHING = dict.fromkeys(
    (
        *("order_count_30d", "order_count_90d", "order_count_365d", "order_count"),
        *("lifetime_value", "rewards_redeemed"),
    ),
    0,
)
_MARKETER = Actor(AuditEntry.ActorKind.USER, 7, "Maria", permissions=frozenset())


def _order(contact_id: int, at: datetime = NOW, name: str = "purchase", **properties: Any) -> None:
    record_events([IncomingEvent(contact_id, name, at, properties)], received_at=max(at, NOW))


def _values(key: str) -> dict[int, Decimal]:
    found = MetricValue.objects.filter(metric__key=key, number__isnull=False)
    return {value.contact_id: value.number for value in found if value.number is not None}


@pytest.mark.django_db
def test_the_definitions_are_there_after_migrating() -> None:
    found = MetricDefinition.objects.filter(computed__isnull=False).values_list("key", flat=True)
    assert set(found) == set(computed_metrics.known_keys())
    computed_metrics.define_computed_metrics()
    assert ComputedMetric.objects.count() == len(computed_metrics.known_keys())


@pytest.mark.django_db
def test_a_metric_that_somebody_defined_before_stays_theirs() -> None:
    for key in ("lifetime_value_percentile", "lifetime_value"):
        MetricDefinition.objects.filter(key=key).delete()
    make_metric("lifetime_value", label="Ours")
    computed_metrics.define_computed_metrics()
    assert not MetricDefinition.objects.get(key="lifetime_value").is_computed
    assert "lifetime_value" not in computed_metrics.known_keys()
    assert len(computed_metrics.compute(as_of=NOW)) == len(computed_metrics.known_keys())


@pytest.mark.django_db
def test_orders_of_30_days_are_counted_to_the_instant() -> None:
    anna = make_contact().pk
    for at in (NOW - 30 * DAY, NOW - 30 * DAY + _MOMENT, NOW, NOW + _MOMENT):
        _order(anna, at, amount=1)
    computed_metrics.compute(as_of=NOW)
    assert _values("order_count_30d") == {anna: 2}
    assert _values("lifetime_value") == {anna: 3}


@pytest.mark.django_db
def test_who_never_ordered_has_nothing_of_both_and_no_rank() -> None:
    anna = make_contact().pk
    computed_metrics.compute(as_of=NOW)
    assert values_of(anna) == _NOTHING


@pytest.mark.django_db
def test_amounts_are_numbers_or_texts_that_write_one() -> None:
    anna = make_contact().pk
    for amount in (10, "2.5", "two", None, True, [5], {"a": 1}, "", Decimal("0.1"), -3):
        _order(anna, amount=amount)
    _order(anna)
    computed_metrics.compute(as_of=NOW)
    assert values_of(anna)["lifetime_value"] == Decimal("9.6")
    assert values_of(anna)["order_count_30d"] == 11


@pytest.mark.django_db
def test_an_average_is_over_the_orders_with_an_amount() -> None:
    anna = make_contact().pk
    for amount in (10, "5", None, "two"):
        _order(anna, amount=amount)
    _order(anna, NOW + HOUR, amount=100)
    _order(make_contact().pk)
    computed_metrics.compute(as_of=NOW)
    assert _values("average_order_value") == {anna: Decimal("7.5")}


@pytest.mark.django_db
def test_an_age_is_of_whole_years_on_the_day_of_the_workspace(
    settings: Any,
) -> None:
    settings.TIME_ZONE = "Europe/Prague"
    birthday = make_contact(birth_date="1990-03-02").pk
    tomorrow = make_contact(birth_date="1990-03-03").pk
    make_contact(birth_date="2050-01-01")
    make_contact()
    computed_metrics.compute(as_of=datetime(2026, 3, 1, 23, tzinfo=UTC))
    assert _values("age") == {birthday: 36, tomorrow: 35}


@pytest.mark.django_db
def test_what_a_metric_cannot_hold_is_missing_and_stops_nobody() -> None:
    anna, ben = make_contact().pk, make_contact().pk
    _order(anna, amount=10**30)
    _order(ben, amount=5)
    computed_metrics.compute(as_of=NOW)
    assert _values("lifetime_value") == {ben: 5}
    assert _values("lifetime_value_percentile") == {ben: 100}


@pytest.mark.django_db
def test_erased_contacts_have_none() -> None:
    anna, ben = make_contact().pk, make_contact().pk
    for person in (anna, ben):
        _order(person, amount=person)
    computed_metrics.compute(as_of=NOW)
    erasure.erase_contact(ben, actor=SYSTEM, at=NOW)
    computed_metrics.compute(as_of=NOW)
    assert set(_values("order_count_30d")) == {anna}
    assert _values("lifetime_value_percentile") == {anna: 100}


@pytest.mark.django_db
def test_only_what_changed_is_written() -> None:
    anna, ben = make_contact().pk, make_contact().pk
    _order(anna, NOW - 30 * DAY + HOUR, amount=5)
    _order(ben, amount=9)
    first = {one.key: one.changed_count for one in computed_metrics.compute(as_of=NOW)}
    nobody = {"age", "most_bought_category", "most_viewed_brand"}
    assert {key for key, count in first.items() if count != 2} == nobody
    assert not any(one.changed_count for one in computed_metrics.compute(as_of=NOW))
    (later,) = computed_metrics.compute(as_of=NOW + HOUR, keys=["order_count_30d"])
    assert (later.value_count, later.changed_count) == (2, 1)
    assert _values("order_count_30d") == {anna: 0, ben: 1}
    kept = MetricValue.objects.get(contact_id=ben, metric__key="order_count_30d")
    assert kept.computed_at == NOW, "the time of the value, which stayed"
    told = ComputedMetric.objects.get(metric__key="order_count_30d")
    assert (told.as_of, told.value_count) == (NOW + HOUR, 2)


@pytest.mark.django_db
def test_a_rank_goes_with_the_orders() -> None:
    anna = make_contact().pk
    _order(anna, NOW, amount=5)
    computed_metrics.compute(as_of=NOW)
    computed_metrics.compute(as_of=NOW - DAY)
    assert _values("lifetime_value_percentile") == {}
    assert _values("lifetime_value") == {anna: 0}


@pytest.mark.django_db
def test_among_the_highest_ten_per_cent_is_90_and_more() -> None:
    people = [make_contact().pk for _number in range(20)]
    for place, person in enumerate(people):
        _order(person, amount=place)
    make_contact()
    computed_metrics.compute(as_of=NOW)
    ranks = _values("lifetime_value_percentile")
    assert [person for person in people if ranks[person] >= 90] == people[-2:]
    assert [ranks[people[place]] for place in (0, -1)] == [Decimal(0), Decimal(100)]
    assert ranks[people[1]] == Decimal("5.2"), "cut off, never rounded up"


def _ranks(spent: dict[int, Decimal]) -> dict[int, Decimal]:
    """The oracle: of the other buyers, the share in per cent who spent less."""
    others = len(spent) - 1
    return {
        person: Decimal(100)
        if not others
        else (Decimal(sum(other < value for other in spent.values())) * 100 / others).quantize(
            Decimal("0.1"), ROUND_DOWN
        )
        for person, value in spent.items()
    }


_ORDERS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([0, 1, 29, 30, 31, 400]),
        st.sampled_from([-_MOMENT, timedelta(), _MOMENT]),
        st.sampled_from([None, "x", 0, 1, "1.0", 2, Decimal("0.1"), -1]),
        st.sampled_from(["purchase", "other"]),
    ),
    max_size=25,
)


@pytest.mark.django_db
@settings(max_examples=20, deadline=None)
@given(_ORDERS)
def test_the_three_are_what_counting_by_hand_gives(given: list[Any]) -> None:
    MetricValue.objects.all().delete()
    Contact.objects.all().delete()
    people = [contact.pk for contact in Contact.objects.bulk_create(Contact() for _ in range(6))]
    count: dict[int, int] = dict.fromkeys(people, 0)
    spent: dict[int, Decimal] = defaultdict(Decimal)
    for who, days, slip, amount, name in given:
        at = NOW - days * DAY + slip
        _order(people[who], at, name, amount=amount)
        if name != "purchase" or at > NOW:
            continue
        count[people[who]] += NOW - 30 * DAY < at <= NOW
        spent[people[who]] += Decimal(str(amount)) if amount not in (None, "x") else 0
    computed_metrics.compute(as_of=NOW)
    assert _values("order_count_30d") == count
    assert _values("lifetime_value") == {person: spent.get(person, 0) for person in people}
    assert _values("lifetime_value_percentile") == _ranks(spent)


# --- The order event -----------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_workspace_chooses_what_an_order_is() -> None:
    anna = make_contact().pk
    _order(anna, amount=5)
    _order(anna, name="Order Completed", total={"gross": "12.50"}, amount=1)
    assert orders.orders().is_default
    chosen = {
        "event_name": " Order Completed ",
        "amount_property": "total.gross",
        "category_property": " items.group ,category",
        "website_property": "shop",
    }
    orders.choose_order_event(**chosen, actor=SYSTEM, at=NOW)
    computed_metrics.compute(as_of=NOW)
    assert values_of(anna) == _NOTHING | {
        **dict.fromkeys([key for key in _NOTHING if key.startswith("order_count")], 1),
        "lifetime_value": Decimal("12.5"),
        "lifetime_value_percentile": 100,
        "average_order_value": Decimal("12.5"),
        "first_order_at": NOW.date(),
        "last_order_at": NOW.date(),
        "days_since_last_order": 0,
        "return_rate": 0,
    }
    entry = AuditEntry.objects.get(action="order_event.chosen")
    assert entry.changes == {
        "event": ["purchase", "Order Completed"],
        "amount": ["amount", "total.gross"],
        "category": ["products.category, category", "items.group, category"],
        "website": ["website", "shop"],
    }
    orders.choose_order_event(**chosen, actor=SYSTEM, at=NOW)
    assert AuditEntry.objects.filter(action="order_event.chosen").count() == 1


@pytest.mark.django_db
def test_an_event_that_never_came_may_be_chosen() -> None:
    anna = make_contact().pk
    _order(anna, amount=5)
    orders.choose_order_event(event_name="x", amount_property="y", actor=SYSTEM, at=NOW)
    computed_metrics.compute(as_of=NOW)
    assert values_of(anna) == _NOTHING


@pytest.mark.django_db
def test_only_administrators_choose_it() -> None:
    with pytest.raises(NotAllowed):
        orders.choose_order_event(event_name="x", amount_property="y", actor=_MARKETER, at=NOW)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("event", "amount", "paths"),
    [
        ("", "amount", ["event_name"]),
        ("x" * 201, "amount", ["event_name"]),
        ("purchase", "a..b", ["amount_property"]),
        ("", "", ["event_name", "amount_property"]),
        ("a\0", "b", [""]),
    ],
)
def test_what_cannot_be_an_order_is_told(event: str, amount: str, paths: list[str]) -> None:
    with pytest.raises(OrderEventInvalid) as refused:
        orders.choose_order_event(event_name=event, amount_property=amount, actor=SYSTEM, at=NOW)
    assert [problem.path for problem in refused.value.problems] == paths


@pytest.mark.django_db
def test_what_there_is_of_an_event_is_counted_before_it_is_chosen() -> None:
    anna, ben = make_contact().pk, make_contact().pk
    _order(anna, amount=5, currency="EUR", items=[1])
    _order(anna, amount="x")
    _order(ben, amount="2")
    found = orders.count_orders(orders.possible_orders("purchase", "amount"))
    assert (found.event_count, found.contact_count, found.amount_count) == (3, 2, 2)
    assert orders.seen_amounts("purchase") == ["amount", "currency"]


# --- What cannot be done with them ---------------------------------------------------------------


@pytest.mark.django_db
def test_values_cannot_be_written_by_others() -> None:
    anna = make_contact().pk
    with pytest.raises(ContactInvalid) as refused:
        set_values(anna, {"lifetime_value": 5}, at=NOW)
    assert [problem.code for problem in refused.value.problems] == ["computed"]
    assert "computed by Regulars" in str(refused.value)


@pytest.mark.django_db
def test_they_cannot_be_deleted() -> None:
    with pytest.raises(DefinitionInUse, match="Regulars computes it"):
        delete_definition(Kind.METRIC, "lifetime_value", actor=SYSTEM, at=NOW)


@pytest.mark.django_db(transaction=True)
def test_two_do_not_compute_at_once() -> None:
    # By another connection: this one would be given its own lock again.
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.held(computed_metrics.LOCK):
            taken.set()
            done.wait(10)
        connection.close()

    other = threading.Thread(target=hold)
    other.start()
    assert taken.wait(10)
    try:
        with pytest.raises(Busy):
            computed_metrics.compute(as_of=NOW)
    finally:
        done.set()
        other.join()


# --- How it is asked for -------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_job_computes_them_and_one_that_waits_is_not_asked_for_twice() -> None:
    job = jobs.request_computation(actor=SYSTEM)
    assert jobs.request_computation(actor=SYSTEM, keys=["order_count_30d"]) == job


@pytest.mark.django_db
def test_the_command_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    anna = make_contact().pk
    _order(anna, amount=5)
    call_command("compute_metrics", "--as-of", NOW.isoformat(), "--json")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(computed_metrics.known_keys())
    assert '"metric": "lifetime_value", "values": 1, "changed": 1' in lines[1]
    call_command("compute_metrics", "order_count_30d")
    assert capsys.readouterr().out.startswith("order_count_30d: values 1, changed ")


@pytest.mark.django_db
def test_the_command_refuses_what_it_does_not_compute() -> None:
    with pytest.raises(CommandError, match="Regulars does not compute height"):
        call_command("compute_metrics", "height")


# --- How the values are spread -------------------------------------------------------------------


@pytest.mark.django_db
def test_steps_are_round_and_hold_every_value_once() -> None:
    metric = make_metric("points")
    people = Contact.objects.bulk_create(Contact() for _number in range(100))
    MetricValue.objects.bulk_create(
        MetricValue(contact=person, metric=metric, number=place if place < 99 else 5000)
        for place, person in enumerate(people)
    )
    steps = distribution_of(metric)
    assert steps[0] == {"from": "0", "to": "10", "count": 10}
    assert steps[-1] == {"from": "90", "to": None, "count": 10}
    assert sum(step["count"] for step in steps) == 100
    assert distribution_of(make_metric("nothing")) == []


@pytest.mark.django_db
@settings(max_examples=30, deadline=None)
@given(st.lists(st.decimals(-1000, 1000, places=2), min_size=1, max_size=20))
def test_each_value_lies_in_its_step(numbers: list[Decimal]) -> None:
    MetricDefinition.objects.filter(key="points").delete()
    metric = make_metric("points")
    people = Contact.objects.bulk_create(Contact() for _number in numbers)
    MetricValue.objects.bulk_create(
        MetricValue(contact=person, metric=metric, number=number)
        for person, number in zip(people, numbers, strict=True)
    )
    steps = distribution_of(metric)
    assert len(steps) <= 16
    for step in steps:
        low, high = Decimal(step["from"]), Decimal(step["to"] or "Infinity")
        assert step["count"] == sum(low <= number < high for number in numbers)


@pytest.mark.parametrize(
    ("span", "is_whole", "width"),
    [
        ("0", True, "1"),
        ("0", False, "0.01"),
        ("5", True, "1"),
        ("120", True, "10"),
        ("121", False, "20"),
        ("0.7", False, "0.1"),
    ],
)
def test_a_width_is_1_2_or_5_times_a_power_of_ten(span: str, is_whole: bool, width: str) -> None:
    assert round_width(Decimal(span), is_whole=is_whole) == Decimal(width)
