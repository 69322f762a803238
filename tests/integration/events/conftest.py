"""Two modules, `sender` and `receiver`, with schemas of their own and a broker, of both kinds."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest
from pydantic import SecretStr

from libs.db.database import Database, Databases
from libs.db.settings import DatabaseSettings
from libs.events.ddl import INBOX_V1, INBOX_V2, OUTBOX_V1, OUTBOX_V2
from libs.events.kafka import KafkaBus
from libs.events.settings import EventSettings
from tests.integration.databases import connected, create_database
from tests.integration.events.brokers import (
    APACHE,
    TANSU,
    Broker,
    OwnApacheKafka,
    OwnTansu,
    settings_for,
)


@pytest.fixture(scope="session")
def events_url(postgres_url: str) -> str:
    """An administrator's, of a database where every test has schemas of its own."""
    return asyncio.run(create_database(postgres_url, "events"))


@pytest.fixture(scope="session", params=[TANSU, pytest.param(APACHE, marks=pytest.mark.kafka)])
def kind(request: pytest.FixtureRequest) -> str:
    """Which broker a test runs on: every one runs on both, unless it says otherwise."""
    return str(request.param)


@pytest.fixture(scope="session")
def apache(kind: str) -> Iterator[OwnApacheKafka | None]:
    """The one Apache Kafka, if this is its turn."""
    if kind != APACHE:
        yield None
        return
    server = OwnApacheKafka()
    yield server
    asyncio.run(server.stop())
    server.remove()


@pytest.fixture
async def stopped_broker(apache: OwnApacheKafka | None, tmp_path: Path) -> AsyncIterator[Broker]:
    broker = apache or OwnTansu(tmp_path)
    if broker.is_running:
        await broker.stop()
    yield broker
    if apache is None:
        await broker.stop()


@pytest.fixture
async def broker(apache: OwnApacheKafka | None, tmp_path: Path) -> AsyncIterator[Broker]:
    broker = apache or OwnTansu(tmp_path)
    if not broker.is_running:
        await broker.start()
    yield broker
    if apache is None:
        await broker.stop()


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
                f"CREATE SCHEMA {name}; SET search_path = {name}; {OUTBOX_V1} {OUTBOX_V2}"
                f" {INBOX_V1} {INBOX_V2}"
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
def event_settings(request: pytest.FixtureRequest) -> EventSettings:
    """For the broker of the test, which may be stopped."""
    name = "stopped_broker" if "stopped_broker" in request.fixturenames else "broker"
    return settings_for(request.getfixturevalue(name))


@pytest.fixture
async def bus(event_settings: EventSettings) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus()
    bus.configure(event_settings)
    await bus.open()
    yield bus
    await bus.close()
