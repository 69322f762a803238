"""Whose address a request has, and that nobody can choose it."""

import pytest
from fastapi import APIRouter, Request

from libs.auth.guards import anyone
from libs.config import ConfigError, ProcessSettings, load
from libs.web.address import LONGEST, ClientAddresses, networks
from tests.unit.web.app import client

PROXY, OUTER, CLIENT = "10.0.0.1", "10.9.9.9", "203.0.113.7"
ADDRESSES = ClientAddresses(networks("10.0.0.0/8, 2001:db8:1::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        (PROXY, CLIENT, CLIENT),
        (PROXY, f"{CLIENT}, {OUTER}", CLIENT),
        (PROXY, f"  {CLIENT} ,{OUTER}  ", CLIENT),
        # what the client itself has sent is at the left
        (PROXY, f"198.51.100.1, {CLIENT}", CLIENT),
        (PROXY, f"{PROXY}, {CLIENT}, {OUTER}", CLIENT),
        (PROXY, f"rubbish, {CLIENT}", CLIENT),
        (PROXY, f", , {CLIENT}", CLIENT),
        # nobody else may say anything
        (CLIENT, "198.51.100.1", CLIENT),
        (CLIENT, PROXY, CLIENT),
        ("2001:db8:2::1", "198.51.100.1", "2001:db8:2::1"),
        # IPv6, in all its forms
        ("2001:db8:1::1", "2001:db8:2::1", "2001:db8:2::1"),
        ("2001:db8:1::1", "2001:0DB8:0002:0000::0001", "2001:db8:2::1"),
        (PROXY, "[2001:db8:2::1]:4711", "2001:db8:2::1"),
        (PROXY, "[2001:db8:2::1]", "2001:db8:2::1"),
        ("::ffff:10.0.0.1", CLIENT, CLIENT),
        (PROXY, f"::ffff:{CLIENT}", CLIENT),
        (PROXY, f"{CLIENT}:4711", CLIENT),
        ("fe80::1%eth0", CLIENT, "fe80::1"),
        # not an address: the last proxy is all that is known
        (PROXY, "", PROXY),
        (PROXY, "unknown", PROXY),
        (PROXY, f"{CLIENT}, unknown", PROXY),
        (PROXY, f"{CLIENT}, _hidden, {OUTER}", OUTER),
        (PROXY, "203.0.113.007", PROXY),
        (PROXY, "203.0.113", PROXY),
        (PROXY, "3405803783", PROXY),
        (PROXY, "2001:db8:2::1%eth0", PROXY),
        (PROXY, "203.0.113.7:x", PROXY),
        (PROXY, "203.0.113.7\n198.51.100.1", PROXY),
        (PROXY, "\uff12\uff10\uff13.0.113.7", PROXY),
        # only proxies: the first of them asks
        (PROXY, f"{OUTER}, {PROXY}", OUTER),
        ("testclient", CLIENT, "testclient"),
    ],
)
def test_the_client(peer: str, forwarded: str, expected: str) -> None:
    assert ADDRESSES.of(peer, forwarded) == expected


def test_an_endless_chain_is_cut_at_the_left() -> None:
    assert ADDRESSES.of(PROXY, "198.51.100.1," * 9000 + CLIENT) == CLIENT
    chain = f"{CLIENT}, " + ", ".join([OUTER] * LONGEST)
    assert ADDRESSES.of(PROXY, chain) == OUTER


def _echo() -> APIRouter:
    routes = APIRouter(dependencies=[anyone])

    @routes.get("/v1/things/address")
    async def address(request: Request) -> str | None:
        return request.client.host if request.client else None

    return routes


LOCAL = "127.0.0.1"
"""The peer, for `httpx.ASGITransport`."""


@pytest.mark.parametrize(
    ("proxies", "headers", "expected"),
    [
        ("127.0.0.0/8", [("X-Forwarded-For", CLIENT)], CLIENT),
        ("127.0.0.0/8", [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", CLIENT)], CLIENT),
        ("127.0.0.0/8", [("X-Forwarded-For", CLIENT), ("X-Forwarded-For", "")], LOCAL),
        ("127.0.0.0/8", [("X-Real-IP", CLIENT), ("Forwarded", f"for={CLIENT}")], LOCAL),
        ("127.0.0.0/8", [("X_Forwarded_For", CLIENT)], LOCAL),
        ("10.0.0.0/8", [("X-Forwarded-For", CLIENT)], LOCAL),
        ("", [("X-Forwarded-For", CLIENT)], LOCAL),
    ],
)
async def test_what_routes_see(proxies: str, headers: list[tuple[str, str]], expected: str) -> None:
    async with client(_echo(), trusted_proxies=proxies) as http:
        assert (await http.get("/v1/things/address", headers=headers)).json() == expected


@pytest.mark.parametrize("value", ["10.0.0.1/8", "everyone", "10.0.0.0/8 10.1.0.0/16"])
def test_what_is_no_network_is_no_setting(value: str) -> None:
    with pytest.raises(ConfigError, match="THROUGHLINE_TRUSTED_PROXIES"):
        load({"THROUGHLINE_TRUSTED_PROXIES": value}, ProcessSettings, [])
