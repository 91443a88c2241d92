"""Which addresses of the network we call on somebody's behalf: those of the internet only. Pure.

Whoever may name an address for us to call could otherwise reach what only our servers can: other
machines of the same network, their administration, the cloud's metadata. Networks that are named
in OUTBOUND_ALLOW are allowed all the same.
"""

import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Translated to IPv4 on the way. *Source:* RFC 6052.
_NAT64 = IPv6Network("64:ff9b::/96")


def is_allowed(address: Address, networks: Iterable[Network]) -> bool:
    """Whether we call it: it is of the internet, also what stands in it, or of these networks."""
    allowed = list(networks)
    return all(
        _is_public(one) or any(one in network for network in allowed)
        for one in _meant(_unscoped(address))
    )


def literal_address(host: str) -> Address | None:
    """The address that a host is written as, in any form that the system takes; None for a name.

    So 127.1, 0x7f000001 and 2130706433 are 127.0.0.1.
    """
    bare = host.strip("[]")
    try:
        return ip_address(bare)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(bare))
    except (OSError, UnicodeError):
        return None


def read_networks(texts: Iterable[object]) -> list[Network]:
    """The networks that are written so. Raises ValueError."""
    return [ip_network(str(text)) for text in texts]


def _meant(address: Address) -> Iterator[Address]:
    """The address that in the end is reached: the one inside of an IPv6 address, if any."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield IPv4Address(address.packed[12:])
    elif address.sixtofour is not None:
        yield from (address.sixtofour, address)
    else:
        yield address


def _unscoped(address: Address) -> Address:
    """Without the interface (fe80::1%eth0), which no network contains."""
    is_scoped = isinstance(address, IPv6Address) and address.scope_id
    return IPv6Address(address.packed) if is_scoped else address


def _is_public(address: Address) -> bool:
    is_site_local = isinstance(address, IPv6Address) and address.is_site_local
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not is_site_local
    )
