"""How the cells of a column are read: by the server where they are plain, else by Python.

A cell that is `plain` means the same to the server's cast as to `read`. Every other one is read by
`read`, once for each different text, so that a file means what the API would understand. Blanks
around a cell do not count; an empty one says nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, assert_never
from zoneinfo import available_timezones

from django.conf import settings
from psycopg import sql

from contacts import attributes, consents, labels, values
from contacts.fields import WRITABLE
from contacts.identities import VALUE_LIMIT, normalize
from contacts.imports.columns import Column, Kind
from contacts.labels import Kind as LabelKind
from contacts.models import AttributeDefinition, Category, Tag
from contacts.values import Type, ValueRefused
from workspace.exactjson import exact_dumps

_LEAP = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_DATE = (
    "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    f"|02-(0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_OFFSET = "(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])"
# The first and the last centuries are left to Python: in another zone they may lie outside.
_PLAIN = {
    Type.NUMBER: r"^-?[0-9]{1,30}(\.[0-9]{1,30})?$",
    Type.BOOLEAN: f"^({'|'.join((*values.YES, *values.NO))})$",
    Type.DATE: f"^(?=[1-9]){_DATE}$",
    Type.DATETIME: f"^(?=[12]){_DATE}([T ]{_CLOCK}{_OFFSET}?)?$",
}
_PLAIN_SCORE = r"^-?[0-9]{1,10}(\.[0-9]{1,4})?$"
_PLAIN_EMAIL = r"^[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
_PLAIN_PHONE = r"^(?!00)\+?[0-9][0-9 ./()-]*[0-9]$"
_PLAIN_BARE_PHONE = r"^\+?[0-9]{3,20}$"
# Begins and ends with a visible character of ASCII.
_PLAIN_NAME = r"^[!-~](.*[!-~])?$"

# Makes an expression of SQL of the one for the cell.
Expression = Callable[[sql.Composable], sql.Composable]


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a column.

    `plain` says whether the server may read a cell itself (None: never); `typed` is the value of
    a text that is plain or came from `read`; `named` is the identity that a plain one names.
    """

    column: Column
    plain: Expression | None
    typed: Expression
    read: Callable[[str], str | None]
    named: Expression | None = None

    @property
    def namespace(self) -> str | None:
        """Of which identities the column is, if it is of any."""
        return self.column.target.namespace

    @property
    def value_column(self) -> str:
        """Where the value stands among the rows that are being merged."""
        return f"v{self.column.position}"

    @property
    def name_column(self) -> str:
        """Where the identity stands among the rows that are being merged."""
        return f"n{self.column.position}"

    @property
    def held_column(self) -> str:
        """Where it stands whether the contact that a row is about has the identity already."""
        return f"h{self.column.position}"

    def name(self, raw: str) -> str | None:
        """The identity that a cell names, if the column is one."""
        return None if self.namespace is None else normalize(self.namespace, raw)


def reading_of(column: Column, known: "Known") -> Reading:
    """How to read the cells of a column."""
    target = column.target
    match target.kind:
        case Kind.FIELD:
            return _field(column)
        case Kind.IDENTITY:
            plain = _both(_shorter(VALUE_LIMIT), _matches(_PLAIN_NAME))
            read = _reader(lambda text: normalize(target.key, text))
            return Reading(column, plain, _as_is, read, named=_as_is)
        case Kind.ATTRIBUTE:
            assert target.definition is not None
            return _attribute(column, target.definition)
        case Kind.TAGS | Kind.CATEGORIES:
            kind: LabelKind = "tag" if target.kind is Kind.TAGS else "category"
            return Reading(column, None, _cast("integer[]"), _reader(known.label_reader(kind)))
        case Kind.CONSENT:
            return Reading(column, None, _as_is, _reader(_read_consent))


class Known:
    """The tags and categories of the workspace, by key; two queries."""

    def __init__(self) -> None:
        self._ids: Mapping[LabelKind, Mapping[str, int]] = {
            "tag": dict(Tag.objects.values_list("key", "id")),
            "category": dict(Category.objects.values_list("key", "id")),
        }

    def label_reader(self, kind: LabelKind) -> Callable[[str], str | None]:
        """Reads a list of keys into an array of ids."""
        ids = self._ids[kind]

        def read(text: str) -> str | None:
            keys = values.read_list(text)
            if keys is None:
                return None
            for key in keys:
                if key not in ids:
                    raise ValueRefused(labels.unknown_sentence(kind, key))
            return "{" + ",".join(str(ids[key]) for key in keys) + "}"

        return read


def _reader(read: Callable[[str], Any]) -> Callable[[str], str | None]:
    """Blanks around the cell do not count, and what is found is written as text."""

    def read_cell(raw: str) -> str | None:
        text = raw.strip(" ")
        found = read(text) if text else None
        return None if found is None else _written(found)

    return read_cell


def _written(found: Any) -> str:
    match found:
        case bool():
            return "true" if found else "false"
        case str():
            return found
        case list():
            return exact_dumps(found)
    return str(found)


def _field(column: Column) -> Reading:
    field = WRITABLE[column.target.key]
    read = _reader(field.read)
    match field.name:
        case "email":
            plain = _both(_shorter(field.limit), _matches(_PLAIN_EMAIL))
            return Reading(column, plain, _as_is, read, named=_lowered)
        case "phone":
            plain = _both(_shorter(field.limit), _matches(_PLAIN_PHONE), _is_bare_phone)
            return Reading(column, plain, _as_is, read, named=_bare_phone)
        case "time_zone":
            return Reading(column, _one_of(sorted(available_timezones())), _as_is, read)
        case "lead_score":
            return Reading(column, _matches(_PLAIN_SCORE), _cast("numeric"), read)
    match field.type:
        case Type.DATE:
            return Reading(column, _matches(_PLAIN[Type.DATE]), _cast("date"), read)
        case Type.DATETIME:
            return Reading(column, _matches(_PLAIN[Type.DATETIME]), _instant, read)
        case _:
            return Reading(column, _text(field.limit), _as_is, read)


def _attribute(column: Column, definition: AttributeDefinition) -> Reading:
    read = _reader(lambda text: attributes.canonical(definition, text))
    type_ = Type(definition.type)
    match type_:
        case Type.TEXT if definition.choices:
            return Reading(column, _one_of(definition.choices), _json("text"), read)
        case Type.TEXT:
            return Reading(column, _text(values.TEXT_LIMIT), _json("text"), read)
        case Type.DATE:
            return Reading(column, _matches(_PLAIN[type_]), _json("text"), read)
        case Type.DATETIME:
            return Reading(column, _matches(_PLAIN[type_]), _instant_json, read)
        case Type.LIST:
            return Reading(column, None, _cast("jsonb"), read)
        case Type.NUMBER:
            return Reading(column, _matches(_PLAIN[type_]), _json("numeric"), read)
        case Type.BOOLEAN:
            return Reading(column, _matches(_PLAIN[type_]), _json("boolean"), read)
        case _:
            assert_never(type_)


def _read_consent(text: str) -> str | None:
    state = consents.read_state(text)
    # A file that was exported says so of everybody who was never asked.
    return None if state == consents.UNKNOWN else state


def _as_is(cell: sql.Composable) -> sql.Composable:
    return cell


def _matches(pattern: str) -> Expression:
    return lambda cell: sql.SQL("{} ~ {}").format(cell, sql.Literal(pattern))


def _shorter(limit: int) -> Expression:
    return lambda cell: sql.SQL("length({}) <= {}").format(cell, sql.Literal(limit))


def _text(limit: int) -> Expression:
    return lambda cell: sql.SQL("length({0}) <= {1} AND {0} = btrim({0})").format(
        cell, sql.Literal(limit)
    )


def _one_of(choices: Sequence[str]) -> Expression:
    return lambda cell: sql.SQL("{} = ANY({}::text[])").format(cell, sql.Literal(list(choices)))


def _both(*conditions: Expression) -> Expression:
    return lambda cell: sql.SQL(" AND ").join(condition(cell) for condition in conditions)


def _cast(type_: LiteralString) -> Expression:
    return lambda cell: sql.SQL("({})::{}").format(cell, sql.SQL(type_))


def _json(type_: LiteralString) -> Expression:
    return lambda cell: sql.SQL("to_jsonb(({})::{})").format(cell, sql.SQL(type_))


def _lowered(cell: sql.Composable) -> sql.Composable:
    return sql.SQL('lower({} COLLATE "C") COLLATE "default"').format(cell)


def _bare_phone(cell: sql.Composable) -> sql.Composable:
    return sql.SQL("translate({}, ' ./()-', '')").format(cell)


def _is_bare_phone(cell: sql.Composable) -> sql.Composable:
    return sql.SQL("{} ~ {}").format(_bare_phone(cell), sql.Literal(_PLAIN_BARE_PHONE))


def _instant(cell: sql.Composable) -> sql.Composable:
    return sql.SQL(
        "CASE WHEN {cell} ~ {offset} THEN {cell}::timestamptz"
        " ELSE {cell}::timestamp AT TIME ZONE {zone} END"
    ).format(
        cell=cell,
        offset=sql.Literal(r"(Z|[+-][0-9]{2}:?[0-9]{2})$"),
        zone=sql.Literal(settings.TIME_ZONE),
    )


def _instant_json(cell: sql.Composable) -> sql.Composable:
    return sql.SQL(
        "to_jsonb(to_char(({}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))"
    ).format(_instant(cell))
