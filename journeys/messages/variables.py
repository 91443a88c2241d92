"""What templates may say in a journey besides what is known of the contact."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from integrations.template_variables import Variable, register_variables
from journeys.messages.links import Links

_PAGE = "https://shop.example/"


def values_of(
    person: Mapping[str, Any], context: Mapping[str, Any], links: Links
) -> dict[str, Any]:
    """The values for one receiver: `context` is that of the participant.

    `event` is the event with which it came in, as `entry` is; `voucher` has a card for each
    activity that gave one, by the activity's id; the links are the receiver's own pages.
    """
    entry = context.get("entry") or {}
    return {
        "contact": person,
        "entry": entry,
        "event": entry,
        "voucher": context.get("voucher") or {},
        "results": context.get("results") or {},
        "unsubscribe_url": links.unsubscribe_url,
        "preferences_url": links.preferences_url,
        "view_url": links.view_url,
    }


def _variables() -> Iterable[Variable]:
    yield Variable("unsubscribe_url", _("Page to unsubscribe"), f"{_PAGE}u/x/")
    yield Variable("preferences_url", _("Page of preferences"), f"{_PAGE}preferences/x/")
    yield Variable("view_url", _("The e-mail in the browser"), f"{_PAGE}m/x/")
    yield Variable("entry.name", _("Event with which it began"), "cart_abandoned")
    yield Variable("entry.occurred_at", _("When"), "2026-03-02T12:00:00+00:00")
    yield Variable("entry.properties.*", _("What it says"), {"order_id": "A-7"})
    yield Variable(
        "voucher.*",
        _("Card of an activity, by its id"),
        {"gift": {"code": "GIFT-7K2M-9QXF", "amount": "25.00"}},
    )


def register() -> None:
    """Let templates say them. May be called again."""
    register_variables("journeys", _("Journey"), _variables)
