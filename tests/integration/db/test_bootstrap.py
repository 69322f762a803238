import asyncio
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from libs.db.bootstrap import advisory_lock, bootstrap
from libs.errors import Unavailable
from tests.integration.db.conftest import PASSWORD, Place


async def test_a_role_logs_in_with_its_password_and_owns_its_schema(place: Place) -> None:
    for module, dsn in place.modules:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"CREATE TABLE {module}.things (id int)")
        await connection.close()


async def test_a_wrong_password_does_not_log_in(place: Place) -> None:
    wrong = Place(place.admin_dsn, place.name, {"orders": "wrong"})
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong.dsn("orders"))


async def test_a_role_cannot_see_another_s_schema(place: Place) -> None:
    users = await asyncpg.connect(place.dsn("users"))
    await users.execute("CREATE TABLE users.secrets (id int)")
    await users.close()
    orders = await asyncpg.connect(place.dsn("orders"))
    for statement in (
        "SELECT * FROM users.secrets",
        "INSERT INTO users.secrets VALUES (1)",
        "CREATE TABLE users.mine (id int)",
        "DROP SCHEMA users CASCADE",
        "CREATE TABLE public.mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (id int)",
        f'SET ROLE "{place.role("users")}"',
        "CREATE ROLE mine",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await orders.execute(statement)
    await orders.close()


async def test_a_role_of_none_of_the_modules_cannot_connect(place: Place) -> None:
    other = Place(place.admin_dsn, f"{place.name}x")
    try:
        await bootstrap(other.admin_dsn, other.modules)
        foreign = urlunsplit(urlsplit(other.dsn("orders"))._replace(path=f"/{place.name}"))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(foreign)
    finally:
        async with place.admin("postgres") as admin:
            await admin.execute(f'DROP DATABASE "{other.name}" WITH (FORCE)')
            for module, _ in other.modules:
                await admin.execute(f'DROP ROLE "{other.role(module)}"')


async def test_again_changes_nothing_but_the_password(place: Place) -> None:
    connection = await asyncpg.connect(place.dsn("orders"))
    await connection.execute("CREATE TABLE orders.things (id int)")
    renewed = Place(place.admin_dsn, place.name, {"orders": "another"})
    await bootstrap(place.admin_dsn, renewed.modules)
    assert await connection.fetch("SELECT * FROM orders.things") == []
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(place.dsn("orders"))
    await (await asyncpg.connect(renewed.dsn("orders"))).close()


async def test_several_at_once(empty_place: Place) -> None:
    await asyncio.gather(*(bootstrap(empty_place.admin_dsn, empty_place.modules) for _ in range(4)))
    await (await asyncpg.connect(empty_place.dsn("users"))).close()


async def test_an_administrator_who_is_no_superuser_will_do(empty_place: Place) -> None:
    async with empty_place.admin("postgres") as admin:
        name = f"admin_{empty_place.name}"
        await admin.execute(f"CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD 'secret'")
        try:
            parts = urlsplit(empty_place.admin_dsn)
            netloc = f"{name}:secret@{parts.netloc.rpartition('@')[2]}"
            dsn = urlunsplit(parts._replace(netloc=netloc))
            await bootstrap(dsn, empty_place.modules)
            await bootstrap(dsn, empty_place.modules)
            connection = await asyncpg.connect(empty_place.dsn("orders"))
            await connection.execute("CREATE TABLE orders.things (id int)")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("CREATE TABLE users.things (id int)")
            await connection.close()
        finally:
            await admin.execute(f'DROP DATABASE IF EXISTS "{empty_place.name}" WITH (FORCE)')
            for module, _ in empty_place.modules:
                await admin.execute(f'DROP ROLE IF EXISTS "{empty_place.role(module)}"')
            await admin.execute(f"DROP ROLE {name}")


async def test_the_password_is_in_no_statement_and_no_line(
    empty_place: Place, log: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    execute = asyncpg.Connection.execute

    async def spy(self: asyncpg.Connection, query: str, *args: Any, **kwargs: Any) -> str:
        statements.append(f"{query} {args}")
        return await execute(self, query, *args, **kwargs)

    monkeypatch.setattr(asyncpg.Connection, "execute", spy)
    await bootstrap(empty_place.admin_dsn, empty_place.modules)
    assert any("SCRAM-SHA-256$4096:" in statement for statement in statements)
    assert PASSWORD not in str(statements)
    assert {line["event"] for line in log} == {"database.bootstrapped"}
    assert PASSWORD not in str(log)
    assert "SCRAM" not in str(log)


async def test_no_server_is_unavailable() -> None:
    dsn = "postgresql://postgres@/postgres?host=/nowhere"
    with pytest.raises(Unavailable):
        await bootstrap(dsn, [("orders", "postgresql://orders:secret@/shop?host=/nowhere")])


async def test_a_lock_that_is_not_released_is_unavailable(place: Place) -> None:
    async with (
        place.admin() as one,
        place.admin() as other,
        advisory_lock(one, "lock", 1),
    ):
        with pytest.raises(Unavailable, match="holds the lock 'lock'"):
            async with advisory_lock(other, "lock", 0.2):
                pass
    async with place.admin() as other, advisory_lock(other, "lock", 0.2):
        pass
