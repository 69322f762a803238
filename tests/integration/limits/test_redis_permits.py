"""Quotas that processes share through the real server."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from secrets import token_hex

import pytest
from pydantic import SecretStr

from libs.cache.redis import RedisConnection
from libs.cache.settings import CacheSettings
from libs.limits.limiter import Limiter, Policy
from libs.limits.redis_permits import NAMESPACE, RedisPermits

PATIENCE_MS = 30_000
POLICY = Policy("principal", quota=400, window_s=3600)

PROCESS = f"""
import asyncio, sys
from pydantic import SecretStr
from libs.cache.redis import RedisConnection
from libs.cache.settings import CacheSettings
from libs.limits.limiter import Limiter, Policy
from libs.limits.redis_permits import RedisPermits

async def main(url, key, at):
    redis = RedisConnection()
    redis.configure(CacheSettings(url=SecretStr(url), timeout_ms={PATIENCE_MS}))
    await redis.open()
    policy = Policy("principal", quota={POLICY.quota}, window_s={POLICY.window_s})
    limiter = Limiter(policy, RedisPermits(redis), now=lambda: float(at))
    answered = 0
    for _ in range(1000):
        answered += await limiter.take(limiter.count(key))
        await asyncio.sleep(0)
    sys.stdout.write(str(answered))
    await redis.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection()
    connection.configure(CacheSettings(url=SecretStr(redis_url), timeout_ms=PATIENCE_MS))
    await connection.open()
    yield connection
    await connection.close()


async def _process(url: str, key: str, at: float) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROCESS, url, key, str(at)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return int(out)


async def test_two_processes_share_a_quota(redis_url: str) -> None:
    key, at = token_hex(8), time.time()
    answered = sum(await asyncio.gather(*(_process(redis_url, key, at) for _ in range(2))))
    assert POLICY.quota - 1.5 * 2 * POLICY.chunk <= answered
    assert answered <= POLICY.quota + 2 * POLICY.chunk


async def test_permits_are_counted_and_forgotten(redis: RedisConnection) -> None:
    permits, key = RedisPermits(redis), token_hex(8)
    assert [await permits.take(key, 30, 60) for _ in range(3)] == [0, 30, 60]
    assert 0 < await redis.command(b"TTL", f"{NAMESPACE}{key}".encode()) <= 60


async def test_a_redis_that_goes_away_stops_nobody(redis: RedisConnection) -> None:
    limiter = Limiter(POLICY, RedisPermits(redis), now=lambda: 7_200_000.0)
    key = token_hex(8)
    assert all([await limiter.take(limiter.count(key)) for _ in range(100)])
    await redis.close()
    answered = sum([await limiter.take(limiter.count(key)) for _ in range(1000)])
    assert answered == POLICY.quota - 100
