"""Changes the data fields of one contact, as journeys ask for it."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from integrations.connector import Http
from integrations.connectors.dotdigital.vendor import EMAIL, MOBILE, client_of
from integrations.errors import PermanentError


def update(
    http: Http,
    credentials: Mapping[str, str],
    settings: Mapping[str, Any],
    contact: Mapping[str, Any],
    fields: Mapping[str, Any],
) -> str:
    """Merge `fields` into the contact's; Dotdigital's id of it.

    The contact is looked for by the identifier that is set; it is not created where Dotdigital does
    not know it. Raises ThingMissing then, PermanentError where the contact has no such identifier,
    and what the client raises.
    """
    identifier = str(settings.get("identifier") or EMAIL)
    ours = {EMAIL: "email", MOBILE: "phone"}.get(identifier, "external_id")
    value = contact.get(ours)
    if not value:
        words = _("The contact has no %(name)s, by which Dotdigital would know it.")
        raise PermanentError(words % {"name": identifier})
    return str(client_of(http, credentials).change_contact(identifier, str(value), fields))
