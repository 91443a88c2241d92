"""The figures of a rehearsal as they stand on the canvas, and whether they are of what is drawn."""

from collections.abc import Mapping
from typing import Any

from journeys.documents import copied
from journeys.drawing.fields import FieldType
from journeys.drawing.kinds import NEXT
from journeys.hiding import Hiding
from journeys.models import Journey, Rehearsal
from segments.criteria import MASK
from workspace.access import Actor


def figures_of(rehearsal: Rehearsal) -> dict[str, dict[str, Any]]:
    """By activity: who stands there, who went which way, messages and gift cards.

    Empty for one without a result.
    """
    result = rehearsal.result
    if result is None:
        return {}
    messages, cards = result["messages"]["nodes"], result["gift_cards"]["nodes"]
    codes = {row["node"]: row["count"] for row in cards}
    return {
        node_id: {
            **counts,
            "messages": sum(messages.get(node_id, {}).values()),
            "codes": codes.get(node_id, 0),
        }
        for node_id, counts in result["nodes"].items()
    }


def result_for(rehearsal: Rehearsal, actor: Actor) -> Any:
    """The result as a reader may see it: campaigns of other groups are behind a mask."""
    result = rehearsal.result
    if result is None or actor.is_admin:
        return result
    hiding, masks = Hiding(actor), dict[str, str]()
    cards = copied(result["gift_cards"])
    for row in (*cards["nodes"], *cards.get("campaigns", ())):
        key = row["campaign"]
        if hiding.hides(FieldType.CAMPAIGN, key):
            row["campaign"] = masks.setdefault(key, f"{MASK}{len(masks) + 1}")
    return {**result, "gift_cards": cards}


def last_rehearsal(journey: Journey) -> Rehearsal | None:
    """The newest one that has a result. One query."""
    done = Rehearsal.objects.filter(journey=journey, result__isnull=False)
    return done.order_by("-pk").first()


def is_of(rehearsal: Rehearsal, drawing: Any, settings: Any) -> bool:
    """Whether it went through this drawing under these settings.

    Where activities were put on the canvas, and what they are called, makes no difference.
    """
    if not rehearsal.drawing:
        return False
    return rehearsal.settings == settings and _substance(rehearsal.drawing) == _substance(drawing)


def _substance(drawing: Any) -> tuple[list[Any], list[Any]]:
    """What an engine sees of any document, also of a faulty one."""
    nodes = [
        (one.get("id"), one.get("kind"), one.get("config")) for one in _parts(drawing, "nodes")
    ]
    edges = [
        (one.get("from"), one.get("outcome") or NEXT, one.get("to"))
        for one in _parts(drawing, "edges")
    ]
    return nodes, edges


def _parts(drawing: Any, name: str) -> list[Mapping[str, Any]]:
    found = drawing.get(name) if isinstance(drawing, Mapping) else None
    return [one for one in (found if isinstance(found, list) else ()) if isinstance(one, Mapping)]
