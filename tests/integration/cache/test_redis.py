"""The connection to a real server, which goes away and comes back."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
import uvloop
from redis.asyncio import Redis

from libs.cache.redis import RedisConnection
from libs.errors import Unavailable
from tests.integration.cache.conftest import ENDLESS, PATIENCE, connected
from tests.integration.own_servers import OwnValkey
from tests.waiting import until

SLACK = 0.5  # seconds, for a busy machine


async def answers(redis: RedisConnection) -> bool:
    with suppress(Unavailable):
        await redis.ping()
        return True
    return False


async def works(redis: RedisConnection) -> bool:
    """Whether it answers those who do not insist."""
    with suppress(Unavailable):
        await redis.get("k")
        return True
    return False


async def test_the_port_is_kept_by_redis(patient: RedisConnection, server: OwnValkey) -> None:
    every_byte = bytes(range(256))
    assert await patient.get("k", "other") == [None, None]
    await patient.set("k", every_byte, 60)
    assert await patient.get("other", "k") == [None, every_byte]
    assert await patient.claim("k", b"mine", 60) == every_byte
    assert await patient.claim("free", b"mine", 60) == b"mine"
    await patient.extend("k", 1000)
    await patient.extend("nothing", 1000)
    async with Redis.from_url(server.url) as client:
        assert [50 < await client.ttl("free") <= 60, 990 < await client.ttl("k") <= 1000] == [
            True,
            True,
        ]
    await patient.delete("k", "nothing")
    assert await patient.get("k", "nothing", "free") == [None, None, b"mine"]
    assert abs(patient.now() - time.time()) < 5


async def test_others_may_have_commands_of_their_own(patient: RedisConnection) -> None:
    assert await patient.command(b"ZADD", b"set", b"1.5", b"member") == 1
    assert await patient.command(b"ZSCORE", b"set", b"member") == b"1.5"
    with pytest.raises(Unavailable, match="refused"):
        await patient.command(b"GET", b"set")


async def test_values_expire(patient: RedisConnection) -> None:
    await patient.set("k", b"v", 0.05)
    await until(lambda: _is_gone(patient, "k"), "it expires")


async def _is_gone(redis: RedisConnection, key: str) -> bool:
    return await redis.get(key) == [None]


async def test_large_values_come_whole(patient: RedisConnection) -> None:
    values = {f"n{n}": bytes([n]) * (n * 100_000) for n in range(20)}
    await asyncio.gather(*(patient.set(key, value, 60) for key, value in values.items()))
    assert await patient.get(*values) == list(values.values())
    found = await asyncio.gather(*map(patient.get, values))
    assert found == [[value] for value in values.values()]


async def test_a_thousand_at_once_are_answered_over_one_connection(
    patient: RedisConnection, server: OwnValkey
) -> None:
    await asyncio.gather(*(patient.set(f"n{n}", b"%d" % n, 60) for n in range(1000)))
    found = await asyncio.gather(*(patient.get(f"n{n}") for n in range(1000)))
    assert found == [[b"%d" % n] for n in range(1000)]
    async with Redis.from_url(server.url) as client:
        assert len(await client.client_list()) == 2  # with that of this test


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_that_this_process_is_late_is_no_outage(
    server: OwnValkey, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def be_late() -> None:
        async with connected(server.url, PATIENCE) as redis:
            await redis.set("k", b"v", 60)
            for _ in range(3):
                asking = [asyncio.create_task(redis.get("k")) for _ in range(10)]
                for _ in range(3):
                    await asyncio.sleep(0)
                time.sleep(2 * PATIENCE)  # noqa: ASYNC251 - this is it
                assert await asyncio.gather(*asking) == [[b"v"]] * 10

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(be_late())


async def test_gone_and_back(redis: RedisConnection, server: OwnValkey) -> None:
    await redis.set("k", b"v", 60)
    await server.stop()
    began = time.monotonic()
    refused = await asyncio.gather(*(redis.get("k") for _ in range(100)), return_exceptions=True)
    assert {type(error) for error in refused} == {Unavailable}
    assert time.monotonic() - began < PATIENCE + SLACK
    with pytest.raises(Unavailable):
        await redis.ping()
    with pytest.raises(Unavailable, match="failed a moment ago"):
        await redis.get("k")
    await server.start()
    await until(lambda: works(redis), "it comes back by itself")


async def test_one_that_hangs_costs_its_time_out_once(
    redis: RedisConnection, server: OwnValkey
) -> None:
    await asyncio.gather(*(redis.set(f"n{n}", b"%d" % n, 60) for n in range(20)))
    await server.pause()
    try:
        began = time.monotonic()
        refused = await asyncio.gather(
            *(redis.get(f"n{n}") for n in range(20)), return_exceptions=True
        )
        assert [str(error) for error in refused] == ["Redis is not available"] * 20
        assert PATIENCE * 0.8 <= time.monotonic() - began < PATIENCE + SLACK
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(Unavailable, match="failed a moment ago"):
                await redis.get("n1")
        assert time.monotonic() - began < SLACK
    finally:
        server.resume()
    await until(lambda: works(redis), "it comes back by itself")
    found = await asyncio.gather(*(redis.get(f"n{n}") for n in range(20)))
    assert found == [[b"%d" % n] for n in range(20)], "no answer was taken for another's"


async def test_who_insists_ends_the_rest(server: OwnValkey) -> None:
    async with connected(server.url, PATIENCE, rest=3600) as redis:
        await server.stop()
        assert not await works(redis)
        await server.start()
        assert not await works(redis)
        await until(lambda: answers(redis), "an answer")
        assert await works(redis)


async def test_a_connection_that_was_closed_is_made_again(
    patient: RedisConnection, server: OwnValkey
) -> None:
    await patient.set("k", b"v", 60)
    async with Redis.from_url(server.url) as client:
        await client.execute_command("CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES")  # type: ignore[no-untyped-call]
        await until(lambda: _is_back(patient), "it is back")


async def _is_back(redis: RedisConnection) -> bool:
    with suppress(Unavailable):
        return await redis.get("k") == [b"v"]
    return False


async def test_a_refused_command_is_no_outage(patient: RedisConnection, server: OwnValkey) -> None:
    async with Redis.from_url(server.url) as client:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "1")
        with pytest.raises(Unavailable, match="refused"):
            await patient.set("k", b"v", 60)
        with pytest.raises(Unavailable, match="refused"):
            await patient.claim("k", b"v", 60)
        assert await patient.get("k") == [None]
        await patient.delete("k")
        await patient.extend("k", 60)


async def test_a_wrong_password_is_an_outage(server: OwnValkey) -> None:
    url = server.url.replace("redis://:", "redis://:wrong-")
    async with connected(url, ENDLESS) as redis:
        with pytest.raises(Unavailable, match="not available"):
            await redis.get("k")


async def test_a_cancelled_command_leaves_the_connection_usable(patient: RedisConnection) -> None:
    for n in range(20):
        await patient.set(f"n{n}", b"%d" % n, 60)
    for n in range(20):
        asking = asyncio.create_task(patient.get(f"n{n}"))
        for _ in range(n % 5):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
    assert [await patient.get(f"n{n}") for n in range(20)] == [[b"%d" % n] for n in range(20)]


async def test_the_url_says_which_database(server: OwnValkey) -> None:
    async with connected(server.url.removesuffix("0") + "3", ENDLESS) as redis:
        await redis.set("k", b"v", 60)
    async with connected(server.url, ENDLESS) as redis:
        assert await redis.get("k") == [None]
