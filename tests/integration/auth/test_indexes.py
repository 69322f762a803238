"""With many users, every statement that the module sends finds its own by an index."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, Final

import pytest

from services.auth.administration.schemas import UserQuery
from services.auth.module import MODULE
from services.auth.users.models import User
from services.auth.users.repository import Order, UserFilter, UserRepository
from tests.integration.auth.conftest import Process, opened
from tests.integration.databases import ModuleDatabase, connected
from tests.integration.plans import generic_plan, measured_plan, plan
from tests.statements import Sent, listen
from tests.waiting import until

USERS: Final = 200_000
LARGE: Final = {"users", "idempotency_keys", "outbox"}
"""The tables that have many rows here."""

SEED = """
SET search_path = auth;
INSERT INTO users (id, email, password_hash, display_name, country, roles, created_at, updated_at,
                   deleted_at, version)
SELECT uuidv7(), 'user' || n || '@example.com', '', 'User', 'DE',
       CASE WHEN n %% 10000 = 1 THEN '{support}'::text[] ELSE '{customer}'::text[] END,
       timestamptz '2026-11-01Z' - n * interval '1 second', now(),
       CASE WHEN n %% 50 = 7 THEN now() END, 1
  FROM generate_series(1, %d) AS n;
INSERT INTO idempotency_keys (actor, route, key, fingerprint, status, headers, body)
SELECT 'anonymous', 'POST /v1/auth/signup', id, '', 201, '{}', '' FROM users;
INSERT INTO outbox (id, topic, type, version, subject, context_id, payload, occurred_at,
                    published_at)
SELECT id, 'users', 'UserCreated', 1, id, 'context', '{}', created_at, created_at FROM users;
ANALYZE;
"""

FILTERS: Final[Mapping[str, Sequence[Any]]] = {
    "email": (None, "user9000@example.com"),
    "role": (None, "customer", "support"),
    "include_deleted": (False, True),
    "sort": [*Order],
}
"""What the list is asked for."""


@pytest.fixture(scope="module")
def large(postgres_url: str) -> ModuleDatabase:
    """A database of many users."""

    async def seeded() -> ModuleDatabase:
        database = await ModuleDatabase.create(postgres_url, MODULE)
        async with connected(database.admin_url) as admin:
            await admin.execute(SEED % USERS)
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
async def process(
    environ: dict[str, str], large: ModuleDatabase, sent: list[Sent]
) -> AsyncIterator[Process]:
    own = {"THROUGHLINE_AUTH_DATABASE_URL": large.url}
    async with opened({**environ, **own}, large) as process:
        yield process


async def lists(sent: list[Sent], number: int = 1) -> list[Sent]:
    """The statements that read more than one user."""

    def found() -> list[Sent]:
        return [s for s in sent if s.name == "select users" and "ORDER BY" in s.sql]

    await until(lambda: len(found()) >= number, "a list")
    return found()


async def assert_indexed(process: Process, statement: Sent) -> None:
    for explained in (
        await plan(process.database, statement),
        await generic_plan(process.database, statement),
    ):
        found = LARGE.intersection(explained.scanned)
        assert not found, f"{statement.sql}\n{statement.args}\n{explained}"


async def test_lists_with_every_combination_of_filters(process: Process, sent: list[Sent]) -> None:
    """The first page, and the next one."""
    assert FILTERS.keys() == UserQuery.model_fields.keys() - {"limit", "cursor"}
    for values in product(*FILTERS.values()):
        query = UserQuery.model_validate(dict(zip(FILTERS, values, strict=True)))
        page = partial(UserRepository().page, query.filters, order=query.sort, limit=21)
        if first := await page(after=None):
            await page(after=first[-1])
    shapes = {(s.sql, str(s.args)): s for s in await lists(sent, 2 * 2 * 3 * 2)}
    for statement in shapes.values():
        await assert_indexed(process, statement)


DEEP = [
    (UserFilter(), Order.CREATED_AT),
    (UserFilter(), Order.EMAIL),
    (UserFilter(include_deleted=True), Order.CREATED_AT),
    (UserFilter(include_deleted=True), Order.EMAIL),
    (UserFilter(role="customer"), Order.CREATED_AT),
    (UserFilter(role="customer"), Order.EMAIL),
]


@pytest.mark.parametrize(("wanted", "order"), DEEP)
async def test_deep_pages_cost_what_the_first_costs(
    process: Process, sent: list[Sent], wanted: UserFilter, order: Order
) -> None:
    name = "user95000" if order is Order.EMAIL else f"user{USERS * 95 // 100}"
    deep = await User.get(email=f"{name}@example.com")
    for after in (None, deep):
        assert len(await UserRepository().page(wanted, order=order, after=after, limit=21)) == 21
    first, last = [await measured_plan(process.database, s) for s in await lists(sent, 2)]
    assert last.blocks <= 1.5 * first.blocks + 20, f"{first}\n{last}"
    assert last.rows <= 1.5 * first.rows + 20, f"{first}\n{last}"


async def test_everything_that_is_done_with_a_user(process: Process, sent: list[Sent]) -> None:
    root = await process.account("root", "admin")
    new = {
        "email": "eve@example.com",
        "password": "correct horse",
        "displayName": "Eve",
        "roles": ["customer"],
    }
    created = await root.post("/v1/users", new, **{"Idempotency-Key": "k"})
    assert created.status_code == 201, created.text
    assert (await process.sign_up(email="ada@example.com")).status_code == 201
    me = await process.bearer()
    assert (await process.http.get("/v1/users/me", headers=me)).status_code == 200
    path = f"/v1/users/{created.json()['id']}"
    assert (await root.get(path)).status_code == 200
    assert (await root.get(f"{path}?includeDeleted=true")).status_code == 200
    assert (await root.patch(path, {"displayName": "Eva"}, version=1)).status_code == 200
    assert (await root.delete(path, version=2)).status_code == 204
    await until(lambda: sum(s.name == "update users" for s in sent) >= 2, "the deletion")
    own = {s.sql: s for s in sent if "users" in s.sql or s.name.count(".") == 1}
    assert len(own) > 5
    for statement in own.values():
        await assert_indexed(process, statement)
