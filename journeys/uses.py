"""What journeys use: told beside it, and asked before it is changed or taken away.

A journey uses what its running versions name, also a closed one with somebody inside, and what its
draft names as long as there may be a next version. A draft that was never published counts for
events and definitions and is told beside segments; a template goes only when no draft sends it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy, ngettext, pgettext

from contacts import definitions
from contacts.definitions import Kind
from contacts.event_uses import EventUse, register_event_use
from integrations import templates, webhook_uses
from integrations.models import Connection, Template
from journeys.documents import Named, named
from journeys.errors import JourneyInUse
from journeys.models import DRAWABLE, Journey, JourneyVersion, Lane
from loyalty.gift_cards import campaign_uses
from loyalty.models import Campaign
from segments.models import Segment
from segments.thing_uses import register_thing_use, uses_of_thing
from segments.uses import Use, register_use
from workspace import access
from workspace.access import Actor

_JOURNEY = "journey"
_MAY = "journeys.view_journey"
_TOLD = 5


@dataclass(frozen=True, slots=True)
class _Naming:
    """A journey with what its draft or a running version names."""

    journey: Journey
    named: Named
    is_draft: bool


def _namings() -> Iterator[_Naming]:
    """Every draft that may be published yet and every version that runs. Three queries."""
    journeys = Journey.objects.filter(
        Q(state__in=DRAWABLE) | Q(versions__ended_at=None, versions__lane=Lane.LIVE)
    )
    found = {one.pk: one for one in journeys.distinct().prefetch_related("groups")}
    running = JourneyVersion.objects.filter(journey__in=found, ended_at=None)
    for version in running.exclude(lane=Lane.REHEARSAL):
        yield _Naming(found[version.journey_id], named(version.drawing, version.settings), False)
    for journey in found.values():
        if journey.state in DRAWABLE:
            yield _Naming(journey, named(journey.drawing, journey.settings), True)


def journeys_naming(is_named: Callable[[Named], bool]) -> list[Journey]:
    """The journeys that name something, by name, each once."""
    found = {one.journey.pk: one.journey for one in _namings() if is_named(one.named)}
    return sorted(found.values(), key=lambda journey: (journey.name.casefold(), journey.pk))


def page_of(journey: Journey) -> str:
    """The address of the page of a journey."""
    return reverse("admin:journeys_journey_change", args=[journey.pk])


def uses_of(journey: Journey, *, actor: Actor) -> list[Use]:
    """What names a journey: criteria of any kind, and other journeys that jump to it."""
    return uses_of_thing(_JOURNEY, journey.key, actor=actor)


def require_unused(journey: Journey, *, actor: Actor) -> None:
    """Raise JourneyInUse where anything but itself names the journey."""
    uses = uses_of(journey, actor=actor)
    if not uses:
        return
    count = sum(use.count for use in uses)
    names = ", ".join(use.name if use.is_hidden else f"“{use.name}”" for use in uses[:_TOLD])
    message = ngettext(
        "“%(journey)s” is named by %(names)s. Take it out there first.",
        "“%(journey)s” is named by %(count)d things: %(names)s. Take it out there first.",
        count,
    )
    words = {"journey": journey.name, "count": count, "names": names}
    raise JourneyInUse(message % words, uses=uses)


def _naming_journey(thing: str, key: str) -> list[Use]:
    if thing != _JOURNEY:
        return []
    naming = journeys_naming(lambda named: key in named.journeys | named.asked_journeys)
    return [
        Use(
            one.name,
            key=one.key,
            url=page_of(one),
            state=one.get_state_display(),
            is_visible=_knows(one),
        )
        for one in naming
        # That its own conditions ask about it holds up nothing.
        if one.key != key
    ]


def _uses_of_segment(segment: Segment) -> list[Use]:
    entering = {one.journey.pk for one in _namings() if segment.key in one.named.entry_segments}
    return [
        Use(
            journey.name,
            key=journey.key,
            url=page_of(journey),
            state=journey.get_state_display(),
            effect=_effect(journey.pk in entering),
            needs_active=journey.pk in entering,
            is_visible=_knows(journey),
        )
        for journey in journeys_naming(lambda named: segment.key in named.segments)
    ]


def _effect(is_entry: bool) -> object:
    if is_entry:
        return gettext_lazy("nobody enters any more; who is inside goes on")
    return gettext_lazy("finds nobody in it any more when it decides")


def _used_segment_ids() -> Iterable[int]:
    keys = {key for one in _namings() for key in one.named.segments}
    return Segment.objects.filter(key__in=keys).values_list("pk", flat=True)


def _senders(template: Template) -> Iterable[str]:
    """Their names; the room of templates does not say who asks, so none of a user group."""
    journeys = journeys_naming(lambda named: template.key in named.templates)
    return [_nameless() if one.groups.all() else one.name for one in journeys]


def _callers(webhook: Connection) -> Iterable[str]:
    """Their names, with the same care."""
    journeys = journeys_naming(lambda named: webhook.pk in named.connections)
    return [_nameless() if one.groups.all() else one.name for one in journeys]


def _givers(campaign: Campaign) -> Iterable[str]:
    """Their names; who asks is not said there either."""
    journeys = journeys_naming(lambda named: campaign.key in named.campaigns)
    return [_nameless() if one.groups.all() else one.name for one in journeys]


def _uses_of_events(names: Collection[str], actor: Actor) -> Mapping[str, list[EventUse]]:
    asked, found = set(names), dict[str, dict[int, EventUse]]()
    for one in _namings():
        use = EventUse(_nameless(), is_hidden=True)
        if _knows(one.journey)(actor):
            journey = one.journey
            use = EventUse(journey.name, page_of(journey), journey.get_state_display())
        for name in one.named.events & asked:
            found.setdefault(name, {})[one.journey.pk] = use
    return {name: list(uses.values()) for name, uses in found.items()}


def _naming_definition(kind: Kind, key: str, actor: Actor) -> list[str]:
    journeys = journeys_naming(lambda named: (kind.value, key) in named.definitions)
    return [one.name if access.is_visible(one, actor) else _nameless() for one in journeys]


def _nameless() -> str:
    return pgettext("instead of the name of a journey", "a journey of another group")


def _knows(journey: Journey) -> Callable[[Actor], bool]:
    return lambda actor: actor.may(_MAY) and access.is_visible(journey, actor)


def register() -> None:
    """Have journeys told of beside what they name. May be called again."""
    label: Any = gettext_lazy("Journey")
    register_use("journey", label, _uses_of_segment, find_ids=_used_segment_ids)
    register_thing_use(_JOURNEY, label, _naming_journey)
    templates.register_uses("journeys", _senders)
    webhook_uses.register_uses("journeys", _callers)
    campaign_uses.register_use("journeys", _givers)
    register_event_use("journey", label, _uses_of_events)
    definitions.register_uses("journeys", _naming_definition)
