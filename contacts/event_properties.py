"""The properties of events: which can be stored, and what is seen in them."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from workspace.errors import InputInvalid
from workspace.exactjson import exact_dumps

SIZE_LIMIT = 32 * 1024
DIGIT_LIMIT = 1000
DEPTH_LIMIT = 50
# A definition's schema describes so many properties, with names of at most so many characters.
SCHEMA_LIMIT = 200
SCHEMA_NAME_LIMIT = 100
_SCHEMA_DEPTH = 3

# A text that writes a number.
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
# Texts that may hold what the database refuses; only then is every value looked at.
_SUSPECT = re.compile(rf"\\u0000|[0-9]{{{DIGIT_LIMIT // 2}}}|[0-9][eE][+-]?[0-9]{{3}}|NaN|Inf")


class PropertiesInvalid(InputInvalid):
    """These properties cannot be stored; `code` says which rule they break."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def properties_text(properties: Any) -> str:
    """`properties` as the JSON text to store; raises PropertiesInvalid."""
    if not isinstance(properties, Mapping):
        raise PropertiesInvalid("properties_not_object", _("The properties are no object."))
    try:
        text = exact_dumps(properties)
        size = len(text.encode())
    except UnicodeEncodeError as error:
        message = _("The properties contain half a character (a lone surrogate).")
        raise PropertiesInvalid("properties_invalid", message) from error
    except RecursionError as error:
        raise _too_deep() from error
    except (TypeError, ValueError) as error:
        # A number too long for Python to print, perhaps.
        _check(properties, DEPTH_LIMIT)
        message = _("The properties are no JSON: %(reason)s.") % {"reason": error}
        raise PropertiesInvalid("properties_invalid", message) from error
    if size > SIZE_LIMIT:
        words = {"size": size, "limit": SIZE_LIMIT}
        raise PropertiesInvalid(
            "properties_too_large",
            _("The properties have %(size)d bytes; %(limit)d are allowed.") % words,
        )
    if _SUSPECT.search(text) or text.count("[") + text.count("{") > DEPTH_LIMIT:
        _check(properties, DEPTH_LIMIT)
    return text


def _check(value: Any, depth: int) -> None:
    if depth < 0:
        raise _too_deep()
    match value:
        case str():
            if "\0" in value:
                message = _("The properties contain a NUL character.")
                raise PropertiesInvalid("nul_character", message)
        case int() | float() | Decimal():
            if _digit_count(value) > DIGIT_LIMIT:
                words = {"limit": DIGIT_LIMIT}
                raise PropertiesInvalid(
                    "number_too_long",
                    _("The properties contain a number of more than %(limit)d digits.") % words,
                )
        case Mapping():
            for key, part in value.items():
                _check(str(key), depth)
                _check(part, depth - 1)
        case list() | tuple():
            for part in value:
                _check(part, depth - 1)


def _digit_count(value: int | float | Decimal) -> int:
    """How many digits it has when it is written out."""
    if isinstance(value, int):
        # Not by its text: Python refuses to print the longest.
        return value.bit_length() * 301 // 1000
    number = Decimal(repr(value)) if isinstance(value, float) else value
    if not number.is_finite():
        message = _("The properties contain something that is no number.")
        raise PropertiesInvalid("properties_invalid", message)
    _sign, digits, exponent = number.as_tuple()
    exponent = int(exponent)
    return len(digits) + exponent if exponent >= 0 else max(len(digits), 1 - exponent)


def _too_deep() -> PropertiesInvalid:
    words = {"limit": DEPTH_LIMIT}
    return PropertiesInvalid(
        "properties_too_deep",
        _("The properties are nested deeper than %(limit)d levels.") % words,
    )


def number_at(properties: Any, way: str) -> Decimal | None:
    """The number by the way of a property ("total.gross"), also where a text writes one.

    None where there is no number; as `contacts.orders` reads amounts.
    """
    for step in way.split("."):
        if not isinstance(properties, Mapping):
            return None
        properties = properties.get(step)
    if isinstance(properties, bool) or not isinstance(properties, int | float | Decimal | str):
        return None
    text = str(properties)
    if isinstance(properties, str) and (len(text) > DIGIT_LIMIT or not _NUMBER.fullmatch(text)):
        return None
    return Decimal(text)


def described(
    properties: Mapping[str, Any], depth: int = _SCHEMA_DEPTH
) -> Iterator[tuple[str, str]]:
    """What is seen: the name of each property, as criteria write it, with its JSON type.

    Nothing is seen in a null, in an empty text, and inside a list.
    """
    for key, value in properties.items():
        kind = _TYPES.get(type(value)) or _kind(value)
        if kind != "missing":
            yield key, kind
        if kind == "object" and depth > 1:
            for name, inner in described(value, depth - 1):
                yield f"{key}.{name}", inner


_TYPES = {int: "number", float: "number", Decimal: "number", bool: "boolean", list: "list"}


def _kind(value: Any) -> str:
    if value is None or value == "":
        return "missing"
    if isinstance(value, str):
        return "text"
    return "object" if isinstance(value, Mapping) else "list"
