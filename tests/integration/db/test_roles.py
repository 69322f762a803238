"""What a module's role may do: everything in its own schema, nothing anywhere else."""

import asyncio
from itertools import permutations
from secrets import token_hex

import asyncpg
import pytest
from pydantic import SecretStr

from libs.db.bootstrap import bootstrap
from libs.db.migrate import Migrations, migrate
from services import registry
from tests.integration.databases import SERVICES, connected, url_of

WITH_SCHEMA = [module for module in registry.load(registry.MODULES) if module.models]
NAMES = [module.name for module in WITH_SCHEMA]


class Shared:
    """A database that all modules share, each with a role and a schema of its own."""

    def __init__(self, postgres_url: str) -> None:
        self.admin_url = postgres_url
        self.name = f"shared_{token_hex(4)}"

    def url(self, module: str) -> str:
        return url_of(self.admin_url, database=self.name, user=f"{module}_{self.name}")

    async def make(self) -> None:
        await bootstrap(self.admin_url, [(name, self.url(name)) for name in NAMES])
        await migrate(
            [
                Migrations(
                    name=module.name,
                    dsn=SecretStr(self.url(module.name)),
                    models=module.models,
                    path=SERVICES / module.name / "migrations",
                )
                for module in WITH_SCHEMA
            ]
        )

    async def tables(self, module: str) -> list[str]:
        """Those of the module's schema, as the administrator sees it."""
        async with connected(url_of(self.admin_url, database=self.name)) as admin:
            rows = await admin.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1", module
            )
        return [row["tablename"] for row in rows]


@pytest.fixture(scope="module")
def shared(postgres_url: str) -> Shared:
    shared = Shared(postgres_url)
    asyncio.run(shared.make())
    return shared


def test_every_module_with_tables_is_looked_at() -> None:
    folders = {path.parent.name for path in SERVICES.glob("*/migrations")}
    assert set(NAMES) == folders
    assert len(NAMES) > 2


STATEMENTS = (
    "SELECT FROM {table}",
    "INSERT INTO {table} DEFAULT VALUES",
    "DELETE FROM {table}",
    "TRUNCATE {table}",
    "LOCK TABLE {table} IN ACCESS SHARE MODE",
    "ALTER TABLE {table} ADD COLUMN mine integer",
    "DROP TABLE {table}",
    "CREATE TABLE {schema}.mine (id integer)",
    "DROP SCHEMA {schema} CASCADE",
)


@pytest.mark.parametrize(("own", "other"), [*permutations(NAMES, 2)])
async def test_a_role_neither_reads_nor_writes_anothers_schema(
    shared: Shared, own: str, other: str
) -> None:
    tables = await shared.tables(other)
    assert len(tables) > 2
    async with connected(shared.url(own)) as role:
        for statement in STATEMENTS:
            for table in tables:
                sql = statement.format(schema=f'"{other}"', table=f'"{other}"."{table}"')
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with role.transaction():
                        await role.execute(sql)
        for sql in (f'SET ROLE "{other}_{shared.name}"', "CREATE TABLE public.mine (id integer)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await role.execute(sql)


@pytest.mark.parametrize("own", NAMES)
async def test_a_role_has_its_own_schema(shared: Shared, own: str) -> None:
    async with connected(shared.url(own)) as role:
        for table in await shared.tables(own):
            await role.fetch(f'SELECT FROM "{own}"."{table}"')
        await role.execute(f'CREATE TABLE "{own}".mine (id integer)')
        await role.execute(f'DROP TABLE "{own}".mine')


@pytest.mark.parametrize("own", NAMES)
async def test_a_role_has_no_special_rights(shared: Shared, own: str) -> None:
    async with connected(shared.url(own)) as role:
        rights = await role.fetchrow(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
            "  FROM pg_roles WHERE rolname = current_user"
        )
        assert rights is not None
        assert not any(rights.values())
        memberships = "SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole"
        assert await role.fetchval(memberships) == 0
