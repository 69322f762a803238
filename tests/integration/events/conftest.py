"""Two modules, `sender` and `receiver`, with schemas of their own and a broker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest
from pydantic import SecretStr

from libs.db.database import Database, Databases
from libs.db.settings import DatabaseSettings
from libs.events.ddl import INBOX_V1, OUTBOX_V1
from libs.events.kafka import KafkaBus
from libs.events.settings import EventSettings
from tests.integration.databases import connected, create_database
from tests.integration.own_servers import OwnKafka


@pytest.fixture(scope="session")
def events_url(postgres_url: str) -> str:
    """An administrator's, of a database where every test has schemas of its own."""
    return asyncio.run(create_database(postgres_url, "events"))


@pytest.fixture
async def stopped_broker(tmp_path: Path) -> AsyncIterator[OwnKafka]:
    kafka = OwnKafka(tmp_path)
    yield kafka
    await kafka.stop()


@pytest.fixture
async def broker(stopped_broker: OwnKafka) -> OwnKafka:
    await stopped_broker.start()
    return stopped_broker


@dataclass(frozen=True)
class Modules:
    sender: Database
    receiver: Database


@pytest.fixture
async def modules(events_url: str) -> AsyncIterator[Modules]:
    suffix = token_hex(4)
    names = [f"sender_{suffix}", f"receiver_{suffix}"]
    async with connected(events_url) as admin:
        for name in names:
            await admin.execute(
                f"CREATE SCHEMA {name}; SET search_path = {name}; {OUTBOX_V1} {INBOX_V1}"
                " CREATE TABLE effects (id bigserial, what text NOT NULL);"
            )
        databases = Databases()
        settings = DatabaseSettings(
            url=SecretStr(events_url),
            pool_min=0,
            acquire_timeout_ms=30_000,
            statement_timeout_ms=30_000,
        )
        sender, receiver = (databases.add(name, settings, ()) for name in names)
        await databases.open()
        yield Modules(sender, receiver)
        await databases.close()
        for name in names:
            await admin.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def event_settings(stopped_broker: OwnKafka) -> EventSettings:
    return EventSettings(
        bootstrap_servers=stopped_broker.address,
        enable_idempotence=False,
        fetch_max_wait_ms=20,
        request_timeout_ms=2000,
        session_timeout_ms=1500,  # Tansu lets who joins first wait for half of it
    )


@pytest.fixture
async def bus(event_settings: EventSettings) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus()
    bus.configure(event_settings)
    await bus.open()
    yield bus
    await bus.close()
