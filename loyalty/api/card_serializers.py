"""The shapes of cards, validations and redemptions in the API: Voucherify's, with our ids."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from loyalty.gift_cards import balances, states
from loyalty.models import Redemption, Rollback, Voucher
from loyalty.redeeming.applicability import AMOUNT_LIMIT, REDEEMABLES_LIMIT, Part
from loyalty.redeeming.redeemables import OrderFacts, Redeemable
from loyalty.redeeming.redemptions import Redeemed
from loyalty.redeeming.sessions import KEY_LIMIT, UNITS, Session, SessionWish
from loyalty.redeeming.validations import Validation
from workspace.api.serializers import StrictSerializer

_ITEMS_LIMIT = 500


class GiftSerializer(StrictSerializer):
    """How much a card shall pay, in minor units; without it as much as it can."""

    credits = serializers.IntegerField(min_value=1, max_value=AMOUNT_LIMIT, required=False)
    amount = serializers.IntegerField(read_only=True)
    balance = serializers.IntegerField(read_only=True)


class RedeemableSerializer(StrictSerializer):
    """A card by its code."""

    object = serializers.RegexField(r"^voucher$", default="voucher")
    id = serializers.CharField(max_length=200, help_text=_("The code."))
    gift = GiftSerializer(required=False)


class OrderSerializer(StrictSerializer):
    """An order; `amount` in minor units. In answers with what the cards pay of it."""

    source_id = serializers.CharField(max_length=200, required=False, allow_blank=True)
    amount = serializers.IntegerField(min_value=0, max_value=AMOUNT_LIMIT, required=False)
    currency = serializers.RegexField(r"^[A-Z]{3}$", required=False)
    status = serializers.RegexField(r"^(CREATED|PAID|CANCELED|FULFILLED)$", required=False)
    items = serializers.ListField(
        child=serializers.DictField(), max_length=_ITEMS_LIMIT, required=False
    )
    metadata = serializers.DictField(required=False)
    total_discount_amount = serializers.IntegerField(read_only=True)
    total_amount = serializers.IntegerField(read_only=True)


class CustomerSerializer(StrictSerializer):
    """Who pays: by our id of the contact, or by the external id."""

    id = serializers.IntegerField(min_value=1, max_value=2**53, required=False)
    source_id = serializers.CharField(max_length=200, required=False)


class SessionSerializer(StrictSerializer):
    """A session that holds the cards until it expires; 7 days where nothing is said."""

    type = serializers.RegexField(r"^LOCK$", default="LOCK")
    key = serializers.CharField(max_length=KEY_LIMIT, required=False)
    ttl = serializers.FloatField(required=False)
    ttl_unit = serializers.ChoiceField(choices=list(UNITS), required=False)
    expires_at = serializers.DateTimeField(read_only=True)


class SessionKeySerializer(StrictSerializer):
    """The session that a redemption uses up."""

    type = serializers.RegexField(r"^LOCK$", required=False)
    key = serializers.CharField(max_length=KEY_LIMIT)


class OptionsSerializer(StrictSerializer):
    """What Voucherify's clients ask for besides; answers here have it all in any case."""

    expand = serializers.ListField(
        child=serializers.CharField(max_length=40), max_length=20, required=False
    )


class _AskSerializer(StrictSerializer):
    redeemables = RedeemableSerializer(
        many=True, allow_empty=False, help_text=_("The cards, in the order in which they pay.")
    )
    order = OrderSerializer(required=False)
    customer = CustomerSerializer(required=False)
    options = OptionsSerializer(required=False)
    metadata = serializers.DictField(required=False)
    tracking_id = serializers.CharField(max_length=120, required=False, allow_blank=True)

    def validate_redeemables(self, given: Sequence[Any]) -> Sequence[Any]:
        """At most so many pay one order."""
        if len(given) > REDEEMABLES_LIMIT:
            message = _("At most %(limit)d cards pay one order.") % {"limit": REDEEMABLES_LIMIT}
            raise serializers.ValidationError(message, code="too_many")
        return given


class ValidationRequestSerializer(_AskSerializer):
    """Cards that shall pay an order, and whether a session shall hold them."""

    session = SessionSerializer(required=False)


class RedemptionRequestSerializer(_AskSerializer):
    """Cards that pay an order, and the session that holds them."""

    session = SessionKeySerializer(required=False)


class ReleaseSerializer(StrictSerializer):
    """A session that shall hold nothing any more."""

    session = SessionKeySerializer()


class FailureSerializer(serializers.Serializer[Any]):
    """Why a card cannot pay; `error.message` is what a validation rule says itself."""

    code = serializers.IntegerField()
    key = serializers.CharField()
    message = serializers.CharField()
    error = serializers.DictField(required=False)


class ResultSerializer(serializers.Serializer[Any]):
    """What a card pays, or why it cannot."""

    gift = GiftSerializer(required=False)
    error = FailureSerializer(required=False)


class ValidatedPartSerializer(serializers.Serializer[Any]):
    """One of the cards."""

    status = serializers.CharField()
    id = serializers.CharField()
    object = serializers.CharField()
    order = OrderSerializer()
    result = ResultSerializer()


class ValidationSerializer(serializers.Serializer[Any]):
    """Whether the cards can pay, and how much each."""

    valid = serializers.BooleanField()
    redeemables = ValidatedPartSerializer(many=True)
    order = OrderSerializer()
    tracking_id = serializers.CharField(allow_null=True)
    session = SessionSerializer(allow_null=True)


class VoucherGiftSerializer(serializers.Serializer[Any]):
    """The money of a card, in minor units: what ever came onto it, what is left, what was taken."""

    amount = serializers.IntegerField()
    balance = serializers.IntegerField()
    subtracted_amount = serializers.IntegerField()
    effect = serializers.CharField()


class VoucherUsesSerializer(serializers.Serializer[Any]):
    """How often a card may be used and was, and what it paid."""

    quantity = serializers.IntegerField(allow_null=True)
    redeemed_quantity = serializers.IntegerField()
    redeemed_amount = serializers.IntegerField()


class VoucherSerializer(serializers.Serializer[Any]):
    """A card."""

    id = serializers.IntegerField()
    object = serializers.CharField()
    code = serializers.CharField()
    campaign = serializers.CharField()
    campaign_id = serializers.IntegerField()
    campaign_key = serializers.CharField()
    type = serializers.CharField()
    state = serializers.CharField()
    gift = VoucherGiftSerializer()
    currency = serializers.CharField()
    start_date = serializers.DateTimeField(allow_null=True)
    expiration_date = serializers.DateTimeField(allow_null=True)
    holder_id = serializers.IntegerField(allow_null=True)
    published_at = serializers.DateTimeField(allow_null=True)
    active = serializers.BooleanField()
    redemption = VoucherUsesSerializer()
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()


class RedemptionSerializer(serializers.Serializer[Any]):
    """A use of a card, or why it was refused; that of several cards has no voucher."""

    id = serializers.IntegerField()
    object = serializers.CharField()
    status = serializers.CharField()
    result = serializers.CharField()
    amount = serializers.IntegerField()
    gift = GiftSerializer()
    currency = serializers.CharField()
    failure_code = serializers.CharField(allow_null=True)
    failure_message = serializers.CharField(allow_null=True)
    customer_id = serializers.IntegerField(allow_null=True)
    tracking_id = serializers.CharField(allow_null=True)
    parent_id = serializers.IntegerField(allow_null=True)
    order = OrderSerializer()
    voucher = VoucherSerializer(allow_null=True)
    metadata = serializers.DictField()
    date = serializers.DateTimeField()


class RedeemedSerializer(serializers.Serializer[Any]):
    """What cards paid; all of them or none."""

    redemptions = RedemptionSerializer(many=True)
    parent_redemption = RedemptionSerializer(allow_null=True)
    order = OrderSerializer()
    inapplicable_redeemables = serializers.ListField(child=serializers.DictField())
    skipped_redeemables = serializers.ListField(child=serializers.DictField())


class RollbackRequestSerializer(StrictSerializer):
    """Why a redemption is undone."""

    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)
    tracking_id = serializers.CharField(max_length=120, required=False, allow_blank=True)


class RollbackSerializer(serializers.Serializer[Any]):
    """The undoing of a redemption; `amount` is negative."""

    id = serializers.IntegerField()
    object = serializers.CharField()
    redemption = serializers.IntegerField()
    amount = serializers.IntegerField()
    reason = serializers.CharField(allow_null=True)
    tracking_id = serializers.CharField(allow_null=True)
    result = serializers.CharField()
    date = serializers.DateTimeField()


class RolledBackSerializer(RollbackSerializer):
    """The same with the order and, of several cards, each rollback."""

    order = OrderSerializer()
    rollbacks = RollbackSerializer(many=True)


class BalanceRequestSerializer(StrictSerializer):
    """Money that a card is given, or taken where it is negative; once for each `source_id`."""

    amount = serializers.IntegerField(min_value=-AMOUNT_LIMIT, max_value=AMOUNT_LIMIT)
    source_id = serializers.CharField(max_length=150, required=False, allow_blank=True)
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class RelatedSerializer(serializers.Serializer[Any]):
    """What an answer is about."""

    type = serializers.CharField()
    id = serializers.IntegerField()
    code = serializers.CharField()


class BalanceSerializer(serializers.Serializer[Any]):
    """What was given or taken, all that ever came onto the card, and what is left."""

    object = serializers.CharField()
    type = serializers.CharField()
    amount = serializers.IntegerField()
    total = serializers.IntegerField()
    balance = serializers.IntegerField()
    currency = serializers.CharField()
    related_object = RelatedSerializer()


class ReasonSerializer(StrictSerializer):
    """Why something is done."""

    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class VoucherChangeSerializer(StrictSerializer):
    """What can be changed of a card."""

    start_date = serializers.DateTimeField(required=False, allow_null=True)
    expiration_date = serializers.DateTimeField(required=False, allow_null=True)
    redemption_limit = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, allow_null=True
    )
    metadata = serializers.DictField(required=False)
    active = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class TransactionSerializer(serializers.Serializer[Any]):
    """A movement on a card; `amount` is negative where money went off it."""

    id = serializers.IntegerField()
    type = serializers.CharField()
    source_id = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    amount = serializers.IntegerField()
    balance = serializers.IntegerField()
    currency = serializers.CharField()
    operation_type = serializers.CharField()
    related_transaction_id = serializers.IntegerField(allow_null=True)
    redemption_id = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()


def wishes_of(given: Sequence[Mapping[str, Any]]) -> list[Redeemable]:
    """The cards of a body."""
    return [Redeemable(one["id"], one.get("gift", {}).get("credits")) for one in given]


def order_of(given: Mapping[str, Any]) -> OrderFacts:
    """The order of a body."""
    order = given.get("order", {})
    return OrderFacts(
        reference=order.get("source_id", ""),
        amount_minor=order.get("amount"),
        items=order.get("items", []),
        raw=order,
        metadata=order.get("metadata", {}),
        currency=order.get("currency", ""),
    )


def session_of(given: Mapping[str, Any]) -> SessionWish | None:
    """The session that a body asks for."""
    session = given.get("session")
    if session is None:
        return None
    wish = SessionWish(session.get("key", ""), session.get("ttl"))
    return SessionWish(wish.key, wish.ttl, session.get("ttl_unit", wish.ttl_unit))


def describe_validation(answer: Validation, tracking_id: str) -> dict[str, Any]:
    """An answer to a validation."""
    discount = answer.discount_minor if answer.valid else 0
    return {
        "valid": answer.valid,
        "redeemables": [_describe_part(part, answer.order) for part in answer.parts],
        "order": describe_order(answer.order, discount),
        "tracking_id": tracking_id or None,
        "session": None if answer.session is None else describe_session(answer.session),
    }


def describe_session(session: Session) -> dict[str, Any]:
    """A session as it was begun."""
    return {
        "type": "LOCK",
        "key": session.key,
        "ttl": session.ttl,
        "ttl_unit": session.ttl_unit,
        "expires_at": session.expires_at,
    }


def describe_order(order: OrderFacts, discount: int) -> dict[str, Any]:
    """An order with what cards pay of it."""
    told = {**order.raw, "total_discount_amount": discount}
    if order.amount_minor is not None:
        told["amount"] = order.amount_minor
        told["total_amount"] = order.amount_minor - discount
    return told


def describe_redeemed(done: Redeemed, at: datetime) -> dict[str, Any]:
    """An answer to a redemption."""
    parent = done.parent
    return {
        "redemptions": [describe_redemption(part.redemption, at) for part in done.parts],
        "parent_redemption": None if parent is None else describe_redemption(parent, at),
        "order": {**describe_order(done.order, done.discount_minor), "status": "PAID"},
        "inapplicable_redeemables": [],
        "skipped_redeemables": [
            {"status": "SKIPPED", "id": code, "object": "voucher"} for code in done.skipped
        ],
    }


def describe_redemption(redemption: Redemption, at: datetime) -> dict[str, Any]:
    """A redemption, whose voucher and campaign had better be loaded."""
    voucher, is_failed = redemption.voucher, redemption.state == Redemption.State.FAILED
    order = OrderFacts(redemption.order_reference, redemption.order_minor, raw=redemption.order)
    return {
        "id": redemption.pk,
        "object": "redemption",
        "status": redemption.state.upper(),
        "result": "FAILURE" if is_failed else "SUCCESS",
        "amount": redemption.amount_minor,
        "gift": {"amount": redemption.amount_minor},
        "currency": redemption.currency,
        "failure_code": redemption.failure_code or None,
        "failure_message": redemption.failure_message or None,
        "customer_id": redemption.contact_id,
        "tracking_id": redemption.tracking_id or None,
        "parent_id": redemption.parent_id,
        "order": describe_order(order, redemption.amount_minor),
        "voucher": None if voucher is None else describe_voucher(voucher, at),
        "metadata": redemption.metadata,
        "date": redemption.at,
    }


def describe_voucher(
    voucher: Voucher, at: datetime, totals: balances.Totals | None = None
) -> dict[str, Any]:
    """A card; without `totals` what it ever had is what it has and has paid."""
    campaign = voucher.campaign
    if totals is None:
        totals = balances.Totals(voucher.balance_minor + voucher.redeemed_minor, 0)
    return {
        "id": voucher.pk,
        "object": "voucher",
        "code": voucher.code,
        "campaign": campaign.name,
        "campaign_id": campaign.pk,
        "campaign_key": campaign.key,
        "type": "GIFT_VOUCHER",
        "state": states.state_of(voucher, at=at),
        "gift": {
            "amount": totals.income_minor,
            "balance": voucher.balance_minor,
            "subtracted_amount": totals.removed_minor,
            "effect": "APPLY_TO_ORDER",
        },
        "currency": campaign.currency,
        "start_date": voucher.starts_at or campaign.starts_at,
        "expiration_date": states.expires_at(voucher),
        "holder_id": voucher.holder_id,
        "published_at": voucher.published_at,
        "active": voucher.is_enabled,
        "redemption": {
            "quantity": states.limit_of(voucher),
            "redeemed_quantity": voucher.redeemed_count,
            "redeemed_amount": voucher.redeemed_minor,
        },
        "metadata": voucher.metadata or {},
        "created_at": voucher.created_at,
    }


def describe_rollback(rollback: Rollback) -> dict[str, Any]:
    """The undoing of a redemption."""
    return {
        "id": rollback.pk,
        "object": "redemption_rollback",
        "redemption": rollback.redemption_id,
        "amount": -rollback.amount_minor,
        "reason": rollback.reason or None,
        "tracking_id": rollback.tracking_id or None,
        "result": "SUCCESS" if rollback.state == Rollback.State.SUCCEEDED else "FAILURE",
        "date": rollback.at,
    }


def _describe_part(part: Part, order: OrderFacts) -> dict[str, Any]:
    told: dict[str, Any] = {"id": part.code, "object": "voucher"}
    told["order"] = describe_order(order, part.credits)
    if part.failure is not None:
        failure = part.failure
        error: dict[str, Any] = {
            "code": failure.status,
            "key": failure.key,
            "message": failure.message,
        }
        if failure.custom:
            error["error"] = {"message": failure.custom}
        return told | {"status": "INAPPLICABLE", "result": {"error": error}}
    status = "SKIPPED" if part.is_skipped else "APPLICABLE"
    balance = part.voucher.balance_minor if part.voucher is not None else 0
    gift = {"credits": part.credits, "balance": balance}
    return told | {"status": status, "result": {"gift": gift}}
