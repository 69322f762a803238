"""Where the driver is called: none of its errors gets past here."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from asyncpg.pool import PoolConnectionProxy
from tortoise.backends.asyncpg.client import AsyncpgDBClient
from tortoise.backends.base_postgres.client import translate_exceptions

from libs.db.errors import DRIVER_ERRORS, quotes_values, translate

T = TypeVar("T")


class Boundary(AsyncpgDBClient):
    """What the client of a pool and that of a transaction have in common."""

    async def _translate_exceptions(
        self, func: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
    ) -> Any:
        try:
            return await func(self, *args, **kwargs)
        except DRIVER_ERRORS as error:
            self.note(error)
            raise translate(error) from (None if quotes_values(error) else error)
        except asyncio.CancelledError as error:
            self.note(error)  # asyncpg cancels the statement at the server
            raise

    def note(self, error: BaseException) -> None:
        """Take notice of a failed statement."""

    @translate_exceptions
    async def execute_count(self, query: str, values: list[Any]) -> int:
        """Run a statement and tell how many rows it touched."""
        async with self.acquire_connection() as connection:
            status = await connection.execute(query, *values)
        count = str(status).rpartition(" ")[2]
        return int(count) if count.isdigit() else 0


class Pool(Boundary):
    """The client of a pool, as its transactions see it."""

    @abstractmethod
    async def acquire(self) -> PoolConnectionProxy:
        """A connection of the pool.

        Raises:
            TimeoutError: there is none in time. Also asyncpg's errors: the caller translates.
        """

    @abstractmethod
    async def release(
        self, connection: PoolConnectionProxy, error: BaseException | None = None
    ) -> None:
        """Give a connection back.

        Args:
            error: the last one on it. It may be gone without having noticed itself.
        """

    @abstractmethod
    async def on_live_connection(
        self, attempt: Callable[[], Awaitable[T]], repeatable: Callable[[], bool]
    ) -> T:
        """Do what takes a connection of the pool; see `libs.db.retry`."""
