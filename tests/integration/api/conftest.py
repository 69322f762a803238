"""A process and empty stores for each test."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from services.api.module import MODULE
from tests.integration.api.system import System, started
from tests.integration.databases import ModuleDatabase


@pytest.fixture(scope="session")
def api_database(postgres_url: str) -> ModuleDatabase:
    return asyncio.run(ModuleDatabase.create(postgres_url, MODULE))


@pytest.fixture
def environ(api_database: ModuleDatabase, redis_url: str, mongo_url: str) -> dict[str, str]:
    """The settings of the process."""
    return {
        "THROUGHLINE_ENVIRONMENT": "test",
        "THROUGHLINE_DRAIN_S": "5",
        "THROUGHLINE_AUTH_URL": "http://auth",
        "THROUGHLINE_CURSOR_SECRET": "signs the cursors of tests",
        "THROUGHLINE_API_DATABASE_URL": api_database.url,
        "THROUGHLINE_API_DATABASE_ACQUIRE_TIMEOUT_MS": "30000",
        "THROUGHLINE_API_DATABASE_STATEMENT_TIMEOUT_MS": "30000",
        "THROUGHLINE_REDIS_URL": redis_url,
        "THROUGHLINE_REDIS_TIMEOUT_MS": "2000",
        "THROUGHLINE_MONGO_URL": mongo_url,
        "THROUGHLINE_MONGO_DATABASE": f"test_{secrets.token_hex(8)}",
        "THROUGHLINE_MONGO_TIMEOUT_MS": "20000",
    }


@pytest.fixture
async def database(
    api_database: ModuleDatabase, redis_url: str
) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own; the tables and the cache are empty."""
    await api_database.empty()
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
    connection = await asyncpg.connect(api_database.url, server_settings={"search_path": "api"})
    yield connection
    await connection.close()


@pytest.fixture
async def system(environ: dict[str, str], database: asyncpg.Connection) -> AsyncIterator[System]:
    """The process, seeded; its tasks do not run."""
    async with started(environ, database, tasks=False) as system:
        yield system


@pytest.fixture
async def working(environ: dict[str, str], database: asyncpg.Connection) -> AsyncIterator[System]:
    """The process, seeded, with its relay and consumer."""
    async with started(environ, database, tasks=True) as system:
        yield system
