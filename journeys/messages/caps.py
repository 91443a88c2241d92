"""How many messages a contact may get: counted across all journeys, by channel.

A journey's own cap (`caps` of its settings) is in place of the workspace's (`MESSAGE_CAP`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from journeys.drawing.durations import UNITS, length_of
from workspace import sql

# Between being planned and sent a message waits for quiet hours and for its turn.
PLANNED_BEFORE = timedelta(days=7)

# What is on its way counts, too: it will be there before this one.
_HAD = """
SELECT g.place, count(*)
FROM unnest(%s::integer[], %s::bigint[], %s::text[], %s::timestamptz[])
  AS g (place, contact_id, channel, since)
JOIN journeys_message m ON m.contact_id = g.contact_id AND m.channel = g.channel AND m.lane = 0
  AND m.state IN ('queued', 'sent') AND m.created_at > g.since - %s
  AND coalesce(m.sent_at, m.due_at) > g.since
GROUP BY g.place
"""


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many messages within any time of this length."""

    messages: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Wish:
    """A message that is to be sent: to whom, over which channel, and the cap that holds for it."""

    message_id: int
    contact_id: int
    channel: str
    cap: Cap


def cap_of(journey_settings: Mapping[str, Any]) -> Cap | None:
    """The cap that holds for the messages of a journey; None without one."""
    caps = journey_settings.get("caps")
    if caps:
        return Cap(int(caps["messages"]), length_of(caps["per"]))
    return workspace_cap()


def workspace_cap() -> Cap | None:
    """The cap of the setting MESSAGE_CAP ("3/week"), for journeys without one of their own."""
    if settings.MESSAGE_CAP is None:
        return None
    messages, unit = settings.MESSAGE_CAP
    return Cap(messages, UNITS[unit])


def too_many(wishes: Iterable[Wish], *, at: datetime) -> set[int]:
    """The ids of those that would be one too many, where they are sent in this order; one query.

    Whoever calls holds the contacts, so that nobody else counts at the same time.
    """
    asked = list(wishes)
    if not asked:
        return set()
    columns = [
        list(range(len(asked))),
        [one.contact_id for one in asked],
        [one.channel for one in asked],
        [at - one.cap.within for one in asked],
    ]
    had = dict(sql.lists(_HAD, [*columns, PLANNED_BEFORE]))
    granted: dict[tuple[int, str], int] = {}
    refused = set[int]()
    for place, one in enumerate(asked):
        whom = (one.contact_id, one.channel)
        if had.get(place, 0) + granted.get(whom, 0) >= one.cap.messages:
            refused.add(one.message_id)
        else:
            granted[whom] = granted.get(whom, 0) + 1
    return refused
