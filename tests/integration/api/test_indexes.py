"""With many rows, every statement that the module sends finds its own by an index.

The statements are those that the code sends when it is asked for something: none is written here.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest

from libs.db.database import Database, Databases
from libs.events.republish import republish
from libs.ids import uuid7
from services.api.module import MODULE
from services.api.orders.models import Status
from services.api.orders.repository import OrderFilter, OrderRepository
from services.api.orders.schemas import OrderQuery
from tests.integration.api.system import EUR_DAY, System, User, json, order_of, started
from tests.integration.databases import ModuleDatabase, connected
from tests.integration.plans import generic_plan, measured_plan, plan
from tests.statements import Sent, listen
from tests.waiting import until

ORDERS: Final = 200_000
NEWEST: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""When the newest order was placed; each other one a second before."""

MANY: Final = UUID("01a20000-0000-7000-8000-000000000001")
"""A customer with a twentieth of all orders."""

FEW: Final = UUID("01a20000-0000-7000-8000-000000000002")
"""A customer with a handful."""

SEED = """
SET search_path = api;
SET session_replication_role = replica;  -- the foreign keys are right
CREATE TEMPORARY TABLE buyers AS
SELECT b AS number,
       CASE b WHEN 0 THEN '%(many)s'::uuid WHEN 1 THEN '%(few)s'::uuid ELSE uuidv7() END AS id
  FROM generate_series(0, 20100) AS b;
INSERT INTO customers (id, name, country, revision) SELECT id, 'Customer', 'DE', 1 FROM buyers;
INSERT INTO orders (id, customer_id, status, currency, total, placed_at, deleted_at,
                    reporting_total, reporting_currency, rate, rate_as_of, stale, due_on)
SELECT uuidv7(), b.id,
       CASE n / 20 %% 10 WHEN 0 THEN 'PENDING' WHEN 5 THEN 'CANCELLED' ELSE 'CONFIRMED' END,
       'EUR', 1, timestamptz '%(newest)s' - n * interval '1 second',
       CASE WHEN n %% 97 = 0 THEN now() END,
       1, 'USD', 1, '2026-10-30', false, '2026-11-02'
  FROM generate_series(0, %(orders)d - 1) AS n
  JOIN buyers b ON b.number = CASE WHEN n %% 20 = 0 THEN 0 WHEN n %% 40000 = 1 THEN 1
                              ELSE 2 + n / 10 END;
INSERT INTO order_lines (id, order_id, position, service_id, name, quantity, unit_price, amount)
SELECT uuidv7(), id, 1, id, 'Service', 1, 1, 1 FROM orders;
INSERT INTO idempotency_keys (actor, route, key, fingerprint, status, headers, body, created_at)
SELECT customer_id, 'POST /v1/orders', id, '', 201, '{}', '', placed_at FROM orders;
INSERT INTO outbox (id, topic, type, version, subject, context_id, payload, occurred_at,
                    published_at)
SELECT id, 'orders', 'OrderPlaced', 1, id, 'context', '{}', placed_at,
       placed_at + interval '1 second'
  FROM orders;
INSERT INTO inbox (consumer, event_id, handled_at)
SELECT 'orders.assessed', id, placed_at FROM orders;
INSERT INTO consumer_pauses (consumer_group, reason)
SELECT 'group ' || n, '' FROM generate_series(1, 10000) AS n;
ANALYZE;
"""

VALUES: Final[Mapping[str, Any]] = {
    "customer_id": MANY,
    "status": Status.CANCELLED,
    "placed_after": NEWEST - timedelta(seconds=ORDERS - 1000),
    "placed_before": NEWEST - timedelta(seconds=1000),
}
"""What is asked for by each filter that there is. Much of it, so that there are deep pages."""


def combinations_of(names: Iterable[str]) -> list[tuple[str, ...]]:
    names = sorted(names)
    return list(chain.from_iterable(combinations(names, n) for n in range(len(names) + 1)))


@pytest.fixture(scope="module")
def large(postgres_url: str) -> ModuleDatabase:
    """A database of many orders."""

    async def seeded() -> ModuleDatabase:
        database = await ModuleDatabase.create(postgres_url, MODULE)
        async with connected(database.admin_url) as admin:
            values = {"many": MANY, "few": FEW, "newest": NEWEST, "orders": ORDERS}
            await admin.execute(SEED % values)
        return database

    return asyncio.run(seeded())


@pytest.fixture
def sent() -> Iterator[list[Sent]]:
    """The statements that the module has sent."""
    statements: list[Sent] = []
    stop = listen(statements.append)
    yield statements
    stop()


@pytest.fixture
async def database(large: ModuleDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection: asyncpg.Connection = await asyncpg.connect(
        large.url, server_settings={"search_path": "api", "jit": "off"}
    )
    yield connection
    await connection.close()


@pytest.fixture
async def system(
    environ: dict[str, str],
    large: ModuleDatabase,
    database: asyncpg.Connection,
    sent: list[Sent],
) -> AsyncIterator[System]:
    own = {"THROUGHLINE_API_DATABASE_URL": large.url}
    async with started({**environ, **own}, database, tasks=False) as system:
        yield system


def db_of(system: System) -> Database:
    [db] = system.runtime.share(Databases)._databases.values()
    return db


async def told(sent: list[Sent], name: str, number: int = 1) -> list[Sent]:
    """The statements of that name; they are noted soon after they were sent."""
    await until(lambda: sum(s.name == name for s in sent) >= number, name)
    return [statement for statement in sent if statement.name == name]


async def assert_indexed(database: asyncpg.Connection, statement: Sent) -> None:
    for explained in (await plan(database, statement), await generic_plan(database, statement)):
        assert explained.scanned == [], f"{statement.sql}\n{statement.args}\n{explained}"


async def test_lists_with_every_combination_of_filters(
    system: System, database: asyncpg.Connection, sent: list[Sent]
) -> None:
    """A customer's own orders, and for support everybody's; the first page, and the next one."""
    offered = combinations_of(OrderQuery.model_fields.keys() - {"limit", "cursor"})
    support = system.user("support")
    few = User(FEW, {"Authorization": f"Bearer {token_of(system, FEW)}"})
    many = User(MANY, {"Authorization": f"Bearer {token_of(system, MANY)}"})
    for user in (support, many, few):
        for names in offered:
            params = {alias(name): text(VALUES[name]) for name in names}
            first = await system.get(user, "/v1/orders", **params)
            assert first.status_code == 200, first.text
            cursor = json(first)["nextCursor"]
            assert cursor or user is not support, params
            if cursor:
                more = await system.get(user, "/v1/orders", **params, cursor=cursor)
                assert json(more)["items"], params
    lists = await told(sent, "orders.list")
    assert len({statement.sql for statement in lists}) >= len(offered)
    for statement in {(s.sql, s.args): s for s in lists}.values():
        await assert_indexed(database, statement)


async def test_a_missing_index_is_noticed(
    system: System, database: asyncpg.Connection, sent: list[Sent]
) -> None:
    await system.get(system.user("support"), "/v1/orders")
    [statement] = await told(sent, "orders.list")
    transaction = database.transaction()
    await transaction.start()
    await database.execute("DROP INDEX orders_by_time")
    assert (await plan(database, statement)).scanned == ["orders"]
    assert (await generic_plan(database, statement)).scanned == ["orders"]
    await transaction.rollback()


def alias(name: str) -> str:
    return OrderQuery.model_fields[name].alias or name


def text(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def token_of(system: System, user_id: UUID) -> str:
    return system.runtime.issuer.token(str(user_id), roles=("customer",), name="Ada", country="DE")


LISTED = combinations_of(field.name for field in fields(OrderFilter))


@pytest.mark.parametrize("names", LISTED, ids="+".join)
async def test_deep_pages_cost_what_the_first_costs(
    system: System, database: asyncpg.Connection, sent: list[Sent], names: tuple[str, ...]
) -> None:
    orders = OrderRepository(db_of(system))
    wanted = OrderFilter(**{name: VALUES[name] for name in names})
    deep = NEWEST - timedelta(seconds=ORDERS * 0.95)
    for after in (None, (deep, uuid7())):
        page = await orders.page(wanted, after=after, limit=21)
        assert len(page) == 21
        assert after is None or page[0].placed_at <= deep
    first, last = [await measured_plan(database, s) for s in await told(sent, "orders.list", 2)]
    assert last.blocks <= 1.5 * first.blocks + 20, f"{first}\n{last}"
    assert last.rows <= 1.5 * first.rows + 20, f"{first}\n{last}"
    assert first.rows < 5000, str(first)


async def test_everything_that_is_done_with_an_order(
    system: System, database: asyncpg.Connection, sent: list[Sent]
) -> None:
    ada, admin = system.user(), system.user("admin")
    path = (await system.place(ada, key="k")).headers["location"]
    assert (await system.place(ada, key="k")).headers["idempotency-replayed"] == "true"
    refused = await system.place(ada, order_of(uuid7()), key="l")
    assert refused.status_code == 422  # which looks for an answer that was given before
    assert (await system.get(ada, path)).status_code == 200
    lines = order_of(EUR_DAY)["lines"]
    changed = await system.change(ada, path, {"note": "now", "lines": lines}, version=1)
    assert changed.status_code == 200, changed.text
    assert (await system.cancel(ada, path, Idempotency_Key="k")).status_code == 200
    assert (await system.delete(admin, path, version=3)).status_code == 204
    await told(sent, "orders.delete")
    await assert_all_indexed(
        database,
        sent,
        {"orders.insert", "orders.get", "orders.lock", "orders.update", "orders.delete"}
        | {"orders.delete_lines", "orders.insert_lines", "outbox.add"}
        | {"idempotency.find", "idempotency.claim", "idempotency.complete"},
    )


async def test_everything_that_is_done_in_the_background(
    environ: dict[str, str],
    large: ModuleDatabase,
    database: asyncpg.Connection,
    sent: list[Sent],
) -> None:
    """Relay, consumer and reaper; and events that are published again."""
    own = {
        "THROUGHLINE_API_DATABASE_URL": large.url,
        "THROUGHLINE_API_IDEMPOTENCY_REAP_EVERY_S": "0.01",
        "THROUGHLINE_API_IDEMPOTENCY_REAP_BATCH": "100000",
    }
    async with started({**environ, **own}, database, tasks=True) as system:
        ada = system.user()
        await system.place(ada)
        await system.bus.tell(ada.created(revision=2))
        for name in ("outbox.mark", "customers.upsert", "inbox.claim", "idempotency.reap"):
            await told(sent, name)
        await republish(db_of(system), NEWEST - timedelta(seconds=10), NEWEST)
        await told(sent, "outbox.notify")
    await assert_all_indexed(
        database,
        sent,
        {"outbox.unpublished", "outbox.mark", "outbox.republish", "idempotency.reap"}
        | {"inbox.claim", "customers.upsert"},
    )


async def assert_all_indexed(
    database: asyncpg.Connection, sent: list[Sent], expected: set[str]
) -> None:
    """Of everything that was sent; what is expected is among it."""
    named = {statement.name: statement for statement in sent if statement.name.count(".") == 1}
    assert expected <= named.keys()
    for statement in named.values():
        await assert_indexed(database, statement)
