import asyncio
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from libs.db.database import Databases
from libs.db.migrate import migrate, pending, sql
from libs.db.unit_of_work import unit_of_work
from libs.errors import Unavailable
from tests.integration.db.conftest import MIGRATIONS, MODELS, Place
from tests.integration.db.models import Customer
from tests.waiting import until

ALL = ["1_init.py", "2_outbox.py", "3_order_notes.py"]


def write(folder: Path, name: str, statement: str, more: str = "") -> None:
    (folder / name).write_text(
        f"{more}\nasync def upgrade(db):\n    return {statement!r}\n\n"
        "async def downgrade(db):\n    return ''\n"
    )


async def test_what_is_pending_is_applied_once(
    place: Place, log: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    module = place.migrations()
    assert await pending([module]) == {"orders": ALL}
    assert await migrate([module]) == {"orders": ALL}
    assert await pending([module]) == {"orders": []}
    assert await migrate([module]) == {"orders": []}
    applied = [line for line in log if line["event"] == "migration.applied"]
    assert [(line["schema"], line["migration"]) for line in applied] == [
        ("orders", name) for name in ALL
    ]
    assert capfd.readouterr() == ("", "")


async def test_each_module_has_a_history_of_its_own(place: Place, tmp_path: Path) -> None:
    write(tmp_path, "1_init.py", "CREATE TABLE users (id int)")
    modules = [place.migrations(), place.migrations(tmp_path, "users")]
    assert await migrate(modules) == {"orders": ALL, "users": ["1_init.py"]}
    async with place.admin() as admin:
        assert await admin.fetchval("SELECT count(*) FROM orders.aerich") == 3
        assert await admin.fetchval("SELECT count(*) FROM users.aerich") == 1
        assert await admin.fetchval("SELECT to_regclass('users.users')") is not None


async def test_asking_changes_nothing(place: Place) -> None:
    await pending([place.migrations()])
    await sql([place.migrations()])
    async with place.admin() as admin:
        assert await admin.fetchval("SELECT to_regclass('orders.aerich')") is None


async def test_several_at_once(place: Place) -> None:
    # One process never migrates twice at once, so the others are processes here.
    script = (
        "import asyncio, sys; from pathlib import Path; from pydantic import SecretStr;"
        "from libs.db.migrate import Migrations, migrate;"
        "asyncio.run(migrate([Migrations(name='orders', dsn=SecretStr(sys.argv[1]),"
        "models=['tests.integration.db.models'], path=Path(sys.argv[2]))]))"
    )
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            script,
            place.dsn("orders"),
            str(MIGRATIONS),
            cwd=MIGRATIONS.parents[3],
        )
        for _ in range(2)
    ]
    assert [await process.wait() for process in running] == [0, 0]
    assert await pending([place.migrations()]) == {"orders": []}


async def test_the_script_does_the_same(place: Place) -> None:
    text = await sql([place.migrations()])
    assert text.index("1_init.py") < text.index("2_outbox.py") < text.index("3_order_notes.py")
    connection = await asyncpg.connect(place.dsn("orders"))
    # CREATE INDEX CONCURRENTLY must be sent alone, as psql does
    for statement in filter(str.strip, text.split(";\n")):
        await connection.execute(statement)
    await connection.close()
    assert await pending([place.migrations()]) == {"orders": []}
    assert await sql([place.migrations()]) == ""


async def test_a_migration_is_complete_or_absent(place: Place, tmp_path: Path) -> None:
    write(tmp_path, "1_init.py", "CREATE TABLE one (id int)")
    write(tmp_path, "2_more.py", "CREATE TABLE two (id int); SELECT 1 / 0")
    module = place.migrations(tmp_path)
    with pytest.raises(Exception, match="DivisionByZeroError"):
        await migrate([module])
    assert await pending([module]) == {"orders": ["2_more.py"]}
    async with place.admin() as admin:
        assert await admin.fetchval("SELECT to_regclass('orders.one')") is not None
        assert await admin.fetchval("SELECT to_regclass('orders.two')") is None


async def test_a_lock_is_waited_for_in_short_attempts(
    migrated: Place, tmp_path: Path, log: list[Any]
) -> None:
    for file in MIGRATIONS.glob("*.py"):
        (tmp_path / file.name).write_text(file.read_text())
    write(tmp_path, "4_paid.py", "ALTER TABLE orders ADD COLUMN paid boolean")
    async with migrated.admin() as admin:
        reading = admin.transaction()
        await reading.start()
        await admin.execute("LOCK TABLE orders.orders IN ACCESS SHARE MODE")
        working = asyncio.create_task(
            migrate([migrated.migrations(tmp_path)], lock_timeout_ms=50, pause_s=0.2)
        )
        await until(
            lambda: any(line["event"] == "migration.lock_not_available" for line in log),
            "the first attempt has failed",
        )
        await reading.rollback()
        assert await working == {"orders": ["4_paid.py"]}


async def test_a_lock_that_is_never_free_is_unavailable(migrated: Place, tmp_path: Path) -> None:
    write(tmp_path, "4_paid.py", "ALTER TABLE orders ADD COLUMN paid boolean")
    async with migrated.admin() as admin, admin.transaction():
        await admin.execute("LOCK TABLE orders.orders IN ACCESS SHARE MODE")
        with pytest.raises(Unavailable):
            await migrate(
                [migrated.migrations(tmp_path)], lock_timeout_ms=20, attempts=2, pause_s=0.01
            )
        assert await pending([migrated.migrations(tmp_path)]) == {"orders": ["4_paid.py"]}


async def test_a_statement_that_takes_too_long_is_not_tried_again(
    place: Place, tmp_path: Path
) -> None:
    write(tmp_path, "1_init.py", "SELECT pg_sleep(5)")
    with pytest.raises(Unavailable) as stopped:
        await migrate([place.migrations(tmp_path)], statement_timeout_ms=50)
    assert isinstance(stopped.value.__cause__, asyncpg.QueryCanceledError)


async def test_migrating_leaves_the_process_able_to_open(migrated: Place) -> None:
    databases = Databases()
    db = databases.add("orders", migrated.settings(), MODELS)
    await databases.open()
    async with unit_of_work(db):
        assert await Customer.all().count() == 0
    assert await pending([migrated.migrations()]) == {"orders": []}  # even while it is open
    assert await Customer.all().count() == 0
    await databases.close()


async def test_an_index_whose_making_failed_is_made_anew(
    migrated: Place, tmp_path: Path, log: list[Any]
) -> None:
    write(
        tmp_path,
        "4_by_note.py",
        "CREATE INDEX CONCURRENTLY by_note ON orders (note)",
        "RUN_IN_TRANSACTION = False",
    )
    async with migrated.admin() as admin:
        writing = admin.transaction()
        await writing.start()
        await admin.execute("DELETE FROM orders.orders")  # it waits for all that write
        working = asyncio.create_task(
            migrate([migrated.migrations(tmp_path)], lock_timeout_ms=50, pause_s=0.2)
        )
        await until(
            lambda: any(line["event"] == "migration.lock_not_available" for line in log),
            "the first attempt has failed",
        )
        await writing.rollback()
        assert await working == {"orders": ["4_by_note.py"]}
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders.by_note'::regclass"
        assert await admin.fetchval(valid)
    dropped = [line for line in log if line["event"] == "migration.invalid_index_dropped"]
    assert [line["index"] for line in dropped] == ["by_note"]


async def test_a_script_has_the_time_outs(place: Place) -> None:
    connection = await asyncpg.connect(place.dsn("orders"))
    for statement in filter(str.strip, (await sql([place.migrations()])).split(";\n")):
        await connection.execute(statement)
    assert await connection.fetchval("SHOW lock_timeout") == "5s"
    assert await connection.fetchval("SHOW statement_timeout") == "1min"
    assert await connection.fetchval("SHOW search_path") == "orders"
    await connection.close()
