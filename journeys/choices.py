"""What an activity can be told to use: found by typing, and called by its name where it is used.

Everybody chooses among what he may know of. What is called by its name is what a drawing that he
sees names; of what he may not know of there is no name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from contacts.models import AttributeDefinition, Category, ConsentDefinition, EventDefinition, Tag
from integrations.models import Connection, Template, VendorConnection
from integrations.vendors import updates
from journeys.documents import Slot, slots_of, slots_of_settings
from journeys.journeys import known_journeys
from journeys.models import Journey
from loyalty.gift_cards.campaigns import known_campaigns
from segments.criteria import MASK
from segments.lifecycle import known_segments
from segments.models import Segment
from segments.usability import usable_segments
from workspace.access import Actor

LIMIT = 30
_NAMES_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing: the key that a drawing names it by, what it is called, what else is told of it."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Source:
    """Things of one kind: those that can be chosen, those that are known, how each is shown."""

    offered: Callable[[Actor], "QuerySet[Any]"]
    known: Callable[[Actor], "QuerySet[Any]"]
    key: str = "key"
    name: str = "name"
    note: Callable[[Any], str] = lambda thing: ""

    def value_of(self, thing: Any) -> str:
        return str(getattr(thing, self.key))

    def label_of(self, thing: Any) -> str:
        return str(getattr(thing, self.name) or getattr(thing, self.key))


def find_choices(source: str, text: str, *, actor: Actor) -> list[Choice]:
    """The first few of a source whose name or key contains a text; nothing of an unknown source."""
    found = _SOURCES.get(source)
    if found is None:
        return []
    things = found.offered(actor)
    if text := text.strip()[:100]:
        is_named = Q(**{f"{found.name}__icontains": text})
        if found.key != "pk":
            is_named |= Q(**{f"{found.key}__icontains": text})
        things = things.filter(is_named)
    prefix = "attribute." if source == "date" else ""
    return [
        Choice(prefix + found.value_of(thing), found.label_of(thing), found.note(thing))
        for thing in things.order_by(found.name)[:LIMIT]
    ]


def names_in(drawing: Any, settings: Any = None, *, actor: Actor) -> dict[str, dict[str, str]]:
    """What the things are called that a drawing and its settings name, by source and key.

    A mask stands for what the actor may not know of. One query for each source that is named.
    """
    keys: dict[str, set[str]] = {}
    for source, key in _named([*slots_of(drawing), *slots_of_settings(settings)]):
        if source in _SOURCES and key:
            keys.setdefault(source, set()).add(key)
    return {source: _names(source, sorted(some), actor) for source, some in keys.items()}


def _names(source: str, keys: Iterable[str], actor: Actor) -> dict[str, str]:
    found = _SOURCES[source]
    hidden = {key: _("hidden") for key in keys if key.startswith(MASK)}
    wanted: list[Any] = [key for key in keys if key not in hidden][:_NAMES_LIMIT]
    if found.key == "pk":
        wanted = [int(key) for key in wanted if key.isdecimal() and len(key) < 10]
    prefix = "attribute." if source == "date" else ""
    bare = [key.removeprefix(prefix) for key in wanted] if prefix else wanted
    things = found.known(actor).filter(**{f"{found.key}__in": bare})
    return hidden | {prefix + found.value_of(thing): found.label_of(thing) for thing in things}


def _named(slots: Iterable[Slot]) -> Iterable[tuple[str, str]]:
    for slot in slots:
        value: Any = slot.value
        source = str(slot.type)
        if isinstance(value, Mapping):
            source, part = _PARTS.get(source, ("", ""))
            value = value.get(part)
        if source in ("connection", "vendor") and isinstance(value, int):
            value = str(value)
        if isinstance(value, str):
            yield source, value


# Values that are objects: which source the key in them is of, and where it stands.
_PARTS = {
    "consent_change": ("consent", "key"),
    "attribute_change": ("attribute", "key"),
    "until": ("date", "attribute"),
}


def _templates(channel: str) -> Callable[[Actor], "QuerySet[Template]"]:
    return lambda actor: Template.objects.filter(channel=channel)


def _all(model: Any) -> Callable[[Actor], "QuerySet[Any]"]:
    return lambda actor: model.objects.all()


def _webhooks(actor: Actor) -> "QuerySet[Connection]":
    return Connection.objects.filter(kind=Connection.Kind.WEBHOOK)


def _vendors(actor: Actor) -> "QuerySet[VendorConnection]":
    return updates.updatable_connections()


def _kind(connection: Connection) -> str:
    return str(connection.get_kind_display())


def _live(actor: Actor) -> "QuerySet[Journey]":
    return known_journeys(actor).filter(state__in=[Journey.State.LIVE, Journey.State.PAUSED])


def _dates(actor: Actor) -> "QuerySet[AttributeDefinition]":
    types = [AttributeDefinition.Type.DATE, AttributeDefinition.Type.DATETIME]
    return AttributeDefinition.objects.filter(type__in=types)


def _members(segment: Segment) -> str:
    return f"{segment.member_count:,}"


def _state(journey: Journey) -> str:
    return str(journey.get_state_display())


_SOURCES: Mapping[str, _Source] = {
    "segment": _Source(usable_segments, known_segments, note=_members),
    "template:email": _Source(_templates("email"), _templates("email")),
    "template:push": _Source(_templates("push"), _templates("push")),
    "campaign": _Source(known_campaigns, known_campaigns),
    "journey": _Source(_live, known_journeys, note=_state),
    "event": _Source(_all(EventDefinition), _all(EventDefinition), key="name"),
    "connection": _Source(_webhooks, _webhooks, key="pk"),
    "vendor": _Source(_vendors, _vendors, key="pk", note=_kind),
    "consent": _Source(_all(ConsentDefinition), _all(ConsentDefinition), name="label"),
    "tag": _Source(_all(Tag), _all(Tag), name="label"),
    "category": _Source(_all(Category), _all(Category), name="label"),
    "attribute": _Source(_all(AttributeDefinition), _all(AttributeDefinition), name="label"),
    "date": _Source(_dates, _dates, name="label"),
}
