"""The module `auth` in a process of its own, over a real PostgreSQL and without a broker."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from libs.config import load
from libs.module import Registry
from libs.runtime import Runtime
from libs.settings import HostSettings
from services.auth.module import MODULE
from tests.integration.databases import ModuleDatabase

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

    async def account(self, name: str, role: str = "customer") -> "Account":
        """Somebody at `<name>@example.com` who has logged in."""
        email = f"{name}@example.com"
        seed = self.runtime.wired["auth"].seed
        assert seed is not None
        await seed({"accounts": {role: {"email": email, "password": "correct horse"}}})
        (row,) = await self.rows(
            "SELECT id FROM users WHERE email = $1 ORDER BY id DESC LIMIT 1", email
        )
        token = (await self.log_in(email=email)).json()["accessToken"]
        return Account(row["id"], {"Authorization": f"Bearer {token}"}, self.http)

    async def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        """What the database says."""
        return [dict(row) for row in await self.database.fetch(sql, *args)]


@dataclass(frozen=True)
class Account:
    """Somebody who has logged in.

    Attributes:
        headers: that show it.
    """

    id: UUID
    headers: dict[str, str]
    http: httpx.AsyncClient

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers={**self.headers, **headers})

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.http.post(path, json=body, headers={**self.headers, **headers})

    async def patch(self, path: str, body: Any, version: int | None = None) -> httpx.Response:
        return await self.http.patch(path, json=body, headers=self._meaning(version))

    async def delete(self, path: str, version: int | None = None) -> httpx.Response:
        return await self.http.delete(path, headers=self._meaning(version))

    def _meaning(self, version: int | None) -> dict[str, str]:
        wanted = {} if version is None else {"If-Match": f'"{version}"'}
        return {**self.headers, **wanted}


@pytest.fixture
def environ(auth_database: ModuleDatabase, redis_url: str) -> dict[str, str]:
    """The settings of the process."""
    digest = hashlib.sha256(WORKER_SECRET.encode()).hexdigest()
    return {
        "THROUGHLINE_ENVIRONMENT": "embedded",  # where the first key is made by the module itself
        "THROUGHLINE_DRAIN_S": "5",
        "THROUGHLINE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "THROUGHLINE_CURSOR_SECRET": "a-secret-of-the-tests",
        "THROUGHLINE_REDIS_URL": redis_url,
        "THROUGHLINE_REDIS_TIMEOUT_MS": "5000",
        "THROUGHLINE_AUTH_DATABASE_URL": auth_database.url,
        "THROUGHLINE_AUTH_DATABASE_ACQUIRE_TIMEOUT_MS": "30000",
        "THROUGHLINE_AUTH_DATABASE_STATEMENT_TIMEOUT_MS": "30000",
        "THROUGHLINE_AUTH_KEY_SECRET": "encrypts-the-keys-of-tests",
        "THROUGHLINE_AUTH_SERVICE_CLIENTS": json.dumps({"worker": digest}),
        "THROUGHLINE_AUTH_PASSWORD_MEMORY_KIB": "64",
        "THROUGHLINE_AUTH_PASSWORD_ITERATIONS": "1",
    }


@pytest.fixture
async def process(environ: dict[str, str], auth_database: ModuleDatabase) -> AsyncIterator[Process]:
    """Open and empty; its tasks do not run."""
    await auth_database.empty()
    async with opened(environ, auth_database) as process:
        yield process


@asynccontextmanager
async def opened(environ: dict[str, str], auth_database: ModuleDatabase) -> AsyncIterator[Process]:
    """A process with these settings."""
    registry = Registry((MODULE,))
    runtime = Runtime(registry, load(environ, HostSettings, registry), version="0.0.0")
    async with AsyncExitStack() as stack:
        database = await asyncpg.connect(auth_database.url, server_settings={"search_path": "auth"})
        stack.push_async_callback(database.close)
        await stack.enter_async_context(runtime.opened())
        if (prepare := runtime.wired["auth"].prepare) is not None:
            await prepare()
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(runtime.app), base_url="http://auth.test"
        )
        yield Process(runtime, await stack.enter_async_context(http), database)
