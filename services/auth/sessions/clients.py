"""Where a session is used from, as far as it is kept: what its owner recognises it by, no more."""

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final

from fastapi import Request

from services.auth.sessions.models import DEVICE_NAME_LENGTH

UNKNOWN: Final = "Unknown device"
IPV4_PREFIX: Final = 24
IPV6_PREFIX: Final = 64

_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""What shows a browser; the first that fits: most claim to be others as well."""

_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class Client:
    """Who is at the other end.

    Attributes:
        device_name: for people.
        ip_prefix: a part of the address, such as 192.0.2.0/24; None: there is none.
    """

    device_name: str = UNKNOWN
    ip_prefix: str | None = None


def client_of(request: Request, device_name: str | None = None) -> Client:
    """The client of a request.

    Args:
        device_name: what it calls itself; else it is told by its User-Agent.
    """
    address = None if request.client is None else request.client.host
    name = device_name or device_of(request.headers.get("user-agent", ""))
    return Client(name, prefix_of(address))


def prefix_of(address: str | None) -> str | None:
    """The part of an address that is kept; None: it is none."""
    try:
        ip = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    if mapped := getattr(ip, "ipv4_mapped", None):
        ip = mapped
    length = IPV4_PREFIX if isinstance(ip, IPv4Address) else IPV6_PREFIX
    return str(ip_network((ip, length), strict=False))


def device_of(user_agent: str) -> str:
    """What to call a device: browser and system of a browser, else the program's own name."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if browser and system:
        return f"{browser} on {system}"
    program = re.match(r"[\w. -]{1,60}", _visible(user_agent))
    name = " ".join((program[0] if program else "").split())
    return name[:DEVICE_NAME_LENGTH] or browser or system or UNKNOWN


def _visible(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c)[0] != "C")
