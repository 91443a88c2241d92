"""The accounts behind connections: what they authorize with, and the way to speak to them."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from integrations.models import ConnectionWebsite, VendorConnection
from integrations.vendors import registry
from integrations.vendors.calls import VendorHttp
from integrations.vendors.registry import Vendor
from workspace import encryption


def seal_credentials(credentials: Mapping[str, str]) -> str:
    """Credentials as a connection keeps them."""
    return encryption.seal(json.dumps(dict(credentials)))


def credentials_of(connection: VendorConnection) -> dict[str, str]:
    """The credentials in clear, by field; none where access was revoked.

    Raises SecretUnreadable where the encryption key is gone.
    """
    sealed = connection.sealed_secret
    return dict(json.loads(encryption.unseal(sealed))) if sealed else {}


def secrets_in(vendor: Vendor, credentials: Mapping[str, str]) -> list[str]:
    """Those values of credentials that nobody may see."""
    secret = {one.name for one in vendor.credentials if one.is_secret}
    return [value for name, value in credentials.items() if name in secret and value]


def secrets_of(connection: VendorConnection) -> list[str]:
    """Those of a connection; none where they cannot be read."""
    vendor = registry.find_vendor(connection.kind)
    try:
        return secrets_in(vendor, credentials_of(connection)) if vendor else []
    except encryption.SecretUnreadable:
        return []


def account_of(connection: VendorConnection) -> str:
    """Whose account it is, as far as the vendor says; by its name and address where it does not."""
    named = connection.account_id or f"{connection.endpoint} {connection.account_name}"
    return f"{connection.kind} {named}"


def beside(connection: VendorConnection) -> list[VendorConnection]:
    """Other connections to the same account that share a website with it, by name."""
    attached = ConnectionWebsite.State.ATTACHED
    mine = connection.connection_websites.filter(state=attached).values("website_id")
    others = VendorConnection.objects.filter(
        kind=connection.kind,
        revoked_at__isnull=True,
        connection_websites__state=attached,
        connection_websites__website__in=mine,
    ).exclude(pk=connection.pk)
    account = account_of(connection)
    found = others.distinct().order_by("name")
    return [one for one in found if account_of(one) == account]


def http_of(
    connection: VendorConnection,
    vendor: Vendor,
    credentials: Mapping[str, str],
    *,
    now: Callable[[], datetime],
) -> VendorHttp:
    """What speaks to the account of a connection, at the address that the vendor told of it."""
    return VendorHttp(
        connection.endpoint or vendor.base_url(connection.settings),
        connection_id=connection.pk,
        secrets=secrets_in(vendor, credentials),
        now=now,
    )
