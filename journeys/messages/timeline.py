"""What messages tell on the timeline of a contact: each one, and what became of it."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.timeline import Ask, Item, TimelineSource, register_source
from contacts.timeline.items import named, number_key
from journeys.messages.log import VIEW
from journeys.models import Journey, Lane, Message
from workspace import access, sql

KIND = "message"
_KEY = number_key("m.id")
_AT = "coalesce(m.sent_at, m.created_at)"
_LOAD = f"""
SELECT {_KEY} AS key, {_AT} AS at, m.id, m.channel, m.state, m.reason, m.error, m.subject, m.lane,
  m.node, m.opened_at IS NOT NULL AS is_opened, m.clicked_at IS NOT NULL AS is_clicked,
  m.bounced_at IS NOT NULL AS is_bounced, j.name AS journey, j.key AS journey_key
FROM journeys_message m JOIN journeys_journey j ON j.id = m.journey_id
WHERE m.contact_id = %s AND m.channel NOT IN ('webhook', 'vendor') AND m.journey_id = ANY(%s)
{{conditions}} {{order}}
"""  # noqa: S608  made of our own words only
_ICONS = {Message.Channel.EMAIL: "mail", Message.Channel.PUSH: "notifications"}
_TONES = {
    Message.State.SENT: "good",
    Message.State.FAILED: "bad",
    Message.State.LEFT_OUT: "warning",
}


def load(ask: Ask) -> list[Item]:
    """The messages to the contact, of journeys of which one may know; two queries."""
    known = access.visible(Journey.objects.all(), ask.actor).order_by()
    conditions, params = ask.where(_AT, _KEY)
    statement = _LOAD.format(conditions=conditions, order=ask.order(_AT, _KEY))
    journeys = list(known.values_list("pk", flat=True))
    return [_item(row) for row in sql.rows(statement, [ask.contact_id, journeys, *params])]


def register() -> None:
    """Show them on every timeline. May be called again."""
    label = gettext_lazy("Messages")
    register_source(TimelineSource(KIND, label, "mail", load, permission=VIEW, place=28))


def _item(row: Mapping[str, Any]) -> Item:
    channel, state = Message.Channel(row["channel"]), Message.State(row["state"])
    title = _("Push message") if channel == Message.Channel.PUSH else _("E-mail")
    if row["lane"] == Lane.TEST:
        title = _("%(title)s (test)") % {"title": title}
    words = [str(state.label)]
    if row["reason"]:
        words.append(str(Message.Reason(row["reason"]).label))
    for is_so, word in (
        (row["is_opened"], _("opened")),
        (row["is_clicked"], _("clicked")),
        (row["is_bounced"], _("came back")),
    ):
        if is_so:
            words.append(word)
    return Item(
        kind=KIND,
        key=row["key"],
        at=row["at"],
        title=f"{title}: {row['subject']}" if row["subject"] else str(title),
        text=", ".join(words),
        icon=_ICONS.get(channel, "send"),
        tone="bad" if row["is_bounced"] else _TONES.get(state, "info"),
        url=reverse("admin:journeys_message_change", args=[row["id"]]),
        details=named(
            (_("Journey"), row["journey"]), (_("Activity"), row["node"]), (_("Why"), row["error"])
        ),
        data={"message": row["id"], "state": state.value, "journey": row["journey_key"]},
    )
