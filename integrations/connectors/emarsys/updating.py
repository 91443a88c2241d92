"""Changes the fields of one contact, as journeys ask for it."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from integrations.connector import Http
from integrations.connectors.emarsys.payloads import EMAIL_FIELD
from integrations.connectors.emarsys.vendor import client_of, key_field_of
from integrations.errors import PermanentError


def update(
    http: Http,
    credentials: Mapping[str, str],
    settings: Mapping[str, Any],
    contact: Mapping[str, Any],
    fields: Mapping[str, Any],
) -> str:
    """Set `fields` of the contact, by their numbers or names; Emarsys's number of the contact.

    The contact is looked for by the field that is set, and not created where Emarsys does not know
    it: that, and a field that it does not know, is a PermanentError.
    """
    key_field = key_field_of(settings)
    value = contact.get("email" if key_field == EMAIL_FIELD else "external_id")
    if not value:
        words = _("The contact has neither the address nor the id by which Emarsys would know it.")
        raise PermanentError(words)
    client = client_of(http, credentials, settings)
    numbers: Mapping[str, str] = {}
    if any(not name.isdecimal() for name in fields):
        numbers = {name.casefold(): number for number, name in client.field_names().items()}
    wanted = {}
    for name, text in fields.items():
        number = name if name.isdecimal() else numbers.get(name.casefold())
        if number is None:
            words = _("Emarsys has no field “%(name)s”.")
            raise PermanentError(words % {"name": name[:60]})
        wanted[number] = text
    return client.change_contact(key_field, str(value), wanted)
