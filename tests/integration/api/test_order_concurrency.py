"""Many at once: changes of one order, and a list that is walked while it grows."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

from tests.integration.api.system import EUR_DAY, EUR_GIB, System, User, json, order_of

MANY = 10_000

SEED = """
INSERT INTO orders (id, customer_id, status, currency, total, placed_at)
SELECT uuidv7(), $1, 'PENDING', 'EUR', 1, date_trunc('second', now()) - n / 7 * interval '1 second'
  FROM generate_series(1, $2::integer) AS n"""
"""Seven at a time: then the id decides."""


async def test_of_many_changes_of_one_version_one_succeeds(system: System) -> None:
    ada = system.user()
    path = (await system.place(ada)).headers["location"]
    bodies = [
        {"note": str(n), "lines": order_of(EUR_DAY, EUR_GIB, quantity=n + 1)["lines"]}
        for n in range(20)
    ]
    answers = await asyncio.gather(*(system.change(ada, path, body, version=1) for body in bodies))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}
    [winner] = [answer for answer in answers if answer.status_code == 200]
    codes = {json(answer)["code"] for answer in answers if answer is not winner}
    assert codes == {"precondition_failed"}
    assert (await system.get(ada, path)).content == winner.content
    assert await system.events() == ["OrderPlaced", "OrderChanged"]
    [sums] = await system.rows(
        "SELECT total, (SELECT sum(amount) FROM order_lines WHERE order_id = o.id) AS lines"
        " FROM orders o"
    )
    assert sums["total"] == sums["lines"]


async def test_of_many_cancellations_one_succeeds(system: System) -> None:
    ada = system.user()
    path = (await system.place(ada)).headers["location"]
    answers = await asyncio.gather(*(system.cancel(ada, path) for _ in range(10)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    assert await system.events() == ["OrderPlaced", "OrderCancelled"]


async def test_cancelling_is_not_hindered_by_changes(system: System) -> None:
    """Without If-Match it is meant for whatever the order is by then."""
    ada = system.user()
    path = (await system.place(ada)).headers["location"]
    changes = (system.change(ada, path, {"note": str(n)}, version=1) for n in range(5))
    cancelled, *_ = await asyncio.gather(system.cancel(ada, path), *changes)
    assert cancelled.status_code == 200
    shown = json(await system.get(ada, path))
    assert shown["status"] == "CANCELLED"


@asynccontextmanager
async def _again_and_again(*works: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Have these done over and over, until the block is left."""
    enough = asyncio.Event()

    async def repeat(work: Callable[[], Awaitable[None]]) -> None:
        while not enough.is_set():
            await work()

    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(repeat(work))
        try:
            yield
        finally:
            enough.set()


async def _walk(system: System, user: User) -> list[str]:
    found: list[str] = []
    path: str | None = "/v1/orders?limit=100"
    while path is not None:
        response = await system.http.get(path, headers=user.headers)
        assert response.status_code == 200, response.text
        found += [order["id"] for order in json(response)["items"]]
        path = response.links.get("next", {}).get("url")
    return found


async def test_a_walk_meets_every_order_once_while_others_come_and_are_cancelled(
    system: System,
) -> None:
    ada, admin = system.user(), system.user("admin")
    await system.place(ada)
    await system.database.execute(SEED, ada.id, MANY - 1)
    there = [str(row["id"]) for row in await system.rows("SELECT id FROM orders")]
    turns = count()

    async def place() -> None:
        assert (await system.place(ada)).status_code == 201

    async def cancel() -> None:
        path = f"/v1/orders/{there[next(turns) * 37 % MANY]}"
        assert (await system.cancel(ada, path)).status_code == 200

    async with _again_and_again(place, cancel):
        found = await _walk(system, admin)
    assert len(found) == len(set(found))
    assert set(there) <= set(found)
    events = Counter(await system.events())
    assert events["OrderPlaced"] > 1
    assert events["OrderCancelled"] > 0
