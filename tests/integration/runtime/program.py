"""A process with one module of its own, for tests that need a real one.

Usage: python -m tests.integration.runtime.program PORT
"""

import asyncio
import sys
from typing import Any

from fastapi import APIRouter

from libs import logging
from libs.auth.guards import anyone
from libs.auth.settings import TokenSettings
from libs.config import ModuleSettings, ServerSettings, Settings
from libs.http.settings import HttpClientSettings
from libs.limits.settings import LimitSettings
from libs.logging import get_logger
from libs.module import Host, Module, Registry, Wired
from libs.runtime import Runtime
from libs.settings import HostSettings

log = get_logger()


class Store:
    """A resource."""

    async def open(self) -> None:
        log.info("store.opened")

    async def close(self) -> None:
        log.info("store.closed")


class Work:
    """A task that finishes the piece of work at hand."""

    name = "work"

    def __init__(self) -> None:
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        await self._stopped.wait()
        log.info("work.finished")

    async def stop(self) -> None:
        self._stopped.set()


def build(host: Host, _: Any) -> Wired:
    """Put the module together."""
    host.share(Store)
    routes = APIRouter(dependencies=[anyone])

    @routes.get("/v1/until-stopped")
    async def until_stopped() -> dict[str, Any]:
        while not runtime.health.stopping:  # noqa: ASYNC110 (it is a flag)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # the server has seen it too
        return await runtime.health.report()

    return Wired(routers=(routes,), tasks=(Work(),))


if __name__ == "__main__":
    module = Module(
        name="program", summary="", settings=ModuleSettings, build=build, routes=("/v1",)
    )
    server = ServerSettings.model_validate({"environment": "test", "port": int(sys.argv[1])})
    settings = Settings(
        HostSettings(
            server=server,
            tokens=TokenSettings.model_validate({}),
            http=HttpClientSettings.model_validate({}),
            limits=LimitSettings.model_validate({}),
        ),
        {"program": ModuleSettings()},
    )
    logging.configure(level="debug", version="1.2.3", environment="test")
    runtime = Runtime(Registry((module,)), settings, version="1.2.3")
    asyncio.run(runtime.serve())
