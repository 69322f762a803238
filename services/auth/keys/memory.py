"""Signing keys in memory, for tests."""

from collections.abc import Callable, Sequence
from datetime import datetime

from services.auth.keys.models import StoredKey


class MemoryKeyRepository:
    """Signing keys in a dictionary.

    Args:
        now: the time.

    Attributes:
        failure: what looking for them raises.
        asked: how often somebody has looked.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.keys: dict[str, StoredKey] = {}
        self.failure: Exception | None = None
        self.asked = 0

    async def all(self) -> Sequence[StoredKey]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return list(self.keys.values())

    async def now(self) -> datetime:
        return self._now()

    async def add(self, key: StoredKey) -> None:
        self.keys[key.kid] = key

    async def lock(self) -> None:
        """Nobody else is there."""

    async def retire(self, kid: str, at: datetime) -> None:
        key = self.keys[kid]
        key.retired_at, key.private_key = at, None

    async def erase(self, kids: Sequence[str]) -> None:
        for kid in kids:
            self.keys[kid].private_key = None
