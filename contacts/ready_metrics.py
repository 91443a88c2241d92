"""The metrics from orders that come with the product, as data.

They may be changed as others may; what is missing is made again at every migration.
"""

from dataclasses import dataclass

from contacts.formulas import Formula, Function


@dataclass(frozen=True, slots=True)
class ReadyMetric:
    """A metric that is there from the beginning, and what other systems call it."""

    label: str
    description: str
    formula: Formula
    upload_name: str


# Only `ss_ordercountlast30days` is written anywhere in public (behaviours AT-28); the others are
# made in its manner.
READY_METRICS: dict[str, ReadyMetric] = {
    "order_count_30d": ReadyMetric(
        "Orders in 30 days",
        "How many orders the contact placed in the last 30 days; 0 without any.",
        Formula(Function.COUNT, window_days=30),
        "ss_ordercountlast30days",
    ),
    "lifetime_value": ReadyMetric(
        "Lifetime value",
        "What all orders of the contact amount to; 0 without any.",
        Formula(Function.SUM),
        "ss_lifetimepurchasevalue",
    ),
    "lifetime_value_percentile": ReadyMetric(
        "Lifetime value, rank in per cent",
        "The share of the other buyers whose lifetime value is smaller: 90 or more is among the"
        " highest 10 %.",
        Formula(Function.PERCENTILE, ranked_key="lifetime_value"),
        "ss_lifetimepurchasevaluepercentile",
    ),
    "average_order_value": ReadyMetric(
        "Average order",
        "What an order of the contact amounts to on average; missing without any.",
        Formula(Function.AVERAGE),
        "ss_averageordervalue",
    ),
    "order_count_90d": ReadyMetric(
        "Orders in 90 days",
        "How many orders the contact placed in the last 90 days; 0 without any.",
        Formula(Function.COUNT, window_days=90),
        "ss_ordercountlast90days",
    ),
    "order_count_365d": ReadyMetric(
        "Orders in 365 days",
        "How many orders the contact placed in the last 365 days; 0 without any.",
        Formula(Function.COUNT, window_days=365),
        "ss_ordercountlast365days",
    ),
    "order_count": ReadyMetric(
        "Orders",
        "How many orders the contact ever placed; 0 without any.",
        Formula(Function.COUNT),
        "ss_ordercount",
    ),
    "first_order_at": ReadyMetric(
        "First order",
        "The day of the contact's first order; missing without any.",
        Formula(Function.FIRST_DATE),
        "ss_firstorderdate",
    ),
    "last_order_at": ReadyMetric(
        "Last order",
        "The day of the contact's last order; missing without any.",
        Formula(Function.LAST_DATE),
        "ss_lastorderdate",
    ),
    "days_since_last_order": ReadyMetric(
        "Days since the last order",
        "How many days ago the contact ordered last; missing without any order.",
        Formula(Function.DAYS_SINCE),
        "ss_dayssincelastorder",
    ),
    "most_bought_category": ReadyMetric(
        "Most bought category",
        "The category that the contact bought most often; missing without any.",
        Formula(Function.MOST_FREQUENT),
        "ss_mostboughtcategory",
    ),
    "most_viewed_brand": ReadyMetric(
        "Most viewed brand",
        "The brand whose products the contact looked at most often; missing without any.",
        Formula(Function.MOST_FREQUENT, "Product Viewed", "brand"),
        "ss_mostviewedbrand",
    ),
    "return_rate": ReadyMetric(
        "Return rate in per cent",
        "How many returns there are for every 100 orders of the contact; missing without orders.",
        Formula(Function.SHARE, other_event_name="Order Refunded"),
        "ss_returnrate",
    ),
}
