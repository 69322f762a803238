"""Failed attempts in Redis, where all processes of the module count them."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from libs.cache.redis import RedisConnection
from libs.errors import Unavailable
from libs.logging import get_logger
from services.auth.throttling.memory import MemoryAttempts
from services.auth.throttling.ports import FIRST_S, Gate, Passage

log = get_logger()

NAMESPACE: Final = "login:v1:"

SEEN_S: Final = 90 * 24 * 3600
"""How long it is remembered from where somebody has logged in: as long as sessions can last."""

_PASS: Final = b"""
local function number(key, field) return tonumber(redis.call('HGET', key, field) or '0') end
local now, keep, first = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local wait = 0
for i, key in ipairs(KEYS) do
  wait = math.max(wait, number(key, 'till') - now)
  if tonumber(ARGV[3 * i + 3]) > 0 and number(key, 'under_way') >= tonumber(ARGV[3 * i + 2]) then
    wait = math.max(wait, first)
  end
end
local reply = {string.format('%.0f', wait)}
if wait > 0 then return reply end
for i, key in ipairs(KEYS) do
  local failures, till = number(key, 'failures'), 0
  local over, longest = failures - tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 3])
  if over >= 0 and longest > 0 then
    till = now + math.min(longest, first * 2 ^ math.min(over, 30))
  end
  redis.call('HINCRBY', key, 'under_way', 1)
  redis.call('HSET', key, 'till', string.format('%.0f', till))
  redis.call('PEXPIRE', key, keep)
  table.insert(reply, string.format('%.0f', failures))
  table.insert(reply, string.format('%.0f', till))
end
return reply
"""

_FAIL: Final = b"""
local now, first = tonumber(ARGV[1]), tonumber(ARGV[3])
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('HGET', key, 'under_way') or '0') > 0 then
    redis.call('HINCRBY', key, 'under_way', -1)
    local over = redis.call('HINCRBY', key, 'failures', 1) - tonumber(ARGV[3 * i + 1])
    local longest = tonumber(ARGV[3 * i + 3])
    if over >= 0 and longest > 0 then
      local till = now + math.min(longest, first * 2 ^ math.min(over, 30))
      till = math.max(till, tonumber(redis.call('HGET', key, 'till') or '0'))
      redis.call('HSET', key, 'till', string.format('%.0f', till))
    end
  end
end
"""

_UNDO: Final = b"""
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('HGET', key, 'under_way') or '0') > 0 then
    redis.call('HINCRBY', key, 'under_way', -1)
    if redis.call('HGET', key, 'till') == ARGV[i] then redis.call('HSET', key, 'till', '0') end
  end
end
"""


class RedisAttempts:
    """A `services.auth.throttling.ports.Attempts`.

    Args:
        keep_s: how long an attempt counts after the last one with its key.
        now: seconds since the epoch.
    """

    def __init__(
        self, redis: RedisConnection, keep_s: float, *, now: Callable[[], float] = time.time
    ) -> None:
        self._redis = redis
        self._keep_s = keep_s
        self._now = now

    async def pass_(self, gates: Sequence[Gate]) -> Passage:
        reply = await self._run(_PASS, gates, *self._terms(gates))
        wait, *told = map(int, reply)
        return Passage(wait / 1000, tuple(told[::2]), tuple(told[1::2]))

    async def fail(self, gates: Sequence[Gate]) -> None:
        await self._run(_FAIL, gates, *self._terms(gates))

    async def undo(self, gates: Sequence[Gate], marks: Sequence[int]) -> None:
        await self._run(_UNDO, gates, *marks)

    async def forget(self, gate: Gate) -> None:
        await self._redis.command(b"UNLINK", _name(gate.key))

    async def remember(self, key: str) -> None:
        await self._redis.command(b"SET", _name(f"seen:{key}"), b"1", b"EX", b"%d" % SEEN_S)

    async def remembers(self, key: str) -> bool:
        return bool(await self._redis.command(b"EXISTS", _name(f"seen:{key}")))

    def _terms(self, gates: Sequence[Gate]) -> tuple[int, ...]:
        """What the scripts go by; times in ms."""
        common = (self._now(), self._keep_s, FIRST_S)
        each = (v for g in gates for v in (g.free, g.at_once, round(g.longest_s * 1000)))
        return (*(round(seconds * 1000) for seconds in common), *each)

    async def _run(self, script: bytes, gates: Sequence[Gate], *arguments: int) -> Sequence[bytes]:
        keys = (_name(gate.key) for gate in gates)
        values = (b"%d" % argument for argument in arguments)
        reply: Sequence[bytes] = await self._redis.command(
            b"EVAL", script, b"%d" % len(gates), *keys, *values
        )
        return reply


class SharedAttempts:
    """In Redis; in memory while that is gone. What was counted in one is not in the other."""

    def __init__(self, redis: RedisAttempts, memory: MemoryAttempts) -> None:
        self._redis = redis
        self._memory = memory

    async def pass_(self, gates: Sequence[Gate]) -> Passage:
        try:
            return await self._redis.pass_(gates)
        except Unavailable:
            log.warning("auth.throttle_not_shared")
            return await self._memory.pass_(gates)

    async def fail(self, gates: Sequence[Gate]) -> None:
        await self._memory.fail(gates)
        await self._redis.fail(gates)

    async def undo(self, gates: Sequence[Gate], marks: Sequence[int]) -> None:
        await self._memory.undo(gates, marks)
        await self._redis.undo(gates, marks)

    async def forget(self, gate: Gate) -> None:
        await self._memory.forget(gate)
        await self._redis.forget(gate)

    async def remember(self, key: str) -> None:
        await self._memory.remember(key)
        await self._redis.remember(key)

    async def remembers(self, key: str) -> bool:
        try:
            return await self._redis.remembers(key)
        except Unavailable:
            return await self._memory.remembers(key)


def _name(key: str) -> bytes:
    return f"{NAMESPACE}{key}".encode()
