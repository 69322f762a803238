"""The port behind the limiter: counters that processes share. `redis_permits.py` and the class
here implement it."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol


class Permits(Protocol):
    """Permits that were taken, by key."""

    async def take(self, key: str, permits: int, keep_s: int) -> int:
        """Take so many.

        Args:
            keep_s: seconds after which the key is forgotten, from when it is first used.

        Returns:
            How many had been taken before.

        Raises:
            Unavailable: nobody can be asked.
        """


class MemoryPermits:
    """Counters in memory, for processes that have nothing in common but it: tests.

    Attributes:
        calls: how often it was asked.
        failure: raised while it is set.
    """

    def __init__(self, *, now: Callable[[], float] = time.time, most: int = 10_000) -> None:
        self._now = now
        self._most = most
        self._taken: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self.calls = 0
        self.failure: Exception | None = None

    async def take(self, key: str, permits: int, keep_s: int) -> int:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        now = self._now()
        taken, until = self._taken.get(key, (0, 0.0))
        if until <= now:
            taken, until = 0, now + keep_s
        self._taken[key] = (taken + permits, until)
        if len(self._taken) > self._most:
            self._taken.popitem(last=False)
        return taken
