import asyncio
from contextlib import suppress
from typing import Any

import pytest
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from libs.context import transaction_open
from libs.db.database import Database
from libs.db.unit_of_work import (
    current_unit_of_work,
    forbid_unit_of_work,
    in_unit_of_work,
    unit_of_work,
)
from libs.errors import NotFound
from tests.integration.db.conftest import Place
from tests.integration.db.models import Customer, Order


async def emails(db: Database) -> list[str]:
    """What is committed, as a connection of its own sees it."""
    own = await db.connect()
    rows = await own.fetch("SELECT email FROM customers ORDER BY email")
    await own.close()
    return [row["email"] for row in rows]


async def test_it_commits_before_its_end(db: Database) -> None:
    async with unit_of_work(db):
        await Customer.create(email="orm")
        await db.execute("UPDATE customers SET email = email || ' and raw'")
        assert await emails(db) == []
    assert await emails(db) == ["orm and raw"]


async def test_an_error_rolls_back(db: Database) -> None:
    async def work() -> None:
        async with unit_of_work(db):
            await Customer.create(email="a")
            raise NotFound

    with pytest.raises(NotFound):
        await work()
    assert await emails(db) == []


async def test_an_error_that_has_nothing_to_do_with_databases_passes_as_it_is(
    db: Database,
) -> None:
    with pytest.raises(TimeoutError):
        async with unit_of_work(db):
            raise TimeoutError


async def test_cancelling_rolls_back_and_keeps_no_connection(migrated: Place) -> None:
    async def work(db: Database) -> None:
        async with unit_of_work(db):
            await Customer.create(email="a")
            await db.rows("SELECT pg_sleep(5)")

    async with migrated.opened(pool_max=1) as db:
        working = asyncio.create_task(work(db))
        await asyncio.sleep(0.1)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert await emails(db) == []
        await db.ping()


async def test_it_says_that_it_is_open(db: Database) -> None:
    def seen() -> tuple[bool, bool]:
        return in_unit_of_work(), transaction_open.get()

    forbid_unit_of_work("calling a third party")
    assert seen() == (False, False)
    with pytest.raises(RuntimeError, match="no open unit of work on 'orders'"):
        current_unit_of_work(db)
    async with unit_of_work(db) as work:
        assert seen() == (True, True)
        assert current_unit_of_work(db) is work
        with pytest.raises(RuntimeError, match="calling a third party must not be done inside"):
            forbid_unit_of_work("calling a third party")
    assert seen() == (False, False)


async def test_opened_again_it_joins(db: Database, log: list[Any]) -> None:
    async with unit_of_work(db) as outer:
        await Customer.create(email="a")
        async with unit_of_work(db) as inner:
            assert inner is outer
            await Customer.create(email="b")
        assert await emails(db) == []
        assert in_unit_of_work()
    assert await emails(db) == ["a", "b"]
    statements = [line["statement"] for line in log if line["event"] == "db.query"]
    assert [s for s in statements if s in ("begin", "commit", "savepoint")] == ["begin", "commit"]


async def test_a_part_that_fails_takes_everything_with_it(db: Database) -> None:
    async def work() -> None:
        async with unit_of_work(db):
            await Customer.create(email="a")
            async with unit_of_work(db):
                raise NotFound

    with pytest.raises(NotFound):
        await work()
    assert await emails(db) == []


async def test_also_if_its_failure_is_swallowed(db: Database) -> None:
    async def work() -> None:
        async with unit_of_work(db):
            await Customer.create(email="a")
            with suppress(NotFound):
                async with unit_of_work(db):
                    raise NotFound
            await Customer.create(email="b")

    with pytest.raises(RuntimeError, match=r"a part .* failed \(NotFound\)") as poisoned:
        await work()
    assert isinstance(poisoned.value.__cause__, NotFound)
    assert await emails(db) == []
    assert not in_unit_of_work()


async def test_a_statement_that_fails_and_is_swallowed_is_no_silent_rollback(
    db: Database,
) -> None:
    async def work() -> None:
        async with unit_of_work(db):
            await Customer.create(email="a")
            with suppress(IntegrityError):
                await Customer.create(email="a")

    with pytest.raises(RuntimeError, match=r"a statement failed \(UniqueViolationError\)"):
        await work()
    assert await emails(db) == []


async def test_nor_is_one_that_a_time_out_has_cut_off(db: Database) -> None:
    async def work() -> None:
        async with unit_of_work(db):
            await Customer.create(email="a")
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await db.rows("SELECT pg_sleep(5)")

    with pytest.raises(RuntimeError, match=r"a statement failed \(CancelledError\)"):
        await work()
    assert await emails(db) == []


async def test_a_savepoint_of_tortoise_s_may_fail(db: Database) -> None:
    await Customer.create(email="a")
    async with unit_of_work(db):
        with suppress(IntegrityError):
            async with in_transaction("orders"):
                await Customer.create(email="a")
        await Customer.create(email="b")
        _, created = await Customer.get_or_create(email="b")
        assert not created
    assert await emails(db) == ["a", "b"]


async def test_after_the_commit_callbacks_run_in_order_outside(db: Database) -> None:
    seen: list[Any] = []

    async def slowly() -> None:
        seen.append(("awaited", in_unit_of_work(), transaction_open.get(), await emails(db)))

    async with unit_of_work(db) as work:
        work.after_commit(slowly)
        async with unit_of_work(db) as inner:
            inner.after_commit(lambda: seen.append("called"))
        await Customer.create(email="a")
        assert seen == []
    assert seen == [("awaited", False, False, ["a"]), "called"]


async def test_after_a_rollback_they_do_not_run(db: Database) -> None:
    seen: list[str] = []

    async def work() -> None:
        async with unit_of_work(db) as work:
            work.after_commit(lambda: seen.append("called"))
            raise NotFound

    with pytest.raises(NotFound):
        await work()
    assert seen == []


async def test_a_callback_that_fails_does_not_undo_the_commit(db: Database, log: list[Any]) -> None:
    seen: list[str] = []
    async with unit_of_work(db) as work:
        await Customer.create(email="a")
        work.after_commit(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        work.after_commit(lambda: seen.append("called"))
    assert await emails(db) == ["a"]
    assert seen == ["called"]
    failed = [line for line in log if line["event"] == "db.after_commit_failed"]
    assert [line["log_level"] for line in failed] == ["error"]


async def test_the_isolation_level_is_that_asked_for(db: Database) -> None:
    query = "SHOW transaction_isolation"
    async with unit_of_work(db):
        assert await db.row(query) == {"transaction_isolation": "read committed"}
    async with unit_of_work(db, isolation="serializable"):
        assert await db.row(query) == {"transaction_isolation": "serializable"}
        async with unit_of_work(db), unit_of_work(db, isolation="serializable"):
            pass
    with pytest.raises(RuntimeError, match="is not serializable"):
        async with unit_of_work(db), unit_of_work(db, isolation="serializable"):
            pass


async def test_two_databases_are_not_one_unit_of_work(migrated: Place, db: Database) -> None:
    other = Database("users", migrated.settings("users"), ())
    with pytest.raises(RuntimeError, match="'orders' is open: one on 'users'"):
        async with unit_of_work(db), unit_of_work(other):
            pass


async def test_concurrent_units_of_work_are_apart(db: Database) -> None:
    met = asyncio.Barrier(3)

    async def work(number: int) -> None:
        async with unit_of_work(db):
            await Customer.create(email=str(number))
            await met.wait()
            assert await Customer.all().count() == 1
            await met.wait()
            if number == 1:
                raise NotFound

    await asyncio.gather(*(work(n) for n in range(3)), return_exceptions=True)
    assert await emails(db) == ["0", "2"]


async def test_statements_of_tasks_made_inside_are_part_of_it_one_at_a_time(
    db: Database,
) -> None:
    async with unit_of_work(db):
        await asyncio.gather(*(Customer.create(email=str(n)) for n in range(5)))
        customer = await Customer.create(email="5")
        await Order.create(customer=customer)
        found = await Customer.all().prefetch_related("orders")  # gathers, inside Tortoise
        assert sum(len(one.orders) for one in found) == 1
        assert await emails(db) == []
    assert len(await emails(db)) == 6


async def test_a_task_made_inside_may_not_open_one(db: Database) -> None:
    async def work() -> None:
        async with unit_of_work(db):
            pass

    async with unit_of_work(db):
        working = asyncio.create_task(work())
        with pytest.raises(RuntimeError, match="started inside a unit of work may not open one"):
            await working


async def test_a_task_that_outlives_it_may_not_go_on(db: Database) -> None:
    over = asyncio.Event()

    async def work() -> None:
        await over.wait()
        await Customer.create(email="late")

    async with unit_of_work(db):
        working = asyncio.create_task(work())
    over.set()
    with pytest.raises(RuntimeError, match="has outlived it"):
        await working
    assert await emails(db) == []


async def test_a_task_made_after_the_commit_may_do_anything(db: Database) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def more() -> None:
        async with unit_of_work(db):
            await Customer.create(email="b")

    async with unit_of_work(db) as work:
        await Customer.create(email="a")
        work.after_commit(lambda: tasks.append(asyncio.create_task(more())))
    await tasks[0]
    assert await emails(db) == ["a", "b"]
