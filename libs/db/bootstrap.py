"""Roles and schemas: what an administrator does once per database, before the migrations.

Each module has a login role that owns the module's schema and can see no other. A password never
travels: the server gets a SCRAM-SHA-256 verifier that is computed here (RFC 5803), so that no
statement, log of the server or audit trail holds it.
"""

import asyncio
import base64
import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from libs.db.errors import DRIVER_ERRORS, translate
from libs.errors import Unavailable
from libs.logging import get_logger

LOCK_WAIT_S: Final = 60.0
_LOCK: Final = "throughline:bootstrap"
_ITERATIONS: Final = 4096  # PostgreSQL's own default

_log = get_logger()


async def bootstrap(admin_dsn: str, modules: Sequence[tuple[str, str]]) -> None:
    """Create, or bring up to date, the database, role and schema of each module.

    Safe to repeat and to run several times at once. The administrator need not be a superuser:
    CREATEROLE, and owning the database (or CREATEDB, if it does not exist), are enough.

    Args:
        admin_dsn: the administrator's; its database is where the lock is taken.
        modules: the name of each module and its own dsn, which says role, password and database.

    Raises:
        Unavailable: the server does not answer, or another bootstrap goes on for too long.
        ValueError: a dsn lacks the role or the database, or a password is not printable ASCII.
    """
    wanted = [_Grant(module, dsn) for module, dsn in modules]
    try:
        async with _connected(admin_dsn) as admin, advisory_lock(admin, _LOCK, LOCK_WAIT_S):
            for role in {grant.role: grant for grant in wanted}.values():
                await _ensure_role(admin, role)
            for name in sorted({grant.database for grant in wanted}):
                await _ensure_database(admin, name)
                async with _connected(_with_database(admin_dsn, name)) as connection:
                    await _ensure_schemas(connection, [g for g in wanted if g.database == name])
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    for grant in wanted:
        _log.info("database.bootstrapped", schema=grant.module, role=grant.role)


@asynccontextmanager
async def advisory_lock(
    connection: asyncpg.Connection, name: str, wait_s: float
) -> AsyncIterator[None]:
    """Hold a session-level lock of PostgreSQL's, known by `name`, within the database.

    It is asked for again and again instead of waited for: a waiting statement holds a snapshot,
    on which CREATE INDEX CONCURRENTLY of the lock's owner would wait in turn, for ever.

    Raises:
        Unavailable: another session has had it for `wait_s` seconds.
    """
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while not await connection.fetchval("/* db.lock */ SELECT pg_try_advisory_lock($1)", key):
        if loop.time() >= until:
            raise Unavailable(f"another process holds the lock {name!r}", retry_after=wait_s)
        await asyncio.sleep(0.1)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("/* db.unlock */ SELECT pg_advisory_unlock($1)", key)


def scram_verifier(password: str, *, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of a password, made on this side.

    Raises:
        ValueError: the password is not printable ASCII, so that client and server might normalise
            it (SASLprep) differently.
    """
    if not (password.isascii() and password.isprintable() and password):
        raise ValueError("a database password must be printable ASCII")
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    encoded = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ITERATIONS, *encoded)


def quote_ident(name: str) -> str:
    """`name` as an identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """`text` as a string in SQL (standard_conforming_strings is on)."""
    if "\\" in text or "\0" in text:
        raise ValueError("a backslash or NUL has no place here")
    return "'" + text.replace("'", "''") + "'"


class _Grant:
    """What a module's dsn asks for."""

    def __init__(self, module: str, dsn: str) -> None:
        parts = urlsplit(dsn)
        if not parts.username or not parts.path.strip("/"):
            raise ValueError(f"the dsn of {module!r} must name a role and a database")
        self.module = module
        self.role = unquote(parts.username)
        self.database = unquote(parts.path.strip("/"))
        password = unquote(parts.password) if parts.password else None
        self.verifier = scram_verifier(password) if password else None


async def _ensure_role(admin: asyncpg.Connection, grant: _Grant) -> None:
    role = quote_ident(grant.role)
    exists = await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", grant.role)
    # The name of a role or a verifier cannot be a parameter: DDL takes none.
    password = f" PASSWORD {quote_literal(grant.verifier)}" if grant.verifier else ""
    await admin.execute(f"{'ALTER' if exists else 'CREATE'} ROLE {role} LOGIN{password}")
    if not await admin.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        await admin.execute(f"GRANT {role} TO CURRENT_USER")  # to make a schema that it owns


async def _ensure_database(admin: asyncpg.Connection, name: str) -> None:
    if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await admin.execute(
            f"CREATE DATABASE {quote_ident(name)} ENCODING 'UTF8' TEMPLATE template0"
        )


async def _ensure_schemas(connection: asyncpg.Connection, grants: Sequence[_Grant]) -> None:
    database = quote_ident(grants[0].database)
    async with connection.transaction():
        await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
        await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for grant in grants:
            role, schema = quote_ident(grant.role), quote_ident(grant.module)
            await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {role}")
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {role}")
            await connection.execute(f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC")


def _with_database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection: asyncpg.Connection = await asyncpg.connect(dsn, timeout=10)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)
