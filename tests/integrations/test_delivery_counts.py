"""How deliveries ended is counted by day, connection and kind, whatever becomes of them later."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import delivery_counts, outbox
from integrations.connector import Receipt
from integrations.delivery_counts import course_of
from integrations.errors import PermanentError, TemporaryError
from integrations.models import Connection, Delivery, DeliveryCount
from integrations.outcomes import Outcome
from tests.factories import NOW

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def claimed(connection: Connection, *kinds: str) -> list[Delivery]:
    """Messages of these kinds, queued and claimed at once."""
    made = [
        outbox.Message(f"{kind}:{place}:{connection.pk}", connection.pk, kind, {})
        for place, kind in enumerate(kinds)
    ]
    outbox.enqueue(made, at=NOW)
    keys = [one.key for one in made]
    Delivery.objects.filter(key__in=keys).update(state="in_flight", claimed_at=NOW)
    return list(Delivery.objects.filter(key__in=keys).order_by("pk"))


def hook(name: str = "Shop") -> Connection:
    return Connection.objects.create(kind=Connection.Kind.WEBHOOK, name=name)


def test_each_end_counts_on_its_day_and_what_is_tried_again_does_not() -> None:
    connection = hook()
    given = claimed(connection, "card", "card", "order", "card", "card")
    said: list[Any] = [Receipt(), Receipt(), Receipt(), PermanentError("No."), TemporaryError("?")]
    outbox.settle_all([Outcome(one, told, NOW) for one, told in zip(given, said, strict=True)])
    course = course_of(connection.pk, until=NOW)
    assert course.today("delivered") == 3
    assert course.today("failed") == 1
    assert course.today("cancelled") == 0
    assert course.by_kind == {"card": 2, "order": 1}
    later = course_of(connection.pk, until=NOW + DAY)
    assert later.today("delivered") == 0
    assert later.total("delivered") == 3
    assert len(later.days) == delivery_counts.DAYS


def test_counts_add_up_and_connections_stand_apart() -> None:
    one, other = hook("One"), hook("Other")
    for _round in range(2):
        for connection in (one, other):
            Delivery.objects.all().delete()
            outbox.settle_all([Outcome(it, Receipt(), NOW) for it in claimed(connection, "card")])
    assert course_of(one.pk, until=NOW).by_kind == {"card": 2}
    assert DeliveryCount.objects.count() == 2


def test_a_day_is_one_of_the_workspace(settings: Any) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"
    midnight = NOW.replace(hour=23)
    assert delivery_counts.day_of(midnight) == (midnight + DAY).date()


def test_they_outlive_the_deliveries_and_are_purged_after_a_year_or_so() -> None:
    connection = hook()
    outbox.settle_all([Outcome(it, Receipt(), NOW) for it in claimed(connection, "card")])
    Delivery.objects.all().delete()
    assert delivery_counts.purge(NOW + delivery_counts.KEPT) == {"counts of deliveries": 0}
    assert delivery_counts.purge(NOW + delivery_counts.KEPT + DAY) == {"counts of deliveries": 1}
    assert course_of(connection.pk, until=timezone.now()).total("delivered") == 0


def test_they_go_with_their_connection() -> None:
    connection = hook()
    outbox.settle_all([Outcome(it, Receipt(), NOW) for it in claimed(connection, "card")])
    Delivery.objects.all().delete()
    connection.delete()
    assert not DeliveryCount.objects.exists()
