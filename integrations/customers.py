"""How what we send names a contact: as a customer, with its id, source_id, e-mail and name.

*Source:* spec, "Outgoing webhooks"; the words are those of promotion engines.
"""

import json
from collections.abc import Collection
from typing import Any

from workspace import sql

# An object of JSON over the contact `c`. `source_id` is the external id.
CUSTOMER = """
jsonb_build_object('id', c.id,
  'source_id', (SELECT i.value FROM contacts_identity i WHERE i.contact_id = c.id
    AND i.namespace = 'user_id' ORDER BY i.created_at, i.value LIMIT 1),
  'email', nullif(c.email, ''),
  'name', nullif(btrim(c.first_name || ' ' || c.last_name), ''))
"""


def customers(contact_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """The contacts of these ids as customers, by id, in one query."""
    statement = f"SELECT c.id, {CUSTOMER}::text FROM contacts_contact c WHERE c.id = ANY(%s)"  # noqa: S608  our own text
    return {pk: json.loads(text) for pk, text in sql.lists(statement, [list(contact_ids)])}
