"""Addresses that other rooms call: a connection for each, made when it is called first.

They are no webhooks: nobody sets them up, they hear of nothing by themselves and are not signed.
"""

import hashlib
from urllib.parse import urlsplit

from integrations import outbound
from integrations.errors import AddressRefused
from integrations.models import Connection


def connection_to(url: str) -> Connection:
    """The connection by which an address is called. Safe to ask from many transactions at once.

    Raises AddressRefused for what is no address that we call.
    """
    problem = outbound.check_url(url)
    if problem is not None:
        raise AddressRefused(problem.message)
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    found, _is_new = Connection.objects.get_or_create(
        kind=Connection.Kind.ADDRESS,
        name=f"{(urlsplit(url).hostname or '')[:100]} {digest}",
        defaults={"settings": {"url": url}},
    )
    return found
