"""The life cycle of a process' databases, and what a module sees of its own.

databases = host.share(Databases)
db = databases.add("api", settings.database, models=("services.api.orders.models",))
...
rows = await db.rows("/* orders.of_customer */ SELECT ... WHERE customer_id = $1", customer_id)
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import asyncpg
from tortoise.context import TortoiseContext, set_global_context
from tortoise.models import Model

from libs.db.client import ENGINE, Client, ClientOptions
from libs.db.query_log import QueryLog
from libs.db.settings import DatabaseSettings
from libs.db.transaction import Isolation, Transaction, TransactionClient

_NO_MODELS = ("libs.db.models",)


@dataclass(frozen=True)
class _Opened:
    context: TortoiseContext
    root: Client


class Database:
    """One module's database: its schema, through its own login role and its own pool."""

    def __init__(self, name: str, settings: DatabaseSettings, models: Sequence[str]) -> None:
        self.name = name
        self.settings = settings
        self.model_modules = tuple(models)
        self._opened: _Opened | None = None

    def __repr__(self) -> str:
        return f"<Database {self.name}>"

    @property
    def client(self) -> Client | TransactionClient:
        """Where the running task's statements go: the open transaction, or the pool."""
        context = self._require().context
        return cast("Client | TransactionClient", context.connections.get(self.name))

    @property
    def models(self) -> Mapping[str, type[Model]]:
        """The module's models, by class name."""
        apps = self._require().context.apps
        return dict(apps[self.name]) if apps is not None else {}

    async def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        """Run a statement and return its rows. A leading `/* name */` is its name in the logs."""
        return cast("list[dict[str, Any]]", await self.client.execute_query_dict(sql, list(args)))

    async def row(self, sql: str, *args: Any) -> dict[str, Any] | None:
        """The first of the rows, or None."""
        found = await self.rows(sql, *args)
        return found[0] if found else None

    async def execute(self, sql: str, *args: Any) -> int:
        """Run a statement and return how many rows it touched."""
        return cast("int", await self.client.execute_count(sql, list(args)))

    async def ping(self) -> None:
        """Return if the database answers.

        Raises:
            Unavailable: it does not.
        """
        await self.rows("/* db.ping */ SELECT 1")

    async def connect(self) -> asyncpg.Connection:
        """A connection of its own, outside the pool, for session state: LISTEN, session locks.

        It has the same role, search_path, time-outs and query log. The caller closes it, and
        translates its errors (`libs.db.errors.translate`).

        Raises:
            Unavailable: there is no connection.
        """
        return await self._require().root.connect()

    def transaction(self, isolation: Isolation | None = None) -> Transaction:
        """A bare transaction. Use cases open a `unit_of_work` instead."""
        return self._require().root.transaction(isolation)

    def _bind(self, opened: _Opened | None) -> None:
        self._opened = opened

    def _require(self) -> _Opened:
        if self._opened is None:
            raise RuntimeError(f"the database {self.name!r} is not open")
        return self._opened


class Databases:
    """All databases of the process: one Tortoise context, an app and a connection per module."""

    def __init__(self) -> None:
        self._databases: dict[str, Database] = {}
        self._context: TortoiseContext | None = None

    def add(self, name: str, settings: DatabaseSettings, models: Sequence[str]) -> Database:
        """Declare a module's database, before `open`.

        Args:
            name: the module's; also that of its schema, app label and connection.
            models: the Python modules that hold its models; may be empty.
        """
        if self._context is not None:
            raise RuntimeError("databases are added before they are opened")
        if name in self._databases:
            raise ValueError(f"the database {name!r} was added before")
        self._databases[name] = Database(name, settings, models)
        return self._databases[name]

    async def open(self) -> None:
        """Set everything up. The servers need not be there yet: `Database.ping` tells."""
        if self._context is not None or not self._databases:
            return
        databases = self._databases.values()
        context = await tortoise_context(
            {db.name: (_options(db), db.model_modules) for db in databases}
        )
        try:
            set_global_context(context)
            for db in databases:
                root = cast("Client", context.connections.get(db.name))
                await root.create_connection()
                db._bind(_Opened(context, root))  # noqa: SLF001  they are one thing
        except BaseException:
            await context.close_connections()
            raise
        self._context = context

    async def close(self) -> None:
        """Close the pools, and let another `Databases` be opened."""
        if self._context is None:
            return
        context, self._context = self._context, None
        for db in self._databases.values():
            db._bind(None)  # noqa: SLF001  they are one thing
        await context.close_connections()


def _options(db: Database) -> ClientOptions:
    settings = db.settings
    timeouts = {
        "statement_timeout": settings.statement_timeout_ms,
        "lock_timeout": settings.lock_timeout_ms,
        "idle_in_transaction_session_timeout": settings.idle_in_transaction_timeout_ms,
    }
    return ClientOptions(
        dsn=settings.url,
        pool_min=settings.pool_min,
        pool_max=settings.pool_max,
        acquire_timeout=settings.acquire_timeout_ms / 1000,
        server_settings=server_settings(db.name, timeouts),
        on_query=QueryLog(db.name, slow_query_ms=settings.slow_query_ms),
    )


def server_settings(module: str, timeouts_ms: Mapping[str, int]) -> dict[str, str]:
    """PostgreSQL's settings for a module's connections.

    They travel in the start-up packet, so they are the session's defaults and cost no round trip.
    """
    return {
        "search_path": f'"{module}"',
        "application_name": f"throughline/{module}",
        "jit": "off",  # compiling costs more than it saves on short statements
        **{name: f"{value}ms" for name, value in timeouts_ms.items()},
    }


async def tortoise_context(
    connections: Mapping[str, tuple[ClientOptions, Sequence[str]]],
    *,
    more_apps: Mapping[str, tuple[str, Sequence[str]]] | None = None,
) -> TortoiseContext:
    """A Tortoise context with a connection and an app for each name; it is not made current.

    Args:
        connections: by name: the client's options, the modules that hold models.
        more_apps: by label: the connection's name, the modules that hold models.
    """
    apps = {name: (name, models) for name, (_, models) in connections.items()} | dict(
        more_apps or {}
    )
    config = {
        "connections": {
            name: {"engine": ENGINE, "credentials": {"options": options}}
            for name, (options, _) in connections.items()
        },
        "apps": {
            label: {"models": list(models or _NO_MODELS), "default_connection": name}
            for label, (name, models) in apps.items()
        },
    }
    context = TortoiseContext()
    with context, warnings.catch_warnings():
        # a module that has only raw SQL has no models, and that is all right
        warnings.filterwarnings("ignore", message=r'Module ".*" has no models')
        await context.init(config)
    return context
