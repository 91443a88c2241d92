"""From which address of the network somebody calls."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address

UNKNOWN = "unknown"
# Whoever has one IPv6 address has all of its network, so he counts as one.
_IPV6_PREFIX = 64


def address_of(request: HttpRequest) -> str:
    """The caller's IPv4 address, or the network of his IPv6 address ("2001:db8:0:1::/64").

    What stands in `X-Forwarded-For` counts as far as proxies of the setting TRUSTED_PROXIES wrote
    it: anybody can send the header. "unknown" where the server knows no address.
    """
    address = _read(request.META.get("REMOTE_ADDR", ""))
    if address is None:
        return UNKNOWN
    if _is_trusted(address):
        address = _forwarded(request) or address
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _IPV6_PREFIX), strict=False))
    return str(address)


def _forwarded(request: HttpRequest) -> Address | None:
    """The last address that no trusted proxy has; each proxy adds whom it heard, at the end."""
    found = None
    for text in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        address = _read(text)
        if address is None:
            break
        found = address
        if not _is_trusted(address):
            break
    return found


def _is_trusted(address: Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)


def _read(text: str) -> Address | None:
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
