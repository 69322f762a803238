import asyncio

import pytest

from libs.db.database import Database
from libs.db.idempotency import (
    IDEMPOTENCY_V1,
    Answer,
    IdempotencyKeys,
    InFlight,
    KeyReused,
    Scope,
    fingerprint,
)
from libs.db.reaper import IdempotencyReaper
from libs.db.settings import IdempotencySettings
from libs.db.unit_of_work import unit_of_work
from tests.integration.db.conftest import Place

SCOPE = Scope(actor="ada", route="POST /v1/things", key="k")
ASKED = fingerprint({"thing": 1})
ANSWER = Answer(status=201, body=b'{"id":1}', headers={"ETag": '"1"'})


@pytest.fixture
async def keys(db: Database) -> IdempotencyKeys:
    await db.client.execute_script(IDEMPOTENCY_V1)
    return IdempotencyKeys(db)


class Performing:
    """A request that is performed, and how often it was."""

    def __init__(self, answer: Answer | Exception = ANSWER) -> None:
        self._answer = answer
        self.times = 0

    async def __call__(self) -> Answer:
        self.times += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


async def test_once_is_once(db: Database, keys: IdempotencyKeys) -> None:
    perform = Performing()
    answers = []
    for _ in range(3):
        async with unit_of_work(db):
            answers.append(await keys.once(SCOPE, ASKED, perform))
    assert perform.times == 1
    assert [answer.replayed for answer in answers] == [False, True, True]
    assert {(a.status, a.body, a.headers["ETag"]) for a in answers} == {(201, b'{"id":1}', '"1"')}


async def test_without_a_key_it_is_just_performed(db: Database, keys: IdempotencyKeys) -> None:
    perform = Performing()
    for _ in range(2):
        async with unit_of_work(db):
            assert await keys.once(None, ASKED, perform) is ANSWER
    assert perform.times == 2
    assert await db.row("SELECT count(*)::int AS n FROM idempotency_keys") == {"n": 0}


async def test_another_request_is_not_performed(db: Database, keys: IdempotencyKeys) -> None:
    async with unit_of_work(db):
        await keys.once(SCOPE, ASKED, Performing())
    other = Performing()
    with pytest.raises(KeyReused):
        async with unit_of_work(db):
            await keys.once(SCOPE, fingerprint({"thing": 2}), other)
    assert other.times == 0


async def test_what_fails_leaves_the_key_free(db: Database, keys: IdempotencyKeys) -> None:
    with pytest.raises(ZeroDivisionError):
        async with unit_of_work(db):
            await keys.once(SCOPE, ASKED, Performing(ZeroDivisionError()))
    async with unit_of_work(db):
        assert not (await keys.once(SCOPE, ASKED, Performing())).replayed


async def test_it_takes_a_unit_of_work(keys: IdempotencyKeys) -> None:
    perform = Performing()
    with pytest.raises(RuntimeError, match="no open unit of work"):
        await keys.once(SCOPE, ASKED, perform)
    assert perform.times == 0


async def test_of_two_at_once_one_is_told_to_wait(db: Database, keys: IdempotencyKeys) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> Answer:
        begun.set()
        await go_on.wait()
        return ANSWER

    async def first() -> Answer:
        async with unit_of_work(db):
            return await keys.once(SCOPE, ASKED, slowly)

    running = asyncio.create_task(first())
    await begun.wait()
    with pytest.raises(InFlight) as told:
        async with unit_of_work(db):
            await keys.once(SCOPE, ASKED, Performing())
    assert told.value.retry_after == 1.0
    go_on.set()
    await running
    async with unit_of_work(db):
        assert (await keys.once(SCOPE, ASKED, Performing())).replayed


FILL = """/* fill */
INSERT INTO idempotency_keys (actor, route, key, fingerprint, status, headers, body, created_at)
SELECT 'ada', 'POST /v1/things', n::text, '', 201, '{}', '', now() - $2::float8 * interval '1 hour'
  FROM generate_series($1::int, $1 + 9) AS n"""


def reaper_of(db: Database, batch: int = 4) -> IdempotencyReaper:
    settings = IdempotencySettings.model_validate({"reap_batch": batch})
    return IdempotencyReaper(db, settings)


async def kept(db: Database) -> set[int]:
    return {int(row["key"]) for row in await db.rows("SELECT key FROM idempotency_keys")}


async def test_keys_go_after_72_hours(db: Database, keys: IdempotencyKeys) -> None:
    for first, age_h in ((0, 0), (10, 71.9), (20, 72.1), (30, 1000)):
        await db.execute(FILL, first, age_h)
    assert await reaper_of(db).reap() == 20
    assert await kept(db) == set(range(20))
    assert await reaper_of(db).reap() == 0


async def test_several_reapers_share_the_work(migrated: Place) -> None:
    async with migrated.opened(pool_max=8) as db:
        await db.client.execute_script(IDEMPOTENCY_V1)
        for first in range(0, 400, 10):
            await db.execute(FILL, first, 100 if first < 300 else 1)
        counts = await asyncio.gather(*(reaper_of(db, batch=7).reap() for _ in range(4)))
        assert sum(counts) == 300
        assert await kept(db) == set(range(300, 400))


async def test_what_another_is_deleting_is_not_waited_for(migrated: Place) -> None:
    async with migrated.opened(lock_timeout_ms=100) as db, migrated.admin() as other:
        await db.client.execute_script(IDEMPOTENCY_V1)
        await db.execute(FILL, 0, 100)
        async with other.transaction():
            await other.execute("DELETE FROM orders.idempotency_keys WHERE key IN ('3', '5')")
            assert await reaper_of(db).reap() == 8
        assert await kept(db) == set()
