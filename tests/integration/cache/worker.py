"""A process that uses the cache, for tests with several.

It prints a line when it is ready, begins when it is told a line, and prints its findings as JSON.
The truth is kept in the same server, beside the cache: a number a key, and the last number of which
some writer knows that its invalidation was taken.
"""

# ruff: noqa: S311 - nothing is secret here

import asyncio
import json
import random
import sys
from collections.abc import Sequence
from typing import Any, cast

from pydantic import SecretStr
from redis.asyncio import Redis

from libs.cache import leases
from libs.cache.cache import Cache
from libs.cache.redis import RedisConnection
from libs.cache.settings import CacheSettings
from libs.logging import configure

PATIENCE_MS = 30_000
LOAD_S = 0.3
READERS = 100
KINDS = ("key", "group", "brief")
"""Of values: invalidated by their own keys, by their group; and with so short a life that they are
refreshed all the time."""


class PlainDeletion(Cache):
    """The bug that the hunt is for: what is stored is deleted, and the generation stays."""

    async def _drop(self, _: Sequence[str], values: Sequence[str] = ()) -> None:
        if values:
            await self._store.delete(*values)


class Worker:
    """What a process does.

    Args:
        cache: the cache under test.
        truth: the server, without the cache.
    """

    def __init__(self, cache: Cache, truth: Redis) -> None:
        self.cache = cache
        self.truth = truth
        self.reads = 0
        self.writes = 0
        self.outdated: list[str] = []

    async def stampede(self) -> dict[str, Any]:
        """Many readers of one cold key."""

        async def load() -> bytes:
            loads = await self.truth.incr("loads")
            await asyncio.sleep(LOAD_S)
            return b"%d" % loads

        reads = (self.cache.get_or_load("cold", load, 60) for _ in range(READERS))
        return {"values": sorted({str(value) for value in await asyncio.gather(*reads)})}

    async def hunt(self, reads: int, kinds: Sequence[str]) -> dict[str, Any]:
        """Readers and writers of a few values, as fast as they can, until there were so many
        reads."""
        async with asyncio.TaskGroup() as group:
            for kind in list(kinds) * 4:
                group.create_task(self._read_on(kind, reads))
            for kind in list(kinds) * 2:
                group.create_task(self._write_on(kind, reads))
        return {"reads": self.reads, "writes": self.writes, "outdated": self.outdated}

    async def _read_on(self, kind: str, reads: int) -> None:
        while self.reads < reads:
            acknowledged = int(await self.truth.zscore("acknowledged", kind) or 0)
            await self._read(kind, at_least=acknowledged)

    async def _write_on(self, kind: str, reads: int) -> None:
        while self.reads < reads:
            written = int(await self.truth.incr(f"truth:{kind}"))
            if kind == "group":
                await self.cache.invalidate_group("all")
            else:
                await self.cache.invalidate(kind)
            await self.truth.zadd("acknowledged", {kind: written}, gt=True)
            self.writes += 1
            if random.random() < 0.2:
                await self._read(kind, at_least=written)
            await asyncio.sleep(random.uniform(0, 0.02))

    async def _read(self, kind: str, *, at_least: int) -> None:
        async def load() -> bytes:
            await asyncio.sleep(random.uniform(0, 0.01))
            value = await self.truth.get(f"truth:{kind}")
            await asyncio.sleep(random.uniform(0, 0.01))
            return cast(bytes, value or b"0")

        group = "all" if kind == "group" else None
        ttl = 0.1 if kind == "brief" else 60.0  # the brief ones are refreshed all the time
        found = int(await self.cache.get_or_load(kind, load, ttl, group=group) or 0)
        self.reads += 1
        if found < at_least and len(self.outdated) < 100:
            self.outdated.append(f"{kind}: {found} after {at_least}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(url: str, what: str, *arguments: str) -> None:
    """Do it."""
    configure(level="error", version="0", environment="test", stream=sys.stderr.buffer)
    leases.WAIT_S = PATIENCE_MS / 1000  # type: ignore[misc]
    redis = RedisConnection()
    redis.configure(CacheSettings(url=SecretStr(url), timeout_ms=PATIENCE_MS))
    await redis.open()
    await redis.ping()
    kind = PlainDeletion if what == "plain-deletion" else Cache
    async with Redis.from_url(url) as truth:
        worker = Worker(kind(redis, namespace="things"), truth)
        _say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        if what == "stampede":
            findings = await worker.stampede()
        elif what == "hunt":
            findings = await worker.hunt(int(arguments[0]), KINDS)
        else:  # of the bug, in what it concerns
            findings = await worker.hunt(int(arguments[0]), ["key"])
        _say(json.dumps(findings))
    await redis.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
