"""The connection to Redis, one per process, shared by every cache in it.

Redis may only ever make things faster. A command takes `timeout_ms` at most, and is not repeated.
After an error Redis is left alone for `rest_ms`, and then connected to again, in the background and
until that works; whoever asks meanwhile is refused at once. So a dead Redis costs those who were
waiting when it died `timeout_ms`, and everybody else nothing.
"""

import asyncio
import time
from typing import cast

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from libs.cache.pipeline import Pipeline, Reply, Wire, encode
from libs.cache.settings import CacheSettings
from libs.errors import Unavailable

CONNECT_S = 2.0
"""An attempt to connect may take so long. Nobody waits for it longer than for any command."""


class RedisConnection:
    """A store in Redis. It connects when it is first asked, so that a process starts without."""

    def __init__(self) -> None:
        self._settings: CacheSettings | None = None
        self._wires: ConnectionPool | None = None
        self._pipeline: Pipeline | None = None
        self._connecting: asyncio.Task[RedisError | OSError | None] | None = None
        self._reviving: asyncio.Task[None] | None = None  # while Redis is ailing
        self._closed = False

    def configure(self, settings: CacheSettings) -> None:
        """Say where Redis is; every module that shares this says the same.

        Raises:
            ValueError: a module says something else.
        """
        if self._settings is not None and self._settings != settings:
            raise ValueError("the modules of a process share one Redis: their settings differ")
        self._settings = settings

    async def open(self) -> None:
        """Get ready; nothing is connected yet. Without settings, nothing happens."""
        settings = self._settings
        if settings is None or self._wires is not None:
            return
        self._closed = False
        # Not for pooling: it knows what kind of connection a URL wants, and with which options.
        self._wires = ConnectionPool.from_url(
            settings.url.get_secret_value(),
            socket_timeout=None,  # a connection waits for replies all the time
            socket_connect_timeout=CONNECT_S,
            retry=Retry(NoBackoff(), 0),
            # A connection is ready without HELLO, CLIENT SETINFO and their round trips.
            protocol=2,
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )

    async def close(self) -> None:
        """Close the connection; who asks from now on is told that Redis is not available."""
        self._closed = self._wires is not None
        self._wires = None
        for task in (self._reviving, self._connecting):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        self._reviving = self._connecting = None
        if self._pipeline is not None:
            await self._pipeline.close()

    @property
    def patience(self) -> float:
        """Seconds that a command takes at most."""
        return 0.0 if self._settings is None else self._settings.timeout_ms / 1000

    def now(self) -> float:
        return time.time()

    async def ping(self) -> None:
        """Ask Redis, resting or not.

        Raises:
            Unavailable: it does not answer.
        """
        await self._ask(encode(b"PING"), urgent=True)

    async def get(self, *keys: str) -> list[bytes | None]:
        command = encode(b"MGET", *[key.encode() for key in keys])
        return cast(list[bytes | None], await self._ask(command))

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        await self._ask(encode(b"SET", key.encode(), value, b"PX", _milliseconds(ttl)))

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        name = key.encode()
        setting = encode(b"SET", name, value, b"NX", b"PX", _milliseconds(ttl))
        return cast(bytes | None, await self._ask(setting, encode(b"GET", name)))

    async def extend(self, key: str, ttl: float) -> None:
        await self._ask(encode(b"PEXPIRE", key.encode(), _milliseconds(ttl)))

    async def delete(self, *keys: str, urgent: bool = False) -> None:
        await self._ask(encode(b"UNLINK", *[key.encode() for key in keys]), urgent=urgent)

    async def command(self, *arguments: bytes) -> Reply:
        """The reply to a command of another user of Redis than the cache.

        Raises:
            Unavailable: no reply in time, or a refusal.
        """
        return await self._ask(encode(*arguments))

    async def _ask(self, *commands: bytes, urgent: bool = False) -> Reply:
        """The reply to the last command.

        Args:
            commands: go out together.
            urgent: connect at once if Redis has failed a moment ago.

        Raises:
            Unavailable: no reply to one of them, or a refusal.
        """
        try:
            pipeline = self._pipeline or await self._connected(urgent=urgent)
            if len(commands) == 1:
                return await pipeline.ask(commands[0])
            return (await asyncio.gather(*map(pipeline.ask, commands)))[-1]
        except ResponseError as error:  # Redis is there and refuses: out of memory, read only
            raise Unavailable("Redis refused a command") from error
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            raise Unavailable("Redis is not available") from error

    async def _connected(self, *, urgent: bool) -> Pipeline:
        if self._closed:
            raise Unavailable("the connection to Redis is closed")
        if self._reviving is not None and not urgent:
            raise Unavailable("Redis failed a moment ago")
        attempt = self._attempt()
        await asyncio.wait({attempt}, timeout=self.patience)
        if self._pipeline is not None:
            return self._pipeline
        self._rest()
        error = attempt.result() if attempt.done() and not attempt.cancelled() else None
        raise error or TimeoutError("no connection in time")

    def _attempt(self) -> asyncio.Task[RedisError | OSError | None]:
        """The attempt to connect that is under way, or a new one."""
        if self._wires is None:
            raise RuntimeError("the connection to Redis is not open")
        if self._connecting is None:
            wire = cast(Wire, self._wires.make_connection())  # type: ignore[no-untyped-call]
            self._connecting = asyncio.create_task(self._connect(wire))
        return self._connecting

    async def _connect(self, wire: Wire) -> RedisError | OSError | None:
        """What went wrong, if anything did."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await wire.connect()
                await wire.send_packed_command(encode(b"PING"), check_health=False)
                await wire.read_response()  # it does not only accept connections
        except (RedisError, OSError) as error:
            self._rest()
            return error
        else:
            self._pipeline = Pipeline(wire, patience=self.patience, ended=self._ended)
            self._revived()
            return None
        finally:
            self._connecting = None
            if self._pipeline is None:
                await wire.disconnect(nowait=True)

    def _ended(self, reason: RedisError | OSError) -> None:
        """The connection is no more. One that was closed or lost is made again when it is wanted;
        after one that has become silent Redis gets its rest."""
        self._pipeline = None
        if isinstance(reason, TimeoutError):
            self._rest()

    def _rest(self) -> None:
        if self._reviving is None and not self._closed:
            self._reviving = asyncio.create_task(self._revive())

    async def _revive(self) -> None:
        rest = 0.0 if self._settings is None else self._settings.rest_ms / 1000
        while True:
            await asyncio.sleep(rest)
            await asyncio.wait({self._attempt()})

    def _revived(self) -> None:
        if self._reviving is not None:
            self._reviving.cancel()
            self._reviving = None


def _milliseconds(seconds: float) -> bytes:
    return b"%d" % max(1, round(seconds * 1000))
