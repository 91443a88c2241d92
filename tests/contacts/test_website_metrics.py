"""Metrics of websites: who has a row, what stands in it, and when it goes."""

from typing import Any

import pytest

from contacts import erasure, jobs
from contacts.events import IncomingEvent, record_events
from contacts.merging import merge_contacts
from contacts.models import Contact, Identity, WebsiteMetrics
from contacts.website_metrics import compute_website_metrics, website_values_of
from tests.factories import DAY, NOW, make_contact
from workspace import jobs as long_work
from workspace.access import SYSTEM
from workspace.models import Website

pytestmark = pytest.mark.django_db


def _website(key: str, domain: str = "") -> Website:
    return Website.objects.create(key=key, name=key.title(), domain=domain)


def _order(contact_id: int, at: Any = NOW, **properties: Any) -> None:
    record_events([IncomingEvent(contact_id, "purchase", at, properties)], received_at=NOW)


def _rows() -> dict[tuple[str, int], dict[str, Any]]:
    rows = WebsiteMetrics.objects.select_related("website")
    return {(one.website.key, one.contact_id): one.values for one in rows}


def test_a_row_tells_everything_by_the_names_of_uploads() -> None:
    _website("main")
    anna = make_contact(email="anna@shop.test", birth_date="1990-01-01").pk
    _order(anna, NOW - 40 * DAY, amount=10, products=[{"category": "tea"}, {"category": "cup"}])
    _order(anna, NOW - DAY, amount="2.50", category="tea")
    compute_website_metrics(as_of=NOW)
    assert _rows()["main", anna] == {
        "ss_age": 36,
        "ss_ordercountlast30days": 1,
        "ss_ordercountlast90days": 2,
        "ss_ordercountlast365days": 2,
        "ss_ordercount": 2,
        "ss_lifetimepurchasevalue": 12.5,
        "ss_lifetimepurchasevaluepercentile": 100,
        "ss_averageordervalue": 6.25,
        "ss_firstorderdate": "2026-01-21",
        "ss_lastorderdate": "2026-03-01",
        "ss_dayssincelastorder": 1,
        "ss_mostboughtcategory": "tea",
        "ss_returnrate": 0,
        "ss_rewardsredeemed": 0,
    }


def test_on_the_only_website_every_registered_contact_has_a_row() -> None:
    _website("main")
    anna = make_contact(email="anna@shop.test").pk
    visitor = Contact.objects.create().pk
    Identity.objects.create(namespace="anonymous_id", value="v1", contact_id=visitor)
    _order(visitor, amount=5)
    compute_website_metrics(as_of=NOW)
    assert set(_rows()) == {("main", anna)}


def test_of_several_websites_those_who_ordered_there_have_one() -> None:
    _website("main", "shop.test"), _website("second", "www.second.test")
    anna, ben = (make_contact(email=f"{name}@shop.test").pk for name in ("anna", "ben"))
    make_contact(email="nobody@shop.test")
    _order(anna, amount=5, website="second", url="https://shop.test/")
    _order(anna, amount=7, url="https://www.shop.test/checkout?step=3")
    _order(ben, amount=9)
    compute_website_metrics(as_of=NOW)
    found = {name: values["ss_lifetimepurchasevalue"] for name, values in _rows().items()}
    assert found == {("second", anna): 5, ("main", anna): 7}, "Ben's order names no website"
    assert [website.key for website, _values in website_values_of(anna)] == ["main", "second"]


def test_only_the_websites_asked_for_are_computed() -> None:
    main, second = _website("main"), _website("second")
    anna = make_contact(email="anna@shop.test").pk
    for website in (main, second):
        _order(anna, amount=5, website=website.key)
    done = compute_website_metrics(as_of=NOW, websites=[second])
    assert [(one.website, one.contact_count, one.changed_count) for one in done] == [(second, 1, 1)]
    assert set(_rows()) == {("second", anna)}
    compute_website_metrics(as_of=NOW)
    assert set(_rows()) == {("main", anna), ("second", anna)}


def test_without_websites_there_is_nothing_to_compute() -> None:
    make_contact(email="anna@shop.test")
    assert compute_website_metrics(as_of=NOW) == []


def test_who_is_erased_or_no_longer_registered_has_no_row() -> None:
    _website("main")
    anna, ben, carl = (make_contact(email=f"{name}@shop.test").pk for name in ("a", "b", "c"))
    compute_website_metrics(as_of=NOW)
    erasure.erase_contact(anna, actor=SYSTEM, at=NOW)
    assert set(_rows()) == {("main", ben), ("main", carl)}, "at once"
    Identity.objects.filter(contact_id=ben).delete()
    compute_website_metrics(as_of=NOW)
    assert set(_rows()) == {("main", carl)}


def test_who_was_merged_has_no_row_and_the_survivor_follows() -> None:
    _website("main")
    anna, double = (make_contact(email=f"{name}@shop.test").pk for name in ("anna", "ann"))
    _order(double, amount=5)
    compute_website_metrics(as_of=NOW)
    merge_contacts(anna, double, actor=SYSTEM, at=NOW, cause="person")
    assert set(_rows()) == {("main", anna)}
    compute_website_metrics(as_of=NOW)
    assert _rows()["main", anna]["ss_lifetimepurchasevalue"] == 5


def test_only_what_changed_is_written() -> None:
    _website("main")
    anna = make_contact(email="anna@shop.test").pk
    ben = make_contact(email="ben@shop.test").pk
    _order(anna, NOW - 29 * DAY, amount=5)
    compute_website_metrics(as_of=NOW)
    [later] = compute_website_metrics(as_of=NOW + DAY)
    assert later.changed_count == 1
    kept = dict(WebsiteMetrics.objects.values_list("contact_id", "computed_at"))
    assert kept == {anna: NOW + DAY, ben: NOW}
    assert _rows()["main", anna]["ss_ordercountlast30days"] == 0


def test_a_job_computes_websites_with_all_metrics_and_not_with_some() -> None:
    _website("main")
    anna = make_contact(email="anna@shop.test").pk
    job = jobs.request_computation(actor=SYSTEM, keys=["order_count_30d"])
    long_work.run(job.pk)
    assert _rows() == {}
    job = jobs.request_computation(actor=SYSTEM)
    long_work.run(job.pk)
    job.refresh_from_db()
    assert set(_rows()) == {("main", anna)}
    assert job.result["website:main"] == {"contacts": 1, "changed": 1}
