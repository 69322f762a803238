"""The server is killed while it works on a request, and the request is sent again.

The process is a real one. What is sent again goes to another process, as it does behind a load
balancer.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import asyncpg
import httpx
import pytest

from libs.db.settings import DatabaseSettings
from tests.integration.api.process import Server, serving
from tests.integration.api.proxy import Proxy, proxy
from tests.integration.api.system import EUR_DAY, System, User, json, order_of
from tests.integration.databases import ModuleDatabase, connected
from tests.waiting import until

LONGEST_S = 90.0
KEY = "k"


@dataclass
class Scene:
    """A process that is to be killed, and one that goes on.

    Attributes:
        system: the one that goes on.
        proxy: between the other one and PostgreSQL.
    """

    server: Server
    system: System
    proxy: Proxy
    admin: asyncpg.Connection
    ada: User

    def ask(self, path: str = "/v1/orders") -> "asyncio.Task[httpx.Response]":
        """Ask the process that is to be killed for an order, or to cancel one."""
        headers = {**self.ada.headers, "Idempotency-Key": KEY}
        body = order_of(EUR_DAY) if path == "/v1/orders" else None
        return asyncio.create_task(self.server.http.post(path, json=body, headers=headers))

    async def kill(self, asking: "asyncio.Task[httpx.Response]") -> None:
        assert not asking.done(), asking.result().text
        await self.server.kill()
        with suppress(httpx.TransportError):
            raise AssertionError((await asking).text)

    async def place_again(self) -> httpx.Response:
        return await again(lambda: self.system.place(self.ada, order_of(EUR_DAY), key=KEY))

    async def cancel_again(self, path: str) -> httpx.Response:
        return await again(lambda: self.system.cancel(self.ada, path, Idempotency_Key=KEY))


async def again(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Send a request again for as long as it is said to be in flight, as a client would."""
    began = time.monotonic()
    while (answer := await ask()).status_code == 409:
        assert json(answer)["code"] == "idempotency.in_flight"
        assert time.monotonic() - began < LONGEST_S
        await asyncio.sleep(0.05)
    assert answer.is_success, answer.text
    return answer


@pytest.fixture
async def scene(
    environ: dict[str, str], api_database: ModuleDatabase, system: System
) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        between = await stack.enter_async_context(proxy(api_database.url))
        own = {
            "THROUGHLINE_API_DATABASE_URL": between.url(api_database.url),
            "THROUGHLINE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "THROUGHLINE_API_DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS": "2000",
            "THROUGHLINE_API_DATABASE_LOCK_TIMEOUT_MS": "2000",
        }
        server = await stack.enter_async_context(serving({**environ, **own}, system.runtime.issuer))
        admin = await stack.enter_async_context(connected(api_database.admin_url))
        yield Scene(server, system, between, admin, system.user())


async def assert_one_order(scene: Scene) -> None:
    """One effect, whatever happened."""
    counts = {"customers": 1, "orders": 1, "order_lines": 1, "outbox": 1, "idempotency_keys": 1}
    assert await scene.system.counts() == counts


async def test_killed_before_the_transaction(scene: Scene) -> None:
    scene.proxy.hold_before("/* orders.insert */")
    asking = scene.ask()
    await scene.proxy.held.wait()
    await scene.kill(asking)
    assert (await scene.system.counts())["orders"] == 0
    assert "idempotency-replayed" not in (await scene.place_again()).headers
    await assert_one_order(scene)


PAUSE = """
CREATE FUNCTION api.pause() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NULL; END $$;
CREATE TRIGGER pause AFTER INSERT ON api.idempotency_keys
    FOR EACH ROW EXECUTE FUNCTION api.pause();
"""
PAUSED = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event = 'advisory'
   AND query LIKE '/* orders.insert */%'
"""


@dataclass
class Pause:
    """Keeps whoever writes an order from committing, until it ends."""

    connection: asyncpg.Connection

    async def begin(self) -> None:
        await self.connection.execute("SELECT pg_advisory_lock(77)")

    async def end(self) -> None:
        await self.connection.execute("SELECT pg_advisory_unlock(77)")


@pytest.fixture
async def pausing(scene: Scene) -> AsyncIterator[Pause]:
    async with connected(scene.proxy.server) as other:
        await scene.admin.execute(PAUSE)
        pause = Pause(other)
        await pause.begin()
        yield pause
        await scene.admin.execute("DROP FUNCTION api.pause CASCADE")


async def paused(scene: Scene) -> int:
    """The process of PostgreSQL's that has written an order."""
    rows = await until(lambda: scene.admin.fetch(PAUSED), "the order to be written")
    return int(rows[0]["pid"])


async def test_killed_within_the_transaction(scene: Scene, pausing: Pause) -> None:
    asking = scene.ask()
    pid = await paused(scene)
    await scene.kill(asking)
    told = await scene.system.place(scene.ada, order_of(EUR_DAY), key=KEY)
    assert (told.status_code, json(told)["code"]) == (409, "idempotency.in_flight")
    assert told.headers["retry-after"] == "1"
    await scene.admin.execute("SELECT pg_terminate_backend($1, 10000)", pid)
    assert (await scene.system.counts())["orders"] == 0
    await pausing.end()
    assert "idempotency-replayed" not in (await scene.place_again()).headers
    await assert_one_order(scene)


async def test_killed_within_the_transaction_that_then_commits(
    scene: Scene, pausing: Pause
) -> None:
    """PostgreSQL does not see at once that nobody waits for it any more."""
    asking = scene.ask()
    await paused(scene)
    await scene.kill(asking)
    await pausing.end()
    assert (await scene.place_again()).headers["idempotency-replayed"] == "true"
    await assert_one_order(scene)


async def test_killed_within_the_transaction_that_never_ends(scene: Scene, pausing: Pause) -> None:
    """PostgreSQL's time-outs end it, and free the key."""
    asking = scene.ask()
    await paused(scene)
    await scene.kill(asking)
    await until(lambda: _none(scene.admin.fetch(PAUSED)), "its end")
    assert (await scene.system.counts())["orders"] == 0
    await pausing.end()
    assert "idempotency-replayed" not in (await scene.place_again()).headers
    await assert_one_order(scene)


async def _none(found: Awaitable[list[asyncpg.Record]]) -> bool:
    return not await found


async def test_killed_after_the_commit_before_the_answer(scene: Scene) -> None:
    scene.proxy.hold_after("/* orders.insert */")
    asking = scene.ask()
    await scene.proxy.held.wait()
    await assert_one_order(scene)
    await scene.kill(asking)
    answer = await scene.place_again()
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (201, "true")
    await assert_one_order(scene)


STEPS = ["BEGIN", "/* outbox.add */", "COMMIT"]


@pytest.mark.parametrize("step", STEPS)
async def test_killed_in_a_transaction_of_several_statements(scene: Scene, step: str) -> None:
    path = (await scene.system.place(scene.ada)).headers["location"]
    scene.proxy.hold_before(step)
    asking = scene.ask(f"{path}/cancel")
    await scene.proxy.held.wait()
    await scene.kill(asking)
    answer = await scene.cancel_again(path)
    assert "idempotency-replayed" not in answer.headers
    assert json(answer)["status"] == "CANCELLED"
    assert await scene.system.events() == ["OrderPlaced", "OrderCancelled"]


async def test_killed_after_the_commit_of_several_statements(scene: Scene) -> None:
    path = (await scene.system.place(scene.ada)).headers["location"]
    scene.proxy.hold_after("COMMIT")
    asking = scene.ask(f"{path}/cancel")
    await scene.proxy.held.wait()
    await scene.kill(asking)
    assert (await scene.cancel_again(path)).headers["idempotency-replayed"] == "true"
    assert await scene.system.events() == ["OrderPlaced", "OrderCancelled"]


async def test_a_process_that_hangs_in_a_transaction_keeps_no_key(scene: Scene) -> None:
    """Or whose host has vanished: its connection stays, as nobody says that it is over.

    PostgreSQL says so in the end.
    """
    path = (await scene.system.place(scene.ada)).headers["location"]
    scene.proxy.hold_before("/* outbox.add */")
    asking = scene.ask(f"{path}/cancel")
    await scene.proxy.held.wait()
    assert json(await scene.cancel_again(path))["status"] == "CANCELLED"
    assert await scene.system.events() == ["OrderPlaced", "OrderCancelled"]
    assert (await asking).status_code == 503


def test_no_key_is_locked_for_long_by_default() -> None:
    """A transaction whose process is gone ends with its statement, or by resting too long."""
    settings = DatabaseSettings.model_validate({"url": "postgresql://api:secret@host/api"})
    statement, rest = settings.statement_timeout_ms, settings.idle_in_transaction_timeout_ms
    assert 0 < statement + rest < LONGEST_S * 1000
