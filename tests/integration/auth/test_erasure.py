"""Personal data of users who were deleted long ago."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from libs.db.database import Database, Databases
from services.auth.accounts.eraser import Eraser
from services.auth.settings import ErasureSettings
from tests.events import running
from tests.integration.auth.conftest import Process
from tests.waiting import until


@pytest.fixture
def db(process: Process) -> Database:
    """The module's own, of the process."""
    (db,) = process.runtime.share(Databases)._databases.values()
    return db


def _eraser(db: Database, **settings: float) -> Eraser:
    return Eraser(db, ErasureSettings.model_validate(settings))


async def _deleted(process: Process, *names: str, days_ago: float) -> None:
    """Users with these names, who were deleted so long ago."""
    for name in names:
        await process.sign_up(email=f"{name}@example.com", displayName=f"Call me {name}")
        await process.database.execute(
            "UPDATE users SET deleted_at = now() - $2::interval WHERE email = $1",
            f"{name}@example.com",
            timedelta(days=days_ago),
        )


async def test_what_is_personal_is_taken_out_and_the_row_stays(
    process: Process, db: Database
) -> None:
    await process.sign_up(email="live@example.com")
    await _deleted(process, "recent", days_ago=29.9)
    await _deleted(process, "old", days_ago=30.1)
    assert (await _eraser(db).erase())["users"] == 1
    rows: dict[str, dict[str, Any]] = {
        row["email"]: row for row in await process.rows("SELECT * FROM users")
    }
    assert {"live@example.com", "recent@example.com"} < rows.keys()
    (erased,) = [row for row in rows.values() if row["erased_at"] is not None]
    assert erased["email"] == f"erased-{erased['id']}@erased.invalid"
    assert (erased["password_hash"], erased["display_name"]) == ("", "Erased")
    assert (erased["country"], erased["version"]) == ("ZZ", 2)
    assert "old" not in str(erased)
    assert (await _eraser(db).erase())["users"] == 0


async def test_several_at_once_erase_each_row_once(process: Process, db: Database) -> None:
    await _deleted(process, *(f"user{number}" for number in range(9)), days_ago=40)
    erased = await asyncio.gather(*(_eraser(db, batch=2).erase() for _ in range(3)))
    assert sum(counts["users"] for counts in erased) == 9
    rows = await process.rows("SELECT version FROM users")
    assert {row["version"] for row in rows} == {2}


async def test_the_address_of_a_deleted_user_works_before_and_after(
    process: Process, db: Database
) -> None:
    await _deleted(process, "ada", days_ago=31)
    await process.sign_up()
    await _eraser(db).erase()
    assert (await process.log_in()).status_code == 200


async def test_old_messages_go(process: Process, db: Database) -> None:
    await process.sign_up()
    await process.sign_up(email="bob@example.com")
    await process.database.execute(
        "UPDATE messages SET created_at = created_at - interval '8 days'"
        " WHERE id = (SELECT min(id::text)::uuid FROM messages)"
    )
    assert await _eraser(db).erase() == {"users": 0, "messages": 1}
    assert len(await process.rows("SELECT FROM messages")) == 1


async def test_it_goes_on_by_itself(process: Process, db: Database) -> None:
    await _deleted(process, "old", days_ago=31)

    async def erased() -> bool:
        rows = await process.rows("SELECT updated_by FROM users WHERE erased_at IS NOT NULL")
        return rows == [{"updated_by": "service:auth"}]

    async with running(_eraser(db, every_s=0.05)):
        await until(erased, "the erasure")
