"""What an order is in this workspace: an event, and the properties that say what of it.

The amount is a number, or a text that writes one. The category may lie in the items of the order,
as Segment's `products` have it. The website is its key or domain; where an order names none, the
address of the page (`url`) does.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.errors import OrderEventInvalid
from contacts.event_definitions import NAME_LIMIT
from contacts.models import EventDefinition, OrderEvent
from workspace import audit, sql
from workspace.access import Actor
from workspace.errors import NotAllowed, Problem

DEFAULT_EVENT, DEFAULT_PROPERTY = "purchase", "amount"
DEFAULT_CATEGORY, DEFAULT_WEBSITE = "products.category, category", "website"
_PROPERTY_LIMIT = 200
_ID = 1

# The amount of the event `e` by the way of the property: a number, or a text that writes one.
_AMOUNT = r"""CASE
  WHEN length(e.properties #>> {way}) > 1000 THEN NULL
  WHEN jsonb_typeof(e.properties #> {way}) = 'number' THEN (e.properties #>> {way})::numeric
  WHEN jsonb_typeof(e.properties #> {way}) = 'string'
    AND e.properties #>> {way} ~ '^-?[0-9]+(\.[0-9]+)?$' THEN (e.properties #>> {way})::numeric
END"""


@dataclass(frozen=True, slots=True)
class Orders:
    """The event that counts as an order; `event_id` is 0 where none was ever seen."""

    event_name: str
    amount_property: str
    event_id: int
    is_default: bool
    category_property: str = DEFAULT_CATEGORY
    website_property: str = DEFAULT_WEBSITE

    def amount_sql(self) -> tuple[str, list[Any]]:
        """SQL of the amount of an event `e`, NULL where it is none, with its parameters."""
        if self.amount_property == DEFAULT_PROPERTY:
            # The database keeps it in a column of its own, which the indexes have.
            return "e.amount", []
        way = self.amount_property.split(".")
        text = number_sql("%s::text[]")
        return text, [way] * text.count("%s")


def number_sql(way: str) -> str:
    """SQL of the number that the event `e` has at the end of `way`, a text[]; NULL for none."""
    return _AMOUNT.format(way=way)


@dataclass(frozen=True, slots=True)
class Found:
    """How many events there are of a kind, of how many contacts, with how many amounts."""

    event_count: int
    contact_count: int
    amount_count: int


def orders() -> Orders:
    """What the workspace chose; `purchase` with `amount` where nobody did."""
    chosen = OrderEvent.objects.filter(pk=_ID).first()
    if chosen is None:
        return _orders(DEFAULT_EVENT, DEFAULT_PROPERTY, is_default=True)
    return _orders(
        chosen.event_name,
        chosen.amount_property,
        chosen.category_property,
        chosen.website_property,
    )


def possible_orders(
    event_name: str,
    amount_property: str,
    category_property: str = DEFAULT_CATEGORY,
    website_property: str = DEFAULT_WEBSITE,
) -> Orders:
    """The same, before anybody chose it. Raises OrderEventInvalid with every fault."""
    name, way = event_name.strip(), amount_property.strip()
    categories = ", ".join(one.strip() for one in category_property.split(","))
    website = website_property.strip()
    problems = []
    if not name or len(name) > NAME_LIMIT:
        words = {"limit": NAME_LIMIT}
        message = _("Name an event, in up to %(limit)d characters.") % words
        problems.append(Problem("event_name", "invalid", message))
    ways = {
        "amount_property": [way],
        "category_property": categories.split(", "),
        "website_property": [website],
    }
    message = _("Name a property, such as “amount”, or “total.gross” for one inside another.")
    problems += [
        Problem(path, "invalid", message)
        for path, named in ways.items()
        if not all(0 < len(one) <= _PROPERTY_LIMIT and all(one.split(".")) for one in named)
    ]
    if any("\0" in text for text in (name, way, categories, website)):
        problems.append(Problem("", "invalid", _("A name contains no NUL character.")))
    if problems:
        raise OrderEventInvalid(problems[0].message, problems=problems)
    return _orders(name, way, categories, website)


@transaction.atomic
def choose_order_event(
    *,
    event_name: str,
    amount_property: str,
    category_property: str = DEFAULT_CATEGORY,
    website_property: str = DEFAULT_WEBSITE,
    actor: Actor,
    at: datetime,
) -> Orders:
    """Let an event count as an order from now on; the metrics follow when they are computed next.

    For administrators. An event that was never seen may be chosen before the first one comes.
    Raises NotAllowed, and OrderEventInvalid with every fault. Does nothing where it is chosen
    already.
    """
    if not actor.is_admin:
        raise NotAllowed(_("What counts as an order is chosen by administrators."))
    wanted = possible_orders(event_name, amount_property, category_property, website_property)
    before = orders()
    saved, _created = OrderEvent.objects.update_or_create(
        pk=_ID,
        defaults={
            "event_name": wanted.event_name,
            "amount_property": wanted.amount_property,
            "category_property": wanted.category_property,
            "website_property": wanted.website_property,
            "chosen_at": at,
        },
    )
    changes = audit.difference(_said(before), _said(wanted))
    if changes:
        audit.record(
            actor=actor, action="order_event.chosen", subject=saved, changes=changes, at=at
        )
    return wanted


def count_orders(of: Orders) -> Found:
    """What there is of these events, of all times. Reads all of them."""
    amount, params = of.amount_sql()
    [row] = sql.rows(
        "SELECT count(*) AS events, count(DISTINCT e.contact_id) AS contacts,"  # noqa: S608 - ours
        f" count({amount}) AS amounts FROM contacts_event e WHERE e.definition_id = %s",
        [*params, of.event_id],
    )
    return Found(row["events"], row["contacts"], row["amounts"])


def seen_events(limit: int = 200) -> list[str]:
    """The names of events that came, for suggestions."""
    return list(EventDefinition.objects.order_by("name").values_list("name", flat=True)[:limit])


def seen_amounts(event_name: str) -> list[str]:
    """The properties of an event that were numbers or texts, the numbers first."""
    found = EventDefinition.objects.filter(name=event_name).values_list("schema", flat=True).first()
    schema: dict[str, Any] = found or {}
    usable = [name for name, types in schema.items() if {"number", "text"} & set(types)]
    return sorted(usable, key=lambda name: ("number" not in schema[name], name))


def _orders(
    event_name: str,
    amount_property: str,
    category_property: str = DEFAULT_CATEGORY,
    website_property: str = DEFAULT_WEBSITE,
    *,
    is_default: bool = False,
) -> Orders:
    known = EventDefinition.objects.filter(name=event_name).values_list("pk", flat=True).first()
    return Orders(
        event_name, amount_property, known or 0, is_default, category_property, website_property
    )


def _said(of: Orders) -> dict[str, str]:
    return {
        "event": of.event_name,
        "amount": of.amount_property,
        "category": of.category_property,
        "website": of.website_property,
    }
