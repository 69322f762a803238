"""Migrations: aerich's, one history per module, in the module's own schema.

A migration is a file `services/<module>/migrations/<number>_<name>.py` with two functions that
return SQL, `async def upgrade(db) -> str` and `async def downgrade(db) -> str`. It runs in a
transaction unless it says `RUN_IN_TRANSACTION = False` (one statement then, such as CREATE INDEX
CONCURRENTLY). Aerich's own table needs no migration.

A migration is complete or absent; an index whose making failed is dropped at the next attempt.

Old code runs while a migration does. So it waits for locks briefly and tries again, instead of
making everybody queue behind it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import asyncpg
from aerich import Command
from aerich.migrate import Migrate
from aerich.models import Aerich
from aerich.utils import import_py_file
from pydantic import SecretStr
from tortoise.context import TortoiseContext

from libs.db.bootstrap import advisory_lock, quote_ident, quote_literal
from libs.db.client import Client, ClientOptions
from libs.db.database import server_settings, tortoise_context
from libs.db.query_log import QueryLog
from libs.errors import Unavailable
from libs.logging import get_logger

LOCK_TIMEOUT_MS: Final = 5_000
STATEMENT_TIMEOUT_MS: Final = 60_000
LOCK_WAIT_S: Final = 300.0
ATTEMPTS: Final = 5
PAUSE_S: Final = 1.0

_TIMEOUTS: Final = {"lock_timeout": LOCK_TIMEOUT_MS, "statement_timeout": STATEMENT_TIMEOUT_MS}

HISTORY_TABLE: Final = "aerich"
HISTORY_DDL: Final = f"""/* aerich.create */ CREATE TABLE IF NOT EXISTS "{HISTORY_TABLE}" (
    "id" SERIAL NOT NULL PRIMARY KEY,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSONB NOT NULL
)"""

_INVALID_INDEXES: Final = """/* aerich.invalid_indexes */
SELECT c.oid::regclass::text AS index
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relnamespace = $1::regnamespace AND NOT i.indisvalid"""

_log = get_logger()
_one_at_a_time = asyncio.Lock()  # aerich keeps its state in a class


@dataclass(frozen=True, kw_only=True)
class Migrations:
    """A module's migrations, and where they belong.

    Attributes:
        name: the module's; also that of its schema.
        dsn: of the module's own login role.
        models: the Python modules that hold its models.
        path: the folder with the files.
    """

    name: str
    dsn: SecretStr
    models: Sequence[str]
    path: Path


async def migrate(
    modules: Sequence[Migrations],
    *,
    lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    attempts: int = ATTEMPTS,
    pause_s: float = PAUSE_S,
) -> dict[str, list[str]]:
    """Apply what is pending, module after module; of several at once one works, the others wait.

    Args:
        attempts: how often a migration that does not get its locks is tried.
        pause_s: before the second attempt; twice as long before each further one.

    Returns:
        For each module the migrations that were applied by this call.

    Raises:
        Unavailable: the database does not answer, or the locks were never free. What was applied
            before stays applied; each migration is complete or absent.
    """
    timeouts = {"lock_timeout": lock_timeout_ms, "statement_timeout": statement_timeout_ms}
    applied: dict[str, list[str]] = {}
    for module in modules:
        async with _prepared(module, timeouts) as (command, client):
            lock = await client.connect()
            try:
                async with advisory_lock(lock, f"throughline:migrate:{module.name}", LOCK_WAIT_S):
                    await client.execute_script(HISTORY_DDL)
                    applied[module.name] = await _upgrade(command, client, attempts, pause_s)
            finally:
                await lock.close(timeout=10)
    return applied


async def pending(modules: Sequence[Migrations]) -> dict[str, list[str]]:
    """For each module the migrations that are not applied. Changes nothing.

    Raises:
        Unavailable: the database does not answer.
    """
    found: dict[str, list[str]] = {}
    for module in modules:
        async with _prepared(module, {}):
            found[module.name] = await _pending(module.name)
    return found


async def sql(modules: Sequence[Migrations]) -> str:
    """What `migrate` would do, as a script, to be read or to be run by hand as the module's role.

    It sets the same time-outs. A run by hand is recorded as `migrate` would, but without the state
    of the models, which only aerich's generator of migrations would look at.

    Raises:
        Unavailable: the database does not answer.
    """
    parts: list[str] = []
    for module in modules:
        async with _prepared(module, {}) as (_, client):
            todo = await _pending(module.name)
            if todo:
                settings = {**_TIMEOUTS, "search_path": quote_ident(module.name)}
                parts.append("\n".join(f"SET {name} = {to};" for name, to in settings.items()))
                parts.append(f"{HISTORY_DDL};")
            parts += [await _script(module.name, version, client) for version in todo]
    return "\n\n".join(parts) + "\n" if parts else ""


async def _script(name: str, version: str, client: Client) -> str:
    file = import_py_file(Migrate.migrate_location / version)
    text = str(await file.upgrade(client)).strip().rstrip(";") + ";"
    values = f"{quote_literal(version)}, {quote_literal(name)}, '{{}}'"
    text += f'\nINSERT INTO "{HISTORY_TABLE}" ("version", "app", "content") VALUES ({values});'
    if getattr(file, "RUN_IN_TRANSACTION", True):
        text = f"BEGIN;\n{text}\nCOMMIT;"
    return f"-- {name}: {version}\n{text}"


async def _upgrade(command: Command, client: Client, attempts: int, pause_s: float) -> list[str]:
    name = client.connection_name
    todo = await _pending(name)
    done: list[str] = []
    for attempt in range(1, attempts + 1):
        try:
            await _drop_invalid_indexes(client, name)
            await command.upgrade(run_in_transaction=True)
        except Unavailable as error:
            lock = isinstance(error.__cause__, asyncpg.LockNotAvailableError)
            if not lock or attempt == attempts:
                raise
            _log.warning("migration.lock_not_available", schema=name, attempt=attempt)
        finally:
            left = await _pending(name)
            for version in todo:
                if version not in left and version not in done:
                    done.append(version)
                    _log.info("migration.applied", schema=name, migration=version)
        if not left:
            break
        await asyncio.sleep(pause_s * 2 ** (attempt - 1))
    return done


async def _drop_invalid_indexes(client: Client, name: str) -> None:
    """Clear away what CREATE INDEX CONCURRENTLY leaves behind when it fails, as for a lock.

    The migration could not be repeated otherwise: its index would exist, and be of no use.
    """
    for row in await client.execute_query_dict(_INVALID_INDEXES, [f'"{name}"']):
        await client.execute_script(f"DROP INDEX CONCURRENTLY {row['index']}")
        _log.warning("migration.invalid_index_dropped", schema=name, index=row["index"])


async def _pending(name: str) -> list[str]:
    files = Migrate.get_all_version_files()
    if not await _has_history(name):
        return files
    applied = {record.version for record in await Aerich.filter(app=name).only("version")}
    return [version for version in files if version not in applied]


async def _has_history(name: str) -> bool:
    query = "/* aerich.exists */ SELECT to_regclass($1) IS NOT NULL AS found"
    rows = await Aerich._meta.db.execute_query_dict(query, [f'"{name}"."{HISTORY_TABLE}"'])  # noqa: SLF001
    return bool(rows[0]["found"])


@asynccontextmanager
async def _prepared(
    module: Migrations, timeouts_ms: dict[str, int]
) -> AsyncIterator[tuple[Command, Client]]:
    """Tortoise and aerich set up for one module, and gone afterwards."""
    async with _one_at_a_time:
        context, config = await _context(module, timeouts_ms)
        with context:
            try:
                client = cast("Client", context.connections.get(module.name))
                await client.create_connection()
                command = Command(config, app=module.name)
                Migrate.app = module.name
                Migrate.migrate_location = module.path
                yield command, client
            finally:
                await context.close_connections()


async def _context(
    module: Migrations, timeouts_ms: dict[str, int]
) -> tuple[TortoiseContext, dict[str, Any]]:
    options = ClientOptions(
        dsn=module.dsn,
        pool_min=0,
        pool_max=2,
        acquire_timeout=10,
        server_settings={
            **server_settings(module.name, timeouts_ms),
            "application_name": f"throughline/{module.name}/migrate",
        },
        on_query=QueryLog(module.name, slow_query_ms=STATEMENT_TIMEOUT_MS),
    )
    # aerich's model has an app of its own, because a model stays in the app that it was first in
    context = await tortoise_context(
        {module.name: (options, module.models)},
        more_apps={"aerich": (module.name, ["aerich.models"])},
    )
    # of a configuration aerich only wants to know an app's connection
    return context, {"apps": {module.name: {"default_connection": module.name}}}
