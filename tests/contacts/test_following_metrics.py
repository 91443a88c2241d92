"""Metrics of those who can have changed: the same as of everyone anew, and of nobody else."""

import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts import computed_metrics, computing, jobs, metric_marks
from contacts.computed_metrics import compute, compute_recent
from contacts.events import IncomingEvent, record_events
from contacts.metrics import values_of
from contacts.models import (
    ComputedMetric,
    ComputedWebsite,
    Contact,
    EventDefinition,
    Identity,
    MetricValue,
)
from contacts.orders import choose_order_event
from contacts.retention import purge_events
from contacts.tasks import compute_due_metrics
from contacts.website_metrics import compute_website_metrics
from loyalty.models import Claim
from tests.contacts.metric_streams import (
    ACTS,
    FIRST,
    STEPS,
    Life,
    anew,
    define_formulas,
    stored,
    websites_anew,
    websites_stored,
)
from tests.factories import DAY, MINUTE, NOW, make_contact
from workspace import jobs as long_work
from workspace import sql
from workspace.access import SYSTEM
from workspace.models import Job, Website

pytestmark = pytest.mark.django_db

# A few things happen, then the clock goes on; then everyone is computed, websites, or both.
_CHAPTERS = st.lists(
    st.tuples(st.lists(ACTS, max_size=5), STEPS, st.sampled_from(["both", "both", "one", "two"])),
    min_size=1,
    max_size=5,
)


def _empty() -> Life:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM contacts_event; DELETE FROM contacts_websitemetrics")
    Claim.objects.all().delete()
    MetricValue.objects.all().delete()
    Identity.objects.all().delete()
    Contact.objects.all().delete()
    Website.objects.all().delete()
    ComputedMetric.objects.update(basis="")
    life = Life()
    for act in FIRST:
        act(life)
    return life


def _live(chapters: list[Any], *, are_two: bool) -> None:
    life = _empty()
    Website.objects.create(key="main", name="Main", domain="shop.test")
    if are_two:
        Website.objects.create(key="second", name="Second")
    compute(as_of=life.clock)
    compute_website_metrics(as_of=life.clock)
    for acts, step, what in chapters:
        for act in acts:
            act(life)
        life.clock += step
        if what != "two":
            done = compute_recent(as_of=life.clock) or compute(as_of=life.clock)
            assert stored() == anew(life.clock)
            assert {one.key for one in done} == set(computed_metrics.known_keys())
        if what != "one":
            compute_website_metrics(as_of=life.clock)
            assert websites_stored() == websites_anew(life.clock)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_CHAPTERS, st.booleans())
def test_it_is_the_same_as_computing_everyone_anew(chapters: list[Any], are_two: bool) -> None:
    if not ComputedMetric.objects.filter(metric__key="day_count").exists():
        define_formulas()
    with override_settings(TIME_ZONE="Europe/Prague"):
        _live(chapters, are_two=are_two)


@pytest.mark.long
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_CHAPTERS, st.booleans())
def test_it_is_the_same_in_thousands_of_lives(chapters: list[Any], are_two: bool) -> None:
    if not ComputedMetric.objects.filter(metric__key="day_count").exists():
        define_formulas()
    with override_settings(TIME_ZONE="Europe/Prague"):
        _live(chapters, are_two=are_two)


# --- Whom it looks at ------------------------------------------------------------------------


def _order(contact_id: int, at: Any = NOW, **properties: Any) -> None:
    record_events([IncomingEvent(contact_id, "purchase", at, properties)], received_at=NOW)


def _anew(done: Any) -> set[str]:
    return {one.key for one in done if one.is_anew}


def test_only_those_who_did_something_are_computed_again() -> None:
    anna, ben = make_contact().pk, make_contact().pk
    _order(anna, amount=5)
    _order(ben, amount=9)
    assert _anew(compute(as_of=NOW)) == set(computed_metrics.known_keys())
    # What nobody marked is not looked at: this value stays.
    MetricValue.objects.filter(contact_id=ben, metric__key="lifetime_value").update(number=1)
    _order(anna, amount=2)
    done = compute(as_of=NOW)
    assert _anew(done) == set()
    assert values_of(anna)["lifetime_value"] == 7
    assert values_of(ben)["lifetime_value"] == 1
    compute(as_of=NOW, is_anew=True)
    assert values_of(ben)["lifetime_value"] == 9


def test_a_definition_that_changed_is_computed_anew_and_the_others_follow() -> None:
    anna = make_contact().pk
    _order(anna, amount=5)
    compute(as_of=NOW)
    ComputedMetric.objects.filter(metric__key="lifetime_value").update(function="maximum")
    assert _anew(compute(as_of=NOW)) == {"lifetime_value", "lifetime_value_percentile"}
    record_events([IncomingEvent(anna, "Product Viewed", NOW, {})], received_at=NOW)
    assert _anew(compute(as_of=NOW)) == {"most_viewed_brand"}, "there was no such event before"
    choose_order_event(event_name="sale", amount_property="amount", actor=SYSTEM, at=NOW)
    assert _anew(compute(as_of=NOW)) == set(computed_metrics.known_keys())


def test_what_one_takes_the_others_are_owed() -> None:
    main = Website.objects.create(key="main", name="Main")
    anna = make_contact(email="anna@shop.test").pk
    _order(anna, amount=2)
    compute(as_of=NOW)
    compute_website_metrics(as_of=NOW)
    _order(anna, amount=3)
    compute(as_of=NOW)
    [done] = compute_website_metrics(as_of=NOW)
    assert (done.is_anew, done.changed_count) == (False, 1)
    _order(anna, amount=5)
    compute_website_metrics(as_of=NOW, websites=[main])
    compute(as_of=NOW)
    assert values_of(anna)["lifetime_value"] == 10
    assert sql.one("SELECT count(*) FROM contacts_metricmark") == 0
    assert sql.one("SELECT count(*) FROM contacts_metricdue") == 0


def test_what_was_not_marked_for_a_while_is_computed_anew() -> None:
    Website.objects.create(key="main", name="Main")
    anna = make_contact(email="anna@shop.test").pk
    _order(anna, amount=2)
    compute_website_metrics(as_of=NOW)
    for name in ("sale", "purchase"):
        # The website is not computed while an order is something else.
        choose_order_event(event_name=name, amount_property="amount", actor=SYSTEM, at=NOW)
        compute(as_of=NOW)
        if name == "sale":
            _order(anna, amount=3)
    compute_website_metrics(as_of=NOW)
    assert websites_stored() == websites_anew(NOW)
    [values] = websites_stored().values()
    assert values["ss_lifetimepurchasevalue"] == 5


def test_another_website_changes_whose_orders_they_are() -> None:
    Website.objects.create(key="main", name="Main")
    anna = make_contact(email="anna@shop.test").pk
    _order(anna, amount=5)
    compute_website_metrics(as_of=NOW)
    Website.objects.create(key="second", name="Second")
    assert all(one.is_anew for one in compute_website_metrics(as_of=NOW))
    assert websites_stored() == {}, "the order names no website"
    assert ComputedWebsite.objects.count() == 2


def test_what_was_undone_is_taken_again() -> None:
    anna = make_contact().pk
    _order(anna, amount=5)
    compute(as_of=NOW)
    _order(anna, amount=5)
    with transaction.atomic():
        compute(as_of=NOW)
        transaction.set_rollback(True)
    assert values_of(anna)["lifetime_value"] == 5
    compute(as_of=NOW)
    assert values_of(anna)["lifetime_value"] == 10


def test_where_too_many_changed_everyone_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "FEW", 0)
    people = [make_contact().pk for _number in range(4)]
    _order(people[3], amount=5)
    compute(as_of=NOW)
    _order(people[0], amount=5)
    assert _anew(compute(as_of=NOW)) == set(), "a quarter is not many"
    for person in people[:2]:
        _order(person, amount=5)
    assert compute_recent(as_of=NOW) is None
    assert _anew(compute(as_of=NOW)) == set(computed_metrics.known_keys())
    assert values_of(people[0])["lifetime_value"] == 10


def test_where_anybody_may_have_changed_everyone_is_computed() -> None:
    Website.objects.create(key="main", name="Main")
    make_contact(email="anna@shop.test")
    compute(as_of=NOW)
    compute_website_metrics(as_of=NOW)
    metric_marks.mark_anybody()
    assert _anew(compute(as_of=NOW)) == set(computed_metrics.known_keys())
    [done] = compute_website_metrics(as_of=NOW)
    assert done.is_anew, "the website is owed it, too"


def test_events_that_are_forgotten_count_no_more(settings: Any) -> None:
    settings.EVENT_RETENTION_DAYS = 60
    anna = make_contact().pk
    for days in (1, 61, 300):
        _order(anna, NOW - days * DAY, amount=5)
    compute(as_of=NOW)
    purge_events(NOW)
    assert _anew(compute(as_of=NOW)) == set()
    assert values_of(anna)["lifetime_value"] == 5


def test_marks_that_nobody_takes_do_not_pile_up() -> None:
    make_contact()
    sql.execute("UPDATE contacts_metricmark SET at = %s", [NOW])
    assert metric_marks.collapse_old(NOW + 7 * DAY) == {"metric marks": 0}
    assert metric_marks.collapse_old(NOW + 8 * DAY) == {"metric marks": 1}
    assert sql.lists("SELECT contact_id FROM contacts_metricmark") == [(0,)]


def test_only_kinds_of_events_that_a_formula_looks_at_are_marked() -> None:
    anna = make_contact().pk
    _order(anna)
    compute(as_of=NOW)
    record_events([IncomingEvent(anna, "page_visit", NOW, {})], received_at=NOW)
    assert sql.one("SELECT count(*) FROM contacts_metricmark") == 0


@pytest.mark.django_db(transaction=True)
def test_a_kind_that_is_new_waits_for_who_records_it() -> None:
    person = make_contact().pk
    _order(person)
    kind = EventDefinition.objects.get(name="purchase").pk
    is_recording, may_end = threading.Event(), threading.Event()

    def record() -> None:
        try:
            with transaction.atomic():
                record_events([IncomingEvent(person, "purchase", NOW)], received_at=NOW)
                is_recording.set()
                may_end.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=record)
    thread.start()
    assert is_recording.wait(10)
    try:
        with (
            pytest.raises(OperationalError),
            sql.local_settings({"lock_timeout": "50ms"}),
        ):
            metric_marks.watch({kind})
    finally:
        may_end.set()
        thread.join()
    metric_marks.watch({kind})
    assert sql.lists("SELECT definition_id FROM contacts_metrickind") == [(kind,)]


# --- When -----------------------------------------------------------------------------------------


def test_they_are_due_every_few_minutes(settings: Any) -> None:
    assert computed_metrics.are_due(as_of=NOW)
    compute(as_of=NOW)
    settings.METRICS_EVERY_MINUTES = 10
    assert not computed_metrics.are_due(as_of=NOW + 9 * MINUTE)
    assert computed_metrics.are_due(as_of=NOW + 10 * MINUTE)
    settings.METRICS_EVERY_MINUTES = 0
    assert not computed_metrics.are_due(as_of=NOW + DAY)


def test_a_round_computes_what_is_due_or_has_everyone_computed_by_a_job() -> None:
    anna = make_contact().pk
    assert compute_due_metrics() is None
    assert Job.objects.filter(kind=jobs.METRICS_JOB).count() == 1
    assert compute_due_metrics() is None
    assert Job.objects.filter(kind=jobs.METRICS_JOB).count() == 1, "not each minute another one"
    _order(anna, amount=5)
    compute(as_of=NOW)
    _order(anna, amount=5)
    assert compute_due_metrics()
    assert values_of(anna)["lifetime_value"] == 10


def test_a_job_and_the_command_compute_anew_where_it_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    anna = make_contact().pk
    compute(as_of=NOW)
    MetricValue.objects.filter(contact_id=anna, metric__key="order_count").update(number=9)
    waiting = jobs.request_computation(actor=SYSTEM)
    job = jobs.request_computation(actor=SYSTEM, is_anew=True)
    assert job != waiting, "which would not do it"
    assert jobs.request_computation(actor=SYSTEM) in {job, waiting}
    long_work.run(job.pk)
    assert values_of(anna)["order_count"] == 0
    call_command("compute_metrics", "--anew", "--json")
    assert '"anew": true' in capsys.readouterr().out
    call_command("compute_metrics", "--json")
    assert '"anew": true' not in capsys.readouterr().out
