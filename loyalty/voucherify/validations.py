"""Validations: can cards pay an order, and how much; a session may hold them meanwhile."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django.http import HttpResponse

from integrations.voucherify.answers import answer, error_object
from integrations.voucherify.entry import Call, Way, view
from loyalty.redeeming.applicability import Part
from loyalty.redeeming.redeemables import Redeemable
from loyalty.redeeming.sessions import Session
from loyalty.redeeming.validations import Validation, validate
from loyalty.voucherify import said
from loyalty.voucherify.guard import note_unknown_codes, require_trusted
from loyalty.voucherify.orders import (
    describe_order,
    read_order,
    read_redeemables,
    read_session,
    stacking_rules,
    tracking_of,
)
from loyalty.voucherify.people import customer_of
from loyalty.voucherify.vouchers import describe

PERMISSION = "loyalty.view_voucher"


def take(call: Call) -> HttpResponse:
    """Validate the cards of the body."""
    validation = _validate(call, read_redeemables(call.body))
    parts = [describe_part(one, validation, call) for one in validation.parts]
    skipped = [one for one in parts if one["status"] == "SKIPPED"]
    return answer(
        {
            "id": f"valid_{uuid4().hex}",
            "valid": validation.valid,
            "redeemables": parts,
            "skipped_redeemables": skipped,
            "inapplicable_redeemables": [one for one in parts if one["status"] == "INAPPLICABLE"],
            "order": describe_order(validation.order, discount=_discount(validation)),
            "tracking_id": tracking_of(call) or None,
            "session": describe_session(validation.session),
            "stacking_rules": stacking_rules(),
        }
    )


def take_one(call: Call) -> HttpResponse:
    """Validate one card, in the form of older libraries: `valid`, or the `reason` why not."""
    wanted = said.integer(said.mapping(call.body, "gift"), "credits", "gift.credits")
    validation = _validate(call, [Redeemable(call.parts["code"], wanted)])
    [part] = validation.parts
    found: dict[str, Any] = {
        "code": part.code,
        "valid": validation.valid,
        "tracking_id": tracking_of(call) or None,
        "order": describe_order(validation.order, discount=_discount(validation)),
    }
    if part.failure is not None or part.voucher is None:
        error = _error(part, call)
        reason = part.failure.custom or part.failure.message if part.failure else ""
        return answer({**found, "reason": reason, "error": error})
    if not call.caller.is_client_side:
        shape = describe(part.voucher)
        found |= {"metadata": shape["metadata"], "campaign": shape["campaign"]}
        found |= {"campaign_id": shape["campaign_id"], "redemption": shape["redemption"]}
    return answer(
        {
            **found,
            "gift": {**_gift(part), "effect": "APPLY_TO_ORDER"},
            "session": describe_session(validation.session),
        }
    )


def describe_part(part: Part, validation: Validation, call: Call) -> dict[str, Any]:
    """What one card does. To a page it tells no more than what is paid."""
    found: dict[str, Any] = {"id": part.code, "object": "voucher", "categories": []}
    if part.failure is not None:
        result = {"error": _error(part, call), "details": {"message": part.failure.message}}
        return {**found, "status": "INAPPLICABLE", "result": result}
    if part.is_skipped:
        details = {"key": "no_effect", "message": "The order has nothing left to pay."}
        return {**found, "status": "SKIPPED", "result": {"details": details}}
    order = describe_order(validation.order, discount=part.credits)
    nothing = {"object": "list", "data_ref": "data", "data": [], "total": 0}
    found |= {
        "status": "APPLICABLE",
        "order": order,
        "applicable_to": nothing,
        "inapplicable_to": nothing,
        "result": {"gift": _gift(part)},
    }
    if part.voucher is not None and not call.caller.is_client_side:
        shape = describe(part.voucher)
        found |= {
            "metadata": shape["metadata"],
            "campaign_name": shape["campaign"],
            "campaign_id": shape["campaign_id"],
        }
    return found


def describe_session(session: Session | None) -> dict[str, Any] | None:
    """A session and how long it holds."""
    if session is None:
        return None
    return {
        "key": session.key,
        "type": "LOCK",
        "ttl": session.ttl,
        "ttl_unit": session.ttl_unit,
    }


def _validate(call: Call, redeemables: Sequence[Redeemable]) -> Validation:
    contact_id = customer_of(call, makes=False)
    require_trusted(call, contact_id)
    validation = validate(
        redeemables=redeemables,
        order=read_order(call.body),
        contact_id=contact_id,
        session=read_session(call.body),
        actor=call.caller.actor,
        at=call.at,
    )
    unknown = sum(part.voucher is None for part in validation.parts)
    note_unknown_codes(call, contact_id, unknown)
    return validation


def _discount(validation: Validation) -> int:
    return validation.discount_minor if validation.valid else 0


def _gift(part: Part) -> dict[str, Any]:
    balance = part.voucher.balance_minor if part.voucher is not None else 0
    return {"balance": balance, "credits": part.credits}


def _error(part: Part, call: Call) -> dict[str, Any]:
    failure = part.failure
    assert failure is not None, "who asks has looked"
    return error_object(
        failure.status,
        failure.key,
        failure.message,
        request_id=call.request_id,
        message=failure.custom,
        resource_id=part.code,
        resource_type="voucher",
    )


VALIDATIONS = view("validations", {"POST": Way(take, PERMISSION)})
OF_VOUCHER = view("vouchers/validate", {"POST": Way(take_one, PERMISSION)})
