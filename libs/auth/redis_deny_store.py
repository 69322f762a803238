"""The deny list in Redis: a sorted set of session ids, by the second until which they matter."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from libs.auth.deny_list import Denials
from libs.cache.redis import RedisConnection

KEY: Final = b"sessions:v1:denied"

KEEP_S: Final = 7200
"""How long the set outlives the last addition: longer than any access token lives."""

PAGE: Final = 1000
"""How many are asked for at a time, so that no command takes long."""


class RedisDenyStore:
    """A `libs.auth.deny_list.DenyStore`.

    Args:
        redis: the process' connection.
        now: seconds since the epoch.
    """

    def __init__(self, redis: RedisConnection, *, now: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._now = now

    async def add(self, denials: Denials) -> None:
        entries = sorted(denials.items())
        for start in range(0, len(entries), PAGE):
            page = entries[start : start + PAGE]
            members = (part for s, until in page for part in (_score(until), s.encode()))
            await self._redis.command(b"ZADD", KEY, *members)
        await self._redis.command(b"EXPIRE", KEY, b"%d" % KEEP_S)
        await self._redis.command(b"ZREMRANGEBYSCORE", KEY, b"-inf", _score(self._now()))

    async def read(self) -> dict[str, float]:
        found: dict[str, float] = {}
        since = _score(self._now())
        while True:
            count = b"%d" % len(found)
            reply: Sequence[bytes] = await self._redis.command(
                *(b"ZRANGEBYSCORE", KEY, since, b"+inf", b"WITHSCORES"),
                *(b"LIMIT", count, b"%d" % PAGE),
            )
            pairs = zip(reply[::2], reply[1::2], strict=True)
            page = {session.decode(): float(until) for session, until in pairs}
            before = len(found)
            found |= page
            if len(page) < PAGE or len(found) == before:
                return found


def _score(seconds: float) -> bytes:
    return repr(float(seconds)).encode()
