"""Redis gone, paused, full, slow: whatever it does, callers get their answers, and soon."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from libs.cache.cache import Cache
from tests.integration.cache.conftest import connected
from tests.integration.cache.proxy import Proxy, proxy
from tests.integration.own_servers import OwnValkey
from tests.waiting import until

PATIENCE = 0.05
"""Seconds: the default."""
REST = 0.5
SLACK = 0.5
"""Seconds that this machine may be busy with other tests, beside those that the event loop is late.
"""
BEAT = 0.01

CALLERS = 200


@dataclass
class Scene:
    """A cache whose Redis is at a test's mercy, and the truth.

    Attributes:
        cache: the one under test.
        other: the same in another process, whose way to Redis is always free.
        truth: what the source says.
        longest: seconds that the slowest look-up took.
        late: seconds that the event loop itself was late by: that is the machine, and not Redis.
    """

    server: OwnValkey
    way: Proxy
    cache: Cache
    other: Cache
    truth: dict[str, bytes] = field(default_factory=dict)
    longest: float = 0.0
    late: float = 0.0

    async def beat(self) -> None:
        """Note how late the event loop is."""
        while True:
            due = time.monotonic() + BEAT
            await asyncio.sleep(BEAT)
            self.late += max(0.0, time.monotonic() - due)

    @property
    def in_time(self) -> bool:
        """Whether nobody waited longer for Redis than they may."""
        return self.longest < PATIENCE + SLACK + self.late

    async def read(self, key: str, cache: Cache | None = None) -> bytes | None:
        async def load() -> bytes:
            return self.truth.setdefault(key, b"v1")

        began = time.monotonic()
        found = await (cache or self.cache).get_or_load(key, load, 600)
        self.longest = max(self.longest, time.monotonic() - began)
        return found

    async def write(self, key: str, value: bytes) -> None:
        self.truth[key] = value
        began = time.monotonic()
        await self.cache.invalidate(key)
        self.longest = max(self.longest, time.monotonic() - began)

    async def hits(self) -> bool:
        """Whether the cache is used again."""
        with capture_logs() as lines:
            await self.read("after")
        return [line["event"] for line in lines] == ["cache.hit"]


@asynccontextmanager
async def gone(scene: Scene) -> AsyncIterator[None]:
    await scene.server.stop()
    yield
    await scene.server.start()


@asynccontextmanager
async def paused(scene: Scene) -> AsyncIterator[None]:
    await scene.server.pause()
    yield
    scene.server.resume()


@asynccontextmanager
async def slow(scene: Scene) -> AsyncIterator[None]:
    scene.way.delay = 10 * PATIENCE
    yield
    scene.way.delay = 0.0


@asynccontextmanager
async def sluggish(scene: Scene) -> AsyncIterator[None]:
    """Slow, but within its time."""
    scene.way.delay = 0.4 * PATIENCE
    yield
    scene.way.delay = 0.0


@asynccontextmanager
async def unreachable(scene: Scene) -> AsyncIterator[None]:
    scene.way.closed = True
    await scene.way.cut()
    yield
    scene.way.closed = False


@asynccontextmanager
async def full(scene: Scene) -> AsyncIterator[None]:
    async with Redis.from_url(scene.server.address) as client:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "1")
        yield
        await client.config_set("maxmemory", "0")


FAULTS = [gone, paused, slow, sluggish, unreachable, full]


@pytest.fixture
async def scene(server: OwnValkey) -> AsyncIterator[Scene]:
    port = int(server.address.rsplit(":", 1)[1].split("/")[0])
    async with AsyncExitStack() as stack:
        way = await stack.enter_async_context(proxy(port))
        through = server.address.replace(f":{port}/", f":{way.port}/")
        redis = await stack.enter_async_context(connected(through, PATIENCE, REST))
        direct = await stack.enter_async_context(connected(server.address, 30.0, REST))
        cache, other = Cache(redis, namespace="things"), Cache(direct, namespace="things")
        scene = Scene(server, way, cache, other)
        await until(scene.hits, "everything works")
        await scene.read("known")
        scene.longest = 0.0
        beating = asyncio.create_task(scene.beat())
        yield scene
        beating.cancel()


Fault = Callable[[Scene], AbstractAsyncContextManager[None]]


@pytest.mark.parametrize("fault", FAULTS)
async def test_callers_in_a_row_get_their_answers(scene: Scene, fault: Fault) -> None:
    async with fault(scene):
        began = time.monotonic()
        for n in range(CALLERS // 5):
            assert await scene.read(f"unknown {n}") == b"v1"
            assert await scene.read("known") == b"v1"
        elapsed = time.monotonic() - began
        if fault not in (sluggish, full):  # it answers all, one after the other
            assert elapsed < (1 + elapsed // REST) * PATIENCE + SLACK + scene.late
        assert scene.in_time, (scene.longest, scene.late)
    await until(scene.hits, "it recovers by itself")


@pytest.mark.parametrize("fault", FAULTS)
async def test_callers_at_once_get_their_answers(scene: Scene, fault: Fault) -> None:
    async with fault(scene):
        keys = [f"unknown {n % 50}" for n in range(CALLERS)]
        assert await asyncio.gather(*map(scene.read, keys)) == [b"v1"] * CALLERS
        assert await asyncio.gather(*map(scene.read, keys)) == [b"v1"] * CALLERS
        assert scene.in_time, (scene.longest, scene.late)
    await until(scene.hits, "it recovers by itself")


@pytest.mark.parametrize("fault", FAULTS)
async def test_writers_are_not_held_up_and_see_what_they_wrote(scene: Scene, fault: Fault) -> None:
    async with fault(scene):
        for n in range(10):
            await scene.write("known", b"v%d" % n)
            assert await scene.read("known") == b"v%d" % n
        assert scene.in_time, (scene.longest, scene.late)

    async def told() -> bool:
        return await scene.read("known", scene.other) == b"v9"

    await until(told, "the others see it too")
    await until(scene.hits, "it recovers by itself")
    assert await scene.read("known") == b"v9"


async def test_a_full_redis_still_takes_invalidations(scene: Scene) -> None:
    assert await scene.read("known", scene.other) == b"v1"
    async with full(scene):
        await scene.write("known", b"v2")
        assert await scene.read("known", scene.other) == b"v2"


async def test_what_redis_did_not_take_the_others_see_until_it_expires(scene: Scene) -> None:
    """The bound that is documented: the ttl. Here the writer's process never gets through again."""
    source = {"value": b"v1"}

    async def load() -> bytes:
        return source["value"]

    async def read(cache: Cache) -> bytes | None:
        return await cache.get_or_load("bounded", load, 2.0)

    assert await read(scene.other) == b"v1"
    stored = time.monotonic()
    async with unreachable(scene):
        source["value"] = b"v2"
        await scene.cache.invalidate("bounded")
        assert await read(scene.cache) == b"v2"
        if await read(scene.other) == b"v1":
            assert time.monotonic() - stored < 2.0 * 1.1 + SLACK

        async def told() -> bool:
            return await read(scene.other) == b"v2"

        await until(told, "it expires")
        assert time.monotonic() - stored < 2.0 * 1.1 + SLACK


async def test_outcomes_are_told(scene: Scene) -> None:
    with capture_logs() as lines:
        await scene.read("new")
        await scene.read("new")
        assert [line["event"] for line in lines] == ["cache.miss", "cache.hit"]
        async with gone(scene):
            await scene.read("new")
    assert {line["event"] for line in lines[2:]} == {"cache.error"}
