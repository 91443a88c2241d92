"""Tests of one value in SQL. NULL where the value is missing, unless it says otherwise."""

from datetime import date, datetime
from decimal import Decimal

from .fragments import Fragment, any_of, sql, value
from .moving import Edge, moving_test
from .plan import EventTest
from .spans import Anniversaries, Moving, Resolved, Span
from .storage import attribute, column, time_text
from .syntax import (
    AttributeField,
    Between,
    Compare,
    ContactField,
    EachOf,
    InLast,
    Matches,
    OccurredAt,
    OneOf,
    Present,
    Property,
    Scalar,
    Type,
)

_COMPARED = {"=": "{} = {}", "<": "{} < {}", "<=": "{} <= {}", ">": "{} > {}", ">=": "{} >= {}"}
_NEVER_MISSING = ("lead_score", "created_at", "updated_at")


def column_test(
    field: ContactField | AttributeField, test: Resolved, *, row: str, negated: bool
) -> Fragment:
    """A test of the contact `row`; true or false where `negated`, else perhaps NULL."""
    if isinstance(field, AttributeField):
        positive = attribute_test(field, test, attribute(field, row))
        return complemented(positive, negated=negated)
    found = column(field, row)
    if field.type is Type.TEXT:
        # Never NULL: '' is missing, and no test of ours but “not null” has '' in it.
        positive = sql("{} <> ''", found) if isinstance(test, Present) else text_test(found, test)
        return sql("NOT ({})", positive) if negated else positive
    positive = typed_test(found, test, field.type)
    if negated and field.name in _NEVER_MISSING:
        return sql("NOT ({})", positive)
    return complemented(positive, negated=negated)


def complemented(positive: Fragment, *, negated: bool) -> Fragment:
    """`positive`, or what is true exactly where it is false or NULL."""
    return sql("({}) IS NOT TRUE", positive) if negated else positive


def typed_test(found: Fragment, test: Resolved, type_: Type) -> Fragment:
    """A test of a value that PostgreSQL has as the type it compares as; text '' is missing."""
    if isinstance(test, Present):
        template = "{} <> ''" if type_ is Type.TEXT else "{} IS NOT NULL"
        return sql(template, found)
    match type_:
        case Type.TEXT:
            return text_test(found, test)
        case Type.NUMBER:
            return number_test(found, test)
        case Type.BOOLEAN if isinstance(test, Compare) and isinstance(test.value, bool):
            return sql("{} = {}", found, value(test.value, "boolean"))
        case Type.DATE | Type.DATETIME:
            return time_test(found, test)
    raise ValueError(f"No test of a {type_}: {test!r}")


def text_test(found: Fragment, test: Resolved) -> Fragment:
    """A test of a text. Letters are lower-cased by the server, on both sides by the same table."""
    match test:
        case Compare("=", str() as wanted):
            return sql("{} = {}", found, value(wanted, "text"))
        case OneOf(values):
            return sql("{} = ANY({})", found, value(_texts(values), "text[]"))
        case Matches(how, text):
            wanted_text = sql("lower({})", value(text, "text"))
            lowered = sql("lower({})", found)
            if how == "contains":
                return sql("strpos({}, {}) > 0", lowered, wanted_text)
            if how == "beginsWith":
                return sql("starts_with({}, {})", lowered, wanted_text)
            return sql("right({}, length({})) = {}", lowered, wanted_text, wanted_text)
    raise ValueError(f"No test of a text: {test!r}")


def number_test(found: Fragment, test: Resolved) -> Fragment:
    """A test of a numeric."""
    match test:
        case Compare(operator, wanted):
            return sql(_COMPARED[operator], found, _number(wanted))
        case OneOf(values):
            numbers = [number for number in values if isinstance(number, Decimal)]
            return sql("{} = ANY({})", found, value(numbers, "numeric[]"))
        case Between(low, high):
            return sql("{} BETWEEN {} AND {}", found, _number(low), _number(high))
    raise ValueError(f"No test of a number: {test!r}")


def time_test(found: Fragment, test: Resolved, *, as_text: bool = False) -> Fragment:
    """A test of a date or instant; `as_text` where it is kept as the text of `time_text`."""
    match test:
        case Span(None, None):
            return sql("{} IS NOT NULL", found)
        case Span(low, None) if low is not None:
            return sql("{} >= {}", found, _time(low, as_text))
        case Span(None, high) if high is not None:
            return sql("{} <= {}", found, _time(high, as_text))
        case Span(low, high) if low is not None and high is not None:
            return sql("{} BETWEEN {} AND {}", found, _time(low, as_text), _time(high, as_text))
        case Moving() as window:
            return moving_test(found, window, as_text=as_text)
        case Anniversaries(days):
            template = "substr({}, 6) = ANY({})" if as_text else "to_char({}, 'MM-DD') = ANY({})"
            return sql(template, found, value(list(days), "text[]"))
    raise ValueError(f"No test of a time: {test!r}")


def event_test(found: EventTest, *, row: str, zone: str) -> Fragment:
    """A test of the event `row`; true or false where negated, else perhaps NULL."""
    if isinstance(found.field, OccurredAt):
        positive = _occurred_test(Fragment(f"{row}.occurred_at"), found.test)
        return sql("NOT ({})", positive) if found.negated else positive
    positive = property_test(found.field, found.test, row=row, zone=zone)
    return complemented(positive, negated=found.negated)


def _occurred_test(found: Fragment, test: Resolved) -> Fragment:
    """The test of when an event was, of those up to now."""
    match test:
        case Moving(InLast()) as window:
            return sql("{} >= {}", found, value(Edge(window, True, "timestamptz"), "timestamptz"))
    return time_test(found, test)


def property_test(field: Property, test: Resolved, *, row: str, zone: str) -> Fragment:
    """A test of a property of the event `row`, read as the type that the test compares."""
    found = json_of(field, row=row)
    match test:
        case Present():
            return sql("{} <> ''", json_of(field, row=row, as_text=True))
        case Compare("=", str() as wanted):
            # An object or list could have that text and is missing here; rarely worth a look.
            return sql(
                "({} = {} AND jsonb_typeof({}) NOT IN ('object', 'array'))",
                json_of(field, row=row, as_text=True),
                value(wanted, "text"),
                found,
            )
        case Compare("=", bool() as flag):
            return sql("{} = to_jsonb({})", found, value(flag, "boolean"))
        case OneOf(values):
            return _one_of(field, values, row=row, zone=zone)
        case Matches():
            return text_test(sql("segments_text({})", found), test)
        case Compare() | Between():
            return number_test(number_of(field, row=row), test)
        case _:
            return time_test(sql("segments_instant({}, {})", found, value(zone, "text")), test)


def json_of(field: Property, *, row: str, as_text: bool = False) -> Fragment:
    """A property as JSON. The arrow with a text walks objects only, never into a list."""
    found = Fragment(f"{row}.properties")
    for index, key in enumerate(field.way, 1):
        is_last = index == len(field.way)
        found = sql("{}->>{}" if is_last and as_text else "{}->{}", found, value(key, "text"))
    return sql("({})", found)


def number_of(field: Property, *, row: str) -> Fragment:
    """A property as a number; that of `amount` is kept in a column, by the same rule."""
    if field.way == ("amount",):
        return Fragment(f"{row}.amount")
    return sql("segments_number({})", json_of(field, row=row))


def _one_of(field: Property, values: tuple[Scalar, ...], *, row: str, zone: str) -> Fragment:
    texts = _texts(values)
    numbers = tuple(one for one in values if isinstance(one, Decimal))
    flags = {one for one in values if isinstance(one, bool)}
    parts: list[Fragment] = []
    if texts:
        found = sql("segments_text({})", json_of(field, row=row))
        parts.append(text_test(found, OneOf(tuple(texts))))
    if numbers:
        parts.append(number_test(number_of(field, row=row), OneOf(numbers)))
    parts += [
        property_test(field, Compare("=", flag), row=row, zone=zone) for flag in sorted(flags)
    ]
    return any_of(parts)


def attribute_test(field: AttributeField, test: Resolved, found: Fragment) -> Fragment:
    """A test of an attribute, `found` as `attribute` reads it; perhaps NULL."""
    match field.type, test:
        case Type.LIST, Present():
            return sql("({} <> '[]' AND jsonb_typeof({}) = 'array')", found, found)
        case Type.LIST, OneOf(values):
            return sql("{} ?| {}", found, value(_texts(values), "text[]"))
        case Type.LIST, EachOf(texts):
            return sql("{} ?& {}", found, value(list(texts), "text[]"))
        case Type.BOOLEAN, Present():
            return sql("jsonb_typeof({}) = 'boolean'", found)
        case Type.BOOLEAN, Compare("=", bool() as flag):
            return sql("{} = to_jsonb({})", found, value(flag, "boolean"))
        case ((Type.DATE | Type.DATETIME), Present()):
            return sql("{} <> ''", found)
        case ((Type.DATE | Type.DATETIME), _):
            return time_test(found, test, as_text=True)
    return typed_test(found, test, field.type)


def _texts(values: tuple[Scalar, ...]) -> list[str]:
    return [text for text in values if isinstance(text, str)]


def _number(number: Scalar) -> Fragment:
    if not isinstance(number, Decimal):
        raise TypeError(f"Not a number: {number!r}")
    return value(number, "numeric")


def _time(at: date, as_text: bool) -> Fragment:
    if as_text:
        return value(time_text(at), "text")
    return value(at, "timestamptz" if isinstance(at, datetime) else "date")
