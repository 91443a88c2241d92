"""What the trial by killing plays with: a journey for many people, in a product that runs.

A program of its own, as the product has another database than the tests: `seed N`, `count`, `hear`.
"""

import json
import os
import random
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.utils import timezone  # noqa: E402

from contacts.events import IncomingEvent, record_events  # noqa: E402
from contacts.models import Contact  # noqa: E402
from integrations import templates  # noqa: E402
from journeys import journeys, publishing  # noqa: E402
from journeys.engine import tick  # noqa: E402
from journeys.models import Entrance, Journey, Message, Participant  # noqa: E402
from segments import lifecycle  # noqa: E402
from workspace import sql  # noqa: E402
from workspace.access import SYSTEM  # noqa: E402

KEY = "killed"
EVENT = "bought_while_killing"
_HOST = "killed.example"


def _node(name: str, kind: str, **config: Any) -> dict[str, Any]:
    return {"id": name, "kind": kind, "config": config}


# Everybody is sent a message and waited for; one in ten gets another; those who bought are thanked.
DRAWING = {
    "nodes": [
        _node("start", "read_segment", segment=KEY, rate=20_000),
        _node("first", "message", email=KEY),
        _node(
            "bought",
            "event",
            event=EVENT,
            timeout={"amount": 90, "unit": "second"},
            timeout_path=True,
        ),
        _node(
            "dice",
            "split",
            paths=[{"name": "more", "percent": 10}, {"name": "no_more", "percent": 90}],
        ),
        _node("again", "message", email=KEY),
        _node("thanks", "message", email=KEY),
        _node("over", "end"),
    ],
    "edges": [
        {"from": "start", "to": "first"},
        {"from": "first", "to": "bought"},
        {"from": "bought", "to": "thanks"},
        {"from": "bought", "outcome": "timeout", "to": "dice"},
        {"from": "dice", "outcome": "more", "to": "again"},
        {"from": "dice", "outcome": "no_more", "to": "over"},
        {"from": "again", "to": "over"},
        {"from": "thanks", "to": "over"},
    ],
}


def seed(count: int) -> dict[str, Any]:
    """So many contacts in a segment, and a live journey that reads it."""
    at = timezone.now()
    sql.execute(
        "INSERT INTO contacts_contact (email, first_name)"
        f" SELECT 'k' || n || '@{_HOST}', 'K' || n FROM generate_series(1, %s) n",
        [count],
    )
    sql.execute("ANALYZE contacts_contact")
    # So that the event is known.
    first = Contact.objects.filter(email=f"k1@{_HOST}").get()
    record_events([IncomingEvent(first.pk, EVENT, at)], received_at=at)
    templates.create_template(
        name="Killed", key=KEY, subject="Hello {{ contact.first_name }}", actor=SYSTEM, at=at,
        html="<p>Come <a href='https://shop.example/'>and see</a>.</p>",
    )  # fmt: skip
    criteria = {
        "combinator": "and",
        "rules": [{"field": "contact.email", "operator": "endsWith", "value": f"@{_HOST}"}],
    }
    lifecycle.create_segment(actor=SYSTEM, at=at, name="Killed", key=KEY, criteria=criteria)
    journey = journeys.create_journey(
        actor=SYSTEM, at=at, name="Killed", key=KEY, drawing=DRAWING,
        settings={"delivery": "at_most_once", "re_entry": "never"},
    )  # fmt: skip
    publishing.publish(journey, actor=SYSTEM, at=timezone.now())
    return {"contacts": count}


def hear(count: int) -> dict[str, Any]:
    """Some of them buy."""
    ids = list(Contact.objects.filter(email__endswith=f"@{_HOST}").values_list("pk", flat=True))
    at = timezone.now()
    some = random.sample(ids, min(count, len(ids)))
    record_events([IncomingEvent(pk, EVENT, at) for pk in some], received_at=at)
    return {"events": len(some)}


def count() -> dict[str, Any]:
    """Where everybody is."""
    journey = Journey.objects.get(key=KEY)
    states = sql.lists(
        "SELECT state, count(*) FROM journeys_participant WHERE journey_id = %s GROUP BY 1",
        [journey.pk],
    )
    messages = sql.lists(
        "SELECT state, count(*) FROM journeys_message WHERE journey_id = %s GROUP BY 1",
        [journey.pk],
    )
    return {
        "participants": dict(states),
        "messages": dict(messages),
        "waiting": Entrance.objects.filter(journey=journey).count(),
        "due": bool(tick.due_journeys(as_of=timezone.now())),
        "twice": sql.one(
            "SELECT count(*) FROM (SELECT participant_id, node FROM journeys_message"
            " WHERE journey_id = %s GROUP BY 1, 2, channel HAVING count(*) > 1) t",
            [journey.pk],
        ),
        "not_whole": sql.one(
            "SELECT count(*) FROM journeys_participant p CROSS JOIN LATERAL ("
            " SELECT count(*) AS count, max(step) AS last FROM journeys_transition t"
            " WHERE t.participant_id = p.id) t"
            " WHERE p.journey_id = %s AND (t.count <> p.steps OR t.last <> p.steps)",
            [journey.pk],
        ),
        "failed": Participant.objects.filter(journey=journey, state="failed").count(),
        "unsent": Message.objects.filter(journey=journey, state__in=["planned", "queued"]).count(),
    }


if __name__ == "__main__":
    verbs = {"seed": seed, "hear": hear}
    verb = sys.argv[1]
    found = count() if verb == "count" else verbs[verb](int(sys.argv[2]))
    sys.stdout.write(json.dumps(found) + "\n")
