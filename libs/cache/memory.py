"""The store in memory, for unit tests."""

import time
from collections.abc import Callable

from libs.errors import Unavailable


class MemoryStore:
    """A dictionary whose entries expire.

    Args:
        clock: gives seconds; a test passes one that it can move.

    Attributes:
        gone: set it to True to have every method raise `Unavailable`, as if Redis were gone.
        full: set it to True to have it refuse what needs memory, as a Redis without any left.
    """

    patience = 1.0

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[bytes, float]] = {}
        self.gone = False
        self.full = False

    def now(self) -> float:
        return self._clock()

    async def get(self, *keys: str) -> list[bytes | None]:
        self._ask()
        return [self._alive(key) for key in keys]

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        self._ask(memory=True)
        self._entries[key] = (value, self._clock() + ttl)

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        if self._alive(key) is None:
            await self.set(key, value, ttl)
        self._ask()
        return self._alive(key)

    async def extend(self, key: str, ttl: float) -> None:
        self._ask()
        if (value := self._alive(key)) is not None:
            self._entries[key] = (value, self._clock() + ttl)

    async def delete(self, *keys: str, urgent: bool = False) -> None:  # noqa: ARG002
        self._ask()
        for key in keys:
            self._entries.pop(key, None)

    def lives(self) -> dict[str, float]:
        """The keys that it holds, and for how many seconds more."""
        now = self._clock()
        return {key: end - now for key, (_, end) in self._entries.items() if end > now}

    def _alive(self, key: str) -> bytes | None:
        value, end = self._entries.get(key, (b"", 0.0))
        return value if end > self._clock() else None

    def _ask(self, *, memory: bool = False) -> None:
        if self.gone:
            raise Unavailable("the store is gone")
        if self.full and memory:
            raise Unavailable("the store is full")
