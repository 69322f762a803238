import asyncio
import contextvars
from typing import Any

import pytest
from tortoise.exceptions import ConfigurationError, IntegrityError, OperationalError

from libs.db.database import Database, Databases
from libs.db.errors import constraint
from libs.db.migrate import migrate
from libs.errors import Unavailable
from libs.ids import uuid7
from tests.integration.db.conftest import MODELS, Place
from tests.integration.db.models import Customer, Order

INSERT = """/* customers.insert */
INSERT INTO customers (id, created_at, updated_at, email) VALUES ($1, now(), now(), $2)"""


async def test_rows_row_and_execute(db: Database) -> None:
    one, two = uuid7(), uuid7()
    assert await db.execute(INSERT, one, "a@example.com") == 1
    assert await db.execute(INSERT, two, "b@example.com") == 1
    rows = await db.rows("SELECT id, email FROM customers ORDER BY id")
    assert rows == [{"id": one, "email": "a@example.com"}, {"id": two, "email": "b@example.com"}]
    assert await db.row("SELECT email FROM customers WHERE id = $1", one) == {
        "email": "a@example.com"
    }
    assert await db.row("SELECT email FROM customers WHERE id = $1", uuid7()) is None
    assert await db.execute("/* name */ UPDATE customers SET version = 2") == 2
    assert await db.execute("DELETE FROM customers WHERE id = $1", uuid7()) == 0
    await db.ping()


async def test_the_orm_and_raw_statements_see_the_same(db: Database) -> None:
    customer = await Customer.create(email="a@example.com")
    await Order.create(customer=customer, note="please", tags=["x"])
    assert await db.row('SELECT note, tags FROM "orders"') == {"note": "please", "tags": '["x"]'}
    found = await Customer.filter(email="a@example.com").prefetch_related("orders")
    assert [order.note for order in found[0].orders] == ["please"]


async def test_a_connection_has_the_settings_it_should_have(migrated: Place) -> None:
    async with migrated.opened(statement_timeout_ms=1234, lock_timeout_ms=567) as db:
        own = await db.connect()
        for name, value in (
            ("search_path", '"orders"'),
            ("statement_timeout", "1234ms"),
            ("lock_timeout", "567ms"),
            ("idle_in_transaction_session_timeout", "10s"),
            ("application_name", "throughline/orders"),
            ("jit", "off"),
        ):
            assert await db.rows(f"SHOW {name}") == [{name: value}]
            assert await own.fetchval(f"SHOW {name}") == value
        await own.close()


async def test_a_connection_goes_back_without_a_round_trip(db: Database, log: list[Any]) -> None:
    await db.ping()
    log.clear()
    await db.ping()
    await asyncio.sleep(0)
    assert [line["statement"] for line in log] == ["db.ping"]


async def test_two_modules_in_one_process(place: Place) -> None:
    await migrate([place.migrations()])
    databases = Databases()
    orders = databases.add("orders", place.settings("orders"), MODELS)
    users = databases.add("users", place.settings("users"), ())
    await databases.open()
    try:
        await users.execute("CREATE TABLE users (id int)")
        assert await orders.rows("SELECT current_user AS me") == [{"me": place.role("orders")}]
        assert await users.rows("SELECT current_user AS me") == [{"me": place.role("users")}]
        assert set(orders.models) == {"Customer", "Order"}
        assert users.models == {}
        with pytest.raises(OperationalError, match="permission denied"):
            await users.rows("SELECT * FROM orders.customers")
        assert await Customer.all() == []
    finally:
        await databases.close()


async def test_it_is_visible_from_tasks_of_other_contexts(db: Database) -> None:
    async def count() -> int:
        return await Customer.all().count()

    fresh = contextvars.Context()
    assert await asyncio.get_running_loop().create_task(count(), context=fresh) == 0


async def test_closed_it_can_be_opened_again_and_another_too(migrated: Place) -> None:
    databases = Databases()
    db = databases.add("orders", migrated.settings(), MODELS)
    with pytest.raises(RuntimeError, match="'orders' is not open"):
        await db.ping()
    for _ in range(2):
        await databases.open()
        await databases.open()
        await db.ping()
        await databases.close()
        await databases.close()
    with pytest.raises(RuntimeError, match="is not open"):
        await db.ping()
    async with migrated.opened() as other:
        await other.ping()


async def test_two_cannot_be_open_at_once(migrated: Place) -> None:
    async with migrated.opened() as db:
        with pytest.raises(ConfigurationError, match="Only one global context"):
            async with migrated.opened():
                pass
        await db.ping()


async def test_adding_is_checked(migrated: Place) -> None:
    databases = Databases()
    databases.add("orders", migrated.settings(), MODELS)
    with pytest.raises(ValueError, match="added before"):
        databases.add("orders", migrated.settings(), MODELS)
    await databases.open()
    with pytest.raises(RuntimeError, match="before they are opened"):
        databases.add("users", migrated.settings("users"), ())
    await databases.close()


async def test_a_pool_without_a_free_connection_is_unavailable(migrated: Place) -> None:
    async with migrated.opened(pool_max=1, acquire_timeout_ms=100) as db, db.transaction():
        for statement in (outside(db.ping()), outside(begin(db))):
            with pytest.raises(Unavailable) as refused:
                await statement
            assert refused.value.retry_after == 1.0


async def begin(db: Database) -> None:
    async with db.transaction():
        pass


def outside(work: Any) -> "asyncio.Task[None]":
    """Run `work` outside the transaction that is open here."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())


async def test_a_server_that_is_not_there_does_not_hinder_opening(
    migrated: Place, log: list[Any]
) -> None:
    databases = Databases()
    url = "postgresql://orders:secret@127.0.0.1:1/shop"
    db = databases.add("orders", migrated.settings(url=url), MODELS)
    await databases.open()
    assert [(line["event"], line["module"]) for line in log] == [("database.unreachable", "orders")]
    assert "secret" not in str(log)
    for attempt in (db.ping(), begin(db), db.connect()):
        with pytest.raises(Unavailable):
            await attempt
    await databases.close()


async def test_a_statement_that_takes_too_long_is_unavailable(migrated: Place) -> None:
    async with migrated.opened(statement_timeout_ms=50) as db:
        with pytest.raises(Unavailable):
            await db.rows("SELECT pg_sleep(5)")
        await db.ping()


async def test_a_lock_that_is_not_free_is_unavailable(migrated: Place) -> None:
    async with migrated.opened(lock_timeout_ms=50), migrated.admin() as admin:
        async with admin.transaction():
            await admin.execute("LOCK TABLE orders.customers")
            with pytest.raises(Unavailable):
                await Customer.all()
        assert await Customer.all() == []


async def test_a_violated_constraint_is_for_the_repository(db: Database) -> None:
    await Customer.create(email="a@example.com")
    with pytest.raises(IntegrityError) as violated:
        await Customer.create(email="A@example.com")
    assert constraint(violated.value) == "customers_email_key"
    with pytest.raises(IntegrityError) as again:
        await db.execute(INSERT, uuid7(), "a@EXAMPLE.com")
    assert constraint(again.value) == "customers_email_key"
    text = f"{violated.value!r} {violated.value.__cause__} {again.value}"
    assert "example.com" not in text.lower()


async def test_a_mistake_shows_no_value(db: Database) -> None:
    with pytest.raises(OperationalError) as refused:
        await db.rows("SELECT 1 FROM customers WHERE id = $1", "hunter2")
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_a_connection_of_its_own_may_listen(db: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    own = await db.connect()
    await own.add_listener("orders_outbox", lambda *args: heard.put_nowait(str(args[3])))
    await db.execute("SELECT pg_notify('orders_outbox', 'wake')")
    assert await asyncio.wait_for(heard.get(), 2) == "wake"
    await own.close()
