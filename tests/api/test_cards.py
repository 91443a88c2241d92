"""Cards over HTTP: validated, held, redeemed, undone, given money."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from contacts.models import Event
from loyalty.models import Redemption, Rollback, Voucher
from tests.api.conftest import MakeProgram, Program
from tests.factories import make_contact
from tests.loyalty.cards import make_campaign, make_card

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(make_program: MakeProgram) -> Program:
    return make_program("loyalty:read", "loyalty:write")


def _body(*codes: str, credits_: int | None = None, **more: Any) -> dict[str, Any]:
    gift = {} if credits_ is None else {"gift": {"credits": credits_}}
    return {"redeemables": [{"object": "voucher", "id": code, **gift} for code in codes], **more}


def test_the_way_of_a_card_from_the_till_and_back(shop: Program) -> None:
    michael = make_contact(external_id="michael.scott")
    make_card("REV-AB12CD34", holder=michael, published_at=timezone.now())
    order = {"source_id": "o1", "amount": 5500, "items": [{"source_id": "sku1", "price": 5500}]}
    who = {"source_id": "michael.scott"}
    asked = shop.post(
        "/api/validations/",
        _body(
            "rev-ab12cd34",
            credits_=1000,
            order=order,
            customer=who,
            session={"type": "LOCK", "key": "cart-1", "ttl": 7, "ttl_unit": "DAYS"},
            options={"expand": ["order"]},
        ),
    ).json()
    assert asked["valid"] is True
    assert asked["redeemables"][0]["result"]["gift"]["credits"] == 1000
    assert asked["order"]["total_discount_amount"] == 1000
    assert asked["order"]["total_amount"] == 4500
    assert asked["session"]["key"] == "cart-1"
    paid = shop.post(
        "/api/redemptions/",
        _body("REV-AB12CD34", credits_=1000, order=order, customer=who, session={"key": "cart-1"}),
    )
    assert paid.status_code == 201
    [redemption] = paid.json()["redemptions"]
    assert (redemption["status"], redemption["amount"]) == ("SUCCEEDED", 1000)
    assert redemption["voucher"]["gift"]["balance"] == 1500
    assert shop.get("/api/vouchers/rev-ab12cd34/").json()["state"] == "partially_redeemed"
    back = shop.post(f"/api/redemptions/{redemption['id']}/rollback/?reason=returned", {})
    assert (back.json()["amount"], back.json()["reason"]) == (-1000, "returned")
    assert shop.get("/api/vouchers/REV-AB12CD34/").json()["gift"]["balance"] == 2500
    lines = shop.get("/api/vouchers/REV-AB12CD34/transactions/").json()["results"]
    assert [line["type"] for line in lines] == ["CREDITS_REFUND", "CREDITS_REDEMPTION"]
    again = shop.post(f"/api/redemptions/{redemption['id']}/rollback/", {})
    assert (again.status_code, again.json()["code"]) == (400, "already_rolled_back")
    assert list(Rollback.objects.order_by("pk").values_list("state", flat=True)) == [
        "succeeded",
        "failed",
    ]
    told = Event.objects.filter(contact_id=michael.pk).values_list("definition__name", flat=True)
    assert sorted(told) == [
        "redemption.rollback.failed",
        "redemption.rollback.succeeded",
        "redemption.succeeded",
    ]


def test_a_refusal_is_written_down_although_the_request_fails(shop: Program) -> None:
    make_card("A")
    refused = shop.post("/api/redemptions/", _body("A", credits_=9900), Idempotency_Key="k")
    assert refused.status_code == 400
    assert refused.json()["code"] == "gift_amount_exceeded"
    assert refused.json()["errors"][0]["path"] == "redeemables[0]"
    failed = shop.get("/api/redemptions/?state=failed").json()["results"]
    assert [row["failure_code"] for row in failed] == ["gift_amount_exceeded"]
    again = shop.post("/api/redemptions/", _body("A", credits_=9900), Idempotency_Key="k")
    assert again.status_code == 400, "a key whose request was refused may be used again"


def test_one_idempotency_key_pays_once(shop: Program) -> None:
    make_card("A")
    body = _body("A", credits_=1000)
    first, again = (shop.post("/api/redemptions/", body, Idempotency_Key="k") for _ in range(2))
    assert first.json() == again.json()
    assert Voucher.objects.get(code="A").balance_minor == 1500


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (_body("A", "a", credits_=1), 400, "duplicated_redeemables"),
        (_body("NONE", credits_=1), 404, "not_found"),
        (_body("A"), 400, "missing_amount"),
        (_body("A", credits_=0), 400, "invalid"),
        (_body(*[f"C{n}" for n in range(31)], credits_=1), 400, "invalid"),
        ({"redeemables": []}, 400, "invalid"),
        (_body("A", credits_=1, nonsense=1), 400, "invalid"),
        (_body("A", credits_=1, customer={"source_id": "nobody"}), 404, "contact_unknown"),
        (_body("A", credits_=1, order={"amount": -1}), 400, "invalid"),
    ],
    ids=str,
)
def test_bad_redemptions_are_refused(
    shop: Program, body: dict[str, Any], status: int, code: str
) -> None:
    make_card("A")
    refused = shop.post("/api/redemptions/", body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert not Redemption.objects.exclude(state="failed").exists()


def test_balances_are_changed_once_for_each_source_id(shop: Program) -> None:
    make_card("A")
    body = {"amount": 1000, "source_id": "s1", "reason": "birthday"}
    first, again = (shop.post("/api/vouchers/A/balance/", body).json() for _ in range(2))
    assert first == again
    assert (first["total"], first["balance"]) == (3500, 3500)
    other = shop.post("/api/vouchers/A/balance/", {"amount": 5, "source_id": "s1"})
    assert other.status_code == 400
    too_much = shop.post("/api/vouchers/A/balance/", {"amount": -3501})
    assert (too_much.status_code, too_much.json()["code"]) == (400, "balance_invalid")
    taken = shop.post("/api/vouchers/A/balance/", {"amount": -500}).json()
    assert (taken["amount"], taken["balance"]) == (-500, 3000)


def test_a_card_is_switched_and_changed(shop: Program) -> None:
    make_card("A")
    assert shop.post("/api/vouchers/A/disable/", {"reason": "lost"}).json()["state"] == "disabled"
    asked = shop.post("/api/validations/", _body("A", credits_=1)).json()
    assert asked["redeemables"][0]["result"]["error"]["key"] == "voucher_disabled"
    assert shop.post("/api/vouchers/A/enable/", {}).json()["active"] is True
    changed = shop.patch("/api/vouchers/A/", {"metadata": {"x": 1}, "redemption_limit": 2})
    assert changed.json()["redemption"]["quantity"] == 2
    assert changed.json()["metadata"] == {"x": 1}


def test_a_session_is_released(shop: Program) -> None:
    make_card("A")
    shop.post("/api/validations/", _body("A", credits_=2500, session={"key": "s"}))
    assert not shop.post("/api/validations/", _body("A", credits_=1)).json()["valid"]
    assert shop.post("/api/validations/release/", {"session": {"key": "s"}}).status_code == 204
    assert shop.post("/api/validations/", _body("A", credits_=1)).json()["valid"]


def test_cards_of_other_user_groups_do_not_exist(make_program: MakeProgram) -> None:
    poland, france = (Group.objects.create(name=name) for name in ("Poland", "France"))
    campaign = make_campaign()
    campaign.groups.add(poland)
    make_card("A", campaign)
    ours, theirs = make_program(groups=(poland,)), make_program(groups=(france,))
    paid = ours.post("/api/redemptions/", _body("A", credits_=1)).json()["redemptions"][0]["id"]
    assert theirs.get("/api/vouchers/A/").status_code == 404
    assert theirs.post("/api/redemptions/", _body("A", credits_=1)).status_code == 404
    assert theirs.get("/api/redemptions/").json()["results"] == []
    assert theirs.get(f"/api/redemptions/{paid}/").status_code == 404
    assert theirs.post(f"/api/redemptions/{paid}/rollback/", {}).status_code == 404
    assert Voucher.objects.get().balance_minor == 2499
