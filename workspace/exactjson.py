"""JSON with exact decimal numbers: 0.1 stays 0.1, however many digits it has."""

import json
from typing import Any

import simplejson


def exact_dumps(value: Any, *, indent: int | None = None) -> str:
    """`value` as JSON text; a Decimal becomes a JSON number with all its digits.

    With `indent` each part stands on a line of its own, for people.
    """
    return str(
        simplejson.dumps(
            value, use_decimal=True, ensure_ascii=False, allow_nan=False, indent=indent
        )
    )


def exact_loads(text: str | bytes) -> Any:
    """The value of JSON `text`, numbers with a fraction or exponent as Decimal.

    Raises ValueError for anything that is not JSON, NaN and Infinity included.
    """
    return simplejson.loads(text, use_decimal=True, allow_nan=False)


class ExactJSONEncoder(json.JSONEncoder):
    """For `JSONField(encoder=…)`."""

    def encode(self, o: Any) -> str:
        return exact_dumps(o)


class ExactJSONDecoder(json.JSONDecoder):
    """For `JSONField(decoder=…)`."""

    def decode(self, s: str, *_: Any) -> Any:
        return exact_loads(s)
