"""Counting requests against a quota that all processes share, without asking anyone each time.

Time is cut into windows. In each of them a process has some permits for every key: a chunk to begin
with, that it need not ask for, and then chunks that it takes from the shared counter, the next one
before the last is used up. So a key with little traffic never costs a round trip, and one with much
costs one in a chunk's worth of requests, for which nobody waits unless they come in a burst.

What that costs is precision. Of P processes with chunks of c (a twentieth of the quota q), no more
than q + P·c requests of a key are answered in a window, and, if there are as many, no fewer than
q - 1.5·P·c: each process may hold permits that it has no use for.

If the shared counter cannot be asked, each process has the quota for itself until the window ends.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from libs.cache.background import Background
from libs.errors import Unavailable
from libs.limits.permits import Permits
from libs.logging import get_logger

log = get_logger()

CHUNKS: Final = 20
"""In a quota."""

MOST_KEYS: Final = 20_000
"""That a process counts for in a window; with more, those that came first are forgotten."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A quota.

    Attributes:
        name: for clients.
        quota: requests in a window.
        window_s: seconds.
    """

    name: str
    quota: int
    window_s: int = 60

    @property
    def chunk(self) -> int:
        return max(1, self.quota // CHUNKS)


class Count:
    """The requests of a key in a window.

    Attributes:
        window: its number.
        used: permits that were.
        granted: permits that this process has had.
        leased: how many of these the shared counter knows of.
        free: permits that the shared counter had left when it was last asked.
        is_final: whether this process will get no more.
        asking: the question for more.
    """

    __slots__ = ("asking", "free", "granted", "is_final", "key", "leased", "used", "window")

    def __init__(self, key: str, window: int, *, granted: int, free: int, is_final: bool) -> None:
        self.key = key
        self.window = window
        self.used = 0
        self.granted = granted
        self.leased = 0
        self.free = free
        self.is_final = is_final
        self.asking: asyncio.Task[None] | None = None

    @property
    def remaining(self) -> int:
        """Permits that are left, as far as this process knows."""
        return max(0, self.free + self.granted - self.used)


class Limiter:
    """Counts.

    Args:
        policy: the quota of each key.
        permits: the counter that processes share; None: there is but this process.
        now: seconds since the epoch.
        most_keys: that are counted for at a time.
    """

    def __init__(
        self,
        policy: Policy,
        permits: Permits | None = None,
        *,
        now: Callable[[], float] = time.time,
        most_keys: int = MOST_KEYS,
    ) -> None:
        self.policy = policy
        self._permits = permits
        self._now = now
        self._most_keys = most_keys
        self._chunk = policy.chunk
        self._first = policy.quota if permits is None else self._chunk
        self._low = self._chunk // 2
        self._window = 0
        self._end = 0.0  # of the window, in seconds since the epoch
        self._counts: dict[str, Count] = {}
        self._background = Background()
        self._failing = False

    def count(self, key: str) -> Count:
        """That of the present window."""
        if self._now() >= self._end:
            self._begin()
        return self._counts.get(key) or self._new(key)

    async def take(self, count: Count) -> bool:
        """Take a permit. Waits for the shared counter if this process has none left.

        Returns:
            False: there is none.
        """
        while count.used >= count.granted:
            if count.is_final:
                return False
            await asyncio.wait({self._asking(count)})
        self.charge(count)
        return True

    def charge(self, count: Count) -> None:
        """Count a request, whether there is a permit left or not."""
        count.used += 1
        if count.granted - count.used <= self._low and not count.is_final:
            self._asking(count)

    @staticmethod
    def refund(count: Count) -> None:
        """A request that was counted is none of this key."""
        count.used -= 1

    def reset_in(self) -> int:
        """Seconds until the window ends that was counted in last."""
        return max(1, math.ceil(self._end - self._now()))

    def _begin(self) -> None:
        """Begin the present window."""
        length = self.policy.window_s
        self._window = int(self._now() // length)
        self._end = float((self._window + 1) * length)
        self._counts = {}

    def _new(self, key: str) -> Count:
        if len(self._counts) >= self._most_keys:
            del self._counts[next(iter(self._counts))]
        count = self._counts[key] = Count(
            key,
            self._window,
            granted=self._first,
            free=self.policy.quota - self._first,
            is_final=self._permits is None,
        )
        return count

    def _asking(self, count: Count) -> asyncio.Task[None]:
        """The question for more permits that is under way, or a new one."""
        if count.asking is None:
            count.asking = self._background.run(self._ask(count))
        return count.asking

    async def _ask(self, count: Count) -> None:
        """Take a chunk from the shared counter, and tell it what was used without asking."""
        quota = self.policy.quota
        wanted = count.granted - count.leased + self._chunk
        try:
            taken = await self._taken(count, wanted)
        except Unavailable:
            self._tell(failing=True)
            count.granted, count.free, count.is_final = quota, 0, True
        else:
            self._tell(failing=False)
            got = min(wanted, max(0, quota - taken))
            count.leased += got
            count.granted = count.leased
            count.free = max(0, quota - taken - wanted)
            count.is_final = got < wanted
        finally:
            count.asking = None

    async def _taken(self, count: Count, wanted: int) -> int:
        assert self._permits is not None  # noqa: S101 (else all counts are final)
        policy = self.policy
        key = f"{policy.name}:{count.window}:{count.key}"
        return await self._permits.take(key, wanted, 2 * policy.window_s)

    def _tell(self, *, failing: bool) -> None:
        if failing is not self._failing:
            self._failing = failing
            if failing:
                log.warning("limits.not_shared", policy=self.policy.name)
            else:
                log.info("limits.shared_again", policy=self.policy.name)
