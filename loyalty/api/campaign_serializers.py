"""The shapes of campaigns, codes and publications in the API: Voucherify's, with our ids.

What Voucherify has no word for (groups, currency, refill, holdout) stands beside its keys.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from loyalty.gift_cards import codes, states
from loyalty.models import Campaign, Publication, Voucher
from workspace.api.serializers import AnyJSONField, StrictSerializer, job_address

# Named, so that the schema has a name for each.
TYPES = [("AUTO_UPDATE", "AUTO_UPDATE"), ("STATIC", "STATIC")]
VOUCHER_TYPES = [("GIFT_VOUCHER", "GIFT_VOUCHER")]
GIFT_VOUCHERS = "GIFT_VOUCHERS"


class CodeConfigSerializer(StrictSerializer):
    """How codes look; `#` in the pattern is drawn from the charset."""

    length = serializers.IntegerField(required=False, allow_null=True)
    charset = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    prefix = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    postfix = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    pattern = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    check_digit = serializers.BooleanField(required=False)


class _GiftSerializer(StrictSerializer):
    amount = serializers.IntegerField()
    balance = serializers.IntegerField(required=False)
    effect = serializers.ChoiceField(choices=["APPLY_TO_ORDER"], required=False)


class _RedemptionLimitSerializer(StrictSerializer):
    quantity = serializers.IntegerField(required=False, allow_null=True)


class _TermsSerializer(StrictSerializer):
    type = serializers.ChoiceField(choices=VOUCHER_TYPES, required=False)
    gift = _GiftSerializer(required=False)
    redemption = _RedemptionLimitSerializer(required=False)
    code_config = CodeConfigSerializer(required=False)


class _TimeframeSerializer(StrictSerializer):
    interval = serializers.CharField()
    duration = serializers.CharField()


class _RefillSerializer(StrictSerializer):
    enabled = serializers.BooleanField()
    below = serializers.IntegerField(required=False)
    count = serializers.IntegerField(required=False)


class CampaignChangeSerializer(StrictSerializer):
    """What can be changed of a campaign. Money is in minor units of its currency."""

    name = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    groups = serializers.ListField(child=serializers.CharField(), required=False)
    type = serializers.ChoiceField(choices=TYPES, required=False)
    join_once = serializers.BooleanField(required=False)
    start_date = serializers.DateTimeField(required=False, allow_null=True)
    expiration_date = serializers.DateTimeField(required=False, allow_null=True)
    validity_timeframe = _TimeframeSerializer(required=False, allow_null=True)
    validity_day_of_week = serializers.ListField(
        child=serializers.IntegerField(), required=False, allow_null=True
    )
    activity_duration_after_publishing = serializers.CharField(
        required=False, allow_null=True, allow_blank=True
    )
    metadata = AnyJSONField(required=False)
    currency = serializers.CharField(required=False)
    voucher = _TermsSerializer(required=False)
    refill = _RefillSerializer(required=False)
    holdout_percent = serializers.IntegerField(required=False)


class CampaignCreationSerializer(CampaignChangeSerializer):
    """A new campaign; without a key one is made of the name. Its codes are made by a job."""

    key = serializers.CharField(required=False)
    name = serializers.CharField(default="", allow_blank=True)
    campaign_type = serializers.ChoiceField(choices=[GIFT_VOUCHERS], required=False)
    status = serializers.ChoiceField(choices=Campaign.Status.choices, required=False)
    vouchers_count = serializers.IntegerField(required=False, min_value=0)
    auto_join = serializers.ChoiceField(choices=[False], required=False)
    validation_rules = serializers.ListField(child=serializers.CharField(), required=False)
    voucher = _TermsSerializer()


class CampaignSerializer(serializers.Serializer[Campaign]):
    """A gift-card campaign. Money is in minor units of its currency; Sunday is 0."""

    id = serializers.IntegerField()
    object = serializers.SerializerMethodField()
    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    groups = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=Campaign.Status.choices)
    campaign_type = serializers.SerializerMethodField()
    type = serializers.SerializerMethodField()
    join_once = serializers.BooleanField()
    vouchers_count = serializers.IntegerField(source="voucher_count")
    start_date = serializers.DateTimeField(source="starts_at", allow_null=True)
    expiration_date = serializers.DateTimeField(source="ends_at", allow_null=True)
    validity_timeframe = serializers.SerializerMethodField()
    validity_day_of_week = serializers.SerializerMethodField()
    activity_duration_after_publishing = serializers.SerializerMethodField()
    metadata = AnyJSONField()
    currency = serializers.CharField()
    voucher = serializers.SerializerMethodField()
    refill = serializers.SerializerMethodField()
    holdout_percent = serializers.IntegerField()
    creation_status = serializers.SerializerMethodField()
    job = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_object(self, campaign: Campaign) -> str:
        return "campaign"

    def get_groups(self, campaign: Campaign) -> list[str]:
        return sorted(group.name for group in campaign.groups.all())

    def get_campaign_type(self, campaign: Campaign) -> str:
        return GIFT_VOUCHERS

    def get_type(self, campaign: Campaign) -> str:
        return "STATIC" if campaign.is_static else "AUTO_UPDATE"

    def get_validity_timeframe(self, campaign: Campaign) -> dict[str, str] | None:
        if not campaign.validity_interval:
            return None
        return {"interval": campaign.validity_interval, "duration": campaign.validity_duration}

    def get_validity_day_of_week(self, campaign: Campaign) -> list[int]:
        return sorted(day % 7 for day in campaign.weekdays)

    def get_activity_duration_after_publishing(self, campaign: Campaign) -> str | None:
        return campaign.valid_after_publication or None

    def get_voucher(self, campaign: Campaign) -> dict[str, Any]:
        return {
            "type": "GIFT_VOUCHER",
            "gift": {
                "amount": campaign.amount_minor,
                "balance": campaign.amount_minor,
                "effect": "APPLY_TO_ORDER",
            },
            "redemption": {"quantity": campaign.redemption_limit},
            "code_config": campaign.code_config,
        }

    def get_refill(self, campaign: Campaign) -> dict[str, Any]:
        return {
            "enabled": campaign.refill,
            "below": campaign.refill_below,
            "count": campaign.refill_count,
        }

    def get_creation_status(self, campaign: Campaign) -> str:
        return codes.creation_of(campaign).upper()

    def get_job(self, campaign: Campaign) -> str | None:
        request = self.context.get("request")
        return None if campaign.job is None else job_address(campaign.job, request)


class CodeCountSerializer(StrictSerializer):
    """How many codes shall be made."""

    count = serializers.IntegerField()


class CodeFileSerializer(StrictSerializer):
    """A file with codes; which columns are read is found by their names, unless it is said."""

    file = serializers.FileField()
    column = serializers.CharField(default="")
    amount_column = serializers.CharField(default="")


class VoucherCreationSerializer(StrictSerializer):
    """A new code of a campaign: random without `code`, of the campaign's worth without `gift`."""

    campaign = serializers.CharField()
    code = serializers.CharField(required=False)
    type = serializers.ChoiceField(choices=VOUCHER_TYPES, required=False)
    gift = _GiftSerializer(required=False)
    redemption = _RedemptionLimitSerializer(required=False)
    start_date = serializers.DateTimeField(required=False, allow_null=True)
    expiration_date = serializers.DateTimeField(required=False, allow_null=True)
    metadata = serializers.DictField(required=False)


class ListedVoucherSerializer(serializers.Serializer[Voucher]):
    """A code of a campaign and what is left of it."""

    id = serializers.IntegerField()
    object = serializers.SerializerMethodField()
    code = serializers.CharField()
    campaign = serializers.CharField(source="campaign.name")
    campaign_id = serializers.IntegerField()
    campaign_key = serializers.CharField(source="campaign.key")
    type = serializers.SerializerMethodField()
    state = serializers.CharField(source="found_state")
    gift = serializers.SerializerMethodField()
    currency = serializers.CharField(source="campaign.currency")
    start_date = serializers.DateTimeField(source="starts_at", allow_null=True)
    expiration_date = serializers.SerializerMethodField()
    holder_id = serializers.IntegerField(allow_null=True)
    published_at = serializers.DateTimeField(allow_null=True)
    active = serializers.BooleanField(source="is_enabled")
    redemption = serializers.SerializerMethodField()
    metadata = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    def get_object(self, voucher: Voucher) -> str:
        return "voucher"

    def get_type(self, voucher: Voucher) -> str:
        return "GIFT_VOUCHER"

    def get_gift(self, voucher: Voucher) -> dict[str, Any]:
        return {
            "amount": voucher.initial_minor,
            "balance": voucher.balance_minor,
            "effect": "APPLY_TO_ORDER",
        }

    def get_expiration_date(self, voucher: Voucher) -> Any:
        found = states.expires_at(voucher)
        return serializers.DateTimeField().to_representation(found) if found else None

    def get_redemption(self, voucher: Voucher) -> dict[str, Any]:
        return {
            "quantity": states.limit_of(voucher),
            "redeemed_quantity": voucher.redeemed_count,
            "redeemed_amount": voucher.redeemed_minor,
        }

    def get_metadata(self, voucher: Voucher) -> dict[str, Any]:
        return voucher.metadata or {}


class _PublishedCampaignSerializer(StrictSerializer):
    name = serializers.CharField()
    count = serializers.ChoiceField(choices=[1], required=False)


class _CustomerSerializer(StrictSerializer):
    id = serializers.IntegerField(required=False)
    source_id = serializers.CharField(required=False)


class PublicationCreationSerializer(StrictSerializer):
    """Who shall get a code, of which campaign or which code."""

    campaign = _PublishedCampaignSerializer(required=False)
    voucher = serializers.CharField(required=False)
    customer = _CustomerSerializer()
    source_id = serializers.CharField(required=False, allow_null=True)
    channel = serializers.CharField(required=False, allow_blank=True)
    tracking_id = serializers.CharField(required=False, allow_blank=True)
    metadata = serializers.DictField(required=False)


class PublicationSerializer(serializers.Serializer[Publication]):
    """A code given to a contact, or why none was."""

    id = serializers.IntegerField()
    object = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="at")
    campaign = serializers.SerializerMethodField()
    customer_id = serializers.IntegerField(source="contact_id")
    source_id = serializers.CharField(allow_null=True)
    channel = serializers.CharField()
    tracking_id = serializers.CharField()
    metadata = AnyJSONField()
    result = serializers.SerializerMethodField()
    failure_code = serializers.CharField()
    failure_message = serializers.CharField()
    distribution_id = serializers.IntegerField(allow_null=True)
    voucher = serializers.SerializerMethodField()
    vouchers_id = serializers.SerializerMethodField()

    def get_object(self, publication: Publication) -> str:
        return "publication"

    def get_campaign(self, publication: Publication) -> dict[str, Any]:
        campaign = publication.campaign
        return {"id": campaign.pk, "key": campaign.key, "name": campaign.name}

    def get_result(self, publication: Publication) -> str:
        return publication.state.upper()

    def get_voucher(self, publication: Publication) -> dict[str, Any] | None:
        voucher = publication.voucher
        if voucher is None:
            return None
        end = states.expires_at(voucher)
        return {
            "id": voucher.pk,
            "object": "voucher",
            "code": voucher.code,
            "type": "GIFT_VOUCHER",
            "gift": {"amount": voucher.initial_minor, "balance": voucher.balance_minor},
            "currency": publication.campaign.currency,
            "holder_id": voucher.holder_id,
            "expiration_date": serializers.DateTimeField().to_representation(end) if end else None,
        }

    def get_vouchers_id(self, publication: Publication) -> list[int]:
        return [] if publication.voucher_id is None else [publication.voucher_id]


_DIRECT = ("name", "description", "groups", "join_once", "metadata", "currency", "holdout_percent")
_RENAMED = {"start_date": "starts_at", "expiration_date": "ends_at"}
# By the verb's name of a setting, where it stands in the body: so that faults name what was sent.
PATHS: Mapping[str, str] = {
    "amount_minor": "voucher.gift.amount",
    "code_config": "voucher.code_config",
    "redemption_limit": "voucher.redemption.quantity",
    "starts_at": "start_date",
    "ends_at": "expiration_date",
    "validity_interval": "validity_timeframe.interval",
    "validity_duration": "validity_timeframe.duration",
    "weekdays": "validity_day_of_week",
    "valid_after_publication": "activity_duration_after_publishing",
    "refill_below": "refill.below",
    "refill_count": "refill.count",
    "refill": "refill.enabled",
    "is_static": "type",
}


def settings_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the verbs take of a body: our words for Voucherify's."""
    given = {name: body[name] for name in _DIRECT if name in body}
    given |= {ours: body[theirs] for theirs, ours in _RENAMED.items() if theirs in body}
    if "type" in body:
        given["is_static"] = body["type"] == "STATIC"
    if "activity_duration_after_publishing" in body:
        given["valid_after_publication"] = body["activity_duration_after_publishing"] or ""
    if "validity_day_of_week" in body:
        given["weekdays"] = [day or 7 for day in body["validity_day_of_week"] or []]
    if "validity_timeframe" in body:
        timeframe = body["validity_timeframe"] or {}
        given["validity_interval"] = timeframe.get("interval", "")
        given["validity_duration"] = timeframe.get("duration", "")
    voucher = body.get("voucher", {})
    if "gift" in voucher:
        given["amount_minor"] = voucher["gift"]["amount"]
    if "redemption" in voucher:
        given["redemption_limit"] = voucher["redemption"].get("quantity")
    if "code_config" in voucher:
        config = voucher["code_config"]
        given["code_config"] = {name: value for name, value in config.items() if value is not None}
    if refill := body.get("refill"):
        given["refill"] = refill["enabled"]
        given |= {f"refill_{name}": refill[name] for name in ("below", "count") if name in refill}
    return given
