"""The connection to Redis, one per process, shared by every cache in it.

Redis may only ever make things faster. A command takes `timeout_ms` at most, and is not repeated;
after an error Redis is not asked for `rest_ms`, and then by one command first. So a dead Redis
costs one caller `timeout_ms` a second, and the others nothing; it is found again within that
second. A command that finds no free connection within `timeout_ms` is given up too, but that is our
own rush and no error of Redis.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from libs.cache.settings import CacheSettings
from libs.cache.store import Entry
from libs.errors import Unavailable

_T = TypeVar("_T")


class RedisConnection:
    """A store in Redis. It connects when it is first asked, so that a process starts without."""

    def __init__(self) -> None:
        self._settings: CacheSettings | None = None
        self._client: Redis | None = None
        self._free = asyncio.Semaphore(0)
        self._ailing = False
        self._resting_until = 0.0

    def configure(self, settings: CacheSettings) -> None:
        """Say where Redis is; every module that shares this says the same.

        Raises:
            ValueError: a module says something else.
        """
        if self._settings is not None and self._settings != settings:
            raise ValueError("the modules of a process share one Redis: their settings differ")
        self._settings = settings

    async def open(self) -> None:
        """Make the pool; nothing is connected yet. Without settings, nothing happens."""
        settings = self._settings
        if settings is None or self._client is not None:
            return
        patience = settings.timeout_ms / 1000
        self._free = asyncio.Semaphore(settings.max_connections)
        pool = ConnectionPool.from_url(
            settings.url.get_secret_value(),
            max_connections=settings.max_connections,
            socket_timeout=patience,
            socket_connect_timeout=patience,
            retry=Retry(NoBackoff(), 0),
            # A connection is ready without HELLO, CLIENT SETINFO and their round trips.
            protocol=2,
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._client = Redis.from_pool(pool)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def ping(self) -> None:
        """Ask Redis, resting or not.

        Raises:
            Unavailable: it does not answer.
        """

        async def ask(client: Redis) -> None:
            await client.ping()

        await self._run(ask, even_if_resting=True)

    async def get(self, key: str) -> bytes | None:
        async def ask(client: Redis) -> bytes | None:
            return cast(bytes | None, await client.get(key))

        return await self._run(ask)

    async def get_entry(self, key: str) -> Entry | None:
        async def ask(client: Redis) -> Entry | None:
            pipeline = client.pipeline(transaction=False)
            pipeline.get(key)
            pipeline.pttl(key)
            value, remaining_ms = await pipeline.execute()
            return None if value is None else Entry(value, max(0, remaining_ms) / 1000)

        return await self._run(ask)

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        async def ask(client: Redis) -> None:
            await client.set(key, value, px=max(1, round(ttl * 1000)))

        await self._run(ask)

    async def delete(self, *keys: str) -> None:
        """Forget the keys; Redis is asked even if it is resting, because a stale value may stay."""

        async def ask(client: Redis) -> None:
            await client.unlink(*keys)

        if keys:
            await self._run(ask, even_if_resting=True)

    async def _run(
        self, command: Callable[[Redis], Awaitable[_T]], *, even_if_resting: bool = False
    ) -> _T:
        if self._client is None or self._settings is None:
            raise RuntimeError("the connection to Redis is not open")
        patience = self._settings.timeout_ms / 1000
        await self._take_slot(patience)
        try:
            if self._ailing and not even_if_resting:
                self._try_or_refuse()
            async with asyncio.timeout(patience):
                result = await command(self._client)
        except ResponseError as error:  # Redis is there and refuses: out of memory, read only
            raise Unavailable("Redis refused a command") from error
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._rest()
            raise Unavailable("Redis is not available") from error
        finally:
            self._free.release()
        self._ailing = False
        return result

    async def _take_slot(self, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._free.acquire()
        except TimeoutError as error:
            raise Unavailable("no connection to Redis is free") from error

    def _try_or_refuse(self) -> None:
        """After an error: one caller tries Redis again, when its rest is over."""
        if time.monotonic() < self._resting_until:
            raise Unavailable("Redis failed a moment ago")
        self._rest()  # for the others, while this one tries

    def _rest(self) -> None:
        rest_ms = self._settings.rest_ms if self._settings is not None else 0
        self._ailing = True
        self._resting_until = time.monotonic() + rest_ms / 1000
