"""The module, hosted, with a Redis and third parties that can be taken away from it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import httpx
import pytest
from redis.asyncio import Redis

from libs.cache.redis import RedisConnection
from libs.config import load
from libs.module import Registry
from libs.runtime import Runtime
from libs.settings import HostSettings
from services.integrations.module import MODULE
from tests.integration.integrations.third_party import ThirdParty, third_party
from tests.integration.own_servers import OwnValkey
from tests.verifier import FakeVerifier

DEADLINE_S: Final = 1.0
"""The longest that the module waits for a third party."""


@dataclass
class Scene:
    """All that a test plays with.

    Attributes:
        http: calls the module; a customer by default.
        party: the third parties.
        valkey: the server; `stop` takes it away.
        runtime: what hosts the module.
        later: seconds that have passed for the cache beside those that have.
    """

    http: httpx.AsyncClient
    party: ThirdParty
    valkey: OwnValkey
    runtime: Runtime
    later: float = 0.0

    async def rate(self, base: str = "EUR", quote: str = "USD") -> httpx.Response:
        return await self.http.get("/v1/exchange-rates", params={"base": base, "quote": quote})

    async def holidays(self, country: str = "DE", year: int = 2026) -> httpx.Response:
        return await self.http.get("/v1/holidays", params={"country": country, "year": year})

    def let_time_pass(self) -> None:
        """Until what is cached is no longer recent, nor fresh, but good enough in need."""
        self.later += 2 * 24 * 3600

    async def values(self) -> set[str]:
        """The keys of what is cached."""
        async with Redis.from_url(self.valkey.url) as redis:
            return {key.decode() async for key in redis.scan_iter("*:value:*")}


@pytest.fixture(scope="session")
def valkey_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnValkey]:
    server = OwnValkey(tmp_path_factory.mktemp("valkey"))
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def valkey(valkey_of_session: OwnValkey) -> OwnValkey:
    """Running, and empty."""
    if not valkey_of_session.is_running:
        await valkey_of_session.start()
    async with Redis.from_url(valkey_of_session.url) as redis:
        await redis.flushall()
    return valkey_of_session


@pytest.fixture
async def party() -> AsyncIterator[ThirdParty]:
    async with third_party() as party:
        yield party


@pytest.fixture
async def scene(
    party: ThirdParty, valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    environ = {
        "THROUGHLINE_ENVIRONMENT": "test",
        "THROUGHLINE_AUTH_URL": "http://auth.test",
        "THROUGHLINE_REDIS_URL": valkey.url,
        "THROUGHLINE_REDIS_TIMEOUT_MS": "1000",
        "THROUGHLINE_INTEGRATIONS_EXCHANGE_RATES_URL": party.url,
        "THROUGHLINE_INTEGRATIONS_HOLIDAYS_URL": party.url,
        "THROUGHLINE_INTEGRATIONS_THIRD_PARTY_TIMEOUT_S": "0.5",
        "THROUGHLINE_INTEGRATIONS_THIRD_PARTY_DEADLINE_S": str(DEADLINE_S),
    }
    runtime = Runtime(Registry((MODULE,)), load(environ, HostSettings, [MODULE]), version="0.1.0")
    runtime.fastapi.state.verifier = FakeVerifier()
    runtime.health.started = True
    transport = httpx.ASGITransport(runtime.app, raise_app_exceptions=False)
    headers = {"authorization": "Bearer customer", "x-context-id": "ctx-integrations-1"}
    async with (
        runtime.opened(),
        httpx.AsyncClient(transport=transport, base_url="http://host", headers=headers) as http,
    ):
        scene = Scene(http, party, valkey, runtime)
        monkeypatch.setattr(RedisConnection, "now", lambda _: time.time() + scene.later)
        yield scene
