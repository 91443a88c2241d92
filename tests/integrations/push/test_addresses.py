"""The addresses under /push/: who subscribes, who ends it, who opened something."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from contacts.erasure import erase_contact
from contacts.identities import find_contact_id
from contacts.merging import merge_contacts
from contacts.models import Event
from integrations import push, sources, user_hashes
from integrations.models import PushSubscription, ReceivedEvent, Source
from integrations.push import connections, subscriptions, views
from tests.factories import make_contact
from tests.integrations.push.other_side import Browser, google
from tests.integrations.sending import Sender
from workspace.access import SYSTEM

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/131.0.0.0 Safari/537.36"
)


@pytest.fixture
def browser() -> Browser:
    return Browser("https://a.push.example/1")


def told(site: Sender, browser: Browser, **given: Any) -> dict[str, Any]:
    return {"writeKey": site.write_key, "subscription": browser.subscription, **given}


def subscribe(site: Sender, body: Any, **headers: str) -> Any:
    return site.post("/push/subscribe", body, user="", content_type="text/plain", **headers)


def only() -> PushSubscription:
    return PushSubscription.objects.get()


def test_a_browser_subscribes_by_the_write_key_of_a_website(site: Sender, browser: Browser) -> None:
    contact = make_contact(external_id="A-17")

    answer = subscribe(site, told(site, browser, userId="A-17"), **{"User-Agent": CHROME})

    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert not answer.cookies
    found = only()
    assert (found.contact_id, found.kind) == (contact.pk, "web_push")
    assert (found.address, found.device) == (browser.endpoint, "Chrome on Windows")
    assert browser.keys["auth"] not in found.sealed_keys


def test_a_browser_of_nobody_known_makes_a_contact_that_can_become_somebody(
    site: Sender, browser: Browser
) -> None:
    subscribe(site, told(site, browser, anonymousId="visitor"))
    stranger = only().contact_id
    assert find_contact_id("anonymous_id", "visitor") == stranger

    subscribe(site, told(site, browser, anonymousId="visitor", userId="A-17"))

    assert find_contact_id("user_id", "A-17") == only().contact_id == stranger


def test_the_same_browser_again_is_the_same_subscription(site: Sender, browser: Browser) -> None:
    for _time in range(3):
        assert subscribe(site, told(site, browser, userId="A-17")).status_code == 200

    assert only().ended_at is None


def test_a_browser_that_changes_hands_is_the_next_persons(site: Sender, browser: Browser) -> None:
    subscribe(site, told(site, browser, userId="anna"))
    subscribe(site, told(site, browser, userId="bert"))

    assert only().contact_id == find_contact_id("user_id", "bert")


def test_a_new_address_takes_the_place_of_the_former_one(site: Sender, browser: Browser) -> None:
    subscribe(site, told(site, browser, userId="A-17"))
    moved = Browser("https://a.push.example/2")

    # As the service worker says it, which knows nobody's name.
    answer = subscribe(site, told(site, moved, previous=browser.endpoint))

    assert answer.status_code == 200
    before, after = PushSubscription.objects.order_by("pk")
    assert before.ended_reason == "The browser has a new address."
    assert (after.contact_id, after.ended_at) == (before.contact_id, None)


def test_a_key_that_was_changed_is_told(site: Sender, browser: Browser) -> None:
    key = site.client.get("/push/key")
    assert key["Access-Control-Allow-Origin"] == "*"
    former = key.json()["key"]
    assert subscribe(site, told(site, browser, userId="A", key=former)).status_code == 200
    connections.rotate_key(actor=SYSTEM, at=timezone.now())

    answer = subscribe(site, told(site, browser, userId="A", key=former))

    assert (answer.status_code, answer.json()["code"]) == (409, "push_key_outdated")
    assert only().ended_at is not None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"userId": ""}, "subscription_invalid"),
        ({"userId": "null"}, "subscription_invalid"),
        ({"subscription": None}, "subscription_invalid"),
        ({"subscription": {"endpoint": "https://a.push.example/1"}}, "subscription_invalid"),
        ({"endpoint": "https://elsewhere.example/1"}, "subscription_invalid"),
        ({"endpoint": "http://a.push.example/1"}, "subscription_invalid"),
        ({"endpoint": "https://a.push.example.evil.example/1"}, "subscription_invalid"),
        ({"endpoint": "https://a.push.example/" + "x" * 2000}, "subscription_invalid"),
        ({"endpoint": "file:///etc/passwd"}, "subscription_invalid"),
        ({"endpoint": ["https://a.push.example/1"]}, "subscription_invalid"),
        ({"p256dh": "AAAA"}, "subscription_invalid"),
        ({"p256dh": 5}, "subscription_invalid"),
        ({"auth": "dG9vIHNob3J0"}, "subscription_invalid"),
        ({"auth": "ż"}, "subscription_invalid"),
    ],
)
def test_what_is_no_subscription_is_refused_and_shown_in_the_debugger(
    site: Sender, browser: Browser, change: dict[str, Any], code: str
) -> None:
    body = told(site, browser, userId="A-17")
    if endpoint := change.pop("endpoint", None):
        body["subscription"]["endpoint"] = endpoint
    body["subscription"]["keys"] |= {
        name: change.pop(name) for name in ("p256dh", "auth") if name in change
    }

    answer = subscribe(site, {**body, **change})

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert not PushSubscription.objects.exists()
    noted = ReceivedEvent.objects.get()
    assert (noted.type, noted.outcome, noted.code) == ("push", "refused", code)
    assert site.write_key not in noted.body


def test_who_has_no_write_key_is_not_let_in(site: Sender, browser: Browser) -> None:
    for key in ("", "wk_wrong"):
        answer = subscribe(site, {**told(site, browser, userId="A"), "writeKey": key})
        assert answer.status_code == 401
    source = Source.objects.get()
    sources.disable_source(source.key, actor=SYSTEM, at=timezone.now())
    assert subscribe(site, told(site, browser, userId="A")).status_code == 401

    assert not PushSubscription.objects.exists()


def test_who_sends_too_much_is_told_to_wait(site: Sender, browser: Browser, settings: Any) -> None:
    settings.INGESTION_REQUESTS_PER_SECOND = 1
    answers = [subscribe(site, told(site, browser, userId="A")) for _time in range(6)]

    late = [answer for answer in answers if answer.status_code == 429]
    assert late
    assert late[0]["Retry-After"] == "1"


def test_a_disabled_connection_takes_no_subscriptions(site: Sender, browser: Browser) -> None:
    connection = connections.web_push_connection(at=timezone.now())
    connections.disable_connection(connection.pk, actor=SYSTEM, at=timezone.now())

    assert site.client.get("/push/key").status_code == 409
    answer = subscribe(site, told(site, browser, userId="A"))

    assert (answer.status_code, answer.json()["code"]) == (409, "push_unavailable")


def test_who_unsubscribes_is_sent_nothing_more(site: Sender, browser: Browser) -> None:
    subscribe(site, told(site, browser, userId="A-17"))

    for _time in range(2):
        body = {"writeKey": site.write_key, "endpoint": browser.endpoint}
        answer = site.post("/push/unsubscribe", body, user="")
        assert answer.status_code == 200

    assert only().ended_reason == "It was ended there."


def test_an_app_subscribes_by_its_token(shop: Sender) -> None:
    body = {"userId": "A-17", "token": "device-1", "platform": "android"}
    refused = shop.post("/push/subscribe", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "push_unavailable")

    with google() as side:
        side.connect()
        assert shop.post("/push/subscribe", body).status_code == 200

    found = only()
    assert (found.kind, found.address, found.device) == ("fcm", "device-1", "android")
    assert shop.post("/push/unsubscribe", {"token": "device-1"}).status_code == 200
    assert only().ended_at is not None


def test_a_browser_may_ask_whether_it_may_send(client: Client) -> None:
    for name in ("subscribe", "unsubscribe", "opened"):
        answer = client.options(f"/push/{name}")
        assert answer.status_code == 204
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert client.get(f"/push/{name}").status_code == 405


def test_merged_contacts_keep_their_devices_and_erased_ones_lose_them(
    site: Sender, browser: Browser
) -> None:
    subscribe(site, told(site, browser, userId="loser"))
    subscribe(site, told(site, Browser("https://a.push.example/2"), userId="survivor"))
    loser, survivor = (find_contact_id("user_id", name) or 0 for name in ("loser", "survivor"))
    merge_contacts(survivor, loser, actor=SYSTEM, at=timezone.now(), cause="test")
    assert len(push.deliveries_for([survivor])[survivor]) == 2

    erase_contact(survivor, actor=SYSTEM, at=timezone.now())

    assert not PushSubscription.objects.exists()


def test_what_ended_long_ago_is_forgotten(site: Sender, browser: Browser) -> None:
    now = timezone.now()
    subscribe(site, told(site, browser, userId="A"))
    subscribe(site, told(site, Browser("https://a.push.example/2"), userId="A"))
    PushSubscription.objects.filter(address=browser.endpoint).update(ended_at=now)

    assert subscriptions.purge(now + timedelta(days=89)) == {"push subscriptions": 0}
    assert subscriptions.purge(now + timedelta(days=91)) == {"push subscriptions": 1}
    assert only().ended_at is None


def test_a_device_says_once_that_a_message_was_opened(client: Client) -> None:
    contact, now = make_contact(), timezone.now()
    made = push.payload(title="A", body="", at=now, message_id=7, contact_id=contact.pk)

    for _time in range(2):
        answer = client.generic(
            "POST", "/push/opened", json.dumps({"token": made["token"]}), content_type="text/plain"
        )
        assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (204, "*")

    event = Event.objects.get(definition__name="push_opened")
    assert (event.contact_id, event.properties) == (contact.pk, {"message": 7})


@pytest.mark.parametrize("body", ["{}", '{"token": "A:B"}', '{"token": 5}', "nonsense", "[]"])
def test_what_is_no_token_records_nothing(client: Client, body: str) -> None:
    answer = client.generic("POST", "/push/opened", body, content_type="text/plain")

    assert answer.status_code == 400
    assert not Event.objects.exists()


def test_one_address_cannot_say_it_without_end(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_OPENED_LIMIT", 1)
    answers = [
        client.generic("POST", "/push/opened", "{}", content_type="text/plain") for _time in "ab"
    ]

    assert [answer.status_code for answer in answers] == [400, 429]
    assert int(answers[1]["Retry-After"]) > 0


@pytest.mark.parametrize("name", ["regulars-push.js", "regulars-sw.js"])
def test_any_website_may_load_the_scripts_and_keep_them(client: Client, name: str) -> None:
    answer = client.get(f"/push/{name}")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer["Cache-Control"] == "public, max-age=3600"
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert not answer.cookies
    again = client.get(f"/push/{name}", headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304


@pytest.fixture
def secret(site: Sender) -> str:
    """What the shop's server signs its users with."""
    key = Source.objects.get(write_keys__digest=sources.digest_of(site.write_key)).key
    return user_hashes.set_user_secret(key, actor=SYSTEM, at=timezone.now())


def test_where_users_are_signed_the_right_hash_subscribes(
    site: Sender, browser: Browser, secret: str
) -> None:
    contact = make_contact(external_id="A-17")
    signed = {"userId": "A-17", "userHash": user_hashes.hash_of(secret, "A-17").upper()}
    assert subscribe(site, told(site, browser, **signed)).status_code == 200
    assert only().contact_id == contact.pk
    # Whose it is is said already: a page without names changes nothing.
    other = Browser("https://a.push.example/2")
    renewed = told(site, other, previous=browser.endpoint)
    assert subscribe(site, renewed).status_code == 200
    assert PushSubscription.objects.get(ended_at=None).contact_id == contact.pk


@pytest.mark.parametrize(
    "names",
    [
        {"userId": "A-17"},
        {"userId": "A-17", "userHash": "0" * 64},
        {"userId": "A-17", "userHash": "Ł"},
        {"anonymousId": "anon-1"},
        {"anonymousId": "anon-1", "userHash": "of A-17"},
    ],
)
def test_where_users_are_signed_nobody_subscribes_for_another(
    site: Sender, browser: Browser, secret: str, names: dict[str, str]
) -> None:
    make_contact(external_id="A-17")
    if names.get("userHash") == "of A-17":
        names = {**names, "userHash": user_hashes.hash_of(secret, "A-17")}
    answer = subscribe(site, told(site, browser, **names))
    assert (answer.status_code, answer.json()["code"]) == (401, "user_hash_wrong")
    assert not PushSubscription.objects.exists()
    assert ReceivedEvent.objects.get().code == "user_hash_wrong"


def test_a_former_secret_is_good_for_a_day_and_none_is_asked_for_any_more(
    site: Sender, browser: Browser, secret: str
) -> None:
    source, now = Source.objects.get(), timezone.now()
    new = user_hashes.set_user_secret(source.key, actor=SYSTEM, at=now)
    source.refresh_from_db()
    assert user_hashes.user_secrets(source, at=now) == [new, secret]
    assert user_hashes.user_secrets(source, at=now + timedelta(hours=25)) == [new]
    former = {"userId": "A-17", "userHash": user_hashes.hash_of(secret, "A-17")}
    assert subscribe(site, told(site, browser, **former)).status_code == 200
    user_hashes.clear_user_secret(source.key, actor=SYSTEM, at=now)
    assert subscribe(site, told(site, browser, userId="B-1")).status_code == 200
