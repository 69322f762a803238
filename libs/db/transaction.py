"""A transaction on a connection of the pool."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Literal, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from tortoise.backends.asyncpg.client import TransactionWrapper
from tortoise.backends.base.client import (
    ConnectionWrapper,
    NestedTransactionContext,
    TransactionContext,
)
from tortoise.backends.base_postgres.client import translate_exceptions
from tortoise.connection import get_connections
from tortoise.exceptions import BaseORMException

from libs.db.boundary import Boundary, Pool
from libs.db.errors import DRIVER_ERRORS, is_lost, translate
from libs.errors import AppError

Isolation = Literal["read_committed", "repeatable_read", "serializable"]


class TransactionClient(Boundary, TransactionWrapper):
    """The connection of an open transaction, or of a savepoint in one.

    Attributes:
        aborted_by: the error for which PostgreSQL has given the transaction up, if it has. It
            answers COMMIT with a rollback then, and that is not reported as an error.
    """

    def __init__(self, parent: Boundary, isolation: Isolation | None = None) -> None:
        super().__init__(parent)
        self.aborted_by: BaseException | None = None
        self._lost_by: BaseException | None = None
        self._isolation = isolation
        self._outer = parent if isinstance(parent, TransactionClient) else None
        self._over = False
        if self._outer is not None:
            self._lock = self._outer._lock  # noqa: SLF001  one connection, one statement at a time

    @property
    def over(self) -> bool:
        """Whether the connection was given back."""
        return self._outer.over if self._outer is not None else self._over

    async def attach(self, source: Pool) -> None:
        """Take a connection."""
        self._connection = cast("asyncpg.Connection", await source.acquire())

    async def detach(self, source: Pool) -> None:
        """Give the connection back."""
        self._over = True
        await source.release(cast("PoolConnectionProxy", self._connection), self._lost_by)

    def acquire_connection(self) -> ConnectionWrapper[asyncpg.Connection]:
        if self.over:
            raise RuntimeError(
                "the transaction is over: a task that was started inside a unit of work has"
                " outlived it; start such tasks outside, or from after_commit"
            )
        return ConnectionWrapper(self._lock, self)

    def _in_transaction(self) -> TransactionContext:
        return NestedTransactionContext(TransactionClient(self))

    def note(self, error: BaseException) -> None:
        lost = is_lost(error)
        if lost or isinstance(error, asyncpg.PostgresError | asyncio.CancelledError):
            self.aborted_by = self.aborted_by or error
        if lost:
            self._lost_by = error
            if self._outer is not None:
                self._outer.note(error)

    @translate_exceptions
    async def begin(self) -> None:
        self.transaction = self._connection.transaction(isolation=self._isolation)
        await self.transaction.start()

    @translate_exceptions
    async def commit(self) -> None:
        await super().commit()

    @translate_exceptions
    async def rollback(self) -> None:
        await super().rollback()

    async def savepoint_rollback(self) -> None:
        await super().savepoint_rollback()
        if self._outer is not None:  # what had failed since the savepoint is undone
            self._outer.aborted_by = None


class Transaction(TransactionContext):
    """`async with`: commits at the end, rolls back on an error.

    Unlike Tortoise's own it keeps no connection when BEGIN fails, and does not take a transaction
    for committed that PostgreSQL has given up.
    """

    client: TransactionClient

    def __init__(self, pool: Pool, isolation: Isolation | None) -> None:
        self._pool = pool
        self._isolation = isolation
        self.connection_name = pool.connection_name

    async def __aenter__(self) -> TransactionClient:
        return await self._pool.on_live_connection(self._begin, lambda: True)

    async def _begin(self) -> TransactionClient:
        self.client = TransactionClient(self._pool, self._isolation)
        try:
            await self.client.attach(self._pool)
        except DRIVER_ERRORS as error:
            raise translate(error) from error
        self._handler = get_connections()
        self._token = self._handler.set(self.connection_name, self.client)
        try:
            await self.client.begin()
        except BaseException:
            await self._leave()
            raise
        return self.client

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        aborted_by = self.client.aborted_by
        try:
            if exc is None and aborted_by is None:
                await self.client.commit()
            else:
                # If even this fails the connection is of no use; the pool drops it. What is of
                # interest is the error before.
                with suppress(AppError, BaseORMException):
                    await self.client.rollback()
        finally:
            await self._leave()
        if exc is None and aborted_by is not None:
            raise RuntimeError(
                f"rolled back: a statement failed ({type(aborted_by).__name__}) and the error was"
                " swallowed inside the transaction"
            ) from aborted_by

    async def _leave(self) -> None:
        try:
            with suppress(*DRIVER_ERRORS):  # a connection that cannot be reset was dropped
                await self.client.detach(self._pool)
        finally:
            self._handler.reset(self._token)
