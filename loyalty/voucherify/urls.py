"""The addresses of Voucherify's clients. What is not served answers 404 in their form."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, re_path

from integrations.voucherify.entry import unknown
from loyalty.voucherify import (
    campaigns,
    client_side,
    customers,
    events,
    publications,
    redemptions,
    rules,
    segments,
    transactions,
    validations,
    vouchers,
)

_REFERENCE = "(?P<reference>[^/]+)"
_CODE = "(?P<code>[^/]+)"


def _address(template: str, view: Callable[..., Any], name: str, side: str = "") -> URLPattern:
    """With a slash at the end or without: the libraries differ."""
    return re_path(rf"^{side}v1/{template}/?$", view, name=f"voucherify_{name}")


urlpatterns = [
    _address("events", events.EVENTS, "events"),
    _address("customers", customers.CUSTOMERS, "customers"),
    _address(f"customers/{_REFERENCE}/activity", customers.ACTIVITY, "customer_activity"),
    _address(f"customers/{_REFERENCE}/redeemables", customers.REDEEMABLES, "customer_redeemables"),
    _address(f"customers/{_REFERENCE}/segments", customers.SEGMENTS, "customer_segments"),
    # A source_id may have a slash in it.
    _address("customers/(?P<reference>.+?)", customers.CUSTOMER, "customer"),
    _address("segments", segments.SEGMENTS, "segments"),
    _address(f"segments/{_REFERENCE}", segments.SEGMENT, "segment"),
    _address(f"segments/{_REFERENCE}/members", segments.MEMBERS, "segment_members"),
    _address("campaigns", campaigns.CAMPAIGNS, "campaigns"),
    _address(f"campaigns/{_REFERENCE}", campaigns.CAMPAIGN, "campaign"),
    _address(f"campaigns/{_REFERENCE}/enable", campaigns.ENABLE, "campaign_enable"),
    _address(f"campaigns/{_REFERENCE}/disable", campaigns.DISABLE, "campaign_disable"),
    _address(f"campaigns/{_REFERENCE}/vouchers", campaigns.VOUCHERS, "campaign_vouchers"),
    _address(f"campaigns/{_REFERENCE}/vouchers/{_CODE}", campaigns.VOUCHERS, "campaign_voucher"),
    _address("vouchers", vouchers.VOUCHERS, "vouchers"),
    _address(f"vouchers/{_CODE}", vouchers.VOUCHER, "voucher"),
    _address(f"vouchers/{_CODE}/validate", validations.OF_VOUCHER, "voucher_validate"),
    _address(f"vouchers/{_CODE}/redemption", redemptions.OF_VOUCHER, "voucher_redemption"),
    _address(f"vouchers/{_CODE}/enable", vouchers.ENABLE, "voucher_enable"),
    _address(f"vouchers/{_CODE}/disable", vouchers.DISABLE, "voucher_disable"),
    _address(f"vouchers/{_CODE}/balance", vouchers.BALANCE, "voucher_balance"),
    _address(f"vouchers/{_CODE}/sessions/(?P<key>[^/]+)", vouchers.SESSION, "voucher_session"),
    _address(f"vouchers/{_CODE}/transactions", transactions.OF_VOUCHER, "voucher_transactions"),
    _address("publications", publications.PUBLICATIONS, "publications"),
    _address("validations", validations.VALIDATIONS, "validations"),
    _address("redemptions", redemptions.REDEMPTIONS, "redemptions"),
    _address(f"redemptions/{_REFERENCE}", redemptions.REDEMPTION, "redemption"),
    _address(f"redemptions/{_REFERENCE}/rollback", redemptions.ROLLBACK, "rollback"),
    _address(f"redemptions/{_REFERENCE}/rollbacks", redemptions.ROLLBACKS, "rollbacks"),
    _address("validation-rules", rules.RULES, "rules"),
    _address(f"validation-rules/{_REFERENCE}", rules.RULE, "rule"),
    _address(f"validation-rules/{_REFERENCE}/assignments", rules.ASSIGNMENTS, "assignments"),
    _address(
        f"validation-rules/{_REFERENCE}/assignments/(?P<assignment>[^/]+)",
        rules.ASSIGNMENT,
        "assignment",
    ),
    _address("validations", client_side.VALIDATIONS, "client_validations", "client/"),
    _address("validate", client_side.VALIDATE, "client_validate", "client/"),
    _address("redemptions", client_side.REDEMPTIONS, "client_redemptions", "client/"),
    _address("redeem", client_side.REDEEM, "client_redeem", "client/"),
    _address("events", client_side.EVENTS, "client_events", "client/"),
    re_path(r"^(?:client/)?v1(?:/.*)?\Z", unknown),
]
