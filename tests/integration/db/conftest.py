import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asyncpg import Connection
from pydantic import SecretStr

from libs.db.bootstrap import bootstrap
from libs.db.database import Database, Databases
from libs.db.migrate import Migrations, migrate
from libs.db.settings import DatabaseSettings
from libs.ids import uuid7
from tests.integration.databases import connected, url_of

HERE = Path(__file__).parent
MODELS = ("tests.integration.db.models",)
MIGRATIONS = HERE / "migrations"
PASSWORD = "p@ss/word'\"$"


@dataclass(frozen=True)
class Place:
    """A database of a test's own, with the modules `orders` and `users`."""

    admin_dsn: str
    name: str
    passwords: dict[str, str] = field(default_factory=dict)
    owner: str = ""
    """The name of the place whose roles these are, if it has none of its own."""

    def dsn(self, module: str) -> str:
        password = self.passwords.get(module, quote(PASSWORD, safe=""))
        return url_of(self.admin_dsn, database=self.name, user=self.role(module), password=password)

    def role(self, module: str) -> str:
        return f"{module}_{self.owner or self.name}"

    @property
    def modules(self) -> list[tuple[str, str]]:
        return [(module, self.dsn(module)) for module in ("orders", "users")]

    def settings(self, module: str = "orders", **more: Any) -> DatabaseSettings:
        patient = {"acquire_timeout_ms": 30_000, "statement_timeout_ms": 30_000}
        return DatabaseSettings.model_validate({"url": self.dsn(module), **patient, **more})

    def migrations(self, path: Path = MIGRATIONS, module: str = "orders") -> Migrations:
        models = MODELS if module == "orders" else ()
        return Migrations(name=module, dsn=SecretStr(self.dsn(module)), models=models, path=path)

    def admin(self, database: str | None = None) -> AbstractAsyncContextManager[Connection]:
        return connected(url_of(self.admin_dsn, database=database or self.name))

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


def new_place(postgres_url: str, owner: str = "") -> Place:
    return Place(postgres_url, f"t{uuid7().hex[-12:]}", owner=owner)


@pytest.fixture
async def empty_place(postgres_url: str) -> AsyncIterator[Place]:
    """Names only: nothing is made yet, whatever is made is removed."""
    place = new_place(postgres_url)
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


@pytest.fixture(scope="session")
def template(postgres_url: str) -> Place:
    """Bootstrapped and migrated; only to be copied."""
    template = new_place(postgres_url)

    async def make() -> None:
        await bootstrap(postgres_url, template.modules)
        await migrate([template.migrations()])

    asyncio.run(make())
    return template


@pytest.fixture
async def migrated(template: Place) -> AsyncIterator[Place]:
    """A copy, with all but the privileges on the database itself."""
    place = new_place(template.admin_dsn, owner=template.name)
    async with connected(place.admin_dsn) as admin:
        await admin.execute(f'CREATE DATABASE "{place.name}" TEMPLATE "{template.name}"')
        yield place
        await admin.execute(f'DROP DATABASE "{place.name}" WITH (FORCE)')


@pytest.fixture
async def db(migrated: Place) -> AsyncIterator[Database]:
    """The database of the module `orders`, migrated and open."""
    async with migrated.opened() as db:
        yield db
