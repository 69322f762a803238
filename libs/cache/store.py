"""The port behind the cache: something that keeps bytes for a while. `redis.py` and `memory.py`
implement it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """What is stored under a key.

    Attributes:
        value: the bytes, as they were given.
        remaining: seconds until the store forgets it.
    """

    value: bytes
    remaining: float


class Store(Protocol):
    """Every method raises `libs.errors.Unavailable` if the store cannot be asked."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""

    async def get_entry(self, key: str) -> Entry | None:
        """The value with its remaining time, or None."""

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep `value` for `ttl` seconds."""

    async def delete(self, *keys: str) -> None:
        """Forget the keys, whether they exist or not."""
