import asyncpg
import pytest

from libs.db.errors import translate
from libs.db.retry import RACES, on_live_connection, reads_only, until_won
from libs.errors import AppError, Conflict, LostRace, Unavailable

UNSENT = asyncpg.InterfaceError("connection is closed")
MIDWAY = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
SLOW = asyncpg.QueryCanceledError("canceling statement due to statement timeout")


class Work:
    """Fails with these errors, one after the other, and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = iter(errors)
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        error = next(self._errors, None)
        if isinstance(error, AppError | None):
            if error is not None:
                raise error
            return "done"
        raise translate(error) from error


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT 1", True),
        ("/* orders.get */\n  SELECT 1", True),
        ('select "id" FROM "users"', True),
        ("WITH new AS (INSERT INTO orders VALUES ($1)) SELECT 1", False),
        ("/* select */ UPDATE orders SET note = 'select'", False),
        ("INSERT INTO orders SELECT 1", False),
        ("selection", False),
    ],
)
def test_a_read_is_told_from_the_rest(sql: str, reads: bool) -> None:
    assert reads_only(sql) is reads


@pytest.mark.parametrize(
    ("errors", "repeatable", "tries"),
    [
        ([], False, 1),
        ([UNSENT], False, 2),
        ([UNSENT] * 4, False, 5),
        ([MIDWAY], True, 2),
        ([UNSENT, MIDWAY, UNSENT], True, 4),
    ],
)
async def test_a_lost_connection_is_replaced(
    errors: list[Exception], repeatable: bool, tries: int
) -> None:
    work = Work(*errors)
    done = await on_live_connection(work, module="orders", pooled=4, repeatable=lambda: repeatable)
    assert (done, work.tries) == ("done", tries)


@pytest.mark.parametrize(
    ("errors", "repeatable", "tries"),
    [
        ([MIDWAY], False, 1),
        ([MIDWAY, MIDWAY], True, 2),
        ([UNSENT] * 5, True, 6),
        ([UNSENT] * 5, False, 5),
        ([SLOW], True, 1),
        ([TimeoutError()], True, 1),
        ([ConnectionRefusedError()], True, 1),
        ([Unavailable()], True, 1),
    ],
)
async def test_but_not_for_ever_and_not_whatever_happens(
    errors: list[Exception], repeatable: bool, tries: int
) -> None:
    work = Work(*errors, *[MIDWAY] * 9)
    with pytest.raises(Unavailable):
        await on_live_connection(work, module="orders", pooled=4, repeatable=lambda: repeatable)
    assert work.tries == tries


@pytest.mark.parametrize("lost", range(RACES))
async def test_a_lost_race_is_run_again(lost: int) -> None:
    work = Work(*[LostRace()] * lost)
    assert await until_won(work, module="orders") == "done"
    assert work.tries == lost + 1


async def test_who_always_loses_is_told() -> None:
    work = Work(*[LostRace()] * RACES)
    with pytest.raises(LostRace):
        await until_won(work, module="orders")
    assert work.tries == RACES


@pytest.mark.parametrize("error", [Conflict(), Unavailable()])
async def test_nothing_else_is_run_again(error: AppError) -> None:
    work = Work(error)
    with pytest.raises(type(error)):
        await until_won(work, module="orders")
    assert work.tries == 1
