"""Publishable keys: from allowed origins, so often, and only what they are ticked for."""

from collections.abc import Iterator
from ipaddress import ip_network
from time import time
from typing import Any

import pytest
from django.core.cache import cache
from django.test import RequestFactory, override_settings

from contacts.models import Contact, Event
from loyalty import tasks
from loyalty.errors import ClientKeyInvalid, ClientKeyUnknown
from loyalty.guarding import client_keys, lockouts
from loyalty.guarding.visits import note_visit
from loyalty.models import ClientKey, Redemption, Suspicion, Voucher
from tests.factories import NOW
from tests.loyalty.voucherify_program import Program, refused, said, send
from workspace.access import SYSTEM, actor_of_api_user
from workspace.addresses import address_of
from workspace.keys import create_api_user
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
ORIGIN = "https://shop.example"


class Page:
    """A page of customers with a publishable key."""

    def __init__(self, shop: Program, **may: bool) -> None:
        self.key = client_keys.create_key(
            name="Checkout",
            api_user_id=shop.api_user.pk,
            origins=[f"{ORIGIN}/", "http://localhost:3000"],
            actor=SYSTEM,
            at=NOW,
            **may,
        )

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        # Each is another customer's, unless a test is about how often one may.
        cache.delete_many([key for n in range(2) for key in _counters(n)])
        own = {
            "X-Client-Application-Id": self.key.application_id,
            "X-Client-Token": self.key.token,
            "Origin": ORIGIN,
        }
        return send(method, f"/client/v1/{path}", body, {**own, **headers})


def _counters(ago: int) -> list[str]:
    return [f"client:127.0.0.1:{int(time() // 5) - ago}"]


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def shop() -> Program:
    program = Program()
    program.post("/v1/vouchers/GIFT-0001", {"gift": {"amount": 2500}, "metadata": {"note": "x"}})
    return program


def checkout(code: str = "GIFT-0001", **more: Any) -> dict[str, Any]:
    return {
        "redeemables": [{"object": "voucher", "id": code}],
        "order": {"amount": 1000},
        "customer": {"source_id": "u1", "name": "Somebody Else"},
        **more,
    }


def test_a_page_validates_and_redeems_and_learns_little(shop: Program) -> None:
    page = Page(shop, may_redeem=True)
    valid = said(page.call("POST", "validations", checkout()))
    assert valid["redeemables"][0]["result"]["gift"]["credits"] == 1000
    done = said(page.call("POST", "redemptions", checkout(metadata={"mine": 1})))
    [redemption] = done["redemptions"]
    assert (redemption["result"], redemption["amount"]) == ("SUCCESS", 1000)
    for told in (valid, done):
        assert not {"metadata", "holder_id", "customer", "campaign"} & _names(told) - _orders(told)
    assert "balance" not in _names(done)
    row = Redemption.objects.get()
    assert (row.is_client_side, row.metadata) == (True, {})
    assert not Contact.objects.exists(), "a page makes nobody"
    answer = page.call("POST", "redemptions", checkout("NONE-0001"))
    refused(answer, 404, "not_found")
    assert answer["Access-Control-Allow-Origin"] == ORIGIN, "the page may read why"


def _names(told: Any) -> set[str]:
    """Every key in an answer."""
    if isinstance(told, dict):
        return set(told) | {name for value in told.values() for name in _names(value)}
    return {name for value in told for name in _names(value)} if isinstance(told, list) else set()


def _orders(told: dict[str, Any]) -> set[str]:
    """The metadata that an order has are the page's own."""
    return {"metadata"} if told["order"]["metadata"] == {} else set()


def test_older_libraries_for_browsers_ask_by_query(shop: Program) -> None:
    page = Page(shop, may_redeem=True)
    query = "code=GIFT-0001&amount=1000&customer[source_id]=u1"
    assert said(page.call("GET", f"validate?{query}"))["valid"] is True
    assert said(page.call("GET", "validate?code=NONE-0001&amount=5"))["valid"] is False
    refused(page.call("GET", "validate?amount=5"), 400, "invalid_payload")
    refused(page.call("GET", "validate?code=GIFT-0001&amount=x"), 400, "invalid_payload")
    done = said(page.call("POST", "redeem?code=GIFT-0001", {"order": {"amount": 400}}))
    assert (done["result"], done["amount"]) == ("SUCCESS", 400)
    assert Voucher.objects.get().balance_minor == 2100


def test_a_key_does_only_what_it_is_ticked_for(shop: Program) -> None:
    page = Page(shop, may_validate=False)
    event = {"event": "viewed", "customer": {"source_id": "u1", "email": "x@example.com"}}
    for path, body in (("validations", checkout()), ("redemptions", checkout()), ("events", event)):
        refused(page.call("POST", path, body), 403, "not_allowed")
    everything = dict.fromkeys(client_keys.SCOPES, True)
    client_keys.update_key(page.key, changes=everything, actor=SYSTEM, at=NOW)
    assert said(page.call("POST", "events", event))["type"] == "viewed"
    assert Event.objects.count() == 1
    assert Contact.objects.get().email == "", "a page says nothing of anybody"
    for path in ("customers", "vouchers", "publications", "campaigns"):
        refused(page.call("GET", path), 404, "not_found")
    headers = {"X-App-Id": page.key.application_id, "X-App-Token": page.key.token}
    refused(send("GET", "/v1/vouchers", None, headers), 401, "unauthorized")


def test_a_key_works_from_its_origins_only(shop: Program) -> None:
    page = Page(shop)
    for origin in ("https://other.example", "https://shop.example.evil.example", "null", ""):
        answer = page.call("POST", "validations", checkout(), Origin=origin)
        refused(answer, 403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in answer
        asked = page.call("OPTIONS", "validations", Origin=origin)
        assert asked.status_code == 403
        assert "Access-Control-Allow-Origin" not in asked
    for origin in (ORIGIN, "http://localhost:3000"):
        asked = page.call("OPTIONS", "validations", Origin=origin)
        assert (asked.status_code, asked["Access-Control-Allow-Origin"]) == (204, origin)
        assert "x-client-token" in asked["Access-Control-Allow-Headers"]
        assert "Origin" in asked["Vary"]
        assert "Access-Control-Allow-Credentials" not in asked
        answer = page.call("POST", "validations", checkout(), Origin=origin)
        assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (200, origin)
    for wrong in ({"X-Client-Token": "ct_x"}, {"X-Client-Application-Id": "cid"}):
        refused(page.call("POST", "validations", checkout(), **wrong), 401, "unauthorized")
    client_keys.update_key(page.key, changes={"is_enabled": False}, actor=SYSTEM, at=NOW)
    refused(page.call("POST", "validations", checkout()), 401, "unauthorized", "disabled")
    assert page.call("OPTIONS", "validations").status_code == 403


def test_an_address_may_call_five_times_in_five_seconds(shop: Program) -> None:
    page = Page(shop)
    headers = {"X-Client-Application-Id": page.key.application_id, "Origin": ORIGIN}
    headers["X-Client-Token"] = page.key.token
    answers = [send("POST", "/client/v1/validations", checkout(), headers) for _n in range(12)]
    statuses = [answer.status_code for answer in answers]
    # A window may end in between.
    assert 5 <= statuses.count(200) <= 10
    last = next(answer for answer in answers if answer.status_code == 429)
    refused(last, 429, "too_many_requests")
    assert last["X-Rate-Limit-Limit"] == "5"
    assert int(last["Retry-After"]) >= 1
    assert last["Access-Control-Allow-Origin"] == ORIGIN


def test_guessing_locks_the_address_out_but_not_the_shop(shop: Program) -> None:
    page = Page(shop, may_redeem=True)
    for n in range(lockouts.LIMITS["ip"]):
        page.call("POST", "validations", checkout(f"NONE-000{n}"))
    refused(page.call("POST", "validations", checkout()), 429, "too_many_unknown_codes")
    refused(page.call("POST", "redemptions", checkout()), 429, "too_many_unknown_codes")
    assert shop.post("/v1/validations", checkout())["valid"] is True


def test_many_redemptions_from_one_address_are_noted_once() -> None:
    assert [note_visit("203.0.113.7", "redemption", at=NOW) for _n in range(21)][-2:] == [
        False,
        True,
    ]
    tasks.note_visits("ip:203.0.113.7", "redemption", 20, NOW.isoformat())
    one = Suspicion.objects.get()
    assert (one.kind, one.subject, one.count) == ("velocity", "ip:203.0.113.7", 20)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://shop.example", "https://shop.example"),
        ("HTTPS://Shop.Example:443/", "https://shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://żabka.example", "https://xn--abka-99a.example"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("shop.example", None),
        ("https://*.example", None),
        ("https://shop.example/cart", None),
        ("https://user@shop.example", None),
        ("ftp://shop.example", None),
        ("https://shop.example:99999", None),
        ("https://", None),
        ("*", None),
        ("null", None),
    ],
)
def test_origins_are_kept_as_browsers_send_them(given: str, kept: str | None) -> None:
    assert client_keys.read_origin(given) == kept


def test_what_a_key_cannot_be_is_said_at_once(shop: Program) -> None:
    weak, _key = create_api_user(name="Weak", scopes=["loyalty:read"], actor=SYSTEM, at=NOW)
    with pytest.raises(ClientKeyInvalid) as raised:
        client_keys.create_key(
            name=" ",
            api_user_id=weak.pk,
            origins=["x"],
            may_redeem=True,
            actor=SYSTEM,
            at=NOW,
        )
    paths = [problem.path for problem in raised.value.problems]
    assert paths == ["origins[0]", "may_redeem", "name"]
    page = Page(shop)
    other = actor_of_api_user(create_api_user(name="Other", actor=SYSTEM, at=NOW)[0])
    with pytest.raises(ClientKeyUnknown):
        client_keys.find_key(page.key.pk, actor=other)
    with pytest.raises(ClientKeyInvalid):
        client_keys.create_key(
            name="Mine", api_user_id=shop.api_user.pk, origins=[ORIGIN], actor=other, at=NOW
        )
    own = actor_of_api_user(shop.api_user)
    client_keys.delete_key(page.key, actor=own, at=NOW)
    assert not ClientKey.objects.exists()
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"client_key.created", "client_key.deleted"} <= actions


def test_keys_and_suspicions_are_managed_over_http(shop: Program) -> None:
    def api(method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Api-Key {shop.key}"}
        return send(method, f"/api/{path}", body, headers)

    body = {"name": "Checkout", "origins": [ORIGIN], "may_redeem": True}
    made = api("POST", "client-keys/", body)
    assert made.status_code == 201, made.content
    key = made.json()
    assert (key["may_redeem"], key["api_user"]) == (True, shop.api_user.pk)
    path = f"client-keys/{key['id']}/"
    changed = api("PATCH", path, {"is_enabled": False})
    assert changed.json()["is_enabled"] is False
    assert api("PATCH", path, {"origins": ["x"]}).json()["errors"][0]["path"] == "origins[0]"
    assert len(api("GET", "client-keys/").json()["results"]) == 1
    assert api("DELETE", path).status_code == 204
    assert api("GET", path).status_code == 404
    blocked = api("POST", "suspicions/", {"subject": "ip:203.0.113.7", "reason": "Seen"})
    assert (blocked.status_code, blocked.json()["state"]) == (201, "blocked")
    number = blocked.json()["id"]
    assert api("POST", f"suspicions/{number}/clear/").json()["state"] == "cleared"
    assert api("POST", f"suspicions/{number}/block/", {}).status_code == 200
    listed = api("GET", "suspicions/?state=blocked").json()["results"]
    assert [one["subject"] for one in listed] == ["ip:203.0.113.7"]
    assert api("POST", "suspicions/", {"subject": "nobody"}).status_code == 400


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.2", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.2", "1.1.1.1, 198.51.100.1, 10.0.0.3", "198.51.100.1"),
        ("10.0.0.2", "nonsense", "10.0.0.2"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "", "203.0.113.7"),
        ("", "", "unknown"),
    ],
)
def test_an_address_is_believed_as_far_as_trusted_proxies_wrote_it(
    remote: str, forwarded: str, address: str
) -> None:
    request = RequestFactory().get(
        "/", REMOTE_ADDR=remote, headers={"X-Forwarded-For": forwarded} if forwarded else {}
    )
    with override_settings(TRUSTED_PROXIES=[ip_network("10.0.0.0/8")]):
        assert address_of(request) == address
