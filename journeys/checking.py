"""Which faults a journey has for somebody: what it may name, what the version before asks of it.

The rules of the drawing itself are in `journeys.drawing.validate`; here are the things of the
workspace, and what was published before.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings as django_settings
from django.utils.translation import gettext

from contacts.attributes import canonical
from contacts.models import AttributeDefinition, Category, ConsentDefinition, EventDefinition, Tag
from contacts.values import ValueRefused
from integrations import rendering
from integrations.models import Connection, Template
from integrations.vendors import updates
from journeys.documents import Slot, named, slots_of, slots_of_settings
from journeys.drawing.checks import read_date, read_instant
from journeys.drawing.faults import Fault
from journeys.drawing.forms import DATE
from journeys.drawing.kinds import ENTRIES, REACTIONS
from journeys.drawing.known import Known
from journeys.drawing.validate import validate
from journeys.engine.zones import is_known, zone_of_journey
from journeys.errors import DrawingInvalid
from journeys.models import Journey, JourneyVersion, Lane
from loyalty.gift_cards.campaigns import known_campaigns
from segments import criteria, facts
from segments.criteria import Catalog
from segments.documents import is_same
from segments.errors import CriteriaRefused
from segments.masks import Mask
from segments.models import Segment
from workspace import access
from workspace.access import Actor
from workspace.errors import Problem

# So long after it ends in Greenwich a day ends at the last place on earth.
_LATEST = timedelta(hours=12)
_UNREADABLE = frozenset({"syntax", "too_long", "invalid", "unknown_filter"})


def faults_of(
    journey: Journey,
    *,
    actor: Actor,
    at: datetime,
    drawing: Any = None,
    settings: Any = None,
) -> list[Fault]:
    """Every fault and warning of the draft, or of what is given in its place, for `actor`.

    What he may not know of has no name in them. What the latest version has at the same place
    may stay, whoever published it. Constant number of queries.
    """
    drawing = journey.drawing if drawing is None else drawing
    settings = journey.settings if settings is None else settings
    latest = latest_version(journey)
    kept = _Kept.of(latest)
    found = validate(
        drawing,
        _Things(actor, kept).known(),
        settings,
        key=journey.key,
        journey_timeout=django_settings.JOURNEY_TIMEOUT,
        node_limit=django_settings.JOURNEY_NODE_LIMIT,
        translate=gettext,
    )
    excused = kept.excused(drawing)
    found = [fault for fault in found if (fault.node, fault.path, fault.code) not in excused]
    found += [*_faults_of_time(settings, at), *_faults_of_dates(drawing, at)]
    if latest is not None and not any(fault.code == "no_entry" for fault in found):
        found += _faults_of_version(latest, drawing, settings)
    return found


def errors_among(found: Iterable[Fault]) -> list[Fault]:
    """Those that stand against a test and publishing."""
    return [fault for fault in found if fault.is_error]


def require_sound(journey: Journey, *, actor: Actor, at: datetime) -> None:
    """Raise DrawingInvalid, with every fault and warning, where one stands against the draft."""
    found = faults_of(journey, actor=actor, at=at)
    if errors := errors_among(found):
        raise DrawingInvalid(found, first=errors[0])


def latest_version(journey: Journey) -> JourneyVersion | None:
    """The version that was published last; None where none ever was."""
    return journey.versions.filter(lane=Lane.LIVE).order_by("-number").first()


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the latest version names, place by place: it may stay there, whoever looks at it."""

    values: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    criteria: Sequence[tuple[str, Any]] = ()

    @classmethod
    def of(cls, version: JourneyVersion | None) -> "_Kept":
        if version is None:
            return cls()
        slots: list[Slot] = [*slots_of(version.drawing), *slots_of_settings(version.settings)]
        return cls(
            {slot.place: slot.value for slot in slots if not slot.has_criteria},
            [(slot.node, slot.value) for slot in slots if slot.has_criteria],
        )

    def has_criteria(self, document: Any, place: str) -> bool:
        """Whether an activity ("vip:config.paths[0].criteria") had these criteria."""
        node = place.partition(":")[0]
        return any(node == owner and is_same(document, other) for owner, other in self.criteria)

    def excused(self, drawing: Any) -> set[tuple[str, str, str]]:
        """The faults that are none: what is not known to the actor, and stands there already."""
        return {
            (*slot.place, "unknown_key")
            for slot in slots_of(drawing)
            if slot.place in self.values and self.values[slot.place] == slot.value
        }


class _Things:
    """The things of the workspace that one actor may name."""

    def __init__(self, actor: Actor, kept: _Kept) -> None:
        self.actor = actor
        self.kept = kept
        self.mask = Mask(actor)
        self._catalogs: dict[bool, Catalog] = {}
        self._attributes: dict[str, AttributeDefinition] = {}

    def known(self) -> Known:
        """All of them; a constant number of queries."""
        segments = access.visible(Segment.objects.all(), self.actor).order_by()
        told = list(segments.values_list("key", "status", "member_count"))
        templates = list(Template.objects.values_list("key", "channel"))
        self._attributes = {one.key: one for one in AttributeDefinition.objects.all()}
        journeys = access.visible(Journey.objects.all(), self.actor).order_by()
        return Known(
            segments={key: status for key, status, _count in told},
            sizes={key: count for key, _status, count in told},
            email_templates=_of_channel(templates, Template.Channel.EMAIL),
            push_templates=_of_channel(templates, Template.Channel.PUSH),
            campaigns=dict(known_campaigns(self.actor).order_by().values_list("key", "status")),
            journeys=dict(journeys.values_list("key", "state")),
            jumps=_jumps(),
            events=_events(),
            connections=dict(
                Connection.objects.filter(kind=Connection.Kind.WEBHOOK).values_list(
                    "pk", "is_enabled"
                )
            ),
            vendors=dict(updates.updatable_connections().values_list("pk", "is_enabled")),
            consents=_keys(ConsentDefinition),
            tags=_keys(Tag),
            categories=_keys(Category),
            attributes={key: one.type for key, one in self._attributes.items()},
            check_criteria=self._check_criteria,
            check_where=_check_where,
            check_liquid=_check_liquid,
            check_attribute=self._check_attribute,
            is_zone=is_known,
        )

    def _check_criteria(self, document: Any, place: str) -> Sequence[Problem]:
        is_kept = self.kept.has_criteria(document, place)
        if not is_kept:
            # Else a fault would say the name of what the actor may not know of.
            document = self.mask.of(document)
        if is_kept not in self._catalogs:
            make: Callable[[Actor], Catalog] = (
                facts.reading_catalog if is_kept else facts.catalog_for
            )
            self._catalogs[is_kept] = make(self.actor)
        catalog = self._catalogs[is_kept]
        found = criteria.check(document, catalog, facts.zone(), translate=gettext)
        return [Problem(one.path, one.code, one.message) for one in found]

    def _check_attribute(self, value: Any, key: str) -> Sequence[Problem]:
        try:
            canonical(self._attributes[key], value)
        except ValueRefused as refused:
            return [Problem("", "wrong_type", str(refused))]
        return []


def _of_channel(templates: Iterable[tuple[str, str]], channel: str) -> Collection[str]:
    return frozenset(key for key, of in templates if of == channel)


def _keys(model: Any) -> Collection[str]:
    return frozenset(model.objects.values_list("key", flat=True))


def _events() -> Collection[str]:
    """Events that came or are defined; reactions come by themselves."""
    return frozenset(EventDefinition.objects.values_list("name", flat=True)) | set(REACTIONS)


def _jumps() -> Mapping[str, Collection[str]]:
    """Where the versions that are open jump to."""
    found = JourneyVersion.objects.filter(lane=Lane.LIVE, is_open=True)
    rows = found.values_list("journey__key", "drawing")
    return {key: named(drawing).journeys for key, drawing in rows}


def _check_where(document: Any) -> Sequence[Problem]:
    try:
        facts.parse_conditions(document)
    except CriteriaRefused as refused:
        return refused.criteria_problems
    return ()


def _check_liquid(text: Any) -> Sequence[Problem]:
    found = rendering.faults_of("text", text, ())
    return [problem for problem in found if problem.code in _UNREADABLE]


def zone_of(settings: Any) -> ZoneInfo:
    """The time zone of a journey: its own, or that of the workspace."""
    return zone_of_journey(settings if isinstance(settings, Mapping) else {})[0]


def instant_of(value: Any, settings: Any) -> datetime | None:
    """A time that a drawing or settings name; without an offset it is of the journey's zone."""
    found = read_instant(value)
    if found is None or found.tzinfo is not None:
        return found
    return found.replace(tzinfo=zone_of(settings))


def _faults_of_time(settings: Any, at: datetime) -> list[Fault]:
    ends_at = instant_of(settings.get("ends_at"), settings) if isinstance(settings, dict) else None
    if ends_at is None or ends_at > at:
        return []
    message = gettext("This time is over: nobody would enter any more.")
    return [Fault("", "ends_at", "over", message)]


def _faults_of_dates(drawing: Any, at: datetime) -> Iterator[Fault]:
    """Warnings about paths of conditions whose last day is over, wherever it is looked at."""
    today = (at.astimezone(UTC) - _LATEST).date()
    for node in _nodes(drawing):
        paths = _config(node).get("paths") if node.get("kind") == "condition" else None
        for number, path in enumerate(paths if isinstance(paths, list) else ()):
            told = path.get(DATE) if isinstance(path, Mapping) else None
            last = read_date(told.get("to")) if isinstance(told, Mapping) else None
            if last is not None and last < today:
                message = gettext("This day is over: nobody goes this way any more.")
                place = f"config.paths[{number}].{DATE}.to"
                yield Fault(str(node.get("id")), place, "over", message, "warning")


def _faults_of_version(latest: JourneyVersion, drawing: Any, settings: Any) -> list[Fault]:
    """What the next version would change that all versions of a journey have in common.

    *Source:* the field's rules for new versions (Adobe Journey Optimizer, "Journey versions").
    """
    before, now = _entry(latest.drawing), _entry(drawing)
    if before is None or now is None:
        return []
    found, node = [], str(now.get("id"))
    if _config(before).get("only_new") is True and before["kind"] == "read_segment":
        message = gettext(
            "A journey that reads who is new in a segment has one version only: another one would"
            " not know who was read. Copy the journey instead."
        )
        found.append(Fault(node, "kind", "no_new_version", message))
    elif before["kind"] != now["kind"]:
        message = gettext(
            "The version before begins with another kind of activity, and so do all versions of a"
            " journey. Copy the journey instead."
        )
        found.append(Fault(node, "kind", "entry_changed", message))
    elif before["kind"] == "segment_entry" and _config(before) != _config(now):
        message = gettext(
            "The version before begins with another segment, and so do all versions of a journey."
            " Copy the journey instead."
        )
        found.append(Fault(node, "config.segment", "entry_changed", message))
    if (latest.settings.get("re_entry") or "always") != (settings.get("re_entry") or "always"):
        message = gettext(
            "The version before has another rule for entering again, which holds for all versions."
            " Copy the journey instead."
        )
        found.append(Fault("", "re_entry", "re_entry_changed", message))
    return found


def _entry(drawing: Any) -> Mapping[str, Any] | None:
    return next((node for node in _nodes(drawing) if str(node.get("kind")) in ENTRIES), None)


def _nodes(drawing: Any) -> list[Mapping[str, Any]]:
    nodes = drawing.get("nodes") if isinstance(drawing, Mapping) else None
    found = nodes if isinstance(nodes, list) else ()
    return [node for node in found if isinstance(node, Mapping)]


def _config(node: Mapping[str, Any]) -> Mapping[str, Any]:
    config = node.get("config")
    return config if isinstance(config, Mapping) else {}
