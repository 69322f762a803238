"""The module `auth` in a process of its own, over a real PostgreSQL and without a broker."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from libs.config import load
from libs.module import Registry
from libs.runtime import Runtime
from libs.settings import HostSettings
from services.auth.module import MODULE
from tests.integration.databases import ModuleDatabase
from tests.unit.auth.factories import new_pem

WORKER_SECRET = "a-long-random-secret"


@pytest.fixture(scope="session")
def auth_database(postgres_url: str) -> ModuleDatabase:
    return asyncio.run(ModuleDatabase.create(postgres_url, MODULE))


@dataclass
class Process:
    """A process that hosts `auth`.

    Attributes:
        http: calls it as a client would.
        database: a connection of the test's own, as the module's role.
    """

    runtime: Runtime
    http: httpx.AsyncClient
    database: asyncpg.Connection

    async def sign_up(self, **given: str) -> httpx.Response:
        """Sign somebody up, with one's own fields in place of the usual ones."""
        usual = {
            "email": "ada@example.com",
            "password": "correct horse",
            "displayName": "Ada Lovelace",
        }
        return await self.http.post("/v1/auth/signup", json={**usual, **given})

    async def log_in(self, **given: str) -> httpx.Response:
        """Log somebody in, likewise."""
        usual = {"email": "ada@example.com", "password": "correct horse"}
        return await self.http.post("/v1/auth/login", json={**usual, **given})

    async def bearer(self) -> dict[str, str]:
        """The header of somebody who has logged in."""
        return {"Authorization": f"Bearer {(await self.log_in()).json()['accessToken']}"}

    async def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        """What the database says."""
        return [dict(row) for row in await self.database.fetch(sql, *args)]


@pytest.fixture
def environ(auth_database: ModuleDatabase, tmp_path: Path) -> dict[str, str]:
    """The settings of the process."""
    key_file = tmp_path / "signing.pem"
    key_file.write_bytes(new_pem())
    digest = hashlib.sha256(WORKER_SECRET.encode()).hexdigest()
    return {
        "THROUGHLINE_ENVIRONMENT": "test",
        "THROUGHLINE_DRAIN_S": "5",
        "THROUGHLINE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "THROUGHLINE_AUTH_DATABASE_URL": auth_database.url,
        "THROUGHLINE_AUTH_DATABASE_ACQUIRE_TIMEOUT_MS": "30000",
        "THROUGHLINE_AUTH_DATABASE_STATEMENT_TIMEOUT_MS": "30000",
        "THROUGHLINE_AUTH_SIGNING_KEY_FILE": str(key_file),
        "THROUGHLINE_AUTH_SERVICE_CLIENTS": json.dumps({"worker": digest}),
        "THROUGHLINE_AUTH_PASSWORD_MEMORY_KIB": "64",
        "THROUGHLINE_AUTH_PASSWORD_ITERATIONS": "1",
    }


@pytest.fixture
async def process(environ: dict[str, str], auth_database: ModuleDatabase) -> AsyncIterator[Process]:
    """Open and empty; its tasks do not run."""
    await auth_database.empty()
    registry = Registry((MODULE,))
    runtime = Runtime(registry, load(environ, HostSettings, registry), version="0.0.0")
    async with AsyncExitStack() as stack:
        database = await asyncpg.connect(auth_database.url, server_settings={"search_path": "auth"})
        stack.push_async_callback(database.close)
        await stack.enter_async_context(runtime.opened())
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(runtime.app), base_url="http://auth.test"
        )
        yield Process(runtime, await stack.enter_async_context(http), database)
