"""PostgreSQL busy, slow or gone: what a client is told, and what is tried again for it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx
import pytest

from libs.ids import uuid7
from tests.integration.api.system import System, json, started
from tests.integration.databases import ModuleDatabase, connected
from tests.waiting import until

DATABASE = "THROUGHLINE_API_DATABASE_"
BACKENDS = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'throughline/api'
   AND coalesce(query LIKE $1, false) AND coalesce(wait_event_type, '') LIKE $2"""
TERMINATE = "SELECT pg_terminate_backend($1, 10000)"


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    """It says what is wrong, and when to try again."""
    problem = json(response)
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "1"
    assert problem["contextId"] == response.headers["x-context-id"]


@dataclass
class Server:
    """The administrator's side of the database.

    Attributes:
        admin: their connection, outside any transaction.
    """

    url: str
    admin: asyncpg.Connection

    async def waiting(self, statement: str) -> int:
        """The process that waits for a lock with the statement of that name."""
        rows = await until(
            lambda: self.admin.fetch(BACKENDS, f"/* {statement} */%", "Lock"),
            f"{statement} to wait for a lock",
        )
        return int(rows[0]["pid"])

    async def end(self, pid: int) -> None:
        await self.admin.execute(TERMINATE, pid)

    async def end_all(self) -> None:
        for row in await self.admin.fetch(BACKENDS, "%", "%"):
            await self.end(row["pid"])

    @asynccontextmanager
    async def locked(
        self, table: str, mode: str = "ACCESS EXCLUSIVE"
    ) -> AsyncIterator[asyncpg.Connection]:
        """A table is locked for the length of a block; gives the connection that has the lock."""
        async with connected(self.url) as other, other.transaction():
            await other.execute(f"LOCK TABLE api.{table} IN {mode} MODE")
            yield other


@pytest.fixture
async def server(api_database: ModuleDatabase) -> AsyncIterator[Server]:
    async with connected(api_database.admin_url) as admin:
        yield Server(api_database.admin_url, admin)


@asynccontextmanager
async def system_with(
    environ: Mapping[str, str], database: asyncpg.Connection, **settings: int
) -> AsyncIterator[System]:
    """A process with these settings of its database."""
    more = {f"{DATABASE}{name.upper()}": str(value) for name, value in settings.items()}
    async with started({**environ, **more}, database, tasks=False) as system:
        yield system


async def test_a_pool_that_is_exhausted(
    environ: dict[str, str], database: asyncpg.Connection, server: Server
) -> None:
    settings = {"pool_max": 1, "acquire_timeout_ms": 100}
    async with system_with(environ, database, **settings) as system:
        ada = system.user()
        async with server.locked("orders"):
            holding = asyncio.create_task(system.get(ada, "/v1/orders"))
            await server.waiting("orders.list")
            assert_problem(await system.get(ada, "/v1/orders"), 503, "unavailable")
            assert_problem(await system.place(ada), 503, "unavailable")
        assert (await holding).status_code == 200
        assert (await system.place(ada)).status_code == 201


@pytest.mark.parametrize("limit", ["statement_timeout_ms", "lock_timeout_ms"])
async def test_a_statement_that_takes_too_long(
    environ: dict[str, str], database: asyncpg.Connection, server: Server, limit: str
) -> None:
    async with system_with(environ, database, **{limit: 200}) as system:
        ada = system.user()
        key = str(uuid7())
        async with server.locked("orders"):
            assert_problem(await system.get(ada, "/v1/orders"), 503, "unavailable")
            assert_problem(await system.place(ada, key=key), 503, "unavailable")
        again = await system.place(ada, key=key)
        assert again.status_code == 201
        assert "idempotency-replayed" not in again.headers


async def test_a_connection_that_is_lost_while_it_reads(system: System, server: Server) -> None:
    ada = system.user()
    await system.place(ada)
    async with server.locked("orders"):
        reading = asyncio.create_task(system.get(ada, "/v1/orders"))
        await server.end(await server.waiting("orders.list"))
    response = await reading
    assert response.status_code == 200
    assert len(json(response)["items"]) == 1


async def test_a_connection_that_is_lost_again_and_again(system: System, server: Server) -> None:
    ada = system.user()
    async with server.locked("orders"):
        reading = asyncio.create_task(system.get(ada, "/v1/orders"))
        for _ in range(2):
            await server.end(await server.waiting("orders.list"))
        assert_problem(await reading, 503, "unavailable")
    assert (await system.get(ada, "/v1/orders")).status_code == 200


async def test_a_connection_that_is_lost_while_it_writes(system: System, server: Server) -> None:
    ada, key = system.user(), str(uuid7())
    async with server.locked("outbox"):
        placing = asyncio.create_task(system.place(ada, key=key))
        await server.end(await server.waiting("orders.insert"))
        assert_problem(await placing, 503, "unavailable")
    assert (await system.counts())["orders"] == 0
    assert (await system.place(ada, key=key)).status_code == 201


async def test_connections_that_were_lost_while_they_rested(system: System, server: Server) -> None:
    """As when the server was restarted: nobody is told."""
    ada = system.user()
    paths = [(await system.place(ada)).headers["location"] for _ in range(2)]
    for _ in range(5):
        await asyncio.gather(*(system.get(ada, "/v1/orders") for _ in range(5)))
        await server.end_all()
        answers = await asyncio.gather(
            *(system.get(ada, path) for path in paths),
            *(system.place(ada) for _ in range(2)),
        )
        assert [answer.status_code for answer in answers] == [200, 200, 201, 201]
    await server.end_all()
    assert (await system.cancel(ada, paths[0])).status_code == 200


async def test_a_server_that_is_not_there(
    environ: dict[str, str], database: asyncpg.Connection
) -> None:
    gone = {f"{DATABASE}URL": "postgresql://api:secret@127.0.0.1:1/api"}
    async with started({**environ, **gone}, database, tasks=False) as system:
        ada = system.user()
        assert_problem(await system.get(ada, "/v1/orders"), 503, "unavailable")
        assert_problem(await system.place(ada), 503, "unavailable")
        ready = await system.http.get("/health/ready")
        assert ready.status_code == 503


async def test_a_deadlock_is_got_out_of(system: System, server: Server) -> None:
    """PostgreSQL gives up the statement that has waited longest. It is run again."""
    ada = system.user()
    async with server.locked("outbox", "EXCLUSIVE") as other:
        placing = asyncio.create_task(system.place(ada))
        await server.waiting("orders.insert")
        await other.execute("LOCK TABLE api.orders IN EXCLUSIVE MODE")
    assert (await placing).status_code == 201
    assert (await system.counts())["orders"] == 1


async def test_a_deadlock_in_the_middle_of_a_transaction_is_told(
    system: System, server: Server
) -> None:
    """Half of its work was decided on what was read before: it is for the client to begin anew."""
    ada = system.user()
    path = (await system.place(ada)).headers["location"]
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(server.locked("outbox", "EXCLUSIVE"))
        cancelling = asyncio.create_task(system.cancel(ada, path, Idempotency_Key="k"))
        await server.waiting("outbox.add")
        await other.execute("SELECT FROM api.orders FOR UPDATE")
    assert_problem(await cancelling, 409, "lost_race")
    again = await system.cancel(ada, path, Idempotency_Key="k")
    assert again.status_code == 200
    assert "idempotency-replayed" not in again.headers
