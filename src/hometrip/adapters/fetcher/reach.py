"""Which addresses of the network may be reached: the public ones, and none that leads back inside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from yarl import URL

from hometrip.ports.fetcher import FetchRefused

Address = IPv4Address | IPv6Address

# IANA's registries of special-purpose addresses (RFC 6890 and what was added since), written out: what the
# standard library calls global differs from one Python to the next. The last two lines are public addresses
# at which clouds answer their own machines, and nobody else.
_INSIDE_4 = tuple(
    ip_network(net)
    for net in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",
        "147.75.207.207/32",
    )
)  # fmt: skip
# Of IPv6 only what is given out to the world: none of ::1, ::ffff:0:0/96, 64:ff9b::/96, fc00::/7, fe80::/10.
_WORLD_6 = ip_network("2000::/3")
# Within it: protocols' own (Teredo, ORCHID, benchmarks), 6to4, which wraps an IPv4 address, and examples.
_INSIDE_6 = tuple(
    ip_network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


def is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in net for net in _INSIDE_4)
    if address.scope_id is not None or not address.is_global or address not in _WORLD_6:
        return False
    return not any(address in net for net in _INSIDE_6)


@dataclass(frozen=True)
class Reach:
    """How far a fetcher may go: public addresses, and those named besides; `ports` None allows every port."""

    besides: frozenset[Address] = frozenset()
    ports: frozenset[int] | None = frozenset({80, 443})

    def allows(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return found in self.besides or is_public(found)


PUBLIC = Reach()

_UNWRITTEN = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_CREDENTIALS = re.compile(r"[^/?#]*//[^/?#]*@")
# A host that ends in a number is an IPv4 address to some readers of it, decimal, octal or hexadecimal.
_NUMBER = re.compile(r"(?:\d+|0x[0-9a-f]*)", re.IGNORECASE)


def admitted(url: str, reach: Reach) -> URL:
    """The address as it will be asked, if it may be; what its host's name leads to is not looked at here."""
    if len(url) > 4_000 or _UNWRITTEN.search(url):
        raise FetchRefused
    try:
        found = URL(url)
        host, port = found.raw_host, found.port
    except ValueError as wrong:
        raise FetchRefused from wrong
    if found.scheme not in ("http", "https") or not host or not port:
        raise FetchRefused
    if _CREDENTIALS.match(url) or found.raw_user is not None or found.raw_password is not None:
        raise FetchRefused
    if reach.ports is not None and port not in reach.ports:
        raise FetchRefused
    if not _host_may_be(host, reach):
        raise FetchRefused
    return found.with_fragment(None)


def _host_may_be(host: str, reach: Reach) -> bool:
    """A name that is not a number in disguise, or an address in its one usual form that may be reached."""
    try:
        usual = str(ip_address(host))
    except ValueError:
        last = host.removesuffix(".").rpartition(".")[2]
        return bool(last) and not host.endswith("..") and not _NUMBER.fullmatch(last) and "%" not in host
    return reach.allows(usual)
