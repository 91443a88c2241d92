"""Declaring what events of a kind have to carry: the change itself, and what it would have done.

What events were seen to carry is suggested, and a declaration can be tried on the newest events
before it holds for those to come.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from contacts.errors import EventSchemaInvalid
from contacts.event_properties import SCHEMA_LIMIT, SCHEMA_NAME_LIMIT, described
from contacts.event_schemas import Declared, Schema, Type, fits, schema_of
from contacts.models import EventBreach, EventDefinition, EventProperty
from workspace import audit, sql
from workspace.access import Actor
from workspace.errors import Problem
from workspace.exactjson import exact_loads

SAMPLE = 1000
DESCRIPTION_LIMIT = 300
BREACH_DAYS = 30
# Kinds of text that are suggested where all texts seen are of them, the narrowest first.
_TEXTS = (Type.DATE, Type.DATETIME, Type.URL)
_WHOLE = {Type.OBJECT.value, Type.ANY.value}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A property that was seen and is not declared.

    `share` is the part of the newest events that have it, from 0 to 1; none where none of them
    has it, but earlier ones had. `kinds` are the JSON types seen.
    """

    name: str
    type: str
    kinds: tuple[str, ...]
    share: float | None


@dataclass(frozen=True, slots=True)
class Trial:
    """What a schema finds in the newest events: how many it looked at, how many break it, how.

    `faults` are (name of the property, code, how many events), the commonest first.
    """

    event_count: int
    broken_count: int
    faults: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Breaches:
    """The breaches of the last 30 days, and the last of all."""

    marked_count: int
    refused_count: int
    by_day: dict[date, int]
    last: EventBreach | None

    @property
    def count(self) -> int:
        """All of them."""
        return self.marked_count + self.refused_count


@dataclass(frozen=True, slots=True)
class BreachTotal:
    """All breaches of a kind, and what was wrong with the last one."""

    marked_count: int = 0
    refused_count: int = 0
    last_at: datetime | None = None
    last_problems: tuple[Problem, ...] = ()


def declare_schema(
    definition_id: int,
    *,
    actor: Actor,
    at: datetime,
    properties: Sequence[Declared] | None = None,
    enforcement: str | None = None,
) -> EventDefinition:
    """Replace the declared properties, the enforcement, or both; for events recorded from then on.

    Raises EventSchemaInvalid with every fault; paths are "properties[0].name", "enforcement".
    """
    with transaction.atomic():
        definition = EventDefinition.objects.select_for_update().get(pk=definition_id)
        before = schema_of(definition)
        wanted = before.properties if properties is None else _checked(properties)
        enforcement = before.enforcement if enforcement is None else enforcement
        if enforcement not in EventDefinition.Enforcement:
            message = _("It is “accept”, “mark” or “refuse”.")
            raise _invalid([Problem("enforcement", "invalid_choice", message)])
        after = Schema(enforcement, tuple(sorted(wanted, key=lambda one: one.name)))
        changes = audit.difference(_told(before), _told(after))
        if changes:
            definition.enforcement = enforcement
            definition.save(update_fields=["enforcement"])
            definition.properties.all().delete()
            EventProperty.objects.bulk_create(
                EventProperty(
                    definition=definition,
                    name=one.name,
                    type=one.type,
                    is_required=one.is_required,
                    description=one.description,
                )
                for one in after.properties
            )
            audit.record(
                actor=actor,
                action="event_definition.schema_changed",
                subject=definition,
                changes=changes,
                at=at,
            )
    return definition


def take_over(
    definition_id: int, names: Collection[str] | None, *, actor: Actor, at: datetime
) -> list[str]:
    """Declare what is suggested: the properties of these names, or all; which that were.

    None of them becomes required. Raises EventSchemaInvalid where they would be too many.
    """
    with transaction.atomic():
        definition = EventDefinition.objects.select_for_update().get(pk=definition_id)
        taken = [
            Declared(one.name, one.type)
            for one in suggest_properties(definition, at=at)
            if names is None or one.name in names
        ]
        if taken:
            declared = (*schema_of(definition).properties, *taken)
            declare_schema(definition_id, properties=declared, actor=actor, at=at)
    return [one.name for one in taken]


def suggest_properties(definition: EventDefinition, *, at: datetime) -> list[Suggestion]:
    """What was seen of a kind and is not declared, what the most events have first."""
    declared = {one.name: one.type for one in schema_of(definition).properties}
    events = newest_properties(definition.pk, at=at)
    seen: dict[str, list[Any]] = {}
    # Keys with a dot in them, which no way through objects leads to.
    unnamable: set[str] = set()
    for properties in events:
        for name, _kind in described(properties):
            value = _at(properties, name)
            if value is None:
                unnamable.add(name)
            else:
                seen.setdefault(name, []).append(value)
    names = {*seen, *(definition.schema.keys() - unnamable)} - declared.keys()
    found = [
        _suggestion(name, definition.schema.get(name, []), seen.get(name, []), len(events))
        for name in names
        if len(name) <= SCHEMA_NAME_LIMIT and not _clashes(name, declared)
    ]
    return sorted(found, key=lambda one: (-(one.share or 0), one.name))


def try_schema(definition_id: int, properties: Iterable[Declared], *, at: datetime) -> Trial:
    """What these declarations find in the newest events up to an instant. Nothing is written."""
    schema = Schema(EventDefinition.Enforcement.REFUSE, tuple(properties))
    events = newest_properties(definition_id, at=at)
    broken, faults = 0, Counter[tuple[str, str]]()
    for event in events:
        problems = schema.problems(event)
        broken += bool(problems)
        faults.update((problem.path, problem.code) for problem in problems)
    ordered = sorted(faults.items(), key=lambda item: (-item[1], item[0]))
    return Trial(len(events), broken, tuple((*key, count) for key, count in ordered))


def newest_properties(
    definition_id: int, *, at: datetime, limit: int = SAMPLE
) -> list[dict[str, Any]]:
    """The properties of the newest events of a kind up to an instant; one query."""
    rows = sql.lists(
        "SELECT properties::text FROM contacts_event WHERE definition_id = %s"
        " AND occurred_at <= %s ORDER BY occurred_at DESC LIMIT %s",
        [definition_id, at, limit],
    )
    return [exact_loads(text) for (text,) in rows]


def breaches_of(definition_id: int, *, until: datetime) -> Breaches:
    """The breaches of the last days; two queries."""
    last_day = until.astimezone(ZoneInfo(settings.TIME_ZONE)).date()
    days = [last_day - timedelta(days=back) for back in range(BREACH_DAYS - 1, -1, -1)]
    counts = dict.fromkeys(days, 0)
    marked = refused = 0
    known = EventBreach.objects.filter(definition_id=definition_id)
    for breach in known.filter(day__gte=days[0], day__lte=last_day):
        marked += breach.marked_count
        refused += breach.refused_count
        counts[breach.day] = breach.marked_count + breach.refused_count
    return Breaches(marked, refused, counts, known.order_by("-last_at").first())


def breach_totals(definition_ids: Collection[int]) -> dict[int, BreachTotal]:
    """All breaches of each of these kinds, those without left out; one query."""
    rows = sql.rows(
        "SELECT definition_id, sum(marked_count)::bigint AS marked,"
        " sum(refused_count)::bigint AS refused, max(last_at) AS last_at,"
        " (array_agg(last_problems::text ORDER BY last_at DESC))[1] AS problems"
        " FROM contacts_eventbreach WHERE definition_id = ANY(%s::int[]) GROUP BY definition_id",
        [list(definition_ids)],
    )
    return {
        row["definition_id"]: BreachTotal(
            row["marked"],
            row["refused"],
            row["last_at"],
            tuple(Problem(**problem) for problem in exact_loads(row["problems"])),
        )
        for row in rows
    }


def _at(properties: Any, name: str) -> Any:
    for step in name.split("."):
        properties = properties.get(step) if isinstance(properties, dict) else None
    return properties


def _suggestion(name: str, kinds: Iterable[str], values: list[Any], event_count: int) -> Suggestion:
    shown = {kind for value in values for _name, kind in described({"": value}, 1)}
    all_kinds = tuple(sorted(shown or set(kinds)))
    type_ = Type.ANY.value if len(all_kinds) != 1 else all_kinds[0]
    if all_kinds == ("text",) and values:
        narrow = (one for one in _TEXTS if all(fits(value, one) for value in values))
        type_ = next(narrow, Type.TEXT).value
    share = len(values) / event_count if values and event_count else None
    return Suggestion(name, type_, all_kinds, share)


def _checked(properties: Sequence[Declared]) -> tuple[Declared, ...]:
    """The declarations, names and descriptions trimmed. Raises EventSchemaInvalid."""
    problems: list[Problem] = []
    trimmed = tuple(
        Declared(one.name.strip(), one.type, one.is_required, one.description.strip())
        for one in properties
    )
    if len(trimmed) > SCHEMA_LIMIT:
        message = _("At most %(limit)d properties can be declared.") % {"limit": SCHEMA_LIMIT}
        problems.append(Problem("properties", "too_many", message))
    types: dict[str, str] = {}
    for place, one in enumerate(trimmed):
        path = f"properties[{place}]"
        if not _is_name(one.name):
            message = _("A name has 1 to %(limit)d characters; dots stand between its parts.")
            words: dict[str, Any] = {"limit": SCHEMA_NAME_LIMIT}
            problems.append(Problem(f"{path}.name", "invalid", message % words))
        elif one.name in types:
            message = _("“%(name)s” is declared twice.") % {"name": one.name}
            problems.append(Problem(f"{path}.name", "duplicate", message))
        if one.type not in Type:
            message = _("There is no such type. The types are: %(types)s.")
            words = {"types": ", ".join(Type)}
            problems.append(Problem(f"{path}.type", "invalid_choice", message % words))
        if len(one.description) > DESCRIPTION_LIMIT or "\0" in one.description:
            message = _("A description has at most %(limit)d characters.")
            words = {"limit": DESCRIPTION_LIMIT}
            problems.append(Problem(f"{path}.description", "too_long", message % words))
        types.setdefault(one.name, one.type)
    for place, one in enumerate(trimmed):
        if outer := _clashes(one.name, types):
            message = _("“%(name)s” lies in “%(outer)s”, which is declared to be no object.")
            words = {"name": one.name, "outer": outer}
            problems.append(Problem(f"properties[{place}].name", "contradiction", message % words))
    if problems:
        raise _invalid(problems)
    return trimmed


def _is_name(name: str) -> bool:
    return 0 < len(name) <= SCHEMA_NAME_LIMIT and "\0" not in name and "" not in name.split(".")


def _clashes(name: str, types: dict[str, str]) -> str | None:
    """The declared property around this one that cannot have anything in it, if there is one."""
    steps = name.split(".")
    outers = (".".join(steps[:count]) for count in range(1, len(steps)))
    return next((outer for outer in outers if types.get(outer, "any") not in _WHOLE), None)


def _told(schema: Schema) -> dict[str, Any]:
    """What the audit trail tells of a schema."""
    properties = {
        one.name: [one.type, *(["required"] if one.is_required else [])]
        for one in schema.properties
    }
    descriptions = {one.name: one.description for one in schema.properties if one.description}
    return {
        "enforcement": str(schema.enforcement),
        "properties": properties,
        "descriptions": descriptions,
    }


def _invalid(problems: list[Problem]) -> EventSchemaInvalid:
    return EventSchemaInvalid(problems[0].message, problems=problems)
