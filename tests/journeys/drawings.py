"""Drawings that tests are about, and a workspace in which they are right."""

from itertools import pairwise
from typing import Any

from journeys.drawing.known import Known

KNOWN = Known(
    segments={"south": "active", "asleep": "inactive", "gone": "archived"},
    sizes={"south": 10},
    email_templates={"first-message", "follow-up"},
    push_templates={"first-push", "thank-you"},
    campaigns={"cards": "active", "over": "inactive"},
    journeys={"other": "live", "draft": "draft", "self": "draft"},
    events={"purchase", "purchase_thank_you", "visited"},
    connections={1: True, 2: False},
    vendors={3: True},
    consents={"newsletter"},
    tags={"vip"},
    categories={"shoes"},
    attributes={"renewal": "date", "colour": "text"},
)
DAY = {"amount": 1, "unit": "day"}


def node(id_: str, kind: str, **config: Any) -> dict[str, Any]:
    """An activity."""
    return {"id": id_, "kind": kind, "config": config}


def edge(source: str, target: str, outcome: str = "") -> dict[str, Any]:
    """A way."""
    told = {"from": source, "to": target}
    return {**told, "outcome": outcome} if outcome else told


def drawing(*parts: dict[str, Any]) -> dict[str, Any]:
    """A drawing of activities and ways in any order."""
    return {
        "nodes": [part for part in parts if "id" in part],
        "edges": [part for part in parts if "id" not in part],
    }


def in_a_row(*nodes: dict[str, Any]) -> dict[str, Any]:
    """Activities one after the other."""
    pairs = pairwise(nodes)
    return drawing(*nodes, *(edge(one["id"], other["id"]) for one, other in pairs))


def french(segment: str = "south", event: str = "purchase_thank_you") -> dict[str, Any]:
    """First message, two reactions side by side, a follow-up, a purchase, thanks."""
    return drawing(
        node("start", "read_segment", segment=segment),
        node("first", "message", email="first-message", push="first-push", purpose="newsletter"),
        node("push_opened", "reaction", to="first", reaction="push_opened"),
        node(
            "email_opened",
            "reaction",
            to="first",
            reaction="email_opened",
            timeout=DAY,
            timeout_path=True,
        ),
        node("follow_up", "message", email="follow-up", purpose="newsletter"),
        node("bought", "event", event=event),
        node("thanks", "message", push="thank-you", purpose="newsletter"),
        edge("start", "first"),
        edge("first", "push_opened"),
        edge("first", "email_opened"),
        edge("email_opened", "follow_up", "timeout"),
        edge("push_opened", "bought"),
        edge("email_opened", "bought"),
        edge("follow_up", "bought"),
        edge("bought", "thanks"),
    )
