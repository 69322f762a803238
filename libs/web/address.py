"""Which address a request comes from, where proxies stand in between.

Anyone can send `X-Forwarded-For`, so it counts only as far as it was written by proxies that are
known. Each proxy adds the address that it was called from at the right end. Read from there, the
first address that is no known proxy is the client: whatever is to the left of it the client may
have made up. `Forwarded`, `X-Real-IP` and other headers of the kind are not looked at.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST: Final = 1000
"""Characters of the header that are looked at, from the right. Longer chains are no real ones."""

REMEMBERED: Final = 1024

_WITH_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}", re.ASCII)


def networks(text: str) -> tuple[Network, ...]:
    """The networks in a list such as `10.0.0.0/8, 2001:db8::/32`.

    Raises:
        ValueError: something in it is none.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def parse(text: str) -> Address | None:
    """An address, with a port or without; None: it is none.

    An IPv4 address that is dressed up as IPv6 is an IPv4 address: both are the same client.
    """
    found = _WITH_PORT.fullmatch(text)
    if found is not None:
        text = found[1] or found[2]
    elif "%" in text:  # a zone means nothing on another machine
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class ClientAddresses:
    """Knows the proxies.

    Args:
        proxies: the networks in which they are.
    """

    def __init__(self, proxies: Iterable[Network]) -> None:
        self._proxies = tuple(proxies)
        self._known = lru_cache(REMEMBERED)(self._find)

    def of(self, peer: str, forwarded: str) -> str:
        """The address of the client.

        If a known proxy passes on what is no address, that proxy is all that is known.

        Args:
            peer: the other end of the connection.
            forwarded: `X-Forwarded-For`; several such headers are one, joined with commas.
        """
        if len(forwarded) > LONGEST:
            forwarded = forwarded[-LONGEST:].partition(",")[2]  # the first may be a part of one
        return self._known(peer, forwarded)

    def _find(self, peer: str, forwarded: str) -> str:
        address = parse(peer.partition("%")[0])
        if address is None:
            return peer
        for hop in reversed(forwarded.split(",")):
            if not self._is_proxy(address):
                break
            before = parse(hop.strip())
            if before is None:
                break
            address = before
        return str(address)

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


class BehindProxies:
    """Gives an application the client's address as that of the other end (`scope["client"]`)."""

    def __init__(self, app: ASGIApp, addresses: ClientAddresses) -> None:
        self._app = app
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        if scope["type"] == "http" and peer is not None:
            given = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            if given:
                address = self._addresses.of(peer[0], b",".join(given).decode("latin-1"))
                if address != peer[0]:
                    scope["client"] = (address, 0)
        await self._app(scope, receive, send)
