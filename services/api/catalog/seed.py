"""Demo data: the services of `data/services.json`."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from libs.logging import get_logger
from services.api.catalog.documents import Service, at
from services.api.catalog.service import Catalog

DATA = Path(__file__).with_name("data") / "services.json"

log = get_logger()


def services() -> list[Service]:
    """The demo services, as if created now."""
    now = datetime.now(UTC)
    return [at(now, values) for values in orjson.loads(DATA.read_bytes())]


class Seed:
    """Adds those of the demo services that are not there; what is there stays as it is."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def __call__(self, _: Mapping[str, Any]) -> None:
        added = await self._catalog.add_missing(await asyncio.to_thread(services))
        log.info("catalog.seeded", added=added)
