"""Custom attributes: values are brought into the canonical form of their type, or refused."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from contacts import values
from contacts.models import AttributeDefinition
from contacts.values import Type


def canonical(definition: AttributeDefinition, value: Any) -> Any:
    """`value` as `Contact.attributes` keeps it; None where it is missing. Raises ValueRefused."""
    found = values.read(Type(definition.type), value, choices=definition.choices)
    return values.as_json(found)


def definitions_of(keys: Iterable[str]) -> dict[str, AttributeDefinition]:
    """Those of the attributes that exist, by key."""
    return {found.key: found for found in AttributeDefinition.objects.filter(key__in=list(keys))}


def unknown_sentence(key: str) -> str:
    """Says that there is no such attribute."""
    return _("There is no attribute “%(key)s”: define it first.") % {"key": key[:63]}
