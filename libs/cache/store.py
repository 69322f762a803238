"""The port behind the cache: something that keeps bytes for a while. `redis.py` and `memory.py`
implement it."""

from typing import Protocol


class Store(Protocol):
    """Every coroutine raises `libs.errors.Unavailable` if the store cannot be asked, or refuses."""

    @property
    def patience(self) -> float:
        """Seconds that a caller may lose to it, and the longest that a command takes."""

    def now(self) -> float:
        """The time, in seconds, by which the age of an entry is told in every process."""

    async def get(self, *keys: str) -> list[bytes | None]:
        """What is under the keys, all of it at one moment."""

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep `value` for `ttl` seconds."""

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        """Keep `value` for `ttl` seconds unless there is one. What is under the key then; None: it
        was forgotten meanwhile."""

    async def extend(self, key: str, ttl: float) -> None:
        """Keep what is under the key, if there is anything, for `ttl` seconds from now."""

    async def delete(self, *keys: str, urgent: bool = False) -> None:
        """Forget the keys, whether they exist or not.

        Args:
            keys: at least one.
            urgent: even if the store has failed a moment ago and is left alone otherwise.
        """
