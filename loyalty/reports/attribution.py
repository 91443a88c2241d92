"""From what earned a card to the next order: how many came so far, and with how much money.

Reached are the contacts to whom the campaign gave a card, and those it set aside; each from that
instant on, once. The steps of those with a card: did what earns it (the trigger) at most 30 days
before, got the card, redeemed it, ordered again. The order that is paid with the card is not the
next one: an order counts from an hour after the redemption. Both groups are compared by the orders
of the first `window_days` after they were reached; who was reached later than that is in neither,
because his time is not over.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from contacts.models import EventDefinition
from contacts.orders import orders
from loyalty.models import Campaign, Distribution
from loyalty.reports.comparison import Difference, Group, compare
from segments.criteria import references
from segments.errors import CriteriaRefused
from segments.facts import criteria_of
from workspace import sql

DEFAULT_WINDOW_DAYS = 30
_EARNED_WITHIN = timedelta(days=30)
_LATER = timedelta(hours=1)

_REACHED = """
WITH given AS MATERIALIZED (
  SELECT p.contact_id, min(p.at) AS at, array_agg(p.voucher_id) AS vouchers, true AS has_card
  FROM loyalty_publication p
  WHERE p.campaign_id = %(campaign)s AND p.state = 'success' AND p.at > %(since)s
    AND p.at <= %(until)s
  GROUP BY p.contact_id),
reached AS MATERIALIZED (
  SELECT * FROM given UNION ALL
  SELECT h.contact_id, h.at, '{{}}', false FROM loyalty_holdout h
  WHERE h.campaign_id = %(campaign)s AND h.at > %(since)s AND h.at <= %(until)s
    AND h.contact_id NOT IN (SELECT contact_id FROM given)),
used AS MATERIALIZED (
  SELECT g.contact_id, min(r.at) AS at, sum(r.amount_minor) AS paid_minor,
    sum(r.order_minor) AS order_minor
  FROM given g JOIN loyalty_redemption r ON r.voucher_id = ANY(g.vouchers)
  WHERE r.state = 'succeeded' AND r.at <= %(until)s GROUP BY g.contact_id)
"""
_STEPS = f"""{_REACHED}
SELECT count(*) AS given,
  count(*) FILTER (WHERE %(trigger)s > 0 AND EXISTS (
    SELECT FROM contacts_event t WHERE t.definition_id = %(trigger)s
      AND t.contact_id = g.contact_id AND t.occurred_at <= g.at
      AND t.occurred_at > g.at - %(earned_within)s)) AS earned,
  count(u.contact_id) AS redeemed,
  coalesce(sum(u.paid_minor), 0)::bigint AS paid_minor,
  coalesce(sum(u.order_minor), 0)::bigint AS order_minor,
  count(n.orders) AS returned, coalesce(sum(n.orders), 0)::bigint AS next_orders,
  coalesce(sum(n.amount), 0) AS next_amount
FROM given g LEFT JOIN used u USING (contact_id)
LEFT JOIN LATERAL (
  SELECT count(*) AS orders, sum({{amount}}) AS amount FROM contacts_event e
  WHERE e.definition_id = %(order)s AND e.contact_id = g.contact_id
    AND e.occurred_at > u.at + %(later)s AND e.occurred_at <= %(until)s
  HAVING count(*) > 0) n ON true
"""  # noqa: S608  made of our own words only
_GROUPS = f"""{_REACHED}
SELECT r.has_card, count(*) AS reached, count(n.orders) AS ordered,
  coalesce(sum(n.amount), 0) AS amount
FROM reached r
LEFT JOIN LATERAL (
  SELECT count(*) AS orders, sum({{amount}}) AS amount FROM contacts_event e
  WHERE e.definition_id = %(order)s AND e.contact_id = r.contact_id
    AND e.occurred_at > r.at AND e.occurred_at <= r.at + %(window)s
  HAVING count(*) > 0) n ON true
WHERE r.at <= %(until)s - %(window)s GROUP BY r.has_card
"""  # noqa: S608
_RATE = """
SELECT count(DISTINCT contact_id) AS contacts, count(*) AS events FROM contacts_event
WHERE definition_id = %(trigger)s AND occurred_at > %(from)s AND occurred_at <= %(to)s
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way: how many came so far, the money of it, and the share of those before.

    `amount_minor` is in the campaign's currency; `amount` is as order events say it.
    """

    key: str
    contacts: int
    share: float | None
    amount_minor: int | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """How often the trigger happened in as many days before the first card and since."""

    days: int
    before: int
    since: int
    contacts_before: int
    contacts_since: int


@dataclass(frozen=True, slots=True)
class Attribution:
    """What a campaign brought about. Without a trigger its step is missing."""

    trigger: str
    window_days: int
    steps: tuple[Step, ...]
    with_card: Group
    set_aside: Group
    difference: Difference | None
    rate: Rate | None


def attribute(
    campaign: Campaign,
    *,
    since: datetime,
    until: datetime,
    window_days: int = DEFAULT_WINDOW_DAYS,
    trigger: str | None = None,
) -> Attribution:
    """What became of those whom the campaign reached in (since, until].

    `trigger` is the event that earns a card; where it is not given, the one that the campaign's
    distributions wait for. Reads their events by index: work grows with who was reached.
    """
    name = trigger_of(campaign) if trigger is None else trigger
    order = orders()
    amount, params = order.amount_sql()
    ways = {f"way_{place}": value for place, value in enumerate(params)}
    for name_of_way in ways:
        amount = amount.replace("%s", f"%({name_of_way})s", 1)
    words = {
        "campaign": campaign.pk,
        "since": since,
        "until": until,
        "trigger": _definition(name),
        "order": order.event_id,
        "window": timedelta(days=window_days),
        "earned_within": _EARNED_WITHIN,
        "later": _LATER,
        **ways,
    }
    [row] = sql.rows(_STEPS.format(amount=amount), words)
    groups = {
        one["has_card"]: Group(one["reached"], one["ordered"], Decimal(one["amount"]))
        for one in sql.rows(_GROUPS.format(amount=amount), words)
    }
    empty = Group(0, 0, Decimal(0))
    with_card, aside = groups.get(True, empty), groups.get(False, empty)
    return Attribution(
        name,
        window_days,
        tuple(_steps(row, name)),
        with_card,
        aside,
        compare(with_card, aside),
        _rate(campaign, words, until) if name else None,
    )


def trigger_of(campaign: Campaign) -> str:
    """The event that the campaign's distributions wait for, by themselves or by their segment."""
    for one in campaign.distributions.select_related("segment").order_by("-activated_at", "pk"):
        if one.trigger == Distribution.Trigger.EVENT:
            return one.trigger_key
        if one.segment is not None:
            try:
                events = references(criteria_of(one.segment)).events
            except CriteriaRefused:
                continue
            if events:
                return min(events)
    return ""


def _steps(row: dict[str, int], trigger: str) -> list[Step]:
    steps = [Step("earned", row["earned"], None)] if trigger else []
    steps.append(Step("given", row["given"], None))
    steps.append(
        Step("redeemed", row["redeemed"], _share(row["redeemed"], row["given"]), row["paid_minor"])
    )
    steps.append(
        Step(
            "returned",
            row["returned"],
            _share(row["returned"], row["redeemed"]),
            amount=Decimal(row["next_amount"]),
        )
    )
    return steps


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _rate(campaign: Campaign, words: dict[str, object], until: datetime) -> Rate | None:
    first = sql.one(
        "SELECT min(at) FROM loyalty_publication WHERE campaign_id = %s AND state = 'success'",
        [campaign.pk],
    )
    if first is None or until - first < timedelta(days=1):
        return None
    days = (until - first).days
    span = timedelta(days=days)
    [before] = sql.rows(_RATE, {**words, "from": first - span, "to": first})
    [since] = sql.rows(_RATE, {**words, "from": first, "to": first + span})
    return Rate(days, before["events"], since["events"], before["contacts"], since["contacts"])


def _definition(name: str) -> int:
    found = EventDefinition.objects.filter(name=name).values_list("pk", flat=True).first()
    return found or 0
