"""The factory fields of a contact, written once: name, type, label, and how a value is read.

The API, the screens, files and criteria name them alike.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts import values
from contacts.values import Type, ValueRefused

# Both are read by Python and by PostgreSQL: only what means the same to both.
EMAIL_PATTERN = (
    r"[^\u0001-\u0020\u007f\u00a0@,;<>()\u0022]+@"
    r"[^\u0001-\u0020\u007f\u00a0@,;<>()\u0022.]+(\.[^\u0001-\u0020\u007f\u00a0@,;<>()\u0022.]+)+"
)
PHONE_PATTERN = r"\+?[0-9]{3,20}"
_EMAIL = re.compile(EMAIL_PATTERN)
_PHONE = re.compile(PHONE_PATTERN)
_PHONE_SEPARATORS = re.compile(r"[ \u00a0./()-]")
_SCORE_LIMIT = Decimal(10) ** 10


@dataclass(frozen=True, slots=True)
class Field:
    """A factory field. `missing` is what the column holds where there is no value."""

    name: str
    type: Type
    label: str | Promise
    limit: int = 200
    is_writable: bool = True
    missing: Any = ""
    check: Callable[[Any], Any] | None = None

    def read(self, value: Any) -> Any:
        """`value` as the column keeps it. Raises ValueRefused."""
        found = values.read(self.type, value, limit=self.limit)
        if found is None:
            return self.missing
        return found if self.check is None else self.check(found)


def read_email(text: str) -> str:
    """An address as it was written, without surrounding blanks. Raises ValueRefused."""
    text = text.strip()
    if not _EMAIL.fullmatch(text):
        raise ValueRefused(_("“%(value)s” is not an e-mail address.") % {"value": text[:60]})
    return text


def read_phone(text: str) -> str:
    """A number as it was written, without surrounding blanks. Raises ValueRefused."""
    text = text.strip()
    if not _PHONE.fullmatch(bare_phone(text)):
        raise ValueRefused(
            _("“%(value)s” is not a phone number: write it as +48 601 234 567.")
            % {"value": text[:60]}
        )
    return text


def bare_phone(text: str) -> str:
    """The number without separators; the prefix 00 of international calls is written as +."""
    bare = _PHONE_SEPARATORS.sub("", text)
    return f"+{bare[2:]}" if bare.startswith("00") else bare


def _read_time_zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueRefused(
            _("“%(value)s” is not a time zone: write it as Europe/Warsaw.") % {"value": text[:60]}
        )
    return text


def _read_score(number: Decimal) -> Decimal:
    if abs(number) >= _SCORE_LIMIT or number != number.quantize(Decimal("0.0001")):
        raise ValueRefused(_("A lead score has up to 10 digits, and 4 after the point."))
    return number


def _read_instant(at: datetime) -> datetime:
    if at.year < 1000:
        raise ValueRefused(_("The year is not believable."))
    return at


_ALL = (
    Field("email", Type.TEXT, gettext_lazy("E-mail"), 254, check=read_email),
    Field("phone", Type.TEXT, gettext_lazy("Phone"), 60, check=read_phone),
    Field("first_name", Type.TEXT, gettext_lazy("First name")),
    Field("last_name", Type.TEXT, gettext_lazy("Last name")),
    Field("gender", Type.TEXT, gettext_lazy("Gender"), 40),
    Field("country", Type.TEXT, gettext_lazy("Country"), 100),
    Field("city", Type.TEXT, gettext_lazy("City")),
    Field("postal_code", Type.TEXT, gettext_lazy("Postal code"), 40),
    Field("language", Type.TEXT, gettext_lazy("Language"), 40),
    Field("time_zone", Type.TEXT, gettext_lazy("Time zone"), 64, check=_read_time_zone),
    Field("birth_date", Type.DATE, gettext_lazy("Birth date"), missing=None),
    Field(
        "lead_score",
        Type.NUMBER,
        gettext_lazy("Lead score"),
        missing=Decimal(0),
        check=_read_score,
    ),
    Field("created_at", Type.DATETIME, gettext_lazy("Created"), missing=None, check=_read_instant),
    Field("updated_at", Type.DATETIME, gettext_lazy("Updated"), is_writable=False, missing=None),
    Field(
        "last_seen_at", Type.DATETIME, gettext_lazy("Last seen"), is_writable=False, missing=None
    ),
)
FIELDS: Mapping[str, Field] = {field.name: field for field in _ALL}
WRITABLE: Mapping[str, Field] = {name: field for name, field in FIELDS.items() if field.is_writable}
