"""Transactions that PostgreSQL ends for the sake of another one."""

import asyncio

import pytest

from libs.db.database import Database
from libs.db.retry import RACES
from libs.db.unit_of_work import unit_of_work
from libs.errors import LostRace
from libs.ids import uuid7
from tests.integration.db.test_lost_connections import INSERT


async def test_a_deadlock_and_a_serialization_failure_are_conflicts(db: Database) -> None:
    one, two = uuid7(), uuid7()
    await db.execute(INSERT, one, "a@example.com")
    await db.execute(INSERT, two, "b@example.com")
    met = asyncio.Barrier(2)

    async def lock(first: object, then: object) -> None:
        async with db.transaction():
            await db.rows("SELECT 1 FROM customers WHERE id = $1 FOR UPDATE", first)
            await met.wait()
            await db.rows("SELECT 1 FROM customers WHERE id = $1 FOR UPDATE", then)

    results = await asyncio.gather(lock(one, two), lock(two, one), return_exceptions=True)
    assert [type(result) for result in results if result] == [LostRace]

    async def write() -> None:
        async with db.transaction("serializable"):
            await db.rows("SELECT version FROM customers WHERE id = $1", one)
            await met.wait()
            await db.execute("UPDATE customers SET version = version + 1 WHERE id = $1", one)

    results = await asyncio.gather(write(), write(), return_exceptions=True)
    assert [type(result) for result in results if result] == [LostRace]


class Races:
    """A table whose rows are told at first that they lost a race."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def set(self, losses: int) -> None:
        await self._db.client.execute_script(f"""
            CREATE SEQUENCE tries;
            CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('tries') <= {losses} THEN
                    RAISE SQLSTATE '40001';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER lose BEFORE INSERT ON customers
                FOR EACH ROW EXECUTE FUNCTION lose()""")

    async def tries(self) -> int:
        row = await self._db.row("SELECT last_value::int AS n FROM tries")
        assert row is not None
        return int(row["n"])


@pytest.mark.parametrize("losses", range(RACES))
async def test_a_statement_of_its_own_is_run_again(db: Database, losses: int) -> None:
    races = Races(db)
    await races.set(losses)
    assert await db.execute(INSERT, uuid7(), "a@example.com") == 1
    assert await races.tries() == losses + 1
    assert await db.row("SELECT count(*)::int AS n FROM customers") == {"n": 1}


async def test_who_always_loses_is_told(db: Database) -> None:
    races = Races(db)
    await races.set(100)
    with pytest.raises(LostRace) as lost:
        await db.execute(INSERT, uuid7(), "a@example.com")
    assert lost.value.retry_after == 1.0
    assert await races.tries() == RACES


async def test_what_is_part_of_a_transaction_is_not_run_again(db: Database) -> None:
    races = Races(db)
    await races.set(1)
    with pytest.raises(LostRace):
        async with unit_of_work(db):
            await db.execute(INSERT, uuid7(), "a@example.com")
    assert await races.tries() == 1
    assert await db.row("SELECT count(*)::int AS n FROM customers") == {"n": 0}


async def test_a_script_is_not_run_again(db: Database) -> None:
    """It may have committed in the middle."""
    races = Races(db)
    await races.set(1)
    with pytest.raises(LostRace):
        await db.client.execute_script("""
            BEGIN; CREATE TABLE once (id int); COMMIT;
            INSERT INTO customers (id, created_at, updated_at, email)
            VALUES (uuidv7(), now(), now(), 'a@example.com')""")
    assert await races.tries() == 1
    assert await db.rows("SELECT FROM once") == []
