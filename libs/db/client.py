"""The client under Tortoise: asyncpg with time-outs, a query log and translated errors.

Tortoise finds it by this module's name (the `engine` of its configuration) and `client_class`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pydantic import SecretStr
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import (
    ConnectionWrapper,
    NestedTransactionContext,
    TransactionContext,
)
from tortoise.backends.base_postgres.client import translate_exceptions
from tortoise.connection import get_connections
from tortoise.exceptions import BaseORMException

from libs.db.errors import DRIVER_ERRORS, quotes_values, translate
from libs.db.query_log import LoggedQuery
from libs.errors import AppError
from libs.logging import get_logger

Isolation = Literal["read_committed", "repeatable_read", "serializable"]

ENGINE = __name__

_log = get_logger()


class Connection(asyncpg.Connection):
    """A connection that is given back to the pool without a round trip.

    So nothing may ever set session state on a pooled connection (SET, LISTEN, session locks,
    temporary tables): that is what `Database.connect` is for.
    """

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """What a client needs to know.

    Attributes:
        dsn: as asyncpg understands it.
        acquire_timeout: in seconds.
        server_settings: PostgreSQL's, for each connection.
        on_query: is told of each statement.
    """

    dsn: SecretStr
    pool_min: int = 1
    pool_max: int = 10
    acquire_timeout: float = 1.0
    server_settings: Mapping[str, str] = field(default_factory=dict)
    on_query: Callable[[LoggedQuery], None]


class _Boundary(AsyncpgDBClient):
    """Lets none of the driver's errors through."""

    async def _translate_exceptions(
        self, func: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
    ) -> Any:
        try:
            return await func(self, *args, **kwargs)
        except DRIVER_ERRORS as error:
            self._note(error)
            raise translate(error) from (None if quotes_values(error) else error)
        except asyncio.CancelledError as error:
            self._note(error)  # asyncpg cancels the statement at the server
            raise

    def _note(self, error: BaseException) -> None:
        """Take notice of a failed statement."""

    @translate_exceptions
    async def execute_count(self, query: str, values: list[Any]) -> int:
        """Run a statement and tell how many rows it touched."""
        async with self.acquire_connection() as connection:
            status = await connection.execute(query, *values)
        count = str(status).rpartition(" ")[2]
        return int(count) if count.isdigit() else 0


class Client(_Boundary):
    """One module's pool of connections. Opening it needs no server."""

    def __init__(self, *, options: ClientOptions, connection_name: str) -> None:
        super().__init__(connection_name=connection_name)
        self._options = options

    async def create_connection(self, with_db: bool = True) -> None:
        """Make the pool (Tortoise calls this for a pool when there is none)."""
        del with_db
        try:
            self._pool = await self._fill(self._options.pool_min)
        except DRIVER_ERRORS as error:
            _log.warning(
                "database.unreachable", module=self.connection_name, error=type(error).__name__
            )
            self._pool = await self._fill(0)  # connects when it is used
        await self._post_connect()

    async def _fill(self, size: int) -> Any:
        options = self._options
        return await asyncpg.create_pool(
            options.dsn.get_secret_value(),
            min_size=size,
            max_size=options.pool_max,
            timeout=options.acquire_timeout,
            connection_class=Connection,
            server_settings=dict(options.server_settings),
            init=self._prepare,
        )

    async def connect(self) -> asyncpg.Connection:
        """A connection outside the pool, which the caller closes."""
        options = self._options
        try:
            connection: asyncpg.Connection = await asyncpg.connect(
                options.dsn.get_secret_value(),
                timeout=options.acquire_timeout,
                server_settings=dict(options.server_settings),
            )
        except DRIVER_ERRORS as error:
            raise translate(error) from error
        await self._prepare(connection)
        return connection

    async def acquire(self) -> PoolConnectionProxy:
        """A connection of the pool.

        Raises:
            TimeoutError: there is none in time. Also asyncpg's errors: the caller translates.
        """
        if self._pool is None:
            raise asyncpg.InterfaceError("the pool is closed")
        return await self._pool.acquire(timeout=self._options.acquire_timeout)

    async def release(self, connection: PoolConnectionProxy) -> None:
        """Give a connection back."""
        if self._pool is not None:
            await self._pool.release(connection)

    def acquire_connection(self) -> ConnectionWrapper[Any]:
        return cast("ConnectionWrapper[Any]", _Lease(self))

    def transaction(self, isolation: Isolation | None = None) -> "Transaction":
        """A transaction on a connection of its own; the task's statements go there meanwhile."""
        return Transaction(self, isolation)

    def _in_transaction(self) -> TransactionContext:
        return self.transaction()

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        connection.add_query_logger(self._options.on_query)


class _Lease:
    """A connection of the pool, for one statement."""

    __slots__ = ("_client", "_connection")

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __aenter__(self) -> PoolConnectionProxy:
        self._connection = await self._client.acquire()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._client.release(self._connection)


class TransactionClient(_Boundary, TransactionWrapper):
    """The connection of an open transaction, or of a savepoint in one.

    Attributes:
        aborted_by: the error for which PostgreSQL has given the transaction up, if it has. It
            answers COMMIT with a rollback then, and that is not reported as an error.
    """

    def __init__(
        self, parent: "Client | TransactionClient", isolation: Isolation | None = None
    ) -> None:
        super().__init__(parent)
        self.aborted_by: BaseException | None = None
        self._isolation = isolation
        self._outer = parent if isinstance(parent, TransactionClient) else None
        self._over = False
        if self._outer is not None:
            self._lock = self._outer._lock  # noqa: SLF001  one connection, one statement at a time

    @property
    def over(self) -> bool:
        """Whether the connection was given back."""
        return self._outer.over if self._outer is not None else self._over

    async def attach(self, source: Client) -> None:
        """Take a connection."""
        self._connection = cast("asyncpg.Connection", await source.acquire())

    async def detach(self, source: Client) -> None:
        """Give the connection back."""
        self._over = True
        await source.release(cast("PoolConnectionProxy", self._connection))

    def acquire_connection(self) -> ConnectionWrapper[asyncpg.Connection]:
        if self.over:
            raise RuntimeError(
                "the transaction is over: a task that was started inside a unit of work has"
                " outlived it; start such tasks outside, or from after_commit"
            )
        return ConnectionWrapper(self._lock, self)

    def _in_transaction(self) -> TransactionContext:
        return NestedTransactionContext(TransactionClient(self))

    def _note(self, error: BaseException) -> None:
        if isinstance(error, asyncpg.PostgresError | asyncio.CancelledError):
            self.aborted_by = self.aborted_by or error

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

    def __init__(self, pool: Client, isolation: Isolation | None) -> None:
        self._pool = pool
        self.client = TransactionClient(pool, isolation)
        self.connection_name = pool.connection_name

    async def __aenter__(self) -> TransactionClient:
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


client_class = Client
