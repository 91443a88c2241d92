"""What the properties of events have to be, and which events break that.

A kind of event may declare properties (`EventProperty`): their types, and whether they must be
there. `EventDefinition.enforcement` says what becomes of events that break the declarations; where
it is "accept" they only describe, and nothing is checked. Properties that nobody declared are
never a fault.

A null and an empty text are missing, as for criteria. A number is a JSON number, not a text of
digits; a date is "2026-01-31"; a date and time has an offset from UTC.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg import sql
from psycopg.types.json import Jsonb

from contacts.models import EventDefinition, EventProperty
from workspace import sql as statements
from workspace.errors import Problem

BREACH = "schema_breach"
MISSING, WRONG_TYPE = "missing", "wrong_type"
Type = EventProperty.Type
Enforcement = EventDefinition.Enforcement

_DAY = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP_YEAR = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_DATE = f"(([0-9]{{4}}-{_DAY})|({_LEAP_YEAR}-02-29))"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?"
_OFFSET = "(Z|[+-](0[0-9]|1[0-5]):?[0-5][0-9])"
# Read alike by Python and by PostgreSQL, which looks at the rows of files.
_PATTERNS = {
    Type.DATE: _DATE,
    Type.DATETIME: f"{_DATE}[T ]{_CLOCK}{_OFFSET}",
    Type.URL: "[Hh][Tt][Tt][Pp][Ss]?://[^/?# \t\r\n]+[^ \t\r\n]*",
}
_COMPILED = {type_: re.compile(pattern) for type_, pattern in _PATTERNS.items()}
_JSON_TYPES = {
    Type.TEXT: "string",
    Type.NUMBER: "number",
    Type.BOOLEAN: "boolean",
    Type.LIST: "array",
    Type.OBJECT: "object",
}
_HAS_TO_BE = {
    Type.TEXT: gettext_lazy("“%(name)s” has to be a text."),
    Type.NUMBER: gettext_lazy("“%(name)s” has to be a number, not a text of digits."),
    Type.BOOLEAN: gettext_lazy("“%(name)s” has to be true or false."),
    Type.DATE: gettext_lazy("“%(name)s” has to be a date, as 2026-01-31."),
    Type.DATETIME: gettext_lazy(
        "“%(name)s” has to be a date and time with an offset, as 2026-01-31T09:30:00Z."
    ),
    Type.URL: gettext_lazy("“%(name)s” has to be a web address, as https://example.com/."),
    Type.LIST: gettext_lazy("“%(name)s” has to be a list."),
    Type.OBJECT: gettext_lazy("“%(name)s” has to be an object."),
}


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared property; `name` is a way through the objects in it, as "product.name"."""

    name: str
    type: str
    is_required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """What is declared of one kind of event, and what becomes of events that break it."""

    enforcement: str
    properties: tuple[Declared, ...]

    @property
    def refuses(self) -> bool:
        """Whether an event that breaks it is not stored."""
        return self.enforcement == Enforcement.REFUSE

    def problems(self, properties: Mapping[str, Any]) -> list[Problem]:
        """What these properties lack or have wrong, whatever the enforcement."""
        return [
            fault for one in self.properties if (fault := _fault(one, value_at(properties, one)))
        ]


def load_schemas(definition_ids: Collection[int]) -> dict[int, Schema]:
    """The schemas of these definitions that are enforced; at most one query."""
    found: dict[int, tuple[str, list[Declared]]] = {}
    if definition_ids:
        declared = EventProperty.objects.filter(
            definition_id__in=definition_ids,
            definition__enforcement__in=[Enforcement.MARK, Enforcement.REFUSE],
        ).order_by("definition_id", "name")
        for definition_id, enforcement, name, type_, is_required in declared.values_list(
            "definition_id", "definition__enforcement", "name", "type", "is_required"
        ):
            properties = found.setdefault(definition_id, (enforcement, []))[1]
            properties.append(Declared(name, type_, is_required))
    return {
        definition_id: Schema(enforcement, tuple(properties))
        for definition_id, (enforcement, properties) in found.items()
    }


def schema_of(definition: EventDefinition) -> Schema:
    """What is declared of one kind, whether it is enforced or not."""
    declared = definition.properties.values_list("name", "type", "is_required", "description")
    return Schema(definition.enforcement, tuple(Declared(*row) for row in declared))


def sentence(problems: Iterable[Problem]) -> str:
    """What is wrong, in one line."""
    return " ".join(problem.message for problem in problems)


def value_at(properties: Mapping[str, Any], declared: Declared) -> Any:
    """The value of a property; None where it is missing."""
    value: Any = properties
    for step in declared.name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return None if value == "" else value


def fits(value: Any, type_: str) -> bool:
    """Whether a value that is there is of a type."""
    match type_:
        case Type.ANY:
            return True
        case Type.TEXT:
            return isinstance(value, str)
        case Type.NUMBER:
            return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        case Type.BOOLEAN:
            return isinstance(value, bool)
        case Type.LIST:
            return isinstance(value, list | tuple)
        case Type.OBJECT:
            return isinstance(value, Mapping)
        case _:
            pattern = _COMPILED[Type(type_)]
            return isinstance(value, str) and pattern.fullmatch(value) is not None


def _fault(declared: Declared, value: Any) -> Problem | None:
    if value is None:
        return _missing(declared) if declared.is_required else None
    return None if fits(value, declared.type) else _wrong(declared)


def _missing(declared: Declared) -> Problem:
    message = _("“%(name)s” is missing.") % {"name": declared.name}
    return Problem(declared.name, MISSING, message)


def _wrong(declared: Declared) -> Problem:
    message = str(_HAS_TO_BE[Type(declared.type)]) % {"name": declared.name}
    return Problem(declared.name, WRONG_TYPE, message)


def fault_expression(schema: Schema, properties: sql.Composable) -> sql.Composable:
    """SQL for the sentence about the first fault of a jsonb object; NULL where it has none.

    The same as `Schema.problems`, for rows that never leave the database.
    """
    cases: list[sql.Composable] = []
    for one in schema.properties:
        value = _at(properties, one)
        missing = sql.SQL("coalesce({value}, 'null') IN ('null', '\"\"')").format(value=value)
        if one.is_required:
            cases.append(_when(missing, _missing(one)))
        if one.type != Type.ANY:
            wrong = sql.SQL("NOT ({missing}) AND NOT ({fits})").format(
                missing=missing, fits=_fits(value, Type(one.type))
            )
            cases.append(_when(wrong, _wrong(one)))
    if not cases:
        return sql.SQL("NULL::text")
    return sql.SQL("CASE {cases} END").format(cases=sql.SQL(" ").join(cases))


def _when(condition: sql.Composable, problem: Problem) -> sql.Composable:
    return sql.SQL("WHEN {condition} THEN {message}").format(
        condition=condition, message=sql.Literal(problem.message)
    )


def _at(properties: sql.Composable, declared: Declared) -> sql.Composable:
    # By names alone: `#>` would also find the elements of lists by their places.
    steps = (sql.SQL("-> {}").format(sql.Literal(step)) for step in declared.name.split("."))
    return sql.SQL("({} {})").format(properties, sql.SQL(" ").join(steps))


def _fits(value: sql.Composable, type_: EventProperty.Type) -> sql.Composable:
    kind = sql.SQL("jsonb_typeof({}) = {}")
    if type_ in _JSON_TYPES:
        return kind.format(value, sql.Literal(_JSON_TYPES[type_]))
    pattern = sql.Literal(f"^({_PATTERNS[type_]})$")
    return sql.SQL("{is_text} AND {value} #>> '{{}}' ~ {pattern}").format(
        is_text=kind.format(value, sql.Literal("string")), value=value, pattern=pattern
    )


@dataclass(slots=True)
class Tally:
    """The breaches of one kind of event in a batch."""

    marked: int = 0
    refused: int = 0
    last: Sequence[Problem] = ()


def count_breaches(tallies: Mapping[int, Tally], *, at: datetime) -> None:
    """Add to the counts of the day, by definition; one statement, in the order of its keys."""
    if not tallies:
        return
    day = at.astimezone(ZoneInfo(settings.TIME_ZONE)).date()
    ordered = sorted(tallies.items())
    told = [
        [{"path": one.path, "code": one.code, "message": one.message} for one in tally.last]
        for _definition_id, tally in ordered
    ]
    statements.execute(
        "INSERT INTO contacts_eventbreach AS known"
        " (definition_id, day, marked_count, refused_count, last_at, last_problems)"
        " SELECT definition_id, %s, marked, refused, %s, problems"
        " FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::jsonb[])"
        "  AS breach (definition_id, marked, refused, problems)"
        " ON CONFLICT (definition_id, day) DO UPDATE SET"
        "  marked_count = known.marked_count + excluded.marked_count,"
        "  refused_count = known.refused_count + excluded.refused_count,"
        "  last_at = excluded.last_at, last_problems = excluded.last_problems",
        [
            day,
            at,
            [definition_id for definition_id, _tally in ordered],
            [tally.marked for _definition_id, tally in ordered],
            [tally.refused for _definition_id, tally in ordered],
            [cast(Any, Jsonb(problems)) for problems in told],
        ],
    )
