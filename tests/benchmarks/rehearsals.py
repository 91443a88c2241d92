"""How long a draft is rehearsed: so many contacts, thirty days, reactions and purchases.

In a database of its own, which is gone afterwards; no other engine takes part.
"""

from datetime import datetime, timedelta
from typing import Any

import django
from django.db import connection
from django.utils import timezone

from contacts.models import EventDefinition
from journeys.models import Journey
from journeys.rehearsing.run import rehearse
from workspace import sql

from .bench_workspace import empty_workspace
from .clock import seconds
from .report import Report

_DAYS = 30
_DAY = {"amount": 1, "unit": "day"}
_WEEK = {"amount": 7, "unit": "day"}
# Of a hundred who get it.
_REACTIONS = {"email_opened": 30, "email_clicked": 10}
_NODES: list[dict[str, Any]] = [
    {"id": "first", "kind": "message", "config": {"email": "first"}},
    {
        "id": "opened",
        "kind": "reaction",
        "config": {
            "to": "first",
            "reaction": "email_opened",
            "timeout": _DAY,
            "timeout_path": True,
        },
    },
    {"id": "again", "kind": "message", "config": {"email": "again"}},
    {"id": "bought", "kind": "event", "config": {"event": "purchase", "timeout": _WEEK}},
    {"id": "thanks", "kind": "message", "config": {"email": "thanks"}},
    {"id": "rest", "kind": "wait", "config": {"duration": _WEEK}},
    {"id": "over", "kind": "end", "config": {}},
]
_EDGES = [
    {"from": "start", "to": "first"},
    {"from": "first", "to": "opened"},
    {"from": "opened", "to": "bought"},
    {"from": "opened", "outcome": "timeout", "to": "again"},
    {"from": "again", "to": "bought"},
    {"from": "bought", "to": "thanks"},
    {"from": "thanks", "to": "rest"},
    {"from": "rest", "to": "over"},
]
_ENTRIES: dict[str, dict[str, Any]] = {
    "by events of every day": {"kind": "event_entry", "config": {"event": "signup"}},
    "a segment, all at once": {"kind": "read_segment", "config": {"segment": "everybody"}},
}
_HAPPENED = """
INSERT INTO contacts_event (contact_id, definition_id, occurred_at, received_at, message_id)
SELECT c.id, %(event)s, h.at, h.at, %(name)s || c.id
FROM contacts_contact c CROSS JOIN LATERAL (
  SELECT %(since)s::timestamptz + (c.id * %(step)s %% %(span)s) * interval '1 second' AS at) h
WHERE c.id %% 100 < %(share)s
"""
_COUNTED = """
INSERT INTO contacts_eventstatistic (contact_id, definition_id, event_count, first_at, last_at)
SELECT contact_id, definition_id, count(*), min(occurred_at), max(occurred_at)
FROM contacts_event GROUP BY 1, 2
"""


def run(*, contact_count: int, writes: bool) -> int:
    """Measure with so many; returns 1 where somebody is lost on the way."""
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    report = Report("Rehearsals", versions, has_targets=True)
    until = timezone.now().replace(minute=0, second=0, microsecond=0)
    rows, is_wrong = [], False
    with empty_workspace():
        _fill(contact_count, until)
        for name, entry in _ENTRIES.items():
            drawing = {"nodes": [{"id": "start", **entry}, *_NODES], "edges": _EDGES}
            journey = Journey.objects.create(key=entry["kind"], name=name, drawing=drawing)
            found: dict[str, Any] = {}

            def go(journey: Journey = journey, found: dict[str, Any] = found) -> None:
                found |= rehearse(journey, until=until, days=_DAYS, reactions=_REACTIONS)

            taken = seconds(go)
            moved = sum(edge["count"] for edge in found["edges"])
            is_wrong |= found["entered"] != found["inside"] + sum(found["ended"].values())
            rows.append(
                (name, f"{found['entered']:,}", found["steps"], f"{moved:,}", f"{taken:.1f}")
            )
    report.add_table(f"{_DAYS} days", ("who enters", "entered", "steps", "moves", "seconds"), rows)
    report.finish()
    if writes and not is_wrong:
        report.write()
    return int(is_wrong)


def _fill(count: int, until: datetime) -> None:
    """Contacts, each with a signup in the span, and two in five with a purchase."""
    sql.execute(
        "INSERT INTO contacts_contact (email) SELECT 'c' || n || '@example.com'"
        " FROM generate_series(1, %s) n",
        [count],
    )
    since = until - timedelta(days=_DAYS)
    call = {"since": since, "span": _DAYS * 86_400 - 1}
    for name, step, share in (("signup", 7_919, 100), ("purchase", 104_729, 40)):
        event = EventDefinition.objects.create(name=name)
        sql.execute(
            _HAPPENED, {**call, "event": event.pk, "name": name, "step": step, "share": share}
        )
    sql.execute(_COUNTED)
    from segments.models import Segment

    segment = Segment.objects.create(key="everybody", name="Everybody")
    sql.execute(
        "INSERT INTO segments_membership (segment_id, contact_id, entered_at)"
        " SELECT %s, id, %s FROM contacts_contact",
        [segment.pk, since],
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
