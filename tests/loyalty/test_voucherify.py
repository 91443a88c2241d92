"""Gift cards as programs written for Voucherify see them: bodies, answers, errors, limits."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache

from loyalty.guarding import suspicions
from loyalty.models import Campaign, Publication, Redemption, Voucher
from tests.loyalty.voucherify_program import Program, refused, said
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
CAMPAIGN = {
    "name": "Review gift cards",
    "campaign_type": "GIFT_VOUCHERS",
    "type": "AUTO_UPDATE",
    "join_once": True,
    "vouchers_count": 3,
    "unknown": {"a": [1]},
    "voucher": {
        "type": "GIFT_VOUCHER",
        "gift": {"amount": 2500, "balance": 2500, "effect": "APPLY_TO_ORDER"},
        "redemption": {"quantity": None},
        "code_config": {"pattern": "REV-########"},
    },
}


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def shop() -> Program:
    return Program()


def reads(name: str, body: Any) -> Any:
    """What the library for Python makes of an answer; it refuses what it does not expect."""
    # Not above: it builds fifteen hundred models, which whoever only collects tests would wait for.
    return getattr(import_module("voucherify"), name).from_dict(body)


def publish(shop: Program, customer: str = "u1", **more: Any) -> dict[str, Any]:
    body = {"campaign": {"name": CAMPAIGN["name"]}, "customer": {"source_id": customer}, **more}
    found: dict[str, Any] = shop.post("/v1/publications", body)
    return found


def wish(code: str, amount: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"object": "voucher", "id": code}
    return found if amount is None else {**found, "gift": {"credits": amount}}


def test_a_campaign_is_made_with_its_codes_and_found_by_id_and_name(shop: Program) -> None:
    made = shop.post("/v1/campaigns", CAMPAIGN)
    assert reads("CampaignsCreateResponseBody", made).creation_status == "DONE"
    assert (made["vouchers_count"], made["active"], made["type"]) == (3, True, "AUTO_UPDATE")
    assert made["voucher"]["gift"]["amount"] == 2500
    for reference in (made["id"], "Review%20gift%20cards"):
        found = shop.get(f"/v1/campaigns/{reference}")
        assert found == made
        reads("CampaignsGetResponseBody", found)
    listed = shop.get("/v1/campaigns?limit=5")
    assert (listed["data_ref"], listed["total"], listed["campaigns"]) == ("campaigns", 1, [made])
    reads("CampaignsListResponseBody", listed)
    vouchers = shop.get("/v1/vouchers?campaign=Review%20gift%20cards&limit=2")
    assert (vouchers["total"], len(vouchers["vouchers"])) == (3, 2)
    reads("VouchersListResponseBody", vouchers)
    assert all(one["code"].startswith("REV-") for one in vouchers["vouchers"])
    refused(shop.call("POST", "/v1/campaigns", CAMPAIGN), 409, "duplicate_found")
    shop.post(f"/v1/campaigns/{made['id']}/disable")
    assert shop.get(f"/v1/campaigns/{made['id']}")["active"] is False
    shop.post(f"/v1/campaigns/{made['id']}/enable", {})
    assert Campaign.objects.get().status == "active"


def test_a_large_campaign_is_made_by_a_worker(shop: Program) -> None:
    made = shop.post("/v1/campaigns", {**CAMPAIGN, "vouchers_count": 1001})
    assert (made["creation_status"], made["vouchers_count"]) == ("IN_PROGRESS", 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "name"),
        ({"campaign_type": "DISCOUNT_COUPONS"}, "GIFT_VOUCHERS"),
        ({"vouchers_count": "many"}, "vouchers_count"),
        ({"start_date": "soon"}, "start_date"),
        ({"voucher": {"type": "GIFT_VOUCHER"}}, "voucher.gift.amount"),
        ({"voucher": {"gift": {"amount": 0}}}, "amount"),
        ({"voucher": [1]}, "voucher"),
        ({"validity_day_of_week": [9]}, "weekdays"),
        ({"validation_rules": ["val_999"]}, "validation_rule"),
    ],
)
def test_a_campaign_that_cannot_be_is_refused_whole(
    shop: Program, change: dict[str, Any], words: str
) -> None:
    answer = shop.call("POST", "/v1/campaigns", CAMPAIGN | change)
    assert answer.status_code in {400, 404}
    assert words in str(answer.json())
    assert not Campaign.objects.exists()


def test_a_voucher_is_made_alone_or_in_a_campaign(shop: Program) -> None:
    body = {"type": "GIFT_VOUCHER", "gift": {"amount": 5000}, "metadata": {"till": 3}}
    made = shop.post("/v1/vouchers/gift-0001", body)
    reads("VouchersCreateResponseBody", made)
    assert (made["code"], made["gift"]["balance"], made["campaign"]) == ("GIFT-0001", 5000, None)
    assert made["metadata"] == {"till": 3}
    assert shop.get("/v1/vouchers/gift-0001") == made
    assert shop.get(f"/v1/vouchers/{made['id']}") == made
    refused(shop.call("POST", "/v1/vouchers/GIFT-0001", body), 409, "duplicate_found")
    assert shop.post("/v1/vouchers/", body)["code"]
    assert shop.get("/v1/campaigns")["total"] == 0, "clients know of no campaign for these"
    shop.post("/v1/campaigns", CAMPAIGN)
    inside = shop.post("/v1/vouchers", {"campaign": CAMPAIGN["name"], "code": "REV-MINE0001"})
    assert (inside["campaign"], inside["gift"]["amount"]) == (CAMPAIGN["name"], 2500)
    other = shop.post("/v1/campaigns/Review%20gift%20cards/vouchers/REV-MINE0002", {})
    assert other["campaign_id"] == inside["campaign_id"]
    refused(shop.call("GET", "/v1/vouchers/NONE-0001"), 404, "not_found", "NONE-0001")


def test_a_code_is_given_once_for_each_source_id_and_once_to_each_customer(shop: Program) -> None:
    shop.post("/v1/campaigns", CAMPAIGN)
    first = publish(shop, source_id="review-1", metadata={"product": "paper"}, channel="push")
    reads("PublicationsCreateResponseBody", {**first, "channel": "API"})
    assert (first["result"], first["channel"]) == ("SUCCESS", "push")
    assert first["voucher"]["holder_id"] == first["customer"]["id"] == first["customer_id"]
    assert first["customer"]["source_id"] == "u1"
    again = publish(shop, source_id="review-1", metadata={"product": "paper"}, channel="push")
    assert again["id"] == first["id"]
    assert publish(shop)["voucher"]["code"] == first["voucher"]["code"], "he joined already"
    assert Publication.objects.count() == 1
    for name in ("u2", "u3"):
        publish(shop, name)
    body = {"campaign": {"name": CAMPAIGN["name"]}, "customer": {"source_id": "u4"}}
    answer = shop.call("POST", "/v1/publications", body)
    refused(answer, 400, "no_voucher_suitable_for_publication")
    assert Publication.objects.filter(state="failure").count() == 1, "the failure is on record"
    listed = shop.get("/v1/publications?result=SUCCESS")
    assert (listed["data_ref"], listed["total"]) == ("publications", 3)
    taken = {"voucher": first["voucher"]["code"], "customer": {"source_id": "u5"}}
    refused(shop.call("POST", "/v1/publications", taken), 400, "voucher_already_published")
    faults: tuple[dict[str, Any], ...]
    faults = ({}, {"campaign": {"name": "None"}}, {"campaign": {}}, {"voucher": "NONE-0001"})
    for wrong in faults:
        answer = shop.call("POST", "/v1/publications", {**wrong, "customer": {"source_id": "u1"}})
        assert answer.status_code in {400, 404}, wrong


def test_a_card_is_validated_held_and_redeemed(shop: Program) -> None:
    shop.post("/v1/campaigns", CAMPAIGN)
    code = publish(shop)["voucher"]["code"]
    body = {
        "redeemables": [wish(code, 1000)],
        "order": {"source_id": "o1", "amount": 5500, "items": [{"source_id": "sku1", "price": 5}]},
        "customer": {"source_id": "u1"},
        "session": {"type": "LOCK", "ttl": 7, "ttl_unit": "DAYS"},
        "tracking_id": "t1",
    }
    valid = shop.post("/v1/validations", body)
    reads("ValidationsValidateResponseBody", valid)
    assert valid["valid"] is True
    assert valid["redeemables"][0]["result"]["gift"]["credits"] == 1000
    assert (valid["order"]["total_amount"], valid["order"]["total_discount_amount"]) == (4500, 1000)
    key = valid["session"]["key"]
    other = {"redeemables": [wish(code, 2000)], "order": {"amount": 5500}}
    held = shop.post("/v1/validations", other)
    reads("ValidationsValidateResponseBody", held)
    assert held["valid"] is False
    assert held["redeemables"][0]["result"]["error"]["key"] == "gift_amount_exceeded"
    done = shop.post("/v1/redemptions", {**body, "session": {"key": key}})
    reads("RedemptionsRedeemResponseBody", done)
    [redemption] = done["redemptions"]
    assert (redemption["result"], redemption["amount"]) == ("SUCCESS", 1000)
    assert redemption["voucher"]["gift"]["balance"] == 1500
    assert redemption["customer"]["source_id"] == "u1"
    again = shop.post("/v1/redemptions", {**body, "session": {"key": key}})
    assert again["redemptions"][0]["id"] == redemption["id"], "a session pays once"
    assert shop.get(f"/v1/redemptions/{redemption['id']}")["amount"] == 1000
    listed = shop.get("/v1/redemptions?customer=u1")
    reads("RedemptionsListResponseBody", listed)
    assert (listed["data_ref"], listed["total"]) == ("redemptions", 1)
    used = shop.get(f"/v1/vouchers/{code}/redemption")
    assert (used["redeemed_quantity"], used["redeemed_amount"]) == (1, 1000)
    person = shop.get("/v1/customers/u1")
    assert person["summary"]["redemptions"]["gift"] == {
        "redeemed_amount": 1000,
        "amount_to_go": 1500,
    }
    wallet = shop.get("/v1/customers/u1/redeemables")["data"]
    assert [one["redeemable"]["voucher"]["gift"]["balance"] for one in wallet] == [1500]


def test_what_a_card_cannot_do_is_an_error_object_and_a_failed_redemption(shop: Program) -> None:
    shop.post("/v1/campaigns", CAMPAIGN)
    code = publish(shop)["voucher"]["code"]
    body = {"redeemables": [wish(code, 2600)], "order": {"amount": 5500}}
    error = refused(shop.call("POST", "/v1/redemptions", body), 400, "gift_amount_exceeded")
    assert (error["resource_id"], error["resource_type"]) == (code, "voucher")
    assert Redemption.objects.get().failure_code == "gift_amount_exceeded"
    faults: list[dict[str, Any]]
    faults = [{}, {"redeemables": []}, {"redeemables": [{"object": "voucher"}]}]
    twice = {"redeemables": [wish(code), wish(code.lower())], "order": {"amount": 5500}}
    for path in ("validations", "redemptions"):
        refused(shop.call("POST", f"/v1/{path}", twice), 400, "duplicated_redeemables")
        for wrong in faults:
            refused(shop.call("POST", f"/v1/{path}", wrong), 400, "invalid_payload")
        wrong = {"redeemables": [wish(code)], "order": {"amount": "5.00"}}
        refused(shop.call("POST", f"/v1/{path}", wrong), 400, "invalid_payload", "in cents")
    none = {"redeemables": [wish("NONE-0001")], "order": {"amount": 100}}
    refused(shop.call("POST", "/v1/redemptions", none), 404, "not_found")
    part = shop.post("/v1/validations", none)["redeemables"][0]
    assert (part["status"], part["result"]["error"]["code"]) == ("INAPPLICABLE", 404)


def test_money_is_added_moved_and_undone_and_the_transactions_tell(shop: Program) -> None:
    shop.post("/v1/campaigns", CAMPAIGN)
    code = publish(shop)["voucher"]["code"]
    path = f"/v1/vouchers/{code}"
    added = shop.post(f"{path}/balance", {"amount": 1000, "source_id": "b1", "reason": "Sorry"})
    reads("VouchersBalanceUpdateResponseBody", added)
    assert (added["amount"], added["total"], added["balance"]) == (1000, 3500, 3500)
    assert shop.post(f"{path}/balance", {"amount": 1000, "source_id": "b1"})["balance"] == 3500
    assert shop.post(f"{path}/balance", {"amount": -500})["balance"] == 3000
    refused(shop.call("POST", f"{path}/balance", {"amount": -9999}), 400, "invalid_payload")
    order = {"source_id": "o1", "amount": 1000, "status": "CREATED"}
    done = shop.post("/v1/redemptions", {"redeemables": [wish(code)], "order": order})
    number = done["redemptions"][0]["id"]
    assert shop.get(path)["gift"]["balance"] == 2000
    undone = shop.post(f"/v1/redemptions/{number}/rollback?reason=returned&tracking_id=t1")
    reads("RedemptionsRollbackCreateResponseBody", undone)
    assert (undone["object"], undone["amount"]) == ("redemption_rollback", -1000)
    assert (undone["redemption"], undone["reason"]) == (number, "returned")
    assert undone["order"]["status"] == "CANCELED"
    gift = shop.get(path)["gift"]
    assert (gift["balance"], gift["amount"], gift["subtracted_amount"]) == (3000, 3500, 500)
    again = shop.call("POST", f"/v1/redemptions/{number}/rollback")
    refused(again, 400, "already_rolled_back")
    assert shop.get(f"/v1/redemptions/{number}")["status"] == "ROLLED_BACK"
    refused(shop.call("POST", "/v1/redemptions/r_0/rollback"), 404, "not_found")
    listed = shop.get(f"{path}/transactions")
    reads("VouchersTransactionsListResponseBody", listed)
    told = [
        (one["type"], one["details"]["balance"]["amount"], one["details"]["balance"]["total"])
        for one in listed["data"]
    ]
    assert told == [
        ("CREDITS_REFUND", 1000, 3000),
        ("CREDITS_REDEMPTION", -1000, 3000),
        ("CREDITS_REMOVAL", -500, 3000),
        ("CREDITS_ADDITION", 1000, 3500),
    ]
    assert shop.get(f"{path}/transactions?limit=1")["has_more"] is True


def test_a_voucher_is_switched_off_and_on_and_changed(shop: Program) -> None:
    shop.post("/v1/vouchers/GIFT-0001", {"gift": {"amount": 500}, "active": False})
    card = {"redeemables": [wish("GIFT-0001")], "order": {"amount": 100}}
    refused(shop.call("POST", "/v1/redemptions", card), 400, "voucher_disabled")
    assert shop.post("/v1/vouchers/GIFT-0001/enable")["active"] is True
    assert shop.post("/v1/redemptions", card)["redemptions"][0]["amount"] == 100
    reads("VouchersDisableResponseBody", shop.post("/v1/vouchers/GIFT-0001/disable", {}))
    change = {"metadata": {"till": 1}, "active": True, "redemption": {"quantity": 1}}
    changed = said(shop.call("PUT", "/v1/vouchers/GIFT-0001", change))
    reads("VouchersUpdateResponseBody", changed)
    assert (changed["active"], changed["metadata"]) == (True, {"till": 1})
    refused(shop.call("POST", "/v1/redemptions", card), 400, "quantity_exceeded")
    for quantity in (0, -1, 10**12, 1.5, "x"):
        body = {"redemption": {"quantity": quantity}}
        refused(shop.call("PUT", "/v1/vouchers/GIFT-0001", body), 400, "invalid_payload")
    session = {"session": {"type": "LOCK", "key": "s1"}}
    shop.post("/v1/vouchers/GIFT-0002", {"gift": {"amount": 500}})
    held = {"redeemables": [wish("GIFT-0002")], "order": {"amount": 500}}
    assert shop.post("/v1/validations", {**held, **session})["session"]["key"] == "s1"
    assert shop.post("/v1/validations", held)["valid"] is False
    assert shop.call("DELETE", "/v1/vouchers/GIFT-0002/sessions/s1").status_code == 204
    assert shop.post("/v1/validations", held)["valid"] is True


def test_what_belongs_to_another_user_group_is_not_there(shop: Program) -> None:
    campaign = shop.post("/v1/campaigns", CAMPAIGN)
    given = publish(shop)
    code = given["voucher"]["code"]
    order = {"amount": 100}
    done = shop.post("/v1/redemptions", {"redeemables": [wish(code)], "order": order})
    Campaign.objects.get().groups.add(Group.objects.create(name="Poland"))
    other = Program("Other")
    for path in (
        f"campaigns/{campaign['id']}",
        f"vouchers/{code}",
        f"vouchers/{code}/transactions",
        f"redemptions/{done['redemptions'][0]['id']}",
    ):
        refused(other.call("GET", f"/v1/{path}"), 404, "not_found")
    for path in ("campaigns", "vouchers", "publications", "redemptions"):
        assert other.get(f"/v1/{path}")["total"] == 0
    answer = other.post("/v1/validations", {"redeemables": [wish(code)], "order": order})
    assert answer["redeemables"][0]["result"]["error"]["key"] == "not_found"
    refused(other.call("POST", f"/v1/vouchers/{code}/balance", {"amount": 1}), 404, "not_found")


def test_several_cards_pay_one_order(shop: Program) -> None:
    shop.post("/v1/campaigns", CAMPAIGN)
    cards = [wish(publish(shop, name)["voucher"]["code"]) for name in ("u1", "u2", "u3")]
    body = {"redeemables": cards, "order": {"source_id": "o1", "amount": 4000}}
    done = shop.post("/v1/redemptions", body)
    reads("RedemptionsRedeemResponseBody", done)
    assert [one["amount"] for one in done["redemptions"]] == [2500, 1500]
    parent = done["parent_redemption"]["id"]
    assert {one["redemption"] for one in done["redemptions"]} == {parent}
    assert done["order"]["total_amount"] == 0
    assert [one["id"] for one in done["skipped_redeemables"]] == [cards[2]["id"]]
    part = done["redemptions"][0]["id"]
    refused(shop.call("POST", f"/v1/redemptions/{part}/rollback"), 400, "invalid_redemption_parent")
    undone = shop.post(f"/v1/redemptions/{parent}/rollbacks")
    reads("RedemptionsRollbacksCreateResponseBody", undone)
    assert [one["amount"] for one in undone["rollbacks"]] == [-2500, -1500]


def test_the_calls_of_older_libraries_are_answered(shop: Program) -> None:
    shop.post("/v1/campaigns", CAMPAIGN)
    code = publish(shop)["voucher"]["code"]
    valid = shop.post(f"/v1/vouchers/{code}/validate", {"order": {"amount": 1000}})
    assert (valid["valid"], valid["gift"]["credits"]) == (True, 1000)
    not_valid = shop.post("/v1/vouchers/NONE-0001/validate", {"order": {"amount": 1000}})
    assert (not_valid["valid"], not_valid["error"]["key"]) == (False, "not_found")
    done = shop.post(f"/v1/vouchers/{code}/redemption", {"order": {"amount": 1000}})
    assert (done["object"], done["result"], done["amount"]) == ("redemption", "SUCCESS", 1000)


def test_what_the_captured_clients_send_is_understood(shop: Program) -> None:
    """Those of them that do not exist here are told so in the form that they read."""
    customer = {"source_id": "u1", "email": "a@example.com", "name": "A"}
    assert shop.post("/v1/customers", customer)["source_id"] == "u1"
    assert shop.get("/v1/vouchers?limit=2")["vouchers"] == []
    body = {"redeemables": [{"object": "voucher", "id": "CODE"}], "order": {"amount": 1000}}
    assert shop.post("/v1/validations", body)["valid"] is False
    refused(shop.call("POST", "/v1/redemptions", body), 404, "not_found")
    refused(shop.call("GET", "/v1/loyalties/camp_1/members?limit=1"), 404, "not_found")
    balance = {"points": 10}
    refused(shop.call("POST", "/v1/loyalties/members/CARD/balance", balance), 404, "not_found")
    published = {"campaign": {"name": "c"}, "customer": {"source_id": "u1"}}
    refused(shop.call("POST", "/v1/publications", published), 404, "not_found")
    event = {"customer": {"source_id": "u1"}, "metadata": {"a": 1}, "event": "purchase"}
    assert shop.post("/v1/events", event)["type"] == "purchase"


def test_a_customer_who_tries_codes_is_locked_out(shop: Program) -> None:
    shop.post("/v1/campaigns", CAMPAIGN)
    code = publish(shop)["voucher"]["code"]
    body = {"redeemables": [wish("NONE-0001")], "customer": {"source_id": "u1"}}
    for n in range(10):
        path = "validations" if n % 2 else "redemptions"
        shop.call("POST", f"/v1/{path}", {**body, "order": {"amount": 100}})
    mine = {"redeemables": [wish(code)], "order": {"amount": 100}, "customer": {"source_id": "u1"}}
    answer = shop.call("POST", "/v1/redemptions", mine)
    refused(answer, 429, "too_many_unknown_codes")
    assert int(answer["Retry-After"]) > 800
    other = {**mine, "customer": {"source_id": "u2"}}
    assert shop.post("/v1/redemptions", other)["redemptions"], "other customers of the shop may"


def test_who_is_blocked_gets_no_card_and_pays_with_none(shop: Program) -> None:
    shop.post("/v1/campaigns", CAMPAIGN)
    given = publish(shop)
    code = given["voucher"]["code"]
    contact_id = int(given["customer_id"][5:])
    suspicions.block(f"contact:{contact_id}", actor=SYSTEM, at=Publication.objects.get().at)
    body = {"campaign": {"name": CAMPAIGN["name"]}, "customer": {"source_id": "u1"}}
    refused(shop.call("POST", "/v1/publications", body), 403, "blocked")
    mine = {"redeemables": [wish(code)], "order": {"amount": 100}, "customer": {"source_id": "u1"}}
    refused(shop.call("POST", "/v1/redemptions", mine), 403, "blocked")
    refused(shop.call("POST", "/v1/validations", mine), 403, "blocked")
    del mine["customer"]
    refused(shop.call("POST", "/v1/redemptions", mine), 400, "customer_rules_violated")
    assert Voucher.objects.get(code=code).balance_minor == 2500


def test_each_call_needs_its_scope(shop: Program) -> None:
    shop.post("/v1/campaigns", CAMPAIGN)
    reader = Program("Reader", scopes=["loyalty:read"])
    assert reader.get("/v1/campaigns")["total"] == 1
    code = reader.get("/v1/vouchers")["vouchers"][0]["code"]
    assert reader.post("/v1/validations", {"redeemables": [wish(code, 5)]})["valid"] is True
    for path in ("campaigns", "publications", "redemptions", "vouchers", f"vouchers/{code}"):
        refused(reader.call("POST", f"/v1/{path}", {}), 403, "not_allowed", "loyalty:write")
    stranger = Program("Stranger", scopes=["contacts:read"])
    for path in ("campaigns", "vouchers", f"vouchers/{code}", "redemptions", "publications"):
        refused(stranger.call("GET", f"/v1/{path}"), 403, "not_allowed", "loyalty:read")
