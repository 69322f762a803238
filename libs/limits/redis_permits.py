"""Permits in Redis: a counter for each key and window."""

from typing import Final

from libs.cache.redis import RedisConnection

_TAKE: Final = b"""
local taken = redis.call('INCRBY', KEYS[1], ARGV[1])
if taken == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return taken
"""
"""In one step, so that there is no counter without an end."""

NAMESPACE: Final = "limits:v1:"


class RedisPermits:
    """A `libs.limits.permits.Permits`."""

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis

    async def take(self, key: str, permits: int, keep_s: int) -> int:
        name = (NAMESPACE + key).encode()
        taken: int = await self._redis.command(
            *(b"EVAL", _TAKE, b"1", name), b"%d" % permits, b"%d" % keep_s
        )
        return taken - permits
