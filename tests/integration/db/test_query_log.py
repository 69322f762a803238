import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tortoise.exceptions import IntegrityError

from libs.context import RequestContext, use
from libs.db.database import Database
from libs.db.unit_of_work import unit_of_work
from libs.errors import NotFound, Unavailable
from libs.ids import uuid7
from tests.integration.db.conftest import Place
from tests.integration.db.models import Customer


async def statements(log: list[Any]) -> list[str]:
    await asyncio.sleep(0)  # asyncpg calls its loggers soon, not at once
    return [line["statement"] for line in log if line["event"] == "db.query"]


async def test_everything_that_is_sent_is_a_line(db: Database, log: list[Any]) -> None:
    async with unit_of_work(db):
        await Customer.create(email="hunter2@example.com")
        await db.rows("/* customers.count */ SELECT count(*) FROM customers")
        await db.execute("UPDATE customers SET version = $1", 7)
    with pytest.raises(NotFound):
        async with unit_of_work(db):
            raise NotFound
    await Customer.filter(email="hunter2@example.com").update(email="hunter2@example.org")
    await Customer.bulk_create([Customer(email="hunter2@example.net")])
    assert await Customer.all().count() == 2
    own = await db.connect()
    await own.execute("LISTEN orders_outbox")
    await own.close()
    await asyncio.sleep(0)
    found = [s for s in await statements(log) if s not in ("with", "select")]  # asyncpg's own
    assert found == [
        "begin",
        "insert customers",
        "customers.count",
        "update customers",
        "commit",
        "begin",
        "rollback",
        "update customers",
        "begin",
        "insert customers",
        "commit",
        "select customers",
        "listen",
    ]
    assert "hunter2" not in str(log)
    assert all(line["durationMs"] >= 0 for line in log if line["event"] == "db.query")


async def test_a_slow_statement_is_a_warning(migrated: Place, log: list[Any]) -> None:
    async with migrated.opened(slow_query_ms=50) as db:
        await db.rows("/* nap */ SELECT pg_sleep(0.06)")
        await asyncio.sleep(0)
    (line,) = [line for line in log if line.get("statement") == "nap"]
    assert line["log_level"] == "warning"
    assert line["slow"] is True
    assert line["durationMs"] >= 50


async def test_a_failed_statement_says_why(migrated: Place, log: list[Any]) -> None:
    async with migrated.opened(statement_timeout_ms=20) as db:
        await Customer.create(email="a")
        with pytest.raises(IntegrityError):
            await Customer.create(email="a")
        with pytest.raises(Unavailable):
            await db.rows("/* nap */ SELECT pg_sleep(5)")
        await asyncio.sleep(0)
    failed = [line for line in log if line.get("error")]
    assert [(line["statement"], line["error"], line["log_level"]) for line in failed] == [
        ("insert customers", "UniqueViolationError", "info"),
        ("nap", "QueryCanceledError", "warning"),
    ]


async def test_each_line_has_the_context_of_the_task_that_asked(
    migrated: Place, log: list[Any]
) -> None:
    async def work(db: Database, number: int) -> None:
        with use(RequestContext(context_id=f"context-{number:02}", service="orders")):
            async with unit_of_work(db):
                await Customer.create(email=str(number))
                await db.rows(f"/* mark.{number:02} */ SELECT pg_sleep(0.01)")
            await db.rows(f"/* mark.{number:02} */ SELECT 1")

    async with migrated.opened(pool_max=3) as db:
        await asyncio.gather(*(work(db, number) for number in range(20)))
        await asyncio.sleep(0)
    marked = [line for line in log if str(line.get("statement")).startswith("mark.")]
    assert len(marked) == 40
    assert all(line["contextId"][-2:] == line["statement"][-2:] for line in marked)
    for number in range(20):
        mine = [line["statement"] for line in log if line["contextId"] == f"context-{number:02}"]
        for statement in ("begin", "insert customers", "commit"):
            assert mine.count(statement) == 1


async def test_a_statement_is_measured(db: Database) -> None:
    name = f"measure.{uuid7().hex}"
    await db.rows(f"/* {name} */ SELECT 1")
    await asyncio.sleep(0)
    labels = {"module": "orders", "statement": name}
    assert REGISTRY.get_sample_value("db_query_duration_seconds_count", labels) == 1
