"""The second opinion: metrics by formulas, computed for one person at a time.

It knows nothing of the statements and shares no code with them. What is missing is None.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Happening:
    """One event."""

    name: str
    at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A formula, with the properties of orders filled in."""

    function: str
    event: str
    way: str = ""
    days: int | None = None
    where: tuple[str, str] | None = None
    other: str = ""


def measure(asked: Asked, events: Sequence[Happening], as_of: datetime, zone: ZoneInfo) -> Any:
    """The value of one person."""
    found = list(_chosen(asked, asked.event, events, as_of))
    days = [one.at.astimezone(zone).date() for one in found]
    numbers = [number for one in found if (number := _number(one, asked.way)) is not None]
    match asked.function:
        case "count":
            return Decimal(len(found))
        case "sum":
            return _kept(sum(numbers, Decimal(0)))
        case "average":
            return _kept(sum(numbers, Decimal(0)) / len(numbers)) if numbers else None
        case "minimum":
            return _kept(min(numbers)) if numbers else None
        case "maximum":
            return _kept(max(numbers)) if numbers else None
        case "first_date":
            return min(days, default=None)
        case "last_date":
            return max(days, default=None)
        case "days_since":
            today = as_of.astimezone(zone).date()
            return Decimal((today - max(days)).days) if days else None
        case "most_frequent":
            return _most_frequent(found, asked.way)
        case "share":
            return _share(asked, events, as_of)
    raise AssertionError(asked.function)


def ranks(values: Mapping[Any, Decimal]) -> dict[Any, Decimal]:
    """Of the others, the share in per cent that has less; cut off after two digits."""
    others = len(values) - 1
    return {
        who: Decimal(100)
        if not others
        else (Decimal(sum(other < value for other in values.values())) * 100 / others).quantize(
            Decimal("0.1"), ROUND_DOWN
        )
        for who, value in values.items()
    }


def took_part(asked: Asked, events: Sequence[Happening], as_of: datetime) -> bool:
    """Whether a person did any of it, and so has a rank."""
    return any(_chosen(asked, asked.event, events, as_of))


def site_of(event: Happening, way: str, names: Mapping[str, str], only: str | None) -> str | None:
    """The key of the website on which something was done."""
    named = _text(_at(event.properties, way)).strip() or _text(event.properties.get("url")).strip()
    bare = re.sub(r"^([a-z][a-z0-9+.-]*://)?(www\.)?", "", named.lower())
    bare = re.split(r"[/:?#]", bare)[0]
    return names.get(bare) if bare else only


def _chosen(
    asked: Asked, name: str, events: Sequence[Happening], as_of: datetime, *, whole: bool = False
) -> Iterator[Happening]:
    for one in events:
        if one.name != name or one.at > as_of:
            continue
        if asked.days is not None and one.at <= as_of - timedelta(days=asked.days):
            continue
        if asked.where is not None and not whole:
            way, value = asked.where
            if _written(_at(one.properties, way)) != value:
                continue
        yield one


def _share(asked: Asked, events: Sequence[Happening], as_of: datetime) -> Decimal | None:
    among = len(list(_chosen(asked, asked.event, events, as_of, whole=True)))
    part = len(list(_chosen(asked, asked.other or asked.event, events, as_of)))
    if not among:
        return None
    return (Decimal(part) * 100 / among).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _most_frequent(events: Sequence[Happening], ways: str) -> str | None:
    times: Counter[str] = Counter()
    last: dict[str, datetime] = {}
    for one in events:
        for way in ways.split(","):
            found = list(_values(one.properties, way.strip().split(".")))
            if found:
                break
        for value in found:
            times[value] += 1
            last[value] = max(one.at, last.get(value, one.at))
    if not times:
        return None
    best = max((count, last[value]) for value, count in times.items())
    return min(value for value, count in times.items() if (count, last[value]) == best)


def _values(value: Any, names: Sequence[str]) -> Iterator[str]:
    """Whatever is one value at the end of the way; of a list each item goes on."""
    if isinstance(value, list):
        for item in value:
            if (names and isinstance(item, Mapping)) or (not names and not isinstance(item, list)):
                yield from _values(item, names)
        return
    if names:
        if isinstance(value, Mapping) and names[0] in value:
            yield from _values(value[names[0]], names[1:])
        return
    if value is not None and value != "" and not isinstance(value, Mapping):
        yield _text(value)


def _number(event: Happening, way: str) -> Decimal | None:
    value = _at(event.properties, way)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return Decimal(value)
    return None


def _at(properties: Any, way: str) -> Any:
    for name in way.split("."):
        if not isinstance(properties, Mapping) or name not in properties:
            return None
        properties = properties[name]
    return properties


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _written(value: Any) -> str | None:
    return None if value is None else _text(value)


def _kept(number: Decimal) -> Decimal | None:
    if abs(number) >= Decimal(10) ** 22 - 1:
        return None
    return number.quantize(Decimal("0.00000001"), ROUND_HALF_UP)
