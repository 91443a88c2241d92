"""The addresses of Voucherify's clients. What is not served answers 404 in their form."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, re_path

from integrations.voucherify.entry import unknown
from loyalty.voucherify import customers, events, segments

_REFERENCE = "(?P<reference>[^/]+)"


def _address(template: str, view: Callable[..., Any], name: str) -> URLPattern:
    """With a slash at the end or without: the libraries differ."""
    return re_path(rf"^v1/{template}/?$", view, name=f"voucherify_{name}")


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
    re_path(r"^(?:client/)?v1(?:/.*)?\Z", unknown),
]
