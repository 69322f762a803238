"""Demo data: the services of `data/services.json`."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson

from libs.logging import get_logger
from services.api.catalog import documents
from services.api.catalog.documents import Service
from services.api.catalog.schemas import ServiceContent, fields
from services.api.catalog.service import Catalog

DATA = Path(__file__).with_name("data") / "services.json"
ACTOR: Final = "service:api"

log = get_logger()


def services() -> list[Service]:
    """The demo services, as if created now."""
    return [_service(**values) for values in orjson.loads(DATA.read_bytes())]


def _service(*, id: str, **content: Any) -> Service:  # noqa: A002 (as it is called there)
    wanted = ServiceContent.model_validate(content)
    return documents.new(UUID(id), by=ACTOR, **fields(wanted))


class Seed:
    """Adds those of the demo services that are not there; what is there stays as it is."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def __call__(self, _: Mapping[str, Any]) -> None:
        added = await self._catalog.add_missing(await asyncio.to_thread(services))
        log.info("catalog.seeded", added=added)
