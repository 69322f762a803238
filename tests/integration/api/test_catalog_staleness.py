"""A hunt for stale reads: nobody sees a service older than what was acknowledged before they asked.

Two processes, with a cache that they share, are written to and read from at the same time. What
is cached expires and is refreshed early meanwhile, so that loads and invalidations overlap.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import cycle
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY

from tests.integration.api.replica import replica
from tests.integration.api.services import PATH, Admin
from tests.integration.api.system import started

SERVICES = 3
CHANGES = 30
READERS = 6
LISTED = f"{PATH}?category=made-up"


@pytest.fixture(params=["0.3", "3600"], ids=["expiring", "lasting"])
async def replicas(
    request: pytest.FixtureRequest, environ: dict[str, str], database: asyncpg.Connection
) -> AsyncIterator[tuple[Admin, ...]]:
    """An administrator at each of two processes."""
    environ |= {
        "THROUGHLINE_API_CATALOG_ITEM_TTL_S": request.param,
        "THROUGHLINE_API_CATALOG_PAGE_TTL_S": request.param,
    }
    async with (
        started(environ, database, tasks=True) as first,
        replica(environ, database) as second,
    ):
        yield Admin.of(first), second


class Hunt:
    """Services with the versions that were acknowledged."""

    def __init__(self, replicas: tuple[Admin, ...], paths: list[str]) -> None:
        self.replicas = replicas
        self.acknowledged = dict.fromkeys(paths, 1)
        self.stale: list[str] = []
        self.reads = 0
        self.over = False

    async def write(self, path: str) -> None:
        """Change a service again and again, at one process and the other, and read it there."""
        for n, admin in zip(range(CHANGES), cycle(self.replicas), strict=False):
            response = await admin.patch(path, {"config": {"n": n}}, version=n + 1)
            assert response.status_code == 200, response.text
            self.acknowledged[path] = n + 2
            assert (await admin.get(path))["config"] == {"n": n}, "its own write"

    async def read(self, admin: Admin) -> None:
        for path in cycle([*self.acknowledged, LISTED]):
            if self.over:
                return
            floor = dict(self.acknowledged)
            found = await admin.get(path)
            for service in found.get("items", [found]):
                self._judge(service, floor, path)

    def _judge(self, service: dict[str, Any], floor: dict[str, int], path: str) -> None:
        self.reads += 1
        least = floor[f"{PATH}/{service['id']}"]
        if service["version"] < least:
            self.stale.append(f"{path}: {service['version']} after {least}")


async def test_no_read_is_older_than_the_last_acknowledged_write(
    replicas: tuple[Admin, ...],
) -> None:
    paths = [await replicas[0].created(f"s-{n}") for n in range(SERVICES)]
    hunt = Hunt(replicas, paths)
    hits = REGISTRY.get_sample_value("cache_lookups_total", HITS) or 0
    async with asyncio.TaskGroup() as group:
        for admin in replicas:
            for _ in range(READERS // len(replicas)):
                group.create_task(hunt.read(admin))
        await asyncio.gather(*map(hunt.write, paths))
        hunt.over = True
    assert hunt.stale == []
    assert hunt.reads > SERVICES * CHANGES
    assert (REGISTRY.get_sample_value("cache_lookups_total", HITS) or 0) > hits + 10


HITS = {"namespace": "services", "outcome": "hit"}
