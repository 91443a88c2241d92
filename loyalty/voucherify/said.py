"""What a body says, by name and type: what is missing is empty, what is wrong is refused."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from integrations.messages import storable
from integrations.voucherify.entry import invalid

TEXT_LIMIT = 10_000
INTEGER_LIMIT = 2**53


def text(body: Mapping[str, Any], name: str, path: str = "") -> str:
    """A text, trimmed; empty where it is missing or null. Numbers are taken as they are written."""
    value = body.get(name)
    if value is None:
        return ""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = str(value)
    if (
        not isinstance(value, str)
        or len(value) > TEXT_LIMIT
        or storable(value, TEXT_LIMIT) != value
    ):
        raise invalid(_("“%(path)s” has to be a text.") % {"path": path or name})
    return value.strip()


def integer(body: Mapping[str, Any], name: str, path: str = "") -> int | None:
    """A whole number; none where it is missing or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and abs(int(value)) <= INTEGER_LIMIT:
        return int(value)
    message = _("“%(path)s” has to be a whole number; money is in cents: 25 dollars are 2500.")
    raise invalid(message % {"path": path or name})


def number(body: Mapping[str, Any], name: str, path: str = "") -> float | int | None:
    """A number; none where it is missing or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise invalid(_("“%(path)s” has to be a number.") % {"path": path or name})
    found = float(value)
    if not abs(found) <= INTEGER_LIMIT:
        raise invalid(_("“%(path)s” is too large.") % {"path": path or name})
    return int(found) if found.is_integer() else found


def flag(body: Mapping[str, Any], name: str) -> bool | None:
    """True or false; none where it is missing or null."""
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise invalid(_("“%(path)s” has to be true or false.") % {"path": name})


def mapping(body: Mapping[str, Any], name: str, path: str = "") -> dict[str, Any]:
    """An object; empty where it is missing or null."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise invalid(_("“%(path)s” has to be an object.") % {"path": path or name})
    return dict(value)


def listed(body: Mapping[str, Any], name: str, path: str = "") -> list[Any]:
    """A list; empty where it is missing or null."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(_("“%(path)s” has to be a list.") % {"path": path or name})
    return value


def instant(body: Mapping[str, Any], name: str) -> datetime | None:
    """A time in ISO 8601, of UTC where it says no zone; a date is its beginning."""
    value = text(body, name)
    if not value:
        return None
    try:
        found = parse_datetime(value)
        if found is None and (on := parse_date(value)) is not None:
            found = datetime(on.year, on.month, on.day, tzinfo=UTC)
        if found is not None:
            found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        found = None
    if found is None or not 1900 <= found.year <= 2999:
        message = _("“%(path)s” has to be a time as 2026-11-01T00:00:00Z.")
        raise invalid(message % {"path": name})
    return found
