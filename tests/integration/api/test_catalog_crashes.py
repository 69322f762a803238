"""A process is killed in the middle of a change: no change without its event, nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from libs.contracts.api import ServiceChanged
from libs.db.database import Databases
from libs.db.idempotency import IdempotencyKeys
from libs.documents.documents import Documents
from libs.documents.outbox import MARK, DocumentOutbox
from libs.documents.sweeper import Pace, Sweeper
from libs.ids import uuid7
from services.api.catalog.documents import COLLECTION
from tests.integration.api.killed import PHASES, Mortals
from tests.integration.api.services import PATH, Admin, service_of
from tests.integration.api.system import RETIRED, System, json, started
from tests.waiting import until

ADMIN = uuid7()
AT_ONCE = Pace(every_s=0.05, patience=timedelta(0))


class Killed:
    """Sends requests from processes of their own, which die in the middle."""

    def __init__(self, mortals: Mortals, environ: Mapping[str, str]) -> None:
        self._mortals = mortals
        self._environ = environ

    async def __call__(
        self, phase: str, method: str, path: str, body: object, **headers: str
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = {"method": method, "path": path, "json": body, "headers": named}
        await self._mortals.die(phase, environ=self._environ, user_id=str(ADMIN), **request)


@pytest.fixture(scope="module")
def mortals() -> Iterator[Mortals]:
    running = Mortals()
    yield running
    running.close()


@pytest.fixture
def killed(mortals: Mortals, environ: dict[str, str]) -> Killed:
    return Killed(mortals, environ)


@asynccontextmanager
async def sweeping(system: System, pace: Pace = AT_ONCE) -> AsyncIterator[None]:
    """What other processes do meanwhile."""
    db = next(iter(system.runtime.share(Databases)._databases.values()))
    documents = system.runtime.share(Documents)
    outbox = DocumentOutbox(documents, COLLECTION, db, IdempotencyKeys(db))
    sweepers = [Sweeper("api", f"services {n}", outbox, pace) for n in range(2)]
    running = [asyncio.create_task(sweeper.run()) for sweeper in sweepers]
    try:
        yield
    finally:
        await asyncio.gather(*(sweeper.stop() for sweeper in sweepers))
        await asyncio.gather(*running)


async def _nothing_waits(admin: Admin) -> bool:
    return not await admin.documents(outbox={"$nin": [None, []]})


async def _changes(system: System) -> list[tuple[str, int]]:
    """What the outbox tells of."""
    rows = await system.rows("SELECT payload FROM outbox ORDER BY seq")
    events = [ServiceChanged.from_json(row["payload"].encode()) for row in rows]
    return [(event.change, event.revision) for event in events]


@pytest.fixture
def admin(system: System) -> Admin:
    return Admin.of(system, ADMIN)


@pytest.mark.parametrize("phase", PHASES)
async def test_a_creation_is_sent_again(
    killed: Killed, system: System, admin: Admin, phase: str
) -> None:
    body = service_of("a")
    await killed(phase, "POST", PATH, body, Idempotency_Key="k")
    again = await admin.create(body, key="k")
    assert again.status_code == 201
    assert ("idempotency-replayed" in again.headers) == (phase != "before the write")
    async with sweeping(system):
        await until(lambda: _nothing_waits(admin), "the sweep")
    (document,) = await admin.documents(slug="a")
    assert document["_id"] == UUID(json(again)["id"])
    assert await _changes(system) == [("created", 1)]
    assert (await system.counts())["idempotency_keys"] == 1
    assert (await admin.create(body, key="k")).content == again.content
    other = await admin.create(service_of("b"), key="k")
    assert json(other)["code"] == "idempotency.key_reused"


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase != "before the write"])
async def test_a_creation_is_left_to_others(
    killed: Killed, system: System, admin: Admin, phase: str
) -> None:
    await killed(phase, "POST", PATH, service_of("a"), Idempotency_Key="k")
    async with sweeping(system):
        await until(lambda: _nothing_waits(admin), "the sweep")
    assert await _changes(system) == [("created", 1)]
    assert (await system.counts())["idempotency_keys"] == 1
    again = await admin.create(service_of("a"), key="k")
    assert again.headers["idempotency-replayed"] == "true"
    assert len(await admin.documents(slug="a")) == 1


@pytest.mark.parametrize("phase", PHASES)
async def test_a_change_is_followed_by_another(
    killed: Killed, system: System, admin: Admin, phase: str
) -> None:
    """The next one takes along what the dead process has left, in order."""
    path = await admin.created("a")
    await killed(phase, "PATCH", path, {"name": "B"}, If_Match='"1"')
    version = (await admin.documents(slug="a"))[0]["version"]
    assert version == (1 if phase == "before the write" else 2)
    assert (await admin.delete(path, version=version)).status_code == 204
    assert await _nothing_waits(admin)
    expected = [("created", 1), ("updated", 2), ("deleted", 3)]
    if phase == "before the write":
        expected = [("created", 1), ("deleted", 2)]
    assert await _changes(system) == expected


async def test_events_have_the_context_of_the_request(
    killed: Killed, system: System, admin: Admin
) -> None:
    path = await admin.created("a")
    headers = {"If_Match": '"1"', "X_Context_Id": "ctx-of-the-killed"}
    await killed("written", "PATCH", path, {"name": "B"}, **headers)
    async with sweeping(system):
        await until(lambda: _nothing_waits(admin), "the sweep")
    rows = await system.rows("SELECT context_id, actor FROM outbox ORDER BY seq")
    assert rows[1] == {"context_id": "ctx-of-the-killed", "actor": str(ADMIN)}


async def test_a_cache_that_was_not_told_is_told_by_the_event(
    environ: dict[str, str], database: asyncpg.Connection, mortals: Mortals
) -> None:
    """By the tasks of another process, long before what is cached expires."""
    environ = {
        **environ,
        "THROUGHLINE_API_CATALOG_ITEM_TTL_S": "3600",
        "THROUGHLINE_API_CATALOG_PAGE_TTL_S": "3600",
    }
    killed = Killed(mortals, environ)
    async with started(environ, database, tasks=True) as system:
        admin = Admin.of(system, ADMIN)
        path, listed = f"{PATH}/{RETIRED}", f"{PATH}?active=false"
        await admin.get(path)
        await admin.get(listed)
        await killed("written", "PATCH", path, {"name": "B"}, If_Match='"1"')
        assert (await admin.get(path))["version"] == 1, "it is cached"

        async def is_told() -> bool:
            (listed_one,) = (await admin.get(listed))["items"]
            return bool((await admin.get(path))["name"] == listed_one["name"] == "B")

        await until(is_told, "the event")


async def test_postgresql_is_away_for_a_while(
    system: System, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change stands, and its event comes later."""

    async def gone(*_: object) -> None:
        raise OSError("no route")

    path = await admin.created("a")
    with monkeypatch.context() as patch:
        patch.setattr(DocumentOutbox, "take_over", gone)
        assert (await admin.patch(path, {"name": "B"}, version=1)).status_code == 200
        assert (await admin.patch(path, {"name": "C"}, version=2)).status_code == 200
    assert (await admin.get(path))["name"] == "C"
    assert await _changes(system) == [("created", 1)]
    async with sweeping(system):
        await until(lambda: _nothing_waits(admin), "the sweep")
    assert await _changes(system) == [("created", 1), ("updated", 2), ("updated", 3)]


async def test_marks_are_forgotten_in_time(system: System, admin: Admin) -> None:
    await admin.create(service_of("a"), key="k")
    (document,) = await admin.documents(slug="a")
    assert MARK in document
    async with sweeping(system, Pace(every_s=0.05, keep_marks=timedelta(0))):

        async def is_forgotten() -> bool:
            return not await admin.documents(**{MARK: {"$exists": True}})

        await until(is_forgotten, "the mark is gone")
    assert (await admin.create(service_of("a"), key="k")).status_code == 201, "by the key's row"
