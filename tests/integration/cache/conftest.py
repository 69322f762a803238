"""A Redis to mistreat."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from libs.cache.redis import RedisConnection
from libs.cache.settings import CacheSettings
from tests.integration.own_servers import OwnValkey

PATIENCE = 0.3
REST = 0.6
"""Seconds; longer than by default, because the machine may be busy with other tests."""

ENDLESS = 30.0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[OwnValkey]:
    server = OwnValkey(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def redis(server: OwnValkey) -> AsyncIterator[RedisConnection]:
    """For tests in which the server goes away."""
    async with connected(server.url, PATIENCE) as connection:
        yield connection


@pytest.fixture
async def patient(server: OwnValkey) -> AsyncIterator[RedisConnection]:
    """For tests in which it does not."""
    async with connected(server.url, ENDLESS) as connection:
        yield connection


@asynccontextmanager
async def connected(
    url: str, patience: float, rest: float = REST
) -> AsyncIterator[RedisConnection]:
    """A connection that waits and rests so many seconds."""
    connection = RedisConnection()
    connection.configure(
        CacheSettings(
            url=SecretStr(url), timeout_ms=round(patience * 1000), rest_ms=round(rest * 1000)
        )
    )
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()
