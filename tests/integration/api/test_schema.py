"""The migrated schema: like the models, and strict where they cannot be."""

import importlib
from uuid import UUID

import asyncpg
import pytest

from libs.db.database import Databases
from libs.db.drift import drift
from libs.db.migrate import pending
from tests.integration.api.system import System, json
from tests.integration.databases import ModuleDatabase


async def test_the_models_are_the_tables(system: System) -> None:
    [db] = system.runtime.share(Databases)._databases.values()
    assert await drift(db) == []


async def test_nothing_is_pending(api_database: ModuleDatabase) -> None:
    assert await pending([api_database.migrations]) == {"api": []}


async def test_the_migration_can_be_taken_back(database: asyncpg.Connection) -> None:
    migration = importlib.import_module("services.api.migrations.1_init")
    transaction = database.transaction()
    await transaction.start()
    try:
        await database.execute(await migration.downgrade(database))
        left = await database.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'api'::regnamespace AND relkind='r'"
        )
        await database.execute(await migration.upgrade(database))
    finally:
        await transaction.rollback()
    assert [row["relname"] for row in left] == ["aerich"]


ASSESSED = (
    ", reporting_total = 1, reporting_currency = 'EUR', rate = 1, rate_as_of = '2026-01-30',"
    " stale = false, due_on = '2026-02-02'"
)


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("PENDING", "CONFIRMED", True),
        ("PENDING", "REJECTED", True),
        ("PENDING", "CANCELLED", True),
        ("CONFIRMED", "CANCELLED", True),
        ("CONFIRMED", "PENDING", False),
        ("CONFIRMED", "REJECTED", False),
        ("REJECTED", "CONFIRMED", False),
        ("CANCELLED", "PENDING", False),
        ("CANCELLED", "CONFIRMED", False),
    ],
)
async def test_a_status_changes_by_the_rules(
    system: System, before: str, after: str, allowed: bool
) -> None:
    order_id = UUID(json(await system.place(system.user()))["id"])
    change = f"UPDATE orders SET status = $2 {ASSESSED} WHERE id = $1"  # noqa: S608
    if before != "PENDING":
        await system.database.execute(change, order_id, before)
    if allowed:
        await system.database.execute(change, order_id, after)
        return
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await system.database.execute(change, order_id, after)
    assert caught.value.constraint_name == "orders_status_change"


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


MANY_ORDERS = """
INSERT INTO customers (id, name, country, revision)
SELECT uuidv7(), 'Customer', 'DE', 1 FROM generate_series(1, 5);
INSERT INTO orders (id, customer_id, status, currency, total, placed_at)
SELECT uuidv7(), id, CASE WHEN n % 10 = 0 THEN 'PENDING' ELSE 'REJECTED' END, 'EUR', 1,
       now() - n * interval '1 hour'
  FROM customers, generate_series(1, 2000) AS n;
ANALYZE orders;
"""


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("customer_id = (SELECT id FROM customers LIMIT 1)", "orders_of_customer"),
        ("status = 'PENDING'", "orders_by_status"),
        ("true", "orders_by_time"),
    ],
)
async def test_a_page_is_read_from_an_index(
    database: asyncpg.Connection, condition: str, index: str
) -> None:
    query = (
        f"EXPLAIN SELECT id FROM orders WHERE deleted_at IS NULL AND {condition}"  # noqa: S608
        " AND (placed_at, id) < (now() - interval '10 hours', uuidv7())"
        " ORDER BY placed_at DESC, id DESC LIMIT 21"
    )
    transaction = database.transaction()
    await transaction.start()
    try:
        await database.execute(MANY_ORDERS)
        plan = "\n".join(row[0] for row in await database.fetch(query))
    finally:
        await transaction.rollback()
    assert f"using {index}" in plan
    assert "Sort" not in plan
