"""The database of the comparison: migrated as ever, with the rows that every peer has."""

import asyncio
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg

from libs.db.bootstrap import bootstrap
from libs.db.migrate import migrate
from libs.embedded.mongo_environment import prepare as prepare_mongo
from libs.embedded.server import ignore_progress
from services import registry
from services.cli import settings as cli_settings
from services.cli.databases import migrations
from tests.bench.peer.settings import MODULE, database_url, settings

SERVICES: Final = 100
USERS: Final = 200
"""Those that the driver asks as, of the 2,000 that there are."""
SEED: Final = Path(__file__).with_name("seed.sql")


def named_uuid(name: str) -> UUID:
    """The same UUID as `pg_temp.uid` in `seed.sql`, and as the driver of the comparison makes."""
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return UUID(f"{digest[:12]}4{digest[13:16]}8{digest[17:]}")


def prepare(environ: Mapping[str, str]) -> None:
    """Make role, schema, tables and rows in the empty database DATABASE_URL."""
    asyncio.run(_prepare(environ))


async def _prepare(environ: Mapping[str, str]) -> None:
    await prepare_mongo(os.environ, ignore_progress)
    dsn, admin = database_url(environ), environ["DATABASE_URL"]
    made_up = cli_settings.made_up((MODULE,))
    read = cli_settings.settings((MODULE,), {**made_up, **settings(environ, {})})
    await bootstrap(admin, [(MODULE, dsn)])
    await migrate(migrations(registry.load((MODULE,)), read))
    connection: asyncpg.Connection = await asyncpg.connect(admin)
    try:
        await connection.execute(SEED.read_text())
        await connection.execute("VACUUM (FREEZE, ANALYZE)")
    finally:
        await connection.close()
