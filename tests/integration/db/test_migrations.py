"""The modules' own migrations: `throughline migrate` as operators and pods run it."""

import asyncio
import importlib
import sys
from dataclasses import dataclass
from secrets import token_hex

import pytest
from pydantic import SecretStr

from libs.db.bootstrap import bootstrap
from libs.db.migrate import Migrations, migrate
from services import registry
from services.cli import settings
from tests.environment import environment
from tests.integration.databases import SERVICES, connected, url_of

WITH_SCHEMA = [module for module in registry.load(registry.MODULES) if module.models]
FILES = {
    module.name: sorted(
        (file.name for file in (SERVICES / module.name / "migrations").glob("[0-9]*_*.py")),
        key=lambda name: int(name.partition("_")[0]),
    )
    for module in WITH_SCHEMA
}


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    status: int
    output: str
    errors: str

    @property
    def told(self) -> dict[str, str]:
        """What it said of each module."""
        lines = (line.partition(": ") for line in self.errors.splitlines())
        return {module: text for module, _, text in lines if module in FILES}


@dataclass(frozen=True)
class Target:
    """A database that is not there yet, and what the modules' processes are told of it."""

    name: str
    admin_url: str
    environ: dict[str, str]

    def url(self, module: str) -> str:
        return url_of(self.admin_url, database=self.name, user=f"{module}_{self.name}")

    @property
    def modules(self) -> list[tuple[str, str]]:
        return [(name, self.url(name)) for name in FILES]

    @property
    def migrations(self) -> list[Migrations]:
        return [
            Migrations(
                name=module.name,
                dsn=SecretStr(self.url(module.name)),
                models=module.models,
                path=SERVICES / module.name / "migrations",
            )
            for module in WITH_SCHEMA
        ]

    async def throughline(self, *arguments: str) -> Ended:
        """Run the command in a process of its own."""
        urls = {f"THROUGHLINE_{n.upper()}_DATABASE_URL": url for n, url in self.modules}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli.main", *arguments),
            cwd=SERVICES.parent,
            env={**environment(), **self.environ, **urls},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        return Ended(process.returncode or 0, output.decode(), errors.decode())


@pytest.fixture
def target(postgres_url: str, mongo_url: str, redis_url: str) -> Target:
    name = f"migrated_{token_hex(4)}"
    environ = {
        **settings.made_up(registry.MODULES),
        "THROUGHLINE_ENVIRONMENT": "test",
        "THROUGHLINE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "THROUGHLINE_MONGO_URL": mongo_url,
        "THROUGHLINE_MONGO_DATABASE": name,
        "THROUGHLINE_REDIS_URL": redis_url,
    }
    return Target(name, postgres_url, environ)


async def test_several_pods_at_once(target: Target) -> None:
    """On nothing: they bootstrap, too."""
    commands = [target.throughline("migrate", "--admin-url", target.admin_url) for _ in range(3)]
    ended = await asyncio.gather(*commands)
    assert [process.status for process in ended] == [0, 0, 0], [p.errors for p in ended]
    for module, files in FILES.items():
        told = sorted(process.told[module] for process in ended)
        assert told == sorted([", ".join(files), "nothing applied", "nothing applied"])
    checked = await target.throughline("migrate", "--check")
    assert (checked.status, set(checked.told.values())) == (0, {"nothing pending"})


async def test_what_is_pending_is_told_and_printed(target: Target) -> None:
    await bootstrap(target.admin_url, target.modules)
    checked = await target.throughline("migrate", "--check")
    assert checked.status == 1, checked.errors
    assert checked.told == {module: ", ".join(files) for module, files in FILES.items()}

    printed = await target.throughline("migrate", "--sql", "worker")
    assert printed.status == 0, printed.errors
    async with connected(target.url("worker")) as worker:
        await worker.execute(printed.output)  # all at once: nothing in it must be sent alone
    again = await target.throughline("migrate", "--check", "worker")
    assert (again.status, again.told) == (0, {"worker": "nothing pending"})
    assert (await target.throughline("migrate", "--sql", "worker")).output == ""


WITNESS = """
CREATE SCHEMA witness;
CREATE TABLE witness.ddl (command text, in_schema text, lock_timeout text, statement_timeout text);
CREATE FUNCTION witness.note() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO witness.ddl
    SELECT command_tag, schema_name, current_setting('lock_timeout'),
           current_setting('statement_timeout')
      FROM pg_event_trigger_ddl_commands();
END $$;
CREATE EVENT TRIGGER witness ON ddl_command_end EXECUTE FUNCTION witness.note();
"""


async def test_every_migration_has_time_outs(target: Target) -> None:
    """As PostgreSQL saw them, at each statement of each migration."""
    await bootstrap(target.admin_url, target.modules)
    async with connected(url_of(target.admin_url, database=target.name)) as admin:
        await admin.execute(WITNESS)
        await migrate(target.migrations)
        rows = await admin.fetch("SELECT * FROM witness.ddl")
    assert {row["in_schema"] for row in rows if row["command"] == "CREATE TABLE"} == set(FILES)
    assert {row["lock_timeout"] for row in rows} == {"5s"}
    assert {row["statement_timeout"] for row in rows} == {"1min"}


OBJECTS = """
SELECT 'relation ' || relname FROM pg_class WHERE relnamespace = $1::regnamespace
UNION ALL
SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = $1::regnamespace
UNION ALL
SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = $1::regnamespace
ORDER BY 1
"""


@pytest.mark.parametrize("module", FILES)
async def test_each_migration_can_be_taken_back(target: Target, module: str) -> None:
    """What it made is gone then, and it can be applied again."""
    await bootstrap(target.admin_url, target.modules)
    await migrate(target.migrations)
    files = [
        importlib.import_module(f"services.{module}.migrations.{f[:-3]}") for f in FILES[module]
    ]
    async with connected(target.url(module)) as role:
        await role.execute(f'SET search_path = "{module}"')
        migrated = await role.fetch(OBJECTS, module)
        for file in reversed(files):
            await role.execute(await file.downgrade(role))
        left = [row[0] for row in await role.fetch(OBJECTS, module)]
        for file in files:
            await role.execute(await file.upgrade(role))
        assert await role.fetch(OBJECTS, module) == migrated
    assert [name for name in left if "aerich" not in name] == []
