"""The dictionary of page addresses: short texts that many events share, kept once.

Tests on addresses ask the dictionary, whose trigram index answers at once, instead of reading the
properties of every event. An address that is not in it is read from its event: slower, never wrong.
"""

from collections.abc import Collection, Mapping
from typing import Any

from django.db import connection

TEXT_LIMIT = 200
# Addresses with a number for every order or visitor would fill it without end.
DICTIONARY_LIMIT = 1_000_000

# What `Event.url_id` says of an event without an address.
WITHOUT = 0


def listable(url: Any) -> bool:
    """Whether the dictionary takes this value: a short text without a query string."""
    return isinstance(url, str) and 0 < len(url) <= TEXT_LIMIT and "?" not in url


def is_missing(properties: Mapping[str, Any]) -> bool:
    """Whether criteria find no address: absent, null, empty, an object or a list."""
    url = properties.get("url")
    return url is None or url == "" or isinstance(url, Mapping | list | tuple)


def list_urls(urls: Collection[str]) -> dict[str, int]:
    """The ids of these texts, new ones taken into the dictionary while it has room.

    Safe to call from many transactions at once: new texts are taken in their order, so that
    nobody waits for each other in a circle.
    """
    if not urls:
        return {}
    known = _find(urls)
    missing = sorted(set(urls) - known.keys())
    if not missing:
        return known
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts_url (url) SELECT unnest(%s::text[])"
            " WHERE coalesce((SELECT max(id) FROM contacts_url), 0) + %s <= %s"
            " ON CONFLICT (url) DO NOTHING RETURNING url, id",
            [missing, len(missing), DICTIONARY_LIMIT],
        )
        known.update(cursor.fetchall())
    still_missing = [url for url in missing if url not in known]
    # Somebody else has just taken them, or the dictionary is full.
    return known | _find(still_missing) if still_missing else known


def _find(urls: Collection[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT url, id FROM contacts_url WHERE url = ANY(%s)", [list(urls)])
        return dict(cursor.fetchall())
