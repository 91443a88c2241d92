"""The clients that Voucherify publishes, unmodified, with their address set to ours: one story."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache as answers
from pytest_django.live_server_helper import LiveServer

from contacts import event_pages
from contacts.models import Contact
from loyalty.models import CardPosting, Redemption, Voucher
from tests.integrations.test_published_clients import require_node
from tests.loyalty.voucherify_program import Program

pytestmark = [pytest.mark.walk, pytest.mark.django_db(transaction=True)]

_CHECKOUT = Path(__file__).parents[2]
_NODE_SCRIPT = Path(__file__).with_name("redeem_with_node.mjs")
Tell = Callable[[str, Program], dict[str, Any]]


@cache
def library() -> Any:
    """The client for Python. Named, because its types do not say what is optional; and only where
    it is used, because it builds fifteen hundred models."""
    return import_module("voucherify")


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    answers.clear()
    yield
    answers.clear()


def tell_with_node(host: str, program: Program) -> dict[str, Any]:
    """What the client for Node was answered, call by call."""
    require_node()
    names = {"HOST": host, "APP_ID": str(program.api_user.pk), "APP_TOKEN": program.key}
    done = subprocess.run(
        ["node", str(_NODE_SCRIPT)],
        cwd=_CHECKOUT,
        env={**os.environ, **names},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told.pop("limit") == 600
    return told


def tell_with_python(host: str, program: Program) -> dict[str, Any]:
    """The same with the client for Python, whose models refuse what they do not expect."""
    keys = {"X-App-Id": str(program.api_user.pk), "X-App-Token": program.key}
    with library().ApiClient(library().Configuration(host=host, api_key=keys)) as client:
        return _tell(client)


def _tell(client: Any) -> dict[str, Any]:
    def body(name: str, said: dict[str, Any]) -> Any:
        return getattr(library(), name).from_dict(said)

    told: dict[str, Any] = {}
    customers, events = library().CustomersApi(client), library().EventsApi(client)
    campaigns, cards = library().CampaignsApi(client), library().VouchersApi(client)
    redemptions = library().RedemptionsApi(client)
    customer = {"source_id": "michael.scott"}
    person = {**customer, "name": "Michael Scott", "email": "michael@example.com"}
    made = customers.create_customer(body("CustomersCreateRequestBody", person))
    change = body("CustomersUpdateRequestBody", {"metadata": {"plan": "gold"}})
    customers.update_customer(made.id, change)
    told["customer"] = customers.get_customer(made.id).to_dict()
    bought = {"event": "purchase", "customer": customer, "metadata": {"total": 12.5}}
    events.track_custom_event(body("EventsCreateRequestBody", bought))
    left = {"event": "review_left", "customer": customer, "metadata": {"rating": 5}}
    told["event"] = events.track_custom_event(body("EventsCreateRequestBody", left)).to_dict()
    campaign = campaigns.create_campaign(
        body(
            "CampaignsCreateRequestBody",
            {
                "name": "Review gift cards",
                "campaign_type": "GIFT_VOUCHERS",
                "type": "AUTO_UPDATE",
                "join_once": True,
                "vouchers_count": 5,
                "voucher": {
                    "type": "GIFT_VOUCHER",
                    "gift": {"amount": 2500, "balance": 2500},
                    "code_config": {"pattern": "REV-########"},
                },
            },
        )
    )
    told["campaign"] = campaigns.get_campaign(campaign.name).to_dict()
    wish = {
        "campaign": {"name": campaign.name, "count": 1},
        "customer": customer,
        "source_id": "review-4711",
        "channel": "push",
        "metadata": {"product": "paper"},
    }
    published = (
        library()
        .PublicationsApi(client)
        .create_publication(True, body("PublicationsCreateRequestBody", wish))
    )
    told["publication"] = published.to_dict()
    code = published.voucher.code
    item = {"source_id": "sku1", "related_object": "product", "quantity": 2, "price": 2750}
    checkout: dict[str, Any] = {
        "redeemables": [{"object": "voucher", "id": code, "gift": {"credits": 1000}}],
        "order": {"source_id": "o1", "amount": 5500, "items": [item]},
        "customer": customer,
        "session": {"type": "LOCK", "ttl": 7, "ttl_unit": "DAYS"},
    }
    validated = (
        library()
        .ValidationsApi(client)
        .validate_stacked_discounts(body("ValidationsValidateRequestBody", checkout))
    )
    told["validation"] = validated.to_dict()
    checkout["session"] = {"type": "LOCK", "key": validated.session.key}
    redeemed = redemptions.redeem_stacked_discounts(body("RedemptionsRedeemRequestBody", checkout))
    told["redemption"] = redeemed.to_dict()
    told["after"] = cards.get_voucher(code).to_dict()
    told["listed"] = redemptions.list_redemptions(limit=10).to_dict()
    number = redeemed.redemptions[0].id
    told["rollback"] = redemptions.rollback_redemption(number, reason="returned").to_dict()
    told["restored"] = cards.get_voucher(code).to_dict()
    told["transactions"] = cards.list_voucher_transactions(code, limit=10).to_dict()
    card = body(
        "VouchersCreateWithSpecificCodeRequestBody",
        {"type": "GIFT_VOUCHER", "gift": {"amount": 500}},
    )
    cards.create_voucher("GIFT-0001", card)
    told["disabled"] = cards.disable_voucher("GIFT-0001").to_dict()
    told["enabled"] = cards.enable_voucher("GIFT-0001").to_dict()
    more = body("VouchersBalanceUpdateRequestBody", {"amount": 1000})
    told["balance"] = cards.update_voucher_balance("GIFT-0001", more).to_dict()
    told["vouchers"] = cards.list_vouchers(limit=2).to_dict()
    told["error"] = _error(lambda: cards.get_voucher("NONE-0001"))
    categories = library().CategoriesApi(client)
    told["unserved"] = _error(lambda: categories.list_categories())
    told["unserved"].pop("resource_id")
    return told


def _error(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(library().ApiException) as raised:
        call()
    found = json.loads(raised.value.body)
    return {name: found.get(name) for name in ("code", "key", "resource_id")}


@pytest.mark.parametrize("tell", [tell_with_python, tell_with_node])
def test_a_published_client_tells_the_story_of_a_review(
    live_server: LiveServer, tell: Tell
) -> None:
    told = tell(live_server.url, Program())
    contact = Contact.objects.get(email="michael@example.com")
    assert told["customer"]["id"] == f"cust_{contact.pk}"
    assert told["customer"]["metadata"] == {"plan": "gold"}
    assert (told["event"]["type"], told["event"]["object"]) == ("review_left", "event")
    assert told["campaign"]["creation_status"] == "DONE"
    assert told["campaign"]["vouchers_count"] == 5
    card = told["publication"]["voucher"]
    assert (told["publication"]["result"], card["gift"]["balance"]) == ("SUCCESS", 2500)
    assert card["holder_id"] == told["customer"]["id"]
    assert told["validation"]["valid"] is True
    assert told["validation"]["order"]["total_amount"] == 4500
    [redemption] = told["redemption"]["redemptions"]
    assert (redemption["result"], redemption["amount"]) == ("SUCCESS", 1000)
    assert told["after"]["gift"]["balance"] == 1500
    assert [one["id"] for one in told["listed"]["redemptions"]] == [redemption["id"]]
    assert (told["rollback"]["amount"], told["rollback"]["reason"]) == (-1000, "returned")
    assert told["restored"]["gift"]["balance"] == 2500
    types = [one["type"] for one in told["transactions"]["data"]]
    assert types == ["CREDITS_REFUND", "CREDITS_REDEMPTION"]
    assert (told["disabled"]["active"], told["enabled"]["active"]) == (False, True)
    assert (told["balance"]["amount"], told["balance"]["balance"]) == (1000, 1500)
    assert (told["vouchers"]["total"], len(told["vouchers"]["vouchers"])) == (6, 2)
    assert told["error"] == {"code": 404, "key": "not_found", "resource_id": "NONE-0001"}
    assert told["unserved"] == {"code": 404, "key": "not_found"}
    names = {one.name for one in event_pages.events_page(contact_id=contact.pk, limit=50)}
    assert {"purchase", "review_left", "customer.publication.succeeded"} <= names
    assert {"redemption.succeeded", "redemption.rollback.succeeded"} <= names
    assert Redemption.objects.get().state == "rolled_back"
    spent = CardPosting.objects.filter(voucher=Voucher.objects.get(code=card["code"]))
    assert spent.count() == 2
