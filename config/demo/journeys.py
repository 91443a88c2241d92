"""The journeys of the demo workspace: one that has run for six weeks, two that are being drawn.

Those on the live one go through it by the engine itself, as of when they ordered. What it would
have sent them was sent then: nobody is written to now because of what was invented.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.db.models import Q

from contacts.models import ConsentState, EventDefinition
from integrations.models import Template
from integrations.templates import create_template
from journeys import entrances, following, journeys, publishing
from journeys.documents import Named, named
from journeys.engine.tick import tick_journey
from journeys.facts import KIND
from journeys.models import Journey, JourneyVersion, Lane, Message
from segments.documents import named_things
from segments.lifecycle import create_segment
from segments.models import SavedCriteria, Segment
from segments.rule_events import create_rule_event
from segments.things import kinds_of_fields
from workspace.access import SYSTEM

from .stories import Story

CITIES = ["Atlanta", "San Francisco", "Seattle"]
SEGMENT, RULE_EVENT = "atlanta_san_francisco_seattle", "purchase_thank_you"
LIVE, DRAFT, LATER_DRAFT = "after_the_first_order", "first_message_and_reactions", "win_back"
_SINCE = timedelta(days=42)
# Of those who were written to, so many opened the letter, and of these so many clicked.
_OPENING, _CLICKING = 0.46, 0.3
_Parts = Mapping[str, Any]
_MAILS: Mapping[str, _Parts] = {
    "first_order": {
        "name": "After the first order",
        "subject": "Your first order, {{ contact.first_name | default: 'dear customer' }}",
        "html": "<p>Thank you for your first order. Grind it fresh, and brew it at 94 °C.</p>"
        '<p><a href="https://shop.regulars.example/blog/how-to-brew">How to brew</a></p>',
    },
    "ask_for_review": {
        "name": "How was it?",
        "subject": "How was your coffee?",
        "html": "<p>Tell others how you liked it: a review takes a minute.</p>"
        '<p><a href="https://shop.regulars.example/">Write a review</a></p>',
    },
    "first_message": {
        "name": "First message",
        "subject": "New coffees for {{ contact.city | default: 'you' }}",
        "html": "<p>Three new roasts are here.</p>",
    },
    "follow_up": {
        "name": "Follow-up",
        "subject": "Did you see the new roasts?",
        "html": "<p>They will not last for ever.</p>",
    },
    "we_miss_you": {
        "name": "We miss you",
        "subject": "It has been a while",
        "html": "<p>Here is what is new since your last order.</p>",
    },
}
_PUSHES: Mapping[str, _Parts] = {
    "first_push": {
        "name": "First push",
        "subject": "New roasts",
        "text": "Three new coffees are here.",
        "link": "https://shop.regulars.example/",
    },
    "thank_you": {
        "name": "Thank you",
        "subject": "Thank you!",
        "text": "Your order is on its way.",
        "link": "https://shop.regulars.example/",
    },
}


def make_journeys(
    rng: Random, stories: Sequence[Story], ids: Mapping[int, int], *, at: datetime
) -> Journey:
    """Make them, and let those who ordered first go through the live one."""
    _make_templates(at=at - _SINCE)
    live = _make(LIVE, "After the first order", _after_first_order(), at=at - _SINCE)
    _make_use_case(at=at)
    _make(LATER_DRAFT, "Win back", _win_back(), at=at)
    version = publishing.publish(live, actor=SYSTEM, at=at - _SINCE)
    _let_in(version, stories, ids, at=at)
    _send(rng, version)
    return version.journey


def _make(key: str, name: str, drawing: Mapping[str, Any], *, at: datetime) -> Journey:
    settings: dict[str, Any] = {"re_entry": "never"}
    if key == LIVE:
        settings |= {"goal": {"event": "review_left"}}
    return journeys.create_journey(
        actor=SYSTEM, at=at, key=key, name=name, drawing=drawing, settings=settings, is_demo=True
    )


def _make_templates(*, at: datetime) -> None:
    for channel, templates in (("email", _MAILS), ("push", _PUSHES)):
        for key, parts in templates.items():
            create_template(actor=SYSTEM, at=at, key=key, channel=channel, is_demo=True, **parts)


def _make_use_case(*, at: datetime) -> None:
    """The journey of the field's own tutorial, as a draft to try out and to publish."""
    city = {"field": "contact.city", "operator": "in", "value": CITIES}
    born = {"field": "contact.birth_date", "operator": ">", "value": "1980-12-31"}
    create_segment(
        actor=SYSTEM,
        at=at,
        key=SEGMENT,
        name="Atlanta, San Francisco, Seattle, born after 1980",
        criteria={"combinator": "and", "rules": [city, born]},
        refresh_mode="realtime",
        is_demo=True,
    )
    said = {"field": "properties.purchaseMessage", "operator": "=", "value": "thank you"}
    create_rule_event(
        actor=SYSTEM,
        at=at,
        name=RULE_EVENT,
        base="purchase",
        where={"combinator": "and", "rules": [said]},
        description="A purchase with the message “thank you”.",
        enabled=True,
        is_demo=True,
    )
    EventDefinition.objects.filter(name=RULE_EVENT).update(is_demo=True)
    _make(DRAFT, "First message and reactions", _use_case(), at=at)


def _node(id_: str, kind: str, label: str, x: int, y: int, **config: Any) -> dict[str, Any]:
    place = {"x": x * 260, "y": y * 130}
    return {"id": id_, "kind": kind, "label": label, "config": config, **place}


def _ways(*ways: str) -> list[dict[str, str]]:
    """Ways written as "from to" or "from outcome to"."""
    parts = [way.split() for way in ways]
    return [
        {"from": part[0], "to": part[-1], **({"outcome": part[1]} if len(part) == 3 else {})}
        for part in parts
    ]


def _days(amount: int) -> dict[str, Any]:
    return {"amount": amount, "unit": "day"}


def _after_first_order() -> dict[str, Any]:
    """Thanks, three days, a review or a question for one; a tenth is set aside to compare with."""
    halves = [{"name": "all", "percent": 90}, {"name": "holdout", "percent": 10}]
    mail = {"purpose": "newsletter"}
    return {
        "nodes": [
            _node("start", "event_entry", "First order", 0, 0, event="purchase"),
            _node("split", "split", "A tenth set aside", 0, 1, paths=halves),
            _node("thanks", "message", "Thanks", 0, 2, email="first_order", **mail),
            _node("wait", "wait", "Three days", 0, 3, duration=_days(3)),
            _node(
                *("review", "event", "Leaves a review", 0, 4),
                event="review_left",
                timeout=_days(7),
                timeout_path=True,
            ),
            _node("ask", "message", "How was it?", 1, 5, email="ask_for_review", **mail),
            _node("end", "end", "", 0, 6),
        ],
        "edges": _ways(
            *("start split", "split all thanks", "thanks wait", "wait review"),
            *("review timeout ask", "review end", "ask end"),
        ),
    }


def _use_case() -> dict[str, Any]:
    reacts = {"to": "first"}
    day = {"timeout": _days(1), "timeout_path": True}
    return {
        "nodes": [
            _node(
                "start", "read_segment", "Atlanta, San Francisco, Seattle", 1, 0, segment=SEGMENT
            ),
            _node(
                *("first", "message", "First message", 1, 1),
                email="first_message",
                push="first_push",
                purpose="newsletter",
            ),
            _node("push", "reaction", "Push opened", 0, 2, reaction="push_opened", **reacts),
            _node(
                "mail", "reaction", "E-mail opened", 2, 2, reaction="email_opened", **reacts, **day
            ),
            _node(
                *("again", "message", "Follow-up", 2, 3), email="follow_up", purpose="newsletter"
            ),
            _node("bought", "event", "Purchase", 1, 4, event=RULE_EVENT),
            _node("thanks", "message", "Thank you", 1, 5, push="thank_you"),
        ],
        "edges": _ways(
            *("start first", "first push", "first mail", "mail timeout again"),
            *("push bought", "mail bought", "again bought", "bought thanks"),
        ),
    }


def _win_back() -> dict[str, Any]:
    mail = {"email": "we_miss_you", "purpose": "newsletter"}
    return {
        "nodes": [
            _node(
                *("start", "segment_entry", "Slipping away", 0, 0),
                segment="slipping_away",
                on="entered",
            ),
            _node("miss", "message", "We miss you", 0, 1, **mail),
            _node("order", "event", "Orders again", 0, 2, event="purchase", timeout=_days(14)),
        ],
        "edges": _ways("start miss", "miss order"),
    }


def _let_in(
    version: JourneyVersion, stories: Sequence[Story], ids: Mapping[int, int], *, at: datetime
) -> None:
    """Who ordered for the first time since it began enters as of then, as far as it goes."""
    first = {}
    for story in stories:
        orders = [one for one in story.happenings if one.name == "purchase"]
        order = min(orders, key=lambda one: one.occurred_at, default=None)
        if order is not None and version.published_at < order.occurred_at <= at:
            first[ids[story.person.number]] = order
    entrances.enter_many(
        version.journey_id,
        lane=Lane.LIVE,
        contact_ids=list(first),
        causes=[f"event:demo-{contact_id}" for contact_id in first],
        moments=[order.occurred_at for order in first.values()],
        contexts=[
            {"entry": {"name": order.name, "occurred_at": order.occurred_at.isoformat()}}
            for order in first.values()
        ],
    )
    # Later than it was due: the engine does all of it as of when it was.
    while tick_journey(version.journey_id, as_of=at).has_more:
        continue


def _send(rng: Random, version: JourneyVersion) -> None:
    """What it planned was sent then, to those who want letters; some opened it, some clicked."""
    wanting = set(
        ConsentState.objects.filter(definition__key="newsletter", state="granted").values_list(
            "contact_id", flat=True
        )
    )
    subjects = dict(Template.objects.values_list("pk", "subject"))
    planned = list(version.messages.select_related("contact").order_by("pk"))
    for message in planned:
        if message.contact_id not in wanting or not message.contact.email:
            message.state, message.reason = Message.State.LEFT_OUT, Message.Reason.NO_CONSENT
            continue
        message.state, message.address = Message.State.SENT, message.contact.email
        message.subject = subjects.get(message.template_id or 0, "").partition(",")[0]
        message.sent_at = message.due_at + timedelta(seconds=rng.randint(2, 40))
        if rng.random() < _OPENING:
            message.opened_at = message.sent_at + timedelta(minutes=rng.randint(3, 2000))
            message.open_count = 1
            if rng.random() < _CLICKING:
                message.clicked_at = message.opened_at + timedelta(minutes=1)
                message.click_count = 1
    fields = ["state", "reason", "address", "subject", "sent_at", "opened_at", "open_count"]
    Message.objects.bulk_update(planned, [*fields, "clicked_at", "click_count"], batch_size=500)


def remove_journeys(*, at: datetime) -> list[str]:
    """Delete the demo journeys with all that happened on them; returns the keys of what stays.

    One on which somebody else is or was, or that others name, stays with the templates that it
    sends, and both are demo data no more.
    """
    demo = Journey.objects.filter(is_demo=True)
    used = demo.filter(
        Q(participants__contact__is_demo=False) | Q(key__in=_journeys_named_by_others())
    ).distinct()
    kept = list(used.values_list("key", flat=True))
    Journey.objects.filter(key__in=kept).update(is_demo=False)
    Journey.objects.filter(is_demo=True).delete()
    following.rewatch(at=at)
    sent = {key for one in named_by_others() for key in one.templates}
    templates = Template.objects.filter(is_demo=True, key__in=sent)
    kept_templates = list(templates.values_list("key", flat=True))
    templates.update(is_demo=False)
    return [*kept, *kept_templates]


def _journeys_named_by_others() -> set[str]:
    """The keys of the journeys that criteria and journeys name which are no demo data."""
    kinds = kinds_of_fields()
    found = {key for one in named_by_others() for key in one.journeys | one.asked_journeys}
    for kept in (Segment, SavedCriteria):
        documents = kept._default_manager.filter(is_demo=False).values_list("criteria", flat=True)
        for document in documents:
            found.update(key for kind, key in named_things(document, kinds) if kind == KIND)
    return found


def named_by_others() -> list[Named]:
    """What the drafts and versions name that are no demo data."""
    drafts = Journey.objects.filter(is_demo=False).values_list("drawing", "settings")
    versions = JourneyVersion.objects.filter(journey__is_demo=False)
    return [
        named(drawing, settings)
        for drawing, settings in (*drafts, *versions.values_list("drawing", "settings"))
    ]
