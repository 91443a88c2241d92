"""What a push message says, and how large it may be."""

import json
from typing import Any

import pytest

from integrations import push
from integrations.models import Connection, PushSubscription
from integrations.push.errors import PushInvalid
from integrations.push.payloads import SIZE_LIMIT, told
from tests.factories import NOW, make_contact


def test_a_device_is_told_what_it_shows_and_how_it_says_that_it_was_opened(settings: Any) -> None:
    settings.BASE_URL = "https://regulars.example"

    made = push.payload(
        title=" Hello ", body="Anna", url="/sale", at=NOW, message_id=7, contact_id=3
    )

    shown = json.loads(told({**made, "subscription": 9}))
    assert shown == {
        "title": "Hello",
        "body": "Anna",
        "url": "/sale",
        "message": 7,
        "token": made["token"],
        "opened": "https://regulars.example/push/opened",
    }


def test_without_a_message_nothing_is_reported() -> None:
    made = push.payload(title="Hello", body="", at=NOW)

    assert made == {"title": "Hello", "body": ""}


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ({"title": " ", "body": ""}, "title", "required"),
        ({"title": "A", "body": "", "url": "javascript:alert(1)"}, "url", "invalid"),
        ({"title": "A", "body": "", "icon": "data:image/png,x"}, "icon", "invalid"),
        ({"title": "A", "body": "ż" * 2000}, "body", "too_large"),
    ],
)
def test_what_no_service_takes_is_refused_when_it_is_written(
    given: dict[str, Any], path: str, code: str
) -> None:
    with pytest.raises(PushInvalid) as caught:
        push.payload(**given, at=NOW)

    assert [(one.path, one.code) for one in caught.value.problems] == [(path, code)]


def test_the_largest_message_is_taken_and_one_byte_more_is_not() -> None:
    empty = len(told({"title": "A", "body": "b"}))
    largest = "b" * (SIZE_LIMIT - empty + 1)

    assert len(told(push.payload(title="A", body=largest, at=NOW))) == SIZE_LIMIT
    with pytest.raises(PushInvalid):
        push.payload(title="A", body=largest + "b", at=NOW)


def subscribe(contact_id: int, address: str, kind: str = "web_push", **given: Any) -> int:
    made = PushSubscription.objects.create(
        contact_id=contact_id, kind=kind, address=address, **given
    )
    return int(made.pk)


def test_each_open_device_of_a_contact_gets_a_delivery_of_its_own(
    django_assert_num_queries: Any,
) -> None:
    anna, bert, carl = make_contact(), make_contact(), make_contact()
    browsers = Connection.objects.create(name="Browsers", kind="web_push")
    Connection.objects.create(name="Apps", kind="fcm", is_enabled=False)
    first = subscribe(anna.pk, "https://a.example/1")
    second = subscribe(anna.pk, "https://a.example/2", device="Firefox")
    subscribe(anna.pk, "https://a.example/3", ended_at=NOW)
    subscribe(bert.pk, "token", kind="fcm")

    with django_assert_num_queries(2):
        found = push.deliveries_for([anna.pk, bert.pk, carl.pk])

    assert list(found) == [anna.pk]
    assert [one.subscription_id for one in found[anna.pk]] == [second, first]
    queued = [
        push.delivery(one, key="message:7", subject="message:7", payload={"title": "A"})
        for one in found[anna.pk]
    ]
    assert [one.key for one in queued] == [f"message:7:{second}", f"message:7:{first}"]
    assert {one.connection_id for one in queued} == {browsers.pk}
    assert queued[0].payload == {"title": "A", "subscription": second}
