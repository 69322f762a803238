"""The schema still grants what past releases ask of it: they run while it is migrated."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from services import registry
from tests.integration.databases import ModuleDatabase
from tests.releases.statements import RELEASES, Release

FILES = sorted(RELEASES.glob("*/*.sql"))
IN_API = [file for file in FILES if file.stem == "api"]


@pytest.fixture(scope="module")
def database_of(postgres_url: str) -> Callable[[str], ModuleDatabase]:
    """Gives the migrated database of a module, made when it is first asked for."""
    made: dict[str, ModuleDatabase] = {}

    def database(name: str) -> ModuleDatabase:
        if name not in made:
            [module] = registry.load((name,))
            made[name] = asyncio.run(ModuleDatabase.create(postgres_url, module))
        return made[name]

    return database


@pytest.fixture(params=FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def release(request: pytest.FixtureRequest) -> Release:
    file: Path = request.param
    return Release.read(file)


@pytest.fixture
def database(database_of: Callable[[str], ModuleDatabase], release: Release) -> ModuleDatabase:
    return database_of(release.module)


@pytest.fixture
async def schema(database: ModuleDatabase, release: Release) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the module has one. Whatever is done on it is undone."""
    connection: asyncpg.Connection = await asyncpg.connect(
        database.url, server_settings={"search_path": release.module}
    )
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


def test_there_is_a_release_to_look_back_at() -> None:
    assert {"api", "auth", "worker"} <= {file.stem for file in FILES}


async def test_past_releases_run_on_the_schema(
    schema: asyncpg.Connection, release: Release
) -> None:
    assert len(release.statements) > 5
    assert release.needed
    assert await release.violations(schema) == []


def test_a_file_is_read_as_it_was_written(release: Release, tmp_path: Path) -> None:
    release.write(tmp_path / release.version)
    assert Release.read(tmp_path / release.version / f"{release.module}.sql") == release


PLANTED = [
    ("ALTER TABLE orders DROP COLUMN note", ["orders.list: column o.note does not exist"]),
    ("ALTER TABLE orders RENAME COLUMN note TO remark", ["orders.get: column o.note does not"]),
    ("DROP TABLE order_lines", ['orders.insert: relation "order_lines" does not exist']),
    ("ALTER TABLE orders ALTER due_on TYPE text", ["orders.get: due_on was date and is text"]),
    (
        "ALTER TABLE idempotency_keys ALTER key TYPE uuid USING null",
        ["idempotency.find: $3 was text and is uuid"],
    ),
    (
        "ALTER TABLE orders ADD COLUMN channel text NOT NULL",
        ["orders.channel: must be given a value, which it need not before"],
    ),
    (
        "ALTER TABLE orders ALTER note SET NOT NULL",
        ["orders.note: must be given a value, which it need not before"],
    ),
]


@pytest.mark.parametrize("release", IN_API, indirect=True, ids=lambda file: file.parent.name)
@pytest.mark.parametrize(("change", "expected"), PLANTED)
async def test_a_change_that_breaks_them_is_found(
    schema: asyncpg.Connection, release: Release, change: str, expected: list[str]
) -> None:
    await schema.execute(change)
    found = await release.violations(schema)
    for beginning in expected:
        assert any(violation.startswith(beginning) for violation in found), found


@pytest.mark.parametrize("release", IN_API, indirect=True, ids=lambda file: file.parent.name)
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE orders ADD COLUMN channel text",
        "ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'web'",
        "ALTER TABLE order_lines ALTER position TYPE integer",
        "CREATE TABLE refunds (id uuid PRIMARY KEY, order_id uuid NOT NULL)",
        "DROP INDEX orders_by_time",
    ],
)
async def test_what_expands_the_schema_is_let_pass(
    schema: asyncpg.Connection, release: Release, change: str
) -> None:
    await schema.execute(change)
    assert await release.violations(schema) == []
