"""The migrated schema: like the models, and strict where they cannot be."""

import importlib
from itertools import permutations
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
import pytest

from libs.db.database import Databases
from libs.db.drift import drift
from libs.db.migrate import pending
from services.api.orders.models import Status
from services.api.orders.repository import STATUS_CHANGE
from tests.integration.api.system import System, json
from tests.integration.databases import ModuleDatabase

FOLDER: Final = Path(__file__).parents[3] / "services" / "api" / "migrations"


async def test_the_models_are_the_tables(system: System) -> None:
    [db] = system.runtime.share(Databases)._databases.values()
    assert await drift(db) == []


async def test_nothing_is_pending(api_database: ModuleDatabase) -> None:
    assert await pending([api_database.migrations]) == {"api": []}


async def test_the_migrations_can_be_taken_back(database: asyncpg.Connection) -> None:
    names = sorted(FOLDER.glob("[0-9]*_*.py"), key=lambda path: int(path.stem.partition("_")[0]))
    migrations = [importlib.import_module(f"services.api.migrations.{p.stem}") for p in names]
    transaction = database.transaction()
    await transaction.start()
    try:
        for migration in reversed(migrations):
            await database.execute(await migration.downgrade(database))
        left = await database.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'api'::regnamespace AND relkind='r'"
        )
        for migration in migrations:
            await database.execute(await migration.upgrade(database))
    finally:
        await transaction.rollback()
    assert [row["relname"] for row in left] == ["aerich"]


ASSESSED = (
    ", reporting_total = 1, reporting_currency = 'EUR', rate = 1, rate_as_of = '2026-01-30',"
    " stale = false, due_on = '2026-02-02'"
)


@pytest.mark.parametrize(("before", "after"), [*permutations(Status, 2)])
async def test_a_status_changes_by_the_rules_of_the_code(
    system: System, before: Status, after: Status
) -> None:
    """The trigger's rules are those of `Status.may_become`."""
    order_id = UUID(json(await system.place(system.user()))["id"])
    change = f"UPDATE orders SET status = $2 {ASSESSED} WHERE id = $1"  # noqa: S608
    if before is not Status.PENDING:
        await system.database.execute(change, order_id, before.value)
    if before.may_become(after):
        await system.database.execute(change, order_id, after.value)
        return
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await system.database.execute(change, order_id, after.value)
    assert caught.value.constraint_name == STATUS_CHANGE


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("UPDATE orders SET status = 'LOST'", "orders_status_change"),
        ("UPDATE orders SET status = 'CONFIRMED'", "orders_confirmed_is_assessed"),
        ("UPDATE orders SET rate = 1", "orders_assessment_whole"),
        ("UPDATE order_lines SET amount = 1", "order_lines_amount"),
        ("DELETE FROM customers", "orders_customer_id_fkey"),
    ],
)
async def test_what_makes_no_sense_is_refused(system: System, change: str, constraint: str) -> None:
    await system.place(system.user())
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
        await system.database.execute(change)
    assert caught.value.constraint_name == constraint
