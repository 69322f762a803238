"""Databases in the PostgreSQL that the tests share.

Roles belong to the whole server, so their names are as unique as those of the databases.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from pydantic import SecretStr

import services
from libs.db.bootstrap import bootstrap
from libs.db.migrate import Migrations, migrate
from libs.module import Module

SERVICES: Final = Path(services.__path__[0])
PASSWORD: Final = "secret"

_EMPTY: Final = """
DO $$
BEGIN
    SET LOCAL session_replication_role = replica;  -- without triggers: some tables only grow
    EXECUTE (
        SELECT 'TRUNCATE ' || string_agg(format('%%I.%%I', schemaname, tablename), ', ')
               || ' RESTART IDENTITY'
          FROM pg_tables
         WHERE schemaname = '%(schema)s' AND tablename <> 'aerich'
    );
END $$
"""


def url_of(url: str, *, database: str, user: str | None = None, password: str = PASSWORD) -> str:
    """`url`, which is an administrator's, for another database, and for another user if given."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    netloc = f"{user}:{password}@{address}" if user else parts.netloc
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection: asyncpg.Connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def create_database(url: str, beginning: str) -> str:
    """Create an empty database. Returns its address, for the administrator of `url`."""
    name = f"{beginning}_{token_hex(4)}"
    async with connected(url) as admin:
        await admin.execute(f'CREATE DATABASE "{name}"')
    return url_of(url, database=name)


@dataclass(frozen=True, kw_only=True)
class ModuleDatabase:
    """A database with the schema of one module, migrated.

    Attributes:
        url: the module's own.
        admin_url: the administrator's.
        migrations: what was applied.
    """

    url: str
    admin_url: str
    migrations: Migrations

    @classmethod
    async def create(cls, url: str, module: Module) -> Self:
        """Have an administrator make one, together with a role."""
        name = f"{module.name}_{token_hex(4)}"
        own = url_of(url, database=name, user=name)
        migrations = Migrations(
            name=module.name,
            dsn=SecretStr(own),
            models=module.models,
            path=SERVICES / module.name / "migrations",
        )
        await bootstrap(url, [(module.name, own)])
        await migrate([migrations])
        return cls(url=own, admin_url=url_of(url, database=name), migrations=migrations)

    async def empty(self) -> None:
        """Take away all rows."""
        async with connected(self.admin_url) as admin:
            await admin.execute(_EMPTY % {"schema": self.migrations.name})
