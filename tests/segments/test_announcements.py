"""What webhooks hear of segments and exports: set by set, and only where somebody listens."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.erasure import erase_contact
from contacts.models import Contact
from integrations import deliveries, webhooks
from integrations.models import Connection, Delivery
from segments import announcements, exports, lifecycle
from tests.factories import DAY, NOW, make_contact
from tests.segments.factories import make_segment, refresh
from workspace.access import SYSTEM
from workspace.jobs import Work
from workspace.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def webhook() -> Connection:
    types = [
        *(announcements.ENTERED, announcements.LEFT, announcements.REFRESHED),
        *(announcements.ARCHIVED, announcements.EXPORT_READY),
    ]
    return webhooks.create_webhook(url="https://example.com", types=types, actor=SYSTEM, at=NOW)[0]


def told(type_: str) -> list[Any]:
    rows = Delivery.objects.filter(kind=type_).order_by("contact_id", "pk")
    return [one.payload["data"] for one in rows]


def test_who_enters_and_who_leaves_is_told_with_the_segment(webhook: Connection) -> None:
    anna = make_contact(
        city="Warszawa", email="anna@example.com", external_id="A1",
        first_name="Anna", last_name="Nowak",
    )  # fmt: skip
    make_contact(city="Warszawa")
    poles = make_segment()
    refresh(poles)
    (first, second) = told(announcements.ENTERED)
    assert first == {
        "customer": {
            "id": anna.pk,
            "source_id": "A1",
            "email": "anna@example.com",
            "name": "Anna Nowak",
        },
        "segment": {"id": "poles", "name": "Poles"},
    }
    assert second["customer"]["email"] is None
    assert second["customer"]["name"] is None
    delivery = Delivery.objects.get(contact=anna)
    assert delivery.subject == f"segment:{poles.pk}"
    assert delivery.payload["created_at"] == NOW.isoformat()
    Contact.objects.filter(pk=anna.pk).update(city="Oslo")
    refresh(poles, as_of=NOW + DAY)
    (gone,) = told(announcements.LEFT)
    assert gone["customer"]["id"] == anna.pk
    Contact.objects.filter(pk=anna.pk).update(city="Warszawa")
    refresh(poles, as_of=NOW + 2 * DAY)
    assert len(told(announcements.ENTERED)) == 3, "who comes again is told of again"


def test_any_number_of_moves_is_one_statement(webhook: Connection) -> None:
    segment = make_segment()

    def queries(count: int) -> int:
        for _number in range(count):
            make_contact(city="Warszawa")
        with CaptureQueriesContext(connection) as found:
            refresh(segment, as_of=NOW + count * DAY)
        return len(found)

    # The first one looks after partitions, too.
    queries(1)
    assert queries(2) == queries(12)
    assert len(told(announcements.ENTERED)) == 15


def test_where_nobody_hears_nothing_is_written(webhook: Connection) -> None:
    webhooks.disable_webhook(webhook.pk, actor=SYSTEM, at=NOW)
    make_contact(city="Warszawa")
    with CaptureQueriesContext(connection) as found:
        refresh(make_segment())
    assert not Delivery.objects.exists()
    assert not [query for query in found if "integrations_delivery" in query["sql"]]


def test_calculations_and_archiving_are_told(webhook: Connection) -> None:
    make_contact(city="Warszawa")
    segment = make_segment()
    refresh(segment)
    (calculated,) = told(announcements.REFRESHED)
    assert calculated == {
        "segment": {"id": "poles", "name": "Poles"},
        "calculated_at": NOW.isoformat(),
        "members": 1,
        "entered": 1,
        "left": 0,
        "cause": "test",
    }
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    lifecycle.archive(segment, actor=SYSTEM, at=NOW + DAY)
    assert told(announcements.ARCHIVED) == [{"segment": {"id": "poles", "name": "Poles"}}]
    assert len(told(announcements.LEFT)) == 1


def test_a_file_that_can_be_downloaded_is_told_once(
    webhook: Connection, settings: Any, tmp_path: Path
) -> None:
    settings.EXPORTS_ROOT = tmp_path
    export = exports.request_export(actor=SYSTEM, at=NOW)
    for _time in range(2):
        exports.make_file(export.pk, work=Work(Job.objects.get(), SYSTEM), at=NOW)
    (ready,) = told(announcements.EXPORT_READY)
    assert (ready["id"], ready["segment"], ready["rows"]) == (export.pk, None, 0)


def test_an_erased_contact_is_forgotten_in_what_waits(webhook: Connection) -> None:
    anna = make_contact(city="Warszawa", email="anna@example.com")
    refresh(make_segment())
    proof = erase_contact(anna.pk, actor=SYSTEM, at=NOW + DAY)
    assert proof.deleted["deliveries"] == 1
    assert told(announcements.LEFT) == []
    assert Delivery.objects.get(contact=anna).payload == deliveries.FORGOTTEN
    assert "anna" not in str(list(Delivery.objects.values_list("payload", flat=True)))
