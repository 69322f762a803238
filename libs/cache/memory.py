"""The store in memory, for unit tests."""

import time
from collections.abc import Callable

from libs.cache.store import Entry
from libs.errors import Unavailable


class MemoryStore:
    """A dictionary whose entries expire.

    Args:
        clock: gives seconds; a test passes one that it can move.

    Attributes:
        gone: set it to True to have every method raise `Unavailable`, as if Redis were gone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[bytes, float]] = {}
        self.gone = False

    async def get(self, key: str) -> bytes | None:
        entry = await self.get_entry(key)
        return None if entry is None else entry.value

    async def get_entry(self, key: str) -> Entry | None:
        self._ask()
        value, expires = self._entries.get(key, (b"", 0.0))
        remaining = expires - self._clock()
        return Entry(value, remaining) if remaining > 0 else None

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        self._ask()
        self._entries[key] = (value, self._clock() + ttl)

    async def delete(self, *keys: str) -> None:
        self._ask()
        for key in keys:
            self._entries.pop(key, None)

    def _ask(self) -> None:
        if self.gone:
            raise Unavailable("the store is gone")
