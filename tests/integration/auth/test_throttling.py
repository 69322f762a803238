"""Failed logins in the Redis that all processes of the module share, and without it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from secrets import token_hex

import pytest
from pydantic import SecretStr

from libs.cache.redis import RedisConnection
from libs.cache.settings import CacheSettings
from libs.errors import Unauthenticated
from services.auth.settings import ThrottleSettings
from services.auth.throttling.errors import TooManyAttempts
from services.auth.throttling.memory import MemoryAttempts
from services.auth.throttling.ports import Gate
from services.auth.throttling.repository import NAMESPACE, RedisAttempts, SharedAttempts
from services.auth.throttling.service import LoginThrottle

PATIENCE_MS = 30_000


class Clock:
    """Stands still. Redis forgets by its own."""

    def __init__(self) -> None:
        self.time = 6_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def connections(redis_url: str) -> AsyncIterator[list[RedisConnection]]:
    """Those of two processes."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            connection = RedisConnection()
            connection.configure(CacheSettings(url=SecretStr(redis_url), timeout_ms=PATIENCE_MS))
            await connection.open()
            stack.push_async_callback(connection.close)
            made.append(connection)
        yield made


def _throttle(attempts: RedisAttempts | SharedAttempts) -> LoginThrottle:
    return LoginThrottle(attempts, ThrottleSettings.model_validate({}), key=b"secret")


async def _fails(throttle: LoginThrottle, email: str, network: str) -> None:
    with pytest.raises(Unauthenticated):
        async with throttle(email, network):
            raise Unauthenticated


async def test_two_processes_count_together(
    connections: list[RedisConnection], clock: Clock
) -> None:
    one, two = [_throttle(RedisAttempts(each, 3600, now=clock)) for each in connections]
    email, network = f"{token_hex(8)}@example.com", f"{token_hex(8)}/24"
    for throttle in (one, two, one, two, one):
        await _fails(throttle, email, network)
    for expected in (1.0, 2.0, 4.0):
        for throttle in (one, two):
            with pytest.raises(TooManyAttempts) as refused:
                async with throttle(email, network):
                    pass
            assert refused.value.retry_after == expected
        clock.time += expected
        await _fails(two, email, network)
    async with one(email, "elsewhere"):
        pass
    clock.time += 8
    async with one(email, network):
        pass
    for _ in range(4):
        await _fails(two, email, network)


async def test_redis_and_memory_decide_the_same(
    connections: list[RedisConnection], clock: Clock
) -> None:
    stores = (RedisAttempts(connections[0], 3600, now=clock), MemoryAttempts(3600, now=clock))
    first, second = token_hex(8), token_hex(8)
    gates = [
        Gate(key=first, free=2, at_once=3, longest_s=3),
        Gate(key=second, free=4, at_once=0, longest_s=0),
    ]
    for step in range(30):
        one, two = [await store.pass_(gates) for store in stores]
        assert one == two
        for store in stores:
            if one.marks and step % 3 == 0:
                await store.undo(gates, one.marks)
            elif one.marks and step % 5:
                await store.fail(gates)
        if step % 10 == 9:
            for store in stores:
                await store.forget(gates[0])
        clock.time += 0.75


async def test_everything_has_an_end(connections: list[RedisConnection]) -> None:
    redis = connections[0]
    attempts, name = RedisAttempts(redis, 3600), token_hex(8)
    await attempts.pass_([Gate(key=name, free=5, at_once=20, longest_s=900)])
    await attempts.remember(name)
    assert await attempts.remembers(name)
    for key in (f"{NAMESPACE}{name}", f"{NAMESPACE}seen:{name}"):
        assert await redis.command(b"PTTL", key.encode()) > 0
    missing = Gate(key=token_hex(8), free=5, at_once=20, longest_s=900)
    await attempts.undo([missing], [0])
    assert not await redis.command(b"EXISTS", f"{NAMESPACE}{missing.key}".encode())


async def test_without_redis_this_process_counts(
    connections: list[RedisConnection], clock: Clock
) -> None:
    await connections[0].close()
    attempts = SharedAttempts(
        RedisAttempts(connections[0], 3600, now=clock), MemoryAttempts(3600, now=clock)
    )
    throttle, email = _throttle(attempts), f"{token_hex(8)}@example.com"
    for _ in range(5):
        await _fails(throttle, email, "here")
    with pytest.raises(TooManyAttempts):
        async with throttle(email, "here"):
            pass
    async with throttle(email, "there"):
        pass
