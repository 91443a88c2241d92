"""Computed metrics on the screen: how, when, how they are spread, and what an order is."""

import pytest
from django.test import Client
from django.urls import reverse

from contacts import computed_metrics, jobs, orders
from contacts.events import IncomingEvent, record_events
from contacts.models import MetricDefinition
from tests.admin.conftest import MakePerson
from tests.factories import NOW, make_contact
from tests.segments.factories import make_segment
from workspace.models import Job

_PAGE = "admin:contacts_metricdefinition_computing"
_VALUABLE = {
    "combinator": "and",
    "rules": [{"field": "metric.lifetime_value_percentile", "operator": ">=", "value": 90}],
}


def _metric(key: str = "lifetime_value") -> str:
    metric = MetricDefinition.objects.get(key=key)
    return reverse("admin:contacts_metricdefinition_change", args=[metric.pk])


def _order(name: str = "purchase", **properties: object) -> None:
    person = make_contact().pk
    record_events([IncomingEvent(person, name, NOW, properties)], received_at=NOW)


def test_a_metric_says_how_and_when_it_was_computed_and_how_it_is_spread(admin: Client) -> None:
    page = admin.get(_metric()).content.decode()
    assert "Not computed yet" in page
    _order(amount=1234)
    _order(amount=7)
    computed_metrics.compute(as_of=NOW)
    page = admin.get(_metric()).content.decode()
    assert "The sum of “amount” over all “purchase” events" in page
    assert "2026" in page
    assert "0 – " in page
    assert "dialog-compute_now" in page
    assert "dialog-delete_unused" not in page
    assert (
        "“Among the highest 10 %” is 90 or more"
        in admin.get(_metric("lifetime_value_percentile")).content.decode()
    )


def test_a_metric_of_others_has_none_of_that(admin: Client) -> None:
    metric = MetricDefinition.objects.create(key="ours", label="Ours")
    address = reverse("admin:contacts_metricdefinition_change", args=[metric.pk])
    page = admin.get(address).content.decode()
    assert "How it is computed" not in page
    assert "dialog-compute_now" not in page


def test_compute_now_starts_a_job(admin: Client) -> None:
    metric = MetricDefinition.objects.get(key="lifetime_value")
    address = reverse("admin:contacts_metricdefinition_action", args=[metric.pk, "compute_now"])
    page = admin.post(address, follow=True).content.decode()
    assert Job.objects.filter(kind=jobs.METRICS_JOB).count() == 1
    assert "Compute metrics" in page
    admin.post(reverse(_PAGE))
    assert Job.objects.filter(kind=jobs.METRICS_JOB).count() == 1, "one waits already"


def test_computing_needs_its_permission(make_person: MakePerson) -> None:
    person = make_person("contacts.view_metricdefinition")
    assert "Compute now" not in person.get(reverse(_PAGE)).content.decode()
    assert person.post(reverse(_PAGE)).status_code == 403
    assert make_person("contacts.view_contact").get(reverse(_PAGE)).status_code == 403


def test_what_changes_is_said_before_an_event_is_chosen(admin: Client) -> None:
    _order("Order Completed", total=5)
    _order("Order Completed", total="?")
    make_segment("best", _VALUABLE, name="Best customers")
    wanted = {"event_name": "Order Completed", "amount_property": "total"}
    page = admin.get(reverse(_PAGE), wanted).content.decode()
    for words in (
        "2 such events of 2 contacts are stored, 1 of them with a number",
        "1 events have no number in this property",
        "these follow at their next refresh: Best customers",
        '<option value="total">',
    ):
        assert words in page, words
    assert orders.orders().is_default, "nothing was chosen yet"
    page = admin.post(reverse(_PAGE), wanted, follow=True).content.decode()
    assert "An order is now “Order Completed” with “total”" in page
    assert orders.orders().event_name == "Order Completed"
    assert Job.objects.filter(kind=jobs.METRICS_JOB).exists()
    assert "This is the order event already" in admin.get(reverse(_PAGE), wanted).content.decode()


@pytest.mark.parametrize(
    ("event", "amount", "words"),
    [("never_came", "amount", "No such event is stored yet"), ("purchase", "a..b", "Name a prop")],
)
def test_what_is_odd_about_a_choice_is_said(
    admin: Client, event: str, amount: str, words: str
) -> None:
    answer = admin.get(reverse(_PAGE), {"event_name": event, "amount_property": amount})
    assert words in answer.content.decode()


def test_only_administrators_choose(make_person: MakePerson) -> None:
    person = make_person("contacts.view_metricdefinition", "contacts.change_metricdefinition")
    wanted = {"event_name": "x", "amount_property": "y"}
    page = person.get(reverse(_PAGE), wanted).content.decode()
    assert "Administrators can choose another event" in page
    assert "What changes" not in page
    assert person.post(reverse(_PAGE), wanted).status_code == 403
    assert orders.orders().is_default


def test_a_choice_that_cannot_be_is_told(admin: Client) -> None:
    page = admin.post(reverse(_PAGE), {"event_name": ""}, follow=True).content.decode()
    assert "Name an event" in page
