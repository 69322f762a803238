"""The cache over a real server, which goes away and comes back."""

import asyncio
import time
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from libs.cache.cache import Cache, Cached
from libs.cache.redis import RedisConnection
from libs.errors import Unavailable
from tests.integration.cache.conftest import PATIENCE, REST
from tests.integration.own_servers import OwnValkey
from tests.waiting import until

SLACK = 0.5  # seconds, for a busy machine


async def _load() -> bytes:
    return b"loaded"


async def answers(redis: RedisConnection) -> bool:
    with suppress(Unavailable):
        await redis.ping()
        return True
    return False


@pytest.fixture
def cache(redis: RedisConnection) -> Cache:
    return Cache(redis, namespace="things")


async def test_the_port_is_kept_by_redis(patient: RedisConnection) -> None:
    every_byte = bytes(range(256))
    assert await patient.get("k") is None
    assert await patient.get_entry("k") is None
    await patient.set("k", every_byte, 60)
    assert await patient.get("k") == every_byte
    entry = await patient.get_entry("k")
    assert entry is not None
    assert entry.value == every_byte
    assert 50 < entry.remaining <= 60
    await patient.delete("k", "other")
    await patient.delete()
    assert await patient.get("k") is None


async def test_values_expire(patient: RedisConnection) -> None:
    await patient.set("k", b"v", 0.05)
    await asyncio.sleep(0.07)
    assert await patient.get("k") is None


async def test_hit_miss_invalidate(cache: Cache, redis: RedisConnection) -> None:
    with capture_logs() as lines:
        for _ in range(2):
            assert await cache.get_or_load("k", _load, 60) == b"loaded"
        await cache.invalidate("k")
        assert await cache.get_or_load("k", _load, 60) == b"loaded"
    assert [line["event"] for line in lines] == ["cache.miss", "cache.hit", "cache.miss"]
    entry = await redis.get_entry("things:v1:k")
    assert entry is not None
    assert 54 <= entry.remaining <= 66


async def test_stale_values_stand_in(cache: Cache) -> None:
    async def gone() -> bytes:
        raise Unavailable

    assert await cache.lookup("k", _load, 0.5, stale_ttl=60) == Cached(b"loaded")
    assert await cache.lookup("k", gone, 0.5, stale_ttl=60) == Cached(b"loaded")
    await asyncio.sleep(0.6)
    assert await cache.lookup("k", gone, 0.5, stale_ttl=60) == Cached(b"loaded", stale=True)


async def test_it_works_without_redis_and_finds_it_again(
    cache: Cache, redis: RedisConnection, server: OwnValkey
) -> None:
    await cache.get_or_load("k", _load, 60)
    await server.stop()
    started = time.monotonic()
    with capture_logs() as lines:
        for n in range(200):
            assert await cache.get_or_load(f"k{n}", _load, 60) == b"loaded"
    elapsed = time.monotonic() - started
    assert elapsed < (1 + elapsed // REST) * PATIENCE + SLACK
    assert [line["event"] for line in lines] == ["cache.error"]
    with pytest.raises(Unavailable):
        await redis.ping()

    await server.start()
    await asyncio.sleep(REST)
    with capture_logs() as lines:
        for _ in range(2):
            await cache.get_or_load("again", _load, 60)
    assert [line["event"] for line in lines] == ["cache.miss", "cache.hit"]
    await redis.ping()


async def test_a_redis_that_hangs_costs_its_time_out_once(
    cache: Cache, redis: RedisConnection, server: OwnValkey
) -> None:
    await asyncio.gather(*(redis.set(f"n{n}", b"%d" % n, 60) for n in range(20)))
    await server.pause()
    try:
        started = time.monotonic()
        assert await cache.get_or_load("n1", _load, 60) == b"loaded"
        assert PATIENCE * 0.9 <= time.monotonic() - started < PATIENCE + SLACK
        started = time.monotonic()
        many = (cache.get_or_load(f"n{n}", _load, 60) for n in range(20))
        assert await asyncio.gather(*many) == [b"loaded"] * 20
        assert time.monotonic() - started < PATIENCE
        started = time.monotonic()
        await cache.invalidate("n1")
        assert time.monotonic() - started < PATIENCE + SLACK
    finally:
        server.resume()
    await until(lambda: answers(redis), "Redis is there again")
    found = await asyncio.gather(*(redis.get(f"n{n}") for n in range(2, 20)))
    assert found == [b"%d" % n for n in range(2, 20)], "no answer was taken for another's"


async def test_after_the_rest_one_caller_tries(redis: RedisConnection, server: OwnValkey) -> None:
    await server.pause()
    try:
        with pytest.raises(Unavailable, match="not available"):
            await redis.get("k")
        await asyncio.sleep(REST)
        tried = await asyncio.gather(*(redis.get("k") for _ in range(5)), return_exceptions=True)
    finally:
        server.resume()
    assert sorted(str(error) for error in tried) == [
        *["Redis failed a moment ago"] * 4,
        "Redis is not available",
    ]


async def test_a_successful_ping_ends_the_rest(redis: RedisConnection, server: OwnValkey) -> None:
    await server.stop()
    with pytest.raises(Unavailable):
        await redis.get("k")
    await server.start()
    await redis.ping()
    assert await redis.get("k") is None


async def test_a_refused_command_is_no_outage(patient: RedisConnection) -> None:
    client = patient._client
    assert client is not None
    await client.lpush("list", "x")
    with pytest.raises(Unavailable, match="refused"):
        await patient.get("list")
    assert await patient.get("k") is None


async def test_a_cancelled_command_leaves_the_connection_usable(patient: RedisConnection) -> None:
    for n in range(20):
        await patient.set(f"n{n}", b"%d" % n, 60)
    for n in range(20):
        asking = asyncio.create_task(patient.get(f"n{n}"))
        for _ in range(n % 5):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
    assert [await patient.get(f"n{n}") for n in range(20)] == [b"%d" % n for n in range(20)]


async def test_a_rush_is_no_outage(patient: RedisConnection) -> None:
    await patient.set("k", b"v", 60)
    found = await asyncio.gather(*(patient.get("k") for _ in range(500)), return_exceptions=True)
    late = [error for error in found if error != b"v"]
    assert {str(error) for error in late} <= {"no connection to Redis is free"}
    assert await patient.get("k") == b"v"
