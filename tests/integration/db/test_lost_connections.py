"""Connections that the server ends: what is tried again, and what the caller is told."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from libs.db.database import Database
from libs.errors import Unavailable
from libs.ids import uuid7
from tests.integration.databases import connected
from tests.integration.db.conftest import Place
from tests.waiting import until

KILL = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = $1"
INSERT = """/* customers.insert */
INSERT INTO customers (id, created_at, updated_at, email) VALUES ($1, now(), now(), $2)"""
SLEEPING = "PgSleep"
COUNT = "SELECT count(*)::int AS n FROM customers"


async def backends(admin: asyncpg.Connection, place: Place, doing: str) -> list[int]:
    """The server's processes for the module that are in a state, or wait for something."""
    rows = await admin.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND usename = $2"
        " AND $3 IN (state, wait_event)",
        place.name,
        place.role("orders"),
        doing,
    )
    return [row["pid"] for row in rows]


async def none(found: Awaitable[list[int]]) -> bool:
    return not await found


async def kill(admin: asyncpg.Connection, place: Place) -> None:
    """End the module's connections; return when they have ended."""
    assert await admin.fetch(KILL, place.role("orders"))


def kill_unseen(place: Place) -> None:
    """The same, while this process does not look at its sockets."""

    async def work() -> None:
        async with connected(place.admin_dsn) as admin:
            await kill(admin, place)

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    thread.join()


async def ping(db: Database) -> None:
    await db.ping()


async def insert(db: Database) -> None:
    async with db.transaction():
        await db.execute(INSERT, uuid7(), "a@example.com")


@pytest.mark.parametrize("work", [ping, insert])
@pytest.mark.parametrize("turns", range(5))
async def test_connections_that_died_while_they_rested_are_not_noticed(
    migrated: Place, turns: int, work: Callable[[Database], Awaitable[None]]
) -> None:
    """As after a restart of the server, however much of their end has been seen by then."""
    async with migrated.opened(pool_max=4) as db:
        await asyncio.gather(*(db.rows("SELECT pg_sleep(0.05)") for _ in range(4)))
        kill_unseen(migrated)
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.gather(*(work(db) for _ in range(3 if work is ping else 1)))
        count = await db.row(COUNT)
    assert count == {"n": work is insert}


async def test_a_read_is_done_again_once(migrated: Place, log: list[dict[str, object]]) -> None:
    async with migrated.opened(pool_max=1) as db, migrated.admin() as admin:
        reading = asyncio.create_task(db.rows("/* nap */ SELECT pg_sleep(60)"))
        for _ in range(2):
            [pid] = await until(lambda: backends(admin, migrated, SLEEPING), "the statement")
            await admin.execute("SELECT pg_terminate_backend($1, 10000)", pid)
        with pytest.raises(Unavailable) as lost:
            await reading
        assert lost.value.retry_after == 1.0
        await db.ping()
    naps = [line for line in log if line.get("statement") == "nap"]
    assert len(naps) == 2
    again = [line for line in log if line["event"] == "database.connection_lost"]
    assert [line["module"] for line in again] == ["orders"]


@pytest.mark.parametrize(
    "sql",
    [
        "WITH slept AS (SELECT pg_sleep(60)) INSERT INTO customers SELECT FROM slept",
        "UPDATE customers SET version = 2 WHERE pg_sleep(60) IS NULL",
    ],
)
async def test_what_writes_is_not_done_again(migrated: Place, sql: str) -> None:
    async with migrated.opened(pool_max=1) as db, migrated.admin() as admin:
        await db.execute(INSERT, uuid7(), "a@example.com")
        writing = asyncio.create_task(db.execute(sql))
        [pid] = await until(lambda: backends(admin, migrated, SLEEPING), "the statement")
        await admin.execute("SELECT pg_terminate_backend($1, 10000)", pid)
        with pytest.raises(Unavailable):
            await writing
        assert await backends(admin, migrated, SLEEPING) == []


async def held(db: Database, rest: asyncio.Event) -> None:
    async with db.transaction():
        await db.ping()
        await rest.wait()
        await db.ping()


async def test_nothing_inside_a_transaction_is_done_again(migrated: Place) -> None:
    rest = asyncio.Event()
    async with migrated.opened(pool_max=1) as db, migrated.admin() as admin:
        running = asyncio.create_task(held(db, rest))
        await until(lambda: backends(admin, migrated, "idle in transaction"), "the transaction")
        await kill(admin, migrated)
        rest.set()
        with pytest.raises(Unavailable):
            await running
        await db.ping()
        await insert(db)


async def test_a_transaction_that_rests_too_long_is_unavailable(migrated: Place) -> None:
    async with (
        migrated.opened(idle_in_transaction_timeout_ms=50) as db,
        migrated.admin() as admin,
    ):
        rest = asyncio.Event()
        resting = asyncio.create_task(held(db, rest))
        await until(lambda: backends(admin, migrated, "idle in transaction"), "the transaction")
        await until(lambda: none(backends(admin, migrated, "idle in transaction")), "its end")
        rest.set()
        with pytest.raises(Unavailable):
            await resting
        await db.ping()


async def test_a_commit_that_is_not_answered_is_unavailable(migrated: Place) -> None:
    """Whether it took place cannot be known."""
    async with migrated.opened(pool_max=1) as db, migrated.admin() as admin:

        async def insert_then_lose() -> None:
            async with db.transaction():
                await db.execute(INSERT, uuid7(), "a@example.com")
                await kill(admin, migrated)

        with pytest.raises(Unavailable):
            await insert_then_lose()
        assert await db.row(COUNT) == {"n": 0}


async def test_a_savepoint_on_a_lost_connection_ends_the_whole(migrated: Place) -> None:
    async with migrated.opened(pool_max=1) as db, migrated.admin() as admin:

        async def nested() -> None:
            async with db.transaction() as outer:
                await db.ping()
                async with outer._in_transaction():
                    await kill(admin, migrated)
                    await db.ping()

        with pytest.raises(Unavailable):
            await nested()
        await insert(db)
