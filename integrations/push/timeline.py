"""Devices on the timeline of a contact: that they began to take messages, and that they ended."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.timeline import Ask, Item, TimelineSource, register_source
from contacts.timeline.items import named, number_key
from integrations.models import PushSubscription
from integrations.push.subscriptions import VIEW
from workspace import sql

KIND = "push"
# Each has two moments. A contact has few of them.
_MOMENTS = f"""
SELECT * FROM (
  SELECT {number_key("(2 * id)")} AS key, id, created_at AS at, false AS is_end, kind, device, ''
    AS reason
  FROM integrations_pushsubscription WHERE contact_id = %s
  UNION ALL
  SELECT {number_key("(2 * id + 1)")}, id, ended_at, true, kind, device, ended_reason
  FROM integrations_pushsubscription WHERE contact_id = %s AND ended_at IS NOT NULL) m
WHERE true {{conditions}} {{order}}
"""  # noqa: S608  made of our own words only


def load(ask: Ask) -> list[Item]:
    """What became of the contact's devices; one query."""
    conditions, params = ask.where("at", "key")
    statement = _MOMENTS.format(conditions=conditions, order=ask.order("at", "key"))
    rows = sql.rows(statement, [ask.contact_id, ask.contact_id, *params])
    return [_item(row) for row in rows]


def register() -> None:
    """Show it on every timeline. May be called again."""
    register_source(
        TimelineSource(
            KIND, gettext_lazy("Devices"), "notifications", load, permission=VIEW, place=60
        )
    )


def _item(row: dict[str, Any]) -> Item:
    began, ended = _("A device takes push messages"), _("A device takes push messages no more")
    kind = PushSubscription.Kind(row["kind"])
    return Item(
        kind=KIND,
        key=row["key"],
        at=row["at"],
        title=ended if row["is_end"] else began,
        text=row["reason"] or row["device"],
        icon="notifications_off" if row["is_end"] else "notifications",
        url=reverse("admin:integrations_pushsubscription_change", args=[row["id"]]),
        details=named((_("Device"), row["device"]), (_("Kind"), str(kind.label))),
        data={"push_subscription": row["id"], "kind": row["kind"], "ended": row["is_end"]},
    )
