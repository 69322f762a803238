"""The client under Tortoise: asyncpg with time-outs, a query log and translated errors.

Tortoise finds it by this module's name (the `engine` of its configuration) and `client_class`.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pydantic import SecretStr
from tortoise.backends.base.client import ConnectionWrapper, TransactionContext

from libs.db.boundary import Pool
from libs.db.errors import DRIVER_ERRORS, is_lost, translate
from libs.db.query_log import LoggedQuery
from libs.db.retry import on_live_connection, reads_only, until_won
from libs.db.transaction import Isolation, Transaction
from libs.logging import get_logger

T = TypeVar("T")

ENGINE = __name__

_log = get_logger()


class Connection(asyncpg.Connection):
    """A connection that is given back to the pool without a round trip.

    So nothing may ever set session state on a pooled connection (SET, LISTEN, session locks,
    temporary tables): that is what `Database.connect` is for.
    """

    __slots__ = ()
    _query_loggers: set[object]

    def get_reset_query(self) -> str:
        return ""

    def _cleanup(self) -> None:
        # asyncpg forgets the loggers before it tells of the statement that the end came upon
        loggers = set(self._query_loggers)
        super()._cleanup()  # type: ignore[misc]  # not in the stubs
        self._query_loggers.update(loggers)


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


class Client(Pool):
    """One module's pool of connections. Opening it needs no server."""

    def __init__(self, *, options: ClientOptions, connection_name: str) -> None:
        super().__init__(connection_name=connection_name)
        self._options = options
        self._leased = 0  # connections that are out of the pool, or waited for

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
                connection_class=Connection,
                server_settings=dict(options.server_settings),
            )
        except DRIVER_ERRORS as error:
            raise translate(error) from error
        await self._prepare(connection)
        return connection

    async def _translate_exceptions(
        self, func: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
    ) -> Any:
        run = partial(super()._translate_exceptions, func, *args, **kwargs)
        single = func.__name__ != "execute_script"  # a script may have committed in the middle
        attempt = partial(self.on_live_connection, run, lambda: single and reads_only(args[0]))
        return await (until_won(attempt, module=self.connection_name) if single else attempt())

    async def on_live_connection(
        self, attempt: Callable[[], Awaitable[T]], repeatable: Callable[[], bool]
    ) -> T:
        return await on_live_connection(
            attempt,
            module=self.connection_name,
            pooled=self._options.pool_max,
            repeatable=repeatable,
        )

    async def acquire(self) -> PoolConnectionProxy:
        if self._pool is None:
            raise asyncpg.InterfaceError("the pool is closed")
        # Where nothing is to be waited for a time-out costs more than all the rest. If it takes a
        # new connection, that has its own.
        is_free = self._leased < self._options.pool_max
        self._leased += 1
        try:
            timeout = None if is_free else self._options.acquire_timeout
            return await self._pool.acquire(timeout=timeout)
        except BaseException:
            self._leased -= 1
            raise

    async def release(
        self, connection: PoolConnectionProxy, error: BaseException | None = None
    ) -> None:
        if is_lost(error):
            with suppress(asyncpg.InterfaceError):  # it has noticed, and left the pool
                connection.terminate()
        try:
            if self._pool is not None:
                await self._pool.release(connection)
        finally:
            self._leased -= 1

    def acquire_connection(self) -> ConnectionWrapper[Any]:
        return cast("ConnectionWrapper[Any]", _Lease(self))

    def transaction(self, isolation: Isolation | None = None) -> Transaction:
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

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        await self._client.release(self._connection, error)


client_class = Client
