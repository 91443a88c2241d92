"""Computed metrics on the screen: how, when, how they are spread, and what an order is."""

import pytest
from django.test import Client
from django.urls import reverse

from contacts import computed_metrics, jobs, orders
from contacts.events import IncomingEvent, record_events
from contacts.models import ComputedMetric, MetricDefinition
from contacts.website_metrics import compute_website_metrics
from tests.admin.conftest import MakePerson
from tests.factories import NOW, make_contact
from tests.segments.factories import make_segment
from workspace.models import Job, Website

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


# --- Those that people define --------------------------------------------------------------------

_NEW = "admin:contacts_metricdefinition_new_formula"
_VISITS = {
    "label": "Visits",
    "key": "visits",
    "function": "count",
    "event_name": "page_visit",
    "window_days": "7",
    "description": "Of a week.",
}


def _formula(key: str) -> str:
    metric = MetricDefinition.objects.get(key=key)
    return reverse("admin:contacts_metricdefinition_formula", args=[metric.pk])


def test_a_metric_is_looked_at_and_then_defined(admin: Client) -> None:
    _order("page_visit")
    page = admin.post(reverse(_NEW), {**_VISITS, "look": "1", "window_days": ""}).content.decode()
    assert "The number of “page_visit” events that are stored." in page
    assert "Nothing was saved yet" in page
    assert not MetricDefinition.objects.filter(key="visits").exists()
    page = admin.post(reverse(_NEW), _VISITS, follow=True).content.decode()
    assert "“Visits” is being computed for all contacts" in page
    assert "events of the last 7 days" in page
    assert "every 10 minutes, of who did something; every night" in page
    assert "ss_visits" in page
    assert "dialog-delete_unused" in page
    assert "with all values that were computed" in page
    assert Job.objects.filter(kind=jobs.METRICS_JOB).exists()


def test_what_is_wrong_with_a_formula_stands_beside_its_field(admin: Client) -> None:
    wrong = {**_VISITS, "function": "share", "window_days": "0", "key": "age"}
    page = admin.post(reverse(_NEW), wrong).content.decode()
    for words in ("Name the event whose share it is", "from 1 to 36500", "already exists"):
        assert words in page, words
    page = admin.post(reverse(_NEW), {**wrong, "look": "1"}).content.decode()
    assert "Name the event whose share it is" in page
    nobody = {**_VISITS, "look": "1", "function": "first_date", "event_name": "never"}
    assert "Nobody would have a value" in admin.post(reverse(_NEW), nobody).content.decode()


def test_parts_of_another_function_are_left_out(admin: Client) -> None:
    left = {"value_property": "amount", "other_event_name": "return", "ranked_key": "age"}
    admin.post(reverse(_NEW), {**_VISITS, **left})
    rank = {**_VISITS, **left, "key": "rank", "label": "Rank", "function": "percentile"}
    admin.post(reverse(_NEW), rank)
    visits = ComputedMetric.objects.get(metric__key="visits")
    assert (visits.value_property, visits.other_event_name, visits.ranked) == ("", "", None)
    ranked = ComputedMetric.objects.get(metric__key="rank")
    assert (ranked.ranked and ranked.ranked.key, ranked.event_name) == ("age", "")


def test_a_formula_is_changed_and_who_asks_for_it_is_named(admin: Client) -> None:
    make_segment("best", _VALUABLE, name="Best customers")
    page = admin.get(_formula("lifetime_value_percentile")).content.decode()
    assert "Best customers" in page
    page = admin.get(_formula("return_rate")).content.decode()
    assert 'value="Order Refunded"' in page
    change = {
        "label": "Returns",
        "function": "share",
        "other_event_name": "return",
        "upload_name": "ss_returnrate",
    }
    page = admin.post(_formula("return_rate"), change, follow=True).content.decode()
    assert "“Returns” was changed" in page
    assert "how many “return” events there are" in page


def test_a_rule_of_its_own_is_renamed_and_not_changed(admin: Client) -> None:
    page = admin.get(_formula("age")).content.decode()
    assert "a rule of its own, which cannot be changed" in page
    assert "Show what it gives" not in page
    change = {"label": "Years", "upload_name": "ss_years", "function": "count"}
    admin.post(_formula("age"), change)
    age = ComputedMetric.objects.get(metric__key="age")
    assert (age.metric.label, age.upload_name, age.function) == ("Years", "ss_years", "")


def test_defining_and_changing_need_their_permissions(make_person: MakePerson) -> None:
    reader = make_person("contacts.view_metricdefinition")
    assert reader.get(reverse(_NEW)).status_code == 403
    assert reader.get(_formula("age")).status_code == 403
    room = reverse("admin:contacts_metricdefinition_changelist")
    assert reverse(_NEW) not in reader.get(room).content.decode()
    writer = make_person("contacts.view_metricdefinition", "contacts.add_metricdefinition")
    assert reverse(_NEW) in writer.get(room).content.decode()
    assert writer.get(reverse(_NEW)).status_code == 200
    ours = MetricDefinition.objects.create(key="ours", label="Ours")
    address = reverse("admin:contacts_metricdefinition_formula", args=[ours.pk])
    changer = make_person("contacts.view_metricdefinition", "contacts.change_metricdefinition")
    assert changer.get(address).status_code == 404, "it is not computed"


def test_where_an_order_has_its_category_and_website_is_chosen_too(admin: Client) -> None:
    wanted = {
        "event_name": "sale",
        "amount_property": "total",
        "category_property": "items.group",
        "website_property": "shop",
    }
    page = admin.get(reverse(_PAGE), wanted).content.decode()
    assert "Its category is in “items.group”, its website in “shop”" in page
    admin.post(reverse(_PAGE), wanted)
    chosen = orders.orders()
    assert (chosen.category_property, chosen.website_property) == ("items.group", "shop")
    asked = {"event_name": "sale", "amount_property": "total"}
    page = admin.get(reverse(_PAGE), asked).content.decode()
    assert "This is the order event already" in page


def test_a_profile_shows_the_metrics_of_each_website(admin: Client) -> None:
    person = make_contact(email="anna@shop.test").pk
    for key in ("main", "second"):
        properties = {"website": key, "amount": 12, "category": "tea"}
        record_events([IncomingEvent(person, "purchase", NOW, properties)], received_at=NOW)
        Website.objects.create(key=key, name=key.title())
        computed_metrics.compute(as_of=NOW, keys=["order_count"])
        compute_website_metrics(as_of=NOW)
        page = admin.get(reverse("admin:contacts_contact_change", args=[person])).content.decode()
        assert ("On Main" in page) == (key == "second"), "of one website it is said already"
    assert "Most bought category" in page.partition("On Second")[2]
