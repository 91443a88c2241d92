"""Customers: which contact is meant, what is said of it, and how Voucherify's clients see it.

*Source:* Voucherify, "Customer object" and "Create customer".
"""

from collections.abc import Collection, Mapping
from typing import Any

from contacts.errors import ContactUnknown
from contacts.identities import USER_ID, find_contact_id
from contacts.profiles import describe_contacts, get_contact
from integrations.messages import storable
from integrations.voucherify import ids
from integrations.voucherify.answers import day, instant

# What stands beside `metadata` in a customer: each goes where the trait of its name goes.
_SAID = ("name", "email", "phone", "birthdate", "birthday", "address", "description")
_RESERVED = frozenset({*_SAID, "id", "object", "source_id", "metadata", "created_at", "updated_at"})
# Parts of an address for which contacts have no column: attributes made of the trait's name.
_LINES = ("line_1", "line_2", "state")


def id_of(contact_id: int) -> str:
    """What a contact is called here."""
    return f"cust_{contact_id}"


def find_customer(reference: str) -> int | None:
    """The contact of a `cust_…` id or else of a source_id; of a merged one the survivor."""
    if storable(reference, len(reference)) != reference:
        return None
    contact_id = ids.read("cust", reference)
    if contact_id is None:
        contact_id = find_contact_id(USER_ID, reference)
    if contact_id is None:
        return None
    try:
        return get_contact(contact_id).pk
    except ContactUnknown:
        return None


def text_of(value: Any) -> str:
    """An id as text; empty where it is missing or none."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def traits_of(customer: Mapping[str, Any]) -> dict[str, Any]:
    """What a customer's body says of the person, as traits of an identify.

    Metadata are traits of their own names, unless a field of the customer has the name.
    """
    metadata = customer.get("metadata")
    traits: dict[str, Any] = {}
    if isinstance(metadata, Mapping):
        aside = {key: value for key, value in metadata.items() if key in _RESERVED}
        traits = {key: value for key, value in metadata.items() if key not in _RESERVED}
        if aside:
            traits["metadata"] = aside
    said = {name: customer[name] for name in _SAID if customer.get(name) not in (None, "", {})}
    if "birthdate" in said:
        said.pop("birthday", None)
    return {**traits, **said}


def describe_customer(contact_id: int) -> dict[str, Any]:
    """A contact as a customer object; what we do not know of it is null or left out."""
    return describe_customers([contact_id])[contact_id]


def describe_customers(contact_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Contacts as customer objects, by id, in a constant number of queries."""
    wanted = list(dict.fromkeys(contact_ids))
    return {one["id"]: _describe(one) for one in describe_contacts(wanted)}


def _describe(contact: Mapping[str, Any]) -> dict[str, Any]:
    attributes = dict(contact["attributes"])
    lines = {name: attributes.pop(f"address_{name}", None) for name in _LINES}
    description = attributes.pop("description", None)
    name = f"{contact['first_name']} {contact['last_name']}".strip()
    return {
        "id": id_of(contact["id"]),
        "source_id": contact["external_id"],
        "name": name or None,
        "description": _text(description),
        "email": contact["email"] or None,
        "phone": contact["phone"] or None,
        "birthdate": day(contact["birth_date"]),
        "address": {
            "city": contact["city"] or None,
            "postal_code": contact["postal_code"] or None,
            "country": contact["country"] or None,
            **{name: _text(value) for name, value in lines.items()},
        },
        "metadata": attributes,
        "created_at": instant(contact["created_at"]),
        "updated_at": instant(contact["updated_at"]),
        "object": "customer",
    }


def _text(value: Any) -> str | None:
    """An attribute where the clients expect a text; others have given it another type."""
    return None if value is None else str(value)
