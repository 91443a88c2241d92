"""Validation rules by Voucherify's calls; whatever is sent, no call ends in a defect."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty.models import RuleAssignment
from tests.loyalty.voucherify_program import Program, refused, said
from tests.segments.factories import lives_in, make_segment

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def shop() -> Program:
    program = Program(requests_per_minute=100_000)
    program.post("/v1/vouchers/GIFT-0001", {"gift": {"amount": 2500}})
    return program


def test_a_rule_is_made_assigned_and_refuses_with_its_own_message(shop: Program) -> None:
    segment = make_segment("reviewers", lives_in("Warszawa"))
    rules = {
        "1": {
            "name": "customer.segment",
            "property": None,
            "conditions": {"$is": [f"seg_{segment.pk}"]},
            "error": {"message": "Write a review first"},
        },
        "logic": "1",
    }
    body = {"name": "Reviewers only", "type": "basic", "rules": rules}
    body["context_type"] = "campaign.gift_vouchers"
    made = shop.post("/v1/validation-rules", body)
    assert made["rules"] == rules
    assert (made["id"][:4], made["assignments_count"]) == ("val_", 0)
    path = f"/v1/validation-rules/{made['id']}"
    to = {"related_object_type": "voucher", "related_object_id": "GIFT-0001"}
    assigned = shop.post(f"{path}/assignments", to)
    assert (assigned["rule_id"], assigned["related_object_type"]) == (made["id"], "voucher")
    card = {"redeemables": [{"object": "voucher", "id": "GIFT-0001"}], "order": {"amount": 100}}
    card["customer"] = {"source_id": "u1", "name": "A"}
    answer = shop.call("POST", "/v1/redemptions", card)
    error = refused(answer, 400, "customer_rules_violated")
    assert error["error"] == {"message": "Write a review first"}
    part = shop.post("/v1/validations", card)["redeemables"][0]
    assert part["result"]["error"]["error"] == {"message": "Write a review first"}
    assert shop.get(path)["assignments_count"] == 1
    listed = shop.get(f"{path}/assignments")
    assert [one["id"] for one in listed["data"]] == [assigned["id"]]
    assert shop.call("DELETE", path).status_code == 400, "it holds for something"
    assert shop.call("DELETE", f"{path}/assignments/{assigned['id']}").status_code == 204
    assert not RuleAssignment.objects.exists()
    said(shop.call("PUT", path, {"name": "All"}))
    assert shop.get("/v1/validation-rules")["data"][0]["name"] == "All"
    assert shop.call("DELETE", path).status_code == 204
    unknown = {**body, "rules": {"1": {"name": "moon.phase", "conditions": {}}, "logic": "1"}}
    refused(shop.call("POST", "/v1/validation-rules", unknown), 400, "invalid_payload")


_NAMES = [
    *("redeemables", "id", "object", "gift", "credits", "amount", "order", "items", "price"),
    *("customer", "source_id", "session", "type", "key", "ttl", "ttl_unit", "metadata", "name"),
    *("campaign", "voucher", "vouchers_count", "code_config", "pattern", "length", "start_date"),
    *("rules", "logic", "1", "conditions", "$is", "error", "message", "redemption", "quantity"),
    *("validity_day_of_week", "validation_rules", "related_object_type", "related_object_id"),
]
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "GIFT-0001", "gift-0001", "u1", "\0", "é", "val_1", "camp_1", "v_99"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner),
    max_leaves=8,
)
_PATHS = [
    *("validations", "redemptions", "publications", "campaigns", "vouchers", "customers"),
    *("vouchers/GIFT-0001/balance", "vouchers/GIFT-0001/validate", "vouchers/GIFT-0001"),
    *("vouchers/GIFT-0001/redemption", "events", "validation-rules", "redemptions/r_1/rollback"),
    *("validation-rules/val_1/assignments", "campaigns/camp_1/vouchers/X%00", "customers/%00"),
]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["POST", "PUT", "GET"]),
    path=st.sampled_from(_PATHS),
    body=st.dictionaries(st.sampled_from(_NAMES), _VALUES),
)
def test_no_body_ends_in_a_defect(
    shop: Program, method: str, path: str, body: dict[str, Any]
) -> None:
    answer = shop.call(method, f"/v1/{path}", body)
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert {"code", "key", "message", "details", "request_id"} <= answer.json().keys()
