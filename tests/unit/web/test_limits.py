"""Rate limits, as clients see them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest

from libs.auth.deny_list import DenyList
from libs.auth.guards import anyone, require
from libs.auth.permissions import Permission
from libs.auth.principal import Principal
from libs.auth.settings import TokenSettings
from libs.auth.verifier import TokenVerifier
from libs.errors import NotFound
from libs.limits.settings import LimitSettings
from libs.web.app import in_layer
from libs.web.limits import Limits, _key_of
from libs.web.routing import api_router
from tests.unit.web.app import application, registry, settings
from tests.unit.web.tokens import KEY, claims, sign

QUOTAS = {"principal": 40, "address": 20, "service": 60}


async def _keys() -> dict[str, Any]:
    return {"keys": [KEY.public]}


@asynccontextmanager
async def _client(address: str = "203.0.113.7", **quotas: int) -> AsyncIterator[httpx.AsyncClient]:
    routes = api_router(tag="things")

    @routes.get("/v1/things/open", dependencies=[anyone])
    async def is_open() -> str:
        return "open"

    @routes.get("/v1/things/mine")
    async def mine(principal: Annotated[Principal, require(Permission.ORDERS_READ_OWN)]) -> str:
        return principal.subject

    @routes.get("/v1/things/none", dependencies=[anyone])
    async def none() -> str:
        raise NotFound

    verifier = TokenVerifier(_keys, TokenSettings(), denied=DenyList())
    app = application([routes], verifier=verifier)
    limits = Limits.of({**QUOTAS, **quotas}, None)
    served = in_layer(app, registry("/v1/things"), settings(), limits=limits)
    transport = httpx.ASGITransport(served, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


def _bearer(**changes: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {sign(claims(**changes))}"}


async def _statuses(http: httpx.AsyncClient, path: str, times: int, **more: Any) -> list[int]:
    return [(await http.get(path, **more)).status_code for _ in range(times)]


async def test_the_headers_are_as_the_draft_has_them() -> None:
    async with _client() as http:
        answers = [await http.get("/v1/things/open") for _ in range(2)]
    assert [a.headers["RateLimit-Policy"] for a in answers] == ['"address";q=20;w=60'] * 2
    found = [re.fullmatch(r'"address";r=(\d+);t=(\d+)', a.headers["RateLimit"]) for a in answers]
    assert [match and int(match[1]) for match in found] in ([19, 18], [19, 19])
    assert all(match and 1 <= int(match[2]) <= 60 for match in found)


async def test_too_many_is_a_problem_that_says_when_to_come_back() -> None:
    async with _client() as http:
        statuses = await _statuses(http, "/v1/things/open", 45)
        answer = await http.get("/v1/things/open")
    assert statuses[:20] == [200] * 20
    assert set(statuses[40:]) == {429}, "more than two windows' worth"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too_many_requests"
    assert answer.json()["contextId"] == answer.headers["X-Context-Id"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit"].startswith('"address";r=0;t=')


@pytest.mark.parametrize("path", ["/v1/things/none", "/v1/nowhere", "/v1/things/mine"])
async def test_errors_count_and_have_the_headers(path: str) -> None:
    async with _client() as http:
        answer = await http.get(path)
        assert answer.status_code in (401, 404)
        assert "RateLimit" in answer.headers
        assert (await _statuses(http, path, 60))[-1] == 429


@pytest.mark.parametrize("path", ["/health", "/health/live", "/metrics", "/docs", "/openapi.json"])
async def test_the_operators_are_not_counted(path: str) -> None:
    async with _client() as http:
        answers = [await http.get(path) for _ in range(3)]
        assert {a.status_code for a in answers} == {200}
        assert all("RateLimit" not in a.headers for a in answers)


async def test_a_user_has_a_quota_of_their_own_from_the_first_request_on() -> None:
    async with _client() as http:
        ada, bob = _bearer(sub="ada"), _bearer(sub="bob")
        first = await http.get("/v1/things/mine", headers=ada)
        assert first.headers["RateLimit"].startswith('"principal";r=39;')
        assert (await _statuses(http, "/v1/things/mine", 90, headers=ada))[-1] == 429
        assert await _statuses(http, "/v1/things/mine", 2, headers=bob) == [200, 200]
        nobody = await http.get("/v1/things/open")
        assert nobody.headers["RateLimit"].startswith('"address";r=19;')


async def test_more_tokens_are_not_more_requests() -> None:
    async with _client() as http:
        headers = [_bearer(sub="ada", jti=str(number)) for number in range(2)]
        for each in headers:
            await http.get("/v1/things/mine", headers=each)
        statuses = [
            (await http.get("/v1/things/mine", headers=headers[number % 2])).status_code
            for number in range(90)
        ]
    assert statuses[-1] == 429


async def test_a_module_has_a_quota_for_what_it_does_for_many() -> None:
    async with _client() as http:
        headers = _bearer(sub="service:worker", roles=["service"])
        answer = await http.get("/v1/things/mine", headers=headers)
    assert answer.headers["RateLimit-Policy"] == '"service";q=60;w=60'


@pytest.mark.parametrize("path", ["/v1/things/mine", "/v1/things/open", "/v1/nowhere"])
async def test_forged_tokens_count_for_the_address(path: str) -> None:
    async with _client() as http:
        for number in range(60):
            headers = {"Authorization": f"Bearer forged-{number}"}
            answer = await http.get(path, headers=headers)
            assert answer.headers["RateLimit-Policy"] == '"address";q=20;w=60'
    assert answer.status_code == 429


async def test_limits_come_before_the_body() -> None:
    async with _client() as http:
        await _statuses(http, "/v1/things/open", 60)
        answer = await http.post("/v1/things/open", content=b"{" * 100)
        assert answer.status_code == 429
        assert (await http.head("/v1/things/open")).content == b""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_network_is_one_client(address: str, expected: str) -> None:
    assert _key_of((address, 1)) == expected


def test_no_address_is_one_client_as_well() -> None:
    assert _key_of(None) == "unknown"


def test_on_ones_own_machine_there_is_room_for_load_tests() -> None:
    defaults = LimitSettings.model_validate({})
    assert defaults.quotas("production") == {
        "principal": 6_000,
        "address": 1_200,
        "service": 60_000,
    }
    assert defaults.quotas("embedded")["principal"] == 600_000
    set_ = LimitSettings.model_validate({"principal_per_minute": 10})
    assert set_.quotas("test")["principal"] == set_.quotas("production")["principal"] == 10
