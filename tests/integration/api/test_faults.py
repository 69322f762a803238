"""A fault at any point of a request: all of its effects are there, or none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest

from libs.db.client import Connection
from libs.db.query_log import statement_name
from libs.ids import uuid7
from tests.integration.api.system import EUR_DAY, EUR_GIB, System, User, json, order_of
from tests.integration.databases import ModuleDatabase, connected

TERMINATE = "SELECT pg_terminate_backend($1, 10000)"


@dataclass
class Fault:
    """Happens at one of the statements that the module sends, before or after it.

    Attributes:
        at: the number of the statement; None: it never happens.
        seen: the names of the statements that were sent since it was armed.
    """

    happen: Callable[[Connection], Awaitable[None]]
    after: bool
    at: int | None = None
    seen: list[str] = field(default_factory=list)

    def arm(self, at: int | None) -> None:
        self.at, self.seen = at, []

    async def around(
        self,
        original: Callable[..., Awaitable[Any]],
        connection: Connection,
        query: str,
        *args: Any,
    ) -> Any:
        mine = len(self.seen) == self.at
        self.seen.append(statement_name(query))
        if mine and not self.after:
            await self.happen(connection)
        result = await original(connection, query, *args)
        if mine and self.after:
            await self.happen(connection)
        return result


Kind = Callable[[Connection], Awaitable[None]]


def end_of_connection(admin: asyncpg.Connection) -> Kind:
    async def happen(connection: Connection) -> None:
        await admin.execute(TERMINATE, connection.get_server_pid())

    return happen


async def defect(_: Connection) -> None:
    raise ZeroDivisionError


async def cancellation(_: Connection) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


KINDS = ["connection", "defect", "cancellation"]


@pytest.fixture
async def fault(
    request: pytest.FixtureRequest,
    api_database: ModuleDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Fault]:
    kind, after = request.param
    async with connected(api_database.admin_url) as admin:
        kinds = {
            "connection": end_of_connection(admin),
            "defect": defect,
            "cancellation": cancellation,
        }
        fault = Fault(kinds[kind], after)
        for name in ("execute", "fetch", "fetchrow"):
            original = getattr(asyncpg.Connection, name)

            async def around(
                self: Connection, query: str, *args: Any, original: Any = original, **_: Any
            ) -> Any:
                return await fault.around(original, self, query, *args)

            monkeypatch.setattr(Connection, name, around)
        yield fault


async def contents(system: System) -> dict[str, int]:
    """How many rows each table has, and how many orders are cancelled."""
    tables = await system.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'api'::regnamespace AND relkind = 'r'"
    )
    names = sorted(row["relname"] for row in tables)
    counts = {n: await system.database.fetchval(f"SELECT count(*) FROM {n}") for n in names}  # noqa: S608
    cancelled = "SELECT count(*) FROM orders WHERE status = 'CANCELLED'"
    return {**counts, "cancelled": await system.database.fetchval(cancelled)}


Ask = Callable[[], Awaitable[httpx.Response]]


async def place(system: System, user: User) -> Ask:
    key = str(uuid7())
    return lambda: system.place(user, order_of(EUR_DAY, EUR_GIB), key=key)


async def cancel(system: System, user: User) -> Ask:
    path = (await system.place(user)).headers["location"]
    key = str(uuid7())
    return lambda: system.cancel(user, path, Idempotency_Key=key)


async def answer_to(ask: Ask) -> httpx.Response | None:
    """The answer; None if there was none."""
    asking = asyncio.ensure_future(ask())
    await asyncio.wait({asking})
    return None if asking.cancelled() or asking.exception() else asking.result()


@pytest.mark.parametrize("request_of", [place, cancel])
@pytest.mark.parametrize(
    "fault", [(kind, after) for kind in KINDS for after in (False, True)], indirect=True
)
async def test_a_fault_at_any_statement_leaves_all_or_nothing(
    system: System, fault: Fault, request_of: Callable[[System, User], Awaitable[Ask]]
) -> None:
    ask = await request_of(system, system.user())
    before = await contents(system)
    fault.arm(None)
    assert (await ask()).is_success
    statements = [*fault.seen]

    effect = {name: n - before[name] for name, n in (await contents(system)).items()}
    assert effect["idempotency_keys"] == effect["outbox"] == 1

    for at in range(len(statements)):
        ask = await request_of(system, system.user())
        before = await contents(system)
        done = {name: n + effect[name] for name, n in before.items()}
        fault.arm(at)
        answer = await answer_to(ask)
        fault.arm(None)
        left = await contents(system)
        committed = fault.after and at == len(statements) - 1
        told = answer is not None and answer.is_success
        assert left == (done if committed or told else before), (statements[at], answer)
        again = await ask()
        assert again.is_success, (statements[at], again.text)
        assert ("idempotency-replayed" in again.headers) == (committed or told)
        assert await contents(system) == done, statements[at]
        if answer is not None and not told:
            assert answer.status_code in (500, 503)


REFUSALS = {
    "before each row": "CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW {function}",
    "after each row": "CREATE TRIGGER refuse AFTER INSERT ON {table} FOR EACH ROW {function}",
    "at the commit": "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {table}"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {function}",
}
"""Where the database fails, of all places that a row passes."""


@pytest.mark.parametrize("where", REFUSALS)
@pytest.mark.parametrize(("sqlstate", "status"), [("XX000", 500), ("53100", 503)])
async def test_a_fault_at_any_table_leaves_nothing(
    system: System, where: str, sqlstate: str, status: int
) -> None:
    """An order is written by one statement: here it fails within."""
    before = await contents(system)
    assert (await (await place(system, system.user()))()).status_code == 201
    done = await contents(system)
    tables = [name for name in done if done[name] > before[name]]
    assert {"orders", "order_lines", "outbox", "idempotency_keys", "customers"} == {*tables}

    for table in tables:
        ask = await place(system, system.user())
        before = await contents(system)
        await system.database.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$"
        )
        try:
            function = "EXECUTE FUNCTION refuse()"
            await system.database.execute(REFUSALS[where].format(table=table, function=function))
            refused = await ask()
        finally:
            await system.database.execute("DROP FUNCTION refuse CASCADE")
        assert refused.status_code == status, (table, refused.text)
        assert await contents(system) == before, table
        again = await ask()
        assert again.status_code == 201, (table, json(again))
        assert "idempotency-replayed" not in again.headers
