"""The values of rules: numbers, texts, times, durations, lists of them, and what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from . import catalog as words
from .errors import Faults, gettext_noop, key_path
from .syntax import (
    AnniversaryInNext,
    Between,
    Compare,
    Duration,
    EachOf,
    InLast,
    InNext,
    Matches,
    OneOf,
    Present,
    Scalar,
    Test,
    Type,
    Unit,
)
from .times import read_iso, to_date, to_instant

Kind = Type | Literal["property"]
"""The type of the values; those of a property have the type of what they are compared with."""

AMOUNT_LIMIT = 10_000
# PostgreSQL's numeric holds 131072 digits before the point and 16383 after it.
_DIGIT_LIMIT, _FRACTION_LIMIT = 131_000, 16_000


def is_empty(content: Any) -> bool:
    """Whether a builder left it empty: an empty text or list."""
    return isinstance(content, str | list) and not content


@dataclass(frozen=True, slots=True)
class ValueReader:
    """Reads the `value` of rules. A method returns None where it noted a fault."""

    zone: ZoneInfo
    faults: Faults

    def test(self, document: dict[str, Any], path: str, operator: str, kind: Kind) -> Test | None:
        """What `operator`, one that `kind` has, asks with the rule's `value`: its positive."""
        positive = words.NEGATIVES.get(operator, operator)
        if positive == "notNull":
            return Present()
        path, content = key_path(path, "value"), document.get("value")
        if "value" not in document or is_empty(content):
            self.faults.add(path, "missing_value", gettext_noop("Give a value."))
            return None
        match positive:
            case "in":
                values = self._list(content, path, kind)
                return None if values is None else OneOf(values)
            case "all":
                texts = self._list(content, path, Type.TEXT)
                found = (text for text in texts or () if isinstance(text, str))
                return None if texts is None else EachOf(tuple(found))
            case "between":
                return self._between(content, path, kind)
            case "contains" | "beginsWith" | "endsWith":
                text = self._scalar(content, path, Type.TEXT)
                return Matches(positive, text) if isinstance(text, str) else None
            case "inLast" | "inNext":
                units = words.DATE_UNITS if kind is Type.DATE else words.INSTANT_UNITS
                duration = self.duration(content, path, units)
                window = InLast if positive == "inLast" else InNext
                return None if duration is None else window(duration)
            case "anniversaryInNext":
                days = self.duration(content, path, (Unit.DAY,))
                return None if days is None else AnniversaryInNext(days.amount)
            case "=" | "<" | "<=" | ">" | ">=":
                ordered = kind == "property" and positive != "="
                one = self._ordered(content, path) if ordered else self._scalar(content, path, kind)
                return None if one is None else Compare(positive, one)
        raise ValueError(f"No test for operator {operator}.")

    def key_list(self, document: dict[str, Any], path: str) -> list[tuple[str, str]] | None:
        """The keys in `value`, each with its path."""
        path, content = key_path(path, "value"), document.get("value")
        if "value" not in document or is_empty(content):
            self.faults.add(path, "missing_value", gettext_noop("Give a value."))
            return None
        if not isinstance(content, list):
            self.faults.add(path, "wrong_type", gettext_noop("The value is a list."))
            return None
        found = [
            (f"{path}[{index}]", self._scalar(key, f"{path}[{index}]", Type.TEXT))
            for index, key in enumerate(content)
        ]
        return [(path_of_key, key) for path_of_key, key in found if isinstance(key, str)]

    def states(self, document: dict[str, Any], path: str, operator: str) -> list[str] | None:
        """The consent states in `value`; a list for `in` and `notIn`, else one."""
        if operator in ("in", "notIn"):
            keys = self.key_list(document, path)
        else:
            match self.test(document, path, operator, Type.TEXT):
                case Compare("=", str() as state):
                    keys = [(key_path(path, "value"), state)]
                case _:
                    keys = None
        for path_of_state, state in keys or ():
            if state not in words.CONSENT_STATES:
                message = gettext_noop("A consent is granted, withdrawn or unknown.")
                self.faults.add(path_of_state, "wrong_type", message)
        if keys is None:
            return None
        return [state for _, state in keys if state in words.CONSENT_STATES]

    def duration(self, content: Any, path: str, units: Sequence[Unit]) -> Duration | None:
        """A duration in one of `units`."""
        if not isinstance(content, dict):
            message = gettext_noop("A duration has an amount and a unit.")
            self.faults.add(path, "bad_duration", message)
            return None
        faults_before = len(self.faults.problems)
        for key in ("amount", "unit"):
            if key not in content or is_empty(content[key]):
                message = gettext_noop("A duration has an amount and a unit.")
                self.faults.add(key_path(path, key), "missing_value", message)
        amount, unit = content.get("amount"), content.get("unit")
        whole = _number(amount)
        is_whole = whole is not None and whole == whole.to_integral_value()
        if key_path(path, "amount") not in self.faults.paths and not (
            is_whole and whole is not None and 1 <= whole <= AMOUNT_LIMIT
        ):
            message = gettext_noop("The amount of a duration is a whole number, 1 to {limit}.")
            self.faults.add(key_path(path, "amount"), "bad_duration", message, limit=AMOUNT_LIMIT)
        if key_path(path, "unit") not in self.faults.paths and unit not in units:
            message = gettext_noop("The unit is one of: {units}.")
            listed = ", ".join(units)
            self.faults.add(key_path(path, "unit"), "bad_duration", message, units=listed)
        if len(self.faults.problems) > faults_before or whole is None:
            return None
        return Duration(int(whole), Unit(str(unit)))

    def _between(self, content: Any, path: str, kind: Kind) -> Test | None:
        if not isinstance(content, list) or len(content) != 2:
            self.faults.add(
                path, "wrong_type", gettext_noop("Give two values: the lowest and the highest.")
            )
            return None
        if kind == "property":
            # The first says what both are: two numbers or two times.
            kind = Type.NUMBER if _number(content[0]) is not None else Type.DATETIME
        low, high = (self._scalar(c, f"{path}[{i}]", kind) for i, c in enumerate(content))
        return None if low is None or high is None else Between(low, high)

    def _list(self, content: Any, path: str, kind: Kind) -> tuple[Scalar, ...] | None:
        if not isinstance(content, list):
            self.faults.add(path, "wrong_type", gettext_noop("The value is a list."))
            return None
        found = [self._scalar(c, f"{path}[{i}]", kind) for i, c in enumerate(content)]
        values = tuple(one for one in found if one is not None)
        return values if len(values) == len(content) else None

    def _ordered(self, content: Any, path: str) -> Scalar | None:
        """What a property is compared with by size: a number or a time."""
        kind = Type.DATETIME if isinstance(content, str) else Type.NUMBER
        return self._scalar(content, path, kind)

    def _scalar(self, content: Any, path: str, kind: Kind) -> Scalar | None:
        if path in self.faults.paths:
            return None
        if is_empty(content):
            self.faults.add(path, "missing_value", gettext_noop("Give a value."))
            return None
        found = self._read(content, kind)
        if found is None:
            self.faults.add(path, "wrong_type", _WANTED[kind])
        return found

    def _read(self, content: Any, kind: Kind) -> Scalar | None:
        match kind:
            case Type.TEXT | Type.LIST:
                return content if isinstance(content, str) else None
            case Type.NUMBER:
                return _number(content)
            case Type.BOOLEAN:
                return content if isinstance(content, bool) else None
            case Type.DATE | Type.DATETIME:
                at = read_iso(content) if isinstance(content, str) else None
                if at is None:
                    return None
                return to_date(at, self.zone) if kind is Type.DATE else to_instant(at, self.zone)
            case "property":
                return content if isinstance(content, str | bool) else _number(content)


_WANTED: dict[Kind, str] = {
    Type.TEXT: gettext_noop("The value is a text."),
    Type.LIST: gettext_noop("The value is a text."),
    Type.NUMBER: gettext_noop("The value is a number."),
    Type.BOOLEAN: gettext_noop("The value is true or false."),
    Type.DATE: gettext_noop("The value is a date, as in 2024-12-31."),
    Type.DATETIME: gettext_noop("The value is a date and time, as in 2024-12-31T23:59."),
    "property": gettext_noop("The value is a text, a number, true or false."),
}


def _number(content: Any) -> Decimal | None:
    """The exact decimal that a JSON number writes; None for anything else.

    A float is its shortest decimal. What PostgreSQL could not hold is no number.
    """
    if isinstance(content, bool) or not isinstance(content, int | float | Decimal):
        return None
    number = Decimal(repr(content)) if isinstance(content, float) else Decimal(content)
    if not number.is_finite():
        return None
    if not number:
        return Decimal(0)
    exponent = number.as_tuple().exponent
    fits = number.adjusted() < _DIGIT_LIMIT and int(exponent) > -_FRACTION_LIMIT
    return number if fits else None
