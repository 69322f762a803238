"""The servers that `servers.py` runs, and what must be in them."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import click
from pydantic import SecretStr

from libs import logging
from libs.documents.documents import Documents
from libs.documents.settings import DocumentsSettings
from libs.embedded import kafka
from libs.embedded.kafka import Kafka
from libs.embedded.mongo import Mongo
from libs.embedded.profile import KAFKA_BOOTSTRAP_SERVERS, MONGO_URL
from libs.version import VERSION
from services.api.catalog import documents
from services.api.catalog.documents import Service
from services.api.catalog.repository import ServiceRepository
from services.api.catalog.schemas import ServiceContent, fields
from tests.bench.peer.seed import SERVICES, USERS, named_uuid
from tests.bench.peer.servers import Surroundings
from tests.bench.peer.tokens import issue

DESCRIPTION: Final = (
    "A vetted professional cleans kitchen, bathroom, living room and bedrooms; supplies are"
    " brought along, windows and oven on request."
)


async def run(folder: Path) -> None:
    """Start them, fill MongoDB, print one line of JSON, and stop when standard input ends."""
    logging.configure(level="error", version=VERSION, environment="test", stream=sys.stderr.buffer)
    mongo, broker = Mongo(folder, environ=os.environ), Kafka(folder)
    try:
        await asyncio.gather(mongo.start(), broker.start())
        await _fill(mongo.url)
        settings = {MONGO_URL: mongo.url, KAFKA_BOOTSTRAP_SERVERS: broker.url, **kafka.SETTINGS}
        users = (str(named_uuid(f"user{number}")) for number in range(USERS))
        click.echo(Surroundings(settings=settings, issued=issue(users)).model_dump_json())
        sys.stdout.close()
        await asyncio.to_thread(sys.stdin.buffer.read)
    finally:
        await asyncio.gather(mongo.stop(), broker.stop())


async def _fill(url: str) -> None:
    mongo = Documents()
    mongo.configure(DocumentsSettings(url=SecretStr(url), timeout_ms=60_000))
    await mongo.open()
    mongo.declare(documents.SERVICES)
    await mongo.prepare()
    await ServiceRepository(mongo).add_missing([_service(number) for number in range(SERVICES)])
    await mongo.close()


def _service(number: int) -> Service:
    """As large as the peers' are."""
    content = {
        "slug": f"home-cleaning-{number}",
        "name": f"Home cleaning, tier {number}",
        "category": "cleaning",
        "description": DESCRIPTION,
        "price": {"amount": f"{49 + number / 10:.2f}", "currency": "EUR"},
        "tags": ["home", "cleaning", "weekly"],
        "config": {"durationMinutes": 120, "provider": "Sparkle & Sons"},
    }
    wanted = ServiceContent.model_validate(content)
    return documents.new(named_uuid(f"service{number}"), by=None, **fields(wanted))
