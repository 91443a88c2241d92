"""Where the values of a contact are kept, and the expressions by which an index finds them."""

from datetime import date, datetime
from typing import assert_never

from .catalog import CONTACT_FIELDS
from .fragments import Fragment, sql, value
from .syntax import AttributeField, ContactField, Type


def column(field: ContactField, row: str) -> Fragment:
    """The column of a factory field in the contact `row`; it is named as the field is."""
    if CONTACT_FIELDS.get(field.name) != field:
        raise ValueError(f"No column for {field!r}.")
    return Fragment(f"{row}.{field.name}")


def attribute(field: AttributeField, row: str) -> Fragment:
    """The value of a custom attribute in the contact `row`, as the type it compares as.

    Dates and instants are kept as texts which sort as the times do. These are, letter by letter,
    the expressions of `attribute_index`.
    """
    key = value(field.key, "text")
    document = Fragment(f"{row}.attributes")
    match field.type:
        case Type.TEXT:
            return sql("({}->>{})", document, key)
        case Type.NUMBER:
            template = "(CASE WHEN jsonb_typeof({}->{}) = 'number' THEN ({}->{})::numeric END)"
            return sql(template, document, key, document, key)
        case Type.BOOLEAN | Type.LIST:
            return sql("({}->{})", document, key)
        case Type.DATE | Type.DATETIME:
            return sql('(({}->>{}) COLLATE "C")', document, key)
        case _:
            assert_never(field.type)


def attribute_expression(field: AttributeField) -> str:
    """The expression to index for an attribute, its key as a literal; for CREATE INDEX only."""
    found = attribute(field, "contacts_contact")
    text = found.text.replace("contacts_contact.", "")
    quoted = "'" + field.key.replace("'", "''") + "'"
    return text.replace("%s::text", quoted)


def attribute_index(field: AttributeField) -> str | None:
    """What follows the table in CREATE INDEX for an attribute; None where an index is no use."""
    match field.type:
        case Type.TEXT | Type.NUMBER | Type.DATE | Type.DATETIME:
            return f"USING btree (({attribute_expression(field)}))"
        case Type.LIST:
            return f"USING gin (({attribute_expression(field)}))"
        case Type.BOOLEAN:
            return None
        case _:
            assert_never(field.type)


def time_text(at: date) -> str:
    """A date or instant (UTC) as an attribute keeps it."""
    if isinstance(at, datetime):
        return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return at.isoformat()
