"""The second opinion: criteria read straight from the page, for one person at a time.

It knows nothing of the compiler and shares no code with it. It is slow and meant to be obvious.
Documents are JSON as Python has it, numbers whole or Decimal; faulty ones are not its business.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Happening:
    """One event."""

    name: str
    at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """One contact with everything known of them. Empty texts are missing, as in the database."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    consents: Mapping[str, str] = field(default_factory=dict)
    segments: frozenset[str] = frozenset()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    loyalty: Mapping[str, Any] | None = None
    journeys: Mapping[str, frozenset[str]] = field(default_factory=dict)
    events: tuple[Happening, ...] = ()
    is_erased: bool = False


@dataclass(frozen=True)
class World:
    """What is the same for everyone: when, where, and of which type the fields are."""

    now: datetime
    zone: ZoneInfo
    types: Mapping[str, str]
    without_members: frozenset[str] = frozenset()


FACTORY_TYPES = {
    **dict.fromkeys(
        ("email", "phone", "first_name", "last_name", "gender", "country", "city"), "text"
    ),
    **dict.fromkeys(("postal_code", "language", "time_zone"), "text"),
    **dict.fromkeys(("created_at", "updated_at", "last_seen_at"), "datetime"),
    "birth_date": "date",
    "lead_score": "number",
}
LOYALTY_TYPES = {"points": "number", "tier": "text", "joined_at": "datetime"}
POSITIVE = {
    "!=": "=",
    "notIn": "in",
    "notBetween": "between",
    "doesNotContain": "contains",
    "doesNotBeginWith": "beginsWith",
    "doesNotEndWith": "endsWith",
    "notInLast": "inLast",
    "notInNext": "inNext",
    "notAnniversaryInNext": "anniversaryInNext",
    "null": "notNull",
}


def holds(document: Mapping[str, Any], person: Person, world: World) -> bool:
    """Whether the criteria hold for the person."""
    if person.is_erased:
        return False
    return group_holds(document, lambda rule: rule_holds(rule, person, world))


def group_holds(group: Mapping[str, Any], leaf: Callable[[Mapping[str, Any]], bool]) -> bool:
    results = [
        group_holds(rule, leaf) if "rules" in rule else leaf(rule)
        for rule in group["rules"]
        if not rule.get("disabled", False)
    ]
    result = all(results) if group["combinator"] == "and" else any(results)
    return not result if group.get("not", False) else result


def rule_holds(rule: Mapping[str, Any], person: Person, world: World) -> bool:
    """Whether one rule, not disabled, holds for the person."""
    name = rule["field"]
    if name == "sequence":
        return sequence_holds(rule["steps"], person, world)
    type_, found = value_of(rule, person, world)
    return passes(type_, rule["operator"], rule.get("value"), found, world)


def value_of(rule: Mapping[str, Any], person: Person, world: World) -> tuple[str, Any]:
    """The type of what the rule compares, and the person's value; None where it is missing."""
    name = rule["field"]
    kind, _, key = name.partition(".")
    if name == "tag":
        return "list", person.tags
    if name == "category":
        return "list", person.categories
    if name == "segment":
        return "list", person.segments - world.without_members
    match kind:
        case "contact":
            found = person.fields.get(key)
            if key == "lead_score" and found is None:
                found = 0
            return FACTORY_TYPES[key], known(found)
        case "attribute":
            return world.types[name], attribute(world.types[name], person.attributes.get(key))
        case "consent":
            return "text", person.consents.get(key, "unknown")
        case "metric":
            return world.types[name], known(person.metrics.get(key))
        case "loyalty" if key == "is_member":
            return "boolean", person.loyalty is not None
        case "loyalty":
            return LOYALTY_TYPES[key], known((person.loyalty or {}).get(key))
        case "journey":
            return "list", person.journeys.get(key, frozenset())
        case "event":
            events = list(events_of(key, rule.get("where"), person, world))
            return measured(rule.get("measure", {}), events)
    raise ValueError(name)


def known(found: Any) -> Any:
    """The value with '' as missing, and numbers as what is exact in every sum."""
    if isinstance(found, int | Decimal) and not isinstance(found, bool):
        return Fraction(found)
    return None if found == "" else found


def attribute(type_: str, stored: Any) -> Any:
    """An attribute as it is kept, read as its type."""
    if stored is None or stored == "":
        return None
    match type_:
        case "date":
            return date.fromisoformat(stored)
        case "datetime":
            return datetime.fromisoformat(stored)
        case "number":
            return Fraction(stored)
        case "list":
            return frozenset(stored)
    return stored


# --- One value ----------------------------------------------------------------------------------


def passes(type_: str, operator: str, wanted: Any, found: Any, world: World) -> bool:
    if operator in POSITIVE:
        return not passes(type_, POSITIVE[operator], wanted, found, world)
    if operator == "notNull":
        return found is not None and found != frozenset()
    if type_ == "list":
        found = found or frozenset()
        return bool(found & set(wanted)) if operator == "in" else set(wanted) <= found
    if found is None:
        return False
    match operator:
        case "in":
            return any(equal(read(type_, one, world), found) for one in wanted)
        case "contains":
            return lower(wanted) in lower(found)
        case "beginsWith":
            return lower(found).startswith(lower(wanted))
        case "endsWith":
            return lower(found).endswith(lower(wanted))
        case "inLast" | "inNext" if type_ == "date":
            return date_in_window(operator, wanted, found, today(world))
        case "inLast":
            start = step(world.now, wanted, -1, world.zone)
            return bool((start is None or start < found) and found <= world.now)
        case "inNext":
            end = step(world.now, wanted, +1, world.zone)
            return world.now < found and (end is None or found <= end)
        case "anniversaryInNext":
            return anniversary_within(found, wanted["amount"], today(world))
        case "between":
            low, high = (read(type_, one, world) for one in wanted)
            return bool(low <= found <= high)
    wanted = read(type_, wanted, world)
    match operator:
        case "=":
            return equal(wanted, found)
        case "<":
            return bool(found < wanted)
        case "<=":
            return bool(found <= wanted)
        case ">":
            return bool(found > wanted)
        case ">=":
            return bool(found >= wanted)
    raise ValueError(operator)


def equal(one: Any, other: Any) -> bool:
    """Python says True == 1; criteria do not."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def lower(text: str) -> str:
    """Letter by letter. İ is the one letter for which Python would give two."""
    return "".join("i" if letter == "İ" else letter.lower() for letter in text)


def read(type_: str, wanted: Any, world: World) -> Any:
    """A value of a rule as the type it is compared as."""
    match type_:
        case "date":
            return read_date(wanted, world.zone)
        case "datetime":
            return read_instant(wanted, world.zone)
        case "number":
            return Fraction(str(wanted))
    return wanted


# --- Events -------------------------------------------------------------------------------------


def events_of(
    name: str, where: Mapping[str, Any] | None, person: Person, world: World
) -> Iterator[Happening]:
    """The person's events of a name, up to now, that satisfy `where`."""
    for event in person.events:
        if event.name != name or event.at > world.now:
            continue
        if where is None or where.get("disabled", False) or satisfies(event, where, world):
            yield event


def satisfies(event: Happening, where: Mapping[str, Any], world: World) -> bool:
    return group_holds(where, lambda rule: condition_holds(rule, event, world))


def condition_holds(rule: Mapping[str, Any], event: Happening, world: World) -> bool:
    operator, wanted = rule["operator"], rule.get("value")
    if rule["field"] == "occurred_at":
        return passes("datetime", operator, wanted, event.at, world)
    raw = property_of(event, rule["field"].removeprefix("properties."))
    positive = POSITIVE.get(operator, operator)
    result = property_passes(raw, positive, wanted, world)
    return result != (operator in POSITIVE)


def property_of(event: Happening, way: str) -> Any:
    """The property as JSON; None where it is missing."""
    found: Any = event.properties
    for key in way.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return None if found == "" else found


def property_passes(raw: Any, operator: str, wanted: Any, world: World) -> bool:
    if operator == "notNull":
        return raw is not None
    if operator == "in":
        return any(property_passes(raw, "=", one, world) for one in wanted)
    if operator in ("inLast", "inNext"):
        return passes("datetime", operator, wanted, as_instant(raw, world), world)
    one = wanted[0] if operator == "between" else wanted
    if operator in ("contains", "beginsWith", "endsWith") or (
        operator == "=" and isinstance(one, str)
    ):
        return passes("text", operator, wanted, as_text(raw), world)
    if isinstance(one, bool):
        return raw is one
    if isinstance(one, str):
        return passes("datetime", operator, wanted, as_instant(raw, world), world)
    return passes("number", operator, wanted, as_number(raw), world)


def as_text(raw: Any) -> str | None:
    match raw:
        case bool():
            return "true" if raw else "false"
        case int() | Decimal():
            return f"{Decimal(raw):f}"
        case str():
            return raw
    return None


def as_number(raw: Any) -> Fraction | None:
    if isinstance(raw, bool):
        return None
    if isinstance(raw, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", raw):
        return Fraction(raw)
    return Fraction(raw) if isinstance(raw, int | Decimal) else None


def as_instant(raw: Any, world: World) -> datetime | None:
    return read_instant(raw, world.zone) if isinstance(raw, str) else None


def measured(measure: Mapping[str, Any], events: Sequence[Happening]) -> tuple[str, Any]:
    """The type of a measure and its value over the events; None where it is missing."""
    function = measure.get("function", "count")
    times = sorted(event.at for event in events)
    if function == "count":
        return "number", Fraction(len(events))
    if function == "first":
        return "datetime", times[0] if times else None
    if function == "last":
        return "datetime", times[-1] if times else None
    raw = [property_of(event, measure["property"]) for event in events]
    if function == "distinct":
        return "number", Fraction(len({canonical(one) for one in raw if one is not None}))
    numbers = [number for one in raw if (number := as_number(one)) is not None]
    if function == "sum":
        return "number", sum(numbers, Fraction())
    if not numbers:
        return "number", None
    if function == "average":
        return "number", sum(numbers, Fraction()) / len(numbers)
    return "number", min(numbers) if function == "minimum" else max(numbers)


def canonical(raw: Any) -> Any:
    """Equal for equal JSON values only: 1 and 1.0 are one, 1 and "1" and true are three."""
    match raw:
        case bool():
            return "boolean", raw
        case int() | Decimal():
            return "number", Fraction(raw)
        case str():
            return "text", raw
        case list():
            return "list", tuple(canonical(one) for one in raw)
        case Mapping():
            return "object", frozenset((key, canonical(one)) for key, one in raw.items())
    return "null", None


def sequence_holds(steps: Sequence[Mapping[str, Any]], person: Person, world: World) -> bool:
    """Try every choice of events."""
    choices = [list(events_of(s["event"], s.get("where"), person, world)) for s in steps]

    def goes_on(index: int, before: datetime) -> bool:
        if index == len(steps):
            return True
        within = steps[index].get("within")
        end = step(before, within, +1, world.zone) if within else None
        fits = [e for e in choices[index] if e.at > before and (end is None or e.at <= end)]
        if steps[index].get("not", False):
            return not fits and end is not None and world.now > end
        return any(goes_on(index + 1, event.at) for event in fits)

    return any(goes_on(1, event.at) for event in choices[0])


# --- Times --------------------------------------------------------------------------------------

ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)([T ](\d\d):(\d\d)(:(\d\d)(\.(\d{1,6}))?)?(Z|([+-])(\d\d):?(\d\d))?)?",
    re.ASCII,
)


def parts_of(text: str) -> tuple[date, time | None, timedelta | None] | None:
    """The date, the time if there is one, and the offset if there is one; None for no ISO value."""
    found = ISO.fullmatch(text)
    if found is None:
        return None
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
        if found[4] is None:
            return day, None, None
        micros = int((found[10] or "0").ljust(6, "0"))
        clock = time(int(found[5]), int(found[6]), int(found[8] or 0), micros)
        if found[11] is None:
            return day, clock, None
        if found[11] == "Z":
            return day, clock, timedelta()
        if int(found[13]) > 23 or int(found[14]) > 59:
            return None
        offset = timedelta(hours=int(found[13]), minutes=int(found[14]))
        return day, clock, -offset if found[12] == "-" else offset
    except ValueError:
        return None


def read_instant(text: str, zone: ZoneInfo) -> datetime | None:
    parts = parts_of(text)
    if parts is None:
        return None
    day, clock, offset = parts
    if clock is None:
        return first_moment(day, zone)
    wall = datetime.combine(day, clock)
    if offset is None:
        return at_wall_time(wall, zone)
    return (wall - offset).replace(tzinfo=UTC)


def read_date(text: str, zone: ZoneInfo) -> date | None:
    parts = parts_of(text)
    if parts is None:
        return None
    day, clock, offset = parts
    if clock is None or offset is None:
        return day
    return datetime.combine(day, clock, timezone(offset)).astimezone(zone).date()


@cache
def first_moment(day: date, zone: ZoneInfo) -> datetime:
    """Look at every minute from well before the day."""
    moment = datetime.combine(day, time(), UTC) - timedelta(hours=16)
    while moment.astimezone(zone).date() < day:
        moment += timedelta(minutes=1)
    return moment


def at_wall_time(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant when clocks show that; of two, or for none, by the smaller offset from UTC.

    The page lets either reading pass; this is the one that PostgreSQL takes.
    """
    offsets = [wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)]
    return (wall - min(offset for offset in offsets if offset is not None)).replace(tzinfo=UTC)


def today(world: World) -> date:
    return world.now.astimezone(world.zone).date()


def step(
    start: datetime, duration: Mapping[str, Any], sign: int, zone: ZoneInfo
) -> datetime | None:
    """The instant a duration later (or, with sign -1, before); None beyond the calendar."""
    amount, unit = sign * int(duration["amount"]), duration["unit"]
    lengths = {
        "minute": timedelta(minutes=1),
        "hour": timedelta(hours=1),
        "day": timedelta(hours=24),
        "week": timedelta(days=7),
    }
    try:
        if unit in lengths:
            return start + amount * lengths[unit]
        wall = start.astimezone(zone).replace(tzinfo=None)
        day = add_months(wall.date(), amount * (12 if unit == "year" else 1))
        return None if day is None else at_wall_time(datetime.combine(day, wall.time()), zone)
    except OverflowError:
        return None


def add_months(day: date, months: int) -> date | None:
    count = day.year * 12 + (day.month - 1) + months
    year, month = count // 12, count % 12 + 1
    if not 1 <= year <= 9999:
        return None
    for number in (day.day, 30, 29, 28):
        if number <= day.day:
            try:
                return date(year, month, number)
            except ValueError:
                continue
    raise AssertionError("every month has 28 days")


def date_in_window(
    operator: str, duration: Mapping[str, Any], found: date, reference: date
) -> bool:
    amount, unit = int(duration["amount"]), duration["unit"]
    sign = -1 if operator == "inLast" else 1
    try:
        if unit in ("month", "year"):
            edge = add_months(reference, sign * amount * (12 if unit == "year" else 1))
        else:
            edge = reference + sign * timedelta(days=amount * (7 if unit == "week" else 1))
    except OverflowError:
        edge = None
    if operator == "inLast":
        return (edge is None or edge < found) and found <= reference
    return reference <= found and (edge is None or found < edge)


def anniversary_within(born: date, days: int, reference: date) -> bool:
    """Look at every day from today on; after a year all have been seen."""
    return any(
        celebrates(reference + timedelta(days=ahead), born) for ahead in range(min(days, 367))
    )


def celebrates(day: date, born: date) -> bool:
    if (born.month, born.day) == (2, 29) and (day.month, day.day) == (2, 28):
        return (day + timedelta(days=1)).month == 3
    return (day.month, day.day) == (born.month, born.day)
