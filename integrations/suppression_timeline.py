"""Suppressed addresses on the timeline of the contact who has them."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.timeline import Ask, Item, TimelineSource, register_source
from contacts.timeline.items import named, number_key
from integrations.models import Suppression
from workspace import sql

KIND = "suppressed"
_KEY = number_key("id")
_FOUND = f"""
SELECT {_KEY} AS key, id, at, address, reason, detail FROM integrations_suppression
WHERE contact_id = %s {{conditions}} {{order}}
"""  # noqa: S608  made of our own words only


def load(ask: Ask) -> list[Item]:
    """Addresses of the contact that nothing is sent to; one query."""
    conditions, params = ask.where("at", _KEY)
    statement = _FOUND.format(conditions=conditions, order=ask.order("at", _KEY))
    return [_item(row) for row in sql.rows(statement, [ask.contact_id, *params])]


def register() -> None:
    """Show it on every timeline. May be called again."""
    register_source(
        TimelineSource(
            KIND,
            gettext_lazy("Suppressed addresses"),
            "block",
            load,
            permission="integrations.view_suppression",
            place=86,
        )
    )


def _item(row: dict[str, Any]) -> Item:
    reason = Suppression.Reason(row["reason"])
    return Item(
        kind=KIND,
        key=row["key"],
        at=row["at"],
        title=_("Nothing is sent to %(address)s any more") % {"address": row["address"]},
        text=row["detail"],
        icon="block",
        tone="bad" if reason == Suppression.Reason.COMPLAINT else "warning",
        url=reverse("admin:integrations_suppression_change", args=[row["id"]]),
        details=named((_("Reason"), str(reason.label))),
        data={"suppression": row["id"], "reason": row["reason"]},
    )
