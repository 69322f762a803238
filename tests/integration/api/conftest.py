"""The servers, once for all tests; a process and empty stores for each."""

import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr
from redis.asyncio import Redis

from libs.db.bootstrap import bootstrap
from libs.db.migrate import Migrations, migrate
from libs.embedded.mongo import Mongo
from libs.embedded.postgres import Postgres
from libs.embedded.valkey import Valkey
from services.api.module import MODULE
from tests.integration.api.system import System, started

MIGRATIONS = Path(__file__).parents[3] / "services" / "api" / "migrations"
TABLES = "customers, orders, order_lines, outbox, inbox, idempotency_keys"


@dataclass(frozen=True)
class Servers:
    """Where the servers are.

    Attributes:
        dsn: of the module's own role; its schema is migrated.
    """

    dsn: str
    redis_url: str
    mongo_url: str


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    data = tmp_path_factory.mktemp("servers")
    postgres = Postgres(data, password="admin-password")
    valkey = Valkey(data, password="redis-password")
    mongo = Mongo(data, environ=os.environ)
    running = (postgres, valkey, mongo)
    try:
        for server in running:
            await server.start()
        dsn = postgres.url.replace("postgres:admin-password", "api:api-password")
        await bootstrap(postgres.url, [(MODULE.name, dsn)])
        await migrate([migrations(dsn)])
        yield Servers(dsn, valkey.url, mongo.url)
    finally:
        for server in running:
            await server.stop()


def migrations(dsn: str) -> Migrations:
    return Migrations(name=MODULE.name, dsn=SecretStr(dsn), models=MODULE.models, path=MIGRATIONS)


@pytest.fixture
def environ(servers: Servers) -> dict[str, str]:
    """The settings of the process."""
    return {
        "THROUGHLINE_ENVIRONMENT": "test",
        "THROUGHLINE_DRAIN_S": "5",
        "THROUGHLINE_AUTH_URL": "http://auth",
        "THROUGHLINE_API_DATABASE_URL": servers.dsn,
        "THROUGHLINE_API_DATABASE_ACQUIRE_TIMEOUT_MS": "30000",
        "THROUGHLINE_API_DATABASE_STATEMENT_TIMEOUT_MS": "30000",
        "THROUGHLINE_REDIS_URL": servers.redis_url,
        "THROUGHLINE_REDIS_TIMEOUT_MS": "2000",
        "THROUGHLINE_MONGO_URL": servers.mongo_url,
        "THROUGHLINE_MONGO_DATABASE": f"test_{secrets.token_hex(8)}",
        "THROUGHLINE_MONGO_TIMEOUT_MS": "20000",
    }


@pytest.fixture
async def database(servers: Servers) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own; the tables and the cache are empty."""
    connection = await asyncpg.connect(servers.dsn, server_settings={"search_path": "api"})
    await connection.execute(f"TRUNCATE {TABLES}")
    async with Redis.from_url(servers.redis_url) as redis:
        await redis.flushdb()
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
