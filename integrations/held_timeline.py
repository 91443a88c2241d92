"""What was kept aside on the timeline of a contact: events, and parts of them, that were no use."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.timeline import Ask, Item, TimelineSource, register_source
from contacts.timeline.items import named, number_key
from integrations.models import HeldEvent, Outcome
from workspace import sql

KIND = "held"
_KEY = number_key("id")
_HELD = f"""
SELECT h.key, h.id, h.at, h.type, h.name, h.outcome, h.code, h.reason, h.state, s.name AS source
FROM (
  SELECT {_KEY} AS key, id, received_at AS at, type, name, outcome, code, reason, state, source_id
  FROM integrations_heldevent WHERE contact_id = %s {{conditions}} {{order}}) h
JOIN integrations_source s ON s.id = h.source_id
{{outer}}
"""  # noqa: S608  made of our own words only


def load(ask: Ask) -> list[Item]:
    """Events, and parts of events, that could not be used; one query."""
    conditions, params = ask.where("received_at", _KEY)
    statement = _HELD.format(
        conditions=conditions,
        order=ask.order("received_at", _KEY),
        outer=ask.order("h.at", "h.key"),
    )
    return [_item(row) for row in sql.rows(statement, [ask.contact_id, *params])]


def register() -> None:
    """Show it on every timeline. May be called again."""
    register_source(
        TimelineSource(
            KIND,
            gettext_lazy("Kept aside"),
            "report",
            load,
            permission="integrations.view_heldevent",
            place=85,
        )
    )


def _item(row: dict[str, Any]) -> Item:
    is_partly_used = row["outcome"] == Outcome.MARKED
    partly, wholly = _("A part of “%(name)s” was not used"), _("“%(name)s” was not used")
    is_open = row["state"] == HeldEvent.State.OPEN
    return Item(
        kind=KIND,
        key=row["key"],
        at=row["at"],
        title=(partly if is_partly_used else wholly) % {"name": row["name"] or row["type"]},
        text=row["reason"],
        icon="report",
        tone="warning" if is_open else "neutral",
        url=reverse("admin:integrations_heldevent_change", args=[row["id"]]),
        origin=row["source"],
        details=named(
            (_("Reason"), row["code"]), (_("State"), str(HeldEvent.State(row["state"]).label))
        ),
        data={"held_event": row["id"], "code": row["code"], "state": row["state"]},
    )
