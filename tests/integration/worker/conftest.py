"""The module on a real PostgreSQL, with a broker in memory and a made-up `integrations`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from libs.config import ServerSettings
from libs.context import new_context_id
from libs.db.database import Database, Databases
from libs.events.bus import Record
from libs.events.envelope import Envelope
from libs.events.event import Event
from libs.events.memory import MemoryBus
from libs.module import Registry, Wired
from libs.web.app import create_app, in_layer
from libs.web.health import Health, Meta
from services.worker.module import MODELS, MODULE, NAME, wire
from services.worker.notifications.channels import MemoryChannel
from services.worker.notifications.repository import NotificationRepository
from services.worker.notifications.service import Messages
from services.worker.settings import WorkerSettings
from tests.events import envelope_of, running
from tests.integration.databases import ModuleDatabase
from tests.unit.worker.environ import settings
from tests.unit.worker.fakes import FakeMessages, FakeReference
from tests.verifier import FakeVerifier


@pytest.fixture(scope="session")
def worker_database(postgres_url: str) -> ModuleDatabase:
    return asyncio.run(ModuleDatabase.create(postgres_url, MODULE))


@pytest.fixture
async def worker_settings(worker_database: ModuleDatabase) -> WorkerSettings:
    """Settings of a worker whose database is empty."""
    await worker_database.empty()
    return settings(
        WORKER_DATABASE_URL=worker_database.url,
        WORKER_DATABASE_ACQUIRE_TIMEOUT_MS="30000",
        WORKER_DATABASE_STATEMENT_TIMEOUT_MS="30000",
        WORKER_CONSUMER_RETRY_BASE_S="0.05",
    )


@pytest.fixture
async def db(worker_settings: WorkerSettings) -> AsyncIterator[Database]:
    databases = Databases()
    db = databases.add(NAME, worker_settings.database, MODELS)
    await databases.open()
    yield db
    await databases.close()


@dataclass(frozen=True)
class Worker:
    """The module at work.

    Attributes:
        http: calls it, as an auditor.
    """

    db: Database
    bus: MemoryBus
    reference: FakeReference
    messages: FakeMessages
    channel: MemoryChannel
    http: httpx.AsyncClient

    async def publish(self, event: Event, **more: Any) -> Envelope:
        """Publish an event as its module would; `more` are attributes of its envelope."""
        envelope = envelope_of(event, **{"context_id": new_context_id(), **more})
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


@pytest.fixture
async def worker(db: Database, worker_settings: WorkerSettings) -> AsyncIterator[Worker]:
    bus, reference = MemoryBus(), FakeReference()
    messages, channel = FakeMessages(), MemoryChannel()
    await bus.ensure_topics(sorted({event.topic for event in MODULE.consumes}))
    sender = Messages(messages, channel, NotificationRepository())
    wired = wire(db, bus, reference, sender, worker_settings)
    async with AsyncExitStack() as stack:
        for task in wired.tasks:
            await stack.enter_async_context(running(task))
        http = await stack.enter_async_context(_called(wired))
        yield Worker(db, bus, reference, messages, channel, http)


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
