"""All modules in one process, over real databases and a real cache; the broker is in memory."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import httpx
import orjson
import pytest

from libs.config import load, peer_variable
from libs.events.kafka import KafkaBus
from libs.module import R, Registry
from libs.runtime import Runtime
from libs.settings import HostSettings
from services import registry
from services.cli import settings
from tests.integration.api.system import LocalBus
from tests.integration.databases import ModuleDatabase
from tests.integration.integrations.third_party import ThirdParty
from tests.third_parties import unreachable

PASSWORD: Final = "correct horse"
SECRET: Final = "a-long-random-secret"
ROLES: Final = ("admin", "customer")
URL: Final = "http://test"


class OneProcess(Runtime):
    """A process that hosts everything, third parties included."""

    def __init__(self, modules: Registry, environ: Mapping[str, str]) -> None:
        self._bus = LocalBus()
        self._party = ThirdParty()
        environ = {**environ, **dict.fromkeys(unreachable(), self._party.url)}
        super().__init__(modules, load(environ, HostSettings, modules), version="0.0.0")

    def share(self, kind: type[R]) -> R:
        return cast("R", self._bus) if kind is KafkaBus else super().share(kind)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        await self._party.start()
        try:
            async with super().opened():
                yield
        finally:
            await self._party.go()

    async def prepare(self) -> dict[str, str]:
        """Put demo data and accounts in place; gives an access token for each role."""
        accounts = {role: {"email": f"{role}@example.com", "password": PASSWORD} for role in ROLES}
        transport = httpx.ASGITransport(cast(Any, self.app))
        async with self.opened(), httpx.AsyncClient(transport=transport, base_url=URL) as http:
            for wired in self.wired.values():
                if wired.prepare is not None:
                    await wired.prepare()
                if wired.seed is not None:
                    await wired.seed({"accounts": accounts})
            answers = [await http.post("/v1/auth/login", json=a) for a in accounts.values()]
        return {r: a.json()["accessToken"] for r, a in zip(accounts, answers, strict=True)}


@pytest.fixture(scope="session")
def modules() -> Registry:
    return registry.load(registry.MODULES)


@pytest.fixture(scope="session")
def environ(modules: Registry, postgres_url: str, redis_url: str, mongo_url: str) -> dict[str, str]:
    """The settings of the process; those that are required and do not matter are made up."""
    names = modules.names
    required = settings.made_up(names)
    for name in names:
        required.pop(peer_variable(name), None)  # they are all here
    urls = {
        f"THROUGHLINE_{module.name.upper()}_DATABASE_URL": asyncio.run(
            ModuleDatabase.create(postgres_url, module)
        ).url
        for module in modules
        if module.models
    }
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    return {
        **required,
        **urls,
        "THROUGHLINE_ENVIRONMENT": "embedded",  # where keys are made at the first start
        "THROUGHLINE_DRAIN_S": "5",
        "THROUGHLINE_REQUEST_TIMEOUT_S": "60",
        "THROUGHLINE_CURSOR_SECRET": "signs the cursors of tests",
        "THROUGHLINE_REDIS_URL": redis_url,
        "THROUGHLINE_REDIS_TIMEOUT_MS": "5000",
        "THROUGHLINE_MONGO_URL": mongo_url,
        "THROUGHLINE_MONGO_DATABASE": f"test_{secrets.token_hex(8)}",
        "THROUGHLINE_MONGO_TIMEOUT_MS": "20000",
        "THROUGHLINE_AUTH_SERVICE_CLIENTS": orjson.dumps({"worker": digest}).decode(),
        "THROUGHLINE_AUTH_PASSWORD_MEMORY_KIB": "64",
        "THROUGHLINE_AUTH_PASSWORD_ITERATIONS": "1",
        "THROUGHLINE_WORKER_CLIENT_SECRET": SECRET,
    }


@pytest.fixture(scope="session")
def tokens(modules: Registry, environ: dict[str, str]) -> dict[str, str]:
    """Access tokens, by role; the demo data is in place."""
    return asyncio.run(OneProcess(modules, environ).prepare())
