"""Values by type: what somebody wrote is brought into its one canonical form, or refused.

Factory fields, custom attributes, metrics and the columns of files are all read here, so that the
same text means the same wherever it comes from.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, assert_never
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

# An index over values of an attribute holds about 2700 bytes, four for a character at worst.
TEXT_LIMIT = 600
LIST_LIMIT = 200
LIST_SEPARATOR = "|"
_DIGIT_LIMIT = 30

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"
    r"(?:(Z)|([+-])([0-9]{2}):?([0-9]{2}))?)?"
)
YES = ("true", "yes", "y", "t", "1")
NO = ("false", "no", "n", "f", "0")


class Type(StrEnum):
    """The types of values, named as in the definitions of attributes and metrics."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    LIST = "list"


class ValueRefused(Exception):
    """A value cannot be read as its type; the message says why."""


def read(type_: Type, value: Any, *, limit: int = TEXT_LIMIT, choices: Sequence[str] = ()) -> Any:
    """`value` as text, Decimal, bool, date, aware datetime (UTC) or list of texts.

    None where it is missing: null, an empty text or list. Raises ValueRefused.
    """
    if value is None or value in ("", []):
        return None
    match type_:
        case Type.TEXT:
            return _chosen(read_text(value, limit=limit), choices)
        case Type.NUMBER:
            return read_number(value)
        case Type.BOOLEAN:
            return read_boolean(value)
        case Type.DATE:
            return read_date(value)
        case Type.DATETIME:
            return read_datetime(value)
        case Type.LIST:
            return read_list(value, choices=choices)
        case _:
            assert_never(type_)


def read_text(value: Any, *, limit: int = TEXT_LIMIT) -> str:
    """A text that the database can hold. Numbers and truth values are written out."""
    match value:
        case bool():
            text = "true" if value else "false"
        case int() | Decimal() | float():
            text = str(value)
        case str():
            text = value
        case _:
            raise ValueRefused(_("It must be a text."))
    if "\0" in text:
        raise ValueRefused(_("A text cannot contain a NUL character."))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueRefused(_("The text contains half of a character.")) from None
    if len(text) > limit:
        raise ValueRefused(
            _("The text has %(found)d characters; %(limit)d are the most.")
            % {"found": len(text), "limit": limit}
        )
    return text


def read_number(value: Any) -> Decimal:
    """An exact decimal of at most 30 digits before and 30 after the point."""
    match value:
        case bool():
            raise ValueRefused(_("It must be a number, not true or false."))
        case int() | Decimal():
            number = Decimal(value)
        case float():
            number = Decimal(repr(value))
        case str() if _NUMBER.fullmatch(value.strip()):
            number = Decimal(value.strip())
        case str():
            raise ValueRefused(
                _("“%(value)s” is not a number: write it as 1234.56, without spaces or commas.")
                % {"value": _short(value)}
            )
        case _:
            raise ValueRefused(_("It must be a number."))
    if not number.is_finite():
        raise ValueRefused(_("It must be a finite number."))
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    if number and (number.adjusted() >= _DIGIT_LIMIT or exponent < -_DIGIT_LIMIT):
        raise ValueRefused(
            _("A number has at most %(limit)d digits before and after the point.")
            % {"limit": _DIGIT_LIMIT}
        )
    if not number:
        return Decimal(0)
    try:
        # Written out: 1E+3 is 1000.
        return Decimal(format(number, "f"))
    except InvalidOperation as error:  # pragma: no cover - excluded by the limits above
        raise ValueRefused(_("It must be a number.")) from error


def read_boolean(value: Any) -> bool:
    """True or false; also written as a word."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in YES:
            return True
        if word in NO:
            return False
        raise ValueRefused(
            _("“%(value)s” is neither true nor false: write true or false.")
            % {"value": _short(value)}
        )
    raise ValueRefused(_("It must be true or false."))


def read_date(value: Any) -> date:
    """A date; of an instant its date in the workspace's time zone."""
    if isinstance(value, str):
        value = _read_iso(value, _("“%(value)s” is not a date: write it as 2026-03-31."))
    if isinstance(value, datetime):
        try:
            return (value if value.tzinfo is None else value.astimezone(_zone())).date()
        except OverflowError:
            raise ValueRefused(_("The date is outside the calendar.")) from None
    if isinstance(value, date):
        return value
    raise ValueRefused(_("It must be a date, written as 2026-03-31."))


def read_datetime(value: Any) -> datetime:
    """An instant in UTC. Without an offset it is wall time in the workspace's time zone."""
    if isinstance(value, str):
        value = _read_iso(
            value, _("“%(value)s” is not a time: write it as 2026-03-31T18:30:00+02:00.")
        )
    if not isinstance(value, date):
        raise ValueRefused(_("It must be a time, written as 2026-03-31T18:30:00+02:00."))
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    try:
        if value.tzinfo is None:
            # Of two readings the one that PostgreSQL takes: the smaller offset.
            readings = [value.replace(tzinfo=_zone(), fold=fold) for fold in (0, 1)]
            value = min(readings, key=lambda reading: reading.utcoffset() or timedelta())
        found: datetime = value.astimezone(UTC)
    except OverflowError:
        raise ValueRefused(_("The time is outside the calendar.")) from None
    return found


def read_list(value: Any, *, choices: Sequence[str] = ()) -> list[str] | None:
    """Several texts, each once, in the order given; a text is split at `|`."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(LIST_SEPARATOR) if part.strip()]
    if not isinstance(value, list | tuple):
        raise ValueRefused(_("It must be a list of texts."))
    if len(value) > LIST_LIMIT:
        raise ValueRefused(
            _("The list has %(found)d entries; %(limit)d are the most.")
            % {"found": len(value), "limit": LIST_LIMIT}
        )
    found: dict[str, None] = {}
    for part in value:
        if not isinstance(part, str) or not part:
            raise ValueRefused(_("Each entry of the list must be a text, and not empty."))
        text = read_text(part)
        if LIST_SEPARATOR in text:
            raise ValueRefused(_("An entry of a list cannot contain “|”."))
        if choices and text not in choices:
            raise _not_a_choice(text, choices)
        found[text] = None
    return list(found) or None


def plain(number: Decimal) -> Decimal:
    """The same number without zeros at its end."""
    text = format(number, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def as_json(value: Any) -> Any:
    """A value that was read, as `Contact.attributes` keeps it."""
    match value:
        case datetime():
            return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        case date():
            return value.isoformat()
    return value


def _chosen(text: str, choices: Sequence[str]) -> str:
    if choices and text not in choices:
        raise _not_a_choice(text, choices)
    return text


def _not_a_choice(text: str, choices: Sequence[str]) -> ValueRefused:
    return ValueRefused(
        _("“%(value)s” is none of the choices: %(choices)s.")
        % {"value": _short(text), "choices": _short(", ".join(choices), 300)}
    )


def _read_iso(text: str, refusal: str) -> date | datetime:
    found = _ISO.fullmatch(text.strip())
    if found is None:
        raise ValueRefused(refusal % {"value": _short(text)})
    year, month, day, hour, minute, second, fraction, z, sign, off_hour, off_minute = found.groups()
    try:
        on = date(int(year), int(month), int(day))
        if hour is None:
            return on
        micros = int((fraction or "").ljust(6, "0"))
        at = datetime.combine(on, time(int(hour), int(minute), int(second or 0), micros))
        if z:
            return at.replace(tzinfo=UTC)
        if sign is None:
            return at
        offset = timedelta(hours=int(off_hour), minutes=int(off_minute))
        if int(off_minute) > 59:
            raise ValueError("minutes of an offset")
        return at.replace(tzinfo=timezone(-offset if sign == "-" else offset))
    except ValueError:
        raise ValueRefused(
            _("“%(value)s” does not exist in the calendar.") % {"value": _short(text)}
        ) from None


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
