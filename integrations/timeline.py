"""What sources tell on the timeline of a contact: that they changed its profile, and which."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.timeline import (
    Ask,
    Item,
    Origin,
    TimelineSource,
    register_origins,
    register_source,
)
from contacts.timeline.items import number_key
from integrations.models import Source
from workspace import sql
from workspace.access import Actor
from workspace.exactjson import exact_loads

KIND = "told"
_VIEW, _ADD = "integrations.view_source", "integrations.add_source"
_KEY = number_key("id")
# The log has a reason for an identify that changed something, or of which not all was used.
_TOLD = f"""
SELECT {_KEY} AS key, received_at AS at, source_id, reason, body FROM integrations_receivedevent
WHERE contact_id = %s AND type = 'identify' AND outcome IN ('accepted', 'marked') AND reason <> ''
{{conditions}} {{order}}
"""  # noqa: S608  made of our own words only
_DETAILS_SHOWN = 20
_TEXT_SHOWN = 5


def load(ask: Ask) -> list[Item]:
    """What sources told of the contact, while their log is kept; two queries."""
    known = {origin.id: origin for origin in _origins(ask.actor)}
    conditions, params = ask.where("received_at", _KEY)
    if ask.filters.source is not None:
        conditions += " AND source_id = ANY(%s)"
        params.append([one.id for one in known.values() if one.key == ask.filters.source])
    statement = _TOLD.format(conditions=conditions, order=ask.order("received_at", _KEY))
    rows = sql.rows(statement, [ask.contact_id, *params])
    return [_item(row, known.get(row["source_id"])) for row in rows]


def register() -> None:
    """Show it on every timeline, and say where events come from. May be called again."""
    label = gettext_lazy("Told by sources")
    register_source(
        TimelineSource(KIND, label, "contact_page", load, answers=frozenset({"source"}), place=25)
    )
    register_origins(_origins, _sources_page)


def _origins(actor: Actor) -> list[Origin]:
    """The sources that the actor may know of."""
    if not actor.may(_VIEW):
        return []
    return [
        Origin(source.pk, source.key, source.name, _page(source.pk))
        for source in Source.objects.order_by("name", "pk")
    ]


def _page(pk: int) -> str:
    return reverse("admin:integrations_source_change", args=[pk])


def _sources_page(actor: Actor) -> str:
    return reverse("admin:integrations_source_changelist") if actor.may(_ADD) else ""


def _item(row: Mapping[str, Any], origin: Origin | None) -> Item:
    traits = _traits(row["body"])
    more = "…" if len(traits) > _TEXT_SHOWN else ""
    return Item(
        kind=KIND,
        key=row["key"],
        at=row["at"],
        title=_("Profile told by a source"),
        text=", ".join([name for name, _value in traits][:_TEXT_SHOWN]) + more,
        icon="contact_page",
        details=tuple(traits[:_DETAILS_SHOWN]),
        origin="" if origin is None else origin.name,
        origin_url="" if origin is None else origin.url,
        data={} if origin is None else {"source": origin.key},
    )


def _traits(body: str) -> list[tuple[str, str]]:
    return list(_flat(exact_loads(body).get("traits") or {}))


def _flat(traits: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in traits.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value not in (None, "", []):
            yield f"{prefix}{name}", str(value)
